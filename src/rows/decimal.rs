//! Decimal texts, measured without being computed with: they may have more digits than any number type.

use super::column::Limit;

/// A decimal number's digits, but for zeros at either end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measure {
    /// The power of ten of its first digit.
    highest: i64,
    /// The power of ten of its last one.
    lowest: i64,
}

/// Why a number does not fit its column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Misfit {
    /// It would be rounded: what it must have at most.
    Rounded(String),
    /// It is too large: for what.
    OutOfRange(String),
}

/// `-12.50e3`: what both stores read as numeric. No NaN, no infinity, no spaces.
pub(super) fn is_number(text: &str) -> bool {
    parts(text).is_some()
}

/// The whole digits, the fraction's and the exponent of such a text.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    let sound = digits(whole)
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)));
    sound.then_some((whole, fraction.unwrap_or_default(), exponent.unwrap_or("0")))
}

/// `None` for a zero, and for what is no number.
fn measure(text: &str) -> Option<Measure> {
    let (whole, fraction, exponent) = parts(text)?;
    // Of so large an exponent only the sign matters.
    let exponent = exponent.parse().unwrap_or(if exponent.starts_with('-') { i64::MIN / 4 } else { i64::MAX / 4 });
    let exponent = exponent.clamp(i64::MIN / 4, i64::MAX / 4);
    let places = i64::try_from(whole.len()).ok()?;
    let digits = || whole.bytes().chain(fraction.bytes());
    let first = i64::try_from(digits().position(|digit| digit != b'0')?).ok()?;
    let last = i64::try_from(digits().count() - 1 - digits().rev().position(|digit| digit != b'0')?).ok()?;
    Some(Measure { highest: places - 1 - first + exponent, lowest: places - 1 - last + exponent })
}

/// A decimal number, whatever its digits: equal numbers are equal, however they were written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    negative: bool,
    /// The power of ten of the first digit; 0 where there is none.
    highest: i64,
    /// All digits from the first to the last that is no zero; none of a zero.
    digits: Box<str>,
}

impl Decimal {
    /// `None` for what is no number.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (whole, fraction, _) = parts(text)?;
        let digits = [whole, fraction].concat();
        let digits = digits.trim_matches('0');
        let highest = measure(text).map_or(0, |measure| measure.highest);
        Some(Decimal { negative: text.starts_with('-') && !digits.is_empty(), highest, digits: digits.into() })
    }

    /// -1, 0 or 1.
    pub(super) fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    /// What orders numbers of one sign: larger is farther from zero.
    pub(super) fn size(&self) -> (i64, &str) {
        (self.highest, &self.digits)
    }
}

/// Whether a number fits a column without losing a digit.
pub(super) fn check(text: &str, limit: Limit) -> Result<(), Misfit> {
    let Some(Measure { highest, lowest }) = (limit != Limit::None).then(|| measure(text)).flatten() else {
        return Ok(());
    };
    match limit {
        Limit::Digits { scale, .. } if lowest < -scale => Err(Misfit::Rounded(match scale {
            1 => "at most 1 decimal place".to_owned(),
            0.. => format!("at most {scale} decimal places"),
            _ => format!("a multiple of 1e{}", -scale),
        })),
        Limit::Digits { precision, scale } if highest >= precision - scale => {
            Err(Misfit::OutOfRange(format!("numeric({precision},{scale})")))
        }
        Limit::Significant(most) if highest - lowest >= most || lowest < -most => {
            Err(Misfit::Rounded(format!("at most {most} digits, all that numeric keeps in this store")))
        }
        Limit::Significant(most) if highest >= most => Err(Misfit::OutOfRange("numeric in this store".to_owned())),
        _ => Ok(()),
    }
}

/// The number times ten to that power, without what is then behind the point; `None` if it is no number or too large
/// to be a moment in any unit.
pub(super) fn shifted(text: &str, power: i64) -> Option<i128> {
    let (whole, fraction, exponent) = parts(text)?;
    let exponent: i64 = exponent.parse().ok()?;
    let digits: String = [whole, fraction].concat();
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let power = exponent.checked_add(power)?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let length = i64::try_from(significant.len()).ok()?.checked_add(power)?;
    if length > 30 {
        return None;
    }
    let kept = match usize::try_from(length) {
        Ok(length) => format!("{significant:0<length$}")[..length].to_owned(),
        Err(_) => String::new(),
    };
    let number: i128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    Some(if text.starts_with('-') { -number } else { number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_would_be_rounded_or_is_too_large_is_told() {
        let price = Limit::Digits { precision: 10, scale: 2 };
        let rounded = |text: &str| Err(Misfit::Rounded(text.to_owned()));
        let large = |text: &str| Err(Misfit::OutOfRange(text.to_owned()));
        for (text, limit, wanted) in [
            ("12.34", price, Ok(())),
            ("12.340", price, Ok(())),
            ("-0012.34e0", price, Ok(())),
            ("1e7", price, Ok(())),
            ("0.0000e9", price, Ok(())),
            ("12.345", price, rounded("at most 2 decimal places")),
            ("1e-3", price, rounded("at most 2 decimal places")),
            ("1e-99999999999999999999", price, rounded("at most 2 decimal places")),
            ("99999999.99", price, Ok(())),
            ("123456789.1", price, large("numeric(10,2)")),
            ("1e99999999999999999999", price, large("numeric(10,2)")),
            ("0.5", Limit::Digits { precision: 6, scale: 0 }, rounded("at most 0 decimal places")),
            ("0.05", Limit::Digits { precision: 2, scale: 1 }, rounded("at most 1 decimal place")),
            ("1234567", Limit::Digits { precision: 6, scale: 0 }, large("numeric(6,0)")),
            ("12300", Limit::Digits { precision: 3, scale: -2 }, Ok(())),
            ("12340", Limit::Digits { precision: 3, scale: -2 }, rounded("a multiple of 1e2")),
            // More decimals than digits: 0.00012 is all there is room for.
            ("0.00012", Limit::Digits { precision: 2, scale: 5 }, Ok(())),
            ("0.00112", Limit::Digits { precision: 2, scale: 5 }, large("numeric(2,5)")),
            ("1e100", Limit::None, Ok(())),
            ("1234567890123456789012345678", Limit::Significant(28), Ok(())),
            ("0.1", Limit::Significant(28), Ok(())),
            ("1e29", Limit::Significant(28), large("numeric in this store")),
        ] {
            assert_eq!(check(text, limit), wanted, "{text} in {limit:?}");
        }
        for text in ["12345678901234567890123456789", "0.12345678901234567890123456789", "1e-29"] {
            assert!(matches!(check(text, Limit::Significant(28)), Err(Misfit::Rounded(_))), "{text}");
        }
    }

    #[test]
    fn numbers_are_moved_by_powers_of_ten() {
        for (text, power, wanted) in [
            ("1769864645", 6, Some(1_769_864_645_000_000)),
            ("1769864645.1234567", 6, Some(1_769_864_645_123_456)),
            ("1.769864645e9", 6, Some(1_769_864_645_000_000)),
            ("-1.5", 3, Some(-1500)),
            ("0.0001", 3, Some(0)),
            ("1e-400", 6, Some(0)),
            ("0", 6, Some(0)),
            ("1e60", 0, None),
            ("x", 0, None),
            ("1e99999999999999999999", 0, None),
        ] {
            assert_eq!(shifted(text, power), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn measuring_agrees_with_counting(number in 1..1_000_000_000u64, scale in 0..9usize, precision in 1..12i64) {
            let text = format!("{number:0width$}", width = scale + 1);
            let (whole, fraction) = text.split_at(text.len() - scale);
            let text = if scale > 0 { format!("{whole}.{fraction}") } else { whole.to_owned() };
            let fits = check(&text, Limit::Digits { precision, scale: 3 }).is_ok();
            let decimals = fraction.trim_end_matches('0').len();
            let digits = whole.trim_start_matches('0').len() as i64;
            prop_assert_eq!(fits, decimals <= 3 && digits <= precision - 3 && (precision >= 3 || {
                // Leading zeros behind the point are none of its digits.
                let leading = fraction.len() - fraction.trim_start_matches('0').len();
                fraction.trim_matches('0').is_empty() || leading as i64 >= 3 - precision
            }));
        }
    }
}
