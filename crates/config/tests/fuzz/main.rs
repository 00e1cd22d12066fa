//! No text whatever makes the fleet file's reader panic, hang or use memory without bound.
//!
//! Texts are made of anything, of pieces of fleet files, and of the built-in profile with damage; bombs are small files that
//! mean something huge. What is wrong is always said with its line.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::process::Command;

use printery_config::{Code, Fleet, Problems};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// How much address space the bombs may use, in KiB: 2 GiB. Most of them mean ten times as much.
const ADDRESS_SPACE_KIB: u32 = 2 << 20;

/// The built-in profile, the richest valid file there is.
const PROFILE: &str = include_str!("../../../../deploy/fleets/materi.yaml");

/// Pieces that a damaged file is damaged with; what YAML and our own syntax treat specially.
const PIECES: &[&str] = &[
    "\n",
    "\n  ",
    "\n- ",
    "\t",
    "\r",
    "\0",
    "\u{feff}",
    "\u{202e}",
    "\u{85}",
    "é",
    "🚀",
    ": ",
    ":",
    ", ",
    "- ",
    "? ",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "\"\\x",
    "'''",
    "&a ",
    "*a",
    "*b",
    "<<: *a",
    "<<: ",
    "!!binary ",
    "!!str ",
    "!x ",
    "!<",
    "%YAML 1.2\n---\n",
    "---",
    "...",
    "|",
    ">-",
    "|9\n",
    "#",
    "~",
    "null",
    "true",
    "yes",
    "0x",
    "1e999",
    "-.inf",
    ".nan",
    "1_000",
    "0o7",
    "99999999999999999999",
    "${",
    "$${",
    "${}",
    "}",
    "${env:SET}",
    "${env:NONE}",
    "${env:NONE:-",
    "${env:NONE:?why}",
    "${var:a}",
    "${file:/nowhere}",
    "${env:A_FILE}",
    "${event.id}",
    "${env:",
    "vars",
    "version: 1",
    "services",
    "requires",
    "routes",
    "receivers",
    "-1s",
    "0s",
    "10%",
    "1e3ms",
    "http://[::1",
    "http://user:pw@h",
    "redis://",
    "200-",
    "5xx",
    "*",
    "**",
    "",
];

fn env(name: &str) -> Option<String> {
    match name {
        "SET" => Some("value".to_owned()),
        "INJECTING" => Some("x\nversion: 2".to_owned()),
        "A_FILE" => Some("/nowhere".to_owned()),
        _ => None,
    }
}

/// Reads a text; whatever is wrong with it has a place that is in it, and is said in one line.
fn load(text: &str) -> Result<Fleet, Problems> {
    let result = Fleet::parse("f.yaml", text, &env);
    let problems: Vec<_> = match &result {
        Ok(fleet) => fleet.warnings.iter().collect(),
        Err(problems) => problems.iter().collect(),
    };
    assert!(result.is_ok() || !problems.is_empty());
    let breaks = text.matches(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
    let last = u64::try_from(breaks).unwrap_or(u64::MAX) + 2;
    for problem in problems {
        let said = problem.to_string();
        assert!(!said.contains(['\n', '\r']), "{said:?}");
        assert!(problem.with_snippet().len() < 10_000, "{said:?}");
        let at = problem.at.unwrap_or_else(|| panic!("{said:?} has no place"));
        // What misses at the end is said of the line after the last.
        assert!((1..=last).contains(&at.line), "{said:?}: the last line is {last}");
    }
    result
}

proptest! {
    #[test]
    fn any_text_is_a_fleet_or_problems_with_lines(text in any::<String>()) {
        drop(load(&text));
    }

    #[test]
    fn any_pieces_are_a_fleet_or_problems_with_lines(pieces in vec(select(PIECES), 0..60)) {
        drop(load(&pieces.concat()));
    }

    #[test]
    fn a_damaged_profile_is_a_fleet_or_problems_with_lines(
        damage in vec((any::<Index>(), any::<Index>(), select(PIECES)), 1..6),
    ) {
        let mut text: Vec<char> = PROFILE.chars().collect();
        for (at, length, piece) in &damage {
            let at = at.index(text.len());
            let end = (at + length.index(12)).min(text.len());
            text.splice(at..end, piece.chars());
        }
        if let Ok(fleet) = load(&text.iter().collect::<String>()) {
            prop_assert_eq!(fleet.digest().len(), 64);
        }
    }

    #[test]
    fn any_expression_is_replaced_or_refused(pieces in vec(select(PIECES), 0..30)) {
        let quoted = serde_json::Value::from(pieces.concat());
        drop(load(&format!("fleet: {quoted}\nvars: {{ a: {quoted}, b: x }}")));
    }
}

/// Small files that mean something huge: each is refused, or is no more than it looks.
fn bombs() -> Vec<(&'static str, String)> {
    let mut laughs = "vars:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        writeln!(laughs, "  a{level}: &a{level} [{below}]").unwrap();
    }
    let long = "x".repeat(400_000);
    let keys = (0..3_000).map(|n| format!("k{n}: 1, ")).collect::<Vec<_>>().concat();
    let services = (0..2_000).map(|n| format!("  s{n}: {{ url: 'http://h', requires: [t{n}] }}\n"));
    let chain =
        (0..2_000).map(|n| format!("  s{n}: {{ url: 'http://h', requires: [s{}] }}\n", n + 1));
    let list = |names: Vec<String>| format!("version: 1\nservices:\n{}", names.concat());
    vec![
        ("aliases of aliases", laughs),
        (
            "a long text by alias",
            format!("vars:\n  a: &a {long}\n  b: [{}]\n", "*a, ".repeat(90_000)),
        ),
        (
            "a long text by name",
            format!("vars: {{ a: {long} }}\nfleet: \"{}\"\n", "${var:a}".repeat(60_000)),
        ),
        ("an alias of itself", "vars: &a\n  b: *a\n".to_owned()),
        ("variables of each other", "vars: { a: '${var:b}', b: '${var:a}' }".to_owned()),
        ("unknown keys in one line", format!("{{ {keys} }}")),
        ("unknown keys in many lines", keys.replace(", ", "\n")),
        ("names that nobody has", list(services.collect())),
        ("a chain that ends nowhere", list(chain.collect())),
        ("deep lists", format!("a: {}", "[".repeat(300_000))),
        ("deep maps", format!("{{ a: {}", "{ a: ".repeat(100_000))),
        (
            "deep blocks",
            (0..700).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<Vec<_>>().concat(),
        ),
        ("deep sequences", "- ".repeat(300_000)),
        ("open braces", format!("fleet: \"{}\"", "${".repeat(200_000))),
        (
            "nested defaults",
            format!("fleet: '{}x{}'", "${env:A:-".repeat(50_000), "}".repeat(50_000)),
        ),
        ("defaults in a row", format!("fleet: '{}'", "${env:A:-}".repeat(90_000))),
        ("anchors", (0..60_000).map(|n| format!("- &a{n}\n")).collect::<Vec<_>>().concat()),
        ("documents", "--- 1\n".repeat(100_000)),
        ("digits", format!("version: {}", "9".repeat(900_000))),
        ("a tag", format!("!{long} a: 1")),
        ("merges", format!("a: &a {{ k: 1 }}\nb:\n{}", "  <<: *a\n".repeat(50_000))),
    ]
}

#[test]
fn bombs_are_refused() {
    for (name, text) in bombs() {
        let problems = load(&text).expect_err(name);
        assert!(problems.iter().count() <= 101, "{name}: {} problems", problems.iter().count());
        assert!(problems.to_string().len() < 100_000, "{name}");
    }
}

#[test]
fn bombs_use_no_memory_without_bound() {
    let limited = format!("ulimit -v {ADDRESS_SPACE_KIB}; exec \"$0\" \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &limited])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "bombs_are_refused", "--test-threads=1"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}

#[test]
fn a_long_chain_of_needs_is_no_bomb() {
    let link = |n: u32| format!("  s{n:05}: {{ url: 'http://h', requires: [s{:05}] }}\n", n + 1);
    let chain: Vec<String> = (0..5_000).map(link).collect();
    let last = "  s05000: { url: 'http://h' }\n";
    let problems = load(&format!("version: 1\nservices:\n{}{last}", chain.concat())).unwrap_err();
    let said = problems.to_string();
    assert!(said.contains("5001 services and endpoints are more than 2000"), "{said}");
    assert!(said.contains("services require each other 5001 deep, more than 32"), "{said}");
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let problems = load("vars: { a: '${file:/dev/zero}' }\nfleet: '${var:a}'").unwrap_err();
    let codes: Vec<Code> = problems.iter().map(|problem| problem.code).collect();
    assert!(codes.contains(&Code::Interpolation), "{problems}");
}
