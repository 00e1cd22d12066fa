//! Mail: one message per event, one thread per deployment.
//!
//! Owns the message: subject, threading, both forms of its text. Called by `Receiver`; what carries
//! it is in the file beside. Never lets an event's text become a header or markup.

mod smtp;

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};
use printery_config::Email;
use printery_events::ids::derived_id;
use printery_events::payload::NotificationSeverity as Severity;

use super::{Telling, Ways, Written};
use crate::facts::Facts;
use crate::render::{self, shortened};
use crate::verdict::Verdict;

/// Characters of the text, before it is wrapped into a mail.
const TEXT: usize = 8000;

/// Sends one message.
pub(super) async fn tell(mail: &Email, ways: &Ways, telling: Telling<'_>) -> Verdict {
    let (message, from, to) = match composed(mail, telling) {
        Ok(composed) => composed,
        Err(why) => return Verdict::Never { why },
    };
    let letter = smtp::Letter { from, to, bytes: message.formatted(), tries: telling.tries };
    match tokio::time::timeout(ways.timeout, smtp::deliver(&mail.smtp, &ways.egress, letter)).await
    {
        Ok(verdict) => verdict,
        Err(_elapsed) => Verdict::Later {
            why: format!("{}: not done within {:?}", mail.smtp, ways.timeout),
            after: None,
        },
    }
}

/// Returns what would be sent.
pub(super) fn preview(mail: &Email, telling: Telling<'_>) -> String {
    match composed(mail, telling) {
        Ok((message, ..)) => String::from_utf8_lossy(&message.formatted()).into_owned(),
        Err(why) => format!("nothing: {why}"),
    }
}

type Composed = (Message, Address, Vec<Address>);

/// Makes the message.
///
/// # Source
/// RFC 5322, 3.6.4: whoever reads threads by `References` finds all mails of a deployment below
/// one identifier that needs no mail of its own; the subject is the same for all, because some
/// readers thread by that as well. RFC 3834: `Auto-Submitted` keeps holiday notices away.
fn composed(mail: &Email, telling: Telling<'_>) -> Result<Composed, String> {
    let facts = telling.facts;
    let address = |text: &str| text.parse::<Address>().map_err(|why| format!("{text}: {why}"));
    let from = address(&mail.from)?;
    let to = mail.to.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
    let host = from.domain().to_owned();
    let thread = derived_id(facts.deployment_id, "notifier", "email", "thread");
    let thread = format!("<{thread}@{host}>");
    let at = UNIX_EPOCH + Duration::from_secs(telling.timestamp);
    let mut message = Message::builder()
        .from(Mailbox::new(Some("printery".to_owned()), from.clone()))
        .subject(format!("Deployment {}", facts.deployment_id))
        .date(at)
        .message_id(Some(format!("<{}@{host}>", telling.id)))
        .in_reply_to(thread.clone())
        .references(thread);
    for one in &to {
        message = message.to(Mailbox::new(None, one.clone()));
    }
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    message = message.raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()));
    if facts.severity == Severity::Critical {
        let importance = HeaderName::new_from_ascii_str("Importance");
        message = message.raw_header(HeaderValue::new(importance, "high".to_owned()));
    }
    let (text, page) = match telling.written {
        Some(Written::Text { text, html }) => (text.clone(), html.clone()),
        Some(Written::Json(_)) | None => (None, None),
    };
    let text = text.map_or_else(|| plain(facts), |text| shortened(&text, TEXT));
    let page = page.unwrap_or_else(|| html(facts));
    let both = MultiPart::alternative_plain_html(text, page);
    let message = message.multipart(both).map_err(|error| error.to_string())?;
    Ok((message, from, to))
}

fn plain(facts: &Facts<'_>) -> String {
    let mut lines = vec![render::title(facts), String::new()];
    lines.extend(render::lines(facts));
    lines.push(String::new());
    lines.extend(render::details(facts).iter().map(|(name, value)| format!("{name}: {value}")));
    lines.push(format!("Correlation: {}", facts.correlation_id));
    shortened(&lines.join("\n"), TEXT)
}

fn html(facts: &Facts<'_>) -> String {
    let colour = match facts.severity {
        Severity::Info | Severity::Success => "#2eb886",
        Severity::Warning => "#daa038",
        Severity::Critical => "#a30200",
    };
    let paragraph = |line: &String| format!("<p>{}</p>", escaped(&shortened(line, TEXT / 4)));
    let said: String = render::lines(facts).iter().map(paragraph).collect();
    let row = |(name, value): &(&'static str, String)| {
        let value = escaped(&shortened(value, TEXT / 8));
        format!("<tr><th align=\"left\">{name}</th><td>{value}</td></tr>")
    };
    let rows: String = render::details(facts).iter().map(row).collect();
    let title = escaped(&shortened(&render::title(facts), TEXT / 8));
    let correlation = escaped(facts.correlation_id);
    format!(
        "<!doctype html><html><body style=\"font-family:sans-serif\">\
         <div style=\"border-left:4px solid {colour};padding-left:12px\">\
         <h3>{title}</h3>{said}<table cellpadding=\"4\">{rows}</table>\
         <p><small>correlation {correlation}</small></p></div></body></html>"
    )
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}
