//! Where a server or a sentinel listens: a host and a port, as people and clusters write them.
//!
//! Pure; the parts that addresses and the answers of a cluster are made of. Resolves no name.

use std::fmt;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Place {
    /// Reads `host`, `host:port` or `[v6]:port`.
    pub(super) fn read(text: &str, default_port: u16) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                (host, rest.strip_prefix(':'))
            }
            None => match text.rsplit_once(':') {
                Some((host, port)) if !host.contains(':') => (host, Some(port)),
                Some(_) => return None,
                None => (text, None),
            },
        };
        let port = port.map_or(Some(default_port), |port| port.parse().ok())?;
        let strange = |c: char| c.is_whitespace() || c.is_control() || "/?#".contains(c);
        let usable = !host.is_empty() && !host.contains(strange) && port > 0;
        usable.then(|| Self { host: host.to_owned(), port })
    }

    /// Reads what a cluster says: `host:port`, an IPv6 host without brackets, or no host at all,
    /// which is the host of the node that was asked.
    pub(super) fn told(text: &str, asked: Option<&Self>) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok()?;
        if host.is_empty() || host == "?" {
            return asked.map(|asked| Self { host: asked.host.clone(), port });
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Self { host, port })
    }

    /// Whether nobody but this machine is on the way.
    pub(super) fn is_loopback(&self) -> bool {
        let ip = self.host.parse::<std::net::IpAddr>();
        self.host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(host: &str, port: u16) -> Place {
        Place { host: host.to_owned(), port }
    }

    #[test]
    fn what_a_cluster_says_is_understood() {
        let asked = place("asked", 7000);
        let table = [
            ("10.0.0.1:7001", place("10.0.0.1", 7001)),
            ("node.example:7001", place("node.example", 7001)),
            (":7001", place("asked", 7001)),
            ("?:7001", place("asked", 7001)),
            ("fe80::1:7001", place("fe80::1", 7001)),
        ];
        for (text, expected) in table {
            assert_eq!(Place::told(text, Some(&asked)), Some(expected), "{text}");
        }
        assert_eq!(Place::told("nonsense", Some(&asked)), None);
        assert_eq!(Place::told(":7001", None), None);
    }
}
