//! What names say that are not those of a known hub in a known format: for people who look for their files.

use time::OffsetDateTime;

use super::{EXTENSION, FileName, NameFormat, Part, Token, agree, instant};
use crate::capture::hub::{Hub, PartitionId};

impl NameFormat {
    /// What a blob's name says if it is in this format, whosesoever it is.
    pub fn parse_any(&self, blob: &str) -> Option<FileName> {
        let text = blob.strip_suffix(EXTENSION)?;
        let mut reading = Reading::default();
        reading.read(&self.parts, text).then(|| reading.name())?
    }

    /// In which format this name of the hub may have been made, if any of Capture's: with the hub's namespace as it
    /// stands there.
    pub fn guess(blob: &str, hub: &Hub) -> Option<(NameFormat, FileName)> {
        let text = blob.strip_suffix(EXTENSION)?;
        let parts = [false, true].into_iter().find_map(|foreign| {
            let mut guess = Guess { hub, foreign, namespace: None, parts: Vec::new(), next: 0, partition: false };
            guess.read(text).then_some(guess.parts)
        })?;
        let format: NameFormat = parts.iter().map(shown).collect::<String>().parse().ok()?;
        let name = format.parse_any(blob)?;
        (name.hub.name() == hub.name()).then_some((format, name))
    }
}

fn shown(part: &Part) -> String {
    match part {
        Part::Literal(literal) => literal.clone(),
        Part::Token(token) => format!("{{{token:?}}}"),
    }
}

/// What a name was found to say so far.
#[derive(Debug, Default, Clone)]
struct Reading {
    namespace: Option<String>,
    hub: Option<String>,
    partition: Option<i32>,
    date: [Option<u16>; 6],
}

impl Reading {
    /// Reads the rest of a name by the rest of a format, the shortest of what it may be first.
    fn read(&mut self, parts: &[Part], text: &str) -> bool {
        let Some((part, parts)) = parts.split_first() else { return text.is_empty() };
        let token = match part {
            Part::Literal(literal) => {
                return text.strip_prefix(literal.as_str()).is_some_and(|rest| self.read(parts, rest));
            }
            Part::Token(token) => *token,
        };
        let widths = match token.digits() {
            Some(width) => width..=width,
            None => 1..=text.len().min(256),
        };
        for width in widths {
            let Some((value, rest)) = text.split_at_checked(width) else { continue };
            let mut reading = self.clone();
            if reading.take(token, value).is_some() && reading.read(parts, rest) {
                *self = reading;
                return true;
            }
        }
        false
    }

    fn take(&mut self, token: Token, value: &str) -> Option<()> {
        let is_name = || value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        match token {
            Token::Namespace => is_name().then(|| agree(&mut self.namespace, value.to_owned()))?,
            Token::EventHub => is_name().then(|| agree(&mut self.hub, value.to_owned()))?,
            _ if !value.bytes().all(|b| b.is_ascii_digit()) => None,
            Token::PartitionId if value.len() > 1 && value.starts_with('0') => None,
            Token::PartitionId => agree(&mut self.partition, value.parse().ok()?),
            token => agree(&mut self.date[token.date_index()?], value.parse().ok()?),
        }
    }

    fn name(&self) -> Option<FileName> {
        let [year, month, day, hour, minute, second] = self.date;
        let window_start: OffsetDateTime = instant([year?, month?, day?, hour?, minute?, second?])?;
        let hub = Hub::new(self.namespace.as_ref()?, self.hub.as_ref()?).ok()?;
        Some(FileName { hub, partition: PartitionId(self.partition?), window_start })
    }
}

/// The date's tokens in the order nearly everybody writes them.
const DATE: [Token; 6] = [Token::Year, Token::Month, Token::Day, Token::Hour, Token::Minute, Token::Second];

/// A format on its way to be guessed from one name.
struct Guess<'a> {
    hub: &'a Hub,
    /// Whether the namespace may be another than the hub's.
    foreign: bool,
    /// As it stands in the name.
    namespace: Option<&'a str>,
    parts: Vec<Part>,
    /// The next of the date's tokens.
    next: usize,
    /// Whether the partition was found.
    partition: bool,
}

impl<'a> Guess<'a> {
    /// Reads the rest of a name; true when all of it makes sense and all nine tokens are there.
    fn read(&mut self, text: &'a str) -> bool {
        if text.is_empty() {
            let hub = self.parts.contains(&Part::Token(Token::EventHub));
            return self.next == DATE.len() && self.partition && hub && self.namespace.is_some();
        }
        let before = (self.parts.len(), self.next, self.partition, self.namespace);
        for (token, width) in self.candidates(text) {
            match token {
                Some(Token::PartitionId) => self.partition = true,
                Some(Token::Namespace) => self.namespace = Some(&text[..width]),
                Some(token) if token.date_index().is_some() => self.next += 1,
                _ => {}
            }
            match token {
                Some(token) => self.parts.push(Part::Token(token)),
                None => self.parts.push(Part::Literal(text[..width].to_owned())),
            }
            if self.read(&text[width..]) {
                return true;
            }
            self.parts.truncate(before.0);
            (self.next, self.partition, self.namespace) = (before.1, before.2, before.3);
        }
        false
    }

    /// What may stand at the start of the text, the likeliest first, and how long it is.
    fn candidates(&self, text: &'a str) -> Vec<(Option<Token>, usize)> {
        let mut found = Vec::new();
        let word = text.find(['/', '_', '=']).unwrap_or(text.len());
        for (token, name) in [
            (Token::EventHub, Some(self.hub.name())),
            (Token::Namespace, self.namespace.or(Some(self.hub.namespace()))),
        ] {
            if let Some(name) = name.filter(|name| text.starts_with(*name)) {
                found.push((Some(token), name.len()));
            }
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let mut dates = Vec::new();
        if let Some((token, width)) = DATE.get(self.next).and_then(|token| Some((*token, token.digits()?)))
            && width <= digits
        {
            dates.push((Some(token), width));
        }
        let mut partitions = Vec::new();
        if !self.partition && digits > 0 {
            let longest = if text.starts_with('0') { 1 } else { digits.min(4) };
            partitions.extend((1..=longest).map(|width| (Some(Token::PartitionId), width)));
        }
        // Digits that parts of the date fill are those; else the partition stands before them.
        let widths = DATE[self.next..].iter().filter_map(|token| token.digits());
        let fill =
            widths.scan(0, |sum, width| Some(std::mem::replace(sum, *sum + width) + width)).any(|sum| sum == digits);
        match fill {
            true => found.extend(dates.into_iter().chain(partitions)),
            false => found.extend(partitions.into_iter().chain(dates)),
        }
        // A namespace that is not the one looked for: a word with a letter.
        if self.foreign
            && self.namespace.is_none()
            && text[..word].bytes().any(|b| b.is_ascii_alphabetic())
            && !text[word..].starts_with('=')
        {
            found.push((Some(Token::Namespace), word));
        }
        let literal = text.char_indices().nth(1).map_or(text.len(), |(at, _)| at);
        if digits == 0 {
            // Letters stay together: what stands among them is no token.
            let letters = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
            found.push((None, letters.max(literal)));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn any_hub_of_a_format_is_read() {
        let format = NameFormat::default();
        let name = format.parse_any("Contoso-Prod/user-events/3/2026/01/02/03/04/05.avro").unwrap();
        assert_eq!((name.hub.namespace(), name.hub.name(), name.partition.0), ("Contoso-Prod", "user-events", 3));
        for blob in ["readme.txt", "a/b/x/2026/01/02/03/04/05.avro", "a/b/3/2026/13/02/03/04/05.avro"] {
            assert_eq!(format.parse_any(blob), None, "{blob}");
        }
    }

    #[test]
    fn a_format_is_guessed_from_a_name() {
        let hub = Hub::new("local", "hub1").unwrap();
        for (blob, format) in [
            (
                "ns1/hub1/0/2026/01/31/13/04/05.avro",
                "{Namespace}/{EventHub}/{PartitionId}/{Year}/{Month}/{Day}/{Hour}/{Minute}/{Second}",
            ),
            (
                "pt/hub1/2026/01/31/local-12130405.avro",
                "pt/{EventHub}/{Year}/{Month}/{Day}/{Namespace}-{PartitionId}{Hour}{Minute}{Second}",
            ),
            (
                "local_hub1_0/2026/01/31_13_04_05.avro",
                "{Namespace}_{EventHub}_{PartitionId}/{Year}/{Month}/{Day}_{Hour}_{Minute}_{Second}",
            ),
            (
                "local/hub1/2026/01/31/13/partition-0/04_05.avro",
                "{Namespace}/{EventHub}/{Year}/{Month}/{Day}/{Hour}/partition-{PartitionId}/{Minute}_{Second}",
            ),
            (
                "year=2026/month=01/day=31/ns1/hub1/0/13/04/05.avro",
                "year={Year}/month={Month}/day={Day}/{Namespace}/{EventHub}/{PartitionId}/{Hour}/{Minute}/{Second}",
            ),
            (
                "local/hub1/20260131130405-7.avro",
                "{Namespace}/{EventHub}/{Year}{Month}{Day}{Hour}{Minute}{Second}-{PartitionId}",
            ),
        ] {
            let (guess, name) = NameFormat::guess(blob, &hub).unwrap_or_else(|| panic!("{blob}: no guess"));
            assert_eq!(guess.to_string(), format, "{blob}");
            assert_eq!(name.hub.name(), "hub1");
        }
        for blob in ["local/hub2/0/2026/01/31/13/04/05.avro", "local/hub1/0/2026/01/31.avro", "hub1.avro", "x.parquet"]
        {
            assert_eq!(NameFormat::guess(blob, &hub).map(|(format, _)| format.to_string()), None, "{blob}");
        }
    }

    proptest! {
        #[test]
        fn no_name_breaks_the_guess(blob in "[a-z0-9/_=.-]{0,60}\\.avro") {
            let hub = Hub::new("local", "hub1").unwrap();
            if let Some((format, name)) = NameFormat::guess(&blob, &hub) {
                prop_assert_eq!(format.format(&name), blob);
            }
        }
    }
}
