//! A batch's array literals, as the mapper makes them, become typed columns.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, ListArray, PrimitiveArray, StringArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, TimeUnit};

use super::decimal::scaled;
use crate::rows::{Column, ColumnType, Limit};

/// How a column stands in a file.
pub(super) fn data_type(column: &Column) -> DataType {
    let element = match column.kind {
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::SmallInt => DataType::Int16,
        ColumnType::Integer => DataType::Int32,
        ColumnType::BigInt => DataType::Int64,
        ColumnType::Real => DataType::Float32,
        ColumnType::Double => DataType::Float64,
        ColumnType::Numeric => {
            let (precision, scale) = digits(column);
            DataType::Decimal128(precision, scale)
        }
        ColumnType::Bytea => DataType::Binary,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp if !is_utc(column) => DataType::Timestamp(TimeUnit::Microsecond, None),
        ColumnType::Timestamp | ColumnType::TimestampTz => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        ColumnType::Varchar | ColumnType::Time | ColumnType::Jsonb | ColumnType::Json | ColumnType::Uuid => {
            DataType::Utf8
        }
    };
    if column.list { DataType::List(item(element)) } else { element }
}

/// The broker's time is UTC, whatever the mapper calls it.
fn is_utc(column: &Column) -> bool {
    column.name == "enqueued_at"
}

fn item(element: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", element, true))
}

fn digits(column: &Column) -> (u8, i8) {
    match column.limit {
        Limit::Digits { precision, scale } => {
            (u8::try_from(precision).unwrap_or(38), i8::try_from(scale).unwrap_or_default())
        }
        _ => (38, 18),
    }
}

/// The elements of a literal, those of `keep` only if it is given, as a column.
///
/// # Errors
/// The element that is not of the column's type, which the mapper does not let through.
pub(super) fn array(column: &Column, literal: &str, keep: Option<&[bool]>) -> Result<ArrayRef, String> {
    let wanted = |(row, element)| keep.is_none_or(|keep| keep.get(row).copied().unwrap_or(false)).then_some(element);
    let elements = Elements::of(literal).enumerate().filter_map(wanted);
    if !column.list {
        return scalars(column, elements);
    }
    let (mut inner, mut lengths, mut there) = (Vec::new(), Vec::new(), Vec::new());
    for list in elements {
        let before = inner.len();
        if let Some(list) = &list {
            inner.extend(Elements::of(list).map(|element| element.map(Cow::into_owned)));
        }
        there.push(list.is_some());
        lengths.push(inner.len() - before);
    }
    let values = scalars(column, inner.into_iter().map(|element| element.map(Cow::Owned)))?;
    let DataType::List(item) = data_type(column) else { return Err("it is no list".to_owned()) };
    let offsets = OffsetBuffer::from_lengths(lengths);
    let lists = ListArray::try_new(item, offsets, values, Some(NullBuffer::from(there)));
    Ok(Arc::new(lists.map_err(|error| error.to_string())?))
}

fn scalars<'a>(column: &Column, elements: impl Iterator<Item = Option<Cow<'a, str>>>) -> Result<ArrayRef, String> {
    Ok(match column.kind {
        ColumnType::Boolean => {
            let flag = |text: &str| match text {
                "t" => Some(true),
                "f" => Some(false),
                _ => None,
            };
            Arc::new(BooleanArray::from(parsed(elements, flag)?))
        }
        ColumnType::SmallInt => primitive::<Int16Type>(elements, |text| text.parse().ok())?,
        ColumnType::Integer => primitive::<Int32Type>(elements, |text| text.parse().ok())?,
        ColumnType::BigInt => primitive::<Int64Type>(elements, |text| text.parse().ok())?,
        ColumnType::Real => primitive::<Float32Type>(elements, |text| text.parse().ok())?,
        ColumnType::Double => primitive::<Float64Type>(elements, |text| text.parse().ok())?,
        ColumnType::Numeric => {
            let (precision, scale) = digits(column);
            let parsed = parsed(elements, |text| scaled(text, scale))?;
            let array = PrimitiveArray::<Decimal128Type>::from(parsed).with_precision_and_scale(precision, scale);
            Arc::new(array.map_err(|error| error.to_string())?)
        }
        ColumnType::Date => primitive::<Date32Type>(elements, |text| i32::try_from(date(text)?.0).ok())?,
        ColumnType::Timestamp | ColumnType::TimestampTz => {
            let array = PrimitiveArray::<TimestampMicrosecondType>::from(parsed(elements, micros)?);
            let utc = column.kind == ColumnType::TimestampTz || is_utc(column);
            if utc { Arc::new(array.with_timezone("UTC")) } else { Arc::new(array) }
        }
        ColumnType::Bytea => {
            let bytes = parsed(elements, hex)?;
            Arc::new(BinaryArray::from_iter(bytes))
        }
        ColumnType::Varchar | ColumnType::Time | ColumnType::Jsonb | ColumnType::Json | ColumnType::Uuid => {
            Arc::new(StringArray::from_iter(elements))
        }
    })
}

fn primitive<'a, T: ArrowPrimitiveType>(
    elements: impl Iterator<Item = Option<Cow<'a, str>>>,
    parse: impl Fn(&str) -> Option<T::Native>,
) -> Result<ArrayRef, String>
where
    PrimitiveArray<T>: From<Vec<Option<T::Native>>>,
{
    Ok(Arc::new(PrimitiveArray::<T>::from(parsed(elements, parse)?)))
}

fn parsed<'a, T>(
    elements: impl Iterator<Item = Option<Cow<'a, str>>>,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<Option<T>>, String> {
    let one = |element: Option<Cow<'a, str>>| match element {
        None => Ok(None),
        Some(text) => match parse(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(format!("`{}` is not of its type", text.chars().take(60).collect::<String>())),
        },
    };
    elements.map(one).collect()
}

/// The elements of an array literal; nothing for NULL.
struct Elements<'a>(&'a str);

impl<'a> Elements<'a> {
    fn of(literal: &'a str) -> Self {
        Elements(literal.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default())
    }

    fn quoted(&mut self) -> Cow<'a, str> {
        let text = self.0;
        let mut unescaped: Option<String> = None;
        let mut from = 0;
        while let Some(at) = memchr::memchr2(b'"', b'\\', &text.as_bytes()[from..]).map(|at| from + at) {
            if text.as_bytes()[at] == b'"' {
                self.0 = text.get(at + 1..).unwrap_or_default();
                return match unescaped {
                    None => Cow::Borrowed(&text[..at]),
                    Some(mut own) => {
                        own.push_str(&text[from..at]);
                        Cow::Owned(own)
                    }
                };
            }
            // What is escaped is one of the two.
            let own = unescaped.get_or_insert_default();
            own.push_str(&text[from..at]);
            own.push_str(text.get(at + 1..at + 2).unwrap_or_default());
            from = at + 2;
        }
        self.0 = "";
        Cow::Borrowed(text)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Option<Cow<'a, str>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let element = if let Some(rest) = self.0.strip_prefix('"') {
            self.0 = rest;
            Some(self.quoted())
        } else {
            let end = memchr::memchr(b',', self.0.as_bytes()).unwrap_or(self.0.len());
            let (plain, rest) = self.0.split_at(end);
            self.0 = rest;
            (plain != "NULL").then_some(Cow::Borrowed(plain))
        };
        self.0 = self.0.strip_prefix(',').unwrap_or(self.0);
        Some(element)
    }
}

/// Days since 1970 of `2026-01-31`, and what follows.
fn date(text: &str) -> Option<(i64, &str)> {
    let (head, rest) = text.split_at_checked(10)?;
    let number = |from: usize, to: usize| head.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    // The civil calendar, counted from March so that the leap day comes last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, month) = (shifted.div_euclid(400), (month + 9) % 12);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some((era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468, rest))
}

/// Microseconds since 1970 of `2026-01-31 23:59:59.123456`, with or without `+00:00`.
pub(super) fn micros(text: &str) -> Option<i64> {
    let (days, rest) = date(text)?;
    let number = |from: usize, to: usize| rest.get(from..to)?.parse::<i64>().ok();
    let seconds = number(1, 3)? * 3600 + number(4, 6)? * 60 + number(7, 9)?;
    let fraction = match rest.as_bytes().get(9) {
        Some(b'.') => number(10, 16)?,
        _ => 0,
    };
    Some((days * 86_400 + seconds) * 1_000_000 + fraction)
}

/// The bytes of `\x00ff`.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.strip_prefix("\\x")?.as_bytes().chunks_exact(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use arrow_array::Array as _;
    use arrow_array::cast::AsArray as _;

    use super::*;

    fn column(kind: ColumnType, list: bool) -> Column {
        Column {
            name: "c".to_owned(),
            kind,
            limit: Limit::None,
            list,
            cast: None,
            epoch: None,
            not_null: false,
            required: false,
            default: None,
        }
    }

    #[test]
    fn elements_are_what_was_put_in() {
        let literal = r#"{"a \"b\" \\c, {d} NULL",NULL,-7,1.5e3,"\\x00ab","","é\\"}"#;
        let found: Vec<_> = Elements::of(literal).map(|element| element.map(Cow::into_owned)).collect();
        let wanted =
            [Some(r#"a "b" \c, {d} NULL"#), None, Some("-7"), Some("1.5e3"), Some("\\x00ab"), Some(""), Some("é\\")];
        assert_eq!(found, wanted.map(|text| text.map(str::to_owned)));
        assert_eq!(Elements::of("{}").count(), 0);
    }

    #[test]
    fn moments_are_counted_from_1970() {
        for (text, micros) in [
            ("1970-01-01 00:00:00", 0),
            ("2026-01-31 13:04:05.123456", 1_769_864_645_123_456),
            ("1969-12-31 23:59:59.999999+00:00", -1),
            ("0001-01-01 00:00:00", -62_135_596_800_000_000),
            ("9999-12-31 23:59:59.999999", 253_402_300_799_999_999),
            ("2024-02-29 00:00:00", 1_709_164_800_000_000),
        ] {
            assert_eq!(super::micros(text), Some(micros), "{text}");
        }
    }

    #[test]
    fn columns_hold_what_the_literals_say() {
        let array =
            |kind, literal: &str, keep: Option<&[bool]>| super::array(&column(kind, false), literal, keep).unwrap();
        let numbers = array(ColumnType::Integer, "{1,NULL,-3}", Some(&[true, false, true]));
        assert_eq!(numbers.as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(1), Some(-3)]);
        let bytes = array(ColumnType::Bytea, r#"{"\\x00ff",NULL,"\\x"}"#, None);
        assert_eq!(bytes.as_binary::<i32>().iter().collect::<Vec<_>>(), [Some(&b"\0\xff"[..]), None, Some(&b""[..])]);
        let lists = super::array(&column(ColumnType::Varchar, true), r#"{"{\"a\",NULL}",NULL,"{}"}"#, None).unwrap();
        let lists = lists.as_list::<i32>();
        assert_eq!((lists.len(), lists.value(0).len(), lists.is_null(1), lists.value(2).len()), (3, 2, true, 0));
        assert!(super::array(&column(ColumnType::Integer, false), "{x}", None).is_err());
        assert_eq!(array(ColumnType::Double, "{1e308,-0e0}", None).len(), 2);
    }
}
