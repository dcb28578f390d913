use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A time span in seconds, with a fraction if need be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl Seconds {
    /// The time span, or how long it has to be at least, in seconds.
    pub(super) fn at_least(self, least: f64) -> Result<Duration, String> {
        if self.0.as_secs_f64() >= least { Ok(self.0) } else { Err(format!("must be at least {least} s")) }
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_secs_f64().fmt(f)
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds: f64 = text.parse().map_err(|_| format!("`{text}` is not a number of seconds"))?;
        Duration::try_from_secs_f64(seconds).map(Seconds).map_err(|_| format!("`{text}` is no time span"))
    }
}
