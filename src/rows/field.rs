//! One JSON value fitted to one column: appended to the column's literal as the store will read it, or refused.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::column::ColumnType;
use super::literal::ArrayLiteral;
use super::moment;

/// Fits the next value to a column. Nothing is converted that would lose anything; a value that does not fit is an
/// error that names both sides, and may leave a part of an element behind for the caller to take back.
pub(super) struct Fit<'a> {
    pub(super) kind: ColumnType,
    pub(super) required: bool,
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
        match self.kind {
            // Their texts must arrive as they were sent: digits and all.
            ColumnType::Numeric | ColumnType::Jsonb => self.raw(<&RawValue>::deserialize(deserializer)?.get()),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl Fit<'_> {
    fn null<E: Error>(self) -> Result<(), E> {
        if self.required {
            return Err(E::custom("is null, but every record must have it"));
        }
        self.out.push_null();
        Ok(())
    }

    fn integer<E: Error>(self, number: i64) -> Result<(), E> {
        let fits = match self.kind {
            ColumnType::SmallInt => i16::try_from(number).is_ok(),
            ColumnType::Integer => i32::try_from(number).is_ok(),
            ColumnType::BigInt => true,
            ColumnType::Double | ColumnType::Real => return self.float(number as f64),
            _ => return Err(self.mismatch(format_args!("number {number}"))),
        };
        if !fits {
            return Err(self.out_of_range(format_args!("{number}")));
        }
        self.out.push_integer(number);
        Ok(())
    }

    fn float<E: Error>(self, number: f64) -> Result<(), E> {
        const EXACT: f64 = (1u64 << 53) as f64;
        match self.kind {
            ColumnType::Double => self.out.push_plain(&format!("{number:e}")),
            ColumnType::Real if (number as f32).is_finite() => self.out.push_plain(&format!("{:e}", number as f32)),
            ColumnType::Real => return Err(self.out_of_range(format_args!("{number:e}"))),
            ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt
                if number.fract() == 0.0 && number.abs() <= EXACT =>
            {
                return self.integer(number as i64);
            }
            _ => return Err(self.mismatch(format_args!("number {number:?}"))),
        }
        Ok(())
    }

    fn text<E: Error>(self, text: &str) -> Result<(), E> {
        let Fit { kind, out, again, .. } = self;
        let is_moment = matches!(kind, ColumnType::Timestamp | ColumnType::TimestampTz);
        if is_moment && !again.element.is_empty() && again.text == text {
            out.push_again(&again.element);
            return Ok(());
        }
        let mark = out.len();
        let fitted = match kind {
            ColumnType::Varchar => {
                if !out.push_text_without_nul(text) {
                    return Err(E::custom("has a NUL character, which no SQL text can hold"));
                }
                Some(())
            }
            ColumnType::Bytea => BASE64_STANDARD.decode(text).ok().map(|bytes| out.push_bytes(&bytes)),
            ColumnType::Date => push_moment(out, |out| moment::push_date(text, out)),
            ColumnType::Time => push_moment(out, |out| moment::push_time(text, out)),
            ColumnType::Timestamp => push_moment(out, |out| moment::push_timestamp(text, out)),
            ColumnType::TimestampTz => {
                push_moment(out, |out| moment::push_timestamp(text, out).map(|()| out.push_str("+00:00")))
            }
            _ => None,
        };
        if fitted.is_none() {
            out.truncate(mark);
            return Err(mismatch(kind, format_args!("string {}", Excerpt(text))));
        }
        if is_moment {
            text.clone_into(&mut again.text);
            out.last_since(mark).clone_into(&mut again.element);
        }
        Ok(())
    }

    fn raw<E: Error>(self, json: &str) -> Result<(), E> {
        if json == "null" {
            return self.null();
        }
        if self.kind == ColumnType::Jsonb {
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
        self.out.push_plain(digits);
        Ok(())
    }

    fn mismatch<E: Error>(&self, found: impl fmt::Display) -> E {
        mismatch(self.kind, found)
    }

    fn out_of_range<E: Error>(&self, number: impl fmt::Display) -> E {
        E::custom(format_args!("{number} is out of range for {}", self.kind))
    }
}

fn mismatch<E: Error>(kind: ColumnType, found: impl fmt::Display) -> E {
    E::custom(format_args!("expected {}, found {found}", expected(kind)))
}

fn push_moment(out: &mut ArrayLiteral, write: impl FnOnce(&mut String) -> Option<()>) -> Option<()> {
    let mut written = None;
    out.push_with(|text| written = write(text));
    written
}

/// What a person would have to send.
fn expected(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Boolean => "true or false",
        ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => "a whole number",
        ColumnType::Real | ColumnType::Double => "a number",
        ColumnType::Numeric => "a number, or a string of one",
        ColumnType::Varchar => "a string",
        ColumnType::Date => "a date like 2026-01-31",
        ColumnType::Time => "a time like 23:59:59",
        ColumnType::Timestamp | ColumnType::TimestampTz => "a time like 2026-01-31T23:59:59",
        ColumnType::Jsonb => "any JSON",
        ColumnType::Bytea => "base64",
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

/// `-12.50e3`: what both stores read as numeric. No NaN, no infinity, no spaces.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    digits(whole.strip_prefix('-').unwrap_or(whole))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

struct Excerpt<'a>(&'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 60;
        match self.0.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "`{}…` ({} bytes)", &self.0[..end], self.0.len()),
            None => write!(f, "`{}`", self.0),
        }
    }
}

impl<'de> Visitor<'de> for Fit<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(expected(self.kind))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.null()
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        match self.kind {
            ColumnType::Boolean => self.out.push_plain(if value { "t" } else { "f" }),
            _ => return Err(self.mismatch(value)),
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.integer(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        match (i64::try_from(number), self.kind) {
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
