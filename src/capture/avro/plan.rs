use apache_avro::Schema;

use super::cursor::{Cursor, Undecodable};
use super::node::Node;
use super::properties::{Attributes, Branches, Properties};

/// One record of a Capture file, as far as a loader needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// `SequenceNumber`.
    pub sequence_number: i64,
    /// `EnqueuedTimeUtc` as it stands, one-second resolution.
    pub enqueued_time: &'a str,
    /// `Body`; `None` for a null body.
    pub body: Option<&'a [u8]>,
    /// `Offset`, `SystemProperties` and `Properties`.
    pub attributes: Attributes<'a>,
}

/// How to decode one record with the schema of the file it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    SequenceNumber,
    EnqueuedTime,
    Body(Body),
    Offset,
    SystemProperties(Node, Branches),
    Properties(Node, Branches),
    Skip(Node),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Body {
    Bytes,
    /// Whether each branch is bytes; the others are null.
    Nullable(Vec<bool>),
}

impl Plan {
    /// Plans for a schema, or says why it is none of Capture's.
    pub(super) fn new(schema: &Schema) -> Result<Self, String> {
        let Schema::Record(record) = schema else {
            return Err("its schema is not a record".to_owned());
        };
        let steps = record.fields.iter().map(|field| match (field.name.as_str(), &field.schema) {
            ("SequenceNumber", Schema::Long) => Ok(Step::SequenceNumber),
            ("EnqueuedTimeUtc", Schema::String) => Ok(Step::EnqueuedTime),
            ("Body", Schema::Bytes) => Ok(Step::Body(Body::Bytes)),
            ("Body", Schema::Union(union)) => nullable_bytes(union.variants()).map(Step::Body),
            ("SequenceNumber" | "EnqueuedTimeUtc" | "Body", _) => {
                Err(format!("its field {} has another type than Capture's", field.name))
            }
            ("Offset", Schema::String) => Ok(Step::Offset),
            ("SystemProperties", schema @ Schema::Map(map)) => {
                node(schema).map(|node| Step::SystemProperties(node, Branches::of(&map.types)))
            }
            ("Properties", schema @ Schema::Map(map)) => {
                node(schema).map(|node| Step::Properties(node, Branches::of(&map.types)))
            }
            (_, schema) => node(schema).map(Step::Skip),
        });
        let plan = Plan(steps.collect::<Result<_, _>>()?);
        for (name, wanted) in [("SequenceNumber", Step::SequenceNumber), ("EnqueuedTimeUtc", Step::EnqueuedTime)] {
            if !plan.0.contains(&wanted) {
                return Err(format!("its record has no field {name}"));
            }
        }
        if !plan.0.iter().any(|step| matches!(step, Step::Body(_))) {
            return Err("its record has no field Body".to_owned());
        }
        Ok(plan)
    }

    /// Decodes one record and says how many bytes it took.
    pub(super) fn decode<'a>(&self, data: &'a [u8]) -> Result<(Event<'a>, usize), Undecodable> {
        let mut cursor = Cursor::new(data);
        let attributes = Attributes::default();
        let mut event = Event { sequence_number: 0, enqueued_time: "", body: None, attributes };
        let skipped = |cursor: &mut Cursor<'a>, node: &Node| {
            let from = cursor.position();
            cursor.skip(node)?;
            Ok::<_, Undecodable>(&data[from..cursor.position()])
        };
        for step in &self.0 {
            match step {
                Step::SequenceNumber => event.sequence_number = cursor.long()?,
                Step::EnqueuedTime => event.enqueued_time = cursor.string()?,
                Step::Body(Body::Bytes) => event.body = Some(cursor.bytes()?),
                Step::Body(Body::Nullable(branches)) => {
                    event.body = if branches[cursor.branch(branches.len())?] { Some(cursor.bytes()?) } else { None };
                }
                // Not worth a refusal of the file: no text in UTF-8 is as good as none.
                Step::Offset => event.attributes.offset = std::str::from_utf8(cursor.bytes()?).ok(),
                Step::SystemProperties(node, branches) => {
                    event.attributes.system = Properties::new(skipped(&mut cursor, node)?, *branches);
                }
                Step::Properties(node, branches) => {
                    event.attributes.properties = Properties::new(skipped(&mut cursor, node)?, *branches);
                }
                Step::Skip(node) => cursor.skip(node)?,
            }
        }
        Ok((event, cursor.position()))
    }
}

fn nullable_bytes(variants: &[Schema]) -> Result<Body, String> {
    let branch = |variant: &Schema| match variant {
        Schema::Null => Ok(false),
        Schema::Bytes => Ok(true),
        _ => Err("its field Body has a branch that is neither null nor bytes".to_owned()),
    };
    variants.iter().map(branch).collect::<Result<_, _>>().map(Body::Nullable)
}

fn node(schema: &Schema) -> Result<Node, String> {
    Ok(match schema {
        Schema::Null => Node::Fixed(0),
        Schema::Boolean => Node::Fixed(1),
        Schema::Float => Node::Fixed(4),
        Schema::Double => Node::Fixed(8),
        Schema::Fixed(fixed) => Node::Fixed(fixed.size),
        Schema::Int | Schema::Long | Schema::Enum(_) => Node::Long,
        Schema::Bytes | Schema::String => Node::Bytes,
        Schema::Array(array) => Node::Array(Box::new(node(&array.items)?)),
        Schema::Map(map) => Node::Map(Box::new(node(&map.types)?)),
        Schema::Union(union) => Node::Union(union.variants().iter().map(node).collect::<Result<_, _>>()?),
        Schema::Record(record) => {
            Node::Record(record.fields.iter().map(|field| node(&field.schema)).collect::<Result<_, _>>()?)
        }
        _ => return Err("its record has a field of a type that Capture does not use".to_owned()),
    })
}
