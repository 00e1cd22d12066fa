//! What the manager was told: its own flags, judged together with those it shares with workers.
//!
//! Every problem of flags, environment and fleet file is collected before anything is started or
//! written. Nothing here talks to Redis or starts a process.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use printery_config::{Engine, Fleet, Secret};
use printery_events::topology::Worker;
use printery_harness::Problems;
use printery_harness::args::{CommonArgs, environment, secret_from_file, unset_blanks};
use printery_harness::settings::{Defaults, Settings as Shared};
use secrecy::SecretString;

use crate::api::access::Tokens;
use crate::api::guard::Guard;
use crate::archive::plan::ArchiveArgs;
use crate::census::Thresholds;
use crate::restart::RestartPolicy;
use crate::roster::Plan;
use crate::services::{Chosen, Said, choose, owner_variable};

mod mode;

pub(crate) use mode::Mode;
use mode::worker_words;

/// Where the manager serves HTTP when nobody says.
pub(crate) const HTTP_ADDR: &str = "127.0.0.1:8082";
/// Longest first backoff, in milliseconds. 1 h.
const LONGEST_BACKOFF_MS: u128 = 3_600_000;
/// What children get on top of the shutdown timeout to hand back what they could not finish: their
/// own limit for it is 5 s. 6 s.
const HAND_BACK: Duration = Duration::from_secs(6);
/// Least time between health checks: shorter ones would only heat the machine. 100 ms.
const LEAST_CHECK: Duration = Duration::from_millis(100);

/// Flags of contract §8 that only the manager has.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ManagerArgs {
    /// all, none (control plane only), or one worker that runs in the foreground
    #[arg(long, env = "WORKER_MODE", value_name = "WORKER", global = true)]
    pub(crate) worker: Option<String>,
    /// Restart workers that crash
    #[arg(
        long,
        env = "SUPERVISED_MODE",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        global = true
    )]
    pub(crate) supervised: Option<String>,
    /// Restarts of a worker that crashes again and again, before it is given up
    #[arg(long, env = "MAX_RESTART_ATTEMPTS", value_name = "N", global = true)]
    pub(crate) max_restarts: Option<String>,
    /// Wait before the first restart, doubled each time; a bare number is milliseconds
    #[arg(long, env = "RESTART_BACKOFF_MS", value_name = "DURATION", global = true)]
    pub(crate) backoff: Option<String>,
    /// How often workers are asked for their health; a bare number is milliseconds
    #[arg(long, env = "HEALTH_CHECK_INTERVAL_MS", value_name = "DURATION", global = true)]
    pub(crate) health_check_interval: Option<String>,
    /// Start these workers only, separated by commas
    #[arg(long, env = "PRINTERY_SERVICES", value_name = "WORKER,…", global = true)]
    pub(crate) start_services: Option<String>,
    /// Start, or do not start, these whatever the list says
    #[arg(long, env = "PRINTERY_OVERRIDE_SERVICES", value_name = "WORKER=BOOL,…", global = true)]
    pub(crate) override_services: Option<String>,
    /// How long the start waits for a worker to be ready before it goes on without it
    #[arg(long, env = "PRINTERY_START_TIMEOUT", value_name = "DURATION", global = true)]
    pub(crate) start_timeout: Option<String>,
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
}

impl ManagerArgs {
    /// Treats empty flags and variables as if nothing had been said.
    pub(crate) fn without_blanks(mut self) -> Self {
        unset_blanks([
            &mut self.worker,
            &mut self.supervised,
            &mut self.max_restarts,
            &mut self.backoff,
            &mut self.health_check_interval,
            &mut self.start_timeout,
            &mut self.start_services,
            &mut self.override_services,
        ]);
        Self { archive: self.archive.without_blanks(), ..self }
    }
}

/// Everything that the manager needs to know before it starts.
pub(crate) struct Settings {
    /// What it shares with workers.
    pub(crate) shared: Shared,
    /// The fleet file, or the built-in profile.
    pub(crate) fleet: Fleet,
    /// What is started.
    pub(crate) mode: Mode,
    /// Of that, what lists and owner switches leave.
    pub(crate) chosen: Chosen,
    /// How children are started, restarted and stopped.
    pub(crate) plan: Plan,
    /// How often children are asked for their health.
    pub(crate) health_check_interval: Duration,
    /// After which silence something is said about a process.
    pub(crate) thresholds: Thresholds,
    /// Who may ask the API; none where HTTP is off.
    pub(crate) guard: Option<Guard>,
    /// Where jobs are kept beyond Redis; none where they are not.
    pub(crate) archive: Option<String>,
}

impl Settings {
    /// Judges flags, environment and fleet file together.
    ///
    /// # Errors
    /// Every problem at once; nothing was started or written.
    pub(crate) fn try_new(common: &CommonArgs, own: &ManagerArgs) -> Result<Self, Problems> {
        let mut read = Reader::default();
        let fleet = read.fleet(common);
        let default_engine = Engine::default();
        let engine = fleet.as_ref().map_or(&default_engine, |fleet| &fleet.engine);
        let mode = read.mode(own.worker.as_deref());
        let common = with_listen(common, fleet.as_ref());
        let shared = read.shared(&common, engine, mode);
        let supervised = read.switch("--supervised (SUPERVISED_MODE)", own.supervised.as_deref());
        let restart = RestartPolicy {
            supervised,
            backoff: read.backoff(own.backoff.as_deref()),
            max_restarts: read.max_restarts(own.max_restarts.as_deref()),
        };
        let start_timeout = read.millis(
            "--start-timeout (PRINTERY_START_TIMEOUT)",
            own.start_timeout.as_deref(),
            Duration::from_secs(30),
        );
        let health_check_interval = read.health_check_interval(own);
        let thresholds = Thresholds::read(&environment).unwrap_or_else(|problems| {
            read.problems.extend(problems);
            Thresholds::default()
        });
        let is_manager = supervised || !matches!(mode, Mode::One(_));
        let file = fleet.as_ref();
        let tokens = file.and_then(|fleet| fleet.tokens_file.as_deref());
        let guard = if is_manager { read.guard(&common, tokens) } else { None };
        let archive = read.archive(&own.archive, file.and_then(|it| it.store.address.as_ref()));
        match (shared, fleet) {
            (Some(shared), Some(fleet)) if read.problems.is_empty() => {
                let shutdown_timeout = shared.shutdown_timeout;
                let plan = Plan { restart, start_timeout, shutdown_timeout, hand_back: HAND_BACK };
                let chosen = chosen(mode, own);
                Ok(Self {
                    shared,
                    fleet,
                    mode,
                    chosen,
                    plan,
                    health_check_interval,
                    thresholds,
                    guard,
                    archive,
                })
            }
            _ => Err(Problems(read.problems)),
        }
    }

    /// The worker that is to replace this process: one that was asked for and is not supervised.
    pub(crate) fn replacement(&self) -> Option<&'static Worker> {
        match self.mode {
            Mode::One(worker) if !self.plan.restart.supervised => Some(worker),
            Mode::One(_) | Mode::All | Mode::ControlPlane => None,
        }
    }
}

/// What lists and owner switches leave of a mode; one worker that was asked for by name is meant.
fn chosen(mode: Mode, own: &ManagerArgs) -> Chosen {
    let candidates = mode.workers();
    if let Mode::One(worker) = mode {
        return Chosen { workers: vec![worker], ..Chosen::default() };
    }
    let owner =
        |worker: &&'static Worker| Some((worker.name, environment(&owner_variable(worker))?));
    let said = Said {
        services: own.start_services.clone(),
        overrides: own.override_services.clone(),
        owners: candidates.iter().filter_map(owner).collect(),
    };
    choose(&candidates, &said)
}

/// The fleet file's `listen` is the layer below `--http-addr`.
fn with_listen(common: &CommonArgs, fleet: Option<&Fleet>) -> CommonArgs {
    let listen = fleet.and_then(|fleet| fleet.listen.clone());
    CommonArgs { http_addr: common.http_addr.clone().or(listen), ..common.clone() }
}

/// Reads values and remembers what was wrong with them.
#[derive(Default)]
struct Reader {
    problems: Vec<String>,
}

impl Reader {
    fn fleet(&mut self, common: &CommonArgs) -> Option<Fleet> {
        let path = common.config.as_deref().map(Path::new);
        match Fleet::load(path, &|name| common.variable(name)) {
            Ok(fleet) => Some(fleet),
            Err(problems) => {
                self.problems.extend(problems.to_string().lines().map(str::to_owned));
                None
            }
        }
    }

    /// Judges the shared flags as the manager and every worker that it starts will read them.
    fn shared(&mut self, common: &CommonArgs, engine: &Engine, mode: Mode) -> Option<Shared> {
        let workers = mode.workers().into_iter().map(Some);
        let mut shared = None;
        for worker in workers.chain([None]) {
            let defaults = Defaults { worker, http_addr: HTTP_ADDR };
            match Shared::resolve(common, defaults, engine) {
                Ok(settings) => shared = Some(settings),
                Err(problems) => {
                    let new = problems.into_iter().filter(|one| !self.problems.contains(one));
                    let new: Vec<_> = new.collect();
                    self.problems.extend(new);
                }
            }
        }
        shared
    }

    fn mode(&mut self, said: Option<&str>) -> Mode {
        match said {
            None | Some("" | "all") => Mode::All,
            Some("none") => Mode::ControlPlane,
            Some(name) => Worker::find(name).map_or_else(
                || {
                    let problem = format!(
                        "--worker (WORKER_MODE) {name:?} must be one of {}",
                        worker_words()
                    );
                    self.problems.push(problem);
                    Mode::All
                },
                Mode::One,
            ),
        }
    }

    fn switch(&mut self, name: &str, said: Option<&str>) -> bool {
        let said = said.unwrap_or_default().to_ascii_lowercase();
        match said.as_str() {
            "true" | "1" | "yes" | "on" => true,
            "" | "false" | "0" | "no" | "off" => false,
            _ => {
                self.problems.push(format!("{name} {said:?} must be true or false"));
                false
            }
        }
    }

    fn archive(&mut self, said: &ArchiveArgs, file: Option<&Secret>) -> Option<String> {
        said.address(file).unwrap_or_else(|problem| {
            self.problems.push(problem);
            None
        })
    }

    fn max_restarts(&mut self, said: Option<&str>) -> u32 {
        let Some(said) = said else { return 3 };
        said.parse().unwrap_or_else(|_not_a_number| {
            self.problems.push(format!(
                "--max-restarts (MAX_RESTART_ATTEMPTS) {said:?} must be a whole number from 0 to {}",
                u32::MAX
            ));
            3
        })
    }

    fn backoff(&mut self, said: Option<&str>) -> Duration {
        let name = "--backoff (RESTART_BACKOFF_MS)";
        let backoff = self.millis(name, said, Duration::from_secs(1));
        if backoff.as_millis() > LONGEST_BACKOFF_MS {
            self.problems.push(format!("{name} {backoff:?} must be at most 1h"));
        }
        backoff
    }

    fn health_check_interval(&mut self, own: &ManagerArgs) -> Duration {
        let name = "--health-check-interval (HEALTH_CHECK_INTERVAL_MS)";
        let said = own.health_check_interval.as_deref();
        let interval = self.millis(name, said, Duration::from_secs(30));
        if interval < LEAST_CHECK {
            self.problems.push(format!("{name} {interval:?} must be at least 100ms"));
        }
        interval
    }

    /// Reads a duration of which a bare number means milliseconds.
    fn millis(&mut self, name: &str, said: Option<&str>, default: Duration) -> Duration {
        let Some(said) = said else { return default };
        let bare = said.parse().ok().map(Duration::from_millis);
        bare.or_else(|| humantime::parse_duration(said).ok()).unwrap_or_else(|| {
            self.problems
                .push(format!("{name} {said:?} must be milliseconds or a duration such as 2s"));
            default
        })
    }

    fn guard(&mut self, common: &CommonArgs, file: Option<&str>) -> Option<Guard> {
        // An address that cannot be read has been reported with the shared flags.
        let address = common.http_addr.as_deref().unwrap_or(HTTP_ADDR).parse().ok()?;
        let token = match secret_from_file("PRINTERY_API_TOKEN") {
            Ok(from_file) => environment("PRINTERY_API_TOKEN").or(from_file),
            Err(problem) => {
                self.problems.push(problem);
                return None;
            }
        };
        let mut tokens = Tokens::default();
        if let Some(token) = token.map(SecretString::from) {
            tokens = tokens.with_admin(&token);
        }
        let tokens = self.tokens_file(tokens, file)?;
        let guard = Guard::try_new(address, tokens);
        guard
            .map_err(|_token_needed| {
                self.problems.push(format!(
                    "--http-addr (PRINTERY_HTTP_ADDR) {address} is not a loopback address and needs \
                     PRINTERY_API_TOKEN (or PRINTERY_API_TOKEN_FILE), or PRINTERY_API_TOKENS_FILE"
                ));
            })
            .ok()
    }

    /// Reads the tokens that have a name and a role each; `below` is the fleet file's layer.
    fn tokens_file(&mut self, tokens: Tokens, below: Option<&str>) -> Option<Tokens> {
        let variable = environment("PRINTERY_API_TOKENS_FILE");
        let (source, file) = match (variable.as_deref(), below) {
            (Some(file), _) => ("PRINTERY_API_TOKENS_FILE", file),
            (None, Some(file)) => ("server.auth.tokens_file", file),
            (None, None) => return Some(tokens),
        };
        let read = std::fs::read_to_string(file)
            .map_err(|error| vec![format!("it cannot be read: {error}")])
            .and_then(|text| tokens.with_file(&text));
        let named = |problem| format!("{source} ({file}): {problem}");
        read.map_err(|problems| self.problems.extend(problems.into_iter().map(named))).ok()
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
