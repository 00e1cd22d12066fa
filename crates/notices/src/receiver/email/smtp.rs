//! One conversation with a mail server.
//!
//! Owns its steps and what each refusal means: of one recipient, of all, for now, for good. The
//! mail receiver hands a letter over. Never dials an address that the guard has not admitted, and
//! never sends a password or a letter in clear text unless the fleet file says so.

use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use printery_config::{SmtpSecurity, SmtpServer};
use printery_probes::{Class, Egress, Purpose, redact};

use crate::verdict::Verdict;

/// How long connecting may take. 5 s.
const CONNECT: Duration = Duration::from_secs(5);

/// Attempts in which a recipient that is refused for now keeps the letter back: greylisting lets
/// the second one through. After that the others get it without that one.
const PATIENT: u32 = 2;

/// Ways to log in, the better ones first.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// A message with its envelope.
pub(super) struct Letter {
    pub(super) from: Address,
    pub(super) to: Vec<Address>,
    pub(super) bytes: Vec<u8>,
    /// Attempts made before this one.
    pub(super) tries: u32,
}

/// Hands a letter to a server.
pub(super) async fn deliver(server: &SmtpServer, egress: &Egress, letter: Letter) -> Verdict {
    let mut connection = match connected(server, egress).await {
        Ok(connection) => connection,
        Err(verdict) => return verdict,
    };
    let verdict = conversation(&mut connection, server, letter).await;
    // Whatever the server makes of a farewell, the letter's fate is known.
    let _farewell = connection.quit().await.is_ok();
    verdict
}

async fn connected(server: &SmtpServer, egress: &Egress) -> Result<AsyncSmtpConnection, Verdict> {
    let resolved = egress.resolve(Purpose::Notify, &server.host, server.port).await;
    let addresses = resolved.map_err(|error| {
        let why = error.to_string();
        match error.class() {
            Class::Transient => Verdict::Later { why, after: None },
            Class::Permanent | Class::Assertion | Class::Guard | Class::Internal => {
                Verdict::Never { why }
            }
        }
    })?;
    let at_once = match server.security {
        SmtpSecurity::Tls => Some(tls(server)?),
        SmtpSecurity::StartTls | SmtpSecurity::None => None,
    };
    let us = ClientId::default();
    // The addresses themselves, so that no second lookup can lead elsewhere.
    let connection =
        AsyncSmtpConnection::connect_tokio1(&addresses[..], Some(CONNECT), &us, at_once, None);
    let mut connection = connection.await.map_err(|error| judged(server, &error))?;
    if server.security == SmtpSecurity::StartTls {
        if !connection.can_starttls() {
            let why = format!("{server} offers no STARTTLS, and nothing is sent in clear text");
            return Err(Verdict::Never { why });
        }
        let upgraded = connection.starttls(tls(server)?, &us).await;
        upgraded.map_err(|error| judged(server, &error))?;
    }
    Ok(connection)
}

fn tls(server: &SmtpServer) -> Result<TlsParameters, Verdict> {
    TlsParameters::new(server.host.clone()).map_err(|error| judged(server, &error))
}

async fn conversation(
    connection: &mut AsyncSmtpConnection,
    server: &SmtpServer,
    letter: Letter,
) -> Verdict {
    match spoken(connection, server, letter).await {
        Ok(refused) if refused.is_empty() => Verdict::Told,
        Ok(refused) => {
            let refused = refused.join("; ");
            tracing::warn!(%server, refused, "a mail went out without some of its recipients");
            Verdict::Told
        }
        Err(verdict) => verdict,
    }
}

/// Goes through the steps; returns the recipients that were refused while others were not.
async fn spoken(
    connection: &mut AsyncSmtpConnection,
    server: &SmtpServer,
    letter: Letter,
) -> Result<Vec<String>, Verdict> {
    let failed = |error: Error| judged(server, &error);
    if let Some((user, password)) = &server.login {
        let credentials = Credentials::new(user.clone(), password.expose().to_owned());
        connection.auth(&MECHANISMS, &credentials).await.map_err(failed)?;
    }
    connection.command(Mail::new(Some(letter.from), Vec::new())).await.map_err(failed)?;
    let all = letter.to.len();
    let mut refused = Vec::new();
    let mut for_now = false;
    for recipient in letter.to {
        let shown = recipient.to_string();
        if let Err(error) = connection.command(Rcpt::new(recipient, Vec::new())).await {
            if error.status().is_none() {
                return Err(judged(server, &error));
            }
            for_now |= error.is_transient();
            refused.push(format!("{shown}: {}", said(&error)));
        }
    }
    if refused.len() == all || (for_now && letter.tries < PATIENT) {
        let why = format!("{server}: {}", refused.join("; "));
        let later = Verdict::Later { why: why.clone(), after: None };
        return Err(if for_now { later } else { Verdict::Never { why } });
    }
    connection.command(Data).await.map_err(failed)?;
    connection.message(&letter.bytes).await.map_err(failed)?;
    Ok(refused)
}

/// Says what an error means: what a server refuses for good stays refused, everything else passes.
fn judged(server: &SmtpServer, error: &Error) -> Verdict {
    let why = format!("{server}: {}", said(error));
    if error.is_permanent() || error.is_client() {
        Verdict::Never { why }
    } else {
        Verdict::Later { why, after: None }
    }
}

/// Writes an error and its causes as one line.
fn said(error: &Error) -> String {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        let text = deeper.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = deeper.source();
    }
    redact::evidence(line.as_bytes()).unwrap_or_default()
}
