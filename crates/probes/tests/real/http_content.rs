//! What the HTTP probe says about headers, documents, conditions and compressed bodies.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use printery_config::{EndpointSpec, Fleet};
use printery_probes::{Class, HttpProbe, Outcome, ReasonCode, Report};

use crate::support::{Server, answer, egress, limits};

/// Makes the probe of an endpoint as the fleet file would.
fn probe(url: &str, expectation: &str) -> HttpProbe {
    let file = format!(
        "version: 1\nfleet: t\nservices: {{ a: {{ requires: [e] }} }}\n\
         endpoints:\n  e: {{ http: '{url}', {expectation} }}\n"
    );
    let fleet = Fleet::parse("f", &file, &|_| None).unwrap();
    let EndpointSpec::Http(said) = &fleet.endpoints["e"].spec else { unreachable!() };
    HttpProbe::configured(said).unwrap()
}

async fn ask(url: &str, expectation: &str) -> Report {
    probe(url, expectation).run(&egress(), &limits()).await
}

#[tokio::test]
async fn headers_values_and_conditions_are_judged() {
    let body = br#"{"status":"ok","queue":{"depth":3},"parts":[{"up":true},{"up":true}]}"#;
    let head = "200 OK\r\nContent-Type: application/json\r\nx-shop: north\r\nX-Shop: south";
    let server = Server::raw(answer(head, body)).await;
    let ok = (Outcome::Pass, ReasonCode::Ok);
    let content = (Outcome::Fail, ReasonCode::Content);
    let policy = (Outcome::Fail, ReasonCode::Policy);
    for (expectation, expected) in [
        ("expect: { header: { content-type: '^application/json' } }", ok),
        ("expect: { header: { X-SHOP: south } }", ok),
        ("expect: { header: { content-type: html } }", content),
        ("expect: { header: { x-missing: '' } }", content),
        ("expect: { json: { '$.status': ok, '$.queue.depth': 3 } }", ok),
        ("expect: { json: { '$.parts[*].up': true } }", ok),
        ("expect: { json: { '$.queue.depth': 3.0 } }", ok),
        ("expect: { json: { '$.queue.depth': 4 } }", content),
        ("expect: { json: { '$.missing': null } }", content),
        ("assert: \"json.status == 'ok' && header['x-shop'] == 'north, south'\"", ok),
        ("assert: ['status == 200', 'json.parts.all(p, p.up)', 'latency_ms < 60000']", ok),
        ("assert: ['body.contains(\"queue\")', 'connected', \"ip == '127.0.0.1'\"]", ok),
        ("assert: ['timings.processing > 0.0 && timings.tls == 0.0 && tls == null']", ok),
        ("assert: ['status == 200', 'json.queue.depth > 3']", policy),
        ("assert: 'json.nothing == 1'", policy),
    ] {
        let report = ask(&server.url("/"), expectation).await;
        assert_eq!((report.outcome, report.reason_code), expected, "{expectation}: {report:?}");
    }
    let report = ask(&server.url("/"), "assert: 'json.queue.depth > 3'").await;
    assert!(report.message.contains("`json.queue.depth > 3` does not hold"), "{}", report.message);
    assert!(report.evidence.unwrap().contains("depth"));
}

#[tokio::test]
async fn an_answer_that_is_no_document_breaks_what_is_asked_of_one() {
    let server = Server::raw(answer("200 OK", b"<html>")).await;
    let report = ask(&server.url("/"), "expect: { json: { '$.a': 1 } }").await;
    assert_eq!((report.outcome, report.class), (Outcome::Fail, Some(Class::Assertion)));
    assert!(report.message.contains("not JSON"), "{}", report.message);
    let report = ask(&server.url("/"), "assert: 'json == null'").await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
}

#[tokio::test]
async fn a_compressed_body_is_read_up_to_the_cap_of_what_comes_out() {
    let packed = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let head = "200 OK\r\ncontent-encoding: gzip";
    let server = Server::raw(answer(head, &packed(br#"{"status":"ok"}"#))).await;
    let report = ask(&server.url("/"), "expect: { json: { '$.status': ok } }").await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");

    // Sixty megabytes in as many kilobytes.
    let bomb = packed(&vec![b'0'; 60_000_000]);
    assert!(bomb.len() < 64 * 1024, "{}", bomb.len());
    let server = Server::raw(answer(head, &bomb)).await;
    let report = ask(&server.url("/"), "contains: x").await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Error, ReasonCode::BodyTooLarge));
    assert_eq!(report.class, Some(Class::Guard));

    let server = Server::raw(answer(head, b"no gzip at all")).await;
    let report = ask(&server.url("/"), "contains: x").await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Protocol));
}

#[tokio::test]
async fn every_name_of_the_vocabulary_is_filled() {
    let server = Server::raw(answer("200 OK", b"{}")).await;
    let names = printery_config::vocabulary::CONNECTION;
    for name in names.into_iter().chain(printery_config::vocabulary::HTTP) {
        let report = ask(&server.url("/"), &format!("assert: '{name} == {name}'")).await;
        assert_eq!(report.outcome, Outcome::Pass, "{name}: {report:?}");
    }
}
