//! Asking for metrics: a service's own answer, or a Prometheus server's.
//!
//! The health-monitor asks at every moment of its window. Both ways go through the egress guard,
//! read no more than their caps and repeat nothing: the next moment asks again.

use std::time::Duration;

use reqwest::header::ACCEPT;
use reqwest::{Method, Url};
use serde_json::Value;

use crate::classify::{request_error, status_class};
use crate::egress::{Egress, Purpose};
use crate::error::Error;
use crate::http::read_body;
use crate::limits::Limits;
use crate::outcome::{Class, ReasonCode};
use crate::prometheus::{Row, rows};
use crate::redact;

/// Bytes of a scrape that are read: what large services have several times over. 4 MiB.
const MOST_METRICS: usize = 4 * 1024 * 1024;

/// Bytes of a query's answer that are read; one number needs a hundredth. 64 KiB.
const MOST_ANSWER: usize = 64 * 1024;

/// What is asked for: the plain format first, because every service has it.
const FORMATS: &str =
    "text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.5";

/// Asks a service what it measures.
///
/// # Errors
/// It did not answer with 200 and a text in Prometheus' format.
/// # Cancel safety
/// Cancel safe: dropping the future closes its connection.
pub async fn scrape(egress: &Egress, url: &Url, limits: &Limits) -> Result<Vec<Row>, Error> {
    let attempted = format!("GET {}", redact::url(url));
    let asked = ask(egress, url, limits, MOST_METRICS);
    let body = asked.await.map_err(|error| error.while_attempting(&attempted))?;
    let text = String::from_utf8(body).map_err(|_bytes| {
        Error::new(Class::Permanent, ReasonCode::Protocol, &attempted, "answered with no text")
    })?;
    rows(&text).map_err(|why| {
        let observed = format!("answered with no metrics: {why}");
        Error::new(Class::Permanent, ReasonCode::Protocol, &attempted, observed)
    })
}

/// Asks a Prometheus server for the one number that a query gives now; none where it gives nothing.
///
/// # Shapes and units
/// `server`: where its API is, without `/api/v1`.
/// # Errors
/// It did not answer, the query is wrong, or it gives more than one number.
/// # Cancel safety
/// Cancel safe: dropping the future closes its connection.
/// # Source
/// Prometheus' HTTP API, `/api/v1/query`.
pub async fn query(
    egress: &Egress,
    server: &Url,
    query: &str,
    limits: &Limits,
) -> Result<Option<f64>, Error> {
    let attempted = format!("asking Prometheus at {}", redact::url(server));
    let wrong = |class, code, observed: String| Error::new(class, code, &attempted, observed);
    let mut url = server.clone();
    let path = format!("{}/api/v1/query", url.path().trim_end_matches('/'));
    url.set_path(&path);
    let seconds = format!("{}ms", limits.attempt.max(Duration::from_millis(1)).as_millis());
    url.query_pairs_mut().append_pair("query", query).append_pair("timeout", &seconds);
    let asked = ask(egress, &url, limits, MOST_ANSWER);
    let body = asked.await.map_err(|error| error.while_attempting(&attempted))?;
    let answer: Value = serde_json::from_slice(&body).map_err(|_other| {
        wrong(Class::Permanent, ReasonCode::Protocol, "answered with no JSON".to_owned())
    })?;
    let data = answer.get("data").unwrap_or(&Value::Null);
    let result = data.get("result").unwrap_or(&Value::Null);
    let pair = match (data.get("resultType").and_then(Value::as_str), result.as_array()) {
        (Some("scalar"), Some(_)) => result,
        (Some("vector"), Some(series)) => match series.as_slice() {
            [] => return Ok(None),
            [one] => one.get("value").unwrap_or(&Value::Null),
            many => {
                let observed = format!("the query gives {} numbers, not one", many.len());
                return Err(wrong(Class::Permanent, ReasonCode::Content, observed));
            }
        },
        (Some(other), _) => {
            let observed = format!("the query gives a {other}, not a number");
            return Err(wrong(Class::Permanent, ReasonCode::Content, observed));
        }
        (None, _) => {
            let observed = "answered with something else than a result".to_owned();
            return Err(wrong(Class::Permanent, ReasonCode::Protocol, observed));
        }
    };
    let text = pair.get(1).and_then(Value::as_str).unwrap_or_default();
    let value = match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        other => other.parse().map_err(|_other| {
            let observed = format!("answered with `{other}` for a number");
            wrong(Class::Permanent, ReasonCode::Protocol, observed)
        })?,
    };
    // Nothing divided by nothing is how a query says that there was no traffic.
    Ok(Some(value).filter(|value| !value.is_nan()))
}

async fn ask(egress: &Egress, url: &Url, limits: &Limits, most: usize) -> Result<Vec<u8>, Error> {
    let client = egress.client(Purpose::Probe, limits)?;
    let request = client.request(Method::GET, url)?.header(ACCEPT, FORMATS);
    let response = request.send().await.map_err(|error| request_error(&error, ""))?;
    let status = response.status();
    if status.is_success() {
        return read_body(response, most).await;
    }
    // What a Prometheus server says about a wrong query is worth repeating.
    let body = read_body(response, MOST_ANSWER).await.unwrap_or_default();
    let said: Option<Value> = serde_json::from_slice(&body).ok();
    let said = said.as_ref().and_then(|said| said.get("error")).and_then(Value::as_str);
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    let observed = format!("answered {status}{said}");
    Err(Error::new(status_class(status), ReasonCode::HttpStatus, "", observed))
}
