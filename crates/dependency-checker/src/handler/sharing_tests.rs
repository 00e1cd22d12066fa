//! Answers that serve more than one question, and questions that nobody asked: against real services.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use printery_events::payload::{DependencyResult, VerdictResult};
use printery_testkit::{Answer, HttpService, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::tests::{check, checker, validated};

#[tokio::test]
async fn a_cached_answer_serves_everybody_but_what_was_just_deployed() {
    let psp = HttpService::start().await;
    let api = HttpService::start().await;
    let checker = checker(&format!(
        "dependency_checker: {{ cache: {{ pass: 1h, fail: 0s }} }}\n\
         endpoints: {{ psp: {{ http: \"{}\" }} }}\nservices:\n  \
         api: {{ url: \"{}\", requires: [psp] }}\n  web: {{ requires: [api] }}\n",
        psp.url(),
        api.url(),
    ));
    for _ in 0..3 {
        let completed = check(&checker, &validated(&["web"], VerdictResult::Passed)).await;
        assert_eq!(completed.result, DependencyResult::AllHealthy, "{}", completed.summary);
    }
    assert_eq!((psp.requests().len(), api.requests().len()), (1, 1));
    check(&checker, &validated(&["web", "api"], VerdictResult::Passed)).await;
    assert_eq!((psp.requests().len(), api.requests().len()), (1, 2), "api was deployed");
}

#[tokio::test]
async fn everything_is_asked_without_an_event_and_counted() {
    let psp = HttpService::start().await;
    let checker = checker(&format!(
        "dependency_checker: {{ background: {{ every: 50ms, fall: 3, rise: 2 }} }}\n\
         endpoints: {{ psp: {{ http: \"{}\" }} }}\nservices: {{ api: {{ requires: [psp] }} }}\n",
        psp.url(),
    ));
    let within = Duration::from_secs(30);
    eventually("it is asked again and again", within, async || psp.requests().len() >= 3).await;
    assert!(!checker.asker.is_down("psp").await);

    psp.answer(Answer::Status(500));
    eventually("it counts as down", within, async || checker.asker.is_down("psp").await).await;
    let failed = psp.requests().len();
    psp.answer(Answer::Healthy);
    eventually("it counts as up", within, async || !checker.asker.is_down("psp").await).await;
    assert!(psp.requests().len() >= failed + 2, "one right answer is not enough");

    let asked = psp.requests().len();
    drop(checker);
    // A question that was already on its way is the last.
    let mut last = asked;
    let quiet = async || std::mem::replace(&mut last, psp.requests().len()) == psp.requests().len();
    eventually("nobody asks any more", within, quiet).await;
}

#[tokio::test]
async fn an_answer_of_the_background_serves_an_event() {
    let psp = HttpService::start().await;
    let checker = checker(&format!(
        "dependency_checker: {{ cache: {{ pass: 1h, fail: 1h }}, background: {{ every: 10ms }} }}\n\
         endpoints: {{ psp: {{ http: \"{}\" }} }}\nservices: {{ api: {{ requires: [psp] }} }}\n",
        psp.url(),
    ));
    psp.answer(Answer::Status(500));
    let within = Duration::from_secs(30);
    eventually("it counts as down", within, async || checker.asker.is_down("psp").await).await;
    let completed = check(&checker, &validated(&["api"], VerdictResult::Passed)).await;
    assert_eq!(completed.root_causes, ["psp"], "{}", completed.summary);
}

/// A service that holds every answer back until it is let go, and counts who waits.
struct Gate {
    port: u16,
    waiting: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
    open: Arc<Semaphore>,
    _tasks: JoinSet<()>,
}

impl Gate {
    async fn start() -> Self {
        // On every address of this machine, so that each endpoint may be on a host of its own.
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let [waiting, most, answered] = std::array::from_fn(|_| Arc::new(AtomicUsize::new(0)));
        let open = Arc::new(Semaphore::new(0));
        let mut tasks = JoinSet::new();
        let (counted, peak, done, gate) =
            (Arc::clone(&waiting), Arc::clone(&most), Arc::clone(&answered), Arc::clone(&open));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (counted, peak, done, gate) =
                    (Arc::clone(&counted), Arc::clone(&peak), Arc::clone(&done), Arc::clone(&gate));
                connections.spawn(async move {
                    let mut heard = [0; 1024];
                    if !matches!(stream.read(&mut heard).await, Ok(1..)) {
                        return;
                    }
                    let now = counted.fetch_add(1, Ordering::SeqCst) + 1;
                    peak.fetch_max(now, Ordering::SeqCst);
                    gate.acquire().await.unwrap().forget();
                    counted.fetch_sub(1, Ordering::SeqCst);
                    done.fetch_add(1, Ordering::SeqCst);
                    let answer =
                        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    stream.write_all(answer).await.unwrap_or_default();
                });
            }
        });
        Self { port, waiting, most, answered, open, _tasks: tasks }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_endpoints_are_asked_with_sixty_four_in_flight() {
    let gate = Gate::start().await;
    let names: Vec<String> = (0..1000).map(|n| format!("e{n}")).collect();
    // Four endpoints share a host: 127.1.x.y is this machine as well.
    let endpoint = |(n, name): (usize, &String)| {
        let host = n / 4;
        format!(
            "  {name}: {{ http: \"http://127.1.{}.{}:{}/\" }}\n",
            host / 200,
            host % 200 + 1,
            gate.port
        )
    };
    let endpoints: String = names.iter().enumerate().map(endpoint).collect();
    let checker = checker(&format!(
        "dependency_checker: {{ defaults: {{ timeout: 5m, connect_timeout: 5m }} }}\n\
         endpoints:\n{endpoints}services: {{ api: {{ requires: [{}] }} }}\n",
        names.join(", ")
    ));
    let event = validated(&["api"], VerdictResult::Passed);
    let full = async {
        let within = Duration::from_secs(120);
        eventually("sixty-four wait", within, async || gate.waiting.load(Ordering::SeqCst) == 64)
            .await;
        gate.open.add_permits(1000);
    };
    let (completed, ()) = tokio::join!(check(&checker, &event), full);
    assert_eq!(completed.result, DependencyResult::AllHealthy, "{}", completed.summary);
    assert_eq!(completed.summary, "all 1000 dependencies are healthy");
    assert_eq!(gate.most.load(Ordering::SeqCst), 64, "never more than the fleet file allows");
    assert_eq!(gate.answered.load(Ordering::SeqCst), 1000, "each one once");
    let rows: BTreeSet<&str> =
        completed.statuses.iter().map(|row| row.dependency.as_str()).collect();
    assert_eq!(rows.len(), 1000);
}

#[tokio::test]
async fn one_host_is_asked_by_few_at_once() {
    let gate = Gate::start().await;
    let names: Vec<String> = (0..40).map(|n| format!("e{n}")).collect();
    let endpoint = |name: &String| {
        format!("  {name}: {{ http: \"http://127.0.0.1:{}/{name}\" }}\n", gate.port)
    };
    let endpoints: String = names.iter().map(endpoint).collect();
    let checker = checker(&format!(
        "dependency_checker: {{ concurrency: {{ per_host: 3 }} }}\n\
         endpoints:\n{endpoints}services: {{ api: {{ requires: [{}] }} }}\n",
        names.join(", ")
    ));
    let event = validated(&["api"], VerdictResult::Passed);
    let full = async {
        let within = Duration::from_secs(60);
        eventually("three wait", within, async || gate.waiting.load(Ordering::SeqCst) == 3).await;
        gate.open.add_permits(40);
    };
    let (completed, ()) = tokio::join!(check(&checker, &event), full);
    assert_eq!(completed.result, DependencyResult::AllHealthy, "{}", completed.summary);
    assert_eq!(gate.most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn who_else_stands_on_a_cause_is_said() {
    let psp = HttpService::start().await;
    psp.answer(Answer::Status(500));
    let checker = checker(&format!(
        "endpoints: {{ psp: {{ http: \"{}\" }} }}\nservices:\n  api: {{ requires: [psp] }}\n  \
         billing: {{ requires: [psp] }}\n  web: {{ requires: [billing] }}\n  docs: {{}}\n",
        psp.url(),
    ));
    let completed = check(&checker, &validated(&["api"], VerdictResult::Passed)).await;
    assert_eq!(completed.root_causes, ["psp"]);
    let said = "psp also carries billing, web";
    assert!(completed.summary.contains(said), "{}", completed.summary);
}
