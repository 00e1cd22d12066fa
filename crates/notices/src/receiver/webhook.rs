//! Generic webhooks, signed.
//!
//! Owns the request and its Standard Webhooks headers; the body comes from `render`. Called by
//! `Receiver::tell`. Never follows a redirect and never reads the answer's body.

use printery_config::SigningKey;
use printery_probes::header::{CONTENT_TYPE, HeaderValue};
use printery_probes::{GuardedClient, Method, Url};

use super::{Telling, answer, retry_after};
use crate::render;
use crate::sign::signatures;
use crate::verdict::{self, Verdict};

/// Posts one event.
pub(super) async fn tell(
    client: &GuardedClient,
    url: &Url,
    keys: &[SigningKey],
    telling: Telling<'_>,
) -> Verdict {
    let body = render::webhook(telling.event, telling.facts).to_string();
    let signature = signatures(keys, telling.id, telling.timestamp, body.as_bytes());
    let request = client.request(Method::POST, url).map(|request| {
        request
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header("webhook-id", telling.id)
            .header("webhook-timestamp", telling.timestamp.to_string())
            .header("webhook-signature", signature)
            .body(body)
    });
    match answer(url, request).await {
        Ok(response) => verdict::webhook(response.status(), retry_after(response.headers())),
        Err(verdict) => verdict,
    }
}
