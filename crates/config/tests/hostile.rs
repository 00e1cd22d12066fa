//! Files that nobody wrote to be read: too deep, too large, or no files at all.

use printery_config::{Fleet, Problems};
use proptest::prelude::*;

fn load(text: &str) -> Result<Fleet, Problems> {
    Fleet::parse("f.yaml", text, &|name| (name == "SET").then(|| "value".to_owned()))
}

#[test]
fn a_hostile_file_is_refused_in_good_time() {
    let nested: Vec<String> = (0..5000).map(|depth| format!("{}a:", " ".repeat(depth))).collect();
    let laughs: Vec<String> =
        (1..12).map(|n| format!("a{n}: &a{n} [{}]", format!("*a{},", n - 1).repeat(10))).collect();
    let hostile = [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        nested.join("\n"),
        format!("a0: &a0 x\n{}", laughs.join("\n")),
        format!("fleet: '{}'", "${env:X:-".repeat(100_000)),
        "&a [*a]".to_owned(),
    ];
    for text in hostile {
        assert!(load(&text).is_err(), "{}", &text[..20.min(text.len())]);
    }
}

const WORDS: &[&str] = &[
    "version",
    "fleet",
    "services",
    "endpoints",
    "checks",
    "routes",
    "receivers",
    "engine",
    "health",
    "url",
    "requires",
    "kind",
    "http",
    "redis",
    "lease",
    "10",
    "10s",
    "5%",
    "true",
    "null",
    "~",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ": ",
    ",",
    "\n",
    "  ",
    "\"",
    "'",
    "${env:SET}",
    "${env:X:-",
    "&a ",
    "*a",
    "<<",
    "!!str ",
    "|",
    ">",
    "#",
    "?",
    "é",
    "\t",
    "log",
    "slack",
    "webhook",
    "window",
    "samples",
    "to",
    "match",
];

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in ".{0,200}") {
        if let Err(problems) = load(&text) {
            prop_assert!(problems.errors() > 0);
        }
    }

    #[test]
    fn arbitrary_pieces_of_a_fleet_file_never_panic(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..40),
    ) {
        let text = words.concat();
        if let Err(problems) = load(&text) {
            prop_assert!(!problems.to_string().is_empty());
        }
    }
}
