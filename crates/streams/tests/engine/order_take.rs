//! What an ordered take deals: streams merged by age, and which deployment an entry is about.

use printery_streams::{Fields, History};

use crate::line_scene::{Replica, STREAMS, note, set};
use crate::scene::{
    GROUP, INBOX, LINE, ME, ORDER, OTHER, OTHERS, RESULTS, SOURCE, Scene, id, many_fields,
};

fn pair(name: &[u8], value: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (name.to_vec(), value.to_vec())
}

/// Adds two entries and gives how many of them are handed out at once: 1 when they are about the
/// same deployment, 2 when not.
async fn handed_out(first: &Fields, second: &Fields) -> usize {
    let (scene, mut me) = set().await;
    scene.add_fields(SOURCE, first).await;
    scene.add_fields(OTHERS, second).await;
    let taken = me.take(8).await;
    // Whoever they are about: both come in the end.
    let mut seen = taken.len();
    for delivery in &taken {
        me.commit(&scene, delivery).await;
    }
    seen += me.take(8).await.len();
    assert_eq!(seen, 2, "{first:?} and {second:?}");
    taken.len()
}

#[tokio::test]
async fn a_backlog_of_several_streams_comes_by_age() {
    let (scene, mut me) = set().await;
    let mut expected = Vec::new();
    for n in 0..300_u32 {
        // Runs of one stream, and streams that take turns.
        let stream = STREAMS[usize::try_from(n * n / 7 % 3).unwrap()];
        scene.aged(stream, &format!("{}-7", n + 1), &format!("d-{n}"), &n.to_string()).await;
        expected.push(n.to_string());
    }
    for free in [1, 2, 3, 5, 8, 13, 40, 256] {
        let taken = me.take(free).await;
        assert_eq!(taken.len(), free.min(expected.len()), "as much as there is room for");
        let rest = expected.split_off(taken.len());
        assert_eq!(taken.iter().map(note).collect::<Vec<_>>(), expected, "{free} slots");
        expected = rest;
    }
    assert_eq!(expected, [""; 0]);
}

#[tokio::test]
async fn entries_of_one_deployment_in_several_streams_come_by_age() {
    let (scene, mut me) = set().await;
    for (n, stream) in [OTHERS, SOURCE, RESULTS, SOURCE, OTHERS].into_iter().enumerate() {
        // Ids of different lengths: their order is not that of their text.
        scene.aged(stream, &format!("{}-0", n + 8), "d", &n.to_string()).await;
    }
    for n in 0..5 {
        let taken = me.take(8).await;
        assert_eq!(taken.iter().map(note).collect::<Vec<_>>(), [n.to_string()]);
        me.commit(&scene, &taken[0]).await;
    }
}

#[tokio::test]
async fn of_one_millisecond_the_stream_that_is_listed_first_goes_first() {
    let ages = [
        (SOURCE, "9-1", "1"),
        (RESULTS, "9-0", "3"),
        (RESULTS, "10-18446744073709551615", "6"),
        (SOURCE, "9-5", "2"),
        (SOURCE, "10-0", "5"),
        (OTHERS, "9-3", "4"),
        (OTHERS, "10-0", "7"),
    ];
    // Whoever waits is called in the same order as whoever does not have to.
    for same in [false, true] {
        let (scene, mut me) = set().await;
        for (stream, at, note) in ages {
            let deployment = if same { "d".to_owned() } else { format!("d-{note}") };
            scene.aged(stream, at, &deployment, note).await;
        }
        let mut notes = Vec::new();
        for _ in 0..ages.len() {
            let taken = me.take(1).await;
            notes.extend(taken.iter().map(note));
            me.commit(&scene, &taken[0]).await;
        }
        assert_eq!(notes, ["1", "2", "3", "4", "5", "6", "7"], "of one deployment: {same}");
    }
}

#[tokio::test]
async fn the_inbox_comes_before_the_streams() {
    let (scene, mut me) = set().await;
    scene.about(SOURCE, "d", "new").await;
    scene.about(INBOX, "e", "by hand").await;
    assert_eq!(me.take(1).await.iter().map(note).collect::<Vec<_>>(), ["by hand"]);
    assert_eq!(me.take(1).await.iter().map(note).collect::<Vec<_>>(), ["new"]);
}

#[tokio::test]
async fn entries_that_somebody_added_to_the_inbox_by_hand_line_up() {
    let (mut scene, mut me) = set().await;
    let first = scene.about(INBOX, "d", "1").await;
    let second = id(&scene.about(INBOX, "d", "2").await);
    scene.about(SOURCE, "d", "3").await;
    let taken = me.take(8).await;
    assert_eq!(taken.iter().map(note).collect::<Vec<_>>(), ["1"]);
    assert_eq!(taken[0].fence.entry.to_string(), first);
    assert_eq!(scene.waiting("d").await, 2);
    me.commit(&scene, &taken[0]).await;
    let taken = me.take(8).await;
    assert_eq!(taken.iter().map(note).collect::<Vec<_>>(), ["2"]);
    assert_eq!(
        taken[0].history,
        History::fresh(INBOX, second),
        "its history is that of a plain one"
    );
}

#[tokio::test]
async fn the_deployment_is_the_subject_or_stands_in_the_data() {
    let subject = vec![pair(b"subject", b"d")];
    let ways: [Fields; 8] = [
        vec![pair(b"other", b"x"), pair(b"subject", b"d"), pair(b"data", b"garbage")],
        vec![pair(b"deployment_id", b"d")],
        vec![pair(b"data", br#"{"deployment_id":"d","nested":{"deployment_id":"e"}}"#)],
        vec![pair(b"payload", b" \r\n\t{\"a\":[1,2],\"deployment_id\":\"\\u0064\"}")],
        vec![pair(b"data", b"\x82\xa1a\x01\xaddeployment_id\xa1d")],
        vec![pair(b"data", b"\x81\xd9\x0ddeployment_id\xd9\x01d")],
        vec![pair(b"data", b"\x83\xa1n\xc0\xa1f\xcb\x3f\xf0\0\0\0\0\0\0\xaddeployment_id\xa1d")],
        // The envelope's word counts, as it does for the decoder.
        vec![pair(b"data", br#"{"deployment_id":"e"}"#), pair(b"subject", b"d")],
    ];
    for way in &ways {
        assert_eq!(handed_out(&subject, way).await, 1, "{way:?}");
        assert_eq!(handed_out(way, &subject).await, 1, "{way:?}");
    }
}

#[tokio::test]
async fn what_names_no_deployment_is_in_nobody_s_way() {
    let long = "d".repeat(129);
    let (deep_json, deep_arrays) = ("{\"a\":".repeat(20_000), vec![0x91; 200_000]);
    let oddities: Vec<Fields> = vec![
        vec![pair(b"data", b"")],
        vec![pair(b"data", b"{not json")],
        vec![pair(b"data", b"\xc1")],
        vec![pair(b"data", br#"{"deployment_id":7}"#)],
        vec![pair(b"data", br#"{"deployment_id":null}"#)],
        vec![pair(b"data", br#"{"deployment_id":["d"]}"#)],
        vec![pair(b"data", br#"["deployment_id","d"]"#)],
        vec![pair(b"data", br#"{"deployment_id":"d"} and more"#)],
        vec![pair(b"data", deep_json.as_bytes())],
        vec![pair(b"data", &deep_arrays)],
        vec![pair(b"data", b"\x81\xc0\x01")],
        vec![pair(b"data", b"\xdf\xff\xff\xff\xff\xaddeployment_id\xa1d")],
        vec![pair(b"subject", b"")],
        vec![pair(b"subject", b"a b")],
        vec![pair(b"subject", b"a\0b")],
        vec![pair(b"subject", b"a|b")],
        vec![pair(b"subject", b"d\n")],
        vec![pair(b"subject", b"\xff\xfe")],
        vec![pair(b"subject", "d\u{e9}ploiement".as_bytes())],
        vec![pair(b"subject", long.as_bytes())],
        vec![pair(b"neither", b"nor")],
    ];
    let (scene, mut me) = set().await;
    for (place, oddity) in oddities.iter().enumerate() {
        for _ in 0..2 {
            scene.add_fields(STREAMS[place % 3], oddity).await;
        }
    }
    let taken = me.take(256).await;
    assert_eq!(taken.len(), 2 * oddities.len());
    let now = scene.contents().await;
    assert!(!now.0.contains_key(ORDER) && !now.0.contains_key(LINE), "{now:#?}");
}

#[tokio::test]
async fn every_letter_that_the_contract_allows_makes_a_name() {
    let letters = "AZaz09_.:-".repeat(12) + "12345678";
    assert_eq!(letters.len(), 128);
    // Names that begin alike are not the same.
    for name in [letters.as_str(), "d", "d-", "d-1", "d:1", "d.1", "sd", "ed", "-", "0"] {
        let fields = vec![pair(b"subject", name.as_bytes())];
        assert_eq!(handed_out(&fields, &fields).await, 1, "{name}");
    }
    let (mut scene, mut me) = set().await;
    for name in ["d", "d-", "d-1", "d-10", "d:", "d."] {
        scene.queue(name, &["1", "2"]).await;
    }
    let taken = me.take(100).await;
    assert_eq!(taken.len(), 6);
    me.commit(&scene, &taken[0]).await;
    for (name, expected) in [("d", 0), ("d-", 1), ("d-1", 1), ("d-10", 1), ("d:", 1), ("d.", 1)] {
        assert_eq!(scene.waiting(name).await, expected, "{name}");
    }
}

#[tokio::test]
async fn what_is_too_wide_to_wait_is_handed_out() {
    let (mut scene, mut me) = set().await;
    scene.queue("d", &["1"]).await;
    let mut wide = many_fields(5_000);
    wide.insert(0, pair(b"subject", b"d"));
    scene.add_fields(SOURCE, &wide).await;
    scene.queue("d", &["3"]).await;
    let taken = me.take(8).await;
    assert_eq!(taken.len(), 2, "it will be dead-lettered, which needs no turn");
    assert_eq!(taken[1].fields.as_ref(), Some(&wide));
    me.bury(&scene, &taken[1]).await;
    assert_eq!(scene.waiting("d").await, 1, "and it has none to pass on");
    me.commit(&scene, &taken[0]).await;
    assert_eq!(me.notes().await, ["3"]);
}

#[tokio::test]
async fn ten_thousand_entries_of_one_deployment_cost_each_take_a_page() {
    let (mut scene, mut me) = set().await;
    let fill = format!(
        "for n = 1, 10000 do
           redis.call('XADD', '{SOURCE}', '*', 'subject', 'd', 'note', tostring(n))
         end
         redis.call('XADD', '{SOURCE}', '*', 'subject', 'e', 'note', 'another')"
    );
    scene.eval(&fill).await;
    let first = me.take(8).await;
    assert_eq!(first.iter().map(note).collect::<Vec<_>>(), ["1"]);
    let mut before = scene.waiting_in_all().await;
    assert!(before <= 256, "{before} were looked at");
    let mut another = None;
    let mut takes = 0;
    while another.is_none() {
        // There is more: no wait holds it up.
        assert!(me.reading.wait(std::time::Duration::from_secs(2)).await.unwrap());
        another = me.take(8).await.pop();
        let now = scene.waiting_in_all().await;
        assert!(now - before <= 256, "{} were looked at", now - before);
        before = now;
        takes += 1;
    }
    assert!(takes <= 60, "{takes} takes");
    assert_eq!(note(&another.unwrap()), "another");
    assert_eq!(before, 9_999);
    // A turn costs the same however many wait.
    let mut head = first[0].clone();
    for n in 2..=50 {
        me.commit(&scene, &head).await;
        head = me.take(8).await.remove(0);
        assert_eq!(note(&head), n.to_string());
    }
    assert_eq!(scene.db.pending(SOURCE, GROUP).await, 1);
}

#[tokio::test]
async fn two_replicas_drain_a_backlog_in_order() {
    let scene = Scene::set().await;
    let mut replicas = [Replica::of(&scene, ME).await, Replica::of(&scene, OTHER).await];
    for n in 0..200 {
        let (at, deployment) = (format!("{}-0", n + 1), format!("d-{}", n % 7));
        scene.aged(STREAMS[n % 3], &at, &deployment, &n.to_string()).await;
    }
    let mut done: Vec<Vec<usize>> = vec![Vec::new(); 7];
    let mut round = 0;
    while done.iter().map(Vec::len).sum::<usize>() < 200 {
        round += 1;
        assert!(round < 2_000, "it stands still: {done:?}");
        let me = &mut replicas[round % 2];
        for delivery in me.take(3).await {
            let n: usize = note(&delivery).parse().unwrap();
            done[n % 7].push(n);
            me.commit(&scene, &delivery).await;
        }
    }
    for (deployment, order) in done.iter().enumerate() {
        let expected: Vec<usize> = (0..200).filter(|n| n % 7 == deployment).collect();
        assert_eq!(*order, expected);
    }
}
