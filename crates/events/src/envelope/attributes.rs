//! Owns the field names of an entry: the contract's, their aliases, and the sorting of fields by them.
//! Decoding and salvage call it first.
//! It never judges values; it only says which value belongs to which attribute.

/// Names one field of the contract's entry table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    SpecVersion,
    Id,
    Source,
    Type,
    Subject,
    Time,
    DataContentType,
    Data,
    CorrelationId,
    CausationId,
    TraceParent,
    TraceState,
    DryRun,
    FollowUp,
    Order,
}

/// How many attributes there are.
const COUNT: usize = 15;

impl Attribute {
    /// Recognises a field's name or one of its aliases.
    fn named(field: &[u8]) -> Option<Self> {
        Some(match field {
            b"specversion" => Self::SpecVersion,
            b"id" | b"event_id" => Self::Id,
            b"source" => Self::Source,
            b"type" | b"event_type" => Self::Type,
            b"subject" | b"deployment_id" => Self::Subject,
            b"time" | b"timestamp" => Self::Time,
            b"datacontenttype" => Self::DataContentType,
            b"data" | b"payload" => Self::Data,
            b"correlationid" | b"correlation_id" => Self::CorrelationId,
            b"causationid" => Self::CausationId,
            b"traceparent" => Self::TraceParent,
            b"tracestate" => Self::TraceState,
            b"dryrun" => Self::DryRun,
            b"printeryfollowup" => Self::FollowUp,
            b"printeryorder" => Self::Order,
            _ => return None,
        })
    }

    /// Gives the name under which the fleet writes it and errors name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SpecVersion => "specversion",
            Self::Id => "id",
            Self::Source => "source",
            Self::Type => "type",
            Self::Subject => "subject",
            Self::Time => "time",
            Self::DataContentType => "datacontenttype",
            Self::Data => "data",
            Self::CorrelationId => "correlationid",
            Self::CausationId => "causationid",
            Self::TraceParent => "traceparent",
            Self::TraceState => "tracestate",
            Self::DryRun => "dryrun",
            Self::FollowUp => "printeryfollowup",
            Self::Order => "printeryorder",
        }
    }
}

/// Holds the values of an entry's known fields; unknown fields are left where they are.
#[derive(Default)]
pub(crate) struct Attributes<'a> {
    values: [Option<&'a [u8]>; COUNT],
    /// The first attribute that was given more than once, under whatever names.
    pub(crate) repeated: Option<Attribute>,
}

impl<'a> Attributes<'a> {
    /// Sorts an entry's fields; of a repeated attribute the first value counts.
    pub(crate) fn of(fields: &'a [(Vec<u8>, Vec<u8>)]) -> Self {
        let mut attributes = Self::default();
        for (name, value) in fields {
            let Some(attribute) = Attribute::named(name) else { continue };
            let Some(slot) = attributes.values.get_mut(attribute as usize) else { continue };
            if slot.is_some() {
                attributes.repeated = attributes.repeated.or(Some(attribute));
            } else {
                *slot = Some(value);
            }
        }
        attributes
    }

    /// Gives an attribute's bytes.
    pub(crate) fn bytes(&self, attribute: Attribute) -> Option<&'a [u8]> {
        self.values.get(attribute as usize).copied().flatten()
    }
}
