//! Signed webhooks, verified by the library that their receivers use.

use printery_testkit::HttpService;
use standardwebhooks::Webhook;

use crate::scene::{endless, failed, receiver, started, tell_now, word};

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

#[tokio::test]
async fn the_receivers_own_library_accepts_our_signatures_and_nobody_elses() {
    let service = HttpService::start().await;
    let yaml = format!("{{ webhook: {{ url: '{}', secret: [{NEW}, {OLD}] }} }}", service.url());
    let it = receiver(&yaml);
    for event in [started(), failed(), endless()] {
        assert_eq!(word(&tell_now(&it, &event).await.verdict), "told");
        let request = service.requests().pop().unwrap();
        let mut headers = http::HeaderMap::new();
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            headers.insert(name, request.headers[name].parse().unwrap());
        }
        for key in [OLD, NEW] {
            let judge = Webhook::new(key).unwrap();
            judge.verify(&request.body, &headers).unwrap();
            let mut changed = request.body.to_vec();
            changed[0] = b'[';
            assert!(judge.verify(&changed, &headers).is_err());
        }
        let stranger = Webhook::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        assert!(stranger.verify(&request.body, &headers).is_err());
    }
}
