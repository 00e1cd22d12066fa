//! The same question as redis-cli asks it: every command that looks can be checked by hand.
//!
//! Owns how an address and words become a line for a shell; pure. It never shows a password: a
//! person who needs one has it.

use std::fmt;

/// The beginning of a line that asks the same Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedisCli(String);

impl RedisCli {
    /// Reads an address of the forms that [`printery_streams::Redis`] takes.
    pub(crate) fn new(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("redis", url));
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        if matches!(scheme, "redis+unix" | "unix") {
            return Self(format!("redis-cli -s {}", quoted(rest)));
        }
        let place = rest.rsplit_once('@').map_or(rest, |(_credentials, place)| place);
        let place = place.trim_end_matches('/');
        let (transport, topology) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = if transport == "rediss" { " --tls" } else { "" };
        let first = place.split([',', '/']).next().unwrap_or(place);
        Self(match topology {
            "cluster" => {
                let address = format!("{transport}://{first}");
                format!("redis-cli -c{tls} -u {}", quoted(&address))
            }
            "sentinel" => master_of(transport, tls, first, place),
            _ => format!("redis-cli{tls} -u {}", quoted(&format!("{scheme}://{place}"))),
        })
    }

    /// The whole line.
    pub(crate) fn line(&self, words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        format!("{} {}", self.0, words.join(" "))
    }
}

/// Asks a sentinel where the master is, as the fleet does before it connects.
fn master_of(transport: &str, tls: &str, sentinel: &str, place: &str) -> String {
    /// Where sentinels listen when an address does not say.
    const PORT: u16 = 26_379;
    let master = place.split_once('/').map_or("mymaster", |(_, rest)| rest);
    let master = master.split('/').next().unwrap_or(master);
    // Colons within brackets are those of an IPv6 address.
    let has_port = sentinel.rsplit(']').next().is_some_and(|end| end.contains(':'));
    let sentinel = if has_port { sentinel.to_owned() } else { format!("{sentinel}:{PORT}") };
    let ask = format!("redis-cli{tls} -u {}", quoted(&format!("{transport}://{sentinel}")));
    let ask = format!("{ask} SENTINEL GET-MASTER-ADDR-BY-NAME {}", quoted(master));
    format!("redis-cli{tls} -u {transport}://$({ask} | paste -sd: -)")
}

impl fmt::Display for RedisCli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Quotes a word for a shell where it needs it.
pub(crate) fn quoted(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-.:/@%+,=".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_kept_and_the_password_is_not() {
        let table = [
            ("redis://localhost:6379", "redis-cli -u redis://localhost:6379 PING"),
            ("redis://user:hunter2@h:1/3", "redis-cli -u redis://h:1/3 PING"),
            ("rediss://:a@b@h", "redis-cli --tls -u rediss://h PING"),
            ("redis+cluster://u:hunter2@h1:7000,h2:7001", "redis-cli -c -u redis://h1:7000 PING"),
            ("rediss+cluster://h1,h2", "redis-cli -c --tls -u rediss://h1 PING"),
            (
                "redis+sentinel://u:hunter2@h1,h2:26380/mymaster/3",
                "redis-cli -u redis://$(redis-cli -u redis://h1:26379 SENTINEL \
                 GET-MASTER-ADDR-BY-NAME mymaster | paste -sd: -) PING",
            ),
            ("redis+unix:///tmp/r.sock?pass=hunter2", "redis-cli -s /tmp/r.sock PING"),
            ("unix:///tmp/a b.sock", "redis-cli -s '/tmp/a b.sock' PING"),
        ];
        for (url, expected) in table {
            assert_eq!(RedisCli::new(url).line(&["PING"]), expected);
        }
    }

    #[test]
    fn words_survive_a_shell() {
        let cli = RedisCli::new("redis://h");
        assert_eq!(
            cli.line(&["GET", "a b'c", "", "{m}:x"]),
            r"redis-cli -u redis://h GET 'a b'\''c' '' '{m}:x'"
        );
    }
}
