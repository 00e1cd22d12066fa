//! Where the instances of a service are, as a name server says.
//!
//! The probe of instances asks for them before it asks each one. It dials nobody.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::classify;
use crate::dns::{Answer, DnsProbe, failure};
use crate::egress::Egress;
use crate::error::Error;
use crate::instances::Instance;
use crate::limits::Limits;
use crate::outcome::Outcome;
use crate::report::Report;
use crate::retry::{About, with_retries};

impl DnsProbe {
    /// Looks up, with retries, where services are that a name leads to: each address of each of them.
    pub(crate) async fn instances(
        &self,
        egress: &Egress,
        limits: &Limits,
        about: &About,
    ) -> Result<Vec<Instance>, Box<Report>> {
        let found = Mutex::new(Vec::new());
        let report = with_retries(limits, about, |until| {
            let found = &found;
            async move {
                match self.addresses(egress, limits, until).await {
                    Ok(addresses) => {
                        *found.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
                        about.passed("")
                    }
                    Err(error) => about.failed(error),
                }
            }
        })
        .await;
        if report.outcome != Outcome::Pass {
            return Err(Box::new(report));
        }
        Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    async fn addresses(
        &self,
        egress: &Egress,
        limits: &Limits,
        until: Instant,
    ) -> Result<Vec<Instance>, Error> {
        let resolver = self.resolver(egress, limits, until).await?;
        let found = resolver.lookup(self.name.as_str(), self.record.kind()).await;
        let found = found.map_err(|error| failure(&error))?;
        let answers = found.answers().iter().map(|record| Answer::of(&record.data));
        let mut instances = Vec::new();
        for (_, _, host, port) in answers.filter_map(|answer| answer.service) {
            // Looked up where its record came from; the guard admits each address when it is dialled.
            let found = timeout_at(until, resolver.lookup_ip(host.as_str())).await;
            let found = found.map_err(|_elapsed| classify::lookup_timeout("", Duration::ZERO))?;
            for address in found.map_err(|error| failure(&error))?.iter() {
                let shown = format!("{host}:{port} ({address})");
                instances.push(Instance { shown, host: address.to_string(), port });
            }
        }
        Ok(instances)
    }
}
