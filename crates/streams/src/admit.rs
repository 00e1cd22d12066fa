//! What is asked before handlers start: was this event settled before, and who is told it begins.
//!
//! Called by the harness once per batch of deliveries; writes announcements, never an outcome.

use crate::connection::Session;
use crate::error::Error;
use crate::keys::Keys;
use crate::reply::Origin;
use crate::script::{Script, script};
use crate::settle::{Destinations, Publication};

static ADMIT: Script = script!("admit", ["fence.lua", "seen.lua", "admit.lua"]);

/// A delivery that is about to be handled.
#[derive(Debug, Clone)]
pub struct Admission<'a> {
    /// The event's id.
    pub event_id: &'a str,
    /// The event's type.
    pub event_type: &'a str,
    /// Whether it was redriven and is therefore no duplicate.
    pub replay: bool,
    /// The event that says the attempt begins.
    pub announcement: Option<Publication>,
}

/// Tells for each delivery whether its event was settled before, and publishes the announcements
/// of those that were not.
///
/// # Shapes and units
/// `dedupe_ms`: the window; 0 means that nothing counts as settled before.
/// # Redis
/// One script call, or none when there is nothing to ask or announce.
pub async fn admit(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    dedupe_ms: u64,
    admissions: &[Admission<'_>],
) -> Result<Vec<bool>, Error> {
    if dedupe_ms == 0 && admissions.iter().all(|admission| admission.announcement.is_none()) {
        return Ok(vec![false; admissions.len()]);
    }
    let announcements = admissions.iter().filter_map(|admission| admission.announcement.as_ref());
    let destinations = Destinations::of(announcements);
    let slots = keys.settled_ids(worker);
    let mut call_keys: Vec<&str> = slots.iter().map(String::as_str).collect();
    call_keys.extend(destinations.keys());
    let mut call = ADMIT.call(&call_keys);
    call.arg(admissions.len()).arg(dedupe_ms);
    for Admission { event_id, event_type, replay, .. } in admissions {
        let unasked = *replay || event_id.is_empty();
        call.text(&if unasked { String::new() } else { format!("{event_type}|{event_id}") });
    }
    for (admission, place) in admissions.iter().zip(1_usize..) {
        if let Some(publication) = &admission.announcement {
            call.arg(place);
            destinations.publish(&mut call, publication);
        }
    }
    let origin = Origin { operation: "admit", key: call.key() };
    let mut seen = vec![false; admissions.len()];
    for place in origin.array(session.run(&call).await?)? {
        let place = usize::try_from(origin.count(&place)?).unwrap_or(0);
        let Some(seen) = place.checked_sub(1).and_then(|index| seen.get_mut(index)) else {
            return Err(origin.bad("a delivery that was not asked for"));
        };
        *seen = true;
    }
    Ok(seen)
}
