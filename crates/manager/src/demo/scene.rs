//! Everything that the demo starts, in the order in which it is started and ended.
//!
//! Owns the temporary folder and whoever lives in it. The story asks it for addresses; it knows
//! nothing of deployments.

use std::path::PathBuf;
use std::time::Duration;

use printery_events::topology::WORKERS;
use printery_harness::args::CommonArgs;
use printery_streams::inspect;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cli::failure::Failure;
use crate::cli::output::{Output, Tone};
use crate::cli::redis_cli::{RedisCli, quoted};
use crate::cli::target::Target;
use crate::cli::times::elapsed;
use crate::demo::fleet::FleetProcess;
use crate::demo::fleet_file::fleet_file;
use crate::demo::hook::{Hook, Message};
use crate::demo::redis::DemoRedis;
use crate::demo::services::{self, Fault, Service};

/// Whose stream the demo shows as an example.
const EXAMPLE: &str = "deployment:started";

/// What has been started so far.
#[derive(Debug)]
pub(crate) struct Scene {
    /// Dropped last: its folder goes with it.
    folder: TempDir,
    redis: Option<DemoRedis>,
    services: Vec<Service>,
    hook: Option<Hook>,
    fleet: Option<FleetProcess>,
    /// Serves the services and the hook.
    tasks: JoinSet<()>,
    began: Instant,
}

impl Scene {
    /// Makes the folder.
    pub(crate) fn try_new() -> Result<Self, Failure> {
        let folder = TempDir::with_prefix("printery-demo-")
            .map_err(|error| Failure::failed(format!("cannot make a temporary folder: {error}")))?;
        Ok(Self {
            folder,
            redis: None,
            services: Vec::new(),
            hook: None,
            fleet: None,
            tasks: JoinSet::new(),
            began: Instant::now(),
        })
    }

    /// Starts everything, and waits until all of it is ready.
    pub(crate) async fn set(
        &mut self,
        common: &CommonArgs,
        count: usize,
        out: &mut Output,
    ) -> Result<(), Failure> {
        let redis = match &common.redis_url {
            Some(url) => DemoRedis::given(url, common.partitions.clone()),
            None => DemoRedis::start(self.folder.path(), common.partitions.clone())?,
        };
        let redis = self.redis.insert(redis);
        let whose = if redis.is_private() { "private" } else { "as REDIS_URL says" };
        let version = redis.ready().await?;
        let where_ = format!("{version}, {whose}; prefix {}", redis.prefix);
        self.say(out, Tone::Good, "ready", "redis", &where_)?;

        self.services = services::start(count, &mut self.tasks).await?;
        let hook = Hook::start(&mut self.tasks).await?;
        for service in &self.services {
            self.say(
                out,
                Tone::Good,
                "ready",
                service.name,
                &format!("http://{}", service.address),
            )?;
        }
        let file = self.write_files(&hook)?;
        self.hook = Some(hook);

        let workers: Vec<&str> = WORKERS.iter().map(|worker| worker.name).collect();
        self.say(out, Tone::Dim, "starting", "fleet", &workers.join(", "))?;
        let Some(redis) = &self.redis else { return Ok(()) };
        let fleet = self.fleet.insert(FleetProcess::start(redis, &file, self.folder.path())?);
        fleet.ready().await?;
        let page = format!("{} workers; http://{}/", workers.len(), fleet.http);
        self.say(out, Tone::Good, "ready", "fleet", &page)
    }

    /// The command line's view of this fleet.
    pub(crate) fn target(&self) -> Result<Target, Failure> {
        let redis = self.redis.as_ref();
        Target::try_new(&CommonArgs {
            redis_url: redis.map(|redis| redis.url.clone()),
            prefix: redis.map(|redis| redis.prefix.clone()),
            partitions: redis.and_then(|redis| redis.partitions.clone()),
            config: Some(self.file().display().to_string()),
            ..CommonArgs::default()
        })
    }

    /// The names of the services.
    pub(crate) fn service_names(&self) -> Vec<String> {
        self.services.iter().map(|service| service.name.to_owned()).collect()
    }

    /// How the service that all others rely on can be broken.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.services.first().map(Service::fault)
    }

    /// What the webhook receiver has got.
    pub(crate) fn received(&self) -> Vec<Message> {
        self.hook.as_ref().map(Hook::messages).unwrap_or_default()
    }

    /// Tells how to see all this by hand.
    pub(crate) async fn tell_how_to_look(
        &self,
        out: &mut Output,
        target: &Target,
        deployment: &str,
        keep: bool,
    ) -> Result<(), Failure> {
        let Some(redis) = &self.redis else { return Ok(()) };
        let partition = target.partitions.of(deployment);
        let stream = partition.keys.events(EXAMPLE);
        let length = inspect::length(&mut partition.redis.session(), &stream).await?;
        let cli = RedisCli::new(&redis.url);
        let look = cli.line(&["XLEN", &stream]);
        out.line("")?;
        if redis.is_private() && !keep {
            out.line("Every event is in Redis. This Redis ends now; with --keep it stays, to be looked at:")?;
            return Ok(out.line(format!("  {look}     (now: {length})"))?);
        }
        out.line("Every event is in Redis:")?;
        out.line(format!("  {look}     (now: {length})"))?;
        if keep {
            let own = self.own_command();
            out.line(format!("  {own} explain {deployment}"))?;
            out.line(format!(
                "  {own} deploy --version 2.4.1 --environment staging --services api"
            ))?;
            if let Some(fleet) = &self.fleet {
                out.line(format!("  http://{}/", fleet.http))?;
            }
            out.line(format!("The log of the fleet is {}.", self.log().display()))?;
            out.line("Everything goes on until Ctrl-C.")?;
        } else {
            // Partitions put the prefix between braces, with their number behind it.
            let partitioned = target.settings.partitions.is_some();
            let prefix = &redis.prefix;
            let pattern =
                if partitioned { format!("{{{prefix}.*}}:*") } else { format!("{prefix}:*") };
            let scan = cli.line(&["--scan", "--pattern", &pattern]);
            out.line(format!("To remove it: {scan} | xargs {cli} DEL"))?;
        }
        Ok(())
    }

    /// Ends everything, the fleet before its Redis.
    pub(crate) async fn clear(&mut self) {
        if let Some(fleet) = &mut self.fleet {
            fleet.stop().await;
        }
        self.tasks.shutdown().await;
        if let Some(redis) = &mut self.redis {
            redis.stop().await;
        }
    }

    /// Ends everything at once; whoever has been asked to leave is asked again.
    pub(crate) fn kill(&mut self) {
        self.fleet = None;
        self.tasks.abort_all();
        self.redis = None;
    }

    fn write_files(&self, hook: &Hook) -> Result<PathBuf, Failure> {
        let key = self.folder.path().join("signing-key");
        std::fs::write(&key, hook.key())?;
        let file = self.file();
        std::fs::write(&file, fleet_file(&self.services, hook.address, &key))?;
        Ok(file)
    }

    /// How a person types a command of this program about this fleet.
    fn own_command(&self) -> String {
        let program = std::env::current_exe().unwrap_or_else(|_| "printery-workers".into());
        let file = self.file().display().to_string();
        let redis = self.redis.as_ref();
        let (url, prefix) = redis.map_or(("", ""), |redis| (&redis.url, &redis.prefix));
        let private = redis.is_some_and(DemoRedis::is_private);
        let url = if private { format!("REDIS_URL={} ", quoted(url)) } else { String::new() };
        let program = quoted(&program.display().to_string());
        let prefix = if private { String::new() } else { format!(" --prefix {prefix}") };
        let partitions = redis.and_then(|redis| redis.partitions.as_ref());
        let partitions =
            partitions.map_or_else(String::new, |count| format!(" --partitions {count}"));
        format!("{url}{program} --config {}{prefix}{partitions}", quoted(&file))
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("fleet.yaml")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("fleet.log")
    }

    fn say(
        &self,
        out: &mut Output,
        tone: Tone,
        word: &str,
        what: &str,
        detail: &str,
    ) -> Result<(), Failure> {
        Ok(out.line(line(out, self.began.elapsed(), (tone, word), [what, detail]))?)
    }
}

fn line(
    out: &Output,
    at: Duration,
    (tone, word): (Tone, &str),
    [what, detail]: [&str; 2],
) -> String {
    let colour = out.colour();
    let time = colour.paint(Tone::Dim, &format!("{:>8}", elapsed(at)));
    let word = colour.paint(tone, &format!("{word:<13}"));
    format!("{time}  {word}  {what:<28}  {detail}")
}
