//! Reads raw replies: keeps bytes, order and duplicates, and trusts no shape.
//!
//! The client's typed stream replies lose a whole batch over one field name that is not UTF-8 and
//! fold duplicates; every reply of this crate goes through here instead.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the client's reply type is not ours and may grow: what is not expected is malformed"
)]

use redis::Value;

use crate::error::Error;
use crate::names::{EntryId, Fields};

/// A stream's key and its entries, as they came.
pub(crate) type StreamRows = (Vec<u8>, Vec<Value>);

/// Where a reply came from, for the error it may turn into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) operation: &'static str,
    pub(crate) key: &'a str,
}

impl Origin<'_> {
    pub(crate) fn bad(self, what: &str) -> Error {
        Error::malformed(self.operation, self.key, what)
    }

    pub(crate) fn array(self, value: Value) -> Result<Vec<Value>, Error> {
        match value {
            Value::Array(items) | Value::Set(items) => Ok(items),
            Value::Nil => Ok(Vec::new()),
            _ => Err(self.bad("expected a list")),
        }
    }

    pub(crate) fn bytes(self, value: Value) -> Result<Vec<u8>, Error> {
        match value {
            Value::BulkString(bytes) => Ok(bytes),
            Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(text.into_bytes()),
            Value::Okay => Ok(b"OK".to_vec()),
            Value::Int(number) => Ok(number.to_string().into_bytes()),
            _ => Err(self.bad("expected text")),
        }
    }

    pub(crate) fn text(self, value: Value) -> Result<String, Error> {
        String::from_utf8(self.bytes(value)?).map_err(|_not_text| self.bad("expected UTF-8"))
    }

    /// A name that anybody may have chosen; bytes that are no text are replaced.
    pub(crate) fn name(self, value: Value) -> Result<String, Error> {
        Ok(String::from_utf8_lossy(&self.bytes(value)?).into_owned())
    }

    pub(crate) fn int(self, value: &Value) -> Result<i64, Error> {
        match value {
            Value::Int(number) => Ok(*number),
            Value::BulkString(bytes) => std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| self.bad("expected a number")),
            _ => Err(self.bad("expected a number")),
        }
    }

    pub(crate) fn count(self, value: &Value) -> Result<u64, Error> {
        Ok(u64::try_from(self.int(value)?).unwrap_or(0))
    }

    pub(crate) fn id(self, value: Value) -> Result<EntryId, Error> {
        self.text(value)?.parse().map_err(|_not_an_id| self.bad("expected an entry id"))
    }

    /// A flat list of names and values; none when the body is gone.
    pub(crate) fn fields(self, value: Value) -> Result<Option<Fields>, Error> {
        let items = match value {
            Value::Nil | Value::Boolean(false) => return Ok(None),
            other => self.array(other)?,
        };
        let mut fields = Vec::with_capacity(items.len() / 2);
        let mut items = items.into_iter();
        while let Some(name) = items.next() {
            let value = items.next().ok_or_else(|| self.bad("a field without a value"))?;
            fields.push((self.bytes(name)?, self.bytes(value)?));
        }
        Ok(Some(fields))
    }

    /// One `[id, [name, value, …]]`; without fields when the body is gone.
    pub(crate) fn entry(self, value: Value) -> Result<(EntryId, Option<Fields>), Error> {
        let [id, fields] = self.exactly(value)?;
        Ok((self.id(id)?, self.fields(fields)?))
    }

    /// A list of exactly `N` items.
    pub(crate) fn exactly<const N: usize>(self, value: Value) -> Result<[Value; N], Error> {
        <[Value; N]>::try_from(self.array(value)?)
            .map_err(|items| self.bad(&format!("expected {N} items, found {}", items.len())))
    }

    /// The reply of a read over streams: `[[stream, [entry, …]], …]`, also as a map.
    pub(crate) fn streams(self, value: Value) -> Result<Vec<StreamRows>, Error> {
        match value {
            Value::Map(pairs) => pairs
                .into_iter()
                .map(|(stream, entries)| Ok((self.bytes(stream)?, self.array(entries)?)))
                .collect(),
            other => self
                .array(other)?
                .into_iter()
                .map(|stream| {
                    let [stream, entries] = self.exactly(stream)?;
                    Ok((self.bytes(stream)?, self.array(entries)?))
                })
                .collect(),
        }
    }

    /// A flat list or a map as text pairs, such as the reply of `XINFO`.
    pub(crate) fn map(self, value: Value) -> Result<Vec<(String, Value)>, Error> {
        match value {
            Value::Map(pairs) => {
                pairs.into_iter().map(|(name, value)| Ok((self.text(name)?, value))).collect()
            }
            other => {
                let mut items = self.array(other)?.into_iter();
                let mut out = Vec::new();
                while let Some(name) = items.next() {
                    let value = items.next().ok_or_else(|| self.bad("a name without a value"))?;
                    out.push((self.text(name)?, value));
                }
                Ok(out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::{collection, option};
    use redis::{PushKind, VerbatimFormat};

    use super::*;

    const HERE: Origin<'static> = Origin { operation: "test", key: "k" };

    fn bulk(text: &[u8]) -> Value {
        Value::BulkString(text.to_vec())
    }

    #[test]
    fn bytes_order_and_duplicates_survive() {
        let value = Value::Array(vec![
            bulk(b"1-0"),
            Value::Array(vec![
                bulk(b"\xff"),
                bulk(b"a"),
                bulk(b""),
                bulk(b""),
                bulk(b"\xff"),
                bulk(b"b"),
            ]),
        ]);
        let (id, fields) = HERE.entry(value).unwrap();
        assert_eq!(id, EntryId { ms: 1, seq: 0 });
        let expected: Fields = vec![
            (b"\xff".to_vec(), b"a".to_vec()),
            (Vec::new(), Vec::new()),
            (b"\xff".to_vec(), b"b".to_vec()),
        ];
        assert_eq!(fields, Some(expected));
    }

    #[test]
    fn a_missing_body_is_not_an_empty_one() {
        let gone = Value::Array(vec![bulk(b"1-0"), Value::Nil]);
        assert_eq!(HERE.entry(gone).unwrap().1, None);
        let empty = Value::Array(vec![bulk(b"1-0"), Value::Array(vec![])]);
        assert_eq!(HERE.entry(empty).unwrap().1, Some(vec![]));
    }

    #[test]
    fn an_odd_number_of_items_is_malformed() {
        let value = Value::Array(vec![bulk(b"1-0"), Value::Array(vec![bulk(b"name")])]);
        assert!(HERE.entry(value).is_err());
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            Just(Value::Okay),
            any::<i64>().prop_map(Value::Int),
            any::<f64>().prop_map(Value::Double),
            any::<bool>().prop_map(Value::Boolean),
            any::<String>().prop_map(Value::SimpleString),
            any::<String>()
                .prop_map(|text| Value::VerbatimString { format: VerbatimFormat::Text, text }),
            collection::vec(any::<u8>(), 0..8).prop_map(Value::BulkString),
            "[0-9]{0,22}-?[0-9]{0,22}".prop_map(|text| Value::BulkString(text.into_bytes())),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let list = || collection::vec(inner.clone(), 0..5);
            let pairs = || collection::vec((inner.clone(), inner.clone()), 0..4);
            prop_oneof![
                4 => list().prop_map(Value::Array),
                1 => list().prop_map(Value::Set),
                1 => pairs().prop_map(Value::Map),
                1 => list().prop_map(|data| Value::Push { kind: PushKind::Other("x".into()), data }),
                1 => (inner.clone(), pairs()).prop_map(|(data, attributes)| {
                    Value::Attribute { data: Box::new(data), attributes }
                }),
            ]
        })
    }

    fn any_fields() -> impl Strategy<Value = Option<Fields>> {
        let bytes = || collection::vec(any::<u8>(), 0..6);
        option::weighted(0.9, collection::vec((bytes(), bytes()), 0..5))
    }

    fn any_id() -> impl Strategy<Value = EntryId> {
        let number = || prop_oneof![any::<u64>(), 0..3_u64, Just(u64::MAX)];
        (number(), number()).prop_map(|(ms, seq)| EntryId { ms, seq })
    }

    type Row = (EntryId, Option<Fields>);

    fn any_rows() -> impl Strategy<Value = Vec<Row>> {
        collection::vec((any_id(), any_fields()), 0..5)
    }

    /// Rows as a server writes them, `[[id, [name, value, …] or nil], …]`.
    fn written(rows: &[Row]) -> Value {
        let row = |(id, fields): &Row| {
            let flat = |fields: &Fields| {
                let pairs = fields.iter().flat_map(|(name, value)| [bulk(name), bulk(value)]);
                Value::Array(pairs.collect())
            };
            let fields = fields.as_ref().map_or(Value::Nil, flat);
            Value::Array(vec![bulk(id.to_string().as_bytes()), fields])
        };
        Value::Array(rows.iter().map(row).collect())
    }

    fn read(rows: Vec<Value>) -> Vec<Row> {
        rows.into_iter().map(|row| HERE.entry(row).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn no_reply_makes_the_parser_panic(value in any_value()) {
            drop(HERE.streams(value.clone()));
            drop(HERE.entry(value.clone()));
            drop(HERE.fields(value.clone()));
            drop(HERE.exactly::<3>(value.clone()));
            drop(HERE.id(value.clone()));
            drop(HERE.name(value.clone()));
            drop(HERE.count(&value));
            drop(HERE.map(value));
        }

        #[test]
        fn what_a_server_reads_out_is_read_as_it_is(rows in any_rows()) {
            prop_assert_eq!(read(HERE.array(written(&rows)).unwrap()), rows);
        }

        #[test]
        fn streams_keep_their_order_their_names_and_their_entries(
            streams in collection::vec((collection::vec(any::<u8>(), 0..6), any_rows()), 0..4),
        ) {
            let pairs: Vec<(Value, Value)> =
                streams.iter().map(|(name, rows)| (bulk(name), written(rows))).collect();
            let list = pairs.iter().map(|(name, rows)| Value::Array(vec![name.clone(), rows.clone()]));
            for reply in [Value::Array(list.collect()), Value::Map(pairs)] {
                let found = HERE.streams(reply).unwrap().into_iter();
                let found: Vec<_> = found.map(|(name, rows)| (name, read(rows))).collect();
                prop_assert_eq!(&found, &streams);
            }
        }

        #[test]
        fn a_cut_reply_is_malformed_and_never_another_entry(
            id in any_id(),
            fields in collection::vec((any::<[u8; 2]>(), any::<[u8; 2]>()), 1..5),
            at in any::<prop::sample::Index>(),
        ) {
            let pairs = fields.iter().flat_map(|(name, value)| [bulk(name), bulk(value)]);
            let mut items: Vec<Value> = pairs.collect();
            items.remove(at.index(items.len()));
            let name = bulk(id.to_string().as_bytes());
            let cut = Value::Array(vec![name, Value::Array(items)]);
            prop_assert!(HERE.entry(cut).is_err());
        }
    }
}
