//! Addresses of Redis: one server, a cluster's nodes, or the sentinels that know the master.
//!
//! Pure: reads the text once and gives what is dialled. Error texts never repeat the address,
//! which may carry credentials.

use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

use super::bus::Bus;
use super::place::Place;
use super::wire::Wire;
use crate::error::{Error, ErrorKind};

/// Silence after which a TCP connection is probed; finds a peer that vanished without a word.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(15);

/// Where a server listens when nobody says.
const SERVER_PORT: u16 = 6379;

/// Where a sentinel listens when nobody says.
const SENTINEL_PORT: u16 = 26379;

/// What the schemes are, for whoever typed another.
const SCHEMES: &str = "redis://, rediss://, redis+unix://, redis+cluster://, rediss+cluster://, \
                       redis+sentinel:// or rediss+sentinel://";

/// How the server is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// It stands in the address.
    Fixed,
    /// Any node of a cluster says who has a key.
    Cluster(Vec<Place>),
    /// Any sentinel says where the master of that name is.
    Sentinel { sentinels: Vec<Place>, master: String },
}

/// An address, read.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) route: Route,
    /// How a server is dialled: credentials, TLS, database; its place is replaced where it is found.
    server: ConnectionInfo,
    /// How a sentinel is dialled.
    sentinel: ConnectionInfo,
    /// The address without credentials.
    pub(super) shown: String,
    /// What a person should know about it, whenever a process starts.
    pub(super) warnings: Vec<String>,
}

impl Address {
    /// Reads an address and the files that go with it.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`]: what is wrong with it, without repeating it.
    pub(super) fn read(bus: &Bus) -> Result<Self, Error> {
        let (scheme, rest) = bus.url.split_once("://").unwrap_or_default();
        match scheme {
            "redis" | "rediss" | "redis+unix" | "unix" => Self::fixed(bus),
            "redis+cluster" => Self::cluster(bus, "redis", rest),
            "rediss+cluster" => Self::cluster(bus, "rediss", rest),
            "redis+sentinel" => Self::sentinel(bus, "redis", rest),
            "rediss+sentinel" => Self::sentinel(bus, "rediss", rest),
            _ => Err(refused(format!("must start with {SCHEMES}"))),
        }
    }

    fn fixed(bus: &Bus) -> Result<Self, Error> {
        let server = dialled(&bus.url, bus)?;
        let shown = server.addr().to_string();
        let place = place_of(server.addr());
        Ok(Self::with(Route::Fixed, server.clone(), server, shown, place.as_slice()))
    }

    fn cluster(bus: &Bus, scheme: &str, rest: &str) -> Result<Self, Error> {
        let parts = Parts::of(rest);
        if !parts.path.is_empty() && parts.path != "0" {
            return Err(refused("a cluster has no database but 0"));
        }
        let seeds = parts.places(SERVER_PORT)?;
        let server = dialled(&parts.dialable(scheme, &seeds, "0"), bus)?;
        let shown = format!("the cluster of {}", listed(&seeds));
        Ok(Self::with(Route::Cluster(seeds.clone()), server.clone(), server, shown, &seeds))
    }

    fn sentinel(bus: &Bus, scheme: &str, rest: &str) -> Result<Self, Error> {
        let parts = Parts::of(rest);
        let (master, db) = parts.path.split_once('/').unwrap_or((parts.path, "0"));
        if master.is_empty() {
            return Err(refused("names no master; write redis+sentinel://host,host/master"));
        }
        let sentinels = parts.places(SENTINEL_PORT)?;
        let server = dialled(&parts.dialable(scheme, &sentinels, db), bus)?;
        let mut login = RedisConnectionInfo::default();
        for (name, value) in url::form_urlencoded::parse(parts.query.as_bytes()) {
            login = match &*name {
                "sentinel_username" => login.set_username(value),
                "sentinel_password" => login.set_password(value),
                _ => login,
            };
        }
        let sentinel = server.clone().set_redis_settings(login);
        let shown = format!("master {master} of the sentinels {}", listed(&sentinels));
        let route = Route::Sentinel { sentinels: sentinels.clone(), master: master.to_owned() };
        Ok(Self::with(route, server, sentinel, shown, &sentinels))
    }

    fn with(
        route: Route,
        server: ConnectionInfo,
        sentinel: ConnectionInfo,
        shown: String,
        places: &[Place],
    ) -> Self {
        let warnings = warnings(&server, &sentinel, places);
        Self { route, server, sentinel, shown, warnings }
    }

    /// How to dial the server at `place`; none is the one in the address.
    pub(super) fn server_at(&self, place: Option<&Place>) -> ConnectionInfo {
        match place {
            Some(place) => moved_to(&self.server, place),
            None => self.server.clone(),
        }
    }

    /// Whether servers are dialled without TLS.
    pub(super) fn is_plain(&self) -> bool {
        Wire::reaches(&self.server)
    }

    /// How to dial the sentinel at `place`.
    pub(super) fn sentinel_at(&self, place: &Place) -> ConnectionInfo {
        moved_to(&self.sentinel, place)
    }

    /// Where the address itself points to, unless that is a socket.
    pub(super) fn place(&self) -> Option<Place> {
        place_of(self.server.addr())
    }
}

/// What stands behind the `://` of an address with several hosts.
struct Parts<'a> {
    credentials: Option<&'a str>,
    hosts: &'a str,
    path: &'a str,
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn of(rest: &'a str) -> Self {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (credentials, rest) = match rest.rsplit_once('@') {
            Some((credentials, rest)) => (Some(credentials), rest),
            None => (None, rest),
        };
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        Self { credentials, hosts, path, query }
    }

    fn places(&self, default_port: u16) -> Result<Vec<Place>, Error> {
        let places = self.hosts.split(',').map(|host| Place::read(host.trim(), default_port));
        places
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| refused("must list hosts as host:port,host:port"))
    }

    /// The address of one of the hosts, for the client's own reading of credentials.
    fn dialable(&self, scheme: &str, places: &[Place], db: &str) -> String {
        let credentials = self.credentials.map(|it| format!("{it}@")).unwrap_or_default();
        let place = places.first().map(ToString::to_string).unwrap_or_default();
        format!("{scheme}://{credentials}{place}/{db}?{}", self.query)
    }
}

/// Reads the address of one server, with its TLS files.
fn dialled(url: &str, bus: &Bus) -> Result<ConnectionInfo, Error> {
    if url.contains('#') {
        return Err(refused(
            "must not end in a fragment; TLS without proof is a switch of its own",
        ));
    }
    let info = url.into_connection_info().map_err(|error| {
        refused(error.detail().unwrap_or("is not an address that can be understood"))
    })?;
    let keepalive = redis::io::tcp::socket2::TcpKeepalive::new().with_time(KEEPALIVE);
    let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    let info = info.set_tcp_settings(tcp);
    let ConnectionAddr::TcpTls { host, port, .. } = info.addr().clone() else {
        let needless = bus.tls.says_something();
        let rule = "files for TLS need an address that asks for TLS, such as rediss://";
        return if needless { Err(refused(rule)) } else { Ok(info) };
    };
    // Fails only when a provider is installed already, which is as good.
    let _installed = rustls::crypto::ring::default_provider().install_default().is_ok();
    let insecure = bus.tls.insecure;
    let info = info.set_addr(ConnectionAddr::TcpTls { host, port, insecure, tls_params: None });
    match bus.tls.certificates().map_err(refused)? {
        None => Ok(info),
        Some(certificates) => Client::build_with_tls(info, certificates)
            .map(|client| client.get_connection_info().clone())
            .map_err(|error| Error::redis("read the TLS files", "", &error)),
    }
}

fn refused(rule: impl Into<String>) -> Error {
    Error::new(ErrorKind::Refused, "read the address", "", rule)
}

fn moved_to(info: &ConnectionInfo, place: &Place) -> ConnectionInfo {
    let (host, port) = (place.host.clone(), place.port);
    let addr = if let ConnectionAddr::TcpTls { insecure, tls_params, .. } = info.addr() {
        ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
    } else {
        ConnectionAddr::Tcp(host, port)
    };
    info.clone().set_addr(addr)
}

fn place_of(addr: &ConnectionAddr) -> Option<Place> {
    if let ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } = addr {
        return Some(Place { host: host.clone(), port: *port });
    }
    None
}

fn listed(places: &[Place]) -> String {
    places.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// What a person should know: passwords that anybody on the way can read, and TLS that proves
/// nothing.
fn warnings(server: &ConnectionInfo, sentinel: &ConnectionInfo, places: &[Place]) -> Vec<String> {
    let mut warnings = Vec::new();
    if let ConnectionAddr::TcpTls { insecure: true, .. } = server.addr() {
        warnings.push(
            "TLS to Redis is insecure: any certificate is accepted, so anybody on the way can \
             read and change everything"
                .to_owned(),
        );
    }
    let clear = matches!(server.addr(), ConnectionAddr::Tcp(..));
    let secret = [server, sentinel].iter().any(|info| info.redis_settings().password().is_some());
    let far = places.iter().find(|place| !place.is_loopback());
    if let (true, true, Some(place)) = (clear, secret, far) {
        warnings.push(format!(
            "the password of Redis goes to {place} in clear text; use rediss:// where the network is not yours alone"
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Address, Error> {
        Address::read(&Bus::from(url))
    }

    fn place(host: &str, port: u16) -> Place {
        Place { host: host.to_owned(), port }
    }

    #[test]
    fn each_form_says_how_the_server_is_found() {
        let sentinel = |sentinels| Route::Sentinel { sentinels, master: "main".to_owned() };
        let table = [
            ("redis://h", Route::Fixed, "h:6379"),
            ("redis+unix:///tmp/r.sock", Route::Fixed, "/tmp/r.sock"),
            (
                "redis+cluster://a,b:7000,[::1]:7001",
                Route::Cluster(vec![place("a", 6379), place("b", 7000), place("::1", 7001)]),
                "the cluster of a:6379,b:7000,[::1]:7001",
            ),
            (
                "redis+sentinel://u:p@a:1,b/main/2?sentinel_password=s",
                sentinel(vec![place("a", 1), place("b", 26379)]),
                "master main of the sentinels a:1,b:26379",
            ),
            (
                "rediss+sentinel://a/main",
                sentinel(vec![place("a", 26379)]),
                "master main of the sentinels a:26379",
            ),
        ];
        for (url, route, shown) in table {
            let address = read(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!((&address.route, address.shown.as_str()), (&route, shown), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_dialled_is_refused_without_being_repeated() {
        for url in [
            "redis+cluster://",
            "redis+cluster://hunter2:x,b",
            "redis+cluster://a,,b",
            "redis+cluster://a/3",
            "redis+sentinel://u:hunter2@a",
            "redis+sentinel://u:hunter2@a/main/x",
            "rediss://h#insecure",
            "http://hunter2@h",
        ] {
            let error = read(url).err().unwrap_or_else(|| panic!("{url} was understood"));
            assert_eq!(error.kind, ErrorKind::Refused, "{url}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_sentinel_has_credentials_of_its_own() {
        let address = read("redis+sentinel://u:p%40@a/main/2?sentinel_password=s%20t").unwrap();
        let server = address.server_at(Some(&place("m", 1)));
        let found = (server.redis_settings().username(), server.redis_settings().password());
        assert_eq!((found, server.redis_settings().db()), ((Some("u"), Some("p@")), 2));
        let sentinel = address.sentinel_at(&place("a", 26379));
        let found = (sentinel.redis_settings().username(), sentinel.redis_settings().password());
        assert_eq!((found, sentinel.redis_settings().db()), ((None, Some("s t")), 0));
        assert_eq!(server.addr(), &ConnectionAddr::Tcp("m".to_owned(), 1));
    }

    #[test]
    fn a_node_found_over_tls_is_dialled_over_tls() {
        let address = read("rediss+cluster://a:7000").unwrap();
        let found = address.server_at(Some(&place("b", 7001)));
        let ConnectionAddr::TcpTls { host, port, insecure, .. } = found.addr() else {
            panic!("{:?}", found.addr());
        };
        assert_eq!((host.as_str(), *port, *insecure), ("b", 7001, false));
    }

    #[test]
    fn a_password_in_clear_text_is_a_warning_where_others_can_read_it() {
        let table = [
            ("redis://:p@example.org", 1),
            ("redis+cluster://:p@127.0.0.1,10.0.0.1", 1),
            ("redis+sentinel://10.0.0.1/m?sentinel_password=x", 1),
            ("redis://:p@127.0.0.1", 0),
            ("redis://:p@localhost", 0),
            ("redis://example.org", 0),
            ("rediss://:p@example.org", 0),
            ("redis+unix:///r.sock?pass=p", 0),
        ];
        for (url, expected) in table {
            let found = read(url).unwrap().warnings;
            assert_eq!(found.len(), expected, "{url}: {found:?}");
        }
    }
}
