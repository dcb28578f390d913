//! A datum on its way to JSON.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::node::{Meaning, Node, Unit};
use crate::formats::conversion::Conversion;
use crate::formats::decimal::decimal;
use crate::rows::object::push_text;

/// How deep data may be nested: a schema that names itself has no end of its own.
const DEEPEST: usize = 100;

/// The most items without a byte each that are believed.
const MOST_EMPTY: u64 = 10_000;

pub(super) struct Datum<'d> {
    data: &'d [u8],
    position: usize,
    named: &'d [Node],
    depth: usize,
}

impl<'d> Datum<'d> {
    pub(super) fn new(data: &'d [u8], named: &'d [Node]) -> Self {
        Datum { data, position: 0, named, depth: 0 }
    }

    /// Bytes not read yet.
    pub(super) fn left(&self) -> usize {
        self.data.len() - self.position
    }

    pub(super) fn write(&mut self, node: &'d Node, out: &mut String) -> Result<(), String> {
        match node {
            Node::Null => out.push_str("null"),
            Node::Boolean => match self.take(1)? {
                [0] => out.push_str("false"),
                [1] => out.push_str("true"),
                other => return Err(format!("a boolean is {other:?}")),
            },
            Node::Long(meaning) => {
                let number = self.long()?;
                push_number(number, *meaning, out);
            }
            Node::Float => {
                let number = f32::from_le_bytes(self.take(4)?.try_into().unwrap_or_default());
                // By way of its own digits: widened, it would have others.
                if number.is_finite() {
                    push(out, format_args!("{number:?}"))
                } else {
                    push_text(out, &number.to_string())
                }
            }
            Node::Double => {
                let number = f64::from_le_bytes(self.take(8)?.try_into().unwrap_or_default());
                if number.is_finite() {
                    push(out, format_args!("{number:?}"))
                } else {
                    push_text(out, &number.to_string())
                }
            }
            Node::Bytes(meaning) => {
                let bytes = self.bytes()?;
                push_bytes(bytes, *meaning, out)?;
            }
            Node::Fixed(size, meaning) => {
                let bytes = self.take(*size)?;
                push_bytes(bytes, *meaning, out)?;
            }
            Node::Text => push_text(out, self.text()?),
            Node::Symbol(symbols) => {
                let index = self.long()?;
                let symbol = usize::try_from(index).ok().and_then(|index| symbols.get(index));
                out.push_str(symbol.ok_or_else(|| format!("symbol {index} of {}", symbols.len()))?);
            }
            Node::Array(item) => self.items(out, ('[', ']'), |datum, out| datum.nested(item, out))?,
            Node::Map(value) => self.items(out, ('{', '}'), |datum, out| {
                push_text(out, datum.text()?);
                out.push(':');
                datum.nested(value, out)
            })?,
            Node::Union(variants) => {
                let index = self.long()?;
                let variant = usize::try_from(index).ok().and_then(|index| variants.get(index));
                let variant = variant.ok_or_else(|| format!("branch {index} of a union of {}", variants.len()))?;
                self.nested(variant, out)?;
            }
            Node::Record(fields) => {
                for (number, (name, node)) in fields.iter().enumerate() {
                    out.push(if number == 0 { '{' } else { ',' });
                    out.push_str(name);
                    out.push(':');
                    self.nested(node, out).map_err(|reason| format!("field {name}: {reason}"))?;
                }
                out.push_str(if fields.is_empty() { "{}" } else { "}" });
            }
            Node::Named(index) => self.write(&self.named[*index], out)?,
        }
        Ok(())
    }

    fn nested(&mut self, node: &'d Node, out: &mut String) -> Result<(), String> {
        if self.depth >= DEEPEST {
            return Err(format!("it is nested more than {DEEPEST} times"));
        }
        self.depth += 1;
        let written = self.write(node, out);
        self.depth -= 1;
        written
    }

    /// Items come in counted runs that end with an empty one; a negative count is followed by a size in bytes.
    fn items(
        &mut self,
        out: &mut String,
        (open, close): (char, char),
        mut each: impl FnMut(&mut Self, &mut String) -> Result<(), String>,
    ) -> Result<(), String> {
        out.push(open);
        let mut first = true;
        loop {
            let count = self.long()?;
            if count < 0 {
                self.long()?;
            }
            if count == 0 {
                break;
            }
            let count = count.unsigned_abs();
            for number in 0..count {
                let before = self.position;
                if !std::mem::take(&mut first) {
                    out.push(',');
                }
                each(self, out)?;
                if self.position == before && number >= MOST_EMPTY {
                    return Err(format!("{count} items without a byte"));
                }
            }
        }
        out.push(close);
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'d [u8], String> {
        let end = self.position.checked_add(length).filter(|end| *end <= self.data.len());
        let end =
            end.ok_or_else(|| format!("it ends after {} bytes, where {length} more should follow", self.data.len()))?;
        let taken = &self.data[self.position..end];
        self.position = end;
        Ok(taken)
    }

    fn long(&mut self) -> Result<i64, String> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err("a number has more than 64 bits".to_owned())
    }

    fn bytes(&mut self) -> Result<&'d [u8], String> {
        let length = self.long()?;
        self.take(usize::try_from(length).map_err(|_| format!("a length of {length}"))?)
    }

    fn text(&mut self) -> Result<&'d str, String> {
        std::str::from_utf8(self.bytes()?).map_err(|error| format!("a text is {error}"))
    }
}

/// A text takes whatever is written to it.
fn push(out: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(what);
}

fn push_number(number: i64, meaning: Meaning, out: &mut String) {
    let (conversion, zoned) = match meaning {
        Meaning::Date => (Conversion::Days, false),
        Meaning::Time(Unit::Millis) => (Conversion::TimeMillis, false),
        Meaning::Time(Unit::Micros) => (Conversion::TimeMicros, false),
        Meaning::Time(Unit::Nanos) => (Conversion::TimeNanos, false),
        Meaning::Moment(Unit::Millis, zoned) => (Conversion::Millis, zoned),
        Meaning::Moment(Unit::Micros, zoned) => (Conversion::Micros, zoned),
        Meaning::Moment(Unit::Nanos, zoned) => (Conversion::Nanos, zoned),
        _ => return out.push_str(itoa::Buffer::new().format(number)),
    };
    let digits = number.to_string();
    let text = conversion.apply(&digits);
    match text.strip_suffix('"').filter(|_| zoned) {
        Some(text) => push(out, format_args!("{text}Z\"")),
        None => out.push_str(&text),
    }
}

fn push_bytes(bytes: &[u8], meaning: Meaning, out: &mut String) -> Result<(), String> {
    let little = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap_or_default());
    match meaning {
        Meaning::Decimal(scale) => out.push_str(&decimal(bytes, scale).ok_or("a decimal without a digit")?),
        Meaning::BigDecimal => {
            // A length, the digits, the scale.
            let mut inner = Datum::new(bytes, &[]);
            let digits = inner.bytes()?;
            let scale = inner.long()?;
            out.push_str(&decimal(digits, scale).ok_or("a decimal without a digit")?);
        }
        Meaning::Uuid if bytes.len() == 16 => {
            let id = uuid::Uuid::from_slice(bytes).map_err(|error| error.to_string())?;
            push_text(out, &id.hyphenated().to_string());
        }
        Meaning::Duration if bytes.len() == 12 => {
            push(out, format_args!("{{\"months\":{},\"days\":{},\"millis\":{}}}", little(0), little(4), little(8)));
        }
        _ => push_text(out, &BASE64_STANDARD.encode(bytes)),
    }
    Ok(())
}
