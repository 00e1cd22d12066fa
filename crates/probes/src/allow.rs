//! The allow list of the egress guard: host patterns and networks, parsed once.
//!
//! The guard asks it for every host and address; the fleet file writes it. It never looks anything up.

use std::net::IpAddr;

/// The parsed list; an empty one restricts nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct AllowList {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
enum Entry {
    /// A host name in lower case in which `*` stands for any run of characters.
    Host(String),
    Network {
        address: IpAddr,
        prefix: u8,
    },
}

impl AllowList {
    /// Parses every entry; the error names each one that is neither a host pattern nor a network.
    pub(crate) fn parse(entries: &[String]) -> Result<Self, Vec<String>> {
        let (parsed, wrong): (Vec<_>, Vec<_>) =
            entries.iter().map(|text| parse_entry(text)).partition(Result::is_ok);
        let wrong: Vec<String> = wrong.into_iter().filter_map(Result::err).collect();
        if wrong.is_empty() {
            Ok(Self { entries: parsed.into_iter().filter_map(Result::ok).collect() })
        } else {
            Err(wrong)
        }
    }

    /// Tells whether there is no entry, so that every host may be asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Tells whether the list names this host, or a network that holds this address.
    pub(crate) fn names(&self, host: &str, address: IpAddr) -> bool {
        self.names_host(host) || self.entries.iter().any(|entry| entry.holds(address))
    }

    /// Tells whether looking the host up can lead to an allowed address at all.
    pub(crate) fn may_name(&self, host: &str) -> bool {
        self.is_empty()
            || self.names_host(host)
            || self.entries.iter().any(|entry| matches!(entry, Entry::Network { .. }))
    }

    fn names_host(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.entries.iter().any(|entry| match entry {
            Entry::Host(pattern) => glob(pattern, &host),
            Entry::Network { .. } => false,
        })
    }
}

impl Entry {
    fn holds(&self, address: IpAddr) -> bool {
        match self {
            Self::Host(_) => false,
            Self::Network { address: network, prefix } => {
                match (network.to_canonical(), address.to_canonical()) {
                    (IpAddr::V4(network), IpAddr::V4(address)) => {
                        let host_bits = 32_u32.saturating_sub(u32::from(*prefix));
                        same_network(network.to_bits().into(), address.to_bits().into(), host_bits)
                    }
                    (IpAddr::V6(network), IpAddr::V6(address)) => {
                        let host_bits = 128_u32.saturating_sub(u32::from(*prefix));
                        same_network(network.to_bits(), address.to_bits(), host_bits)
                    }
                    (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
                }
            }
        }
    }
}

fn same_network(network: u128, address: u128, host_bits: u32) -> bool {
    (network ^ address).checked_shr(host_bits).unwrap_or(0) == 0
}

fn parse_entry(text: &str) -> Result<Entry, String> {
    let trimmed = text.trim().trim_end_matches('.');
    if let Ok(address) = trimmed.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(Entry::Network { address, prefix: widest(address) });
    }
    if let Some((address, prefix)) = trimmed.split_once('/') {
        return match (address.parse::<IpAddr>(), prefix.parse::<u8>()) {
            (Ok(address), Ok(prefix)) if prefix <= widest(address) => {
                Ok(Entry::Network { address, prefix })
            }
            (Ok(_) | Err(_), Ok(_) | Err(_)) => {
                Err(format!("`{text}` is not a network such as 10.0.0.0/8"))
            }
        };
    }
    let host = trimmed.to_ascii_lowercase();
    let readable =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.*".contains(&byte);
    if host.is_empty() || !host.bytes().all(readable) {
        return Err(format!(
            "`{text}` is neither a host pattern such as *.example.com nor a network"
        ));
    }
    Ok(Entry::Host(host))
}

fn widest(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Matches a pattern in which `*` stands for any run of characters, in time linear in the text per star.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return text.ends_with(piece);
        }
        match text.find(piece) {
            Some(at) => text = text.get(at + piece.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> AllowList {
        AllowList::parse(&entries.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_host_is_named_by_a_pattern_or_by_a_network() {
        let cases = [
            ("api.example.com", "api.example.com", "8.8.8.8", true),
            ("api.example.com", "API.Example.Com.", "8.8.8.8", true),
            ("api.example.com", "api.example.com.evil.org", "8.8.8.8", false),
            ("*.example.com", "a.b.example.com", "8.8.8.8", true),
            ("*.example.com", "example.com", "8.8.8.8", false),
            ("*.example.com", "evil-example.com", "8.8.8.8", false),
            ("api-*.eu.*", "api-7.eu.internal", "8.8.8.8", true),
            ("api-*.eu.*", "api-7.us.internal", "8.8.8.8", false),
            ("*", "anything", "8.8.8.8", true),
            ("10.0.0.0/8", "db", "10.200.1.1", true),
            ("10.0.0.0/8", "db", "11.0.0.1", false),
            ("10.0.0.0/8", "db", "::ffff:10.0.0.1", true),
            ("10.0.0.7", "10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7", "10.0.0.8", "10.0.0.8", false),
            ("0.0.0.0/0", "x", "9.9.9.9", true),
            ("fd00::/8", "x", "fd12::1", true),
            ("fd00::/8", "x", "fe00::1", false),
            ("::/0", "x", "2606:4700::1", true),
            ("::/0", "x", "9.9.9.9", false),
        ];
        for (entry, host, address, expected) in cases {
            let named = list(&[entry]).names(host, address.parse().unwrap());
            assert_eq!(named, expected, "{entry} names {host} at {address}");
        }
    }

    #[test]
    fn every_wrong_entry_is_named_at_once() {
        let entries = ["10.0.0.0/33", "ok.example", "http://x", "", "fd00::/129", "a b"];
        let wrong = AllowList::parse(&entries.iter().map(ToString::to_string).collect::<Vec<_>>())
            .unwrap_err();
        assert_eq!(wrong.len(), 5, "{wrong:?}");
    }
}
