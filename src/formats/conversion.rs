//! Debezium's and Kafka Connect's own types, whose JSON is a number or bytes, as texts that columns of their type take.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use time::{Date, OffsetDateTime};

use super::decimal::decimal;
use crate::rows::object::{Object, text};

/// What a field's JSON stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::formats) enum Conversion {
    /// Days since 1970.
    Days,
    /// A moment, in milliseconds since 1970.
    Millis,
    /// In microseconds.
    Micros,
    /// In nanoseconds.
    Nanos,
    /// A time of day, in milliseconds.
    TimeMillis,
    /// In microseconds.
    TimeMicros,
    /// In nanoseconds.
    TimeNanos,
    /// A number's digits, of which so many are behind its point.
    Decimal(i64),
    /// The same, with the places beside it.
    VariableDecimal,
    /// JSON in a text.
    Json,
}

const DAY_NANOS: i128 = 86_400_000_000_000;

impl Conversion {
    /// What the type of that name is, if its JSON is not what it means.
    pub(in crate::formats) fn of(name: &str, scale: Option<i64>) -> Option<Self> {
        Some(match name {
            "io.debezium.time.Date" | "org.apache.kafka.connect.data.Date" => Conversion::Days,
            "io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp" => Conversion::Millis,
            "io.debezium.time.MicroTimestamp" => Conversion::Micros,
            "io.debezium.time.NanoTimestamp" => Conversion::Nanos,
            "io.debezium.time.Time" | "org.apache.kafka.connect.data.Time" => Conversion::TimeMillis,
            "io.debezium.time.MicroTime" => Conversion::TimeMicros,
            "io.debezium.time.NanoTime" => Conversion::TimeNanos,
            "org.apache.kafka.connect.data.Decimal" => Conversion::Decimal(scale.unwrap_or(0)),
            "io.debezium.data.VariableScaleDecimal" => Conversion::VariableDecimal,
            "io.debezium.data.Json" => Conversion::Json,
            _ => return None,
        })
    }

    /// The value as JSON that a column of its type takes; as it is, where it is nothing of the kind.
    pub(in crate::formats) fn apply(self, value: &str) -> Cow<'_, str> {
        match self.converted(value) {
            Some(converted) => Cow::Owned(converted),
            None => Cow::Borrowed(value),
        }
    }

    fn converted(self, value: &str) -> Option<String> {
        let number = || value.parse::<i64>().ok().map(i128::from);
        match self {
            Conversion::Days => {
                let days = i32::try_from(number()?).ok()?;
                let date = Date::from_julian_day(2_440_588_i32.checked_add(days)?).ok()?;
                Some(format!("\"{}\"", day(date)?))
            }
            Conversion::Millis => moment(number()? * 1_000_000),
            Conversion::Micros => moment(number()? * 1000),
            Conversion::Nanos => moment(number()?),
            Conversion::TimeMillis => clock(number()? * 1_000_000),
            Conversion::TimeMicros => clock(number()? * 1000),
            Conversion::TimeNanos => clock(number()?),
            Conversion::Decimal(scale) => decimal_text(value, scale),
            Conversion::VariableDecimal => {
                let parts = Object::parse(value).ok()?;
                decimal_text(parts.get("value")?, parts.integer("scale")?)
            }
            Conversion::Json => {
                let inner = text(value)?;
                serde_json::from_str::<&serde_json::value::RawValue>(&inner).ok()?;
                Some(inner.into_owned())
            }
        }
    }
}

/// Years of more than four digits are no column's.
fn day(date: Date) -> Option<String> {
    let year = u16::try_from(date.year()).ok().filter(|year| (1..=9999).contains(year))?;
    Some(format!("{year:04}-{:02}-{:02}", u8::from(date.month()), date.day()))
}

fn moment(nanos: i128) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
    Some(format!("\"{}T{}\"", day(at.date())?, of_day(nanos.rem_euclid(DAY_NANOS))))
}

fn clock(nanos: i128) -> Option<String> {
    (0..DAY_NANOS).contains(&nanos).then(|| format!("\"{}\"", of_day(nanos)))
}

fn of_day(nanos: i128) -> String {
    let (seconds, part) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    // Columns hold microseconds.
    match part / 1000 {
        0 => clock,
        micros => format!("{clock}.{micros:06}"),
    }
}

fn decimal_text(value: &str, scale: i64) -> Option<String> {
    let bytes = BASE64_STANDARD.decode(&*text(value)?).ok()?;
    decimal(&bytes, scale)
}
