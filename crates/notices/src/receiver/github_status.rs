//! Commit statuses on GitHub.
//!
//! Owns which status an event is, of which commit, and what the answer means. Called by
//! `Receiver`. Never guesses a commit: it is the one that the deployment's start named.

use std::time::Duration;

use printery_config::Secret;
use printery_events::payload::NotificationSeverity as Severity;
use printery_probes::{StatusCode, Url};
use serde_json::json;

use super::Telling;
use super::exchange::{Answer, Request};
use crate::facts::Facts;
use crate::render::shortened;
use crate::verdict::Verdict;

/// Characters of a description.
///
/// # Source
/// GitHub, "Create a commit status": it is short; 140 are shown.
const DESCRIPTION: usize = 139;

/// How long to wait where GitHub refuses for now and does not say how long. 1 min, as it advises.
const SECONDARY_LIMIT: Duration = Duration::from_secs(60);

/// Where the status goes.
#[derive(Clone, Copy)]
pub(super) struct Commit<'a> {
    pub(super) repo: &'a str,
    pub(super) context: &'a str,
    pub(super) token: &'a Secret,
}

/// Says which state an event is, and of which status; events of other kinds are none.
pub(super) fn state(facts: &Facts<'_>) -> Option<(&'static str, String)> {
    let name = match facts.event_type {
        "deployment:started" | "deployment:completed" | "deployment:failed" => "deployment",
        "validation:completed" => "validation",
        "dependency:check:completed" => "dependencies",
        "health:check:completed" => "health",
        "rollback:initiated" | "rollback:completed" => "rollback",
        _ => return facts.stage.map(|stage| (verdict(facts), format!("stage {stage}"))),
    };
    Some((verdict(facts), name.to_owned()))
}

fn verdict(facts: &Facts<'_>) -> &'static str {
    match facts.severity {
        Severity::Info => "pending",
        Severity::Warning if facts.result == Some("failure") => "failure",
        // Any other warning stops nobody: the sentence beside it says what it is.
        Severity::Success | Severity::Warning => "success",
        Severity::Critical => "failure",
    }
}

/// Builds the one request.
pub(super) fn request(
    api: &Url,
    commit: Commit<'_>,
    telling: Telling<'_>,
) -> Result<Request, String> {
    let facts = telling.facts;
    let sha = facts.commit.or(telling.memory).ok_or_else(|| {
        "the commit is not known: no deployment:started with `git.sha` was told here".to_owned()
    })?;
    let (state, name) = state(facts).ok_or_else(|| "it is no status".to_owned())?;
    let description = match facts.sentence {
        Some(sentence) => format!("{}. {sentence}", facts.headline),
        None => facts.headline.clone(),
    };
    let path = format!("repos/{}/statuses/{sha}", commit.repo);
    let url = api.join(&path).map_err(|error| error.to_string())?;
    let body = json!({
        "state": state,
        "context": format!("{}/{name}", commit.context),
        "description": shortened(&description, DESCRIPTION),
    });
    let mut request = Request::new(url, body).bearer(commit.token.expose());
    request.headers.push(("accept", "application/vnd.github+json".to_owned()));
    request.headers.push(("x-github-api-version", "2022-11-28".to_owned()));
    Ok(request)
}

/// Judges the answer: GitHub refuses for now with 403 as well.
///
/// # Source
/// GitHub, "Rate limits for the REST API": 403 or 429, with `retry-after` or a text that says so.
pub(super) fn judge(answer: &Answer) -> Verdict {
    let said = String::from_utf8_lossy(&answer.body).to_lowercase();
    let limited = answer.after.is_some() || said.contains("rate limit");
    if answer.status == StatusCode::FORBIDDEN && limited {
        let after = Some(answer.after.unwrap_or(SECONDARY_LIMIT));
        return Verdict::Later { why: answer.quoted(), after };
    }
    answer.judged()
}
