//! What kind of address an IP address really is, seen through every way of writing one inside another.
//!
//! The egress guard asks here about each address before it dials it. Pure: no names, no sockets, no policy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What lives behind an address, as far as its number tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressKind {
    /// Routed on the internet.
    Public,
    /// Private, shared (CGNAT), unique-local, documentation and benchmark networks.
    Private,
    /// This machine.
    Loopback,
    /// This link only, `169.254.0.0/16` and `fe80::/10`; clouds put their metadata service here.
    LinkLocal,
    /// A cloud's metadata service outside the link-local range.
    Metadata,
    /// 0.0.0.0/8 and `::`; several systems connect it to themselves.
    Unspecified,
    /// A group of machines.
    Multicast,
    /// Every machine on the link.
    Broadcast,
    /// Not assigned to anybody.
    Reserved,
}

impl AddressKind {
    /// Returns the kind in words, for a sentence.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Private => "a private address",
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "a cloud metadata address",
            Self::Unspecified => "the unspecified address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Reserved => "a reserved address",
        }
    }
}

/// Metadata services with addresses outside 169.254.0.0/16: Alibaba, Oracle, Azure's wire server.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// Metadata services reachable by IPv6: AWS.
const METADATA_V6: [Ipv6Addr; 1] = [Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)];

/// Tells what kind of address this is; an address that carries another is as bad as the one it carries.
pub fn kind(address: IpAddr) -> AddressKind {
    match address {
        IpAddr::V4(v4) => kind_v4(v4),
        IpAddr::V6(v6) => kind_v6(v6),
    }
}

fn kind_v4(address: Ipv4Addr) -> AddressKind {
    let [a, b, c, _] = address.octets();
    if METADATA_V4.contains(&address) {
        return AddressKind::Metadata;
    }
    match (a, b, c) {
        (0, _, _) => AddressKind::Unspecified,
        (127, _, _) => AddressKind::Loopback,
        (169, 254, _) => AddressKind::LinkLocal,
        (224..=239, _, _) => AddressKind::Multicast,
        _ if address.is_broadcast() => AddressKind::Broadcast,
        (240..=255, _, _) => AddressKind::Reserved,
        (10, _, _)
        | (172, 16..=31, _)
        | (192, 168, _)
        | (100, 64..=127, _)
        | (192, 0, 0 | 2)
        | (198, 18..=19, _)
        | (198, 51, 100)
        | (203, 0, 113) => AddressKind::Private,
        _ => AddressKind::Public,
    }
}

fn kind_v6(address: Ipv6Addr) -> AddressKind {
    if address.is_unspecified() {
        return AddressKind::Unspecified;
    }
    if address.is_loopback() {
        return AddressKind::Loopback;
    }
    if METADATA_V6.contains(&address) {
        return AddressKind::Metadata;
    }
    if let Some(worst) = carried(address).into_iter().flatten().map(kind_v4).max() {
        return worst;
    }
    let [first, second, ..] = address.segments();
    match (first, second) {
        (0xff00..=0xffff, _) => AddressKind::Multicast,
        (0xfe80..=0xfebf, _) => AddressKind::LinkLocal,
        // Unique-local, old site-local, documentation and discard-only networks.
        (0xfc00..=0xfdff | 0xfec0..=0xfeff | 0x0100 | 0x3fff, _) | (0x2001, 0x0db8) => {
            AddressKind::Private
        }
        (0x2000..=0x3fff, _) => AddressKind::Public,
        _ => AddressKind::Reserved,
    }
}

/// Returns the IPv4 addresses that an IPv6 address carries: mapped, compatible, NAT64, 6to4, Teredo (server and client).
fn carried(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = address.segments();
    let low = v4(s6, s7);
    match (s0, s1) {
        (0, 0) if (s2, s3) == (0, 0) && matches!((s4, s5), (0, 0 | 0xffff) | (0xffff, 0)) => {
            [Some(low), None]
        }
        // The well-known prefix, and the one for local use (/48).
        (0x0064, 0xff9b) if (s2, s3, s4, s5) == (0, 0, 0, 0) || s2 == 1 => [Some(low), None],
        (0x2002, _) => [Some(v4(s1, s2)), None],
        (0x2001, 0) => [Some(v4(s2, s3)), Some(v4(!s6, !s7))],
        _ => [None, None],
    }
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::AddressKind::{
        Broadcast, LinkLocal, Loopback, Metadata, Multicast, Private, Public, Reserved, Unspecified,
    };
    use super::*;

    #[test]
    fn every_address_is_what_it_carries() {
        let cases = [
            ("8.8.8.8", Public),
            ("1.1.1.1", Public),
            ("10.0.0.1", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("172.32.0.1", Public),
            ("192.168.1.1", Private),
            ("100.64.0.1", Private),
            ("100.128.0.1", Public),
            ("192.0.2.1", Private),
            ("198.18.0.1", Private),
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("169.254.169.254", LinkLocal),
            ("100.100.100.200", Metadata),
            ("192.0.0.192", Metadata),
            ("168.63.129.16", Metadata),
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("224.0.0.1", Multicast),
            ("239.255.255.255", Multicast),
            ("240.0.0.1", Reserved),
            ("255.255.255.255", Broadcast),
            ("::", Unspecified),
            ("::1", Loopback),
            ("2606:4700:4700::1111", Public),
            ("fc00::1", Private),
            ("fd12:3456::1", Private),
            ("fd00:ec2::254", Metadata),
            ("fec0::1", Private),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("ff02::1", Multicast),
            ("2001:db8::1", Private),
            ("4000::1", Reserved),
            // IPv4 inside IPv6: mapped, translated, compatible.
            ("::ffff:8.8.8.8", Public),
            ("::ffff:10.0.0.1", Private),
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:169.254.169.254", LinkLocal),
            ("::ffff:0:169.254.169.254", LinkLocal),
            ("::169.254.169.254", LinkLocal),
            ("::127.0.0.1", Loopback),
            // NAT64, well known and local.
            ("64:ff9b::169.254.169.254", LinkLocal),
            ("64:ff9b::8.8.8.8", Public),
            ("64:ff9b:1::127.0.0.1", Loopback),
            // 6to4 of 169.254.169.254 and of 8.8.8.8.
            ("2002:a9fe:a9fe::1", LinkLocal),
            ("2002:808:808::1", Public),
            // Teredo: the server in front, the client inverted at the end (169.254.169.254, 8.8.8.8).
            ("2001:0:a9fe:a9fe::f7f7:f7f7", LinkLocal),
            ("2001:0:808:808::5601:5601", LinkLocal),
            ("2001:0:808:808::f7f7:f7f7", Public),
        ];
        for (text, expected) in cases {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(kind(address), expected, "{text}");
        }
    }
}
