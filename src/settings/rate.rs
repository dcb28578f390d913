use std::fmt;
use std::str::FromStr;

/// How fast to send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// So many events a second on average; positive and finite.
    PerSecond(f64),
    /// As fast as the broker takes them.
    Max,
}

/// A text that is no rate.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a rate: write events per second such as 5, 5/s or 0.5/s, or max")]
pub struct RateError(String);

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        if text == "max" {
            return Ok(Rate::Max);
        }
        match text.strip_suffix("/s").unwrap_or(text).parse::<f64>() {
            Ok(rate) if (1e-6..=1e9).contains(&rate) => Ok(Rate::PerSecond(rate)),
            _ => Err(RateError(text.to_owned())),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rate::PerSecond(rate) => write!(f, "{rate}/s"),
            Rate::Max => f.write_str("max"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_positive_number_or_max() {
        assert_eq!("5".parse(), Ok(Rate::PerSecond(5.0)));
        assert_eq!("5/s".parse(), Ok(Rate::PerSecond(5.0)));
        assert_eq!("0.5/s".parse(), Ok(Rate::PerSecond(0.5)));
        assert_eq!("max".parse(), Ok(Rate::Max));
        for bad in ["", "0", "-1", "NaN", "inf", "5/m", "fast"] {
            assert_eq!(bad.parse::<Rate>(), Err(RateError(bad.into())));
        }
    }
}
