//! Dates and times in JSON texts, checked and brought to the one form both stores read.

use std::fmt::Write as _;

use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// Why a value is not taken for a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It names none.
    Form,
    /// Its second has more digits than the column keeps.
    Fraction,
}

/// Digits of a second's fraction that both stores keep unless a column says less.
pub(super) const MICROSECOND: u8 = 6;

/// Appends a `YYYY-MM-DD` text as it is.
pub(super) fn push_date(text: &str, out: &mut String) -> Result<(), Wrong> {
    match date(text) {
        Some((date, "")) => write_date(date, out),
        _ => return Err(Wrong::Form),
    }
    Ok(())
}

/// Appends `HH:MM:SS[.ffffff]` for a text `HH:MM[:SS[.f…]]`.
pub(super) fn push_time(text: &str, digits: u8, out: &mut String) -> Result<(), Wrong> {
    let Some((time, "")) = clock(text) else { return Err(Wrong::Form) };
    check_fraction(time, digits)?;
    write_time(time, out);
    Ok(())
}

/// Appends `YYYY-MM-DD HH:MM:SS[.ffffff]`, in UTC, for an ISO 8601 text. A text without an offset is UTC; a day alone is
/// its midnight; digits below a microsecond are cut off.
pub(super) fn push_timestamp(text: &str, digits: u8, out: &mut String) -> Result<(), Wrong> {
    write(timestamp(text).ok_or(Wrong::Form)?, digits, out)
}

/// The same for a number of microseconds since 1970.
pub(super) fn push_micros(micros: i128, digits: u8, out: &mut String) -> Result<(), Wrong> {
    let nanos = micros.checked_mul(1000).ok_or(Wrong::Form)?;
    let moment = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| Wrong::Form)?;
    write(PrimitiveDateTime::new(moment.date(), moment.time()), digits, out)
}

fn write(moment: PrimitiveDateTime, digits: u8, out: &mut String) -> Result<(), Wrong> {
    if !(1..=9999).contains(&moment.year()) {
        return Err(Wrong::Form);
    }
    check_fraction(moment.time(), digits)?;
    write_date(moment.date(), out);
    out.push(' ');
    write_time(moment.time(), out);
    Ok(())
}

fn check_fraction(time: Time, digits: u8) -> Result<(), Wrong> {
    if digits >= MICROSECOND || time.microsecond().is_multiple_of(10u32.pow(u32::from(MICROSECOND - digits))) {
        return Ok(());
    }
    Err(Wrong::Fraction)
}

fn timestamp(text: &str) -> Option<PrimitiveDateTime> {
    let (date, rest) = date(text)?;
    let (time, offset) = match rest.as_bytes().first() {
        None => (Time::MIDNIGHT, Duration::ZERO),
        Some(b' ' | b'T' | b't') => {
            let (time, rest) = clock(&rest[1..])?;
            (time, offset(rest)?)
        }
        Some(_) => return None,
    };
    PrimitiveDateTime::new(date, time).checked_sub(offset)
}

fn date(text: &str) -> Option<(Date, &str)> {
    let (year, rest) = number(text, 4)?;
    let (month, rest) = number(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = number(rest.strip_prefix('-')?, 2)?;
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let year = i32::try_from(year).ok().filter(|year| *year > 0)?;
    Some((Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?, rest))
}

fn clock(text: &str) -> Option<(Time, &str)> {
    let (hour, rest) = number(text, 2)?;
    let (minute, mut rest) = number(rest.strip_prefix(':')?, 2)?;
    let (mut second, mut micros) = (0, 0);
    if let Some(after) = rest.strip_prefix(':') {
        (second, rest) = number(after, 2)?;
        if let Some(after) = rest.strip_prefix('.') {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            if !(1..=9).contains(&digits) {
                return None;
            }
            let kept = digits.min(6);
            let scale = 10u32.pow(u32::try_from(6 - kept).ok()?);
            micros = after[..kept].parse::<u32>().ok()? * scale;
            rest = &after[digits..];
        }
    }
    let narrow = |n: u32| u8::try_from(n).ok();
    Some((Time::from_hms_micro(narrow(hour)?, narrow(minute)?, narrow(second)?, micros).ok()?, rest))
}

fn offset(text: &str) -> Option<Duration> {
    let sign = match text.as_bytes().first() {
        None => return Some(Duration::ZERO),
        Some(b'Z' | b'z') if text.len() == 1 => return Some(Duration::ZERO),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return None,
    };
    let (hours, rest) = number(&text[1..], 2)?;
    let minutes = match rest.strip_prefix(':').unwrap_or(rest) {
        "" => 0,
        digits => number(digits, 2).filter(|(_, rest)| rest.is_empty())?.0,
    };
    let minutes = i64::from(hours * 60 + minutes);
    (minutes < 24 * 60).then(|| Duration::minutes(sign * minutes))
}

fn number(text: &str, digits: usize) -> Option<(u32, &str)> {
    let (head, rest) = text.split_at_checked(digits)?;
    if !head.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((head.parse().ok()?, rest))
}

fn write_date(date: Date, out: &mut String) {
    // A year has four digits here: no text with more is read.
    let year = date.year().unsigned_abs();
    let ([a, b], [c, d]) = (two(year / 100), two(year % 100));
    let ([e, f], [g, h]) = (two(u32::from(u8::from(date.month()))), two(u32::from(date.day())));
    push_ascii(&[a, b, c, d, b'-', e, f, b'-', g, h], out);
}

fn write_time(time: Time, out: &mut String) {
    let [[a, b], [c, d], [e, f]] = [time.hour(), time.minute(), time.second()].map(|part| two(u32::from(part)));
    push_ascii(&[a, b, b':', c, d, b':', e, f], out);
    if time.microsecond() > 0 {
        let _ = write!(out, ".{:06}", time.microsecond());
    }
}

/// A number's last two digits. Nearly every record has a time, and `write!` would be half of what reading one costs.
fn two(number: u32) -> [u8; 2] {
    [number / 10, number].map(|number| b'0' + (number % 10) as u8)
}

fn push_ascii(text: &[u8], out: &mut String) {
    out.push_str(str::from_utf8(text).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(push: impl Fn(&str, &mut String) -> Result<(), Wrong>, text: &str) -> Option<String> {
        let mut out = String::new();
        push(text, &mut out).ok().map(|()| out)
    }

    fn push_timestamp(text: &str, out: &mut String) -> Result<(), Wrong> {
        super::push_timestamp(text, MICROSECOND, out)
    }

    fn push_time(text: &str, out: &mut String) -> Result<(), Wrong> {
        super::push_time(text, MICROSECOND, out)
    }

    #[test]
    fn texts_become_utc_timestamps() {
        for (text, sql) in [
            ("2026-01-02T03:04:05", "2026-01-02 03:04:05"),
            ("2026-01-02 03:04:05.5", "2026-01-02 03:04:05.500000"),
            ("2026-01-02T03:04:05.123456789Z", "2026-01-02 03:04:05.123456"),
            ("2026-01-02 03:04", "2026-01-02 03:04:00"),
            ("2026-01-02", "2026-01-02 00:00:00"),
            ("2026-01-01T23:30:00-05:30", "2026-01-02 05:00:00"),
            ("2026-01-01T01:00:00+02", "2025-12-31 23:00:00"),
            ("2026-01-01T01:00:00+0200", "2025-12-31 23:00:00"),
        ] {
            assert_eq!(shown(push_timestamp, text).as_deref(), Some(sql), "{text}");
        }
        for text in [
            "",
            "now",
            "infinity",
            "2026-02-30",
            "2026-1-2",
            "2026-01-02T25:00:00",
            "2026-01-02T03:04:05.",
            "0000-01-01",
            "2026-01-02T03:04:05 UTC",
            "0001-01-01T00:00:00+01:00",
            "2026-01-02T03:04:05+25:00",
            "2026-01-02T03:04:05é",
        ] {
            assert_eq!(shown(push_timestamp, text), None, "{text}");
        }
    }

    #[test]
    fn dates_and_times_stand_alone() {
        assert_eq!(shown(push_date, "2024-02-29").as_deref(), Some("2024-02-29"));
        assert_eq!(shown(push_date, "2024-02-29 00:00"), None);
        assert_eq!(shown(push_time, "23:59:59.25").as_deref(), Some("23:59:59.250000"));
        assert_eq!(shown(push_time, "24:00"), None);
    }

    #[test]
    fn a_column_may_keep_less_of_a_second() {
        let at = |text: &str, digits| {
            let mut out = String::new();
            super::push_timestamp(text, digits, &mut out).map(|()| out)
        };
        assert_eq!(at("2026-12-31T23:59:59.700Z", 0), Err(Wrong::Fraction));
        assert_eq!(at("2026-12-31T23:59:59.000Z", 0).as_deref(), Ok("2026-12-31 23:59:59"));
        assert_eq!(at("2026-12-31T23:59:59.123456Z", 3), Err(Wrong::Fraction));
        assert_eq!(at("2026-12-31T23:59:59.1230000Z", 3).as_deref(), Ok("2026-12-31 23:59:59.123000"));
        assert_eq!(super::push_time("23:59:59.6", 0, &mut String::new()), Err(Wrong::Fraction));
    }

    #[test]
    fn microseconds_are_counted_from_1970() {
        let at = |micros| shown(|_, out| push_micros(micros, MICROSECOND, out), "");
        assert_eq!(at(0).as_deref(), Some("1970-01-01 00:00:00"));
        assert_eq!(at(1_769_864_645_123_456).as_deref(), Some("2026-01-31 13:04:05.123456"));
        assert_eq!(at(-1).as_deref(), Some("1969-12-31 23:59:59.999999"));
        assert_eq!(at(i128::MAX), None);
        assert_eq!(at(253_402_300_800_000_000), None, "year 10000");
    }
}
