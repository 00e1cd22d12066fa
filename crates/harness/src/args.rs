//! The flags and variables that the manager and every worker share.
//!
//! Values are taken as text here and judged in [`crate::settings`], so that every problem is
//! reported at once. The environment is read in this file only.

use clap::Args;

/// Flags of contract §8 that make sense for a worker process as well as for the manager.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct CommonArgs {
    /// Redis to work on.
    #[arg(
        long,
        env = "REDIS_URL",
        hide_env_values = true,
        value_name = "URL",
        global = true,
        help = "Redis to work on: redis://, rediss://, redis+unix://, redis+cluster://h1,h2 or \
                redis+sentinel://h1,h2/master"
    )]
    pub redis_url: Option<String>,
    /// PEM file of the authorities that may have signed Redis' certificate; the machine's own
    /// without it
    #[arg(long, env = "PRINTERY_REDIS_CA", value_name = "FILE", global = true)]
    pub redis_ca: Option<String>,
    /// PEM file of the certificate to show to Redis
    #[arg(long, env = "PRINTERY_REDIS_CERT", value_name = "FILE", global = true)]
    pub redis_cert: Option<String>,
    /// PEM file of that certificate's key
    #[arg(long, env = "PRINTERY_REDIS_KEY", value_name = "FILE", global = true)]
    pub redis_key: Option<String>,
    /// Agree to `bus.tls.insecure` of the fleet file: any certificate is taken for Redis'
    #[arg(
        long,
        env = "PRINTERY_REDIS_INSECURE",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        global = true
    )]
    pub redis_insecure: Option<String>,
    /// How long to wait for Redis at start before giving up
    #[arg(long, env = "PRINTERY_REDIS_WAIT", value_name = "DURATION", global = true)]
    pub redis_wait: Option<String>,
    /// First part of every key
    #[arg(long, env = "PRINTERY_PREFIX", value_name = "PREFIX", global = true)]
    pub prefix: Option<String>,
    /// Partitions of the fleet, for Redis Cluster; all its processes must say the same
    #[arg(long, env = "PRINTERY_PARTITIONS", value_name = "N", global = true)]
    pub partitions: Option<String>,
    /// The fleet file; the built-in profile applies without one
    #[arg(long, env = "PRINTERY_CONFIG", value_name = "FILE", global = true)]
    pub config: Option<String>,
    /// debug, info, warn or error
    #[arg(long, env = "LOG_LEVEL", value_name = "LEVEL", global = true)]
    pub log_level: Option<String>,
    /// json or text; json when stdout is not a terminal
    #[arg(long, env = "PRINTERY_LOG_FORMAT", value_name = "FORMAT", global = true)]
    pub log_format: Option<String>,
    /// Where log lines go as well, for all processes of this host; moved aside when it is full
    #[arg(long, env = "LOG_FILE", value_name = "FILE", global = true)]
    pub log_file: Option<String>,
    /// development, staging or production
    #[arg(long, env = "ENVIRONMENT", value_name = "NAME", global = true)]
    pub environment: Option<String>,
    /// Where /health, /ready and /metrics are served; `off` disables
    #[arg(long, env = "PRINTERY_HTTP_ADDR", value_name = "ADDRESS", global = true)]
    pub http_addr: Option<String>,
    /// Handlers at once; the variable's name depends on the worker.
    #[arg(
        long,
        value_name = "N",
        global = true,
        help = "Handlers at once [env: <WORKER>_CONCURRENCY=]"
    )]
    pub concurrency: Option<String>,
    /// How long an entry stays with a silent owner
    #[arg(long, env = "PRINTERY_LEASE", value_name = "DURATION", global = true)]
    pub lease: Option<String>,
    /// Failed attempts before an entry is dead-lettered
    #[arg(long, env = "PRINTERY_MAX_ATTEMPTS", value_name = "N", global = true)]
    pub max_attempts: Option<String>,
    /// How long running handlers may go on after SIGTERM
    #[arg(long, env = "SHUTDOWN_TIMEOUT", value_name = "DURATION", global = true)]
    pub shutdown_timeout: Option<String>,
    /// What workers write: msgpack or json
    #[arg(long, env = "PRINTERY_ENCODING", value_name = "ENCODING", global = true)]
    pub encoding: Option<String>,
    /// Slack incoming webhook of the built-in profile
    #[arg(
        long,
        env = "SLACK_WEBHOOK_URL",
        hide_env_values = true,
        value_name = "URL",
        global = true
    )]
    pub slack_webhook: Option<String>,
}

/// Treats empty texts as if nothing had been said: `${X:-}` of a compose file sets a variable to
/// nothing and means that it is unset.
pub fn unset_blanks<'a>(said: impl IntoIterator<Item = &'a mut Option<String>>) {
    for text in said {
        text.take_if(|text| text.is_empty());
    }
}

impl CommonArgs {
    /// Treats empty flags and variables as if nothing had been said.
    #[must_use]
    pub fn without_blanks(mut self) -> Self {
        unset_blanks([
            &mut self.redis_url,
            &mut self.redis_ca,
            &mut self.redis_cert,
            &mut self.redis_key,
            &mut self.redis_insecure,
            &mut self.redis_wait,
            &mut self.prefix,
            &mut self.partitions,
            &mut self.config,
            &mut self.log_level,
            &mut self.log_format,
            &mut self.log_file,
            &mut self.environment,
            &mut self.http_addr,
            &mut self.concurrency,
            &mut self.lease,
            &mut self.max_attempts,
            &mut self.shutdown_timeout,
            &mut self.encoding,
            &mut self.slack_webhook,
        ]);
        self
    }

    /// Looks a variable up as the fleet file's `${env:NAME}` sees it: the flags that stand for one
    /// first, then the environment.
    pub fn variable(&self, name: &str) -> Option<String> {
        match name {
            "SLACK_WEBHOOK_URL" => self.slack_webhook.clone(),
            "REDIS_URL" => self.redis_url.clone(),
            _ => environment(name),
        }
    }
}

/// Reads one environment variable; an empty one counts as unset.
#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads the secret that `<NAME>_FILE` points to, without the newline at its end.
///
/// # Errors
/// A sentence that names the variable and the file, when there is one that cannot be read.
pub fn secret_from_file(name: &str) -> Result<Option<String>, String> {
    let twin = format!("{name}_FILE");
    let Some(path) = environment(&twin) else { return Ok(None) };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(error) => Err(format!("{twin}: {path} cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_text_counts_as_unset() {
        let args = CommonArgs {
            prefix: Some(String::new()),
            lease: Some("1s".to_owned()),
            ..CommonArgs::default()
        };
        let args = args.without_blanks();
        assert_eq!((args.prefix, args.lease.as_deref()), (None, Some("1s")));
    }
}
