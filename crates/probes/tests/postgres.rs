//! The PostgreSQL and migrations probes against real clusters of their own: primary, replica, TLS, locks, tools' tables.
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use std::time::Duration;

use printery_probes::{
    Adapter, Class, Egress, EgressRules, Limits, MigrationsProbe, Outcome, PostgresDemands,
    PostgresProbe, PostgresRole, PostgresTarget, ReasonCode, Report, Url,
};
use printery_testkit::{Certificates, PostgresServer, eventually, free_port};

const PATIENCE: Duration = Duration::from_secs(60);

fn egress() -> Egress {
    Egress::try_new(&EgressRules { allow: vec![], allow_loopback: true }).unwrap()
}

fn limits() -> Limits {
    Limits::new(Duration::from_secs(30), Duration::from_secs(10), 1)
}

fn target(url: &str) -> PostgresTarget {
    PostgresTarget::parse(&Url::parse(url).unwrap()).unwrap()
}

async fn ask(url: &str, demands: PostgresDemands) -> Report {
    let probe = PostgresProbe { demands, ..PostgresProbe::new(target(url)) };
    let report = probe.run(&egress(), &limits()).await;
    assert!(!format!("{report:?}{probe:?}").contains("hunter"), "a password shows: {report:?}");
    report
}

#[tokio::test]
async fn a_server_is_asked_for_what_it_is_and_everything_wrong_is_named() {
    let server = PostgresServer::start_with(&["max_connections=20"], None).await;
    let sound = PostgresDemands {
        role: Some(PostgresRole::Primary),
        min_version: Some("10".into()),
        headroom: Some(0.1),
        max_transaction_age: Some(Duration::from_secs(600)),
        max_lock_waiters: Some(0),
        ..PostgresDemands::default()
    };
    for url in [server.url(), server.socket_url()] {
        let report = ask(&url, sound.clone()).await;
        assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
        assert!(report.observed.contains("a primary, "), "{report:?}");
        assert!(report.timings.processing.is_some(), "{report:?}");
    }
    let wrong = PostgresDemands {
        role: Some(PostgresRole::Replica),
        max_version: Some("9".into()),
        headroom: Some(1.0),
        ..sound
    };
    let report = ask(&server.url(), wrong).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Role));
    for text in ["it is a primary", "newer than version 9", "less than 100%"] {
        assert!(report.observed.contains(text), "{text}: {report:?}");
    }
    server.sql("ALTER SYSTEM SET default_transaction_read_only = on");
    server.sql("SELECT pg_reload_conf()");
    let demands =
        || PostgresDemands { role: Some(PostgresRole::Primary), ..PostgresDemands::default() };
    eventually("the server takes no writes", PATIENCE, async || {
        let report = ask(&server.url(), demands()).await;
        if report.observed.contains("takes no writes") { Ok(()) } else { Err(report.observed) }
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_signed_in_to_is_told_apart() {
    let server = PostgresServer::start().await;
    let gone = format!("postgres://ada@127.0.0.1:{}/x", free_port());
    let cases = [
        (server.url().replace("hunter2", "hunter3"), Class::Permanent, ReasonCode::Auth),
        (server.url().replace(":hunter2", ""), Class::Permanent, ReasonCode::Auth),
        (format!("{}x", server.url()), Class::Permanent, ReasonCode::Content),
        (format!("{}?sslmode=require", server.url()), Class::Permanent, ReasonCode::Tls),
        (gone, Class::Transient, ReasonCode::ConnectRefused),
    ];
    for (url, class, reason) in cases {
        let report = ask(&url, PostgresDemands::default()).await;
        assert_eq!((report.class, report.reason_code), (Some(class), reason), "{report:?}");
    }
    let guarded = Egress::try_new(&EgressRules::default()).unwrap();
    for url in [server.url(), server.socket_url()] {
        let report = PostgresProbe::new(target(&url)).run(&guarded, &limits()).await;
        assert_eq!(report.reason_code, ReasonCode::BlockedByPolicy, "{report:?}");
    }
}

#[tokio::test]
async fn no_connection_left_is_an_error_that_may_pass() {
    let settings = ["max_connections=3", "superuser_reserved_connections=1", "max_wal_senders=0"];
    let server = PostgresServer::start_with(&settings, None).await;
    server.sql("CREATE ROLE ada LOGIN PASSWORD 'hunter2'");
    let held = [server.hold("SELECT 1"), server.hold("SELECT 2")];
    eventually("both sessions are open", PATIENCE, async || {
        let open = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%' \
                    AND pid <> pg_backend_pid()";
        let rows = server.sql(open);
        if rows == ["2"] { Ok(()) } else { Err(format!("{rows:?}")) }
    })
    .await;
    let url = server.url().replace("postgres:hunter2", "ada:hunter2");
    let report = ask(&url, PostgresDemands::default()).await;
    assert_eq!((report.outcome, report.class), (Outcome::Error, Some(Class::Transient)));
    assert_eq!(report.reason_code, ReasonCode::Capacity, "{report:?}");
    drop(held);
}

#[tokio::test]
async fn a_replica_is_known_as_one_and_a_broken_stream_is_lag() {
    let primary = PostgresServer::start().await;
    let replica = primary.replica().await;
    let demands = || PostgresDemands {
        role: Some(PostgresRole::Replica),
        max_lag: Some(Duration::from_secs(600)),
        ..PostgresDemands::default()
    };
    primary.sql("CREATE TABLE orders (id int)");
    eventually("the replica follows", PATIENCE, async || {
        let report = ask(&replica.url(), demands()).await;
        if report.outcome == Outcome::Pass { Ok(()) } else { Err(report.observed) }
    })
    .await;
    let writable =
        PostgresDemands { role: Some(PostgresRole::Primary), ..PostgresDemands::default() };
    let report = ask(&replica.url(), writable).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Role));
    drop(primary);
    let strict = || PostgresDemands { max_lag: Some(Duration::ZERO), ..demands() };
    let report = eventually("the stream is broken", PATIENCE, async || {
        let report = ask(&replica.url(), strict()).await;
        if report.outcome == Outcome::Fail { Ok(report) } else { Err(report.observed) }
    })
    .await;
    assert_eq!(report.reason_code, ReasonCode::Lag, "{report:?}");
}

#[tokio::test]
async fn what_a_migration_would_wait_for_is_seen() {
    let server = PostgresServer::start().await;
    server.sql("CREATE TABLE orders (id int)");
    let holder = server.hold("LOCK TABLE orders");
    let locks = "SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass";
    eventually("the table is locked", PATIENCE, async || {
        let rows = server.sql(locks);
        if rows == ["1"] { Ok(()) } else { Err(format!("{rows:?}")) }
    })
    .await;
    let waiter = server.hold("SELECT * FROM orders");
    let strict = || PostgresDemands {
        max_lock_waiters: Some(0),
        max_transaction_age: Some(Duration::from_millis(1)),
        ..PostgresDemands::default()
    };
    let report = eventually("somebody waits for the lock", PATIENCE, async || {
        let report = ask(&server.url(), strict()).await;
        if report.observed.contains("1 sessions wait") { Ok(report) } else { Err(report.observed) }
    })
    .await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Locked));
    assert!(report.observed.contains("a transaction has been open for more than"), "{report:?}");

    // A table that the probe itself needs is locked: it gives up after its lock timeout, and says so.
    server.sql("CREATE TABLE schema_migrations (version bigint, dirty bool)");
    let blocked = server.hold("LOCK TABLE schema_migrations");
    let report = eventually("the books are locked", PATIENCE, async || {
        let report = migrations(&server, Adapter::GolangMigrate, &[], None).await;
        if report.reason_code == ReasonCode::Locked { Ok(report) } else { Err(report.observed) }
    })
    .await;
    assert_eq!((report.outcome, report.class), (Outcome::Error, Some(Class::Transient)));
    drop((holder, waiter, blocked));
}

#[tokio::test]
async fn tls_is_verified_and_never_turned_off() {
    let certificates = Certificates::make();
    let server = PostgresServer::start_with(&[], Some(&certificates)).await;
    let trusted =
        format!("{}?sslmode=verify-full&sslrootcert={}", server.url(), certificates.ca().display());
    let report = ask(&trusted, PostgresDemands::default()).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
    assert!(report.timings.tls.is_some(), "{report:?}");
    for mode in ["", "?sslmode=require"] {
        let report = ask(&format!("{}{mode}", server.url()), PostgresDemands::default()).await;
        assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Tls));
    }
    let plain = format!("{}?sslmode=disable", server.url());
    assert_eq!(ask(&plain, PostgresDemands::default()).await.outcome, Outcome::Pass);
}

async fn migrations(
    server: &PostgresServer,
    adapter: Adapter,
    require: &[&str],
    max: Option<&str>,
) -> Report {
    let probe = MigrationsProbe {
        target: target(&server.url()),
        adapter,
        table: None,
        require: require.iter().map(ToString::to_string).collect(),
        max: max.map(str::to_owned),
    };
    probe.run(&egress(), &limits()).await
}

/// The tables as the tools themselves create them, with two migrations applied.
const BOOKS: [(Adapter, &str, [&str; 2]); 12] = [
    (
        Adapter::Sqlx,
        "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
         installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, \
         execution_time BIGINT NOT NULL); \
         INSERT INTO _sqlx_migrations VALUES (20260101, 'a', now(), true, '', 1), (20260901, 'b', now(), true, '', 1)",
        ["20260901", "20260902"],
    ),
    (
        Adapter::Flyway,
        "CREATE TABLE flyway_schema_history (installed_rank INT PRIMARY KEY, version VARCHAR(50), \
         description VARCHAR(200) NOT NULL, type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum INT, \
         installed_by VARCHAR(100) NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT now(), \
         execution_time INT NOT NULL, success BOOLEAN NOT NULL); \
         INSERT INTO flyway_schema_history VALUES (1, '1.9', 'a', 'SQL', 'V1_9__a.sql', 1, 'x', now(), 1, true), \
         (2, '1.10', 'b', 'SQL', 'V1_10__b.sql', 1, 'x', now(), 1, true)",
        ["1.10", "1.11"],
    ),
    (
        Adapter::GolangMigrate,
        "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL); \
         INSERT INTO schema_migrations VALUES (12, false)",
        ["9", "13"],
    ),
    (
        Adapter::Rails,
        "CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY); \
         INSERT INTO schema_migrations VALUES ('20260101000000'), ('20260901000000')",
        ["20260901000000", "20260902000000"],
    ),
    (
        Adapter::Alembic,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY); \
         INSERT INTO alembic_version VALUES ('ae1027a6acf')",
        ["ae1027a6acf", "1975ea83b712"],
    ),
    (
        Adapter::Django,
        "CREATE TABLE django_migrations (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, \
         app varchar(255) NOT NULL, name varchar(255) NOT NULL, applied timestamptz NOT NULL); \
         INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '0001_initial', now()), \
         ('shop', '0002_cart', now())",
        ["shop.0002_cart", "shop.0003_orders"],
    ),
    (
        Adapter::Diesel,
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
         run_on TIMESTAMP NOT NULL DEFAULT now()); \
         INSERT INTO __diesel_schema_migrations VALUES ('20260101000000'), ('20260901000000')",
        ["20260901000000", "20260902000000"],
    ),
    (
        Adapter::Prisma,
        "CREATE TABLE _prisma_migrations (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, \
         finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ, \
         started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0); \
         INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name) VALUES \
         ('1', '', now(), '20260101000000_init'), ('2', '', now(), '20260901000000_cart')",
        ["20260901000000_cart", "20260902000000_orders"],
    ),
    (
        Adapter::Liquibase,
        "CREATE TABLE databasechangelog (id VARCHAR(255) NOT NULL, author VARCHAR(255) NOT NULL, \
         filename VARCHAR(255) NOT NULL, dateexecuted TIMESTAMP NOT NULL, orderexecuted INT NOT NULL, \
         exectype VARCHAR(10) NOT NULL); \
         CREATE TABLE databasechangeloglock (id INT PRIMARY KEY, locked BOOLEAN NOT NULL, \
         lockgranted TIMESTAMP, lockedby VARCHAR(255)); \
         INSERT INTO databasechangelog VALUES ('cart', 'ada', 'x.xml', now(), 1, 'EXECUTED'); \
         INSERT INTO databasechangeloglock VALUES (1, false, NULL, NULL)",
        ["cart", "orders"],
    ),
    (
        Adapter::Refinery,
        "CREATE TABLE refinery_schema_history (version INT4 PRIMARY KEY, name VARCHAR(255), \
         applied_on VARCHAR(255), checksum VARCHAR(255)); \
         INSERT INTO refinery_schema_history VALUES (1, 'init', '', ''), (2, 'cart', '', '')",
        ["2", "3"],
    ),
    (
        Adapter::SeaOrm,
        "CREATE TABLE seaql_migrations (version varchar NOT NULL PRIMARY KEY, applied_at bigint NOT NULL); \
         INSERT INTO seaql_migrations VALUES ('m20260101_000001_init', 1), ('m20260901_000001_cart', 2)",
        ["m20260901_000001_cart", "m20260902_000001_orders"],
    ),
    (
        Adapter::Goose,
        "CREATE TABLE goose_db_version (id SERIAL PRIMARY KEY, version_id BIGINT NOT NULL, \
         is_applied BOOLEAN NOT NULL, tstamp TIMESTAMP DEFAULT now()); \
         INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (1, true), (2, true)",
        ["2", "3"],
    ),
];

#[tokio::test]
async fn the_books_of_every_tool_are_read() {
    let server = PostgresServer::start().await;
    for (adapter, books, [there, missing]) in BOOKS {
        server.sql("DROP SCHEMA public CASCADE");
        server.sql("CREATE SCHEMA public");
        let report = migrations(&server, adapter, &[there], None).await;
        assert_eq!(
            report.reason_code,
            ReasonCode::SchemaBehind,
            "{adapter} without a table: {report:?}"
        );
        server.sql(books);
        let report = migrations(&server, adapter, &[there], Some(there)).await;
        let ahead_of_an_older = adapter == Adapter::GolangMigrate;
        if !ahead_of_an_older {
            let known_by_name = matches!(adapter, Adapter::Django);
            let expected = if known_by_name { Outcome::Fail } else { Outcome::Pass };
            assert_eq!(report.outcome, expected, "{adapter}: {report:?}");
        }
        let report = migrations(&server, adapter, &[there, missing], None).await;
        assert_eq!((report.outcome, report.class), (Outcome::Fail, Some(Class::Assertion)));
        assert_eq!(report.reason_code, ReasonCode::SchemaBehind, "{adapter}: {report:?}");
        assert!(
            report.observed.starts_with(&format!("{missing} has not been applied")),
            "{report:?}"
        );
    }
}

#[tokio::test]
async fn a_schema_that_is_dirty_locked_or_ahead_is_named() {
    let server = PostgresServer::start().await;
    for (_, books, _) in BOOKS.iter().filter(|(adapter, ..)| *adapter != Adapter::Rails) {
        server.sql(books);
    }
    let report = migrations(&server, Adapter::Sqlx, &[], Some("20260101")).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::SchemaAhead));
    assert!(report.observed.starts_with("20260901 is later than 20260101"), "{report:?}");
    let dirty = [
        (Adapter::Sqlx, "UPDATE _sqlx_migrations SET success = false WHERE version = 20260901"),
        (
            Adapter::Flyway,
            "UPDATE flyway_schema_history SET success = false WHERE version = '1.10'",
        ),
        (Adapter::GolangMigrate, "UPDATE schema_migrations SET dirty = true"),
        (Adapter::Prisma, "UPDATE _prisma_migrations SET finished_at = NULL WHERE id = '2'"),
        (Adapter::Liquibase, "UPDATE databasechangeloglock SET locked = true"),
    ];
    for (adapter, change) in dirty {
        server.sql(change);
        let report = migrations(&server, adapter, &[], None).await;
        assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::SchemaDirty));
        assert_eq!(report.class, Some(Class::Assertion), "{adapter}: {report:?}");
    }
}
