//! What is said of a value that does not fit.

use std::fmt;

use serde::de::Error;

use super::column::{Column, ColumnType};

/// It is something else than the column takes.
pub(super) fn mismatch<E: Error>(column: &Column, found: impl fmt::Display) -> E {
    E::custom(format_args!("expected {}, found {found}", expected(column.kind)))
}

/// It is a number, and the column takes none.
pub(super) fn number_mismatch<E: Error>(column: &Column, number: impl fmt::Display) -> E {
    let Column { kind, name, .. } = column;
    if !kind.is_moment() {
        return mismatch(column, format_args!("number {number}"));
    }
    E::custom(format_args!(
        "expected {}, found number {number}; if it counts from 1970, say its unit by COMMENT ON COLUMN … IS \
         'deltawave: epoch ms' or --column TABLE.{name}=epoch-ms",
        expected(*kind)
    ))
}

/// It is of the right form, and too large or too small.
pub(super) fn out_of_range<E: Error>(kind: impl fmt::Display, number: impl fmt::Display) -> E {
    E::custom(format_args!("{number} is out of range for {kind}"))
}

/// What a person would have to send.
pub(super) fn expected(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Boolean => "true or false",
        ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => "a whole number",
        ColumnType::Real | ColumnType::Double => "a number",
        ColumnType::Numeric => "a number, or a string of one",
        ColumnType::Varchar => "a string",
        ColumnType::Date => "a date like 2026-01-31",
        ColumnType::Time => "a time like 23:59:59",
        ColumnType::Timestamp | ColumnType::TimestampTz => "a time like 2026-01-31T23:59:59",
        ColumnType::Jsonb | ColumnType::Json => "any JSON",
        ColumnType::Uuid => "a uuid like 123e4567-e89b-12d3-a456-426614174000",
        ColumnType::Bytea => "base64",
    }
}

/// Without its position, which says nothing once the field is named.
pub(super) fn without_position(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    text.rfind(" at line ").map_or(text.clone(), |end| text[..end].to_owned())
}

/// The beginning of a text from outside.
pub(super) struct Excerpt<'a>(pub(super) &'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 60;
        match self.0.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "`{}…` ({} bytes)", &self.0[..end], self.0.len()),
            None => write!(f, "`{}`", self.0),
        }
    }
}
