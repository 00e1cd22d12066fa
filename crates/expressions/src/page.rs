//! Texts that are filled in: the templates of messages.
//!
//! Owns compiling one and the bounds of filling it in. The fleet file's reader compiles, whoever
//! tells people fills in. Never reads a file and never lets a value become markup of its format.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::Value;

/// Instructions that filling in one page may take.
const FUEL: u64 = 50_000;

/// How deep its parts may nest.
const DEEPEST: usize = 64;

/// Bytes that one page may become: no receiver takes as much.
const LONGEST: usize = 64 * 1024;

/// A template that has been compiled.
///
/// Its name's ending says what it makes, and how values are escaped in it: `.json.j2`, `.html.j2`;
/// in `.txt.j2` they are not.
#[derive(Clone, Debug)]
pub struct Page {
    name: String,
    environment: Environment<'static>,
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// One clause.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for Fault {}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let kind = error.kind();
        let why = match (kind, error.detail()) {
            (ErrorKind::OutOfFuel, _) => format!("it takes more than {FUEL} steps"),
            (_, Some(detail)) => format!("{kind}: {detail}"),
            (_, None) => kind.to_string(),
        };
        Self { line: error.line().unwrap_or(1), why }
    }
}

impl Page {
    /// Compiles a template.
    ///
    /// # Errors
    /// It is none; where, and why.
    pub fn compile(name: &str, source: &str) -> Result<Self, Fault> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(DEEPEST);
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.add_template_owned(name.to_owned(), source.to_owned())?;
        Ok(Self { name: name.to_owned(), environment })
    }

    /// Lists the names that it asks for.
    pub fn asks_for(&self) -> BTreeSet<String> {
        let Ok(template) = self.environment.get_template(&self.name) else {
            return BTreeSet::new();
        };
        let mut asked: BTreeSet<String> =
            template.undeclared_variables(false).into_iter().collect();
        asked.retain(|name| !self.environment.globals().any(|(global, _)| global == name));
        asked
    }

    /// Fills it in.
    ///
    /// # Errors
    /// It asks for what is not there, takes too many steps or becomes too long; where, and why.
    pub fn fill(&self, values: &Value) -> Result<String, Fault> {
        let template = self.environment.get_template(&self.name)?;
        let mut made = Bounded::default();
        let values = minijinja::Value::from(Serde(values));
        let filled = template.render_captured_to(values, &mut made).map(drop);
        if made.is_full {
            let why = format!("it makes more than {LONGEST} bytes");
            return Err(Fault { line: 1, why });
        }
        filled?;
        Ok(String::from_utf8_lossy(&made.bytes).into_owned())
    }
}

/// Takes so many bytes and no more.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > LONGEST {
            self.is_full = true;
            return Err(io::Error::other("it is full"));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Page;

    fn filled(name: &str, source: &str, values: &Value) -> Result<String, String> {
        let page = Page::compile(name, source).map_err(|fault| fault.to_string())?;
        page.fill(values).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_value_is_escaped_as_the_name_says() {
        let sly = json!({ "x": "<b>\"&", "list": [1, "a b"] });
        let made = |name, source| filled(name, source, &sly).unwrap();
        assert_eq!(made("a.html.j2", "<i>{{ x }}</i>"), "<i>&lt;b&gt;&quot;&amp;</i>");
        let document: Value =
            serde_json::from_str(&made("a.json.j2", r#"{"text": {{ x }}, "all": {{ list }}}"#))
                .unwrap();
        assert_eq!(document, json!({ "text": "<b>\"&", "all": [1, "a b"] }));
        assert_eq!(made("a.txt.j2", "{{ x }} {{ list[1]|urlencode }}"), "<b>\"& a%20b");
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        let cases = [
            ("a\n{{ x", "line 2: "),
            ("{% for x in y %}\n\n{% endif %}", "line 3: "),
            ("\n{{ x|nothing }}", "line 2: unknown filter"),
            ("{{ nothing }}", "line 1: undefined value"),
            ("{{ x.a.b }}", "line 1: undefined value"),
        ];
        for (source, expected) in cases {
            let why = filled("a.txt.j2", source, &json!({ "x": {} })).unwrap_err();
            assert!(why.starts_with(expected), "{source}: {why}");
        }
    }

    #[test]
    fn nothing_goes_on_for_ever() {
        let endless =
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
        assert_eq!(
            filled("a.txt.j2", endless, &json!({})),
            Err("line 1: it takes more than 50000 steps".to_owned())
        );
        let long = "{% for a in range(9999) %}{{ x }}{% endfor %}";
        let why = filled("a.txt.j2", long, &json!({ "x": "a".repeat(100) })).unwrap_err();
        assert_eq!(why, "line 1: it makes more than 65536 bytes");
        let deep = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
        assert!(filled("a.txt.j2", &format!("{{{{ {deep} }}}}"), &json!({})).is_err());
    }

    #[test]
    fn it_says_what_it_asks_for() {
        let source =
            "{% set y = 1 %}{{ x.z }}{{ y }}{% for a in range(3) %}{{ a }}{{ b }}{% endfor %}";
        let page = Page::compile("a.txt.j2", source).unwrap();
        assert_eq!(page.asks_for().into_iter().collect::<Vec<_>>(), ["b", "x"]);
    }
}
