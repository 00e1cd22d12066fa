//! `explain`: one answer per reason, as it is printed; each state is one that the engine's own
//! scripts have made.
//!
//! The answers are in `golden/`. What differs from run to run stands in them as `<entry>`,
//! `<time>` and `<span>`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use printery_testkit::eventually;

use crate::explain_scene::{Scene, later};
use crate::shell::Said;

/// How long a lease of a second may take to end on a loaded machine.
const SOON: Duration = Duration::from_secs(20);

/// Compares what was said with the file of this name.
fn assert_golden(scene: &Scene, name: &str, said: &Said) {
    let found =
        masked(&said.out.replace(&scene.shell.redis.socket().display().to_string(), "<redis>"));
    let file = format!("{name}.txt");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/golden").join(&file);
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if found != expected {
        let aside = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        fs::write(&aside, &found).expect("a writable folder");
        panic!("{} differs; found (also in {}):\n{found}", path.display(), aside.display());
    }
}

/// Replaces what differs from run to run: moments, entry ids, spans.
fn masked(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let bound = !out.ends_with(|c: char| c.is_ascii_alphanumeric());
        let length = if bound { moment(rest).map(|length| (length, 't')) } else { None }
            .or_else(|| if bound { entry(rest).map(|length| (length, 'e')) } else { None })
            .or_else(|| if bound { span(rest).map(|length| (length, 's')) } else { None });
        let Some((length, kind)) = length else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        rest = &rest[length..];
        match kind {
            't' => out.push_str("<time>"),
            'e' => out.push_str("<entry>"),
            _ => out.push_str("<span>"),
        }
    }
    out
}

/// Length of a moment at the beginning of a text.
fn moment(text: &str) -> Option<usize> {
    const SHAPE: &str = "0000-00-00 00:00:00.000Z";
    let same = |(found, shape): (u8, u8)| {
        if shape == b'0' { found.is_ascii_digit() } else { found == shape }
    };
    (text.len() >= SHAPE.len() && text.bytes().zip(SHAPE.bytes()).all(same)).then_some(SHAPE.len())
}

/// Length of an entry's id at the beginning of a text.
fn entry(text: &str) -> Option<usize> {
    let ms = digits(text);
    let seq = text[ms..].strip_prefix('-').map(digits)?;
    (ms == 13 && seq > 0).then_some(ms + 1 + seq)
}

/// Length of a span at the beginning of a text.
fn span(text: &str) -> Option<usize> {
    let whole = digits(text);
    if whole == 0 {
        return None;
    }
    let rest = &text[whole..];
    if rest.starts_with(" ms") {
        return Some(whole + 3);
    }
    if let Some(rest) = rest.strip_prefix('.') {
        let tenth = digits(rest);
        return rest[tenth..].starts_with(" s").then_some(whole + 1 + tenth + 2);
    }
    let unit = rest.chars().next().filter(|unit| "mhd".contains(*unit))?;
    let small = rest[unit.len_utf8()..].strip_prefix(' ')?;
    (digits(small) == 2).then_some(whole + 5)
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[test]
fn what_differs_from_run_to_run_is_masked() {
    let text =
        "at 2024-11-22 05:00:00.012Z: 1732251600000-1|1, in 4.2 s, 12 ms, 3m 07s; attempt 1 of 3";
    let expected = "at <time>: <entry>|1, in <span>, <span>, <span>; attempt 1 of 3";
    assert_eq!(masked(text), expected);
}

#[tokio::test]
async fn undelivered() {
    let mut scene = Scene::set().await;
    scene.publish("e-1", "d-1").await;
    scene.beat().await;
    assert_golden(&scene, "undelivered", &scene.explain("e-1"));
}

#[tokio::test]
async fn running() {
    let mut scene = Scene::set().await;
    scene.publish("e-1", "d-1").await;
    scene.beat().await;
    scene.take().await;
    assert_golden(&scene, "running", &scene.explain("e-1"));
}

#[tokio::test]
async fn lease_expired() {
    let mut scene = Scene::set().await;
    scene.publish("e-1", "d-1").await;
    scene.beat().await;
    scene.take().await;
    let words = ["explain", "e-1", "--lease", "1s"];
    let said = eventually("the lease has ended", SOON, async || {
        let said = scene.shell.typed(&words);
        if said.out.contains("lease expired") { Ok(said) } else { Err(said.out) }
    })
    .await;
    assert_golden(&scene, "lease_expired", &said);
}

#[tokio::test]
async fn delayed() {
    let mut scene = Scene::set().await;
    scene.publish("e-1", "d-1").await;
    let delivery = scene.take().await.remove(0);
    scene.defer(&delivery, 1, "timeout: the handler took longer than 60s").await;
    assert_golden(&scene, "delayed", &scene.explain("e-1"));
}

#[tokio::test]
async fn breaker_open() {
    let mut scene = Scene::set().await;
    scene.publish("e-1", "d-1").await;
    let delivery = scene.take().await.remove(0);
    scene.defer(&delivery, 0, "breaker_open: api.vercel.com failed 5 times in a row").await;
    assert_golden(&scene, "breaker_open", &scene.explain("e-1"));
}

#[tokio::test]
async fn in_the_inbox() {
    let mut scene = Scene::set().await;
    scene.publish("e-1", "d-1").await;
    scene.beat().await;
    let delivery = scene.take().await.remove(0);
    scene.release(&delivery).await;
    assert_golden(&scene, "in_the_inbox", &scene.explain("e-1"));
}

#[tokio::test]
async fn paused() {
    let mut scene = Scene::set().await;
    scene.publish("e-1", "d-1").await;
    scene.beat().await;
    let words = ["group", "pause", "validator", "--reason", "a migration", "--actor", "ann"];
    assert_eq!(scene.shell.typed(&words).code, 0);
    assert_golden(&scene, "paused", &scene.explain("e-1"));
}

#[tokio::test]
async fn owned_elsewhere() {
    let mut scene = Scene::set().await;
    scene.publish("e-1", "d-1").await;
    scene.beat().await;
    assert_eq!(scene.shell.typed(&["owner", "set", "validator", "legacy"]).code, 0);
    assert_golden(&scene, "owned_elsewhere", &scene.explain("e-1"));
}

#[tokio::test]
async fn blocked_by_order() {
    let mut scene = Scene::set().await;
    scene.beat().await;
    for id in ["e-1", "e-2", "e-3"] {
        scene.publish(id, "d-1").await;
    }
    let taken = scene.take().await;
    assert_eq!(taken.len(), 1, "the others wait in line");
    assert_golden(&scene, "blocked_by_order", &scene.explain("e-3"));
    scene.defer(&taken[0], 1, "timeout: slow").await;
    assert_golden(&scene, "blocked_by_a_delayed_one", &scene.explain("e-2"));
}

#[tokio::test]
async fn dead() {
    let mut scene = Scene::set().await;
    scene.publish("e-1", "d-1").await;
    let delivery = scene.take().await.remove(0);
    scene.bury(&delivery).await;
    assert_golden(&scene, "dead", &scene.explain("e-1"));
}

#[tokio::test]
async fn done() {
    let mut scene = Scene::set().await;
    scene.publish("e-1", "d-1").await;
    let delivery = scene.take().await.remove(0);
    scene.commit(&delivery).await;
    assert_golden(&scene, "done", &scene.explain("e-1"));
}

#[tokio::test]
async fn deduplicated() {
    let mut scene = Scene::set().await;
    scene.publish("e-1", "d-1").await;
    let delivery = scene.take().await.remove(0);
    scene.settle(&delivery, Vec::new()).await;
    let twin = scene.publish("e-1", "d-1").await;
    let delivery = scene.take().await.remove(0);
    scene.commit(&delivery).await;
    assert_golden(&scene, "deduplicated", &scene.explain(&twin));
}

#[tokio::test]
async fn trimmed() {
    let mut scene = Scene::set().await;
    scene.keep_entries_apart().await;
    let entry = scene.publish("e-1", "d-1").await;
    scene.publish("e-2", "d-2").await;
    for delivery in scene.take().await {
        scene.settle(&delivery, Vec::new()).await;
    }
    scene.settle_for_notifier().await;
    scene.trim().await;
    // The settlement log is capped; this is what the cap does to its oldest lines.
    scene.shell.conn.cmd(&["XTRIM", "materi:printery:log:validator", "MAXLEN", "0"]).await;
    assert_golden(&scene, "trimmed", &scene.explain(&entry));
}

#[tokio::test]
async fn unknown() {
    let mut scene = Scene::set().await;
    scene.publish("e-1", "d-1").await;
    let said = scene.explain("e-2");
    assert_eq!(said.code, 1, "{said:?}");
    assert_golden(&scene, "unknown", &said);
    let much_later = later(&scene.publish("e-3", "d-1").await);
    assert_eq!(scene.explain(&much_later).code, 1, "nothing was added after it");
}
