/// The number that a text such as `-12.50e3` is, in units of the last of so many places; nothing if digits are lost.
pub(super) fn scaled(text: &str, scale: i8) -> Option<i128> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = whole.chars().chain(fraction.chars()).collect();
    let kept = digits.trim_end_matches('0');
    let significant = kept.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let zeros = i64::try_from(digits.len() - kept.len()).ok()?;
    let exponent: i64 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
    let shift = i64::from(scale) - i64::try_from(fraction.len()).ok()? + zeros + exponent;
    let power = 10_i128.checked_pow(u32::try_from(shift).ok()?)?;
    let number = significant.parse::<i128>().ok()?.checked_mul(power)?;
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_digit_is_lost() {
        for (text, scale, number) in [
            ("1", 2, Some(100)),
            ("-12.50e3", 0, Some(-12_500)),
            ("12.50", 1, Some(125)),
            ("12.51", 1, None),
            ("0.000", 0, Some(0)),
            ("-0e99999", 5, Some(0)),
            ("1.000000000000000000000000000000000000000000000000000", 0, Some(1)),
            ("1e-2", 2, Some(1)),
            ("1E+2", 0, Some(100)),
            ("99999999999999999999999999999999999999", 0, Some(99_999_999_999_999_999_999_999_999_999_999_999_999)),
            ("1e40", 0, None),
        ] {
            assert_eq!(scaled(text, scale), number, "{text}");
        }
    }
}
