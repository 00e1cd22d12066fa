//! Taking secrets out of what people are shown, and keeping the rest short and printable.
//!
//! Probes use it for targets and evidence, senders for their URLs. It errs on the side of hiding.

use std::time::Duration;

use reqwest::Url;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// Bytes of an unexpected answer that are kept as evidence. 1 KiB.
const MAX_EVIDENCE: usize = 1024;

/// Names whose values are secrets, in queries, headers and documents.
const SECRET_NAMES: [&str; 9] =
    ["token", "key", "secret", "password", "passwd", "sig", "signature", "authorization", "cookie"];

/// Returns a URL without its credentials, secret query values and fragment.
pub fn url(url: &Url) -> String {
    let mut shown = url.clone();
    if shown.password().is_some() {
        // Fails only for URLs without a host, which carry no credentials either.
        shown.set_password(Some(MASK)).unwrap_or_default();
    } else if !shown.username().is_empty() {
        shown.set_username(MASK).unwrap_or_default();
    }
    shown.set_fragment(None);
    if shown.query().is_some() {
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| {
                let value = if is_secret(&name) { MASK.to_owned() } else { value.into_owned() };
                (name.into_owned(), value)
            })
            .collect();
        shown.query_pairs_mut().clear().extend_pairs(pairs);
    }
    shown.into()
}

/// Returns no more than scheme, host and port of a URL whose path is a secret, as incoming webhooks' are.
pub fn secret_url(url: &Url) -> String {
    let host = url.host_str().unwrap_or(MASK);
    match url.port() {
        Some(port) => format!("{}://{host}:{port}/{MASK}", url.scheme()),
        None => format!("{}://{host}/{MASK}", url.scheme()),
    }
}

/// Returns the beginning of an answer as one printable line of at most 1 KiB, without what looks like a secret.
pub fn evidence(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..bytes.len().min(MAX_EVIDENCE)).unwrap_or_default();
    let line: String = String::from_utf8_lossy(head)
        .chars()
        .map(|c| if is_unprintable(c) { ' ' } else { c })
        .collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then(|| text(&line))
}

/// Returns a text without the values that follow a secret's name, as in `token=…`, `"password": "…"`, `Bearer …`.
pub fn text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        let (before, from_word) = rest.split_at(at);
        let end = from_word
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .unwrap_or(from_word.len());
        let (word, after) = from_word.split_at(end);
        shown.push_str(before);
        shown.push_str(word);
        rest = after;
        if let Some(value) = secret_after(word, after) {
            let lead = after.len().saturating_sub(value.len());
            shown.push_str(after.get(..lead).unwrap_or_default());
            shown.push_str(MASK);
            let end = value.find(ends_value).unwrap_or(value.len());
            rest = value.get(end..).unwrap_or_default();
        }
    }
    shown.push_str(rest);
    shown
}

/// Tells whether the value under this name must not be shown.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "code" || SECRET_NAMES.iter().any(|secret| name.ends_with(secret))
}

/// Returns a duration as a person says it: whole milliseconds below ten seconds, else tenths of a second.
pub fn brief(duration: Duration) -> String {
    if duration < Duration::from_secs(10) {
        format!("{}ms", duration.as_millis())
    } else {
        format!("{:.1}s", duration.as_secs_f64())
    }
}

/// Returns what follows a secret's name and its `=`, `:` or space, when a value does.
fn secret_after<'a>(word: &str, after: &'a str) -> Option<&'a str> {
    let scheme = ["bearer", "basic"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
    let value = if scheme {
        after.strip_prefix(' ')?
    } else if is_secret(word) {
        let assigned = after.trim_start_matches(['"', '\'', ' ']).strip_prefix(['=', ':'])?;
        let value = assigned.trim_start_matches(['"', '\'', ' ']);
        // `Authorization: Bearer x`: the scheme's own turn comes next.
        let named = value.get(..6).unwrap_or(value).to_ascii_lowercase();
        if named.starts_with("bearer") || named.starts_with("basic") {
            return None;
        }
        value
    } else {
        return None;
    };
    (!value.is_empty()).then_some(value)
}

fn ends_value(c: char) -> bool {
    c.is_whitespace() || "\"'&,;}<>".contains(c)
}

/// Control characters and the bidirectional marks that make text read differently from what it is.
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        let cases = [
            ("http://api:8080/health", "http://api:8080/health"),
            ("http://u:hunter2@api/health", "http://u:***@api/health"),
            ("http://hunter2@api/health", "http://***@api/health"),
            ("http://api/?token=hunter2&page=2", "http://api/?token=***&page=2"),
            ("http://api/?X-Amz-Signature=hunter2#hunter2", "http://api/?X-Amz-Signature=***"),
            ("http://api/?api_key=hunter2", "http://api/?api_key=***"),
        ];
        for (written, shown) in cases {
            assert_eq!(url(&Url::parse(written).unwrap()), shown);
        }
    }

    #[test]
    fn a_secret_path_is_not_shown() {
        let hook = Url::parse("https://hooks.example.com/services/T0/B0/hunter2").unwrap();
        assert_eq!(secret_url(&hook), "https://hooks.example.com/***");
    }

    #[test]
    fn evidence_is_one_short_line_without_secrets() {
        let cases: [(&str, &str); 6] = [
            ("plain text", "plain text"),
            ("{\"password\": \"hunter2\", \"a\": 1}", "{\"password\": \"***\", \"a\": 1}"),
            ("token=hunter2&x=1", "token=***&x=1"),
            ("Authorization: Bearer hunter2", "Authorization: Bearer ***"),
            ("line\n\u{1b}[31mred\u{202e}", "line [31mred"),
            ("DB_PASSWORD=hunter2", "DB_PASSWORD=***"),
        ];
        for (answer, shown) in cases {
            assert_eq!(evidence(answer.as_bytes()).as_deref(), Some(shown));
        }
        assert_eq!(evidence(b" \n"), None);
        assert!(evidence(&[b'x'; 5000]).unwrap().len() <= 1024);
    }
}
