//! Roles and tokens: what a caller may do, and how a token is recognised.
//!
//! Read once at start from `PRINTERY_API_TOKEN` and the file of `PRINTERY_API_TOKENS_FILE`; the
//! guard asks it for every request. It keeps digests only, and never says how a token was wrong.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Fewest characters of a token in the file: what a person makes up is guessed sooner.
const SHORTEST: usize = 16;

/// What whoever asks over a loopback address is called.
const LOCAL: &str = "api";

/// What one request needs of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: probes, and whatever proves itself by a signature.
    Nothing,
    /// To look at the fleet.
    Look,
    /// To hand in events.
    Emit,
    /// To change what runs, waits or was given up.
    Operate,
}

impl Need {
    /// The word for documents.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nobody",
            Self::Look => "viewer",
            Self::Emit => "emitter",
            Self::Operate => "operator",
        }
    }
}

/// What a token's holder may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Looks.
    Viewer,
    /// Hands in events, and nothing else.
    Emitter,
    /// Looks, hands in events, and changes the fleet.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// Reads a role's word.
    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "viewer" => Self::Viewer,
            "emitter" => Self::Emitter,
            "operator" => Self::Operator,
            "admin" => Self::Admin,
            _ => return None,
        })
    }

    /// Whether it is enough.
    pub(crate) fn allows(self, need: Need) -> bool {
        match need {
            Need::Nothing => true,
            Need::Look => self != Self::Emitter,
            Need::Emit => self != Self::Viewer,
            Need::Operate => matches!(self, Self::Operator | Self::Admin),
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// What the operator log calls them.
    pub(crate) name: String,
    /// What they may do.
    pub(crate) role: Role,
    /// The environments of whose deployments they may hand in events: globs; empty is all.
    pub(crate) environments: Vec<String>,
}

impl Caller {
    /// Somebody on this machine, who may do everything.
    pub(crate) fn local() -> Self {
        Self { name: LOCAL.to_owned(), role: Role::Admin, environments: Vec::new() }
    }

    /// Who the operator log says it was: whoever has a token is called by its name, and what they
    /// call themselves is only added.
    pub(crate) fn actor(&self, said: Option<&str>) -> String {
        match said.filter(|said| !said.trim().is_empty()) {
            None => self.name.clone(),
            Some(said) if self.name == LOCAL => said.to_owned(),
            Some(said) => format!("{} ({said})", self.name),
        }
    }

    /// Whether an event of this environment may come from them; none is an event that names none.
    pub(crate) fn may_emit_in(&self, environment: Option<&str>) -> bool {
        self.environments.is_empty()
            || environment
                .is_some_and(|named| self.environments.iter().any(|glob| fits(glob, named)))
    }
}

/// The tokens that are known, as digests.
#[derive(Clone, Default)]
pub(crate) struct Tokens {
    known: Vec<([u8; 32], Caller)>,
}

impl Tokens {
    /// Adds the one token that may do everything.
    #[must_use]
    pub(crate) fn with_admin(mut self, token: &SecretString) -> Self {
        let role = Role::Admin;
        let caller = Caller { name: "api-token".to_owned(), role, environments: Vec::new() };
        self.known.push((digest(token.expose_secret()), caller));
        self
    }

    /// Adds those of a tokens file: a line each, `NAME ROLE TOKEN [ENVIRONMENT,…]`; `#` begins a
    /// comment. A token stands as itself or as `sha256:` and its digest in hex.
    ///
    /// # Errors
    /// Every line that is none, named by its number; no token is repeated in them.
    pub(crate) fn with_file(mut self, text: &str) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match read(line) {
                Ok((digest, caller)) if self.known.iter().any(|(known, _)| *known == digest) => {
                    problems.push(format!(
                        "line {}: the token of {} stands there already",
                        index + 1,
                        caller.name
                    ));
                }
                Ok(entry) => self.known.push(entry),
                Err(problem) => problems.push(format!("line {}: {problem}", index + 1)),
            }
        }
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whose token it is. Looks at all of them, in a time that tells nothing about any.
    pub(crate) fn recognise(&self, given: &str) -> Option<&Caller> {
        let given = digest(given);
        let mut found = None;
        for (known, caller) in &self.known {
            if same(&given, known) {
                found = Some(caller);
            }
        }
        found
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.known.iter().map(|(_, caller)| caller)).finish()
    }
}

/// Reads one line of the file.
fn read(line: &str) -> Result<([u8; 32], Caller), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (name, role, token, environments) = match words.as_slice() {
        [name, role, token] => (*name, *role, *token, Vec::new()),
        [name, role, token, environments] => {
            let globs = environments.split(',').filter(|glob| !glob.is_empty());
            (*name, *role, *token, globs.map(str::to_owned).collect())
        }
        _ => return Err("must be NAME ROLE TOKEN [ENVIRONMENT,...]".to_owned()),
    };
    let role = Role::named(role).ok_or_else(|| {
        format!("the role of {name} must be viewer, operator, emitter or admin, not {role:?}")
    })?;
    let digest = match token.strip_prefix("sha256:") {
        Some(hex) => unhex(hex).and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
            format!("the digest of {name} must be 64 hexadecimal digits after sha256:")
        })?,
        None if token.len() < SHORTEST => {
            return Err(format!("the token of {name} must have at least {SHORTEST} characters"));
        }
        None => digest(token),
    };
    Ok((digest, Caller { name: name.to_owned(), role, environments }))
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Compares in a time that does not depend on where two texts differ.
pub(crate) fn same(given: &[u8], expected: &[u8]) -> bool {
    given.len() == expected.len()
        && given.iter().zip(expected).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// Reads hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pairs = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok().filter(|_| !pair.starts_with('+'))
    });
    pairs.collect()
}

/// Whether a text fits a glob of which `*` stands for any part.
fn fits(glob: &str, text: &str) -> bool {
    let mut parts = glob.split('*');
    let Some(rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut rest = rest;
    let mut open = false;
    let parts: Vec<&str> = parts.collect();
    for (index, part) in parts.iter().enumerate() {
        open = true;
        if index + 1 == parts.len() {
            return rest.ends_with(part);
        }
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    open || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_allows_what_it_says_and_no_more() {
        let table = [
            (Role::Viewer, [true, false, false]),
            (Role::Emitter, [false, true, false]),
            (Role::Operator, [true, true, true]),
            (Role::Admin, [true, true, true]),
        ];
        for (role, expected) in table {
            let allowed = [Need::Look, Need::Emit, Need::Operate].map(|need| role.allows(need));
            assert_eq!(allowed, expected, "{role:?}");
            assert!(role.allows(Need::Nothing));
        }
    }

    #[test]
    fn a_file_s_tokens_are_recognised_with_role_and_environments() {
        // printf %s a-token-of-which-only-the-digest-is-here | sha256sum
        let hashed = "a-token-of-which-only-the-digest-is-here";
        let hex = "11e650e9d401a18d2c967c3067d120019913fca2256a03c5bcfdda582b59be28";
        let text = format!(
            "# who may\n\nann operator 0123456789abcdef0\nci emitter sha256:{hex} staging,pr-*\n"
        );
        let tokens = Tokens::default().with_file(&text).unwrap();
        assert_eq!(tokens.recognise("0123456789abcdef0").unwrap().role, Role::Operator);
        let ci = tokens.recognise(hashed).unwrap();
        assert_eq!((ci.name.as_str(), ci.role), ("ci", Role::Emitter));
        assert!(ci.may_emit_in(Some("staging")) && ci.may_emit_in(Some("pr-42")));
        assert!(!ci.may_emit_in(Some("production")) && !ci.may_emit_in(None));
        assert_eq!(tokens.recognise("0123456789abcdef"), None);
        assert!(!format!("{tokens:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn every_bad_line_is_named_by_its_number() {
        let text = "ann operator short\nbob king 0123456789abcdef\n\njust-a-name\n\
                    eve viewer sha256:12\nx viewer 0123456789abcdef\ny viewer 0123456789abcdef";
        let problems = Tokens::default().with_file(text).unwrap_err();
        let lines: Vec<&str> =
            problems.iter().filter_map(|problem| problem.split(':').next()).collect();
        assert_eq!(lines, ["line 1", "line 2", "line 4", "line 5", "line 7"]);
        assert!(problems.iter().all(|problem| !problem.contains("0123456789abcdef")));
    }

    #[test]
    fn nobody_acts_under_another_name_than_their_token_s() {
        let ci = Caller { name: "ci".to_owned(), ..Caller::local() };
        assert_eq!([ci.actor(None), ci.actor(Some("ada"))], ["ci", "ci (ada)"]);
        assert_eq!(Caller::local().actor(Some("ada")), "ada");
        assert_eq!(Caller::local().actor(Some(" ")), "api");
    }

    #[test]
    fn a_star_stands_for_any_part() {
        let table = [
            ("*", "production", true),
            ("", "", true),
            ("", "x", false),
            ("pr-*", "pr-", true),
            ("pr-*", "apr-1", false),
            ("*-eu", "prod-eu", true),
            ("*-eu", "prod-eu-1", false),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
            ("prod", "production", false),
        ];
        for (glob, text, expected) in table {
            assert_eq!(fits(glob, text), expected, "{glob} {text}");
        }
    }

    #[test]
    fn hexadecimal_is_read_strictly() {
        assert_eq!(unhex("00fF"), Some(vec![0, 255]));
        for wrong in ["0", "0g", "+1", "é"] {
            assert_eq!(unhex(wrong), None, "{wrong}");
        }
    }
}
