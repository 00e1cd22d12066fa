//! Addresses inside settings.
//!
//! Owns the guess which part of a variable's value is an address: a URL, `host:port`, or a bare host where the variable's name
//! says so. The importers match what it finds with what the source deploys. Never resolves a name.

/// Where a setting points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// A host name.
    pub(super) host: String,
    /// The port, where it is written.
    pub(super) port: Option<u16>,
    /// The scheme of a URL.
    pub(super) scheme: Option<String>,
}

/// What the last word of a variable's name is when its value is an address.
const ENDINGS: [&str; 16] = [
    "ADDR",
    "ADDRS",
    "ADDRESS",
    "ADDRESSES",
    "HOST",
    "HOSTS",
    "HOSTNAME",
    "URL",
    "URLS",
    "URI",
    "ENDPOINT",
    "ENDPOINTS",
    "DSN",
    "SERVER",
    "SERVERS",
    "BROKERS",
];

/// Tells whether a variable's name says that its value is an address.
pub(super) fn is_address(variable: &str) -> bool {
    let upper = variable.to_uppercase();
    let last = upper.rsplit(['_', '-', '.']).next().unwrap_or_default();
    ENDINGS.contains(&last)
}

/// Finds the addresses in the value of a variable, or in an argument when there is no variable.
pub(super) fn addresses(variable: Option<&str>, value: &str) -> Vec<Address> {
    let breaks = |c: char| c.is_whitespace() || ",;\"'`{}()<>|=$".contains(c);
    let pieces: Vec<&str> = value.split(breaks).filter(|piece| !piece.is_empty()).collect();
    let mut found: Vec<Address> = pieces.iter().filter_map(|piece| written(piece)).collect();
    if let (true, [host]) =
        (found.is_empty() && variable.is_some_and(is_address), pieces.as_slice())
        && is_host(host)
    {
        found.push(Address { host: host.to_lowercase(), port: None, scheme: None });
    }
    found
}

/// Reads `scheme://user@host:port/path` and `host:port/path`.
fn written(piece: &str) -> Option<Address> {
    let (scheme, rest) = match piece.split_once("://") {
        Some((before, rest)) => {
            let fits = |c: char| c.is_ascii_alphanumeric() || "+.-".contains(c);
            let scheme = before.rsplit(|c: char| !fits(c)).next().unwrap_or_default();
            (Some(scheme.trim_start_matches('-').to_lowercase()), rest)
        }
        None => (None, piece),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (host, port) = match place.split_once(':') {
        Some((host, port)) => (host, Some(port.parse::<u16>().ok().filter(|port| *port != 0)?)),
        None => (place, None),
    };
    let says_enough = scheme.is_some() || port.is_some();
    (says_enough && is_host(host)).then(|| Address { host: host.to_lowercase(), port, scheme })
}

/// Tells whether a text can be a host's name; an address in numbers is none that a service would have.
fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        !label.is_empty() && label.chars().all(fits) && !label.starts_with('-')
    };
    text.len() <= 253
        && text.split('.').all(label)
        && text.contains(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::addresses;

    #[test]
    fn addresses_are_found_where_they_stand() {
        let cases = [
            ("CART_SERVICE_ADDR", "cartservice:7070", "cartservice:7070"),
            ("REDIS_URL", "redis://:pw@Cache:6379/0", "redis+cache:6379"),
            ("REDIS_URL", "${REDIS_URL:-redis://redis:6379}", "redis+redis:6379"),
            (
                "KAFKA",
                "kafka-0.kafka:9092,kafka-1.kafka:9092",
                "kafka-0.kafka:9092 kafka-1.kafka:9092",
            ),
            ("MYSQL_DSN", "u:p@tcp(mysql:3306)/db", "mysql:3306"),
            ("API_URL", "https://api.example/v1?x=1", "https+api.example"),
            ("DB_HOST", "orders-db", "orders-db"),
            ("MODE", "orders-db", ""),
            ("OTEL_SERVICE_NAME", "frontend", ""),
            ("LISTEN_ADDR", ":8080", ""),
            ("BIND_ADDR", "0.0.0.0:8080", ""),
            ("TIME", "10:30", ""),
            ("CLASS", "a::b", ""),
            ("TEXT", "http://", ""),
        ];
        for (variable, value, expected) in cases {
            let found: Vec<String> = addresses(Some(variable), value)
                .into_iter()
                .map(|at| {
                    let scheme = at.scheme.map(|scheme| scheme + "+").unwrap_or_default();
                    let port = at.port.map(|port| format!(":{port}")).unwrap_or_default();
                    format!("{scheme}{}{port}", at.host)
                })
                .collect();
            assert_eq!(found.join(" "), expected, "{variable}={value}");
        }
        assert_eq!(addresses(None, "--redis=cache:6379").len(), 1);
    }
}
