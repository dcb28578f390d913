use std::fmt;

/// Every fault found in one program's settings.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<String>);

impl Faults {
    /// Takes the value, or notes the fault under the flag's name.
    pub fn check<T, E: fmt::Display>(&mut self, flag: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.add(flag, error)).ok()
    }

    /// Notes a fault under the flag's name.
    pub fn add(&mut self, flag: &str, fault: impl fmt::Display) {
        self.0.push(format!("{flag}: {fault}"));
    }

    /// Notes what was found elsewhere.
    pub fn extend(&mut self, faults: Faults) {
        self.0.extend(faults.0);
    }

    /// Whether nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The settings, if there is no fault here nor there; else all faults.
    pub fn and<T>(mut self, settings: Result<T, Faults>) -> Result<T, Faults> {
        match settings {
            Ok(settings) if self.0.is_empty() => Ok(settings),
            Ok(_) => Err(self),
            Err(faults) => {
                self.0.extend(faults.0);
                Err(self)
            }
        }
    }

    /// The settings, if nothing was noted and all of them could be made.
    ///
    /// # Panics
    /// When no settings could be made though no fault was noted: that is a mistake in the caller.
    pub fn finish<T>(self, settings: Option<T>) -> Result<T, Faults> {
        match settings {
            Some(settings) if self.0.is_empty() => Ok(settings),
            None if self.0.is_empty() => panic!("a setting was refused without a reason"),
            _ => Err(self),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "error: {fault}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_told_at_once() {
        let mut faults = Faults::default();
        assert_eq!(faults.check("--rate", "7".parse::<u32>()), Some(7));
        assert_eq!(faults.check("--users", "x".parse::<u32>()), None);
        faults.add("--key", "must not be empty");
        let text = faults.finish(Some(())).unwrap_err().to_string();
        assert_eq!(text, "error: --users: invalid digit found in string\nerror: --key: must not be empty");
    }
}
