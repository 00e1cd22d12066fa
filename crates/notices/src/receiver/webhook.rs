//! Generic webhooks, signed.
//!
//! Owns the request and its Standard Webhooks headers; the body comes from `render`. Called by
//! `Receiver`. Never follows a redirect.

use printery_config::SigningKey;
use printery_probes::Url;

use super::exchange::Request;
use super::{Telling, body};
use crate::render;
use crate::sign::signatures;

/// Builds the one request.
pub(super) fn request(url: &Url, keys: &[SigningKey], telling: Telling<'_>) -> Request {
    let body = body(telling, |facts| render::webhook(telling.event, facts));
    let text = body.to_string();
    let signature = signatures(keys, telling.id, telling.timestamp, text.as_bytes());
    let headers = vec![
        ("webhook-id", telling.id.to_owned()),
        ("webhook-timestamp", telling.timestamp.to_string()),
        ("webhook-signature", signature),
    ];
    Request { url: url.clone(), body, text: Some(text), headers }
}

#[cfg(test)]
mod tests {
    use printery_probes::StatusCode;

    use crate::receiver::exchange::Answer;

    #[test]
    fn a_webhook_is_judged_by_its_status() {
        let cases = [
            (200, "told"),
            (204, "told"),
            (301, "never"),
            (400, "never"),
            (408, "later"),
            (410, "never"),
            (425, "later"),
            (429, "later"),
            (502, "later"),
        ];
        for (status, expected) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            let answer = Answer { status, after: None, body: b"anything".to_vec() };
            assert_eq!(answer.judged().word(), expected, "{status}");
        }
    }
}
