//! The `oci_image` check: which image each service is deployed from, and whether a registry has it.
//!
//! The runner calls it with what the fleet file says and what the event asks for. An event may choose tag and digest; the
//! registry and the repository are the fleet file's alone.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::stream;
use jiff::Timestamp;
use printery_config::{Fleet, ImageCheck, Template};
use printery_events::payload::DeploymentStarted;
use printery_probes::{
    Class, Credentials, Egress, Error, ImageDemands, ImageProbe, ImageReference, Limits, Outcome,
    ReasonCode, RegistryTokens, Report, Url,
};

use crate::fields::fields;
use crate::together::together;

/// Registries that one check asks at once; they count requests.
const AT_ONCE: usize = 4;

/// Where images without a registry in their name come from.
const DOCKER_HUB: &str = "https://registry-1.docker.io";

/// The check as the fleet file says it.
#[derive(Debug, Clone)]
pub(crate) struct Images {
    check: ImageCheck,
    /// Of each service that says what image it is made of.
    configured: BTreeMap<String, String>,
    tokens: RegistryTokens,
}

/// The check for one deployment: each service and its image, or why there is none to ask for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    probes: Vec<(String, Result<ImageProbe, Error>)>,
    limits: Limits,
    tokens: RegistryTokens,
}

impl Images {
    pub(crate) fn of(check: &ImageCheck, fleet: &Fleet) -> Self {
        let configured = fleet.services.iter();
        let configured = configured
            .filter_map(|(name, service)| Some((name.clone(), service.image.clone()?)))
            .collect();
        Self { check: check.clone(), configured, tokens: RegistryTokens::default() }
    }

    /// Returns what is to be asked for these services of a deployment.
    pub(crate) fn wanted(
        &self,
        deployment: &DeploymentStarted,
        services: &[String],
        now: Timestamp,
    ) -> Wanted {
        let meant =
            |name: &&String| self.check.services.is_empty() || self.check.services.contains(name);
        let probe = |service: &String| {
            let probe = self.probe(deployment, service, now);
            (service.clone(), probe.map_err(|error| error.while_attempting(attempted(service))))
        };
        Wanted {
            probes: services.iter().filter(meant).map(probe).collect(),
            limits: Limits::configured(self.check.limits),
            tokens: self.tokens.clone(),
        }
    }

    fn probe(
        &self,
        deployment: &DeploymentStarted,
        service: &str,
        now: Timestamp,
    ) -> Result<ImageProbe, Error> {
        let image = if self.check.image.is_field("image") {
            self.named_image(deployment, service)?
        } else {
            let text = fill(&self.check.image, deployment, service)?;
            text.parse::<ImageReference>()?.or_tag(&deployment.version)?
        };
        let (registry, image, credentials) = self.place(image)?;
        let require = &self.check.require;
        let labels = require.labels.iter();
        let labels = labels
            .map(|(name, value)| Ok((name.clone(), fill(value, deployment, service)?)))
            .collect::<Result<_, Error>>()?;
        let demands = ImageDemands {
            platforms: require.platforms.clone(),
            digest_pinned: require.digest_pinned,
            labels,
            max_age: require.max_age,
            signed: require.signed,
        };
        let realms = self.check.realms.clone();
        Ok(ImageProbe { registry, image, credentials, realms, demands, now })
    }

    /// Takes the event's image if it is one of the fleet file's repository, else the fleet file's own.
    fn named_image(
        &self,
        deployment: &DeploymentStarted,
        service: &str,
    ) -> Result<ImageReference, Error> {
        let configured = self.configured.get(service);
        let configured = configured.map(|text| text.parse::<ImageReference>()).transpose()?;
        let Some(named) = deployment.images.get(service) else {
            return match configured {
                Some(image) => image.or_tag(&deployment.version),
                None => Err(wrong("neither the event nor the fleet file names its image")),
            };
        };
        let named = named.parse::<ImageReference>()?;
        let same = match &configured {
            Some(configured) => {
                named.registry() == configured.registry()
                    && named.repository() == configured.repository()
            }
            None => self.check.registry.is_some(),
        };
        if same {
            return named.or_tag(&deployment.version);
        }
        let why = match configured {
            Some(_) => "the event names another image than the fleet file's",
            None => "the event names an image, and the fleet file does not say where from",
        };
        Err(blocked(why))
    }

    /// Returns the registry that is asked, the image as it knows it, and who signs in there.
    fn place(
        &self,
        image: ImageReference,
    ) -> Result<(Url, ImageReference, Option<Credentials>), Error> {
        let mut credentials = self.check.login.as_ref().map(|login| Credentials {
            username: login.username.clone(),
            password: login.password.expose().to_owned().into(),
        });
        if let Some(registry) = &self.check.registry {
            let mut url = registry.expose().clone();
            if image.registry().is_some_and(|named| named != authority(&url)) {
                return Err(blocked("the image is of another registry than the check's"));
            }
            if let Some(password) = url.password() {
                let login = (decoded(url.username()), decoded(password));
                let (username, password) = login;
                credentials.get_or_insert(Credentials { username, password: password.into() });
            }
            // Fails only for URLs that carry no credentials.
            url.set_password(None).and_then(|()| url.set_username("")).unwrap_or_default();
            return Ok((url, image, credentials));
        }
        let (base, image) = match image.registry() {
            Some("docker.io") | None => (DOCKER_HUB.to_owned(), of_docker_hub(&image)?),
            Some(host) => (format!("{}://{host}", scheme(host)), image),
        };
        let url = Url::parse(&base).map_err(|_quotes_it| wrong("its registry is no host"))?;
        Ok((url, image, credentials))
    }
}

/// Asks for every image, a few at a time.
pub(crate) async fn check(wanted: &Wanted, egress: &Egress, limits: Limits) -> Report {
    if wanted.probes.is_empty() {
        return Report::skipped("", "none of the services it looks at is deployed");
    }
    let one = |(service, probe): &(String, Result<ImageProbe, Error>)| {
        let (service, probe) = (service.clone(), probe.clone());
        async move {
            let report = match probe {
                Ok(probe) => probe.run(egress, &limits, &wanted.tokens).await,
                Err(error) => Report::of(&error, service.as_str(), "the image is there"),
            };
            (service, report)
        }
    };
    let reports = stream::iter(wanted.probes.iter().map(one)).buffered(AT_ONCE).collect().await;
    together(reports)
}

impl Wanted {
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }
}

fn attempted(service: &str) -> String {
    format!("choosing the image of {service}")
}

fn fill(
    template: &Template,
    deployment: &DeploymentStarted,
    service: &str,
) -> Result<String, Error> {
    let look_up = |field: &str| fields(deployment, service, field);
    template.fill(look_up).map_err(|field| wrong(&format!("the event does not say {field}")))
}

/// Docker itself speaks plain HTTP to nobody but this machine.
fn scheme(host: &str) -> &'static str {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if name == "localhost" || name.starts_with("127.") || name == "[::1]" {
        "http"
    } else {
        "https"
    }
}

fn of_docker_hub(image: &ImageReference) -> Result<ImageReference, Error> {
    let text = image.to_string();
    let bare = text.strip_prefix("docker.io/").unwrap_or(&text);
    let name =
        if image.repository().contains('/') { bare.to_owned() } else { format!("library/{bare}") };
    name.parse()
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Undoes the percent signs of a URL's user info.
fn decoded(text: &str) -> String {
    url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn wrong(why: &str) -> Error {
    Error::new(Class::Internal, ReasonCode::InvalidTarget, "", why)
}

fn blocked(why: &str) -> Error {
    let error = Error::new(Class::Guard, ReasonCode::BlockedByPolicy, "", why);
    debug_assert_eq!(error.class().outcome(), Outcome::Error, "a guard's refusal is an error");
    error
}

#[cfg(test)]
mod tests {
    use printery_config::CheckSpec;

    use super::*;
    use crate::fixtures::{deployment, fleet};

    const SHOP: &str = "
        version: 1
        fleet: shop
        validator: { checks: [named, given, built] }
        checks:
          named: { kind: oci_image, require: { labels: { version: '${event.version}' } } }
          given: { kind: oci_image, registry: 'https://ada:hunter%2F2@registry.local:5000' }
          built: { kind: oci_image, image: 'registry.local/shop/${event.service}' }
        services:
          api: { image: registry.local/shop/api }
          hub: { image: nginx }
          web: {}
        ";

    fn asked(check: &str, service: &str, image: Option<&str>) -> Result<String, ReasonCode> {
        let fleet = fleet(SHOP);
        let CheckSpec::Image(said) = &fleet.checks[check].spec else { panic!("{check}") };
        let mut deployment = deployment(&[service]);
        let named = image.map(|image| (service.to_owned(), image.to_owned()));
        deployment.images = named.into_iter().collect();
        let images = Images::of(said, &fleet);
        let probe = images.probe(&deployment, service, Timestamp::UNIX_EPOCH);
        probe
            .map(|probe| format!("{} {}", probe.registry, probe.image))
            .map_err(|error| error.reason_code())
    }

    #[test]
    fn an_event_chooses_the_tag_and_the_fleet_file_the_place() {
        let local = |image: &str| Ok(format!("https://registry.local/ {image}"));
        let given = |image: &str| Ok(format!("https://registry.local:5000/ {image}"));
        let cases = [
            ("named", "api", None, local("registry.local/shop/api:1.2.0")),
            ("named", "api", Some("registry.local/shop/api:7"), local("registry.local/shop/api:7")),
            ("named", "api", Some("evil.example/shop/api:7"), Err(ReasonCode::BlockedByPolicy)),
            ("named", "api", Some("registry.local/shop/web:7"), Err(ReasonCode::BlockedByPolicy)),
            ("named", "web", Some("evil.example/web:7"), Err(ReasonCode::BlockedByPolicy)),
            ("named", "web", None, Err(ReasonCode::InvalidTarget)),
            (
                "named",
                "hub",
                None,
                Ok("https://registry-1.docker.io/ library/nginx:1.2.0".to_owned()),
            ),
            ("given", "web", Some("shop/web:7"), given("shop/web:7")),
            ("given", "web", Some("registry.local:5000/web:7"), given("registry.local:5000/web:7")),
            ("given", "web", Some("evil.example/web:7"), Err(ReasonCode::BlockedByPolicy)),
            ("given", "web", Some("../x"), Err(ReasonCode::InvalidTarget)),
            ("built", "web", None, local("registry.local/shop/web:1.2.0")),
        ];
        for (check, service, image, expected) in cases {
            assert_eq!(asked(check, service, image), expected, "{check} {service} {image:?}");
        }
    }

    #[test]
    fn credentials_of_the_registrys_address_sign_in_and_are_not_shown() {
        let fleet = fleet(SHOP);
        let CheckSpec::Image(said) = &fleet.checks["given"].spec else { panic!("given") };
        let mut deployment = deployment(&["web"]);
        deployment.images = [("web".to_owned(), "shop/web:7".to_owned())].into();
        let probe = Images::of(said, &fleet).probe(&deployment, "web", Timestamp::UNIX_EPOCH);
        let probe = probe.unwrap();
        let credentials = probe.credentials.as_ref().unwrap();
        assert_eq!(credentials.username, "ada");
        assert!(!format!("{probe:?}").contains("hunter"), "{probe:?}");
    }
}
