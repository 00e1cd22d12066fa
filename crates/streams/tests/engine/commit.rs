//! Commit: results and acknowledgement in one step, once, and only by the owner.

use std::time::Duration;

use printery_streams::publish::publish;
use printery_streams::settle::{Commit, Settled};
use printery_streams::{ErrorKind, Fence};
use printery_testkit::FaultProxy;

use crate::contents::row;
use crate::scene::{
    EVENT_TYPE, LEDGER, LOG, ME, OTHER, OTHERS, RESULTS, SOON, SOURCE, Scene, awkward_fields,
    commit, fence, fields, publication,
};

#[tokio::test]
async fn a_commit_publishes_acknowledges_and_records() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    let before = scene.contents().await;
    let started = scene.now_ms().await;

    let results = vec![publication(RESULTS, "passed"), publication(OTHERS, "and more")];
    let done = commit(&fences[0], "e-1", results);
    let settler = scene.settler(ME);
    let verdicts = settler.commit(&mut scene.session, &[&done]).await.unwrap();

    assert_eq!(verdicts, [Settled::Done]);
    let after = scene.contents().await;
    assert_eq!(after.pending(SOURCE), [row(&fences[1].entry, ME, 1)]);
    assert_eq!(after.entries(SOURCE), before.entries(SOURCE), "acknowledged is not deleted");
    assert_eq!(after.entries(RESULTS), [fields(&[("data", "passed")])]);
    assert_eq!(after.entries(OTHERS), [fields(&[("data", "and more")])]);
    assert_eq!(after.hash(LEDGER), [(format!("{SOURCE}|done"), "1".to_owned())].into());
    let result_ids = format!("{} {}", after.ids(RESULTS)[0], after.ids(OTHERS)[0]);
    let log = &scene.db.entries(LOG).await[0];
    let finished: u64 = log.text("finished").parse().unwrap();
    assert!(finished >= started, "{finished} < {started}");
    let expected = [
        ("stream", SOURCE.to_owned()),
        ("entry", fences[0].entry.to_string()),
        ("event_id", "e-1".to_owned()),
        ("event_type", EVENT_TYPE.to_owned()),
        ("outcome", "done".to_owned()),
        ("attempts", "1".to_owned()),
        ("instance", ME.to_owned()),
        ("started", "7".to_owned()),
        ("finished", finished.to_string()),
        ("results", result_ids),
    ];
    assert_eq!(log.fields, fields(&expected.each_ref().map(|(name, value)| (*name, &**value))));
    let known = [SOURCE, RESULTS, OTHERS, LOG, LEDGER];
    assert!(after.without(&known).0.is_empty(), "nothing else is written: {after:#?}");
}

#[tokio::test]
async fn results_are_published_byte_for_byte() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let mut result = publication(RESULTS, "");
    result.fields = awkward_fields();
    let done = commit(&fences[0], "e-1", vec![result]);
    let verdicts = scene.settler(ME).commit(&mut scene.session, &[&done]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done]);
    assert_eq!(scene.contents().await.entries(RESULTS), [awkward_fields()]);
}

#[tokio::test]
async fn a_fenced_commit_changes_nothing() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 3).await;
    // Taken over by another consumer; by this very one under a new count; and by another under the
    // old count, as after a release in place.
    scene.take_over(&fences[0], OTHER).await;
    scene.take_over(&fences[1], ME).await;
    scene.silence(&fences[2], OTHER, 1).await;
    let before = scene.contents().await;
    let late = fences.iter().map(|fence| commit(fence, "e", vec![publication(RESULTS, "late")]));
    let late: Vec<Commit> = late.collect();
    let settler = scene.settler_within(ME, 1000);
    let late: Vec<&Commit> = late.iter().collect();
    let verdicts = settler.commit(&mut scene.session, &late).await.unwrap();
    assert_eq!(verdicts, [Settled::Fenced, Settled::Fenced, Settled::Fenced]);
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn the_same_commit_sent_twice_publishes_once() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let settler = scene.settler(ME);
    let done = commit(&fences[0], "e-1", vec![publication(RESULTS, "once")]);
    assert_eq!(settler.commit(&mut scene.session, &[&done]).await.unwrap(), [Settled::Done]);
    let before = scene.contents().await;
    assert_eq!(settler.commit(&mut scene.session, &[&done]).await.unwrap(), [Settled::Gone]);
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn a_reply_lost_after_commit_does_not_publish_twice() {
    let mut scene = Scene::set().await;
    let proxy = FaultProxy::start(&scene.server).await;
    let mut through = scene.redis_at(&proxy.url(), SOON).session();
    let fences = scene.deliver(ME, 1).await;
    let settler = scene.settler(ME);
    // The script is known before, so that the reply that gets lost is that of its run.
    let probe = commit(&fence(SOURCE, "1-0", 1), "e-0", Vec::new());
    settler.commit(&mut through, &[&probe]).await.unwrap();

    proxy.swallow_reply_to(&["EVALSHA"]);
    let done = commit(&fences[0], "e-1", vec![publication(RESULTS, "once")]);
    let error = settler.commit(&mut through, &[&done]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unknown, "{error}");
    let before = scene.contents().await;
    assert_eq!(before.entries(RESULTS).len(), 1, "it was executed");

    assert_eq!(settler.commit(&mut through, &[&done]).await.unwrap(), [Settled::Gone]);
    assert_eq!(scene.contents().await, before);
    // The session that lost the reply is whole again for whoever comes next.
    assert_eq!(scene.settler(OTHER).commit(&mut scene.session, &[]).await.unwrap(), []);
}

#[tokio::test]
async fn a_command_that_timed_out_may_be_sent_again() {
    let server = printery_testkit::RedisServer::start().await;
    let url = server.url();
    let mut scene = Scene::at(server, &url, Duration::from_secs(1)).await;
    let fences = scene.deliver(ME, 1).await;
    let settler = scene.settler(ME);
    let done = commit(&fences[0], "e-1", vec![publication(RESULTS, "once")]);
    let probe = commit(&fence(SOURCE, "1-0", 1), "e-0", Vec::new());
    settler.commit(&mut scene.session, &[&probe]).await.unwrap();

    scene.server.freeze();
    let error = settler.commit(&mut scene.session, &[&done]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unknown, "{error}");
    scene.server.thaw();
    // What timed out is executed when the server goes on, before or after the second call.
    let mut patient = scene.redis_at(&url, SOON).session();
    let verdicts = settler.commit(&mut patient, &[&done]).await.unwrap();
    assert!(matches!(verdicts[..], [Settled::Done | Settled::Gone]), "{verdicts:?}");
    let settled = scene.contents().await;
    assert_eq!(settler.commit(&mut patient, &[&done]).await.unwrap(), [Settled::Gone]);
    assert_eq!(scene.contents().await, settled);
    assert_eq!(settled.entries(RESULTS).len(), 1);
    assert!(settled.pending(SOURCE).is_empty());
}

#[tokio::test]
async fn an_entry_that_somebody_deleted_and_acknowledged_is_reported_lost() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    scene.delete_body(&fences[0]).await;
    let id = fences[0].entry.to_string();
    scene.db.cmd(&["XACK", SOURCE, crate::scene::GROUP, &id]).await;
    let before = scene.contents().await;
    let done = commit(&fences[0], "e-1", vec![publication(RESULTS, "x")]);
    let verdicts = scene.settler(ME).commit(&mut scene.session, &[&done]).await.unwrap();
    assert_eq!(verdicts, [Settled::Lost]);
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn a_delivery_whose_body_was_deleted_while_it_ran_is_still_committed() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    scene.delete_body(&fences[0]).await;
    let done = commit(&fences[0], "e-1", vec![publication(RESULTS, "x")]);
    let verdicts = scene.settler(ME).commit(&mut scene.session, &[&done]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done]);
    let after = scene.contents().await;
    assert_eq!((after.entries(RESULTS).len(), after.pending(SOURCE)), (1, vec![]));
}

#[tokio::test]
async fn without_its_group_nothing_is_published() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let done = commit(&fences[0], "e-1", vec![publication(RESULTS, "x")]);
    let settler = scene.settler_within(ME, 1000);

    scene.db.cmd(&["XGROUP", "DESTROY", SOURCE, crate::scene::GROUP]).await;
    let before = scene.contents().await;
    assert_eq!(settler.commit(&mut scene.session, &[&done]).await.unwrap(), [Settled::Gone]);
    assert_eq!(scene.contents().await, before, "it will be delivered again by the new group");

    scene.db.cmd(&["FLUSHALL"]).await;
    assert_eq!(settler.commit(&mut scene.session, &[&done]).await.unwrap(), [Settled::Lost]);
    assert!(scene.contents().await.0.is_empty());
}

#[tokio::test]
async fn one_bad_delivery_holds_back_no_other() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 7).await;
    scene.db.cmd(&["SET", OTHERS, "not a stream"]).await;
    scene.take_over(&fences[1], OTHER).await;
    scene.take_over(&fences[2], ME).await;
    scene.db.cmd(&["XACK", SOURCE, crate::scene::GROUP, &fences[3].entry.to_string()]).await;
    scene.db.cmd(&["XACK", SOURCE, crate::scene::GROUP, &fences[4].entry.to_string()]).await;
    scene.delete_body(&fences[4]).await;
    let to = |place: usize| if place == 5 { OTHERS } else { RESULTS };
    let commits: Vec<Commit> = (0..7)
        .map(|place| {
            let result = publication(to(place), &format!("result {place}"));
            commit(&fences[place], &format!("e-{place}"), vec![result])
        })
        .collect();
    let commits: Vec<&Commit> = commits.iter().collect();
    let verdicts = scene.settler(ME).commit(&mut scene.session, &commits).await.unwrap();
    let refused = Settled::Refused(format!("{OTHERS} is a string, not a stream"));
    let expected = [
        Settled::Done,
        Settled::Fenced,
        Settled::Fenced,
        Settled::Gone,
        Settled::Lost,
        refused,
        Settled::Done,
    ];
    assert_eq!(verdicts, expected);
    let after = scene.contents().await;
    let published = [fields(&[("data", "result 0")]), fields(&[("data", "result 6")])];
    assert_eq!(after.entries(RESULTS), published);
    let still = [
        row(&fences[1].entry, OTHER, 2),
        row(&fences[2].entry, ME, 2),
        row(&fences[5].entry, ME, 1),
    ];
    assert_eq!(after.pending(SOURCE), still);
    assert_eq!(after.hash(LEDGER)[&format!("{SOURCE}|done")], "2");
}

#[tokio::test]
async fn deliveries_are_found_among_many_others_of_the_same_owner() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 60).await;
    let commits = [59, 30, 0].map(|place: usize| commit(&fences[place], "e", Vec::new()));
    // Neither a gap between them nor their order matters.
    let commits: Vec<&Commit> = commits.iter().collect();
    let verdicts = scene.settler(ME).commit(&mut scene.session, &commits).await.unwrap();
    assert_eq!(verdicts, [Settled::Done, Settled::Done, Settled::Done]);
    let left: Vec<String> =
        scene.contents().await.pending(SOURCE).into_iter().map(|r| r.entry).collect();
    let others = fences.iter().enumerate().filter(|(place, _)| ![0, 30, 59].contains(place));
    let expected: Vec<String> = others.map(|(_, fence)| fence.entry.to_string()).collect();
    assert_eq!(left, expected);
}

#[tokio::test]
async fn a_full_call_settles_every_delivery_in_order() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 128).await;
    let one = |(place, fence): (usize, &Fence)| {
        let results = (0..3).map(|n| publication(RESULTS, &format!("{place}.{n}"))).collect();
        commit(fence, &format!("e-{place}"), results)
    };
    let commits: Vec<Commit> = fences.iter().enumerate().map(one).collect();
    let commits: Vec<&Commit> = commits.iter().collect();
    let settler = scene.settler_within(ME, 1000);
    let verdicts = settler.commit(&mut scene.session, &commits).await.unwrap();
    assert_eq!(verdicts, vec![Settled::Done; 128]);
    let after = scene.contents().await;
    let expected: Vec<_> = (0..128)
        .flat_map(|place| (0..3).map(move |n| fields(&[("data", &format!("{place}.{n}"))])))
        .collect();
    assert_eq!(after.entries(RESULTS), expected);
    assert!(after.pending(SOURCE).is_empty());
    assert_eq!(after.entries(LOG).len(), 128);
}

#[tokio::test]
async fn a_full_redis_refuses_producers_but_takes_results() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    scene.fill_memory().await;
    let before = scene.contents().await;
    let event = fields(&[("data", "new")]);
    let refused =
        publish(&mut scene.session, &scene.keys, "deployment:started", "e-2", &event).await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    assert_eq!(scene.contents().await, before);

    let done = commit(&fences[0], "e-1", vec![publication(RESULTS, "x")]);
    let settler = scene.settler_within(ME, 1000);
    let verdicts = settler.commit(&mut scene.session, &[&done]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done]);
    let after = scene.contents().await;
    assert_eq!((after.entries(RESULTS).len(), after.pending(SOURCE)), (1, vec![]));
}
