//! TLS: whom to trust and who we are stands in files; what does not fit is said, not waited for.

use std::path::PathBuf;

use printery_streams::connection::{Bus, TlsFiles};
use printery_streams::{Error, ErrorKind, Partitions, Redis};
use printery_testkit::{Certificates, ClientProof, RedisCluster, RedisServer};
use redis::cmd;

use crate::scene::SOON;

/// The authority alone.
fn trusting(certificates: &Certificates) -> TlsFiles {
    TlsFiles { ca: Some(certificates.ca()), ..TlsFiles::default() }
}

/// The authority, and a client certificate of it.
fn proving(certificates: &Certificates) -> TlsFiles {
    TlsFiles {
        certificate: Some(certificates.client_certificate()),
        key: Some(certificates.client_key()),
        ..trusting(certificates)
    }
}

fn bus(url: &str, tls: TlsFiles) -> Bus {
    Bus { url: url.to_owned(), tls, durability: None }
}

async fn ping(url: &str, tls: TlsFiles) -> Result<(), Error> {
    let redis = Redis::try_new(bus(url, tls), SOON).unwrap();
    redis.reader(SOON).await?;
    redis.session().query("ask", "", &cmd("PING")).await.map(drop)
}

#[tokio::test]
async fn the_server_must_be_who_it_says_and_may_ask_who_we_are() {
    let ours = Certificates::make();
    let options = RedisServer::options().with_tls(&ours, ClientProof::Required);
    let server = options.start().await;
    let url = server.tls_url();
    ping(&url, proving(&ours)).await.unwrap();
    ping(&url.replace("localhost", "127.0.0.1"), proving(&ours)).await.unwrap();

    let error = ping(&url, trusting(&ours)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    assert!(error.to_string().to_lowercase().contains("certificate"), "{error}");

    // The machine's own authorities know nothing of ours; nor does another authority.
    for tls in [TlsFiles::default(), trusting(&Certificates::make())] {
        let error = ping(&url, tls).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    let insecure = TlsFiles { insecure: true, ..proving(&ours) };
    let redis = Redis::try_new(bus(&url, insecure.clone()), SOON).unwrap();
    assert!(redis.warnings().iter().any(|line| line.contains("insecure")));
    ping(&url, insecure).await.unwrap();
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let ours = Certificates::for_names("DNS:elsewhere.example");
    let options = RedisServer::options().with_tls(&ours, ClientProof::NotAsked);
    let server = options.start().await;
    let error = ping(&server.tls_url(), trusting(&ours)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

#[tokio::test]
async fn the_nodes_of_a_cluster_are_found_over_tls() {
    let ours = Certificates::make();
    let with_tls = |options: printery_testkit::RedisOptions| {
        let options = options.with_tls(&ours, ClientProof::Required);
        options.arg("--tls-cluster", "yes").arg("--tls-replication", "yes")
    };
    let cluster = RedisCluster::of(with_tls, "rediss+cluster").await;
    let bus = bus(&cluster.url(), proving(&ours));
    let fleet = Partitions::try_new(&bus, "p", Some(3), SOON).unwrap();
    for partition in fleet.all() {
        let key = partition.keys.instances();
        let mut set = cmd("HSET");
        set.arg(&key).arg("field").arg("value");
        partition.redis.session().query("write", &key, &set).await.unwrap();
        assert_eq!(cluster.connect(&key).await.int(&["HLEN", &key]).await, 1);
    }
}

#[test]
fn a_file_that_does_not_fit_is_named_with_the_rule() {
    let (ours, others) = (Certificates::make(), Certificates::make());
    let garbage = ours.dir().join("garbage.pem");
    std::fs::write(&garbage, "no certificate at all").unwrap();
    let missing = PathBuf::from("/nowhere/ca.pem");
    let only = |file: &str, path: &PathBuf| TlsFiles {
        ca: (file == "ca").then(|| path.clone()),
        certificate: (file == "certificate").then(|| path.clone()),
        key: (file == "key").then(|| path.clone()),
        insecure: false,
    };
    let pair = |certificate: PathBuf, key: PathBuf| TlsFiles {
        certificate: Some(certificate),
        key: Some(key),
        ..TlsFiles::default()
    };
    let table = [
        (only("ca", &missing), "CA file /nowhere/ca.pem cannot be read"),
        (only("ca", &garbage), "garbage.pem holds no certificate"),
        (only("ca", &ours.client_key()), "client.key holds no certificate"),
        (only("certificate", &ours.client_certificate()), "needs its key file"),
        (only("key", &ours.client_key()), "needs its certificate file"),
        (pair(ours.client_certificate(), garbage.clone()), "holds no private key"),
        (pair(ours.client_certificate(), others.client_key()), "does not fit the certificate"),
        (pair(garbage, ours.client_key()), "holds no certificate"),
    ];
    for (tls, expected) in table {
        let error = Redis::try_new(bus("rediss://h", tls.clone()), SOON).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        assert!(tls.check().unwrap_err().contains(expected));
    }
    let error = Redis::try_new(bus("redis://h", trusting(&ours)), SOON).unwrap_err();
    assert!(error.to_string().contains("rediss://"), "{error}");
}
