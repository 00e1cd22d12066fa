//! The image probe against a real `docker-registry` of its own: open, with a password, with tokens.
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use printery_probes::{
    Class, Credentials, Egress, EgressRules, ImageDemands, ImageProbe, Limits, Outcome, ReasonCode,
    RegistryTokens, Report, Url,
};
use printery_testkit::{Answer, DockerRegistry, HttpService, free_port};

const REPOSITORY: &str = "shop/checkout";
const BUILT: &str = "2026-11-20T10:00:00Z";

/// `ada` with the password `hunter2`, as `htpasswd -nbB` writes it.
const HTPASSWD: &str = "ada:$2y$05$y9KaltXrxvenxnZya6hx2eID28qEAeLr44ZZyM1GrGV7RgGhZERfG\n";

fn egress() -> Egress {
    Egress::try_new(&EgressRules { allow: vec![], allow_loopback: true }).unwrap()
}

fn probe(registry: &DockerRegistry, image: &str) -> ImageProbe {
    ImageProbe {
        registry: Url::parse(&registry.url()).unwrap(),
        image: image.parse().unwrap(),
        credentials: None,
        realms: Vec::new(),
        demands: ImageDemands::default(),
        now: "2026-11-22T10:00:00Z".parse().unwrap(),
    }
}

async fn ask(probe: &ImageProbe) -> Report {
    let limits = Limits::new(Duration::from_secs(30), Duration::from_secs(10), 1);
    probe.run(&egress(), &limits, &RegistryTokens::default()).await
}

async fn stocked() -> (DockerRegistry, String) {
    let registry = DockerRegistry::start().await;
    let labels = [("team", "shop")];
    let digest = registry.push(REPOSITORY, "1.9.2", "linux/amd64", &labels, BUILT).await;
    (registry, digest)
}

fn credentials(password: &str) -> Credentials {
    Credentials { username: "ada".into(), password: password.into() }
}

#[tokio::test]
async fn an_image_that_is_there_passes_with_its_digest_and_one_that_is_not_fails() {
    let (registry, digest) = stocked().await;
    let report = ask(&probe(&registry, "shop/checkout:1.9.2")).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
    assert!(report.observed.starts_with(&digest), "{report:?}");
    assert_eq!(report.target, format!("{}/shop/checkout:1.9.2", registry.addr()));
    for image in ["shop/checkout:1.9.3", "shop/nobody:1.9.2"] {
        let report = ask(&probe(&registry, image)).await;
        assert_eq!((report.outcome, report.class), (Outcome::Fail, Some(Class::Permanent)));
        assert_eq!(report.reason_code, ReasonCode::ImageNotFound, "{report:?}");
    }
}

#[tokio::test]
async fn a_digest_pins_what_is_asked_for() {
    let (registry, digest) = stocked().await;
    let pinned = format!("shop/checkout:1.9.2@{digest}");
    let mut exact = probe(&registry, &pinned);
    exact.demands.digest_pinned = true;
    let report = ask(&exact).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");

    let other = format!("shop/checkout@sha256:{}", "0".repeat(64));
    let report = ask(&probe(&registry, &other)).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::ImageNotFound));

    let mut loose = probe(&registry, "shop/checkout:1.9.2");
    loose.demands.digest_pinned = true;
    let report = ask(&loose).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::DigestMismatch));
    assert!(report.observed.contains(&digest), "the digest to pin is told: {report:?}");
}

#[tokio::test]
async fn platforms_labels_and_age_are_looked_up_and_everything_wrong_is_named() {
    let (registry, amd) = stocked().await;
    let arm = registry.push(REPOSITORY, "arm", "linux/arm64", &[("team", "shop")], BUILT).await;
    let images = [("linux/amd64", amd.as_str()), ("linux/arm64", arm.as_str())];
    registry.push_index(REPOSITORY, "2.0", &images).await;
    let demands = ImageDemands {
        platforms: vec!["linux/amd64".into(), "linux/arm64".into()],
        labels: vec![("team".into(), "shop".into())],
        max_age: Some(Duration::from_secs(3 * 86_400)),
        ..ImageDemands::default()
    };
    let mut both = probe(&registry, "shop/checkout:2.0");
    both.demands = demands.clone();
    let report = ask(&both).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
    assert!(report.observed.contains("for linux/amd64, linux/arm64, 2 days old"), "{report:?}");

    let mut single = probe(&registry, "shop/checkout:1.9.2");
    single.demands = ImageDemands {
        labels: vec![("team".into(), "web".into()), ("commit".into(), "1".into())],
        max_age: Some(Duration::from_secs(3_600)),
        signed: true,
        ..demands
    };
    let report = ask(&single).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::PlatformMissing));
    for wrong in [
        "linux/arm64 is missing",
        "label team is not web",
        "label commit is missing",
        "older than 60 min",
        "nothing that signs",
    ] {
        assert!(report.observed.contains(wrong), "{wrong}: {report:?}");
    }
    let tag = format!("{}.sig", amd.replace(':', "-"));
    registry.push(REPOSITORY, &tag, "linux/amd64", &[], BUILT).await;
    let mut signed = probe(&registry, "shop/checkout:1.9.2");
    signed.demands.signed = true;
    assert_eq!(ask(&signed).await.outcome, Outcome::Pass);
}

#[tokio::test]
async fn a_registry_with_passwords_gets_the_right_one_and_shows_none() {
    let (open, _) = stocked().await;
    let file = open.dir().join("htpasswd");
    std::fs::write(&file, HTPASSWD).unwrap();
    let auth = format!("auth: {{ htpasswd: {{ realm: shop, path: {} }} }}", file.display());
    let registry = open.guarded(&auth).await;
    let cases = [
        (Some(credentials("hunter2")), Outcome::Pass, ReasonCode::Ok),
        (Some(credentials("hunter3")), Outcome::Fail, ReasonCode::Auth),
        (None, Outcome::Fail, ReasonCode::Auth),
    ];
    for (credentials, outcome, reason) in cases {
        let mut probe = probe(&registry, "shop/checkout:1.9.2");
        probe.credentials = credentials;
        probe.demands.platforms = vec!["linux/amd64".into()];
        let report = ask(&probe).await;
        assert_eq!((report.outcome, report.reason_code), (outcome, reason), "{report:?}");
        assert!(!format!("{report:?}{probe:?}").contains("hunter"), "{report:?}");
    }
}

/// A key and a certificate that the registry trusts.
struct Issuer {
    key: std::path::PathBuf,
    certificate: std::path::PathBuf,
}

impl Issuer {
    fn make(dir: &Path) -> Self {
        let (key, certificate) = (dir.join("token.key"), dir.join("token.pem"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]);
        openssl.args(["-subj", "/CN=issuer", "-keyout"]).arg(&key).arg("-out").arg(&certificate);
        assert!(openssl.output().unwrap().status.success());
        Self { key, certificate }
    }

    /// Signs the right to pull the repository, as Distribution's token specification says.
    fn token(&self, dir: &Path) -> String {
        let pem = std::fs::read_to_string(&self.certificate).unwrap();
        let der: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
        let header = format!(r#"{{"typ":"JWT","alg":"RS256","x5c":["{der}"]}}"#);
        let claims = format!(
            r#"{{"iss":"issuer","sub":"ada","aud":"shop-registry","exp":4102444800,"nbf":0,"iat":0,
                "jti":"1","access":[{{"type":"repository","name":"{REPOSITORY}","actions":["pull"]}}]}}"#
        );
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let (input, output) = (dir.join("token.in"), dir.join("token.sig"));
        std::fs::write(&input, &signed).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", "-sha256", "-sign"]).arg(&self.key).arg("-out").arg(&output);
        assert!(openssl.arg(&input).output().unwrap().status.success());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(std::fs::read(&output).unwrap()))
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_from_a_listed_realm_and_used_again() {
    let (open, _) = stocked().await;
    let issuer = Issuer::make(open.dir());
    let server = HttpService::start().await;
    let answer = format!(r#"{{"token":"{}","expires_in":300}}"#, issuer.token(open.dir()));
    server.answer_at("/token", Answer::Full(200, vec![], answer));
    let auth = format!(
        "auth: {{ token: {{ realm: '{}/token', service: shop-registry, issuer: issuer, \
         rootcertbundle: '{}' }} }}",
        server.url(),
        issuer.certificate.display()
    );
    let registry = open.guarded(&auth).await;
    let mut probe = probe(&registry, "shop/checkout:1.9.2");
    probe.credentials = Some(credentials("hunter2"));

    let report = ask(&probe).await;
    assert_eq!((report.outcome, report.class), (Outcome::Error, Some(Class::Guard)), "{report:?}");
    assert!(report.message.contains("`realms` does not list"), "{report:?}");
    assert!(server.requests().is_empty(), "the credentials went to a realm nobody listed");

    probe.realms = vec![server.addr().to_string()];
    let tokens = RegistryTokens::default();
    let limits = Limits::new(Duration::from_secs(30), Duration::from_secs(10), 1);
    for _again in 0..2 {
        let report = probe.run(&egress(), &limits, &tokens).await;
        assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
    }
    let requests = server.requests();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    let basic = format!("Basic {}", STANDARD.encode("ada:hunter2"));
    assert_eq!(request.headers["authorization"], basic);
    assert!(request.path.contains("service=shop-registry"), "{}", request.path);
    assert!(request.path.contains("scope=repository%3Ashop%2Fcheckout%3Apull"), "{}", request.path);

    server.answer_at("/token", Answer::Status(401));
    let report = ask(&probe).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Auth));
}

#[tokio::test]
async fn a_registry_that_is_away_or_busy_is_an_error_and_not_a_missing_image() {
    let gone = Url::parse(&format!("http://127.0.0.1:{}", free_port())).unwrap();
    let busy = HttpService::start().await;
    busy.answer(Answer::Full(429, vec![("retry-after".into(), "7".into())], String::new()));
    let busy_url = Url::parse(&busy.url()).unwrap();
    let cases = [(gone, ReasonCode::ConnectRefused), (busy_url, ReasonCode::HttpStatus)];
    for (registry, reason) in cases {
        let probe = ImageProbe {
            registry,
            image: "shop/checkout:1".parse().unwrap(),
            credentials: None,
            realms: Vec::new(),
            demands: ImageDemands::default(),
            now: "2026-11-22T10:00:00Z".parse().unwrap(),
        };
        let report = ask(&probe).await;
        assert_eq!((report.outcome, report.class), (Outcome::Error, Some(Class::Transient)));
        assert_eq!(report.reason_code, reason, "{report:?}");
        if reason == ReasonCode::HttpStatus {
            assert_eq!(report.retry_after, Some(Duration::from_secs(7)));
        }
    }
}
