//! The image probe: asks a registry for an image, and looks at its digest, platforms and labels.
//!
//! The validator uses it before a deployment. It only ever reads, sends credentials to nobody who is not listed, and
//! trusts a digest it was given or has computed before one that a header states.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;
use tokio::time::Instant;

use crate::egress::Egress;
use crate::error::Error;
use crate::limits::Limits;
use crate::outcome::{Class, Outcome, ReasonCode};
use crate::redact::brief;
use crate::registry_auth::{Credentials, RegistryTokens};
use crate::registry_client::{Document, Registry, Want};
use crate::registry_manifest::{Description, Manifest, Platform};
use crate::registry_reference::{Digest, ImageReference};
use crate::report::{Report, Timings};
use crate::retry::{About, with_retries};

/// What an image must be beyond being there.
#[derive(Debug, Clone, Default)]
pub struct ImageDemands {
    /// Platforms that must be there, as `linux/amd64`.
    pub platforms: Vec<String>,
    /// Whether the reference must name a digest, so that nobody can change what is deployed.
    pub digest_pinned: bool,
    /// Labels that its configuration must carry, with these values.
    pub labels: Vec<(String, String)>,
    /// How old it may be at most.
    pub max_age: Option<Duration>,
    /// Whether a signature or another document that refers to it must be there.
    pub signed: bool,
}

/// One image and what is expected of it.
#[derive(Debug, Clone)]
pub struct ImageProbe {
    /// The registry, `https://registry.example:5000`.
    pub registry: Url,
    /// The image.
    pub image: ImageReference,
    /// How to sign in, where the registry asks for it.
    pub credentials: Option<Credentials>,
    /// Token servers, `host` or `host:port`, that may be given the credentials beside the registry itself.
    pub realms: Vec<String>,
    /// What is expected.
    pub demands: ImageDemands,
    /// What time it is, for the image's age.
    pub now: Timestamp,
}

/// What has been found out, and what is wrong with it.
#[derive(Debug, Default)]
struct Findings {
    facts: Vec<String>,
    wrong: Vec<(ReasonCode, String)>,
}

impl ImageProbe {
    /// Asks, with retries, and judges what is found; names everything that is wrong at once.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future closes its connections.
    pub async fn run(&self, egress: &Egress, limits: &Limits, tokens: &RegistryTokens) -> Report {
        let host = self.registry.host_str().unwrap_or_default();
        let authority = match self.registry.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let target = match self.image.registry() {
            Some(_) => self.image.to_string(),
            None => format!("{authority}/{}", self.image),
        };
        let attempted = format!("asking the registry for {target}");
        let about = About { attempted, target, expected: self.demands.words() };
        with_retries(limits, &about, |until| self.attempt(egress, limits, tokens, &about, until))
            .await
    }

    async fn attempt(
        &self,
        egress: &Egress,
        limits: &Limits,
        tokens: &RegistryTokens,
        about: &About,
        until: Instant,
    ) -> Report {
        let started = Instant::now();
        let limits = limits.within(until.saturating_duration_since(started));
        let mut timings = Timings::default();
        let found = match Registry::open(self, egress, &limits, tokens) {
            Ok(mut registry) => self.look(&mut registry, &mut timings).await,
            Err(error) => Err(error),
        };
        let report = match found {
            Ok(findings) => findings.report(about, started.elapsed()),
            Err(error) => about.failed(error),
        };
        Report { timings, ..report }
    }

    /// Finds out what is asked for and no more: a plain existence check reads no manifest.
    async fn look(
        &self,
        registry: &mut Registry<'_>,
        timings: &mut Timings,
    ) -> Result<Findings, Error> {
        let mut findings = Findings::default();
        if self.demands.digest_pinned && self.image.digest().is_none() {
            let text = "it is not pinned by a digest".to_owned();
            findings.wrong.push((ReasonCode::DigestMismatch, text));
        }
        let wants_content = self.demands.wants_content();
        let want = if wants_content { Want::Body } else { Want::Existence };
        let started = Instant::now();
        let document = registry.manifest(self.image.wanted(), want).await;
        timings.processing = Some(started.elapsed());
        let document = document?;
        let digest = findings.settle_digest(self.image.digest(), &document);
        if wants_content {
            self.look_inside(registry, &document, &mut findings).await?;
            timings.transfer =
                Some(started.elapsed().saturating_sub(timings.processing.unwrap_or_default()));
        }
        if self.demands.signed {
            match &digest {
                Some(digest) if registry.is_signed(digest).await? => {
                    findings.facts.push("signed".to_owned());
                }
                Some(_) | None => {
                    let text = "nothing that signs or describes it is there".to_owned();
                    findings.wrong.push((ReasonCode::Content, text));
                }
            }
        }
        Ok(findings)
    }

    /// Looks at the platforms of an index, and at the configuration where it is needed.
    async fn look_inside(
        &self,
        registry: &mut Registry<'_>,
        document: &Document,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        let (platforms, config) = match Manifest::read(&document.body)? {
            Manifest::Image { config } => {
                let description = Description::read(&registry.blob(&config).await?)?;
                (vec![description.platform.clone()], Some(description))
            }
            Manifest::Index(images) => {
                let description = if self.demands.wants_configuration() {
                    self.describe_one(registry, &images).await?
                } else {
                    None
                };
                (images.into_iter().map(|(platform, _)| platform).collect(), description)
            }
        };
        findings.judge_platforms(&platforms, &self.demands.platforms);
        if self.demands.wants_configuration() {
            findings.judge_labels(config.as_ref(), &self.demands.labels);
            findings.judge_age(config.as_ref(), self.demands.max_age, self.now);
        }
        Ok(())
    }

    /// Reads the configuration of the first image that somebody wants; all images of one build carry the same labels.
    async fn describe_one(
        &self,
        registry: &mut Registry<'_>,
        images: &[(Platform, Digest)],
    ) -> Result<Option<Description>, Error> {
        let is_wanted =
            |platform: &Platform| self.demands.platforms.iter().any(|wanted| platform.is(wanted));
        let wanted = images.iter().find(|(platform, _)| is_wanted(platform)).or(images.first());
        let Some((_, digest)) = wanted else { return Ok(None) };
        let document = registry.manifest(digest.as_str(), Want::Body).await?;
        match Manifest::read(&document.body)? {
            Manifest::Image { config } => {
                Description::read(&registry.blob(&config).await?).map(Some)
            }
            Manifest::Index(_) => Ok(None),
        }
    }
}

impl ImageDemands {
    fn wants_content(&self) -> bool {
        !self.platforms.is_empty() || self.wants_configuration()
    }

    fn wants_configuration(&self) -> bool {
        !self.labels.is_empty() || self.max_age.is_some()
    }

    fn words(&self) -> String {
        let mut words = vec!["the image is there".to_owned()];
        if !self.platforms.is_empty() {
            words.push(format!("for {}", self.platforms.join(", ")));
        }
        if self.digest_pinned {
            words.push("pinned by a digest".to_owned());
        }
        if !self.labels.is_empty() {
            let labels: Vec<String> =
                self.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            words.push(format!("labelled {}", labels.join(", ")));
        }
        if let Some(age) = self.max_age {
            words.push(format!("no older than {}", spoken(age)));
        }
        if self.signed {
            words.push("signed".to_owned());
        }
        words.join(", ")
    }
}

impl Findings {
    /// Settles which digest the image has: the one asked for, else the computed one, else the one a header states.
    fn settle_digest(&mut self, asked: Option<&Digest>, document: &Document) -> Option<Digest> {
        let seen = document.computed.as_ref().or(document.stated.as_ref());
        if let (Some(asked), Some(seen)) = (asked, seen)
            && asked != seen
        {
            let text = format!("the registry has {seen} under {asked}");
            self.wrong.push((ReasonCode::DigestMismatch, text));
        }
        if let (Some(computed), Some(stated)) = (&document.computed, &document.stated)
            && computed != stated
        {
            let text = format!("the registry states {stated} for what is {computed}");
            self.wrong.push((ReasonCode::DigestMismatch, text));
        }
        let digest = asked.or(seen).cloned();
        if let Some(digest) = &digest {
            self.facts.push(digest.to_string());
        }
        digest
    }

    fn judge_platforms(&mut self, platforms: &[Platform], wanted: &[String]) {
        let there: Vec<String> = platforms.iter().map(ToString::to_string).collect();
        self.facts.push(format!("for {}", there.join(", ")));
        for wanted in wanted {
            if !platforms.iter().any(|platform| platform.is(wanted)) {
                self.wrong.push((ReasonCode::PlatformMissing, format!("{wanted} is missing")));
            }
        }
    }

    fn judge_labels(&mut self, image: Option<&Description>, labels: &[(String, String)]) {
        for (name, wanted) in labels {
            let found = image.and_then(|image| image.labels.get(name));
            let text = match found {
                Some(found) if found == wanted => continue,
                Some(_) => format!("label {name} is not {wanted}"),
                None => format!("label {name} is missing"),
            };
            self.wrong.push((ReasonCode::Content, text));
        }
    }

    fn judge_age(&mut self, image: Option<&Description>, oldest: Option<Duration>, now: Timestamp) {
        let Some(oldest) = oldest else { return };
        let created = image.and_then(|image| image.created.as_deref());
        let created = created.and_then(|text| text.parse::<Timestamp>().ok());
        let Some(created) = created else {
            let text = "it does not say when it was built".to_owned();
            self.wrong.push((ReasonCode::Content, text));
            return;
        };
        let age = Duration::try_from(now.duration_since(created)).unwrap_or_default();
        self.facts.push(format!("{} old", spoken(age)));
        if age > oldest {
            let text = format!("it is older than {}", spoken(oldest));
            self.wrong.push((ReasonCode::Content, text));
        }
    }

    fn report(self, about: &About, took: Duration) -> Report {
        let facts =
            if self.facts.is_empty() { "it is there".to_owned() } else { self.facts.join(", ") };
        let Some((reason, _)) = self.wrong.first() else {
            return about.passed(format!("{facts}, found in {}", brief(took)));
        };
        let reason = *reason;
        let wrong: Vec<String> = self.wrong.into_iter().map(|(_, text)| text).collect();
        let observed = format!("{} ({facts})", wrong.join("; "));
        let error = Error::new(Class::Assertion, reason, "", observed);
        let report = about.failed(error);
        debug_assert_eq!(report.outcome, Outcome::Fail, "an assertion that does not hold fails");
        report
    }
}

/// Says a long time in its largest unit.
fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
