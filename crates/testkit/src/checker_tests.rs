//! Histories made by hand: each verdict can be reached, and only by what it is about.

use super::*;

fn attempted(event: &str) -> Fact {
    Fact::Attempted { event: event.into(), subject: "d".into() }
}

fn acknowledged(event: &str, entry: &str) -> Fact {
    Fact::Acknowledged { event: event.into(), entry: entry.into() }
}

fn result(cause: &str) -> Fact {
    Fact::Result { id: format!("result of {cause}"), cause: cause.into() }
}

fn buried(event: &str) -> Fact {
    Fact::Buried { event: event.into(), reason: "poison".into() }
}

fn settled(event: &str, entry: &str, instance: &str, span: (u64, u64)) -> Fact {
    Fact::Settled(Settlement {
        stream: "s".into(),
        entry: entry.into(),
        event: event.into(),
        outcome: "done".into(),
        instance: instance.into(),
        started: span.0,
        finished: span.1,
    })
}

/// Two events that were published, handled one after the other, and have one result each.
fn good() -> Vec<Fact> {
    vec![
        attempted("a"),
        acknowledged("a", "9-0"),
        attempted("b"),
        acknowledged("b", "10-0"),
        settled("a", "9-0", "x", (1000, 2000)),
        settled("b", "10-0", "y", (2000, 3000)),
        result("a"),
        result("b"),
    ]
}

fn judged(facts: Vec<Fact>, rules: &Rules) -> Verdict {
    let facts: Vec<_> = facts.into_iter().map(|fact| (Duration::ZERO, fact)).collect();
    check(&facts, rules)
}

fn ordered() -> Rules {
    Rules { ordered: true, ..Rules::default() }
}

/// What is wrong with the good history after `change`, by kind.
fn wrong(change: impl FnOnce(&mut Vec<Fact>)) -> BTreeMap<&'static str, usize> {
    let mut facts = good();
    change(&mut facts);
    let verdict = judged(facts, &ordered());
    assert_eq!(verdict.is_clean(), verdict.faults().iter().all(|(_, who)| who.is_empty()));
    let faults = verdict.faults();
    faults
        .into_iter()
        .filter(|(_, who)| !who.is_empty())
        .map(|(kind, who)| (kind, who.len()))
        .collect()
}

#[test]
fn a_history_in_which_nothing_went_wrong_is_clean() {
    let verdict = judged(good(), &ordered());
    let expected = Verdict { attempted: 2, acknowledged: 2, ok: 2, ..Verdict::default() };
    assert_eq!(verdict, expected);
    assert!(verdict.is_clean());
}

#[test]
fn an_acknowledged_event_without_an_outcome_is_lost() {
    assert_eq!(wrong(|facts| drop(facts.pop())), [("lost", 1)].into());
}

#[test]
fn a_lost_event_that_nobody_ever_worked_on_was_unseen() {
    let unseen = wrong(|facts| {
        facts.extend([attempted("c"), acknowledged("c", "11-0")]);
    });
    assert_eq!(unseen, [("lost", 1), ("unseen", 1)].into());
    let begun = wrong(|facts| {
        let begun = Fact::Delivered { event: "c".into() };
        facts.extend([attempted("c"), acknowledged("c", "11-0"), begun]);
    });
    assert_eq!(begun, [("lost", 1)].into());
}

#[test]
fn an_outcome_without_an_attempt_is_unexpected() {
    assert_eq!(wrong(|facts| facts.push(result("c"))), [("unexpected", 1)].into());
}

#[test]
fn two_results_of_one_event_are_duplicates() {
    let again = Fact::Result { id: "another".into(), cause: "a".into() };
    assert_eq!(wrong(|facts| facts.push(again)), [("duplicated", 1)].into());
}

#[test]
fn one_result_id_twice_is_repeated() {
    let doubled = wrong(|facts| facts.push(result("a")));
    assert_eq!(doubled, [("duplicated", 1), ("repeated ids", 1)].into());
}

#[test]
fn a_result_and_a_dead_letter_of_one_event_are_one_outcome_too_many() {
    let both = wrong(|facts| facts.push(buried("a")));
    assert_eq!(both, [("duplicated", 1), ("misjudged", 1)].into());
}

#[test]
fn a_dead_letter_is_right_where_it_was_to_be_expected_only() {
    let facts = || {
        let mut facts = good();
        facts.pop();
        facts.push(buried("b"));
        facts
    };
    let rules = Rules { dead: ["b".to_owned()].into(), ..ordered() };
    assert!(judged(facts(), &rules).is_clean());
    assert_eq!(judged(facts(), &ordered()).misjudged, ["b (poison)"]);
    assert_eq!(judged(good(), &rules).misjudged, ["b (has a result)"]);
}

#[test]
fn an_event_whose_acknowledgement_was_lost_is_recovered_or_was_never_there() {
    let mut facts = good();
    facts.extend([attempted("c"), result("c"), attempted("d")]);
    let verdict = judged(facts, &ordered());
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!((verdict.attempted, verdict.ok, verdict.recovered), (4, 3, 1));
}

#[test]
fn an_entry_that_is_settled_twice_had_two_owners() {
    let twice = settled("b", "10-0", "y", (3000, 4000));
    assert_eq!(wrong(|facts| facts.push(twice)), [("shared", 1)].into());
}

#[test]
fn attempts_of_two_instances_that_overlap_had_two_owners() {
    let beside = settled("b", "11-0", "x", (2800, 4000));
    // The second attempt also begins before the first is over.
    let found = wrong(|facts| facts.push(beside));
    assert_eq!(found.get("shared"), Some(&1), "{found:?}");
    let after = settled("b", "11-0", "x", (3000, 4000));
    assert_eq!(wrong(|facts| facts.push(after)), BTreeMap::new());
}

#[test]
fn a_younger_event_that_is_handled_first_or_meanwhile_is_disordered() {
    for span in [(1500, 3000), (1800, 2100)] {
        let found = wrong(|facts| {
            facts.retain(|fact| !matches!(fact, Fact::Settled(line) if line.event == "b"));
            facts.push(settled("b", "10-0", "y", span));
        });
        assert_eq!(found, [("disordered", 1)].into(), "{span:?}");
    }
    // The log's order is the server's own, whatever the times say.
    let first = settled("b", "10-0", "y", (2000, 3000));
    let found = wrong(|facts| {
        facts.retain(|fact| !matches!(fact, Fact::Settled(line) if line.event == "b"));
        facts.insert(0, first);
    });
    assert_eq!(found, [("disordered", 1)].into());
}

#[test]
fn different_subjects_and_unordered_workers_may_overlap() {
    let beside = |subject: &str| {
        let mut facts = good();
        facts.retain(|fact| !matches!(fact, Fact::Settled(line) if line.event == "b"));
        facts.push(settled("b", "10-0", "y", (1200, 1800)));
        facts.push(Fact::Attempted { event: "b".into(), subject: subject.into() });
        facts
    };
    assert!(judged(beside("other"), &ordered()).is_clean());
    assert!(judged(beside("d"), &Rules::default()).is_clean());
    assert!(!judged(beside("d"), &ordered()).is_clean());
}

#[test]
fn times_say_nothing_when_the_clock_stepped_and_the_log_still_does() {
    let untimed = Rules { untimed: true, ..ordered() };
    let mut facts = good();
    facts.retain(|fact| !matches!(fact, Fact::Settled(line) if line.event == "b"));
    facts.push(settled("b", "10-0", "y", (1200, 1300)));
    assert!(!judged(facts.clone(), &ordered()).is_clean());
    assert!(judged(facts, &untimed).is_clean());
    let mut facts = good();
    facts.insert(0, settled("b", "11-0", "y", (9000, 9100)));
    assert!(!judged(facts, &untimed).is_clean());
}

#[test]
fn a_dead_letter_may_be_forgiven_for_its_reason() {
    let mut facts = good();
    facts.pop();
    facts.push(buried("b"));
    let forgiving = Rules { forgiven: ["poison".to_owned()].into(), ..ordered() };
    assert!(judged(facts.clone(), &forgiving).is_clean());
    let other = Rules { forgiven: ["max_attempts".to_owned()].into(), ..ordered() };
    assert_eq!(judged(facts, &other).misjudged, ["b (poison)"]);
}

#[test]
fn a_verdict_names_how_many_and_who() {
    let mut facts = good();
    facts.pop();
    let text = judged(facts, &ordered()).to_string();
    assert!(text.contains("attempted            2"), "{text}");
    assert!(text.contains("lost                 1  b"), "{text}");
}
