//! What is written of a delivery when it is given up.
//!
//! Filled in by the harness, which buries; pure. The entry's own fields are the engine's to keep.

use printery_streams::Fields;

/// Detail texts are kept to this many characters.
const DETAIL_CHARS: usize = 4096;

/// What is written of a delivery when it is buried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Epitaph {
    /// The dead letter's own id.
    pub id: String,
    /// The event's id, or empty.
    pub event_id: String,
    /// The event's type, or empty.
    pub event_type: String,
    /// The deployment, or empty.
    pub deployment_id: String,
    /// The correlation id, or empty.
    pub correlation_id: String,
    /// The stream it was first read from.
    pub original_stream: String,
    /// Its id there.
    pub original_entry: String,
    /// The worker that gave up.
    pub worker: String,
    /// Why, in a few words that stay the same for the same failure.
    pub reason: String,
    /// Why, in a sentence.
    pub detail: String,
    /// Attempts used, deaths of owners included.
    pub attempts: u32,
    /// First failure, the server's milliseconds.
    pub first_failure_ms: u64,
    /// Last failure, the server's milliseconds.
    pub last_failure_ms: u64,
    /// How `data` is encoded, or empty.
    pub datacontenttype: String,
    /// How often it had been redriven.
    pub replays: u32,
    /// The process that gave up.
    pub instance: String,
}

impl Epitaph {
    /// The fields that follow the entry's own in its dead letter.
    ///
    /// The entry's own pairs come first and verbatim; `original_fields` tells how many they are.
    /// `data` is repeated only where the entry has no field of that name.
    pub fn fields(&self, original: &[(Vec<u8>, Vec<u8>)], data: Option<&[u8]>) -> Fields {
        let detail: String =
            self.detail.chars().filter(|c| !c.is_control()).take(DETAIL_CHARS).collect();
        let mut fields: Fields = [
            ("id", self.id.clone()),
            ("event_id", self.event_id.clone()),
            ("event_type", self.event_type.clone()),
            ("deployment_id", self.deployment_id.clone()),
            ("correlationid", self.correlation_id.clone()),
            ("original_stream", self.original_stream.clone()),
            ("original_entry", self.original_entry.clone()),
            ("worker", self.worker.clone()),
            ("failure_reason", self.reason.clone()),
            ("failure_detail", detail),
            ("attempt_count", self.attempts.to_string()),
            ("first_failure_at", self.first_failure_ms.to_string()),
            ("last_failure_at", self.last_failure_ms.to_string()),
            ("datacontenttype", self.datacontenttype.clone()),
            ("status", "pending".to_owned()),
            ("fingerprint", fingerprint(&self.reason, &self.event_type, &self.detail)),
            ("replay_count", self.replays.to_string()),
            ("instance", self.instance.clone()),
            ("original_fields", original.len().to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes()))
        .collect();
        if !original.iter().any(|(name, _)| name == b"data") {
            fields.push((b"data".to_vec(), data.unwrap_or_default().to_vec()));
        }
        fields
    }
}

/// A short text that is equal for failures of the same kind: digits do not count.
pub fn fingerprint(reason: &str, event_type: &str, detail: &str) -> String {
    // FNV-1a: stable across versions and platforms, unlike the standard library's hasher.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let texts = [event_type, "|", reason, "|", detail];
    for byte in texts.iter().flat_map(|text| text.bytes()).filter(|byte| !byte.is_ascii_digit()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_differ_in_numbers_share_a_fingerprint() {
        let a = fingerprint("max_attempts", "deployment:started", "no answer in 5012 ms");
        let b = fingerprint("max_attempts", "deployment:started", "no answer in 31 ms");
        let c = fingerprint("max_attempts", "deployment:started", "refused");
        assert_eq!(a, b);
        assert_ne!(a, c);
    }
}
