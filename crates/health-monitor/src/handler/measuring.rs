//! What services measure of themselves, and what a real Prometheus says of them.

use std::time::Duration;

use printery_events::payload::{HealthResult, HealthStatus};
use printery_testkit::{Answer, HttpService, PrometheusServer, eventually};
use tokio::time::timeout;

use super::scene::{LONG, Scene, after_stage, before, monitor};

/// Ten looks, so that counters can grow in between.
const TEN: &str = "warmup: 0s, samples: 10, interval: 300ms, timeout: 5s, min_samples: 3, \
                   jitter: 0%, baseline: { samples: 10 }, latency: { warn: 4s, fail: 5s }";

fn says(text: &str) -> Answer {
    Answer::Full(200, Vec::new(), text.to_owned())
}

/// Counts on: so many requests more at every look, of which so many were bad.
async fn serving(service: &HttpService, good: u64, bad: u64) {
    let mut rounds = 1_000;
    loop {
        let text = format!(
            "http_requests_total{{status=\"200\"}} {}\nhttp_requests_total{{status=\"500\"}} {}\n",
            rounds * good,
            rounds * bad
        );
        service.answer_at("/metrics", says(&text));
        rounds += 1;
        // Slower than nothing and faster than the looks; which of them sees which does not matter.
        let _pause = timeout(Duration::from_millis(5), std::future::pending::<()>()).await;
    }
}

const ERRORS: &str = "metrics: { error_rate: { ratio: { bad: 'http_requests_total{status=~\"5..\"}', \
                      total: http_requests_total }, warn: '> 0.5%', fail: '> 20%', \
                      baseline: { allow: +50%, floor: 0.2% } } }";

#[tokio::test]
async fn a_share_of_bad_answers_is_taken_from_the_service_s_own_counters() {
    let scene = Scene::set().await;
    let api = HttpService::start().await;
    let health = format!("{TEN}, {ERRORS}");
    let monitor = monitor(&health, &format!("  api: {{ url: \"{}\" }}\n", api.url()));
    let cases = [
        (1_000, 0, HealthResult::Healthy, "samples passed"),
        (900, 100, HealthResult::Degraded, "error_rate 10% is > 0.5%"),
        (500, 500, HealthResult::Unhealthy, "error_rate 50% is > 20%"),
    ];
    for (good, bad, expected, sentence) in cases {
        let event = after_stage(&["api"]);
        let completed = tokio::select! {
            completed = scene.watch(&monitor, &event) => completed,
            () = serving(&api, good, bad) => unreachable!("it serves for ever"),
        };
        assert_eq!(completed.status, expected, "{}", completed.summary);
        assert!(completed.summary.contains(sentence), "{sentence}: {}", completed.summary);
    }
}

#[tokio::test]
async fn a_metric_without_data_is_inconclusive_and_a_restart_is_not() {
    let scene = Scene::set().await;
    let api = HttpService::start().await;
    let health = format!(
        "{TEN}, metrics: {{ p99: {{ quantile: {{ q: 0.99, histogram: h }}, fail: '> 1s' }} }}"
    );
    let blind = monitor(&health, &format!("  api: {{ url: \"{}\" }}\n", api.url()));
    api.answer_at("/metrics", Answer::Status(503));
    let completed = scene.watch(&blind, &after_stage(&["api"])).await;
    assert_eq!(completed.status, HealthResult::Inconclusive, "{}", completed.summary);
    assert!(completed.summary.contains("nothing is known of p99"), "{}", completed.summary);
    assert!(completed.summary.contains("answered 503"), "{}", completed.summary);

    let health = format!(
        "{TEN}, metrics: {{ restarts: {{ gauge: process_start_time_seconds, fail_if_changed: true }} }}"
    );
    let watching = monitor(&health, &format!("  api: {{ url: \"{}\" }}\n", api.url()));
    api.answer_at("/metrics", says("process_start_time_seconds 1.5e9\n"));
    let event = after_stage(&["api"]);
    let restart = async {
        let asked = || api.requests().iter().filter(|asked| asked.path == "/metrics").count();
        let before = asked();
        let looked = async || (asked() > before + 2).then_some(());
        eventually("a few looks", LONG, looked).await;
        api.answer_at("/metrics", says("process_start_time_seconds 1.6e9\n"));
    };
    let (completed, ()) = tokio::join!(Box::pin(scene.watch(&watching, &event)), restart);
    assert_eq!(completed.status, HealthResult::Unhealthy, "{}", completed.summary);
    assert!(completed.summary.contains("restarts has changed"), "{}", completed.summary);
}

#[tokio::test]
async fn a_query_to_a_real_prometheus_is_compared_with_the_time_before() {
    let scene = Scene::set().await;
    let api = HttpService::start().await;
    api.answer_at("/metrics", says("queue_length 10\n"));
    let server = PrometheusServer::start(&[api.addr()]).await;
    // The service itself is asked nothing: it is known through Prometheus alone.
    let services = format!(
        "  api:\n    health:\n      warmup: 0s\n      samples: 3\n      interval: 50ms\n      \
         min_samples: 1\n      baseline: {{ samples: 3 }}\n      metrics:\n        \
         queue: {{ promql: {{ url: \"{}\", query: 'max(queue_length)' }}, fail: '> 100', \
         baseline: {{ allow: +50%, floor: 5 }} }}\n",
        server.url()
    );
    let monitor = monitor(TEN, &services);
    let says_so = async |length: &str| {
        let told = format!("queue_length {length}\n");
        api.answer_at("/metrics", says(&told));
        let egress = printery_config::EgressRules { allow_loopback: true, ..Default::default() };
        let egress = printery_probes::Egress::try_new(&egress).unwrap();
        let (url, limits) = (server.url().parse().unwrap(), printery_probes::Limits::default());
        let query = format!("max(queue_length) == {length}");
        let known = async || {
            let found = printery_probes::query_prometheus(&egress, &url, &query, &limits).await;
            found.ok().flatten().map(|_| ())
        };
        eventually("Prometheus has scraped it", LONG, known).await;
    };
    says_so("10").await;
    let baseline = scene.watch(&monitor, &before(&["api"])).await;
    assert_eq!(baseline.status, HealthResult::Healthy, "{}", baseline.summary);
    assert!(baseline.summary.contains("its metric keeps its thresholds"), "{}", baseline.summary);
    let cases = [
        ("12", HealthStatus::Healthy, "keeps its thresholds"),
        ("40", HealthStatus::Degraded, "queue 40 was 10 before the deployment"),
        ("400", HealthStatus::Unhealthy, "queue 400 is > 100 (baseline 10)"),
    ];
    for (length, expected, sentence) in cases {
        says_so(length).await;
        let completed = scene.watch(&monitor, &after_stage(&["api"])).await;
        let row = &completed.services[0];
        assert_eq!(row.status, expected, "{}", row.reason);
        assert!(row.reason.contains(sentence), "{sentence}: {}", row.reason);
    }
}
