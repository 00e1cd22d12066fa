//! Books that balance, and what is said of those that do not.

use super::*;
use crate::groups::subscriptions;
use printery_streams::Keys;

fn one() -> Subscription {
    subscriptions(&Keys::new("m"), &[]).into_iter().next().unwrap()
}

fn account(counts: &[(&str, i64)], added: u64, pending: u64) -> Account {
    let key = one().key;
    Account {
        kind: "stream".to_owned(),
        added,
        length: added,
        position: Some(Position { pending, ..Position::default() }),
        ledger: counts.iter().map(|(name, n)| (format!("{key}|{name}"), *n)).collect(),
        ..Account::default()
    }
}

#[test]
fn whatever_becomes_of_an_entry_the_books_balance() {
    let counts = [
        ("done", 50),
        ("duplicate", 4),
        ("dead", 3),
        ("lost", 2),
        ("deferred", 10),
        ("released", 5),
        ("requeued", 1),
        ("written-off", 6),
        ("a word of a later version", 2),
    ];
    let row = row(&one(), &account(&counts, 100, 7), 9, 1);
    let seen = (row.settled, row.dead, row.inbox, row.written_off, row.balance);
    assert_eq!(seen, (54, 5, 18, 6, 0));
}

#[test]
fn what_is_in_no_book_is_the_balance() {
    assert_eq!(row(&one(), &account(&[("done", 3)], 9, 2), 1, 0).balance, 3);
    assert_eq!(row(&one(), &account(&[("done", 12)], 9, 0), 0, 0).balance, -3);
    assert_eq!(row(&one(), &account(&[], 0, 0), 0, 0).balance, 0);
}

#[test]
fn what_moved_is_shown_where_it_is_now() {
    let one = one();
    let account = account(&[("deferred", 8), ("released", 2)], 10, 0);
    let mut books = [Book { row: row(&one, &account, 0, 0), one: one.clone(), account }];
    let waits = Aside { delayed: 3, in_line: 1 };
    complete(&mut books, &BTreeMap::from([((one.worker.name, one.key), waits)]));
    let row = &books[0].row;
    assert_eq!((row.delayed, row.in_line, row.inbox, row.balance), (3, 1, 6, 0));
}
