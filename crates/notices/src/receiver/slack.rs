//! Slack incoming webhooks.
//!
//! Owns the request; the words come from `render`, the judgement from `verdict`. Called by
//! `Receiver::tell`. Never sees a bot token: threads and edits need one and are not offered here.

use printery_probes::{GuardedClient, Method, Url, read_body};

use super::{Telling, answer, retry_after, without_answer};
use crate::render;
use crate::verdict::{self, Verdict};

/// The longest answer that is read; Slack's are a word. 4 KiB.
const LONGEST_ANSWER: usize = 4 * 1024;

/// Posts one message.
pub(super) async fn tell(
    client: &GuardedClient,
    url: &Url,
    channel: Option<&str>,
    telling: Telling<'_>,
) -> Verdict {
    let message = render::slack(telling.facts, channel);
    let request = client.request(Method::POST, url).map(|request| request.json(&message));
    let response = match answer(url, request).await {
        Ok(response) => response,
        Err(verdict) => return verdict,
    };
    let status = response.status();
    let after = retry_after(response.headers());
    match read_body(response, LONGEST_ANSWER).await {
        Ok(body) => verdict::slack(status, after, &body),
        Err(error) => without_answer(&error),
    }
}
