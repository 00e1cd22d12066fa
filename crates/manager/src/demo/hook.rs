//! The demo's webhook receiver: somebody who is told, and who checks the signature.
//!
//! Owns what was received. It implements the receiving end of Standard Webhooks by itself, so that
//! the notifier's signatures are checked by other code than its own.
//!
//! Source: Standard Webhooks 1.0, "Verifying webhook authenticity".

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::task::JoinSet;

use crate::api::server;

/// The path it listens on.
pub(crate) const PATH: &str = "/hook";
/// Length of the key, in bytes; the standard asks for 24 at least.
const KEY_BYTES: usize = 32;

/// A receiver of webhooks.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    state: Arc<Received>,
}

#[derive(Debug)]
struct Received {
    key: [u8; KEY_BYTES],
    messages: Mutex<Vec<Message>>,
}

/// One message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its id, the same however often it is sent.
    pub(crate) id: String,
    /// The event that it tells about.
    pub(crate) event_id: String,
    /// Whether its signature is genuine.
    pub(crate) genuine: bool,
}

impl Hook {
    /// Starts to listen, with a key of its own; ends with `tasks`.
    pub(crate) async fn start(tasks: &mut JoinSet<()>) -> std::io::Result<Self> {
        let listener = server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Received { key: rand::random(), messages: Mutex::default() });
        let routes = Router::new().route(PATH, post(receive)).with_state(Arc::clone(&state));
        tasks.spawn(server::serve(listener, routes));
        Ok(Self { address, state })
    }

    /// The key as a fleet file takes it.
    pub(crate) fn key(&self) -> String {
        format!("whsec_{}", BASE64.encode(self.state.key))
    }

    /// Everything received so far.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.state.messages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn receive(
    State(state): State<Arc<Received>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let id = text("webhook-id").to_owned();
    let genuine =
        is_genuine(&state.key, [&id, text("webhook-timestamp"), text("webhook-signature")], &body);
    let value: Value = serde_json::from_slice(&body).unwrap_or_default();
    let event_id = value.get("event_id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let message = Message { id, event_id, genuine };
    state.messages.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    if genuine { StatusCode::NO_CONTENT } else { StatusCode::UNAUTHORIZED }
}

/// Whether one of the signatures is ours; `[id, timestamp, signatures]` as the headers say.
fn is_genuine(key: &[u8], [id, timestamp, signatures]: [&str; 3], body: &[u8]) -> bool {
    signatures.split(' ').filter_map(|one| one.strip_prefix("v1,")).any(|signature| {
        let (Ok(signature), Ok(mut mac)) =
            (BASE64.decode(signature), Hmac::<Sha256>::new_from_slice(key))
        else {
            return false;
        };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        mac.verify_slice(&signature).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specification_s_example_is_genuine_and_a_changed_one_is_not() {
        let key = BASE64.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = "v1,wrong v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let headers = ["msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", signature];
        let body = br#"{"test": 2432232314}"#;
        assert!(is_genuine(&key, headers, body));
        assert!(!is_genuine(&key, headers, b"{}"));
        assert!(!is_genuine(&key, [headers[0], "1614265331", signature], body));
        assert!(!is_genuine(b"another key of some length", headers, body));
        assert!(!is_genuine(&key, [headers[0], headers[1], ""], body));
    }
}
