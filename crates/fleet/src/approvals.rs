//! Approvals that deployments wait for: who was asked when, and what was decided.
//!
//! The validator asks at a gate and reads what was decided, people decide by the command line. It keeps what happened in
//! order; what a decision means is the validator's matter.

use std::time::Duration;

use printery_streams::browse;
use printery_streams::{Error, Keys};
use redis::pipe;

use crate::records::Records;

/// Field that says what happened: [`ASKED`], or the word of a [`Decision`].
const WHAT: &str = "what";
/// Field that names who decided.
const BY: &str = "by";
/// Field with what they said to it.
const NOTE: &str = "note";

/// The validator has begun to wait.
const ASKED: &str = "asked";

/// How long it is known what happened, after the last thing did. 7 days: longer than any gate waits.
const KEEP: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What somebody has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The deployment may go on.
    Approved,
    /// It must not.
    Rejected,
}

/// What has happened at a deployment's gate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approval {
    /// When the validator first asked, the server's time in milliseconds.
    pub asked_ms: Option<u64>,
    /// The last decision, whose it is and what they said.
    pub decided: Option<Decided>,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// What.
    pub decision: Decision,
    /// Whose it is.
    pub by: String,
    /// What they said to it; may be empty.
    pub note: String,
    /// When, the server's time in milliseconds.
    pub at_ms: u64,
}

impl Decision {
    /// Returns the decision's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Self::Approved, Self::Rejected].into_iter().find(|decision| decision.as_str() == word)
    }
}

/// Remembers that the validator waits for a decision.
///
/// # Errors
/// Those of any command; it may be remembered.
/// # Redis
/// One `XADD` and a `PEXPIRE`.
pub async fn ask(records: &Records, deployment_id: &str) -> Result<(), Error> {
    add(records, deployment_id, ASKED, "", "").await
}

/// Writes a decision down; a later one replaces it as long as nobody has acted on it.
///
/// # Errors
/// Those of any command; it may be written.
/// # Redis
/// One `XADD` and a `PEXPIRE`.
pub async fn decide(
    records: &Records,
    deployment_id: &str,
    decision: Decision,
    by: &str,
    note: &str,
) -> Result<(), Error> {
    add(records, deployment_id, decision.as_str(), by, note).await
}

async fn add(
    records: &Records,
    deployment_id: &str,
    what: &str,
    by: &str,
    note: &str,
) -> Result<(), Error> {
    let key = key(records.keys(), deployment_id);
    let mut both = pipe();
    both.cmd("XADD").arg(&key).arg("*").arg(WHAT).arg(what).arg(BY).arg(by).arg(NOTE).arg(note);
    let keep = u64::try_from(KEEP.as_millis()).unwrap_or(u64::MAX);
    both.cmd("PEXPIRE").arg(&key).arg(keep);
    records.session().pipeline("keep an approval", &key, &both).await.map(drop)
}

/// Reads what has happened at a deployment's gate.
///
/// # Redis
/// `XRANGE` in pages.
pub async fn read(records: &Records, deployment_id: &str) -> Result<Approval, Error> {
    let mut session = records.session();
    let mut pages = browse::Pages::new(key(records.keys(), deployment_id), None);
    let mut approval = Approval::default();
    loop {
        let page = pages.next(&mut session).await?;
        if page.is_empty() {
            return Ok(approval);
        }
        for entry in page {
            let at_ms = entry.id.ms;
            let text = |field| entry.text(field).unwrap_or_default().to_owned();
            let what = text(WHAT);
            if what == ASKED {
                approval.asked_ms.get_or_insert(at_ms);
            } else if let Some(decision) = Decision::of(&what) {
                approval.decided =
                    Some(Decided { decision, by: text(BY), note: text(NOTE), at_ms });
            }
        }
    }
}

/// Stream of what happened at a deployment's gate. Written by the validator and by people; expires.
fn key(keys: &Keys, deployment_id: &str) -> String {
    format!("{}:printery:gate:{deployment_id}", keys.prefix())
}
