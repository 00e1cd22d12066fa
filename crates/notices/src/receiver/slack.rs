//! Slack incoming webhooks.
//!
//! Owns the request and its judgement; the words come from `render`. Called by `Receiver`. Never
//! sees a bot's token: threads and edits need one.

use printery_probes::{StatusCode, Url};

use super::exchange::{Answer, Request};
use super::{Telling, body};
use crate::render;
use crate::verdict::Verdict;

/// Builds the one request.
pub(super) fn request(url: &Url, channel: Option<&str>, telling: Telling<'_>) -> Request {
    Request::new(url.clone(), body(telling, |facts| render::slack(facts, channel)))
}

/// Judges the answer.
///
/// # Source
/// Slack, "Sending messages using incoming webhooks": success is 200 with the text `ok`.
pub(super) fn judge(answer: &Answer) -> Verdict {
    if answer.status == StatusCode::OK && answer.body == b"ok" {
        return Verdict::Told;
    }
    answer.refused()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ok_in_so_many_letters_is_success() {
        let cases = [
            (200, "ok", "told"),
            (200, "", "never"),
            (200, "{\"ok\":false}", "never"),
            (201, "ok", "never"),
            (403, "action_prohibited", "never"),
            (404, "no_service", "never"),
            (410, "channel_is_archived", "never"),
            (302, "", "never"),
            (429, "rate_limited", "later"),
            (500, "rollup_error", "later"),
            (503, "", "later"),
        ];
        for (status, body, expected) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            let answer = Answer { status, after: None, body: body.as_bytes().to_vec() };
            assert_eq!(judge(&answer).word(), expected, "{status} {body}");
        }
    }
}
