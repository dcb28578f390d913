//! One JSON value fitted to one column: appended to the column's literal as the store will read it, or refused.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::column::{Column, ColumnType, Limit};
use super::decimal::{self, Misfit, is_number};
use super::literal::ArrayLiteral;
use super::misfit::{Excerpt, expected, mismatch, number_mismatch, out_of_range};
use super::moment::{self, MICROSECOND, Wrong};

/// Fits the next value to a column. Nothing is converted that would lose anything; a value that does not fit is an
/// error that names both sides, and may leave a part of an element behind for the caller to take back.
pub(super) struct Fit<'a> {
    pub(super) column: &'a Column,
    /// Whether it is one of an array's.
    pub(super) element: bool,
    pub(super) out: &'a mut ArrayLiteral,
    pub(super) again: &'a mut Again,
}

/// A text that was fitted to a column, and the element it became.
#[derive(Debug, Clone, Default)]
pub(super) struct Again {
    text: String,
    element: String,
}

impl<'de> DeserializeSeed<'de> for Fit<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.column.kind {
            // Their texts must arrive as they were sent: digits and all.
            ColumnType::Numeric | ColumnType::Jsonb | ColumnType::Json => {
                self.raw(<&RawValue>::deserialize(deserializer)?.get())
            }
            _ if self.column.epoch.is_some() => self.number_or_text(<&RawValue>::deserialize(deserializer)?.get()),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl Fit<'_> {
    fn null<E: Error>(self) -> Result<(), E> {
        if self.column.not_null && !self.element {
            return Err(E::custom("is null, but every record must have it"));
        }
        self.out.push_null();
        Ok(())
    }

    fn integer<E: Error>(self, number: i64) -> Result<(), E> {
        let fits = match self.column.kind {
            ColumnType::SmallInt => i16::try_from(number).is_ok(),
            ColumnType::Integer => i32::try_from(number).is_ok(),
            ColumnType::BigInt => true,
            ColumnType::Double | ColumnType::Real => return self.float(number as f64),
            _ => return Err(number_mismatch(self.column, number)),
        };
        if !fits {
            return Err(self.out_of_range(format_args!("{number}")));
        }
        self.out.push_integer(number);
        Ok(())
    }

    fn float<E: Error>(self, number: f64) -> Result<(), E> {
        const EXACT: f64 = (1u64 << 53) as f64;
        match self.column.kind {
            ColumnType::Double => self.out.push_plain(&format!("{number:e}")),
            ColumnType::Real if (number as f32).is_finite() => self.out.push_plain(&format!("{:e}", number as f32)),
            ColumnType::Real => return Err(self.out_of_range(format_args!("{number:e}"))),
            ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt
                if number.fract() == 0.0 && number.abs() <= EXACT =>
            {
                return self.integer(number as i64);
            }
            _ => return Err(number_mismatch(self.column, format_args!("{number:?}"))),
        }
        Ok(())
    }

    fn text<E: Error>(self, text: &str) -> Result<(), E> {
        let Fit { column, out, again, .. } = self;
        let kind = column.kind;
        if kind.is_moment() && !again.element.is_empty() && again.text == text {
            out.push_again(&again.element);
            return Ok(());
        }
        let mark = out.len();
        let digits = if let Limit::Fraction(digits) = column.limit { digits } else { MICROSECOND };
        let fitted = match kind {
            ColumnType::Varchar => {
                check_length(text, column.limit)?;
                if !out.push_text_without_nul(text) {
                    return Err(E::custom("has a NUL character, which no SQL text can hold"));
                }
                return Ok(());
            }
            ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt if is_whole(text) => {
                return match text.parse() {
                    Ok(number) => Fit { column, out, again, element: self.element }.integer(number),
                    Err(_) => Err(out_of_range(kind, text)),
                };
            }
            ColumnType::Bytea => BASE64_STANDARD.decode(text).map(|bytes| out.push_bytes(&bytes)).map_err(drop),
            ColumnType::Uuid => uuid::Uuid::try_parse(unbraced(text))
                .map(|id| out.push_plain(id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer())))
                .map_err(drop),
            ColumnType::Date => push_moment(column, out, |out| moment::push_date(text, out), Excerpt(text))?,
            ColumnType::Time => push_moment(column, out, |out| moment::push_time(text, digits, out), Excerpt(text))?,
            ColumnType::Timestamp | ColumnType::TimestampTz => {
                push_moment(column, out, |out| moment::push_timestamp(text, digits, out), Excerpt(text))?
            }
            _ => Err(()),
        };
        if fitted.is_err() {
            out.truncate(mark);
            return Err(mismatch(column, format_args!("string {}", Excerpt(text))));
        }
        if kind.is_moment() {
            text.clone_into(&mut again.text);
            out.last_since(mark).clone_into(&mut again.element);
        }
        Ok(())
    }

    fn raw<E: Error>(self, json: &str) -> Result<(), E> {
        if json == "null" {
            return self.null();
        }
        if matches!(self.column.kind, ColumnType::Jsonb | ColumnType::Json) {
            if has_nul(json) {
                return Err(E::custom("has a NUL character, which no SQL JSON can hold"));
            }
            self.out.push_text(json);
            return Ok(());
        }
        let digits = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(json);
        if !is_number(digits) {
            return Err(self.mismatch(format_args!("{}", Excerpt(json))));
        }
        match decimal::check(digits, self.column.limit) {
            Ok(()) => self.out.push_plain(digits),
            Err(Misfit::Rounded(most)) => {
                return Err(E::custom(format_args!("expected {most}, found {}", Excerpt(digits))));
            }
            Err(Misfit::OutOfRange(kind)) => return Err(out_of_range(kind, Excerpt(digits))),
        }
        Ok(())
    }

    /// A moment as a number since 1970, or as a text.
    fn number_or_text<E: Error>(self, json: &str) -> Result<(), E> {
        let Fit { column, .. } = self;
        let (Some(epoch), false) = (column.epoch, json == "null") else { return self.null() };
        let inner = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(json);
        let digits = if let Limit::Fraction(digits) = column.limit { digits } else { MICROSECOND };
        if is_number(inner) {
            let micros = decimal::shifted(inner, epoch.power()).ok_or_else(|| out_of_range(column.kind, inner))?;
            let pushed = push_moment(column, self.out, |out| moment::push_micros(micros, digits, out), Excerpt(inner))?;
            return pushed.map_err(|()| out_of_range(column.kind, Excerpt(inner)));
        }
        match serde_json::from_str::<Cow<'_, str>>(json) {
            Ok(text) => self.text(&text),
            Err(_) => Err(self.mismatch(format_args!("{}", Excerpt(json)))),
        }
    }

    fn mismatch<E: Error>(&self, found: impl fmt::Display) -> E {
        mismatch(self.column, found)
    }

    fn out_of_range<E: Error>(&self, number: impl fmt::Display) -> E {
        out_of_range(self.column.kind, number)
    }
}

/// A uuid without the braces that some write around it.
fn unbraced(text: &str) -> &str {
    text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text)
}

/// `-12`: what a whole number is as a text.
fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

fn check_length<E: Error>(text: &str, limit: Limit) -> Result<(), E> {
    // No text has more characters than bytes.
    if let Limit::Characters(most) = limit
        && text.len() > most
        && text.chars().count() > most
    {
        let (s, found) = (if most == 1 { "" } else { "s" }, text.chars().count());
        return Err(E::custom(format_args!("expected at most {most} character{s}, found {found}")));
    }
    Ok(())
}

/// The outer error when the column keeps less of a second; the inner when it is no moment.
fn push_moment<E: Error>(
    column: &Column,
    out: &mut ArrayLiteral,
    write: impl FnOnce(&mut String) -> Result<(), Wrong>,
    found: impl fmt::Display,
) -> Result<Result<(), ()>, E> {
    let mut written = Ok(());
    out.push_with(|text| {
        written = write(text);
        // What both stores take for UTC whatever the session's zone is.
        if written.is_ok() && column.kind == ColumnType::TimestampTz {
            text.push_str("+00:00");
        }
    });
    match (written, column.limit) {
        (Ok(()), _) => Ok(Ok(())),
        (Err(Wrong::Fraction), Limit::Fraction(digits)) => {
            let s = if digits == 1 { "" } else { "s" };
            Err(E::custom(format_args!("expected at most {digits} decimal place{s} of a second, found {found}")))
        }
        (Err(_), _) => Ok(Err(())),
    }
}

/// Whether a JSON text holds an escaped NUL, and not merely an escaped backslash before `u0000`.
pub(super) fn has_nul(json: &str) -> bool {
    if !json.contains("\\u0000") {
        return false;
    }
    let mut escaped = false;
    json.char_indices().any(|(at, c)| {
        let nul = escaped && json[at..].starts_with("u0000");
        escaped = c == '\\' && !escaped;
        nul
    })
}

impl<'de> Visitor<'de> for Fit<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(expected(self.column.kind))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.null()
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        match self.column.kind {
            ColumnType::Boolean => self.out.push_plain(if value { "t" } else { "f" }),
            _ => return Err(self.mismatch(value)),
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.integer(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        match (i64::try_from(number), self.column.kind) {
            (Ok(number), _) => self.integer(number),
            (Err(_), ColumnType::Double | ColumnType::Real) => self.float(number as f64),
            (Err(_), _) => Err(self.out_of_range(number)),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.float(number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Err(self.mismatch("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Err(self.mismatch("an object"))
    }
}
