//! Owns the way in: from an entry's fields to an [`Event`], or to the one reason why it is none.
//! The harness calls it once for every delivery, before any handler sees it.
//! It never reads an entry leniently: what it accepts, it accepts because contract §3 lists it.

use crate::encoding::Encoding;
use crate::envelope::attributes::{Attribute, Attributes};
use crate::envelope::{
    Event, FollowUp, MAX_ENTRY_BYTES, MAX_FIELD_NAME_BYTES, MAX_FIELDS, Trace, moment,
};
use crate::event_type::EventType;
use crate::ids::{MAX_DEPLOYMENT_ID_CHARS, MAX_ID_CHARS, is_deployment_id, is_event_id};
use crate::invalid::{Invalid, quoted};
use crate::kinds::Payload;
use crate::tree::{MAX_TEXT_BYTES, Node};

impl Event {
    /// Reads an event from an entry's fields.
    ///
    /// `implied` is the event type of the stream it stands in; without one the entry must name its `type`.
    ///
    /// # Errors
    /// The first thing that breaks the contract: limits, then the envelope's fields, then `data`.
    /// # Source
    /// Contract §3 and §4.
    pub fn decode(
        implied: Option<&EventType>,
        fields: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<Self, Invalid> {
        within_limits(fields)?;
        let entry = Entry { attributes: Attributes::of(fields) };
        if let Some(repeated) = entry.attributes.repeated {
            return Err(Invalid::new(repeated.name(), "is given more than once"));
        }
        entry.check_version()?;
        let id = entry.id(Attribute::Id)?.ok_or_else(|| missing(Attribute::Id))?;
        let source = entry.source()?;
        let event_type = entry.event_type(implied)?;
        let subject = entry.text(Attribute::Subject)?.map(deployment_id).transpose()?;
        let time = entry.text(Attribute::Time)?.map(moment::parse).transpose()?;
        let correlation_id = entry.id(Attribute::CorrelationId)?.unwrap_or(id);
        let causation_id = entry.id(Attribute::CausationId)?;
        let dry_run = entry.dry_run()?;
        let follow_up = entry.follow_up()?;
        let payload = entry.payload(&event_type)?;
        Ok(Self {
            subject: agreed_subject(subject, &payload)?,
            id: id.to_owned(),
            source: source.map(str::to_owned),
            event_type,
            time,
            correlation_id: correlation_id.to_owned(),
            causation_id: causation_id.map(str::to_owned),
            trace: entry.trace(),
            dry_run,
            follow_up,
            payload,
        })
    }
}

fn within_limits(fields: &[(Vec<u8>, Vec<u8>)]) -> Result<(), Invalid> {
    if fields.len() > MAX_FIELDS {
        let problem = format!("has {} fields, the limit is {MAX_FIELDS}", fields.len());
        return Err(Invalid::new("entry", problem));
    }
    let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_ENTRY_BYTES {
        let problem = format!("has {bytes} bytes, the limit is {MAX_ENTRY_BYTES}");
        return Err(Invalid::new("entry", problem));
    }
    match fields.iter().map(|(name, _)| name.len()).find(|bytes| *bytes > MAX_FIELD_NAME_BYTES) {
        Some(bytes) => {
            let limit = MAX_FIELD_NAME_BYTES;
            let problem = format!("has a field name of {bytes} bytes, the limit is {limit}");
            Err(Invalid::new("entry", problem))
        }
        None => Ok(()),
    }
}

fn missing(attribute: Attribute) -> Invalid {
    Invalid::new(attribute.name(), "is missing")
}

/// An entry within the limits, its fields sorted.
struct Entry<'a> {
    attributes: Attributes<'a>,
}

impl<'a> Entry<'a> {
    /// Gives an attribute that must be text and, where it stands, must not be empty.
    fn text(&self, attribute: Attribute) -> Result<Option<&'a str>, Invalid> {
        let Some(bytes) = self.attributes.bytes(attribute) else { return Ok(None) };
        let problem = match str::from_utf8(bytes) {
            Err(_) => "is not UTF-8 text".to_owned(),
            Ok("") => "is empty".to_owned(),
            Ok(text) if text.len() > MAX_TEXT_BYTES => {
                format!("has {} bytes, the limit is {MAX_TEXT_BYTES}", text.len())
            }
            Ok(text) => return Ok(Some(text)),
        };
        Err(Invalid::new(attribute.name(), problem))
    }

    fn check_version(&self) -> Result<(), Invalid> {
        match self.text(Attribute::SpecVersion)? {
            None | Some("1.0") => Ok(()),
            Some(other) => {
                let problem = format!("must be 1.0, not {}", quoted(other));
                Err(Invalid::new(Attribute::SpecVersion.name(), problem))
            }
        }
    }

    fn id(&self, attribute: Attribute) -> Result<Option<&'a str>, Invalid> {
        match self.text(attribute)? {
            Some(text) if !is_event_id(text) => {
                let rule = "must be 1 to";
                let problem =
                    format!("{rule} {MAX_ID_CHARS} characters without control characters");
                Err(Invalid::new(attribute.name(), problem))
            }
            text => Ok(text),
        }
    }

    fn source(&self) -> Result<Option<&'a str>, Invalid> {
        match self.text(Attribute::Source)? {
            Some(text) if text.chars().any(char::is_control) => {
                Err(Invalid::new(Attribute::Source.name(), "has control characters"))
            }
            text => Ok(text),
        }
    }

    fn event_type(&self, implied: Option<&EventType>) -> Result<EventType, Invalid> {
        match (self.text(Attribute::Type)?, implied) {
            (None, None) => Err(missing(Attribute::Type)),
            (None, Some(implied)) => Ok(implied.clone()),
            (Some(text), None) => EventType::parse(text),
            (Some(text), Some(implied)) if text == implied.as_str() => Ok(implied.clone()),
            (Some(text), Some(implied)) => {
                let problem = format!("must be {implied} as its stream, not {}", quoted(text));
                Err(Invalid::new(Attribute::Type.name(), problem))
            }
        }
    }

    /// Reads a switch that keeps people from being told: a word we do not know must not mean no.
    fn dry_run(&self) -> Result<bool, Invalid> {
        match self.text(Attribute::DryRun)? {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => {
                let problem = format!("must be true or false, not {}", quoted(text));
                Err(Invalid::new(Attribute::DryRun.name(), problem))
            }
        }
    }

    /// Reads what only a worker writes, and only both of it.
    fn follow_up(&self) -> Result<Option<FollowUp>, Invalid> {
        let Some(purpose) = self.text(Attribute::FollowUp)? else { return Ok(None) };
        let order = self.text(Attribute::Order)?.ok_or_else(|| missing(Attribute::Order))?;
        FollowUp::try_new(purpose, order).map(Some)
    }

    /// Reads the trace context; one that is not valid in every respect is none.
    fn trace(&self) -> Option<Trace> {
        let text = |attribute| self.attributes.bytes(attribute).map(str::from_utf8);
        let parent = text(Attribute::TraceParent)?.ok()?;
        Trace::parse(parent, text(Attribute::TraceState).and_then(Result::ok))
    }

    fn encoding(&self, data: &[u8]) -> Result<Encoding, Invalid> {
        let Some(content_type) = self.text(Attribute::DataContentType)? else {
            return Ok(Encoding::of_data(data));
        };
        Encoding::of_content_type(content_type).ok_or_else(|| {
            let (one, other) =
                (Encoding::MessagePack.content_type(), Encoding::Json.content_type());
            let problem = format!("must be {one} or {other}, not {}", quoted(content_type));
            Invalid::new(Attribute::DataContentType.name(), problem)
        })
    }

    fn payload(&self, event_type: &EventType) -> Result<Payload, Invalid> {
        let data =
            self.attributes.bytes(Attribute::Data).ok_or_else(|| missing(Attribute::Data))?;
        let encoding = self.encoding(data)?;
        if data.is_empty() {
            return Err(Invalid::new(Attribute::Data.name(), "is empty"));
        }
        let tree = Node::parse(data, encoding)?;
        let payload = Payload::read(event_type.family(), tree)
            .map_err(|misfit| misfit.within(Attribute::Data.name()))?;
        match (event_type.stage(), payload.stage()) {
            (Some(named), Some(stage)) if named != stage => {
                let problem = format!("must be {named} as in the type, not {}", quoted(stage));
                Err(Invalid::new("data.stage", problem))
            }
            _ => Ok(payload),
        }
    }
}

fn deployment_id(text: &str) -> Result<&str, Invalid> {
    if is_deployment_id(text) { Ok(text) } else { Err(bad_deployment_id("subject", text)) }
}

fn bad_deployment_id(field: &str, text: &str) -> Invalid {
    let rule = format!("[A-Za-z0-9_.:-]{{1,{MAX_DEPLOYMENT_ID_CHARS}}}");
    Invalid::new(field, format!("must be {rule}, not {}", quoted(text)))
}

/// Settles which deployment an event is about: the envelope and `data` must say the same.
fn agreed_subject(subject: Option<&str>, payload: &Payload) -> Result<String, Invalid> {
    let within = payload.deployment_id();
    match subject {
        Some(subject) if subject != within => {
            let problem =
                format!("differs from data.deployment_id: {subject} and {}", quoted(within));
            Err(Invalid::new(Attribute::Subject.name(), problem))
        }
        Some(subject) => Ok(subject.to_owned()),
        None if is_deployment_id(within) => Ok(within.to_owned()),
        None => Err(bad_deployment_id("data.deployment_id", within)),
    }
}
