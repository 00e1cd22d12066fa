//! Which prefixes the keys of a fleet have, and which they might have had with other settings.
//!
//! Pure. The collector and the doctor compare with it what processes were told; `leftovers` looks
//! below the prefixes that nobody reads any more.

use printery_config::MOST_PARTITIONS;
use printery_streams::partition::prefixes;

use crate::snapshot::InstanceView;

/// Why the live processes of a fleet with `count` partitions cannot work together; none when all
/// agree.
pub(crate) fn disagreement<'a>(
    count: usize,
    instances: impl Iterator<Item = &'a InstanceView>,
) -> Option<String> {
    let told = |one: &InstanceView| usize::from(one.partitions.unwrap_or(1));
    let odd = instances.filter(|one| one.alive && told(one) != count);
    let named: Vec<String> =
        odd.map(|one| format!("{} was told of {}", one.instance, told(one))).collect();
    (!named.is_empty())
        .then(|| format!("this fleet has {} but {}", partitions(count), named.join(", ")))
}

/// The setting that makes a fleet read the partition of this prefix.
pub(crate) fn how_to_read(prefix: &str) -> String {
    let index = prefix.trim_end_matches('}').rsplit_once('.');
    let index =
        index.filter(|_| prefix.starts_with('{')).and_then(|(_, last)| last.parse::<u16>().ok());
    match index {
        Some(index) => format!("--partitions={}", index.saturating_add(1)),
        None => format!("--prefix={prefix} without --partitions"),
    }
}

/// Prefixes that the same fleet would have had with another number of partitions or with none.
pub(crate) fn neighbours(prefix: &str, count: Option<u16>) -> Vec<String> {
    let own = prefixes(prefix, count);
    let bare = bare(prefix);
    let plain = [bare.to_owned(), format!("{{{bare}}}")];
    let others = plain.into_iter().chain(prefixes(prefix, Some(MOST_PARTITIONS)));
    others.filter(|other| !own.contains(other)).collect()
}

/// The prefix in words: with its partitions, where it has any.
pub(crate) fn described(prefix: &str, count: Option<u16>) -> String {
    let own = prefixes(prefix, count);
    match (own.first(), own.last()) {
        (Some(first), Some(last)) if first != last => {
            format!("{} in {}, {first} to {last}", bare(prefix), partitions(own.len()))
        }
        (Some(only), _) => only.clone(),
        (None, _) => prefix.to_owned(),
    }
}

/// The prefix as it was before anything was put around it.
fn bare(prefix: &str) -> &str {
    prefix.trim_start_matches('{').trim_end_matches('}')
}

fn partitions(count: usize) -> String {
    if count == 1 { "1 partition".to_owned() } else { format!("{count} partitions") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::instance;

    #[test]
    fn only_live_processes_with_another_number_disagree() {
        let of = |partitions, alive| InstanceView { partitions, ..instance(alive) };
        let table = [
            (vec![of(None, true), of(Some(1), true)], 1, None),
            (vec![of(Some(3), true), of(Some(5), false)], 3, None),
            (
                vec![of(Some(3), true), of(Some(5), true)],
                3,
                Some("this fleet has 3 partitions but notifier-h-1-x was told of 5"),
            ),
            (
                vec![of(None, true)],
                3,
                Some("this fleet has 3 partitions but notifier-h-1-x was told of 1"),
            ),
        ];
        for (instances, count, expected) in table {
            assert_eq!(disagreement(count, instances.iter()).as_deref(), expected);
        }
    }

    #[test]
    fn neighbours_are_all_the_other_prefixes_and_never_ours() {
        let of_three = neighbours("materi", Some(3));
        assert_eq!(of_three.len(), 2 + 61);
        for other in ["materi", "{materi}", "{materi.3}", "{materi.63}"] {
            assert!(of_three.contains(&other.to_owned()), "{other}");
        }
        assert!(!of_three.contains(&"{materi.2}".to_owned()));
        let of_none = neighbours("{materi}", None);
        assert_eq!(of_none.len(), 1 + 64);
        assert!(of_none.contains(&"materi".to_owned()));
    }

    #[test]
    fn a_prefix_is_described_with_the_setting_that_reads_it() {
        assert_eq!(described("materi", None), "materi");
        assert_eq!(described("materi", Some(1)), "{materi.0}");
        assert_eq!(
            described("{materi}", Some(3)),
            "materi in 3 partitions, {materi.0} to {materi.2}"
        );
        assert_eq!(how_to_read("{materi.5}"), "--partitions=6");
        assert_eq!(how_to_read("{materi}"), "--prefix={materi} without --partitions");
        assert_eq!(how_to_read("materi"), "--prefix=materi without --partitions");
    }
}
