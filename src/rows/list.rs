//! A JSON array fitted to a column of one-dimensional arrays.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::column::Column;
use super::field::{Again, Fit};
use super::literal::ArrayLiteral;
use super::misfit::{expected, without_position};

/// Fits the next value to a column of arrays: each element as the column's type has it, nulls included.
pub(super) struct List<'a> {
    pub(super) column: &'a Column,
    pub(super) out: &'a mut ArrayLiteral,
}

impl List<'_> {
    fn mismatch<E: Error>(&self, found: impl fmt::Display) -> E {
        E::custom(format_args!("expected an array, each of it {}, found {found}", expected(self.column.kind)))
    }
}

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if self.column.not_null {
            return Err(E::custom("is null, but every record must have it"));
        }
        self.out.push_null();
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let (mut inner, mut again) = (ArrayLiteral::default(), Again::default());
        for number in 1_u64.. {
            let fit = Fit { column: self.column, element: true, out: &mut inner, again: &mut again };
            match seq.next_element_seed(fit) {
                Ok(Some(())) => {}
                Ok(None) => break,
                Err(error) => {
                    return Err(A::Error::custom(format_args!("element {number}: {}", without_position(&error))));
                }
            }
        }
        self.out.push_text(&inner.take());
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        Err(self.mismatch(value))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        Err(self.mismatch(format_args!("number {number}")))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        Err(self.mismatch(format_args!("number {number}")))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        Err(self.mismatch(format_args!("number {number:?}")))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        Err(self.mismatch(format_args!("a string of {} bytes", text.len())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Err(self.mismatch("an object"))
    }
}
