//! What a record says beside its body: read only when someone asks, since most loaders never do.

use apache_avro::Schema;

use super::cursor::{Cursor, Undecodable};

/// One value among a record's properties.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Property<'a> {
    /// Nothing.
    Null,
    /// Whether something is so.
    Boolean(bool),
    /// A whole number.
    Long(i64),
    /// A floating-point number.
    Double(f64),
    /// Text.
    Text(&'a str),
    /// Anything else.
    Bytes(&'a [u8]),
}

/// A map of properties as it stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Properties<'a> {
    data: &'a [u8],
    branches: Branches,
}

/// What a file says of a record beside its number, time and body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes<'a> {
    /// The broker's opaque position of it; nothing where it has none.
    pub offset: Option<&'a str>,
    /// What the broker says of it.
    pub system: Properties<'a>,
    /// What its producer says of it: the headers of a Kafka record.
    pub properties: Properties<'a>,
}

/// Where Event Hubs puts a Kafka record's key, and `capture` with it.
const KEYS: [&str; 2] = ["x-opt-partition-key", "x-opt-kafka-key"];

impl Attributes<'static> {
    /// Those of a record of which nothing is said.
    pub const NOTHING: Attributes<'static> = Attributes {
        offset: None,
        system: Properties { data: &[], branches: Branches::NONE },
        properties: Properties { data: &[], branches: Branches::NONE },
    };
}

impl<'a> Attributes<'a> {
    /// Whether nothing is said.
    pub fn is_nothing(&self) -> bool {
        self.offset.is_none() && self.system.data.is_empty() && self.properties.data.is_empty()
    }

    /// The record's key, as text or bytes; nothing for a record without one.
    pub fn key(&self) -> Option<Property<'a>> {
        KEYS.into_iter().find_map(|name| self.system.get(name)).filter(|key| *key != Property::Null)
    }

    /// The same with other memory behind it.
    pub fn with_data<'b>(&self, offset: &'b str, system: &'b [u8], properties: &'b [u8]) -> Attributes<'b> {
        Attributes {
            offset: self.offset.map(|_| offset),
            system: Properties { data: system, branches: self.system.branches },
            properties: Properties { data: properties, branches: self.properties.branches },
        }
    }
}

impl<'a> Properties<'a> {
    pub(super) fn new(data: &'a [u8], branches: Branches) -> Self {
        Properties { data, branches }
    }

    /// Their bytes, as [`Attributes::with_data`] takes them.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The names and values, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Property<'a>)> + use<'a> {
        let Properties { data, branches } = *self;
        let (mut cursor, mut left) = (Cursor::new(data), 0_u64);
        std::iter::from_fn(move || {
            if branches.length == 0 {
                return None;
            }
            if left == 0 {
                left = run(&mut cursor).ok()?;
            }
            // What does not decode was refused before, with the whole record.
            left = left.checked_sub(1)?;
            let name = cursor.string().ok()?;
            Some((name, branches.value(&mut cursor).ok()?))
        })
    }

    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<Property<'a>> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// The value of that name, whatever its case, if it is text or bytes that are text.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.text())
    }
}

impl<'a> Property<'a> {
    /// What it says, if that is text.
    pub fn text(&self) -> Option<&'a str> {
        match self {
            Property::Text(text) => Some(text),
            Property::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

/// How many entries follow; 0 at the end.
fn run(cursor: &mut Cursor<'_>) -> Result<u64, Undecodable> {
    let count = cursor.long()?;
    if count < 0 {
        // The size of the run in bytes, which only those need who step over it.
        cursor.long()?;
    }
    Ok(count.unsigned_abs())
}

/// The types that a property may have, in the order of the file's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Branches {
    kinds: [Branch; 8],
    /// How many of them there are; 0 for a map whose values are none of Capture's.
    length: u8,
    /// Whether a value begins with the number of its branch.
    union: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Branch {
    #[default]
    Null,
    Boolean,
    Long,
    Float,
    Double,
    Text,
    Bytes,
}

impl Branches {
    const NONE: Branches = Branches { kinds: [Branch::Null; 8], length: 0, union: false };

    /// Those of a map's values; none where some are of a type that no property has.
    pub(super) fn of(values: &Schema) -> Branches {
        let (variants, union) = match values {
            Schema::Union(found) => (found.variants(), true),
            other => (std::slice::from_ref(other), false),
        };
        let mut branches = Branches { union, ..Branches::default() };
        if variants.len() > branches.kinds.len() {
            return Branches::default();
        }
        for (kind, variant) in branches.kinds.iter_mut().zip(variants) {
            *kind = match variant {
                Schema::Null => Branch::Null,
                Schema::Boolean => Branch::Boolean,
                Schema::Int | Schema::Long => Branch::Long,
                Schema::Float => Branch::Float,
                Schema::Double => Branch::Double,
                Schema::String => Branch::Text,
                Schema::Bytes => Branch::Bytes,
                _ => return Branches::default(),
            };
            branches.length += 1;
        }
        branches
    }

    fn value<'a>(&self, cursor: &mut Cursor<'a>) -> Result<Property<'a>, Undecodable> {
        let index = if self.union { cursor.branch(usize::from(self.length))? } else { 0 };
        Ok(match self.kinds[index] {
            Branch::Null => Property::Null,
            Branch::Boolean => Property::Boolean(cursor.take(1)? != [0]),
            Branch::Long => Property::Long(cursor.long()?),
            Branch::Float => {
                let bytes = cursor.take(4)?.try_into().unwrap_or_default();
                Property::Double(f64::from(f32::from_le_bytes(bytes)))
            }
            Branch::Double => Property::Double(f64::from_le_bytes(cursor.take(8)?.try_into().unwrap_or_default())),
            Branch::Text => Property::Text(cursor.string()?),
            Branch::Bytes => Property::Bytes(cursor.bytes()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use crate::capture::{EnqueuedTime, FileWriter, OutgoingEvent, PropertyValue, ReadLimits, read_events};

    use super::*;

    #[test]
    fn properties_are_read_as_they_were_written() {
        let text = |text: &str| PropertyValue::String(text.to_owned());
        let event = |number: i64, properties: Vec<(&str, PropertyValue)>, key: Option<PropertyValue>| OutgoingEvent {
            sequence_number: number,
            offset: format!("o{number}"),
            enqueued_time: EnqueuedTime::from_utc(time::OffsetDateTime::UNIX_EPOCH),
            system_properties: key.map(|key| ("x-opt-partition-key".to_owned(), key)).into_iter().collect(),
            properties: properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            body: Some(b"{}".to_vec()),
        };
        let all = vec![
            ("a", PropertyValue::Long(i64::MIN)),
            ("b", PropertyValue::Double(0.5)),
            ("c", text("x")),
            ("d", PropertyValue::Bytes(vec![0, 255])),
            ("e", PropertyValue::Null),
        ];
        let mut writer = FileWriter::new(false).unwrap();
        writer.append(event(0, all, Some(text("k")))).unwrap();
        writer.append(event(1, vec![], Some(PropertyValue::Bytes(vec![1])))).unwrap();
        writer.append(event(2, vec![("Content-Type", text("t"))], None)).unwrap();
        let file = writer.finish().unwrap();
        let mut seen = 0;
        read_events(&file[..], ReadLimits::default(), |event| {
            let Attributes { offset, properties, .. } = event.attributes;
            assert_eq!(offset, Some(&*format!("o{seen}")));
            match seen {
                0 => {
                    // The map is none of the writer's order.
                    let mut found: Vec<_> = properties.iter().collect();
                    found.sort_by_key(|(name, _)| *name);
                    let wanted = [
                        ("a", Property::Long(i64::MIN)),
                        ("b", Property::Double(0.5)),
                        ("c", Property::Text("x")),
                        ("d", Property::Bytes(&[0, 255])),
                        ("e", Property::Null),
                    ];
                    assert_eq!(found, wanted);
                    assert_eq!(event.attributes.key(), Some(Property::Text("k")));
                }
                1 => assert_eq!(event.attributes.key(), Some(Property::Bytes(&[1]))),
                _ => {
                    assert_eq!(event.attributes.key(), None);
                    assert_eq!(properties.text("content-type"), Some("t"));
                }
            }
            seen += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(seen, 3);
        assert!(Attributes::NOTHING.is_nothing());
    }
}
