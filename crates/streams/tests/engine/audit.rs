//! The books: they balance at every instant, and what they are wrong by is what was taken.

use std::time::Duration;

use printery_streams::audit::mend::{self, Mended};
use printery_streams::audit::{self, Account, Parked, Place, Traces, Waits, Wanted};
use printery_streams::browse::Pages;
use printery_streams::inspect::PendingEntry;
use printery_streams::{EntryId, History};

use crate::scene::{
    BODIES, DEAD, DELAY, GROUP, INBOX, LEDGER, ME, OTHER, RESULTS, SOURCE, Scene, WORKER,
    awkward_fields, bury, commit, defer, fields, id, publication, release,
};

const MEMBER: (&str, &str) = (WORKER, GROUP);

async fn account(scene: &mut Scene) -> Account {
    audit::account(&mut scene.session, SOURCE, GROUP, LEDGER).await.unwrap()
}

/// What was added and is nowhere to be found in the books.
async fn missing(scene: &mut Scene) -> i64 {
    let account = account(scene).await;
    let position = account.position.unwrap();
    let waiting = audit::undelivered(&mut scene.session, SOURCE, &account).await.unwrap();
    let counted: i64 = account.outcomes(SOURCE).map(|(_, count)| count).sum();
    let known = position.pending + waiting;
    i64::try_from(account.added).unwrap() - counted - i64::try_from(known).unwrap()
}

#[tokio::test]
async fn every_way_out_of_the_pending_list_is_counted() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 6).await;
    scene.add_waiting(3).await;
    let body = fields(&[("data", "body")]);
    let settler = scene.settler_within(ME, 60_000);
    let results = vec![publication(RESULTS, "result")];
    for (fence, event) in fences.iter().zip(["e-1", "e-1"]) {
        let done = commit(fence, event, results.clone());
        settler.commit(&mut scene.session, &[&done]).await.unwrap();
    }
    let later = defer(&fences[2], Duration::from_secs(60), &body);
    settler.defer(&mut scene.session, &[&later]).await.unwrap();
    settler.release(&mut scene.session, &[&release(&fences[3], &body)]).await.unwrap();
    settler.bury(&mut scene.session, &[&bury(&fences[4], "e-5", &body)]).await.unwrap();
    let before = scene.contents().await;
    let account = account(&mut scene).await;
    let mut outcomes: Vec<_> = account.outcomes(SOURCE).collect();
    outcomes.sort_unstable();
    let expected = [("dead", 1), ("deferred", 1), ("done", 1), ("duplicate", 1), ("released", 1)];
    assert_eq!(outcomes, expected);
    assert_eq!((account.added, account.length, account.plausible_lag()), (9, 9, Some(3)));
    assert_eq!(missing(&mut scene).await, 0);
    let flow = audit::flow(&mut scene.session, &scene.keys, WORKER).await.unwrap().unwrap();
    let seen = (flow.delayed, flow.in_line, flow.inbox_added, flow.dead_added, flow.dead);
    assert_eq!(seen, (1, 0, 1, 1, 1));
    assert_eq!(scene.contents().await, before, "looking changes nothing");
}

#[tokio::test]
async fn what_somebody_takes_is_missing_in_the_books() {
    let cases: [(&[&str], i64); 6] = [
        (&["XACK", SOURCE, GROUP, "1-0"], 1),
        (&["XGROUP", "DELCONSUMER", SOURCE, GROUP, ME], 2),
        (&["XGROUP", "SETID", SOURCE, GROUP, "5-0"], 3),
        (&["XGROUP", "SETID", SOURCE, GROUP, "999-0"], 3),
        (&["XDEL", SOURCE, "4-0"], 1),
        (&["XTRIM", SOURCE, "MAXLEN", "0"], 3),
    ];
    for (words, expected) in cases {
        let mut scene = Scene::set().await;
        scene.ensure_group(SOURCE).await;
        for n in 1..=5 {
            scene.db.cmd(&["XADD", SOURCE, &format!("{n}-0"), "data", "x"]).await;
        }
        let read = ["XREADGROUP", "GROUP", GROUP, ME, "COUNT", "2", "STREAMS", SOURCE, ">"];
        scene.db.cmd(&read).await;
        assert_eq!(missing(&mut scene).await, 0);
        scene.db.cmd(words).await;
        assert_eq!(missing(&mut scene).await, expected, "{words:?}");
    }
}

#[tokio::test]
async fn rows_tell_whether_their_body_is_there_and_pages_reach_the_end() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 300).await;
    scene.delete_body(&fences[150]).await;
    let (mut from, mut all) = (EntryId::default(), Vec::new());
    loop {
        let page = audit::rows(&mut scene.session, SOURCE, GROUP, from).await.unwrap();
        let Some(last) = page.last() else { break };
        from = last.pending.entry.next();
        all.extend(page);
    }
    assert_eq!(all.len(), 300);
    let lost: Vec<_> =
        all.iter().filter(|row| !row.has_body).map(|row| row.pending.entry).collect();
    assert_eq!(lost, [fences[150].entry]);
    let none = audit::rows(&mut scene.session, "t:none", GROUP, EntryId::default()).await;
    assert_eq!(none.unwrap(), []);
}

async fn parked(scene: &mut Scene, waits: Waits) -> Vec<Parked> {
    let (mut cursor, mut all) = ("0".to_owned(), Vec::new());
    loop {
        let (session, keys) = (&mut scene.session, &scene.keys);
        let (next, page) = audit::parked(session, keys, WORKER, waits, &cursor).await.unwrap();
        all.extend(page);
        if next == "0" {
            return all;
        }
        cursor = next;
    }
}

#[tokio::test]
async fn what_waits_is_listed_with_its_origin_and_its_body() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 200).await;
    let origin = ("t:elsewhere".to_owned(), id("7-1"));
    let history =
        History { origin_stream: origin.0.clone(), origin_entry: origin.1, ..History::default() };
    let body = history.seal(&awkward_fields());
    for fence in &fences {
        let later = defer(fence, Duration::from_secs(600), &body);
        scene.settler(ME).defer(&mut scene.session, &[&later]).await.unwrap();
    }
    let bare = format!("{SOURCE}|{}|1", fences[3].entry);
    scene.db.cmd(&["HDEL", BODIES, &bare]).await;
    scene.db.cmd(&["ZREM", DELAY, &format!("{SOURCE}|{}|1", fences[4].entry)]).await;
    let line = format!("{}:line:{WORKER}", "t:printery");
    let member = format!("d-1\0{:020}-{:020}\0{SOURCE}|9-9|1", 9, 9);
    scene.db.cmd(&["ZADD", &line, "0", &member]).await;

    let found = parked(&mut scene, Waits::Due).await;
    assert_eq!(found.len(), 199);
    for one in found {
        assert_eq!(one.member, one.token.as_bytes());
        assert!(one.due_ms > 1_000_000_000_000, "{one:?}");
        let known = (one.token != bare).then(|| origin.clone());
        assert_eq!((one.has_body, one.origin), (known.is_some(), known));
    }
    let found = parked(&mut scene, Waits::InLine).await;
    let seen = (found[0].member.clone(), found[0].token.clone(), found[0].has_body);
    assert_eq!(seen, (member.into_bytes(), format!("{SOURCE}|9-9|1"), false));

    let (mut cursor, mut orphans) = ("0".to_owned(), Vec::new());
    loop {
        let (session, keys) = (&mut scene.session, &scene.keys);
        let (next, page) = audit::bodies(session, keys, WORKER, &cursor).await.unwrap();
        orphans.extend(page.into_iter().filter(|body| !body.is_delayed));
        if next == "0" {
            break;
        }
        cursor = next;
    }
    assert_eq!(orphans.len(), 1);
    assert_eq!(orphans[0].token, format!("{SOURCE}|{}|1", fences[4].entry));
}

#[tokio::test]
async fn places_are_looked_at_again_all_at_once() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    let waiting = scene.add_waiting(1).await;
    scene.db.cmd(&["XACK", SOURCE, GROUP, &fences[1].entry.to_string()]).await;
    scene.db.cmd(&["ZADD", DELAY, "5", "token"]).await;
    let entry = |entry: &str| Place::Entry { stream: SOURCE.into(), entry: id(entry) };
    let member = |member: &str| Place::Member { key: DELAY.into(), member: member.into() };
    let places = [
        entry(&fences[0].entry.to_string()),
        entry(&fences[1].entry.to_string()),
        entry(&waiting[0]),
        entry("1-1"),
        member("token"),
        member("other"),
        Place::Entry { stream: DELAY.into(), entry: id("1-1") },
    ];
    let seen = audit::still_there(&mut scene.session, GROUP, &places).await.unwrap();
    assert_eq!(seen, [true, false, true, false, true, false, false]);
    assert!(audit::still_there(&mut scene.session, GROUP, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lost_row_is_buried_once() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    scene.delete_body(&fences[0]).await;
    let mut done = Vec::new();
    for fence in fences.iter().chain(&fences) {
        let (session, keys) = (&mut scene.session, &scene.keys);
        done.push(mend::bury_lost(session, keys, MEMBER, SOURCE, fence.entry).await.unwrap());
    }
    assert_eq!(done, [Mended::Done, Mended::Gone, Mended::Gone, Mended::Gone]);
    let letter = &scene.db.entries(DEAD).await[0];
    assert_eq!(letter.text("failure_reason"), "lost_body");
    assert_eq!(letter.text("original_entry"), fences[0].entry.to_string());
    assert_eq!(scene.contents().await.pending(SOURCE).len(), 1, "what has a body stays");
    assert_eq!(missing(&mut scene).await, 0, "what is lost is in the books");
}

#[tokio::test]
async fn an_entry_that_was_passed_over_comes_through_the_inbox() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let passed = id(&scene.add_fields(SOURCE, &awkward_fields()).await);
    scene.db.cmd(&["XGROUP", "SETID", SOURCE, GROUP, "$"]).await;
    assert_eq!(missing(&mut scene).await, 1);
    let (session, keys) = (&mut scene.session, &scene.keys);
    let held = mend::requeue(session, keys, MEMBER, SOURCE, fences[0].entry).await.unwrap();
    assert_eq!(held, Mended::Gone, "it is pending: somebody works on it");
    let done = mend::requeue(session, keys, MEMBER, SOURCE, passed).await.unwrap();
    assert_eq!(done, Mended::Done);
    let found = scene.contents().await.entries(INBOX);
    let (history, own) = History::open(found[0].clone());
    assert_eq!(own, awkward_fields());
    assert_eq!(history, Some(History::fresh(SOURCE, passed)));
    assert_eq!(missing(&mut scene).await, 0);
}

#[tokio::test]
async fn an_orphaned_body_is_rescued_and_one_that_is_led_to_stays() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 3).await;
    for fence in &fences {
        let later = defer(fence, Duration::from_secs(600), &awkward_fields());
        scene.settler(ME).defer(&mut scene.session, &[&later]).await.unwrap();
    }
    let token = |n: usize| format!("{SOURCE}|{}|1", fences[n].entry);
    scene.db.cmd(&["ZREM", DELAY, &token(0), &token(1)]).await;
    scene.db.cmd(&["HSET", BODIES, &token(1), "not a body"]).await;
    let mut done = Vec::new();
    for n in [0, 1, 2, 0, 1] {
        let (session, keys) = (&mut scene.session, &scene.keys);
        done.push(mend::rescue(session, keys, WORKER, &token(n)).await.unwrap());
    }
    let [there, gone] = [Mended::Done, Mended::Gone];
    assert_eq!(done, [there, there, gone, gone, gone]);
    let contents = scene.contents().await;
    assert_eq!(contents.entries(INBOX), [awkward_fields()]);
    assert_eq!(scene.db.entries(DEAD).await[0].text("failure_reason"), "unfit_body");
    assert_eq!(contents.hash(BODIES).into_keys().collect::<Vec<_>>(), [token(2)]);
}

#[tokio::test]
async fn an_index_without_a_body_is_buried_once() {
    let mut scene = Scene::set().await;
    scene.db.cmd(&["ZADD", DELAY, "5", "bare", "6", "full"]).await;
    scene.db.cmd(&["HSET", BODIES, "full", "x"]).await;
    let mut done = Vec::new();
    for token in ["bare", "full", "bare"] {
        let (session, keys) = (&mut scene.session, &scene.keys);
        let member = token.as_bytes();
        done.push(mend::bury_token(session, keys, WORKER, DELAY, member, token).await.unwrap());
    }
    assert_eq!(done, [Mended::Done, Mended::Gone, Mended::Gone]);
    assert_eq!(scene.db.entries(DEAD).await[0].text("original_entry"), "bare");
    assert_eq!(scene.contents().await.sorted_set(DELAY), [("full".to_owned(), 6)]);
}

#[tokio::test]
async fn an_entry_of_a_dead_owner_is_handed_over_in_its_name() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    scene.silence(&fences[0], OTHER, 2).await;
    let held = |n: usize, consumer: &str, deliveries: u64| PendingEntry {
        entry: fences[n].entry,
        consumer: consumer.to_owned(),
        idle_ms: 0,
        deliveries,
    };
    let cases = [
        (held(0, ME, 1), Mended::Gone),
        (held(0, OTHER, 1), Mended::Gone),
        (held(0, OTHER, 2), Mended::Done),
        (held(0, OTHER, 2), Mended::Gone),
    ];
    for (held, expected) in cases {
        let (session, keys) = (&mut scene.session, &scene.keys);
        let done = mend::hand_over(session, keys, MEMBER, SOURCE, &held).await.unwrap();
        assert_eq!(done, expected, "{held:?}");
    }
    let found = scene.contents().await.entries(INBOX);
    let history = History::open(found[0].clone()).0.unwrap();
    assert_eq!((history.origin_entry, history.deaths), (fences[0].entry, 2), "two owners died");
    assert_eq!(missing(&mut scene).await, 0);
}

#[tokio::test]
async fn a_write_off_and_a_position_are_changed_only_as_they_were_seen() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    let counter = format!("{SOURCE}|written-off");
    for (was, expected) in [(None, Mended::Done), (None, Mended::Gone), (Some(3), Mended::Done)] {
        let done = mend::write_off(&mut scene.session, LEDGER, &counter, was, 3).await;
        assert_eq!(done.unwrap(), expected, "{was:?}");
    }
    assert_eq!(scene.contents().await.hash(LEDGER)[&counter], "6");
    let [first, second] = [fences[0].entry, fences[1].entry];
    for (from, expected) in [(first, Mended::Gone), (second, Mended::Done), (second, Mended::Gone)]
    {
        let done = mend::set_position(&mut scene.session, SOURCE, GROUP, from, first).await;
        assert_eq!(done.unwrap(), expected);
    }
    let none = mend::set_position(&mut scene.session, "t:none", GROUP, first, second).await;
    assert_eq!(none.unwrap(), Mended::Gone);
    scene.db.cmd(&["EXPIRE", SOURCE, "100"]).await;
    assert!(account(&mut scene).await.expires_ms.is_some());
    assert_eq!(mend::persist(&mut scene.session, SOURCE).await.unwrap(), Mended::Done);
    assert_eq!(mend::persist(&mut scene.session, SOURCE).await.unwrap(), Mended::Gone);
    scene.db.cmd(&["ZADD", DELAY, "5", "copy"]).await;
    for expected in [Mended::Done, Mended::Gone] {
        let (session, keys) = (&mut scene.session, &scene.keys);
        assert_eq!(mend::drop_delayed(session, keys, WORKER, "copy").await.unwrap(), expected);
    }
}

#[tokio::test]
async fn keys_of_another_type_are_told_and_break_nothing() {
    let mut scene = Scene::set().await;
    for key in [SOURCE, LEDGER, INBOX] {
        scene.db.cmd(&["SET", key, "text"]).await;
    }
    let account = account(&mut scene).await;
    assert_eq!((account.kind.as_str(), account.ledger_kind.as_str()), ("string", "string"));
    assert_eq!(account.position, None);
    assert_eq!(audit::flow(&mut scene.session, &scene.keys, WORKER).await.unwrap(), None);
    scene.db.cmd(&["DEL", SOURCE]).await;
    let gone = audit::account(&mut scene.session, SOURCE, GROUP, LEDGER).await.unwrap();
    assert_eq!(gone.kind, "none");
}

#[tokio::test]
async fn pages_read_a_stream_once_from_end_to_end() {
    let mut scene = Scene::set().await;
    let add = format!("for n = 1, 2500 do redis.call('XADD', '{SOURCE}', n .. '-0', 'n', n) end");
    scene.eval(&add).await;
    let mut pages = Pages::new(SOURCE, Some(EntryId::at(2400)));
    let (mut next, mut count) = (1, 0);
    loop {
        let page = pages.next(&mut scene.session).await.unwrap();
        if page.is_empty() {
            break;
        }
        count += 1;
        for entry in page {
            assert_eq!(entry.id, EntryId::at(next));
            next += 1;
        }
    }
    assert_eq!(next, 2401);
    assert!(count < 10, "{count} round trips");
    assert_eq!(Pages::new("t:none", None).next(&mut scene.session).await.unwrap(), []);
}

#[tokio::test]
async fn traces_are_the_wanted_values_of_every_guarded_entry() {
    let mut scene = Scene::set().await;
    let add = format!(
        "for n = 1, 700 do redis.call('XADD', '{SOURCE}', n .. '-0', 'source', '/a/b', 'id', 'x', 'id', n) end"
    );
    scene.eval(&add).await;
    scene.db.cmd(&["XADD", SOURCE, "701-0", "source", "/b", "id", "stranger"]).await;
    scene.db.cmd(&["XADD", SOURCE, "702-0", "source", "/a/", "id", "\u{ff}", "cause", "c"]).await;
    let wanted = Wanted { guard: ("source", "/a/"), names: ["id", "cause"] };
    let (mut traces, mut all) = (Traces::new(SOURCE, wanted), Vec::new());
    loop {
        let page = traces.next(&mut scene.session).await.unwrap();
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    let text = |id: &str, cause: &str| [id.to_owned(), cause.to_owned()];
    for (n, trace) in (1_u64..).zip(&all[..700]) {
        assert_eq!(*trace, (EntryId::at(n), text(&n.to_string(), "")));
    }
    assert_eq!(all[700].1, text("", ""), "the guard does not hold");
    assert_eq!(all[701].1, text("\u{ff}", "c"));
    assert_eq!(Traces::new("t:none", wanted).next(&mut scene.session).await.unwrap(), []);
}
