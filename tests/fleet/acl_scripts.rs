//! What the shipped users need, read from the scripts themselves.
//!
//! A script that begins to use a command fails here until whoever runs it has the right; a right that nothing needs any more
//! fails as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use printery_testkit::acl::deployed;

use crate::acl::Guarded;
use crate::site::fleet_file;

/// Who runs each script; those that are only a part of others stand with whoever runs one that needs all of it.
const SCRIPTS: &[(&str, &[&str])] = &[
    ("account", &["manager"]),
    ("admit", &["worker"]),
    ("adopt", &["worker"]),
    ("append", &["manager"]),
    ("ask_for_spawn", &["manager"]),
    ("ask_destination", &["worker"]),
    ("backlog", &["manager"]),
    ("beat", &["worker"]),
    ("bodies", &["manager"]),
    ("budget", &["manager"]),
    ("budget_give", &["worker", "manager"]),
    ("budget_level", &["manager"]),
    ("bury", &["worker"]),
    ("bury_lost", &["manager"]),
    ("bury_token", &["manager"]),
    ("cancel", &["manager"]),
    ("change_budget", &["manager"]),
    ("commit", &["worker"]),
    ("defer", &["worker"]),
    ("deployment", &["worker"]),
    ("drop", &["manager"]),
    ("enqueue", &["manager", "producer"]),
    ("fence", &["worker", "manager"]),
    ("fenced", &["manager"]),
    ("flow", &["manager"]),
    ("follow_up", &["worker"]),
    ("free_lock", &["manager"]),
    ("frontier", &["worker"]),
    ("groups", &["worker", "manager"]),
    ("hold_lock", &["manager"]),
    ("ids", &["worker", "manager"]),
    ("leave", &["worker"]),
    ("mend", &["worker", "manager"]),
    ("move", &["worker", "manager"]),
    ("move_process", &["manager"]),
    ("parked", &["manager"]),
    ("pass_fence", &["manager"]),
    ("peek", &["worker", "manager"]),
    ("places", &["manager"]),
    ("promote", &["worker"]),
    ("put_away", &["manager"]),
    ("reclaim", &["worker"]),
    ("redrive", &["manager"]),
    ("release", &["worker"]),
    ("replace_deployment", &["worker"]),
    ("report_destination", &["worker"]),
    ("renew", &["worker"]),
    ("requeue", &["manager"]),
    ("rescue", &["manager"]),
    ("retire", &["worker", "manager"]),
    ("rows", &["manager"]),
    ("seen", &["worker"]),
    ("set_position", &["operator"]),
    ("take", &["worker"]),
    ("take_away", &["manager"]),
    ("traces", &["manager"]),
    ("trim", &["manager"]),
    ("turns", &["worker", "manager"]),
    ("write", &["worker", "manager"]),
    ("write_off", &["manager"]),
];

/// Commands that a script runs by a name in a variable; zcard and xlen are in its calls of `size`.
const CHOSEN: &[(&str, &[&str])] = &[("flow", &["zcard", "xlen"])];

/// What a connection needs before it does anything: the pool's check, the way to the right node, scripts, confirmation.
const CONNECTION: &str =
    "ping unwatch role cluster|slots type client|setinfo evalsha script|load wait waitaof";

/// What each sends itself beside its scripts.
const DIRECT: &[(&str, &str)] = &[
    (
        "worker",
        "info time command|info xgroup|create xpending xread xreadgroup xrevrange zrangebylex hset \
         hget hdel hmget hvals pexpire",
    ),
    (
        "manager",
        "info time command|info exists persist xgroup|create xinfo|stream xinfo|groups xinfo|consumers xlen xrange \
         xrevrange xread xpending xdel zcard zrange zrangebylex hset hget hmget hgetall hvals hdel hscan pexpire",
    ),
    ("operator", ""),
    ("producer", "xadd"),
];

/// Where the scripts stand: those of deliveries, and those of records.
const FOLDERS: [&str; 2] = ["../crates/streams/src/scripts", "../crates/fleet/src/scripts"];

/// The text of a script, in whichever folder it stands.
fn text_of(script: &str) -> String {
    let files = FOLDERS.map(|folder| deployed(folder).join(format!("{script}.lua")));
    let file = files.iter().find(|file| file.exists());
    fs::read_to_string(file.unwrap_or_else(|| panic!("no folder has {script}.lua"))).expect(script)
}

/// The commands that a script's text runs, as a rule names them.
fn commands(script: &str, text: &str) -> BTreeSet<String> {
    let calls = text.split("redis.call(").skip(1).chain(text.split("redis.pcall(").skip(1));
    let chosen = CHOSEN.iter().filter(|(name, _)| *name == script);
    let mut commands: BTreeSet<String> = chosen
        .flat_map(|(_, commands)| commands.iter().map(|&command| command.to_owned()))
        .collect();
    for call in calls {
        let mut words = call.split('\'');
        let constant = words.next() == Some("");
        assert!(constant || !commands.is_empty(), "{script}: which command? {call:.40}");
        let command = words.next().unwrap_or_default().to_lowercase();
        match (command.as_str(), words.next(), words.next()) {
            _ if !constant => {}
            ("xinfo" | "xgroup", Some(", "), Some(word)) => {
                commands.insert(format!("{command}|{}", word.to_lowercase()));
            }
            _ => {
                commands.insert(command);
            }
        }
    }
    commands
}

#[tokio::test]
async fn each_user_has_the_rights_that_its_scripts_need_and_no_others() {
    let guarded = Guarded::new(&fleet_file("http://127.0.0.1:1")).await;
    let mut needed: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (user, words) in DIRECT {
        let words = words.split_whitespace().chain(CONNECTION.split(' ')).map(str::to_owned);
        needed.entry(user).or_default().extend(words);
    }
    for (script, users) in SCRIPTS {
        let text = text_of(script);
        for user in *users {
            needed.entry(user).or_default().extend(commands(script, &text));
        }
    }
    // An operator is a manager and more.
    let manager = needed["manager"].clone();
    needed.entry("operator").or_default().extend(manager);
    // This server may be too old to know them; the users are told without them then.
    let known = |command: &String| {
        !["client|setinfo", "waitaof"].contains(&command.as_str())
            || guarded.users["producer"].commands().any(|granted| granted == command)
    };
    for (user, needed) in needed {
        let needed: BTreeSet<String> = needed.into_iter().filter(known).collect();
        let granted: BTreeSet<String> = guarded.users[user].commands().map(str::to_owned).collect();
        let lacking: Vec<_> = needed.difference(&granted).collect();
        let unused: Vec<_> = granted.difference(&needed).collect();
        assert!(lacking.is_empty(), "deploy/acl/{user}.acl lacks {lacking:?}");
        assert!(unused.is_empty(), "deploy/acl/{user}.acl grants what nothing needs: {unused:?}");
    }
}

#[test]
fn every_script_is_somebody_s() {
    let folders = FOLDERS.map(|folder| fs::read_dir(deployed(folder)).expect("the scripts"));
    let files: BTreeSet<String> = folders
        .into_iter()
        .flatten()
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .filter_map(|name| name.strip_suffix(".lua").map(str::to_owned))
        .collect();
    let listed: BTreeSet<String> = SCRIPTS.iter().map(|(script, _)| (*script).to_owned()).collect();
    assert_eq!(files, listed, "say in SCRIPTS who runs it, and give them its commands");
}
