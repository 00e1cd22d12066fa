//! Signatures of outgoing webhooks.
//!
//! Owns the Standard Webhooks scheme `v1`; pure. The webhook receiver signs each request with it.
//! Never verifies and never holds a key longer than it signs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use printery_config::SigningKey;
use sha2::Sha256;

/// Returns the value of `webhook-signature`: one signature for each key, so that a receiver may
/// know the old one or the new one while keys are rotated.
///
/// # Shapes and units
/// `timestamp`: whole seconds since the epoch.
/// # Source
/// Standard Webhooks 1.0, "Signature scheme": HMAC-SHA256 over `id.timestamp.body`.
pub fn signatures(keys: &[SigningKey], id: &str, timestamp: u64, body: &[u8]) -> String {
    let one = |key: &SigningKey| signature(key.expose(), id, timestamp, body);
    keys.iter().filter_map(one).collect::<Vec<_>>().join(" ")
}

fn signature(key: &[u8], id: &str, timestamp: u64, body: &[u8]) -> Option<String> {
    // HMAC takes keys of any length; `None` cannot happen and would mean "not signed with it".
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", BASE64.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use printery_config::SigningKey;

    use super::signatures;

    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_specification_s_example_is_reproduced() {
        let keys = [SigningKey::try_new(KEY).unwrap()];
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            signatures(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn each_key_of_a_rotation_signs() {
        let old = SigningKey::try_new(KEY).unwrap();
        let new = SigningKey::try_new("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX").unwrap();
        let both = signatures(&[new, old.clone()], "id", 1, b"{}");
        assert_eq!(both.split(' ').count(), 2);
        assert!(both.ends_with(&signatures(&[old], "id", 1, b"{}")));
    }
}
