//! An event as a line of a list, and the choice of types that was typed.

use printery_events::EventType;

use crate::cli::failure::Failure;
use crate::cli::gist::Gist;
use crate::cli::output::{Colour, Tone, clean};
use crate::cli::sighting::Sighting;
use crate::cli::times::moment;

/// Width of the column of types; the longest usual one is `deployment:stage:railway:completed`.
const TYPE: usize = 34;
/// Width of the column of deployments.
const DEPLOYMENT: usize = 20;

/// One line: when, what, which deployment, and the gist.
pub(crate) fn row(sighting: &Sighting, colour: Colour) -> String {
    let time = colour.paint(Tone::Dim, &moment(sighting.entry.ms));
    let deployment = clean(sighting.subject().unwrap_or("-"));
    let (tone, word, detail) = match &sighting.content {
        Ok(event) => {
            let gist = Gist::of(event);
            (gist.tone, gist.word, gist.detail)
        }
        Err(unreadable) => (Tone::Bad, "invalid".to_owned(), unreadable.why.to_string()),
    };
    let id = colour.paint(Tone::Dim, &format!("id={}", clean(sighting.event_id().unwrap_or("-"))));
    let word = colour.paint(tone, &word);
    let event_type = sighting.event_type.as_str();
    format!("{time}  {event_type:<TYPE$}  {deployment:<DEPLOYMENT$}  {word}  {detail}  {id}")
}

/// The types that match what was typed: a whole type, or its beginning up to a colon.
///
/// # Errors
/// Something that was typed matches no type of this fleet.
pub(crate) fn chosen(all: Vec<EventType>, said: &[String]) -> Result<Vec<EventType>, Failure> {
    if said.is_empty() {
        return Ok(all);
    }
    let matches = |event_type: &EventType, word: &str| {
        let text = event_type.as_str();
        let rest = text.strip_prefix(word.trim_end_matches(['*', ':']));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    };
    if let Some(word) = said.iter().find(|word| !all.iter().any(|one| matches(one, word))) {
        let problem = format!("{word:?} is no event type of this fleet and no beginning of one");
        return Err(Failure::usage(problem));
    }
    Ok(all.into_iter().filter(|one| said.iter().any(|word| matches(one, word))).collect())
}

#[cfg(test)]
mod tests {
    use printery_streams::EntryId;
    use printery_streams::browse::Entry;

    use super::*;
    use crate::cli::sighting::event_types;

    fn all() -> Vec<EventType> {
        event_types(&["vercel".to_owned()])
    }

    #[test]
    fn types_are_chosen_by_name_or_beginning() {
        let count = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            chosen(all(), &words).map(|chosen| chosen.len())
        };
        assert_eq!(count(&[]).unwrap(), all().len());
        assert_eq!(count(&["deployment:started"]).unwrap(), 1);
        assert_eq!(count(&["deployment:stage"]).unwrap(), 2);
        assert_eq!(count(&["notification:*", "validation:"]).unwrap(), 4);
        assert!(count(&["deploy"]).unwrap_err().text.contains("deploy"));
    }

    #[test]
    fn an_entry_that_is_no_event_is_shown_as_such() {
        let fields = vec![(b"id".to_vec(), b"e\n1".to_vec())];
        let entry = Entry { id: EntryId::at(1_732_251_600_000), fields };
        let line = row(&Sighting::read(&all()[0], &entry), Colour::Off);
        assert_eq!(
            line,
            "2024-11-22 05:00:00.000Z  deployment:started                  -                     invalid  \
             id: must be 1 to 128 characters without control characters  id=e\u{fffd}1"
        );
    }
}
