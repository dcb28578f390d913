use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, UuidSchema};

use super::datum::Datum;
use super::node::{Meaning, Node, Unit};
use crate::formats::schemas::SchemaText;

/// How data of one schema are read.
#[derive(Debug)]
pub(in crate::formats) struct Plan {
    root: Node,
    named: Vec<Node>,
}

impl Plan {
    /// Of a schema and those it names.
    ///
    /// # Errors
    /// When it is none, or none of a record.
    pub(super) fn new(schema: &SchemaText) -> Result<Self, String> {
        let others: Vec<&str> = schema.references.iter().map(|(_, text)| text.as_str()).collect();
        let (main, others) = match others.is_empty() {
            true => (Schema::parse_str(&schema.text).map_err(|error| error.to_string())?, Vec::new()),
            false => Schema::parse_str_with_list(&schema.text, others).map_err(|error| error.to_string())?,
        };
        let mut planner = Planner::default();
        // A name may be used before it is told.
        for schema in others.iter().chain([&main]) {
            planner.declare(schema, None);
        }
        for schema in &others {
            planner.node(schema, None)?;
        }
        let root = planner.node(&main, None)?;
        let named: Option<Vec<Node>> = planner.named.into_iter().collect();
        let named = named.ok_or_else(|| "it names a type that it does not tell".to_owned())?;
        let first = match &root {
            Node::Named(index) => &named[*index],
            other => other,
        };
        if !matches!(first, Node::Record(_)) {
            return Err("it is no record, and only a record has fields".to_owned());
        }
        Ok(Plan { root, named })
    }

    /// Writes a datum as JSON.
    ///
    /// # Errors
    /// When it is none of this schema.
    pub(super) fn write(&self, datum: &[u8], out: &mut String) -> Result<(), String> {
        let mut reader = Datum::new(datum, &self.named);
        reader.write(&self.root, out)?;
        match reader.left() {
            0 => Ok(()),
            left => Err(format!("{left} bytes more than its schema has a place for")),
        }
    }
}

#[derive(Default)]
struct Planner {
    names: HashMap<String, usize>,
    named: Vec<Option<Node>>,
}

impl Planner {
    fn declare(&mut self, schema: &Schema, space: Option<&str>) {
        if let (Some(name), false) = (schema.name(), matches!(schema, Schema::Ref { .. })) {
            let full = name.fullname(space);
            if !self.names.contains_key(&full) {
                self.names.insert(full, self.named.len());
                self.named.push(None);
            }
        }
        let inner = schema.name().and_then(|name| name.namespace()).or(space);
        match schema {
            Schema::Record(record) => record.fields.iter().for_each(|field| self.declare(&field.schema, inner)),
            Schema::Array(array) => self.declare(&array.items, space),
            Schema::Map(map) => self.declare(&map.types, space),
            Schema::Union(union) => union.variants().iter().for_each(|variant| self.declare(variant, space)),
            _ => {}
        }
    }

    fn node(&mut self, schema: &Schema, space: Option<&str>) -> Result<Node, String> {
        let number = |meaning| Ok(Node::Long(meaning));
        let inner = schema.name().and_then(|name| name.namespace()).or(space);
        let node = match schema {
            Schema::Null => Node::Null,
            Schema::Boolean => Node::Boolean,
            Schema::Int | Schema::Long => Node::Long(Meaning::Plain),
            Schema::Float => Node::Float,
            Schema::Double => Node::Double,
            Schema::Bytes => Node::Bytes(Meaning::Plain),
            Schema::String => Node::Text,
            Schema::Array(array) => Node::Array(Box::new(self.node(&array.items, space)?)),
            Schema::Map(map) => Node::Map(Box::new(self.node(&map.types, space)?)),
            Schema::Union(union) => {
                let variants = union.variants().iter().map(|variant| self.node(variant, space));
                Node::Union(variants.collect::<Result<_, _>>()?)
            }
            Schema::Record(record) => {
                let mut fields = Vec::with_capacity(record.fields.len());
                for field in &record.fields {
                    let name = serde_json::Value::from(field.name.as_str()).to_string();
                    fields.push((name, self.node(&field.schema, inner)?));
                }
                Node::Record(fields)
            }
            Schema::Enum(symbols) => {
                let json = |symbol: &String| serde_json::Value::from(symbol.as_str()).to_string();
                Node::Symbol(symbols.symbols.iter().map(json).collect())
            }
            Schema::Fixed(fixed) => Node::Fixed(fixed.size, Meaning::Plain),
            Schema::Decimal(decimal) => {
                let meaning = Meaning::Decimal(i64::try_from(decimal.scale).map_err(|error| error.to_string())?);
                match &decimal.inner {
                    InnerDecimalSchema::Bytes => Node::Bytes(meaning),
                    InnerDecimalSchema::Fixed(fixed) => Node::Fixed(fixed.size, meaning),
                }
            }
            Schema::BigDecimal => Node::Bytes(Meaning::BigDecimal),
            Schema::Uuid(UuidSchema::String) => Node::Text,
            Schema::Uuid(UuidSchema::Bytes) => Node::Bytes(Meaning::Uuid),
            Schema::Uuid(UuidSchema::Fixed(fixed)) => Node::Fixed(fixed.size, Meaning::Uuid),
            Schema::Date => return number(Meaning::Date),
            Schema::TimeMillis => return number(Meaning::Time(Unit::Millis)),
            Schema::TimeMicros => return number(Meaning::Time(Unit::Micros)),
            Schema::TimestampMillis => return number(Meaning::Moment(Unit::Millis, true)),
            Schema::TimestampMicros => return number(Meaning::Moment(Unit::Micros, true)),
            Schema::TimestampNanos => return number(Meaning::Moment(Unit::Nanos, true)),
            Schema::LocalTimestampMillis => return number(Meaning::Moment(Unit::Millis, false)),
            Schema::LocalTimestampMicros => return number(Meaning::Moment(Unit::Micros, false)),
            Schema::LocalTimestampNanos => return number(Meaning::Moment(Unit::Nanos, false)),
            Schema::Duration(fixed) => Node::Fixed(fixed.size, Meaning::Duration),
            Schema::Ref { name } => {
                let full = name.fullname(space);
                let index = self.names.get(&full).ok_or_else(|| format!("it names {full}, which nothing tells"))?;
                return Ok(Node::Named(*index));
            }
        };
        let Some(name) = schema.name() else { return Ok(node) };
        match self.names.get(&name.fullname(space)) {
            Some(index) => {
                self.named[*index] = Some(node);
                Ok(Node::Named(*index))
            }
            None => Ok(node),
        }
    }
}
