//! The command lines that the documents show can be typed.
//!
//! Proves commands and flags against what `--help` prints; arguments are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::{DOCUMENTS, PROGRAMS, assert_none, markdown, read};
use crate::binaries::program;

/// What `--help` says about one command.
struct Help {
    commands: BTreeSet<String>,
    flags: BTreeSet<String>,
}

fn help(program_name: &str, path: &[String]) -> Help {
    let output = Command::new(program(program_name)).args(path).arg("--help").output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{program_name} {path:?} --help");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let listed = text.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = listed.take_while(|line| !line.is_empty());
    Help {
        // A line that is indented further goes on with the description of the one before.
        commands: commands
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
            .filter_map(|line| line.split_whitespace().next().map(ToOwned::to_owned))
            .collect(),
        flags: flags(&text).collect(),
    }
}

/// Returns every `--flag` of a text.
fn flags(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.filter(|word| word.len() > 2 && word.starts_with("--")).map(ToOwned::to_owned)
}

/// Follows the words behind a program's name as far as they are commands; a wrong one is an error.
fn check_command(line: &str, known: &mut BTreeMap<Vec<String>, Help>) -> Result<(), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let named =
        |word: &str| PROGRAMS.into_iter().find(|program| word.rsplit('/').next() == Some(program));
    let Some((at, name)) = words.iter().enumerate().find_map(|(at, word)| Some((at, named(word)?)))
    else {
        return Ok(());
    };
    let rest = &words[at + 1..];
    let mut path: Vec<String> = Vec::new();
    loop {
        let mut key = vec![name.to_owned()];
        key.extend(path.iter().cloned());
        let here = known.entry(key).or_insert_with(|| help(name, &path));
        let next =
            rest.get(path.len()).filter(|word| !here.commands.is_empty() && is_command(word));
        match next {
            Some(word) if here.commands.contains(*word) => path.push((*word).to_owned()),
            Some(word) => return Err(format!("no command {word}: {line}")),
            None => {
                let unknown = flags(&rest.join(" ")).find(|flag| !here.flags.contains(flag));
                return unknown.map_or(Ok(()), |flag| Err(format!("no flag {flag}: {line}")));
            }
        }
    }
}

fn is_command(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-')
}

#[test]
fn every_command_and_its_flags_exist() {
    let (mut known, mut wrong) = (BTreeMap::new(), BTreeSet::new());
    for document in DOCUMENTS {
        for line in markdown::code(&read(document)) {
            let commands = line.split(['|', '#', ';']).map(str::trim);
            let problems = commands.filter_map(|command| check_command(command, &mut known).err());
            wrong.extend(problems.map(|problem| format!("{document}: {problem}")));
        }
    }
    assert_none("no such command", &wrong);
}

#[test]
fn every_flag_that_stands_alone_exists() {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut open = vec![Vec::new()];
    while let Some(path) = open.pop() {
        let here = help("printery-workers", &path);
        known.extend(here.flags);
        let below = here.commands.into_iter().filter(|command| command != "help");
        open.extend(below.map(|command| [path.clone(), vec![command]].concat()));
    }
    let mut wrong = BTreeSet::new();
    for document in DOCUMENTS {
        for line in markdown::code(&read(document)).iter().filter(|line| line.starts_with("--")) {
            let unknown = flags(line).filter(|flag| !known.contains(flag));
            wrong.extend(unknown.map(|flag| format!("{document}: {flag}")));
        }
    }
    assert_none("no such flag", &wrong);
}
