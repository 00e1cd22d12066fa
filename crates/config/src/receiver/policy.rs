//! How receivers are told: how long a request may take, how often and when it is repeated.
//!
//! Owns the `notifier:` section. The notifier goes by it for every receiver. Never knows what a
//! receiver is told.

use std::time::Duration;

use serde::Serialize;

use crate::reader::Refers;
use crate::receiver::grouping::Grouping;
use crate::shown;
use crate::table::Table;

/// By how much each wait is longer than the one before.
const GROWTH: u32 = 3;

/// Holds the notifier's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notifier {
    /// How long one request may take. Standard Webhooks asks for 15 s to 30 s.
    #[serde(serialize_with = "shown::duration")]
    pub timeout: Duration,
    /// How requests are repeated; what suits its kind for each receiver when the file says nothing.
    pub retry: Option<Retry>,
    /// When a receiver is left alone.
    pub circuit: Circuit,
    /// The receiver that hears of those that could not be told.
    pub fallback: Option<String>,
    /// Which notices people get as one message; each is one of its own without.
    pub group: Option<Grouping>,
}

impl Default for Notifier {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            retry: None,
            circuit: Circuit { failures: 5, open: Duration::from_secs(30) },
            fallback: None,
            group: None,
        }
    }
}

/// Says how often one receiver is tried with one event, and how long between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// Requests in all.
    pub attempts: u32,
    /// The first wait; each further one is three times as long.
    #[serde(serialize_with = "shown::duration")]
    pub base: Duration,
    /// The longest wait.
    #[serde(serialize_with = "shown::duration")]
    pub cap: Duration,
    /// The waits one by one, where they follow no rule; those above are only the ends of it then.
    #[serde(skip)]
    pub steps: &'static [Duration],
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

impl Retry {
    /// Six requests in ten minutes, for people who read along.
    pub const CHAT: Self = Self {
        attempts: 6,
        base: Duration::from_secs(5),
        cap: Duration::from_secs(405),
        steps: &[],
    };

    /// Thirty requests in two hours, for whoever must not be missed.
    pub const PAGER: Self = Self {
        attempts: 30,
        base: Duration::from_secs(5),
        cap: Duration::from_secs(280),
        steps: &[],
    };

    /// Ten requests in three days and three hours, for programs that somebody repairs on Monday.
    ///
    /// # Source
    /// Standard Webhooks 1.0, "Deliverability and reliability".
    pub const WEBHOOK: Self = Self {
        attempts: 10,
        base: Duration::from_secs(5),
        cap: minutes(24 * 60),
        steps: &[
            Duration::from_secs(5),
            minutes(5),
            minutes(30),
            minutes(2 * 60),
            minutes(5 * 60),
            minutes(10 * 60),
            minutes(14 * 60),
            minutes(20 * 60),
            minutes(24 * 60),
        ],
    };

    /// Returns how long to wait after so many requests, or `None` when there is no further one.
    pub fn wait(&self, tries: u32) -> Option<Duration> {
        if tries >= self.attempts {
            return None;
        }
        if !self.steps.is_empty() {
            let step = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
            return self.steps.get(step).copied();
        }
        let factor = GROWTH.checked_pow(tries.saturating_sub(1)).unwrap_or(u32::MAX);
        Some(self.base.saturating_mul(factor).min(self.cap))
    }

    /// Returns the sum of all waits.
    pub fn patience(&self) -> Duration {
        if !self.steps.is_empty() {
            return self.steps.iter().sum();
        }
        let mut all = Duration::ZERO;
        let mut tries = 1;
        while let Some(wait) = self.wait(tries) {
            all = all.saturating_add(wait);
            // The waits have stopped growing: the others are like this one.
            if self.wait(tries + 1) == Some(wait) {
                let rest = self.attempts.saturating_sub(tries).saturating_sub(1);
                return all.saturating_add(wait.saturating_mul(rest));
            }
            tries += 1;
        }
        all
    }
}

/// Says when a receiver that does not answer is left alone, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Circuit {
    /// Failures in a row, of whatever events.
    pub failures: u32,
    /// How long nobody asks it; after that one at a time may try.
    #[serde(serialize_with = "shown::duration")]
    pub open: Duration,
}

impl Notifier {
    /// Reads the `notifier:` section.
    pub(crate) fn read(top: &mut Table<'_, '_>) -> Self {
        let mut read = Self::default();
        let Some(mut table) = top.table("notifier") else { return read };
        read.timeout = table.span("timeout").unwrap_or(read.timeout);
        let attempts = table.small("attempts");
        let (mut base, mut cap) = (None, None);
        if let Some(mut backoff) = table.table("backoff") {
            base = backoff.span("base");
            cap = backoff.span("cap");
            backoff.close();
        }
        if attempts.is_some() || base.is_some() || cap.is_some() {
            let chat = Retry::CHAT;
            read.retry = Some(Retry {
                attempts: attempts.unwrap_or(chat.attempts),
                base: base.unwrap_or(chat.base),
                cap: cap.unwrap_or(chat.cap),
                steps: &[],
            });
        }
        if let Some(mut circuit) = table.table("circuit") {
            read.circuit.failures = circuit.small("failures").unwrap_or(read.circuit.failures);
            read.circuit.open = circuit.span("open").unwrap_or(read.circuit.open);
            circuit.close();
        }
        if let Some((name, at)) = table.texts("fallback").and_then(|names| names.into_iter().next())
        {
            table.reader.refer(Refers::Receiver, &name, at);
            read.fallback = Some(name);
        }
        read.group = table.table("group").map(Grouping::read);
        table.close();
        read
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Retry;

    fn waits(retry: Retry) -> Vec<u64> {
        (1..).map_while(|tries| retry.wait(tries)).map(|wait| wait.as_secs()).collect()
    }

    #[test]
    fn people_are_tried_for_ten_minutes_pagers_for_two_hours_and_programs_for_days() {
        assert_eq!(waits(Retry::CHAT), [5, 15, 45, 135, 405]);
        let pager = waits(Retry::PAGER);
        assert_eq!((pager.len(), pager[..5].to_vec()), (29, vec![5, 15, 45, 135, 280]));
        assert_eq!(waits(Retry::WEBHOOK).len(), 9);
        assert_eq!(waits(Retry::WEBHOOK)[..4], [5, 300, 1800, 7200]);
        for retry in
            [Retry::CHAT, Retry::PAGER, Retry::WEBHOOK, Retry { attempts: 1, ..Retry::CHAT }]
        {
            let sum = waits(retry).iter().sum::<u64>();
            assert_eq!(retry.patience(), Duration::from_secs(sum), "{retry:?}");
        }
        assert_eq!(Retry::CHAT.patience(), Duration::from_secs(605));
        assert_eq!(Retry::PAGER.patience(), Duration::from_secs(7200));
        assert_eq!(Retry::WEBHOOK.patience().as_secs() / 3600, 75, "three days and three hours");
    }

    #[test]
    fn no_number_is_too_large() {
        let many = Retry { attempts: u32::MAX, ..Retry::CHAT };
        assert_eq!(many.wait(4_000_000), Some(many.cap));
        assert!(many.patience() > Duration::from_secs(1_000_000));
        let base = Duration::from_nanos(1);
        let slow = Retry { base, cap: Duration::MAX, ..many };
        assert!(slow.patience() > Duration::ZERO);
    }
}
