//! The rules for single values: names, durations, shares, URLs, secrets.
//!
//! Owns each rule once. The tables call them with a value's interpolated text. Never puts an
//! interpolated value or a secret into an error.

use std::time::Duration;

use url::Url;

use crate::address::{RedisUrl, TargetUrl};
use crate::node::{Node, Value};
use crate::problem::Code;
use crate::reader::{Reader, Scalar};
use crate::secret::{MASK, Secret};

/// The longest duration the file may say. Beyond it clocks overflow; nobody means it.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Applies a rule and reports what it says, with the text as it is written in the file.
pub(crate) fn checked<T>(
    reader: &Reader<'_>,
    node: &Node,
    what: &str,
    scalar: &Scalar,
    rule: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    match rule(&scalar.text) {
        Ok(value) => Some(value),
        Err(why) => {
            let written = shortened(&scalar.written);
            let text = if scalar.written.is_empty() {
                format!("{what} {why}")
            } else {
                format!("{what} {why}, found `{written}`")
            };
            reader.report(Code::BadValue, node.at, text);
            None
        }
    }
}

/// Cuts a text to what fits a line and has neither line breaks nor user info.
fn shortened(text: &str) -> String {
    let open = match text.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, host)) => format!("{scheme}://{MASK}@{host}"),
            None => text.to_owned(),
        },
        None => text.to_owned(),
    };
    let line: String =
        open.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if open.chars().nth(80).is_some() { format!("{line}…") } else { line }
}

/// Accepts any text but the empty one.
pub(crate) fn filled(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// Accepts what services, endpoints, checks, receivers and stages may be called.
pub(crate) fn name(text: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(fits) {
        return Err("is no usable name; use 1 to 64 of A-Z a-z 0-9 _ . -".to_owned());
    }
    Ok(())
}

/// Accepts the path of a request.
pub(crate) fn path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("must be a path that starts with `/`".to_owned());
    }
    Ok(text.to_owned())
}

/// Accepts a duration with units: `1m30s`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if text.trim().parse::<f64>().is_ok() {
        return Err("has no unit; write it as `10s`, `500ms` or `2m`".to_owned());
    }
    match humantime::parse_duration(text.trim()) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) => Err("must be at most 366 days".to_owned()),
        Err(_) => Err("must be a duration such as `10s`, `500ms` or `1m30s`".to_owned()),
    }
}

/// Accepts a share with its sign: `0.5%` is 0.005.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let wrong = || "must be a percentage from 0% to 100%".to_owned();
    let number = text.trim().strip_suffix('%').ok_or_else(wrong)?;
    match number.trim().parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        Ok(_) | Err(_) => Err(wrong()),
    }
}

/// Accepts how much more something may be: `+50%` is 0.5. There is no limit to it.
pub(crate) fn increase(text: &str) -> Result<f64, String> {
    let wrong = || "must be an increase in per cent such as `+50%`".to_owned();
    let text = text.trim();
    let number = text.strip_prefix('+').unwrap_or(text).strip_suffix('%').ok_or_else(wrong)?;
    match number.trim().parse::<f64>() {
        Ok(percent) if percent >= 0.0 && percent.is_finite() => Ok(percent / 100.0),
        Ok(_) | Err(_) => Err(wrong()),
    }
}

/// Accepts an absolute URL of one of the schemes, with a host (or a path, for sockets).
pub(crate) fn url(text: &str, schemes: &[&str]) -> Result<Url, String> {
    let listed = || schemes.join(", ");
    let Ok(url) = Url::parse(text) else {
        return Err(format!("must be a URL ({})", listed()));
    };
    if !schemes.contains(&url.scheme()) {
        return Err(format!("must be a URL of one of these schemes: {}", listed()));
    }
    let socket = url.scheme().ends_with("unix");
    if !socket && url.host_str().is_none_or(str::is_empty) {
        return Err("must be a URL with a host".to_owned());
    }
    Ok(url)
}

/// Reads the URL of a target.
pub(crate) fn target_url(
    reader: &Reader<'_>,
    node: &Node,
    what: &str,
    schemes: &[&str],
) -> Option<TargetUrl> {
    let scalar = reader.text(node, what)?;
    hide_user_info(reader, node, what, &scalar.written);
    checked(reader, node, what, &scalar, |text| url(text, schemes)).map(TargetUrl::new)
}

/// Reads the address of a Redis.
pub(crate) fn redis_url(reader: &Reader<'_>, node: &Node, what: &str) -> Option<RedisUrl> {
    let scalar = reader.text(node, what)?;
    hide_user_info(reader, node, what, &scalar.written);
    checked(reader, node, what, &scalar, RedisUrl::try_new)
}

/// Keeps the user info of a URL that stands in the file out of every output.
pub(crate) fn hide_user_info(reader: &Reader<'_>, node: &Node, what: &str, written: &str) {
    let authority = written.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    let Some((user_info, _)) = authority.and_then(|authority| authority.rsplit_once('@')) else {
        return;
    };
    reader.hide(user_info);
    if user_info.contains(':') && !user_info.contains("${") {
        let text = format!("{what} holds a password in clear text");
        reader.hint(Code::ClearTextSecret, node.at, text, "use `${env:NAME}` or `${file:/path}`");
    }
}

/// Reads a secret.
pub(crate) fn secret(reader: &Reader<'_>, node: &Node, what: &str) -> Option<Secret> {
    if let Value::Text(written) = &node.value
        && !written.contains("${")
    {
        let text = format!("{what} is written in the file in clear text");
        reader.hint(Code::ClearTextSecret, node.at, text, "use `${env:NAME}` or `${file:/path}`");
    }
    private(reader, node, what)
}

/// Reads a text that is not shown, and may well stand in the file.
pub(crate) fn private(reader: &Reader<'_>, node: &Node, what: &str) -> Option<Secret> {
    if let Value::Text(written) = &node.value
        && !written.contains("${")
    {
        reader.hide(written);
    }
    let scalar = reader.text(node, what)?;
    if scalar.text.trim().is_empty() {
        reader.report(Code::BadValue, node.at, format!("{what} must not be empty"));
        return None;
    }
    Some(Secret::new(scalar.text))
}
