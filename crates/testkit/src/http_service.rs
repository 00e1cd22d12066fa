//! A loopback HTTP service whose behaviour a test switches.
//!
//! Owns one listening service and the record of what it was asked; called by tests of probes and of the notifier.
//! It never leaves loopback and never answers anything it was not told to.

use std::collections::BTreeMap;
use std::future::{IntoFuture, pending};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The most of a request body that is recorded; more than any notification has. 4 MiB.
const LARGEST_BODY: usize = 4 << 20;

/// How the service answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200 with a small JSON body.
    Healthy,
    /// This status with an empty body.
    Status(u16),
    /// This status, headers and body.
    Full(u16, Vec<(String, String)>, String),
    /// 200 after a pause.
    Slow(Duration),
    /// As the next answer says that is set; until then the request waits.
    Hold,
    /// Never.
    Hang,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body's bytes.
    pub body: Bytes,
}

impl Recorded {
    /// Returns the body as JSON; panics with the text when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// The answers of the moment.
#[derive(Debug)]
struct Answers {
    general: Answer,
    by_path: BTreeMap<String, Answer>,
}

impl Answers {
    fn of(&self, path: &str) -> &Answer {
        self.by_path.get(path).unwrap_or(&self.general)
    }
}

#[derive(Debug)]
struct Shared {
    answers: watch::Sender<Answers>,
    requests: Mutex<Vec<Recorded>>,
    in_flight: AtomicUsize,
}

/// A listening service; it stops when dropped.
#[derive(Debug)]
pub struct HttpService {
    addr: SocketAddr,
    shared: Arc<Shared>,
    serving: Mutex<JoinSet<std::io::Result<()>>>,
}

impl HttpService {
    /// Starts a healthy service on a free loopback port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let addr = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            answers: watch::Sender::new(Answers {
                general: Answer::Healthy,
                by_path: BTreeMap::new(),
            }),
            requests: Mutex::default(),
            in_flight: AtomicUsize::new(0),
        });
        let router = Router::new().fallback(respond).with_state(Arc::clone(&shared));
        let mut serving = JoinSet::new();
        serving.spawn(axum::serve(listener, router).into_future());
        Self { addr, shared, serving: Mutex::new(serving) }
    }

    /// Returns `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes how every path is answered that has no answer of its own.
    pub fn answer(&self, answer: Answer) {
        self.shared.answers.send_modify(|answers| answers.general = answer);
    }

    /// Changes how one path is answered.
    pub fn answer_at(&self, path: &str, answer: Answer) {
        self.shared.answers.send_modify(|answers| {
            answers.by_path.insert(path.to_owned(), answer);
        });
    }

    /// Returns all requests so far, oldest first.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().expect("no holder panics").clone()
    }

    /// Returns how many requests are waiting for their answer now.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::SeqCst)
    }

    /// Closes the listener: later connections are refused.
    pub fn stop(&self) {
        self.serving.lock().expect("no holder panics").abort_all();
    }
}

/// Counts a request as waiting until its answer is made or its client has gone.
struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn respond(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared.in_flight.fetch_add(1, Ordering::SeqCst);
    let _in_flight = InFlight(&shared.in_flight);
    let path = request.uri().path().to_owned();
    let recorded = record(request).await;
    shared.requests.lock().expect("no holder panics").push(recorded);
    let mut answers = shared.answers.subscribe();
    let answer = match answers.wait_for(|answers| *answers.of(&path) != Answer::Hold).await {
        Ok(answers) => answers.of(&path).clone(),
        Err(_stopped) => Answer::Hang,
    };
    match answer {
        Answer::Healthy => healthy(),
        Answer::Status(status) => status_code(status).into_response(),
        Answer::Full(status, headers, body) => {
            let mut response = Response::builder().status(status_code(status));
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body)).expect("the test's headers are well formed")
        }
        Answer::Slow(pause) => {
            tokio::time::sleep(pause).await;
            healthy()
        }
        Answer::Hold | Answer::Hang => pending().await,
    }
}

async fn record(request: Request) -> Recorded {
    let (head, body) = request.into_parts();
    let headers = head.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    Recorded {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: headers.collect(),
        body: to_bytes(body, LARGEST_BODY).await.unwrap_or_default(),
    }
}

fn healthy() -> Response {
    ([("content-type", "application/json")], r#"{"status":"ok"}"#).into_response()
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("the test's status is between 100 and 999")
}
