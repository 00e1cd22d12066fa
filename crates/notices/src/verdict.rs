//! What one request to a receiver means.
//!
//! Owns the tables from answers to verdicts; pure. The receivers judge with it. Never decides when
//! a receiver is asked again.

use std::time::Duration;

use printery_probes::{Class, StatusCode, status_class};

/// The longest wait a receiver may ask for. Beyond it the news is old.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// Says what came of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Told,
    /// It may work another time.
    Later {
        /// Why not now, one clause.
        why: String,
        /// How long the receiver asked us to wait.
        after: Option<Duration>,
    },
    /// It will never work.
    Never {
        /// Why, one clause.
        why: String,
    },
}

/// Judges the answer of a Slack incoming webhook.
///
/// # Source
/// Slack, "Sending messages using incoming webhooks": success is 200 with the text `ok`.
pub(crate) fn slack(status: StatusCode, after: Option<Duration>, body: &[u8]) -> Verdict {
    if status == StatusCode::OK && body == b"ok" {
        return Verdict::Told;
    }
    let said = printery_probes::redact::evidence(body).unwrap_or_default();
    let said: String = said.chars().take(200).collect();
    refused(status, after, format!("answered {} {said:?}", status.as_u16()))
}

/// Judges the answer of a generic webhook.
///
/// # Source
/// Standard Webhooks 1.0, "Delivery": 2xx is success, a redirect is a failure, 410 is for good.
pub(crate) fn webhook(status: StatusCode, after: Option<Duration>) -> Verdict {
    if status.is_success() {
        return Verdict::Told;
    }
    refused(status, after, format!("answered {}", status.as_u16()))
}

fn refused(status: StatusCode, after: Option<Duration>, why: String) -> Verdict {
    match status_class(status) {
        Class::Transient => Verdict::Later { why, after: after.map(|wait| wait.min(LONGEST_WAIT)) },
        Class::Permanent | Class::Assertion | Class::Guard | Class::Internal => {
            Verdict::Never { why }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use printery_probes::StatusCode;

    use super::{Verdict, slack, webhook};

    fn word(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Told => "told",
            Verdict::Later { .. } => "later",
            Verdict::Never { .. } => "never",
        }
    }

    #[test]
    fn only_ok_in_so_many_letters_is_success_for_slack() {
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
            let verdict = slack(StatusCode::from_u16(status).unwrap(), None, body.as_bytes());
            assert_eq!(word(&verdict), expected, "{status} {body}");
        }
    }

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
            let verdict = webhook(StatusCode::from_u16(status).unwrap(), None);
            assert_eq!(word(&verdict), expected, "{status}");
        }
    }

    #[test]
    fn a_receiver_cannot_ask_for_a_year() {
        let year = Some(Duration::from_secs(31_536_000));
        let Verdict::Later { after, .. } = webhook(StatusCode::TOO_MANY_REQUESTS, year) else {
            panic!("429 is later")
        };
        assert_eq!(after, Some(Duration::from_secs(3600)));
    }
}
