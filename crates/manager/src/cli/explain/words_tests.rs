//! Every place in words.

use printery_events::topology::VALIDATOR;
use printery_fleet::dead_letters::{DeadLetter, Epitaph};
use printery_streams::browse::Entry;
use printery_streams::{EntryId, Fields, Keys};

use super::*;
use crate::cli::explain::place::Circumstances;
use crate::cli::explain::traces::{PutAway, Settlement};

const STREAM: &str = "materi:events:deployment:deployment:started";
const NOW: u64 = 1_732_251_600_000;

fn finding(place: Place) -> Finding {
    let around = Circumstances {
        keys: Keys::new("materi"),
        home: Keys::new("materi"),
        readers: 1,
        hold: None,
        now_ms: NOW,
        lease_ms: 15_000,
        sweep_ms: 5_000,
        max_attempts: 3,
    };
    let (stream, entry) = (STREAM.to_owned(), EntryId { ms: 5, seq: 1 });
    Finding { worker: &VALIDATOR, stream, entry, history: None, place, around }
}

fn held(idle_ms: u64) -> Held {
    let process = Some(("h".to_owned(), 7, true));
    let owner = "validator-h-7-x".to_owned();
    Held { owner, process, idle_ms, deliveries: 2, body: Body::There }
}

fn line(outcome: &str) -> Settlement {
    let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let fields: Fields = [
        ("stream", STREAM),
        ("entry", "5-1"),
        ("event_id", "e"),
        ("outcome", outcome),
        ("attempts", "1"),
        ("instance", "validator-h-7-x"),
        ("started", "1732251600000"),
        ("finished", "1732251600012"),
        ("results", "8-0 8-1"),
        ("reason", "poison"),
    ]
    .map(|(name, value)| field(name, value))
    .into();
    Settlement::read(&Entry { id: EntryId { ms: 9, seq: 0 }, fields })
}

fn letter() -> DeadLetter {
    let (reason, detail) = ("max_attempts".to_owned(), "no answer".to_owned());
    let epitaph = Epitaph { reason, detail, attempts: 3, ..Epitaph::default() };
    DeadLetter::read(&Entry { id: EntryId { ms: 7, seq: 0 }, fields: epitaph.fields(&[], None) })
}

fn history(failures: u32, replays: u32, last_error: &str) -> History {
    History { failures, replays, last_error: last_error.to_owned(), ..History::default() }
}

#[test]
fn every_place_says_why_and_what_happens_next() {
    let token = "t".to_owned();
    let away = PutAway {
        id: EntryId::at(NOW),
        letter: letter(),
        status: "resolved".to_owned(),
        actor: "ann".to_owned(),
        notes: "by hand".to_owned(),
    };
    let due_ms = NOW + 3_200;
    let table = [
        (
            Place::NoGroup,
            "undelivered|no_group|not subscribed|the group printery-validator does not exist on materi:events:deployment:deployment:started|the group is made again and reads from the beginning|printery-workers --worker=validator",
        ),
        (
            Place::Waiting { ahead: 2 },
            "undelivered|undelivered|undelivered|no validator has read it yet; 2 entries are before it|the next free validator reads it|printery-workers --worker=validator",
        ),
        (
            Place::Running(held(1_000)),
            "running|running|running|validator-h-7-x (pid 7 on h) works on it and was heard 1.0 s ago; it was delivered 2 times|it is settled when its handler ends; should its owner fall silent, its lease ends in 14.0 s and another validator takes it over within 5.0 s more|kill -TERM 7",
        ),
        (
            Place::Expired(held(20_000)),
            "lease_expired|lease_expired|lease expired|validator-h-7-x (pid 7 on h) has been silent for 20.0 s, longer than the lease of 15.0 s; it was delivered 2 times|whichever validator sweeps next takes it over, within 5.0 s once it has a free slot|printery-workers --worker=validator",
        ),
        (
            Place::Delayed { token, due_ms },
            "delayed|delayed|delayed, due in 3.2 s|its attempt failed, or asked to be repeated later|at 2024-11-22 05:00:03.200Z it moves to the inbox of validator for attempt 1 of 3|-",
        ),
        (
            Place::Dead(Box::new(letter())),
            "dead|dead|dead|max_attempts (no answer), after 3 attempts; fingerprint <f>|nothing, until somebody decides|printery-workers dlq redrive validator 7-0",
        ),
        (
            Place::PutAway(Box::new(away)),
            "dead|put_away|dead, resolved|max_attempts (no answer), after 3 attempts; resolved by ann at 2024-11-22 05:00:00.000Z: by hand|nothing|-",
        ),
        (
            Place::Done(line("done")),
            "done|done|done|attempt 1 by validator-h-7-x took 12 ms until 2024-11-22 05:00:00.012Z; 2 results|nothing|-",
        ),
        (
            Place::Done(line("dead")),
            "dead|dead_letter_taken|was dead|poison, at 2024-11-22 05:00:00.012Z; its dead letter has been taken away since|nothing|-",
        ),
        (
            Place::Duplicate(line("done")),
            "deduplicated|duplicate|deduplicated|its event was settled as entry 5-1 at 2024-11-22 05:00:00.012Z|nothing|-",
        ),
        (
            Place::Settled,
            "done|settled|done|it is not pending any more, and the settlement log does not reach back to it|nothing|-",
        ),
        (
            Place::Trimmed { passed: false },
            "trimmed|trimmed|trimmed|somebody deleted it before any validator had read it|nothing|-",
        ),
    ];
    for (place, expected) in table {
        let finding = finding(place);
        let it = finding.explain();
        let (reason, code) = (finding.reason().as_str(), finding.code());
        let command = it.command.as_deref().unwrap_or("-");
        let said = format!("{reason}|{code}|{}|{}|{}|{command}", it.state, it.why, it.next);
        assert_eq!(said.replace(&letter().fingerprint, "<f>"), expected);
        assert!(!it.look.is_empty());
    }
}

#[test]
fn a_held_worker_is_the_reason_and_what_ends_it_the_command() {
    let hold = |hold| {
        let mut finding = finding(Place::Waiting { ahead: 0 });
        finding.around.hold = Some(hold);
        let it = finding.explain();
        (finding.reason().as_str(), it.command.unwrap_or_default(), it.change.unwrap_or_default())
    };
    let words = |field: &str| ["HDEL", "materi:printery:controls", field].map(str::to_owned);
    assert_eq!(
        hold(Hold::Paused(Pause::default())),
        (
            "paused",
            "printery-workers group resume validator".to_owned(),
            words("pause:validator").to_vec()
        )
    );
    assert_eq!(
        hold(Hold::OwnedElsewhere { owner: "legacy".to_owned() }),
        (
            "owned_elsewhere",
            "printery-workers owner set validator printery".to_owned(),
            words("owner:validator").to_vec()
        )
    );
}

#[test]
fn without_a_process_nothing_happens() {
    for place in [Place::NoGroup, Place::Waiting { ahead: 0 }, Place::Expired(held(20_000))] {
        let mut finding = finding(place);
        finding.around.readers = 0;
        assert_eq!(finding.explain().next, "nothing, because no validator runs");
    }
}

#[test]
fn a_blocked_entry_names_what_it_waits_for() {
    let head = Box::new(finding(Place::Running(held(1_000))));
    let line = |head| Place::InLine(Line { subject: "d-1".to_owned(), ahead: 1, head });
    let it = finding(line(Some(head))).explain();
    assert_eq!(it.command.as_deref(), Some("printery-workers explain 5-1"));
    let begins = "validator handles one entry of d-1 at a time, oldest first: 5-1 of materi:events:deployment:deployment:started and 1 more is before it, running: validator-h-7-x";
    assert!(it.why.starts_with(begins), "{}", it.why);
    assert_eq!(it.look, ["HGET", "materi:printery:order:validator", "sd-1"]);
    let it = finding(line(None)).explain();
    assert_eq!((it.next.as_str(), it.command), ("it moves to the inbox", None));
}

#[test]
fn what_came_through_the_inbox_says_why() {
    let why = |history| {
        let waiting = finding(Place::Waiting { ahead: 0 });
        let stream = waiting.around.keys.inbox("validator");
        let finding = Finding { history: Some(history), stream, ..waiting };
        assert_eq!((finding.code(), finding.reason().as_str()), ("inbox", "in_the_inbox"));
        finding.explain().why
    };
    let table = [
        (
            history(0, 0, ""),
            "it was handed back by a process that stopped, or had to wait its turn",
        ),
        (history(0, 1, ""), "it was redriven by a person"),
        (history(0, 0, "busy: later"), "it was asked to wait: busy: later"),
        (history(1, 0, "HTTP 503"), "its first attempt failed: HTTP 503"),
        (history(2, 0, "HTTP 503"), "2 attempts have failed, the last: HTTP 503"),
    ];
    for (history, expected) in table {
        assert_eq!(why(history), format!("{expected}; nothing is before it"));
    }
}

#[test]
fn a_delay_counts_its_attempts_and_an_open_breaker_is_told_apart() {
    let delayed = |history| {
        let (token, due_ms) = ("t".to_owned(), NOW);
        let finding = finding(Place::Delayed { token, due_ms });
        let finding = Finding { history: Some(history), ..finding };
        let it = finding.explain();
        format!("{}|{}|{}", finding.reason().as_str(), it.state, it.next)
    };
    let next = "at 2024-11-22 05:00:00.000Z it moves to the inbox of validator for attempt";
    assert_eq!(
        delayed(history(2, 0, "timeout: slow")),
        format!("delayed|delayed, due now|{next} 3 of 3")
    );
    assert_eq!(
        delayed(history(0, 0, "breaker_open: vercel")),
        format!("breaker_open|breaker open, due now|{next} 1 of 3")
    );
    assert!(delayed(history(0, 0, "breaker_opened: x")).starts_with("delayed|"));
}

#[test]
fn only_what_is_not_settled_is_open() {
    assert!(finding(Place::Dead(Box::new(letter()))).is_open());
    assert!(!finding(Place::Done(line("done"))).is_open());
    let json = finding(Place::Settled).to_json();
    assert_eq!(json["redis_cli"][0], "XPENDING");
    assert_eq!(json["open"], false);
    assert_eq!(json["reason"], "done");
}
