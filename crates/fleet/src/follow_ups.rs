//! What a worker still has to do about an event, and what else stands in line with it.
//!
//! A handler puts it aside before its own event is settled, and finds it in its inbox when it is
//! due; others of the same order wait behind it. Nothing here knows what is to be done.

use std::time::Duration;

use printery_streams::follow_up::{FollowUp, in_line, is_taken, put_aside};
use printery_streams::{Error, Fields};

use crate::records::Records;

/// Puts an entry aside for the worker itself, under its event's id; false when it is put aside
/// already.
///
/// # Shapes and units
/// `order`: what it stands in line by; of these, one is worked on at a time, oldest first.
/// # Errors
/// It may have been done; doing it again is safe until it is due.
/// # Redis
/// One script call.
pub async fn put(
    records: &Records,
    worker: &str,
    id: &str,
    (order, delay): (&str, Duration),
    fields: &Fields,
) -> Result<bool, Error> {
    let token = format!("follow-up|{id}");
    let follow_up = FollowUp { token: &token, order, delay, fields };
    put_aside(&mut records.session(), records.keys(), worker, follow_up).await
}

/// Tells whether something of an order is still to be done.
///
/// # Redis
/// `HGET`.
pub async fn any(records: &Records, worker: &str, order: &str) -> Result<bool, Error> {
    is_taken(&mut records.session(), records.keys(), worker, order).await
}

/// Reads what stands in line behind the one of an order that is worked on, oldest first.
///
/// # Redis
/// `ZRANGEBYLEX`, and one script call for each of at most `most`.
pub async fn behind(
    records: &Records,
    worker: &str,
    order: &str,
    most: usize,
) -> Result<Vec<Fields>, Error> {
    in_line(&mut records.session(), records.keys(), worker, order, most).await
}
