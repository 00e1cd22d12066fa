//! Where everything happens: one private Redis, one folder, one connection to look at it.
//!
//! Built once per run and handed to every part. It starts workers and waits; it never measures.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use printery_events::{Encoding, EventType, Family};
use printery_streams::Keys;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::error::{Error, ErrorKind};
use crate::load::{load, load_at_once};
use crate::options::Options;
use crate::program::Program;
use crate::server::PrivateRedis;
use crate::wire::Wire;

/// The first part of every key.
const PREFIX: &str = "bench";
/// How long Redis may take to answer.
const START_WITHIN: Duration = Duration::from_secs(10);
/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at something that takes long.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How a worker is started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) program: &'static str,
    /// Handlers at once; none is what the worker does when nobody says.
    pub(crate) concurrency: Option<usize>,
    pub(crate) encoding: Encoding,
    /// The fleet file.
    pub(crate) file: Value,
    /// Where it serves HTTP.
    pub(crate) http: String,
}

impl Launch {
    /// A worker with a fleet file that says nothing.
    pub(crate) fn of(program: &'static str) -> Self {
        let file = json!({ "version": 1, "fleet": "bench", "validator": { "checks": [] } });
        let http = "off".to_owned();
        Self { program, concurrency: None, encoding: Encoding::MessagePack, file, http }
    }

    pub(crate) fn concurrency(mut self, handlers: usize) -> Self {
        self.concurrency = Some(handlers);
        self
    }

    pub(crate) fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Sets what the fleet file says of how deliveries are handled.
    pub(crate) fn engine(mut self, engine: Value) -> Self {
        if let Some(file) = self.file.as_object_mut() {
            file.insert("engine".to_owned(), engine);
        }
        self
    }
}

/// The private Redis and what belongs to it.
pub(crate) struct Stage<'a> {
    pub(crate) options: &'a Options,
    pub(crate) wire: Wire,
    pub(crate) keys: Keys,
    pub(crate) server: PrivateRedis,
    folder: TempDir,
    started: usize,
    tell: &'a mut dyn FnMut(&str),
}

impl<'a> Stage<'a> {
    /// Starts Redis and waits until it answers.
    pub(crate) fn set(options: &'a Options, tell: &'a mut dyn FnMut(&str)) -> Result<Self, Error> {
        let folder = TempDir::with_prefix("printery-bench-")
            .map_err(Error::io("cannot make a temporary folder"))?;
        let settings: &[&str] = if options.append_only {
            &["--appendonly", "yes", "--appendfsync", "everysec"]
        } else {
            &["--appendonly", "no"]
        };
        let mut server = PrivateRedis::start(folder.path(), settings).map_err(|error| {
            let text = format!("cannot start redis-server: {error}; install it");
            Error::new(ErrorKind::Missing, text)
        })?;
        let wire = connected(&mut server)?;
        let keys = Keys::new(PREFIX);
        Ok(Self { options, wire, keys, server, folder, started: 0, tell })
    }

    /// Says what is done now.
    pub(crate) fn tell(&mut self, text: &str) {
        (self.tell)(text);
    }

    /// Opens another connection.
    pub(crate) fn connect(&self) -> Result<Wire, Error> {
        Wire::connect(self.server.socket()).map_err(Error::io("cannot connect to Redis"))
    }

    /// Sends one command.
    pub(crate) fn ask(&mut self, words: &[&str]) -> Result<crate::wire::Reply, Error> {
        let what = || format!("Redis did not do {}", words.join(" "));
        self.wire.ask(words).map_err(|error| Error::io(what())(error))
    }

    /// Where events of this type are.
    pub(crate) fn events(&self, family: Family) -> String {
        self.keys.events(EventType::of(family).as_str())
    }

    /// How many entries a stream has.
    pub(crate) fn length(&mut self, stream: &str) -> Result<u64, Error> {
        self.ask(&["XLEN", stream]).map(|reply| reply.number())
    }

    /// Empties Redis and adds so many events to the stream that workers read first.
    pub(crate) fn begin(&mut self, entries: u64, encoding: Encoding) -> Result<(), Error> {
        self.ask(&["FLUSHALL"])?;
        self.add((0, entries), encoding)
    }

    /// Adds the events `from..till`.
    pub(crate) fn add(&mut self, range: (u64, u64), encoding: Encoding) -> Result<(), Error> {
        let stream = self.events(Family::DeploymentStarted);
        load(&mut self.wire, &stream, range, encoding).map_err(Error::io("cannot load entries"))
    }

    /// Adds the events `from..till` in one step of the server.
    pub(crate) fn add_at_once(
        &mut self,
        range: (u64, u64),
        encoding: Encoding,
    ) -> Result<(), Error> {
        let stream = self.events(Family::DeploymentStarted);
        load_at_once(&mut self.wire, &stream, range, encoding)
            .map_err(Error::io("cannot load entries"))
    }

    /// Forgets everything but the entries of the first stream, which nobody has read then.
    pub(crate) fn rewind(&mut self) -> Result<(), Error> {
        let stream = self.events(Family::DeploymentStarted);
        let keys = self.ask(&["KEYS", "*"])?;
        for key in keys.items() {
            let key = key.text();
            if key != stream {
                self.ask(&["UNLINK", &key])?;
            }
        }
        let groups = self.ask(&["XINFO", "GROUPS", &stream])?;
        for group in groups.items() {
            let name = group.items().get(1).map(crate::wire::Reply::text).unwrap_or_default();
            self.ask(&["XGROUP", "DESTROY", &stream, &name])?;
        }
        Ok(())
    }

    /// Starts a program of the fleet.
    pub(crate) fn start(&mut self, launch: &Launch) -> Result<Program, Error> {
        self.started += 1;
        let name = format!("{}-{}", launch.program, self.started);
        let file = self.folder.path().join(format!("{name}.yaml"));
        std::fs::write(&file, launch.file.to_string())
            .map_err(Error::io("cannot write the fleet file"))?;
        let encoding = match launch.encoding {
            Encoding::Json => "json",
            Encoding::MessagePack => "msgpack",
        };
        let mut environment = vec![
            // What a program leaves behind that is killed goes with our folder.
            ("TMPDIR", self.folder.path().display().to_string()),
            ("REDIS_URL", self.server.url()),
            ("PRINTERY_PREFIX", PREFIX.to_owned()),
            ("PRINTERY_CONFIG", file.display().to_string()),
            ("PRINTERY_ENCODING", encoding.to_owned()),
            ("PRINTERY_HTTP_ADDR", launch.http.clone()),
            ("LOG_LEVEL", "warn".to_owned()),
        ];
        let concurrency = launch.concurrency.map(|handlers| handlers.to_string());
        for name in ["HOP_CONCURRENCY", "VALIDATOR_CONCURRENCY"] {
            environment.extend(concurrency.clone().map(|handlers| (name, handlers)));
        }
        let log = self.folder.path().join(format!("{name}.log"));
        Program::start(&self.options.programs.join(launch.program), &environment, log)
    }

    /// Where a program is.
    pub(crate) fn program(&self, name: &str) -> std::path::PathBuf {
        Path::new(&self.options.programs).join(name)
    }

    /// Waits a moment.
    ///
    /// # Errors
    /// Somebody asked to stop.
    pub(crate) fn nap(&self, pause: Duration) -> Result<(), Error> {
        if self.options.stop.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
        }
        std::thread::sleep(pause);
        Ok(())
    }

    /// Waits so long, and notices when somebody asks to stop.
    pub(crate) fn rest(&self, pause: Duration) -> Result<(), Error> {
        let till = Instant::now() + pause;
        while Instant::now() < till {
            self.nap(till.saturating_duration_since(Instant::now()).min(50 * LOOK_EVERY))?;
        }
        Ok(())
    }

    /// Waits until `done` says so.
    ///
    /// # Errors
    /// A program ended, it takes longer than a minute, or somebody asked to stop.
    pub(crate) fn until(
        &mut self,
        what: &str,
        programs: &mut [Program],
        mut done: impl FnMut(&mut Self) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let give_up = Instant::now() + PATIENCE;
        while !done(self)? {
            programs.iter_mut().try_for_each(Program::check)?;
            if Instant::now() > give_up {
                let logs: Vec<String> = programs.iter().map(Program::tail).collect();
                let text = format!("{what}: not within {PATIENCE:?}\n{}", logs.join("\n"));
                return Err(Error::new(ErrorKind::Stuck, text));
            }
            self.nap(LOOK_EVERY)?;
        }
        Ok(())
    }
}

fn connected(server: &mut PrivateRedis) -> Result<Wire, Error> {
    let give_up = Instant::now() + START_WITHIN;
    loop {
        let answer = Wire::connect(server.socket())
            .and_then(|mut wire| wire.ask(&["PING"]).map(|_pong| wire));
        match answer {
            Ok(wire) => return Ok(wire),
            Err(error) if Instant::now() > give_up => {
                return Err(Error::io("redis-server does not answer")(error));
            }
            Err(_not_yet) => std::thread::sleep(LOOK_EVERY),
        }
        let ended = server.ended().map_err(Error::io("cannot ask how redis-server is"))?;
        if let Some(status) = ended {
            let what = format!("redis-server ended at once: {status}");
            return Err(Error::io(what)(io::ErrorKind::NotConnected.into()));
        }
    }
}
