//! Owns the lossy look at an entry that is no event, for the dead letter it becomes.
//! The harness calls it after [`crate::Event::decode`] failed.
//! It never fails and never judges: what can be recognised is recognised, the rest stays out.

use crate::encoding::Encoding;
use crate::envelope::attributes::{Attribute, Attributes};
use crate::tree::Node;

/// How many characters of a recognised text are kept. Valid ids have at most half of it, so that nothing valid is cut.
const MAX_CHARS: usize = 256;

/// Holds what could be recognised of an undecodable entry; no text in it needs to be valid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvage {
    /// The text of `id`.
    pub event_id: Option<String>,
    /// The text of `subject`, or of `data.deployment_id` where `data` can be read that far.
    pub subject: Option<String>,
    /// The text of `correlationid`.
    pub correlation_id: Option<String>,
    /// The bytes of `data`, as they came.
    pub data: Option<Vec<u8>>,
    /// The text of `datacontenttype`.
    pub datacontenttype: Option<String>,
}

/// Recognises what it can of an entry; of a repeated field the first value counts.
pub fn salvage(fields: &[(Vec<u8>, Vec<u8>)]) -> Salvage {
    let attributes = Attributes::of(fields);
    let text = |attribute| attributes.bytes(attribute).filter(|it| !it.is_empty()).map(readable);
    let data = attributes.bytes(Attribute::Data);
    let datacontenttype = text(Attribute::DataContentType);
    let encoding = datacontenttype.as_deref().and_then(Encoding::of_content_type);
    Salvage {
        event_id: text(Attribute::Id),
        subject: text(Attribute::Subject).or_else(|| deployment_id(data?, encoding)),
        correlation_id: text(Attribute::CorrelationId),
        data: data.map(<[u8]>::to_vec),
        datacontenttype,
    }
}

fn deployment_id(data: &[u8], encoding: Option<Encoding>) -> Option<String> {
    // Reading a huge value again only to label its dead letter is not worth a pause of the worker.
    let data = Some(data).filter(|data| data.len() <= crate::envelope::MAX_ENTRY_BYTES)?;
    let encoding = encoding.unwrap_or_else(|| Encoding::of_data(data));
    let tree = Node::parse(data, encoding).ok()?;
    tree.text("deployment_id").map(|text| readable(text.as_bytes()))
}

/// Makes text of any bytes: replacement characters for what is not UTF-8 or would control a terminal.
fn readable(bytes: &[u8]) -> String {
    let start = bytes.get(..bytes.len().min(MAX_CHARS * 4)).unwrap_or_default();
    String::from_utf8_lossy(start)
        .chars()
        .take(MAX_CHARS)
        .map(|it| if it.is_control() { char::REPLACEMENT_CHARACTER } else { it })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fields: &[(&[u8], &[u8])]) -> Vec<(Vec<u8>, Vec<u8>)> {
        fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
    }

    #[test]
    fn what_is_recognisable_is_salvaged() {
        let data = br#"{"deployment_id":"d-7","version":7}"#;
        let fields = entry(&[
            (b"event_id", b"e\xff\n1"),
            (b"payload", data),
            (b"correlation_id", b"c"),
            (b"other", b"\xff"),
        ]);
        let expected = Salvage {
            event_id: Some("e\u{fffd}\u{fffd}1".into()),
            subject: Some("d-7".into()),
            correlation_id: Some("c".into()),
            data: Some(data.to_vec()),
            datacontenttype: None,
        };
        assert_eq!(salvage(&fields), expected);
    }

    #[test]
    fn nothing_recognisable_is_nothing() {
        assert_eq!(salvage(&[]), Salvage::default());
        let fields = entry(&[(b"", b""), (b"\xff\xfe", b"x"), (b"subject", b"")]);
        assert_eq!(salvage(&fields), Salvage::default());
    }

    #[test]
    fn a_salvaged_text_is_short() {
        let fields = entry(&[(b"id", &[0xf0; 5000]), (b"subject", "é".repeat(5000).as_bytes())]);
        let salvage = salvage(&fields);
        assert_eq!(salvage.event_id.unwrap().chars().count(), MAX_CHARS);
        assert_eq!(salvage.subject.unwrap().chars().count(), MAX_CHARS);
    }
}
