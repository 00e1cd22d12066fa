//! From nothing to ready: waiting for Redis, judging it, and telling the supervisor.
//!
//! Called at start only; the worker loop looks after everything later.

use std::time::Duration;

use printery_streams::{Clock, Error, ErrorKind, Redis, server};
use sd_notify::NotifyState;
use tokio::time::Instant;

use crate::exit;
use crate::heartbeat::notify;
use crate::pulse::Pulse;
use crate::run::Problems;

/// How often readiness is looked at until it is there.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Says what is risky about the address itself; once per start.
pub fn warn_of(redis: &Redis) {
    for warning in redis.warnings() {
        tracing::warn!("{warning}");
    }
}

/// Waits for a Redis that the fleet can trust.
///
/// # Errors
/// 69 when it cannot be reached in time, 2 when it is not fit or does not let us in.
pub async fn await_redis(
    redis: &Redis,
    prefix: &str,
    clock: &Clock,
    wait: Duration,
) -> Result<(), (u8, Problems)> {
    let deadline = Instant::now() + wait;
    let mut said = false;
    loop {
        match look(redis, prefix, clock).await {
            Ok(fatal) if fatal.is_empty() => return Ok(()),
            Ok(fatal) => return Err((exit::USAGE, Problems(fatal))),
            Err(error) if error.kind == ErrorKind::Refused => {
                return Err((exit::USAGE, Problems::from(format!("{}: {error}", redis.address()))));
            }
            Err(error) if Instant::now() >= deadline => {
                let problem = format!(
                    "Redis at {} cannot be reached within --redis-wait {wait:?}: {error}",
                    redis.address()
                );
                return Err((exit::UNAVAILABLE, Problems::from(problem)));
            }
            Err(error) => {
                if !said {
                    tracing::warn!(address = redis.address(), %error, "waiting for Redis");
                    said = true;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Asks the server for what it is; gives what makes it unfit.
async fn look(redis: &Redis, prefix: &str, clock: &Clock) -> Result<Vec<String>, Error> {
    let mut session = redis.session();
    let facts = server::facts(&mut session).await?;
    if facts.loading {
        return Err(Error::new(ErrorKind::Unavailable, "ask the server", "", "it is loading"));
    }
    clock.read(&mut session).await?;
    let (fatal, advice): (Vec<_>, Vec<_>) =
        facts.remarks(prefix).into_iter().partition(|remark| remark.fatal);
    let (fatal, advice) = match redis.durability() {
        None => (fatal, advice),
        Some(wanted) => {
            let remarks = server::durability_remarks(&mut session, &facts, wanted).await?;
            let (more_fatal, more_advice) = remarks.into_iter().partition(|remark| remark.fatal);
            ([fatal, more_fatal].concat(), [advice, more_advice].concat())
        }
    };
    for remark in advice {
        tracing::warn!("{}", remark.sentence);
    }
    Ok(fatal.into_iter().map(|remark| remark.sentence).collect())
}

/// Tells the supervisor once that the worker reads its streams; then waits for ever.
pub(crate) async fn announce(pulse: Pulse, http: Option<String>) {
    while !pulse.is_ready() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    tracing::info!(http, "ready");
    let address = http.map(|address| format!("X_PRINTERY_HTTP={address}"));
    let mut states = vec![NotifyState::Ready, NotifyState::Status("reading")];
    states.extend(address.as_deref().map(NotifyState::Custom));
    notify(&states);
    std::future::pending::<()>().await;
}
