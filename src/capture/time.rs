use std::fmt::{self, Write as _};

use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

/// When the broker took a record, in whole seconds, as Capture stores it: the .NET US form `11/16/2016 4:44:11 PM`.
///
/// One-second resolution: it tells lives of a hub apart, it never orders records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnqueuedTime(OffsetDateTime);

/// An `EnqueuedTimeUtc` that is not in the US form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time like 11/16/2016 4:44:11 PM")]
pub struct InvalidEnqueuedTime(String);

impl EnqueuedTime {
    /// Drops what is below a second.
    pub fn from_utc(at: OffsetDateTime) -> Self {
        let at = at.to_offset(UtcOffset::UTC);
        EnqueuedTime(at.replace_nanosecond(0).unwrap_or(at))
    }

    /// What `capture` gives a Kafka record of that timestamp, in milliseconds since 1970. One without a usable timestamp
    /// gets 1970: always the same, as it is part of the record's identity.
    pub fn from_kafka(millis: Option<i64>) -> Self {
        Self::from_utc(kafka_instant(millis))
    }

    /// The instant, UTC.
    pub fn utc(self) -> OffsetDateTime {
        self.0
    }

    /// Reads the US form.
    ///
    /// # Errors
    /// When the text has another form or names no real instant.
    pub fn parse(text: &str) -> Result<Self, InvalidEnqueuedTime> {
        parse(text).ok_or_else(|| InvalidEnqueuedTime(text.chars().take(64).collect()))
    }

    /// Reads what [`push_sql`](Self::push_sql) writes, and what stores show of it.
    pub fn parse_sql(text: &str) -> Option<Self> {
        let form = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
        let at = time::PrimitiveDateTime::parse(text.get(..19)?, form).ok()?;
        Some(EnqueuedTime(at.assume_utc()))
    }

    /// `YYYY-MM-DD HH:MM:SS`.
    pub fn sql(self) -> String {
        let mut text = String::new();
        self.push_sql(&mut text);
        text
    }

    /// Appends `YYYY-MM-DD HH:MM:SS`, which every SQL store reads as a timestamp.
    pub fn push_sql(self, out: &mut String) {
        let t = self.0;
        let (year, month, day) = (t.year(), u8::from(t.month()), t.day());
        let (hour, minute, second) = (t.hour(), t.minute(), t.second());
        let _ = write!(out, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    }
}

/// The instant of a Kafka record's timestamp, in milliseconds since 1970; 1970 where it says none that has four digits of
/// a year, which are what Capture's format has room for.
pub fn kafka_instant(millis: Option<i64>) -> OffsetDateTime {
    millis
        .and_then(|millis| OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok())
        .filter(|at| (0..=9999).contains(&at.year()))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The US form, as Capture writes it.
impl fmt::Display for EnqueuedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.0;
        let half = if t.hour() < 12 { "AM" } else { "PM" };
        let hour = match t.hour() % 12 {
            0 => 12,
            hour => hour,
        };
        let (month, day, year) = (u8::from(t.month()), t.day(), t.year());
        write!(f, "{month}/{day}/{year} {hour}:{:02}:{:02} {half}", t.minute(), t.second())
    }
}

fn parse(text: &str) -> Option<EnqueuedTime> {
    let mut words = text.split(' ');
    let (date, clock, half) = (words.next()?, words.next()?, words.next()?);
    let mut date = date.split('/').map(|n| n.parse::<u16>());
    let mut clock = clock.split(':').map(|n| n.parse::<u8>());
    let mut next_date = || date.next()?.ok();
    let (month, day, year) = (next_date()?, next_date()?, next_date()?);
    let mut next_clock = || clock.next()?.ok();
    let (hour, minute, second) = (next_clock()?, next_clock()?, next_clock()?);
    if words.next().is_some() || date.next().is_some() || clock.next().is_some() || !(1..=12).contains(&hour) {
        return None;
    }
    let hour = match half {
        "AM" => hour % 12,
        "PM" => hour % 12 + 12,
        _ => return None,
    };
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()?;
    let clock = Time::from_hms(hour, minute, second).ok()?;
    Some(EnqueuedTime(date.with_time(clock).assume_utc()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_us_form_is_read_and_written() {
        for (text, sql) in [
            ("11/16/2016 4:44:11 PM", "2016-11-16 16:44:11"),
            ("1/2/2026 12:00:00 AM", "2026-01-02 00:00:00"),
            ("12/31/2026 12:59:59 PM", "2026-12-31 12:59:59"),
        ] {
            let time = EnqueuedTime::parse(text).unwrap();
            let mut out = String::new();
            time.push_sql(&mut out);
            assert_eq!((time.to_string().as_str(), out.as_str()), (text, sql));
            assert_eq!(EnqueuedTime::parse_sql(sql), Some(time));
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "2016-11-16T16:44:11Z",
            "13/1/2016 1:00:00 AM",
            "2/30/2016 1:00:00 AM",
            "1/1/2016 0:00:00 AM",
            "1/1/2016 1:00:00 XM",
        ] {
            assert!(EnqueuedTime::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn parse_of_format_is_identity(seconds in 0i64..4_102_444_800) {
            let time = EnqueuedTime::from_utc(OffsetDateTime::from_unix_timestamp(seconds).unwrap());
            prop_assert_eq!(EnqueuedTime::parse(&time.to_string()), Ok(time));
        }
    }
}
