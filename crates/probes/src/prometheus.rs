//! What a service says of itself: Prometheus' text format and OpenMetrics, read line by line.
//!
//! The scrape hands an answer over, the health-monitor reads the rows. Nothing here asks for an
//! answer, and what the lines of comment say about types is not believed.

use std::iter::Peekable;
use std::str::CharIndices;

/// One series at the moment of a scrape.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The name, with its `_bucket`, `_sum`, `_total` as it stands there.
    pub name: String,
    /// The labels, in the order in which they stand there.
    pub labels: Vec<(String, String)>,
    /// The value; may be infinite or not a number.
    pub value: f64,
}

impl Row {
    /// Returns the value of a label, if the series has it.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads an answer in Prometheus' text format or in OpenMetrics.
///
/// Timestamps and exemplars are read and left out. Every line must be right: half a scrape would
/// look like counters that were reset.
///
/// # Errors
/// The first line that is wrong, by its number, and what is wrong with it.
/// # Source
/// Prometheus' text format 0.0.4; OpenMetrics 1.0.0, whose `# EOF` ends the answer.
pub fn rows(text: &str) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for (number, line) in (1_usize..).zip(text.lines()) {
        let line = line.trim_matches([' ', '\t', '\r']);
        if line == "# EOF" {
            break;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        rows.push(row(line).map_err(|why| format!("line {number}: {why}"))?);
    }
    Ok(rows)
}

/// Reads one line with a value.
fn row(line: &str) -> Result<Row, String> {
    let (written, rest) = match line.strip_prefix('{') {
        // A name that is no identifier stands in quotes, first among the labels.
        Some(_) => ("", line),
        None => line.split_at(line.find(|c: char| !is_name(c)).unwrap_or(line.len())),
    };
    let rest = rest.trim_start();
    let (labels, values) = match rest.strip_prefix('{') {
        Some(inner) => labels(inner)?,
        None => (Labels::default(), rest),
    };
    let name = match (written, labels.name) {
        ("", None) => return Err("there is no name of a metric".to_owned()),
        (name, None) if name.starts_with(|c: char| c.is_ascii_digit()) => {
            return Err(format!("`{name}` is no name of a metric"));
        }
        (name, None) => name.to_owned(),
        ("", Some(name)) => name,
        (_, Some(_)) => return Err("the name stands there twice".to_owned()),
    };
    let mut words = values.split_ascii_whitespace();
    let value = words.next().ok_or("there is no value")?;
    let value = number(value).ok_or_else(|| format!("`{value}` is no number"))?;
    // What follows is a timestamp, and in OpenMetrics an exemplar behind a `#`.
    if let Some(word) = words.next().filter(|word| *word != "#") {
        number(word).ok_or_else(|| format!("`{word}` is no timestamp"))?;
        if let Some(more) = words.next().filter(|more| *more != "#") {
            return Err(format!("`{more}` stands behind the timestamp"));
        }
    }
    Ok(Row { name, labels: labels.pairs, value })
}

/// What stands between the braces.
#[derive(Debug, Default)]
struct Labels {
    name: Option<String>,
    pairs: Vec<(String, String)>,
}

/// Reads labels up to the closing brace; returns what comes after it.
fn labels(text: &str) -> Result<(Labels, &str), String> {
    let mut read = Labels::default();
    let mut letters = text.char_indices().peekable();
    loop {
        skip_blanks(&mut letters);
        match letters.peek().copied() {
            None => return Err("the labels do not end".to_owned()),
            Some((at, '}')) => return Ok((read, text.get(at + 1..).unwrap_or_default())),
            Some(_) => {}
        }
        let quoted_name = match letters.peek() {
            Some((_, '"')) => true,
            Some(_) | None => false,
        };
        let label = if quoted_name { quoted(&mut letters)? } else { word(&mut letters) };
        skip_blanks(&mut letters);
        if letters.next_if(|(_, c)| *c == '=').is_some() {
            skip_blanks(&mut letters);
            let value = quoted(&mut letters)?;
            if label.is_empty() {
                return Err("a label has no name".to_owned());
            }
            if read.pairs.iter().any(|(known, _)| *known == label) {
                return Err(format!("the label `{label}` stands there twice"));
            }
            read.pairs.push((label, value));
        } else if quoted_name && read.name.is_none() && read.pairs.is_empty() {
            read.name = Some(label);
        } else {
            return Err(format!("the label `{label}` has no value"));
        }
        skip_blanks(&mut letters);
        match letters.peek() {
            Some((_, ',')) => drop(letters.next()),
            Some((_, '}')) => {}
            Some((_, other)) => {
                return Err(format!("`{other}` stands where `,` or `}}` should be"));
            }
            None => return Err("the labels do not end".to_owned()),
        }
    }
}

type Letters<'a> = Peekable<CharIndices<'a>>;

fn skip_blanks(letters: &mut Letters<'_>) {
    while letters.next_if(|(_, c)| *c == ' ' || *c == '\t').is_some() {}
}

fn word(letters: &mut Letters<'_>) -> String {
    let mut word = String::new();
    while let Some((_, letter)) = letters.next_if(|(_, c)| is_name(*c)) {
        word.push(letter);
    }
    word
}

/// Reads a value in quotes with the escapes `\\`, `\"` and `\n`; another one stays as it is.
fn quoted(letters: &mut Letters<'_>) -> Result<String, String> {
    if letters.next_if(|(_, c)| *c == '"').is_none() {
        return Err("a value of a label is not in quotes".to_owned());
    }
    let mut value = String::new();
    loop {
        match letters.next().map(|(_, letter)| letter) {
            Some('"') => return Ok(value),
            Some('\\') => match letters.next().map(|(_, letter)| letter) {
                Some('n') => value.push('\n'),
                Some(escaped @ ('"' | '\\')) => value.push(escaped),
                Some(other) => value.extend(['\\', other]),
                None => return Err("a value of a label does not end".to_owned()),
            },
            Some(letter) => value.push(letter),
            None => return Err("a value of a label does not end".to_owned()),
        }
    }
}

/// Reads a number as Go writes it.
fn number(text: &str) -> Option<f64> {
    match text.to_ascii_lowercase().as_str() {
        "+inf" | "inf" | "+infinity" | "infinity" => Some(f64::INFINITY),
        "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
        "nan" | "+nan" | "-nan" => Some(f64::NAN),
        other => other.parse().ok(),
    }
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> Vec<(String, String, f64)> {
        let rows = rows(text).unwrap_or_else(|why| panic!("{why}\n{text}"));
        let pairs = |row: &Row| -> String {
            let pairs = row.labels.iter().map(|(name, value)| format!("{name}={value};"));
            pairs.collect::<Vec<String>>().concat()
        };
        rows.iter().map(|row| (row.name.clone(), pairs(row), row.value)).collect()
    }

    /// What `prometheus_client.parser` 0.26 reads from the same text; the text is the one of the
    /// format's own description, and some lines of worse writers.
    #[test]
    fn the_text_format_is_read_as_by_prometheus_client() {
        let text = "# HELP http_requests_total The total number of HTTP requests.\n\
            # TYPE http_requests_total counter\n\
            http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n\
            http_requests_total{method=\"post\",code=\"400\"}    3 1395066363000\n\n\
            # Escaping in label values:\n\
            msdos_file_access_time_seconds{path=\"C:\\\\DIR\\\\FILE.TXT\",error=\"Cannot find file:\\n\\\"FILE.TXT\\\"\"} 1.458255915e9\n\n\
            # Minimalistic line:\n\
            metric_without_timestamp_and_labels 12.47\n\n\
            # A weird metric from before the epoch:\n\
            something_weird{problem=\"division by zero\"} +Inf -3982045\n\n\
            http_request_duration_seconds_bucket{le=\"0.05\"} 24054\n\
            http_request_duration_seconds_bucket{le=\"+Inf\"} 144320\n\
            http_request_duration_seconds_sum 53423\n\
            a  { b = \"c\" , d = \"e\" }  -1e-3\n\
            up{x=\"#not a comment\"} 1\r\n";
        let row = |name: &str, labels: &str, value| (name.to_owned(), labels.to_owned(), value);
        let expected = [
            row("http_requests_total", "method=post;code=200;", 1027.0),
            row("http_requests_total", "method=post;code=400;", 3.0),
            row(
                "msdos_file_access_time_seconds",
                "path=C:\\DIR\\FILE.TXT;error=Cannot find file:\n\"FILE.TXT\";",
                1_458_255_915.0,
            ),
            row("metric_without_timestamp_and_labels", "", 12.47),
            row("something_weird", "problem=division by zero;", f64::INFINITY),
            row("http_request_duration_seconds_bucket", "le=0.05;", 24_054.0),
            row("http_request_duration_seconds_bucket", "le=+Inf;", 144_320.0),
            row("http_request_duration_seconds_sum", "", 53_423.0),
            row("a", "b=c;d=e;", -1e-3),
            row("up", "x=#not a comment;", 1.0),
        ];
        assert_eq!(found(text), expected);
        let rows = rows("job:http_inprogress:sum{a=\"1\",} NaN").unwrap();
        assert_eq!(
            (rows[0].name.as_str(), rows[0].label("a")),
            ("job:http_inprogress:sum", Some("1"))
        );
        assert!(rows[0].value.is_nan());
    }

    #[test]
    fn openmetrics_exemplars_and_its_end_are_understood() {
        let text = "# TYPE foo counter\n\
            foo_total{a=\"b\"} 17.0 1520879607.789 # {trace_id=\"KOO5S4vxi0o\"} 0.67\n\
            foo_bucket{le=\"1.0\"} 4 # {trace_id=\"x\"} 0.5\n\
            {\"foo.bar\",a=\"b\"} 2\n\
            # EOF\n\
            what comes after the end is nothing\n";
        let row = |name: &str, labels: &str, value| (name.to_owned(), labels.to_owned(), value);
        let expected = [
            row("foo_total", "a=b;", 17.0),
            row("foo_bucket", "le=1.0;", 4.0),
            row("foo.bar", "a=b;", 2.0),
        ];
        assert_eq!(found(text), expected);
    }

    #[test]
    fn a_wrong_line_is_named() {
        let cases = [
            ("ok 1\nbad", "line 2: there is no value"),
            ("m{a=\"b\" 1", "`1` stands where"),
            ("m{a=\"b 1", "does not end"),
            ("m{a=b} 1", "not in quotes"),
            ("m{a} 1", "the label `a` has no value"),
            ("m{a=\"1\",a=\"2\"} 1", "stands there twice"),
            ("m one", "`one` is no number"),
            ("m 1 later", "`later` is no timestamp"),
            ("m 1 2 3", "stands behind the timestamp"),
            ("{a=\"b\"} 1", "no name"),
            ("5m 1", "is no name"),
            ("<html> 1", "no name"),
        ];
        for (text, expected) in cases {
            let why = rows(text).expect_err(text);
            assert!(why.contains(expected), "{text}: {why}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
            let _read = rows(&text);
        }

        #[test]
        fn arbitrary_pieces_never_panic(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "m", "{", "}", "\"", "\\", "a", "=", ",", " ", "1", "+Inf", "#", "\n", "é", "# EOF", "le",
            ]), 0..40),
        ) {
            let _read = rows(&pieces.concat());
        }

        #[test]
        fn what_is_written_is_read(
            name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,10}",
            labels in prop::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,6}", "[^\\p{Cc}]{0,12}", 0..4),
            value in any::<f64>().prop_filter("a number", |value| !value.is_nan()),
            at in prop::option::of(any::<i64>()),
        ) {
            let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
            let pairs: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
            let at = at.map(|at| format!(" {at}")).unwrap_or_default();
            let line = format!("{name}{{{}}} {value}{at}", pairs.join(","));
            let expected = Row { name, labels: labels.into_iter().collect(), value };
            prop_assert_eq!(rows(&line), Ok(vec![expected]), "{}", line);
        }
    }
}
