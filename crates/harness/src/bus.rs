//! Where Redis is, as flags, environment and fleet file say it: the address, TLS files, durability.
//!
//! Called by [`crate::settings`]; judges the files as well, so that a wrong one is a configuration
//! error. Connects to nothing.

use std::path::PathBuf;
use std::time::Duration;

use printery_config::Engine;
use printery_streams::Redis;
use printery_streams::connection::{Bus, Durability, TlsFiles};

use crate::args::{CommonArgs, secret_from_file};

/// Where Redis is looked for when nobody says.
const DEFAULT_REDIS_URL: &str = "redis://localhost:6379";

/// How long a write is waited for when nobody says.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(1);

/// Merges the layers; what is wrong is added to `problems`.
pub(crate) fn resolve(args: &CommonArgs, file: &Engine, problems: &mut Vec<String>) -> Bus {
    let secret = secret_from_file("REDIS_URL").unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let url = args
        .redis_url
        .clone()
        .or(secret)
        .or_else(|| file.redis_url.as_ref().map(|url| url.expose().to_owned()))
        .unwrap_or_else(|| DEFAULT_REDIS_URL.to_owned());
    let bus = Bus { url, tls: tls(args, file, problems), durability: durability(file) };
    if let Err(problem) = bus.tls.check() {
        problems.push(format!("--redis-ca, --redis-cert, --redis-key (bus.tls): {problem}"));
    } else if let Err(error) = Redis::try_new(&bus, Duration::from_secs(1)) {
        problems.push(format!("--redis-url (REDIS_URL): {}", error.code));
    }
    bus
}

fn tls(args: &CommonArgs, file: &Engine, problems: &mut Vec<String>) -> TlsFiles {
    let path = |said: &Option<String>, file: &Option<PathBuf>| {
        said.as_ref().map(PathBuf::from).or_else(|| file.clone())
    };
    let agreed = match args.redis_insecure.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(said) => {
            problems.push(format!(
                "--redis-insecure (PRINTERY_REDIS_INSECURE) {said:?} must be true or false"
            ));
            false
        }
    };
    let asked = file.redis_tls.insecure;
    if asked != agreed {
        let (one, other) = if asked {
            ("bus.tls.insecure", "--redis-insecure (PRINTERY_REDIS_INSECURE)")
        } else {
            ("--redis-insecure (PRINTERY_REDIS_INSECURE)", "bus.tls.insecure of the fleet file")
        };
        problems.push(format!("{one} has no effect without {other}: both must be said"));
    }
    TlsFiles {
        ca: path(&args.redis_ca, &file.redis_tls.ca),
        certificate: path(&args.redis_cert, &file.redis_tls.certificate),
        key: path(&args.redis_key, &file.redis_tls.key),
        insecure: asked && agreed,
    }
}

fn durability(file: &Engine) -> Option<Durability> {
    let said = file.durability?;
    Some(Durability {
        replicas: said.replicas.unwrap_or(0),
        fsync: said.fsync,
        timeout: said.timeout.unwrap_or(CONFIRMED_WITHIN),
    })
}

#[cfg(test)]
mod tests {
    use printery_config::{BusDurability, RedisTls};

    use super::*;

    fn resolved(args: &CommonArgs, file: &Engine) -> (Bus, Vec<String>) {
        let mut problems = Vec::new();
        let bus = resolve(args, file, &mut problems);
        (bus, problems)
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_its_flag() {
        let args = CommonArgs {
            redis_url: Some("rediss://h".to_owned()),
            redis_ca: Some("/nowhere/ca.pem".to_owned()),
            ..CommonArgs::default()
        };
        let (_, problems) = resolved(&args, &Engine::default());
        assert!(problems.len() == 1, "{problems:?}");
        for word in ["--redis-ca", "/nowhere/ca.pem", "cannot be read"] {
            assert!(problems[0].contains(word), "{word}: {problems:?}");
        }
    }

    #[test]
    fn insecure_tls_needs_both_switches() {
        let asking = Engine {
            redis_tls: RedisTls { insecure: true, ..RedisTls::default() },
            ..Engine::default()
        };
        let silent =
            CommonArgs { redis_url: Some("rediss://h".to_owned()), ..CommonArgs::default() };
        let agreeing = CommonArgs { redis_insecure: Some("true".to_owned()), ..silent.clone() };
        let (bus, problems) = resolved(&agreeing, &asking);
        assert!(bus.tls.insecure && problems.is_empty(), "{problems:?}");
        for (args, file) in [(&silent, &asking), (&agreeing, &Engine::default())] {
            let (bus, problems) = resolved(args, file);
            assert!(!bus.tls.insecure);
            assert!(problems.iter().any(|it| it.contains("both must be said")), "{problems:?}");
        }
    }

    #[test]
    fn durability_has_a_second_when_nobody_says() {
        let said = BusDurability { replicas: Some(2), fsync: false, timeout: None };
        let file = Engine { durability: Some(said), ..Engine::default() };
        let (bus, problems) = resolved(&CommonArgs::default(), &file);
        let expected = Durability { replicas: 2, fsync: false, timeout: CONFIRMED_WITHIN };
        assert_eq!((bus.durability, problems), (Some(expected), vec![]));
    }
}
