//! Metrics asked for: from a service, and from a real Prometheus that scrapes it.
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use std::time::Duration;

use printery_probes::{
    Class, Egress, EgressRules, Limits, ReasonCode, Url, query_prometheus, scrape,
};
use printery_testkit::{Answer, HttpService, PrometheusServer, eventually};

fn egress() -> Egress {
    Egress::try_new(&EgressRules { allow_loopback: true, ..EgressRules::default() }).unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn says(text: &str) -> Answer {
    let kind = ("content-type".to_owned(), "text/plain; version=0.0.4".to_owned());
    Answer::Full(200, vec![kind], text.to_owned())
}

#[tokio::test]
async fn a_service_is_asked_what_it_measures() {
    let service = HttpService::start().await;
    service.answer_at("/metrics", says("# TYPE a counter\na{b=\"c\"} 7\n"));
    let metrics = url(&format!("{}/metrics", service.url()));
    let rows = scrape(&egress(), &metrics, &Limits::default()).await.unwrap();
    assert_eq!(
        (rows.len(), rows[0].label("b"), rows[0].value.to_bits()),
        (1, Some("c"), 7_f64.to_bits())
    );
    let asked = &service.requests()[0].headers["accept"];
    assert!(asked.starts_with("text/plain"), "{asked}");

    let huge = "m 1\n".repeat(1 << 21);
    let cases = [
        (Answer::Status(503), Class::Transient, "answered 503"),
        (Answer::Status(404), Class::Permanent, "answered 404"),
        (says("<html>"), Class::Permanent, "answered with no metrics: line 1"),
        (says(&huge), Class::Guard, "answered with more than"),
    ];
    for (answer, class, expected) in cases {
        service.answer_at("/metrics", answer);
        let error = scrape(&egress(), &metrics, &Limits::default()).await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
    let strict = Egress::try_new(&EgressRules::default()).unwrap();
    let error = scrape(&strict, &metrics, &Limits::default()).await.unwrap_err();
    assert_eq!((error.class(), error.reason_code()), (Class::Guard, ReasonCode::BlockedByPolicy));
}

#[tokio::test]
async fn a_prometheus_is_asked_for_one_number() {
    let service = HttpService::start().await;
    let both = "jobs{kind=\"a\"} 40\njobs{kind=\"b\"} 2\n";
    service.answer_at("/metrics", says(both));
    let server = PrometheusServer::start(&[service.addr()]).await;
    let (egress, prometheus, limits) = (egress(), url(&server.url()), Limits::default());
    let ask = async |query: &str| query_prometheus(&egress, &prometheus, query, &limits).await;
    let scraped = async || match ask("sum(jobs)").await {
        Ok(Some(sum)) if (sum - 42.0).abs() < 1e-9 => Ok(()),
        other => Err(format!("{other:?}")),
    };
    eventually("the first scrape", Duration::from_secs(60), scraped).await;

    assert_eq!(ask("scalar(jobs{kind=\"b\"})").await, Ok(Some(2.0)));
    assert_eq!(ask("1 / 0").await, Ok(Some(f64::INFINITY)));
    assert_eq!(ask("no_such_metric").await, Ok(None), "nothing is nothing, not zero");
    assert_eq!(ask("sum(jobs) * 0 / 0").await, Ok(None), "and neither is a division by it");
    let cases = [
        ("jobs", ReasonCode::Content, "the query gives 2 numbers, not one"),
        ("jobs[1m]", ReasonCode::Content, "the query gives a matrix, not a number"),
        ("sum(", ReasonCode::HttpStatus, "parse error"),
    ];
    for (query, code, expected) in cases {
        let error = ask(query).await.unwrap_err();
        assert_eq!(error.reason_code(), code, "{error}");
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
    let elsewhere = url(&service.url());
    let error = query_prometheus(&egress, &elsewhere, "up", &limits).await.unwrap_err();
    assert_eq!(error.reason_code(), ReasonCode::Protocol, "{error}");
}
