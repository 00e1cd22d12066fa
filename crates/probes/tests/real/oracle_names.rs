//! The same names asked by Prometheus' `blackbox_exporter`: both must find the same.

use printery_probes::{DnsProbe, DnsRecord, GrpcProbe};
use printery_testkit::{GrpcHealthServers, NameServer, free_port};

use crate::oracle::Blackbox;
use crate::support::{Authority, egress, limits};

const KINDS: [(&str, DnsRecord); 6] = [
    ("A", DnsRecord::A),
    ("AAAA", DnsRecord::Aaaa),
    ("CNAME", DnsRecord::Cname),
    ("MX", DnsRecord::Mx),
    ("TXT", DnsRecord::Txt),
    ("SRV", DnsRecord::Srv),
];

const NAMES: [&str; 8] = [
    "a.test",
    "six.test",
    "both.test",
    "alias.test",
    "mail.test",
    "text.test",
    "_http._tcp.test",
    "nobody.test",
];

#[tokio::test(flavor = "multi_thread")]
async fn names_of_every_kind_known_and_unknown() {
    let records = [
        "--host-record=a.test,10.0.0.1",
        "--host-record=six.test,fd00::1",
        "--host-record=both.test,10.0.0.3,fd00::3",
        "--cname=alias.test,a.test",
        "--mx-host=mail.test,a.test,10",
        "--txt-record=text.test,v=spf1 -all",
        "--srv-host=_http._tcp.test,a.test,8080,1,5",
    ];
    let server = NameServer::start(&records.map(str::to_owned)).await;
    // Theirs takes any answer of code 0 for success; ours wants a record of the kind it asked for.
    let module = |name: &str, kind: &str| {
        format!(
            "  {kind}-{name}: {{ prober: dns, timeout: 20s, dns: {{ preferred_ip_protocol: ip4, \
             query_name: {name}, query_type: {kind}, \
             validate_answer_rrs: {{ fail_if_none_matches_regexp: ['\\t{kind}\\t'] }} }} }}\n"
        )
    };
    let modules: String = NAMES
        .iter()
        .flat_map(|name| KINDS.iter().map(move |(kind, _)| module(name, kind)))
        .collect();
    let blackbox = Blackbox::with(&Authority::make(), &modules).await;
    for name in NAMES {
        for (kind, record) in KINDS {
            let probe = DnsProbe {
                name: name.to_owned(),
                record,
                min_answers: 1,
                expect: Vec::new(),
                nameserver: Some(("127.0.0.1".to_owned(), server.port())),
                connect: false,
                conditions: Vec::new(),
            };
            let ours = probe.run(&egress(), &limits()).await;
            let target = format!("127.0.0.1:{}", server.port());
            blackbox.agrees(&format!("{kind}-{name}"), &target, &ours).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_serve_and_that_do_not() {
    let servers = GrpcHealthServers::start().await;
    let blackbox = Blackbox::start(&Authority::make()).await;
    let closed = format!("127.0.0.1:{}", free_port());
    for target in [&servers.serving, &servers.not_serving, &closed] {
        let (host, port) = target.rsplit_once(':').unwrap();
        let ours = GrpcProbe::new(host, port.parse().unwrap()).run(&egress(), &limits()).await;
        blackbox.agrees("grpc", target, &ours).await;
    }
}
