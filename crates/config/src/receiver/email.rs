//! Mail: who gets it, from whom, and by which server.
//!
//! Owns the keys of `email:` and the form of a server's address. The mail sender goes by it. Never
//! resolves a name and never shows a password.

use std::fmt;

use serde::{Serialize, Serializer};
use url::Url;

use crate::problem::Code;
use crate::secret::Secret;
use crate::table::Table;

/// The longest address that RFC 5321 allows.
const LONGEST_ADDRESS: usize = 254;

/// Holds what a mail receiver needs.
#[derive(Clone, Debug, Serialize)]
pub struct Email {
    /// Who gets it.
    pub to: Vec<String>,
    /// Who it comes from.
    pub from: String,
    /// Who carries it.
    pub smtp: SmtpServer,
}

/// Holds the address of a mail server; shown without user and password.
#[derive(Clone, Debug)]
pub struct SmtpServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub security: SmtpSecurity,
    /// Who we are to it.
    pub login: Option<(String, Secret)>,
}

/// Says how a mail server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte: `smtps://`.
    Tls,
    /// STARTTLS, without which nothing is sent: `smtp://`.
    StartTls,
    /// In clear text: `smtp://…?tls=none`.
    None,
}

impl fmt::Display for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.security == SmtpSecurity::Tls { "smtps" } else { "smtp" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl Serialize for SmtpServer {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl SmtpServer {
    /// Reads `smtp://user:password@host:587`, `smtps://host` or `smtp://host:25?tls=none`.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let Ok(url) = Url::parse(text) else { return Err("must be a URL such as smtp://host:587") };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("names no host")?;
        let asked = url.query_pairs().find(|(name, _)| name == "tls");
        let (security, port) = match (url.scheme(), asked.as_ref().map(|(_, value)| &**value)) {
            ("smtps", None) => (SmtpSecurity::Tls, 465),
            ("smtp", None | Some("required")) => (SmtpSecurity::StartTls, 587),
            ("smtp", Some("none")) => (SmtpSecurity::None, 25),
            ("smtp" | "smtps", Some(_)) => return Err("has a `tls` that is not required or none"),
            _ => return Err("must begin with smtp:// or smtps://"),
        };
        let decoded = |text: &str| {
            // The parser of form data decodes what stands percent-encoded in a URL's user info.
            let pair = format!("v={}", text.replace('+', "%2B"));
            let mut pairs = url::form_urlencoded::parse(pair.as_bytes()).into_owned();
            pairs.next().map(|(_, value)| value).unwrap_or_default()
        };
        let login = (!url.username().is_empty()).then(|| {
            let password = decoded(url.password().unwrap_or_default());
            (decoded(url.username()), Secret::new(password))
        });
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { host, port: url.port().unwrap_or(port), security, login })
    }
}

impl Email {
    /// Reads `email: { to, from, smtp }`.
    pub(super) fn read(mut table: Table<'_, '_>) -> Option<Self> {
        table.must("to");
        table.must("from");
        let at = table.must("smtp").map(|node| node.at);
        let given = table.texts("to").unwrap_or_default();
        let mut to = Vec::new();
        for (address, at) in given {
            // `ONCALL_EMAIL=a@x,b@y` is how the environment lists things.
            for one in address.split(',').map(str::trim).filter(|one| !one.is_empty()) {
                match mailbox(one) {
                    Ok(one) => to.push(one),
                    Err(why) => {
                        table.reader.report(Code::BadValue, at, format!("`{one}` {why}"));
                    }
                }
            }
        }
        let from = table.parse("from", mailbox);
        let smtp = table.secret("smtp").map(|text| SmtpServer::parse(text.expose()));
        let what = table.name("smtp");
        let smtp = match (smtp, at) {
            (Some(Ok(server)), _) => Some(server),
            (Some(Err(why)), Some(at)) => {
                table.reader.report(Code::BadValue, at, format!("{what} {why}"));
                None
            }
            (Some(Err(_)) | None, _) => None,
        };
        table.close();
        let (from, smtp) = (from?, smtp?);
        (!to.is_empty()).then_some(Self { to, from, smtp })
    }
}

/// Accepts a plain address: no display name, no second address, nothing that ends a header.
fn mailbox(text: &str) -> Result<String, String> {
    let wrong = || Err("must be a mail address such as oncall@shop.example".to_owned());
    let Some((user, host)) = text.split_once('@') else { return wrong() };
    let user_fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let host_fits = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    let fits = !user.is_empty() && !host.is_empty() && text.len() <= LONGEST_ADDRESS;
    if fits && user.chars().all(user_fits) && host.chars().all(host_fits) {
        Ok(text.to_owned())
    } else {
        wrong()
    }
}

#[cfg(test)]
mod tests {
    use super::{SmtpSecurity, SmtpServer, mailbox};

    #[test]
    fn a_server_s_address_says_how_it_is_spoken_to() {
        use SmtpSecurity::{None as Plain, StartTls, Tls};
        let cases = [
            ("smtp://mail", Ok(("smtp://mail:587", StartTls, None))),
            ("smtps://mail", Ok(("smtps://mail:465", Tls, None))),
            ("smtp://mail:2525?tls=none", Ok(("smtp://mail:2525", Plain, None))),
            (
                "smtp://a%40b:p%2Fw+@mail:26",
                Ok(("smtp://mail:26", StartTls, Some(("a@b", "p/w+")))),
            ),
            ("smtp://mail?tls=maybe", Err("has a `tls` that is not required or none")),
            ("http://mail", Err("must begin with smtp:// or smtps://")),
            ("mail", Err("must be a URL such as smtp://host:587")),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(shown, security, login): (&str, _, Option<_>)| {
                let login = login
                    .map(|(user, password): (&str, &str)| (user.to_owned(), password.to_owned()));
                (shown.to_owned(), security, login)
            });
            let read = SmtpServer::parse(text).map(|server| {
                let shown = server.to_string();
                let login =
                    server.login.map(|(user, password)| (user, password.expose().to_owned()));
                (shown, server.security, login)
            });
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn an_address_cannot_smuggle_a_second_one_or_a_header() {
        for good in ["a@b", "on.call+x@shop.example", "a@[127.0.0.1]"] {
            assert_eq!(mailbox(good).as_deref(), Ok(good));
        }
        for bad in ["", "a", "@b", "a@", "a@b,c@d", "a@b c@d", "A <a@b>", "a@b\r\nBcc: c@d", "ä@b"]
        {
            assert!(mailbox(bad).is_err(), "{bad:?}");
        }
    }
}
