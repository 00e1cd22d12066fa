//! The whole fleet file, read, checked and with every default applied.
//!
//! Owns the top level and the way from a path to a value. The harness and the manager load it
//! once at start. Never holds a half-checked file: it is whole or it is a list of problems.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::case::Case;
use crate::check::Check;
use crate::dependency::DependencyChecker;
use crate::egress::EgressRules;
use crate::endpoint::Endpoint;
use crate::engine::Engine;
use crate::graph::Graph;
use crate::health::HealthMonitor;
use crate::inhibit::Inhibit;
use crate::interpolate::{Env, Variables};
use crate::node::Node;
use crate::pages::Pages;
use crate::problem::{Code, Problem, Problems};
use crate::reader::Reader;
use crate::receiver::{Notifier, Receiver};
use crate::route::Route;
use crate::schema::Ear;
use crate::sections;
use crate::service::Service;
use crate::store::Store;
use crate::validator::Validator;
use crate::window::Window;

/// The fleet that runs without any file.
const MATERI: &str = include_str!("../../../deploy/fleets/materi.yaml");

/// What [`Fleet::source`] says of it.
const BUILT_IN: &str = "built-in profile materi";

/// The largest file that is read. Real ones have a hundredth of it.
const LARGEST: u64 = 1024 * 1024;

/// Holds everything the fleet file says.
#[derive(Clone, Debug, Serialize)]
pub struct Fleet {
    /// The fleet's name.
    #[serde(rename = "fleet")]
    pub name: String,
    /// The file's layer of the engine's settings.
    pub engine: Engine,
    /// The address the manager listens on, the file's layer of `--http-addr`.
    pub listen: Option<String>,
    /// The file with the API's tokens, the file's layer of `PRINTERY_API_TOKENS_FILE`.
    pub tokens_file: Option<String>,
    /// Where jobs are remembered.
    pub store: Store,
    /// Stages whose completion is followed by checks.
    pub stages: Vec<String>,
    /// Which addresses may be reached.
    pub egress: EgressRules,
    /// What we deploy, by name.
    pub services: BTreeMap<String, Service>,
    /// What our services need, by name.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// What is checked before a deployment, by name.
    pub checks: BTreeMap<String, Check>,
    /// Times of the week, by name.
    pub windows: BTreeMap<String, Window>,
    /// The validator's settings.
    pub validator: Validator,
    /// The dependency-checker's settings.
    pub dependency_checker: DependencyChecker,
    /// The health-monitor's settings.
    pub health_monitor: HealthMonitor,
    /// The notifier's settings.
    pub notifier: Notifier,
    /// Who is told, by name.
    pub receivers: BTreeMap<String, Receiver>,
    /// What is told to whom, in order.
    pub routes: Vec<Route>,
    /// What is hidden from whom because its cause was told.
    pub inhibit: Vec<Inhibit>,
    /// The fleet's own words.
    pub templates: Pages,
    /// Who needs whom.
    #[serde(skip)]
    pub graph: Graph,
    /// The file's own tests.
    #[serde(skip)]
    pub tests: Vec<Case>,
    /// What somebody should look at.
    #[serde(skip)]
    pub warnings: Vec<Problem>,
    #[serde(skip)]
    pub(crate) source: String,
    /// Tells two readings apart, secrets included; never shown.
    #[serde(skip)]
    pub(crate) fingerprint: [u8; 32],
}

impl Fleet {
    /// Loads a fleet file, or the built-in profile `materi` when there is none.
    ///
    /// `env` answers what `${env:NAME}` refers to. Where a setting has a flag of its own
    /// (`--redis-url`, `--slack-webhook`), it should answer with the flag's value.
    ///
    /// # Errors
    /// Everything that is wrong with the file at once.
    pub fn load(path: Option<&Path>, env: Env<'_>) -> Result<Self, Problems> {
        match path {
            None => Self::parse(BUILT_IN, MATERI, env),
            Some(path) => {
                let file = path.display().to_string();
                let text = text_of(path).map_err(|why| {
                    Problems::one(Problem {
                        code: Code::Unreadable,
                        file: file.clone(),
                        at: None,
                        text: why,
                        hint: None,
                        line: None,
                    })
                })?;
                Self::parse(&file, &text, env)
            }
        }
    }

    /// Reads the text of a fleet file; `file` is what problems call it.
    ///
    /// # Errors
    /// Everything that is wrong with the text at once.
    pub fn parse(file: &str, text: &str, env: Env<'_>) -> Result<Self, Problems> {
        let root = Node::parse(file, text)?;
        let (mut fleet, problems) = read(file, text, &root, env, None);
        fleet.warnings = Problems::judge(problems)?;
        Ok(fleet)
    }

    /// Returns where the fleet was read from: a path, or `built-in profile materi`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns everything with defaults applied and secrets as `***`.
    pub fn resolved(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Returns what tells two configurations apart: SHA-256 over [`Fleet::resolved`], in hex.
    pub fn digest(&self) -> String {
        let mut hex = String::with_capacity(64);
        for byte in Sha256::digest(self.resolved().to_string()) {
            for digit in [byte >> 4, byte & 0xf] {
                hex.extend(char::from_digit(digit.into(), 16));
            }
        }
        hex
    }
}

/// Reads a parsed file with everything that is wrong with it; `ear` hears what is asked for.
pub(crate) fn read(
    file: &str,
    text: &str,
    root: &Node,
    env: Env<'_>,
    ear: Option<&Ear>,
) -> (Fleet, Vec<Problem>) {
    let first = Reader::new(file, text, Variables::new(env, BTreeMap::new())).heard_by(ear);
    let vars = sections::vars(&first, root);
    let mut trace = Sha256::new_with_prefix(text);
    trace.update(first.variables.trace());
    let mut problems = first.into_problems();
    let reader = Reader::new(file, text, Variables::new(env, vars)).heard_by(ear);
    let mut fleet = sections::fleet(&reader, root);
    trace.update(reader.variables.trace());
    fleet.templates.sources().for_each(|text| trace.update(text));
    fleet.fingerprint = trace.finalize().into();
    problems.append(&mut reader.into_problems());
    file.clone_into(&mut fleet.source);
    (fleet, problems)
}

/// Reads a file that is not too large.
fn text_of(path: &Path) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > LARGEST {
        return Err(format!("is {size} bytes; a fleet file has at most {LARGEST}"));
    }
    fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))
}
