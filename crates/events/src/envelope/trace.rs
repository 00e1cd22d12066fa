//! Owns [`Trace`], the W3C trace context that is carried through everything derived.
//! Decoding reads it; the harness attaches it to spans and results.
//! It never repairs: a context that breaks the specification is dropped, as the specification asks.

/// How many characters a `tracestate` may have; vendors must propagate at least this many and we propagate no more.
const MAX_STATE_CHARS: usize = 512;

/// How many members a `tracestate` may have, by the specification.
const MAX_STATE_MEMBERS: usize = 32;

/// Carries a W3C trace context from an event to those derived from it.
///
/// # Source
/// W3C Trace Context, level 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// A valid `traceparent`.
    pub parent: String,
    /// The `tracestate` that came with it.
    pub state: Option<String>,
}

impl Trace {
    /// Reads a trace context; none when `parent` is invalid, and without a state when only `state` is.
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        is_trace_parent(parent).then(|| Self {
            parent: parent.to_owned(),
            state: state.filter(|state| is_trace_state(state)).map(str::to_owned),
        })
    }
}

/// Checks `version-trace_id-parent_id-flags`; a later version may have more parts.
fn is_trace_parent(text: &str) -> bool {
    let mut parts = text.splitn(5, '-');
    let mut part = |digits: usize| {
        parts.next().filter(|part| part.len() == digits && part.bytes().all(is_lower_hex))
    };
    let (Some(version), Some(trace_id), Some(parent_id), Some(_)) =
        (part(2), part(32), part(16), part(2))
    else {
        return false;
    };
    let zero = |id: &str| id.bytes().all(|byte| byte == b'0');
    let future = parts.next();
    version != "ff"
        && !zero(trace_id)
        && !zero(parent_id)
        && future
            .is_none_or(|more| version != "00" && more.bytes().all(|byte| byte.is_ascii_graphic()))
        && text.len() <= MAX_STATE_CHARS
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_trace_state(text: &str) -> bool {
    let members = text.split(',').map(str::trim);
    (1..=MAX_STATE_CHARS).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
        && members.clone().count() <= MAX_STATE_MEMBERS
        && members.filter(|member| !member.is_empty()).all(|member| {
            member.split_once('=').is_some_and(|(key, value)| !key.is_empty() && !value.is_empty())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_valid_context_is_carried_whole() {
        let trace = Trace::parse(PARENT, Some("rojo=00f067aa0ba902b7, congo=t61rcWkgMzE")).unwrap();
        assert_eq!(trace.parent, PARENT);
        assert_eq!(trace.state.as_deref(), Some("rojo=00f067aa0ba902b7, congo=t61rcWkgMzE"));
        let later = format!("cc{}-more", &PARENT[2..]);
        assert_eq!(Trace::parse(&later, None).unwrap().parent, later);
    }

    #[test]
    fn an_invalid_parent_is_no_context() {
        let zeros = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        let upper = PARENT.to_uppercase();
        let longer = format!("{PARENT}-more");
        let forbidden = format!("ff{}", &PARENT[2..]);
        for parent in ["", "00", zeros, &upper, &longer, &forbidden, &PARENT[..54]] {
            assert_eq!(Trace::parse(parent, Some("a=b")), None, "{parent}");
        }
    }

    #[test]
    fn an_invalid_state_is_dropped_alone() {
        let many = vec!["a=b"; 33].join(",");
        let long = format!("a={}", "b".repeat(512));
        for state in ["", "novalue", "=b", "a=", "a=\u{7f}", &many, &long] {
            assert_eq!(Trace::parse(PARENT, Some(state)).unwrap().state, None, "{state}");
        }
    }
}
