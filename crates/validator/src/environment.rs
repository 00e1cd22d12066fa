//! The `env` check: variables are set, and look like what they should be.
//!
//! The runner calls it with what the fleet file requires. It names variables and rules, never a value: not even a
//! length.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use printery_config::{EnvCheck, EnvRequirement, EnvRule, EnvSource, Secret};
use printery_events::payload::DeploymentStarted;
use printery_probes::{Class, Error, Outcome, ReasonCode, Report};
use url::Url;

use crate::manifest;

/// Values that somebody meant to replace, compared without case and punctuation.
const PLACEHOLDERS: [&str; 10] = [
    "changeme",
    "changethis",
    "todo",
    "fixme",
    "tbd",
    "xxx",
    "placeholder",
    "replaceme",
    "undefined",
    "null",
];

/// Looks at every required variable of the deployed services and names all that are wrong.
pub(crate) async fn check(
    check: &EnvCheck,
    deployment: &DeploymentStarted,
    services: &[String],
) -> Report {
    let (path, found) = match &check.source {
        EnvSource::Process => {
            return judge(check, "the environment", Vec::new(), |it| it.value.clone());
        }
        EnvSource::File(path) => (path, read(path).await),
        EnvSource::Dir(path) => (path, read_folder(path, check).await),
        EnvSource::Manifest(source) => {
            return manifest::check(check, source, deployment, services).await;
        }
    };
    let target = path.display().to_string();
    match found {
        Ok(Found { values, files }) => {
            let open = check.mode.map(|mode| too_open(&files, mode)).unwrap_or_default();
            judge(check, &target, open, |required| values.get(&required.name).cloned())
        }
        Err(error) => Report::of(&unreadable(path, &error), target, expected(check)),
    }
}

/// Values by name, and the permissions of the files that they stand in.
#[derive(Default)]
struct Found {
    values: BTreeMap<String, Secret>,
    files: Vec<(String, u32)>,
}

/// Says which files more people may read or change than they should.
fn too_open(files: &[(String, u32)], most: u32) -> Vec<String> {
    let open = files.iter().filter(|(_, mode)| mode & 0o777 & !most != 0);
    open.map(|(name, mode)| {
        format!("{name} has the permissions {:04o}, at most {most:04o} is allowed", mode & 0o777)
    })
    .collect()
}

fn judge(
    check: &EnvCheck,
    target: &str,
    open: Vec<String>,
    value: impl Fn(&EnvRequirement) -> Option<Secret>,
) -> Report {
    let mut problems = open;
    problems.extend(check.require.iter().filter_map(|required| {
        let value = value(required);
        let problem = problem(value.as_ref().map(Secret::expose), &required.rule)?;
        Some(format!("{} {problem}", required.name))
    }));
    let mut report = Report::pass(target, expected(check));
    if problems.is_empty() {
        report.observed = match check.require.len() {
            1 => "1 variable as required".to_owned(),
            count => format!("{count} variables as required"),
        };
        report.message = format!("checking {target}: {}", report.observed);
        return report;
    }
    report.observed = problems.join("; ");
    report.message = format!("checking {target}: {}", report.observed);
    report.judged(Outcome::Fail, ReasonCode::Value)
}

/// Says what is wrong with a value, as what follows the variable's name.
pub(crate) fn problem(value: Option<&str>, rule: &EnvRule) -> Option<String> {
    let Some(value) = value else {
        return Some("is not set".to_owned());
    };
    if value.trim().is_empty() {
        return Some("is empty".to_owned());
    }
    if !rule.allow_placeholder && is_placeholder(value) {
        return Some("still holds a placeholder".to_owned());
    }
    if let Some(least) = rule.min_len
        && value.chars().count() < least
    {
        return Some(format!("is shorter than {least} characters"));
    }
    if let Some(most) = rule.max_len
        && value.chars().count() > most
    {
        return Some(format!("is longer than {most} characters"));
    }
    if let Some(pattern) = &rule.matches
        && !pattern.is_in(value.as_bytes())
    {
        return Some(format!("does not match {}", pattern.as_str()));
    }
    if let Some(schemes) = &rule.url {
        let known = |url: &Url| schemes.is_empty() || schemes.iter().any(|s| s == url.scheme());
        if !Url::parse(value).is_ok_and(|url| known(&url)) {
            return Some(if schemes.is_empty() {
                "is not a URL".to_owned()
            } else {
                format!("is not a URL of scheme {}", schemes.join(" or "))
            });
        }
    }
    match &rule.one_of {
        Some(words) if !words.iter().any(|word| word == value) => {
            Some(format!("is not one of {}", words.join(", ")))
        }
        Some(_) | None => None,
    }
}

fn is_placeholder(value: &str) -> bool {
    let value = value.trim();
    let wrapped = (value.starts_with('<') && value.ends_with('>'))
        || (value.starts_with("${") && value.ends_with('}'));
    let letters: String =
        value.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    wrapped || PLACEHOLDERS.contains(&letters.as_str())
}

pub(crate) fn expected(check: &EnvCheck) -> String {
    let names: Vec<&str> = check.require.iter().map(|required| required.name.as_str()).collect();
    format!("{} set to real values", names.join(", "))
}

/// Reads `NAME=value` lines; comments, `export` and quotes are as shells write them.
async fn read(path: &Path) -> io::Result<Found> {
    let text = tokio::fs::read_to_string(path).await?;
    let mode = tokio::fs::metadata(path).await?.permissions().mode();
    let line = |line: &str| {
        let line = line.trim();
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        let value = value.trim();
        let unquoted = ['"', '\'']
            .iter()
            .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
            .unwrap_or(value);
        let comment = line.starts_with('#');
        (!comment).then(|| (name.trim().to_owned(), Secret::new(unquoted.to_owned())))
    };
    let values = text.lines().filter_map(line).collect();
    Ok(Found { values, files: vec![("it".to_owned(), mode)] })
}

/// Reads one file for each required variable; the line break at its end is an editor's.
async fn read_folder(path: &Path, check: &EnvCheck) -> io::Result<Found> {
    // A folder that is not there is not one without files.
    drop(tokio::fs::read_dir(path).await?);
    let mut found = Found::default();
    for required in &check.require {
        let file = path.join(&required.name);
        let text = match tokio::fs::read_to_string(&file).await {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mode = tokio::fs::metadata(&file).await?.permissions().mode();
        let value = text.trim_end_matches(['\r', '\n']).to_owned();
        found.values.insert(required.name.clone(), Secret::new(value));
        found.files.push((required.name.clone(), mode));
    }
    Ok(found)
}

/// A file that is not there is an answer; one that may not be read is not.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Error {
    let class =
        if error.kind() == io::ErrorKind::NotFound { Class::Permanent } else { Class::Internal };
    let observed = format!("it cannot be read: {}", error.kind());
    Error::new(class, ReasonCode::Value, format!("reading {}", path.display()), observed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::deployment;

    async fn checked(check: &EnvCheck) -> Report {
        super::check(check, &deployment(&["api"]), &[]).await
    }

    fn required(name: &str, value: Option<&str>, rule: EnvRule) -> EnvRequirement {
        let value = value.map(|value| Secret::new(value.to_owned()));
        EnvRequirement { name: name.to_owned(), value, rule }
    }

    #[test]
    fn a_value_is_held_against_every_rule() {
        let plain = EnvRule::default();
        let long = EnvRule { min_len: Some(20), ..EnvRule::default() };
        let short = EnvRule { max_len: Some(5), ..EnvRule::default() };
        let pattern = printery_expressions::Pattern::compile("^[a-z]+$").unwrap();
        let letters = EnvRule { matches: Some(pattern), ..EnvRule::default() };
        let url = EnvRule { url: Some(vec!["postgres".into()]), ..EnvRule::default() };
        let any_url = EnvRule { url: Some(vec![]), ..EnvRule::default() };
        let word = EnvRule { one_of: Some(vec!["on".into(), "off".into()]), ..EnvRule::default() };
        let lax = EnvRule { allow_placeholder: true, ..EnvRule::default() };
        let cases = [
            (None, &plain, Some("is not set")),
            (Some(""), &plain, Some("is empty")),
            (Some("  "), &plain, Some("is empty")),
            (Some("changeme"), &plain, Some("still holds a placeholder")),
            (Some("Change-Me!"), &plain, Some("still holds a placeholder")),
            (Some("TODO"), &plain, Some("still holds a placeholder")),
            (Some("<your token>"), &plain, Some("still holds a placeholder")),
            (Some("${TOKEN}"), &plain, Some("still holds a placeholder")),
            (Some("TODO"), &lax, None),
            (Some("s3cr3t"), &plain, None),
            (Some("short"), &long, Some("is shorter than 20 characters")),
            (Some("twenty characters ok"), &long, None),
            (Some("longer"), &short, Some("is longer than 5 characters")),
            (Some("short"), &short, None),
            (Some("Letters"), &letters, Some("does not match ^[a-z]+$")),
            (Some("letters"), &letters, None),
            (Some("http://db"), &url, Some("is not a URL of scheme postgres")),
            (Some("postgres://db"), &url, None),
            (Some("db"), &any_url, Some("is not a URL")),
            (Some("maybe"), &word, Some("is not one of on, off")),
            (Some("off"), &word, None),
        ];
        for (value, rule, expected) in cases {
            assert_eq!(problem(value, rule).as_deref(), expected, "{value:?} {rule:?}");
        }
    }

    #[tokio::test]
    async fn every_wrong_variable_is_named_and_no_value_is_shown() {
        let rule = EnvRule { min_len: Some(20), ..EnvRule::default() };
        let require = vec![
            required("GOOD", Some("hunter2-hunter2-hunter2"), rule.clone()),
            required("SHORT", Some("hunter2"), rule),
            required("GONE", None, EnvRule::default()),
        ];
        let report = checked(&EnvCheck { source: EnvSource::Process, mode: None, require }).await;
        assert_eq!(report.outcome, Outcome::Fail);
        assert_eq!(report.observed, "SHORT is shorter than 20 characters; GONE is not set");
        assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
    }

    #[tokio::test]
    async fn a_file_of_variables_is_read_as_shells_write_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkout.env");
        let text = "# A=1\nexport B=two\nC=\"three\"\nD='four'\n\nnonsense\nE = five\n";
        std::fs::write(&path, text).unwrap();
        let all = ["B", "C", "D", "E"].map(|name| required(name, None, EnvRule::default()));
        let source = EnvSource::File(path);
        let report =
            checked(&EnvCheck { source: source.clone(), mode: None, require: all.to_vec() }).await;
        assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
        let commented = vec![required("A", None, EnvRule::default())];
        let report = checked(&EnvCheck { source, mode: None, require: commented }).await;
        assert_eq!(report.observed, "A is not set");
    }

    #[tokio::test]
    async fn a_missing_file_is_a_failure() {
        let source = EnvSource::File("/does/not/exist.env".into());
        let report = checked(&EnvCheck { source, mode: None, require: Vec::new() }).await;
        assert_eq!(report.outcome, Outcome::Fail, "{report:?}");
    }

    #[tokio::test]
    async fn mounted_secrets_are_files_that_not_everybody_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, mode: u32| {
            let path = folder.path().join(name);
            std::fs::write(&path, "hunter2\n").unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        write("KEY", 0o640);
        write("OPEN", 0o644);
        let source = EnvSource::Dir(folder.path().to_owned());
        let of = |names: &[&str]| {
            let require =
                names.iter().map(|name| required(name, None, EnvRule::default())).collect();
            EnvCheck { source: source.clone(), mode: Some(0o640), require }
        };
        assert_eq!(checked(&of(&["KEY"])).await.outcome, Outcome::Pass);
        let report = checked(&of(&["KEY", "OPEN", "GONE"])).await;
        let expected = "OPEN has the permissions 0644, at most 0640 is allowed; GONE is not set";
        assert_eq!((report.outcome, report.observed.as_str()), (Outcome::Fail, expected));
        assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
    }
}
