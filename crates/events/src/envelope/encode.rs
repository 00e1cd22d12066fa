//! Owns the way out: from an [`Event`] to the fields of an entry, in the contract's order.
//! The harness and the command line call it right before they publish.
//! It never writes an alias: only names of CloudEvents and of the contract's extensions.

use crate::encoding::Encoding;
use crate::envelope::Event;
use crate::envelope::attributes::Attribute;

impl Event {
    /// Writes the event as an entry's field names and values.
    ///
    /// [`Event::decode`] reads the same event back from it.
    pub fn encode(&self, encoding: Encoding) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut fields = Vec::with_capacity(13);
        let mut put = |attribute: Attribute, value: Vec<u8>| {
            fields.push((attribute.name().into(), value));
        };
        put(Attribute::SpecVersion, "1.0".into());
        put(Attribute::Id, self.id.as_str().into());
        if let Some(source) = &self.source {
            put(Attribute::Source, source.as_str().into());
        }
        put(Attribute::Type, self.event_type.as_str().into());
        put(Attribute::Subject, self.subject.as_str().into());
        if let Some(time) = self.time {
            put(Attribute::Time, time.to_string().into());
        }
        put(Attribute::DataContentType, encoding.content_type().into());
        put(Attribute::Data, encoding.write(&self.payload));
        put(Attribute::CorrelationId, self.correlation_id.as_str().into());
        if let Some(causation_id) = &self.causation_id {
            put(Attribute::CausationId, causation_id.as_str().into());
        }
        if let Some(trace) = &self.trace {
            put(Attribute::TraceParent, trace.parent.as_str().into());
            if let Some(state) = &trace.state {
                put(Attribute::TraceState, state.as_str().into());
            }
        }
        if self.dry_run {
            put(Attribute::DryRun, "true".into());
        }
        if let Some(follow_up) = &self.follow_up {
            put(Attribute::FollowUp, follow_up.purpose.as_str().into());
            put(Attribute::Order, follow_up.order.as_str().into());
        }
        fields
    }
}
