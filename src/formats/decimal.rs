/// A number of so many decimal places, given without its point as big-endian bytes in two's complement.
pub(super) fn decimal(bytes: &[u8], scale: i64) -> Option<String> {
    const WIDEST: i64 = 100_000;
    let negative = bytes.first()? & 0x80 != 0;
    let mut magnitude: Vec<u8> = bytes.to_vec();
    if negative {
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            let (value, over) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (value, over);
        }
    }
    let digits = digits(&magnitude);
    let scale = Some(scale).filter(|scale| scale.abs() <= WIDEST)?;
    let sign = if negative { "-" } else { "" };
    Some(match usize::try_from(scale) {
        Ok(0) => format!("{sign}{digits}"),
        Ok(places) if digits.len() > places => {
            let (whole, part) = digits.split_at(digits.len() - places);
            format!("{sign}{whole}.{part}")
        }
        Ok(places) => format!("{sign}0.{digits:0>places$}"),
        Err(_) => format!("{sign}{digits}e{}", -scale),
    })
}

/// A magnitude in base 256 as decimal digits.
fn digits(bytes: &[u8]) -> String {
    if let Some(number) = bytes
        .len()
        .checked_sub(16)
        .map_or(Some(bytes), |over| bytes[..over].iter().all(|byte| *byte == 0).then(|| &bytes[over..]))
    {
        return number.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte)).to_string();
    }
    const BASE: u64 = 1_000_000_000;
    let mut parts: Vec<u64> = vec![0];
    for byte in bytes {
        let mut carry = u64::from(*byte);
        for part in &mut parts {
            let value = *part * 256 + carry;
            (*part, carry) = (value % BASE, value / BASE);
        }
        if carry > 0 {
            parts.push(carry);
        }
    }
    let mut text = parts.pop().unwrap_or_default().to_string();
    parts.iter().rev().for_each(|part| text.push_str(&format!("{part:09}")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_digits() {
        for (bytes, scale, text) in [
            (&[0x04, 0xd2][..], 2, "12.34"),
            (&[0xfb, 0x2e], 2, "-12.34"),
            (&[0x05], 3, "0.005"),
            (&[0xff], 0, "-1"),
            (&[0x80], 0, "-128"),
            (&[0x00], 2, "0.00"),
            (&[0x07], -3, "7e3"),
            (&[0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0, "340282366920938463463374607431768211456"),
        ] {
            assert_eq!(decimal(bytes, scale).as_deref(), Some(text), "{bytes:?}");
        }
        assert_eq!(decimal(&[], 0), None);
    }
}
