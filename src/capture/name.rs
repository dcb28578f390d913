use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use time::{Date, Month, OffsetDateTime, Time};

use super::hub::{Hub, PartitionId};

mod foreign;

/// How Capture names its files: Azure's `archiveNameFormat`, all nine tokens in any order with any literals between. One
/// may stand several times: a name then says the same each time. The `.avro` at the end is not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameFormat {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Token(Token),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Namespace,
    EventHub,
    PartitionId,
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

const TOKENS: [(&str, Token); 9] = [
    ("{Namespace}", Token::Namespace),
    ("{EventHub}", Token::EventHub),
    ("{PartitionId}", Token::PartitionId),
    ("{Year}", Token::Year),
    ("{Month}", Token::Month),
    ("{Day}", Token::Day),
    ("{Hour}", Token::Hour),
    ("{Minute}", Token::Minute),
    ("{Second}", Token::Second),
];

const EXTENSION: &str = ".avro";

/// What a file's name says: whose records it holds and when its window started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    /// The event hub.
    pub hub: Hub,
    /// The partition; a record does not name it, only the file's name does.
    pub partition: PartitionId,
    /// The window's start, whole seconds, UTC.
    pub window_start: OffsetDateTime,
}

/// How the names of one hub's files sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListingOrder {
    /// By partition, and in a partition by time: a listing of one partition can start at an hour.
    ByPartition,
    /// By time, partitions mixed: one listing of them all can start at an hour.
    ByTime,
    /// Neither: only a listing of everything finds what is new.
    Unsorted,
}

/// Why a text is not a name format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameFormatError {
    /// Capture requires all nine tokens.
    #[error(
        "name format lacks {0}; it needs each of {{Namespace}} {{EventHub}} {{PartitionId}} {{Year}} {{Month}} {{Day}} {{Hour}} {{Minute}} {{Second}}"
    )]
    Missing(String),
    /// Braces around something that is no token, or a brace without its partner.
    #[error("name format has `{0}`, which is none of the nine tokens (they are case-sensitive)")]
    Unknown(String),
    /// Blob names have no leading or doubled slash.
    #[error("name format starts or ends with a slash, or has an empty path segment")]
    EmptySegment,
}

impl Default for NameFormat {
    /// The service's own default.
    fn default() -> Self {
        let parts = TOKENS.iter().enumerate().flat_map(|(i, (_, token))| {
            let slash = (i > 0).then(|| Part::Literal("/".to_owned()));
            slash.into_iter().chain([Part::Token(*token)])
        });
        NameFormat { text: TOKENS.map(|(text, _)| text).join("/"), parts: parts.collect() }
    }
}

impl FromStr for NameFormat {
    type Err = NameFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_suffix(EXTENSION).unwrap_or(text);
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some((name, token)) = TOKENS.iter().find(|(name, _)| rest.starts_with(name)) {
                parts.push(Part::Token(*token));
                rest = &rest[name.len()..];
                continue;
            }
            let end = match rest.find(['{', '}']) {
                Some(0) => {
                    let end = rest.find('}').map_or(rest.len(), |i| i + 1);
                    return Err(NameFormatError::Unknown(rest[..end].to_owned()));
                }
                Some(end) => end,
                None => rest.len(),
            };
            parts.push(Part::Literal(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        if let Some((name, _)) = TOKENS.iter().find(|(_, token)| !parts.contains(&Part::Token(*token))) {
            return Err(NameFormatError::Missing((*name).to_owned()));
        }
        if text.starts_with('/') || text.ends_with('/') || text.contains("//") {
            return Err(NameFormatError::EmptySegment);
        }
        Ok(NameFormat { text: text.to_owned(), parts })
    }
}

impl fmt::Display for NameFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl NameFormat {
    /// The name of one file, with `.avro`.
    pub fn format(&self, name: &FileName) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => out.push_str(literal),
                Part::Token(token) => out.push_str(&token.value(name)),
            }
        }
        out.push_str(EXTENSION);
        out
    }

    /// What a blob's name says, or `None` where it is not a Capture file of this hub in this format.
    ///
    /// The hub must be known: with `{Namespace}-{EventHub}` a name alone does not tell where one ends. All else but
    /// the partition has a fixed width, so a name has at most one reading. What a name says several times must agree.
    pub fn parse(&self, hub: &Hub, blob: &str) -> Option<FileName> {
        let text = blob.strip_suffix(EXTENSION)?;
        let partitions = self.parts.iter().filter(|part| **part == Part::Token(Token::PartitionId)).count();
        let partition_width = text.len().checked_sub(self.width_without_partition(hub))?.checked_div(partitions)?;
        let mut rest = text;
        let (mut partition, mut date) = (None, [None; 6]);
        for part in &self.parts {
            let expected = match part {
                Part::Literal(literal) => literal,
                Part::Token(Token::Namespace) => hub.namespace(),
                Part::Token(Token::EventHub) => hub.name(),
                Part::Token(token) => {
                    let width = token.digits().unwrap_or(partition_width);
                    let (digits, after) = rest.split_at_checked(width)?;
                    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                        return None;
                    }
                    match token.date_index() {
                        Some(index) => agree(&mut date[index], digits.parse().ok()?)?,
                        // `007` is not how a partition is written: taking it would give two names one meaning.
                        None if digits.len() > 1 && digits.starts_with('0') => return None,
                        None => agree(&mut partition, digits.parse().ok()?)?,
                    }
                    rest = after;
                    continue;
                }
            };
            rest = rest.strip_prefix(expected)?;
        }
        if !rest.is_empty() {
            return None;
        }
        let [year, month, day, hour, minute, second] = date;
        let window_start = instant([year?, month?, day?, hour?, minute?, second?])?;
        Some(FileName { hub: hub.clone(), partition: partition?, window_start })
    }

    /// The longest prefix that all files of this hub share, and of this partition and hour where they are given and
    /// the format allows it.
    pub fn prefix(&self, hub: &Hub, partition: Option<PartitionId>, hour: Option<OffsetDateTime>) -> String {
        let mut out = String::new();
        for part in &self.parts {
            let value = match part {
                Part::Literal(literal) => Some(literal.clone()),
                Part::Token(Token::Namespace) => Some(hub.namespace().to_owned()),
                Part::Token(Token::EventHub) => Some(hub.name().to_owned()),
                Part::Token(Token::PartitionId) => partition.map(|partition| partition.to_string()),
                Part::Token(token) => hour.and_then(|hour| token.hour_value(hour)),
            };
            let Some(value) = value else { break };
            out.push_str(&value);
        }
        out
    }

    /// How the names of one hub's files sort, and so what a listing can leave out.
    pub fn listing_order(&self) -> ListingOrder {
        let own = |part: &Part| match part {
            Part::Token(token) if !matches!(token, Token::Namespace | Token::EventHub) => Some(*token),
            _ => None,
        };
        let tokens = firsts(self.parts.iter().filter_map(own));
        const TO_THE_HOUR: [Token; 4] = [Token::Year, Token::Month, Token::Day, Token::Hour];
        match tokens.as_slice() {
            [Token::PartitionId, rest @ ..] if rest.starts_with(&TO_THE_HOUR) => ListingOrder::ByPartition,
            tokens if tokens.starts_with(&TO_THE_HOUR) => ListingOrder::ByTime,
            _ => ListingOrder::Unsorted,
        }
    }

    /// Whether the names of one partition's files, in byte order, are in the order of their windows.
    pub fn sorts_by_time(&self) -> bool {
        let date = self.parts.iter().filter_map(|part| match part {
            Part::Token(token) => token.date_index(),
            Part::Literal(_) => None,
        });
        firsts(date).is_sorted()
    }

    fn width_without_partition(&self, hub: &Hub) -> usize {
        let width = |part: &Part| match part {
            Part::Literal(literal) => literal.len(),
            Part::Token(Token::Namespace) => hub.namespace().len(),
            Part::Token(Token::EventHub) => hub.name().len(),
            Part::Token(token) => token.digits().unwrap_or(0),
        };
        self.parts.iter().map(width).sum()
    }
}

impl Token {
    fn value(self, name: &FileName) -> String {
        match self {
            Token::Namespace => name.hub.namespace().to_owned(),
            Token::EventHub => name.hub.name().to_owned(),
            Token::PartitionId => name.partition.to_string(),
            Token::Minute => format!("{:02}", name.window_start.minute()),
            Token::Second => format!("{:02}", name.window_start.second()),
            token => token.hour_value(name.window_start).unwrap_or_default(),
        }
    }

    /// The tokens that are the same for all files of one hour.
    fn hour_value(self, hour: OffsetDateTime) -> Option<String> {
        match self {
            Token::Year => Some(format!("{:04}", hour.year())),
            Token::Month => Some(format!("{:02}", u8::from(hour.month()))),
            Token::Day => Some(format!("{:02}", hour.day())),
            Token::Hour => Some(format!("{:02}", hour.hour())),
            _ => None,
        }
    }

    /// The fixed width of a date token.
    fn digits(self) -> Option<usize> {
        self.date_index().map(|index| if index == 0 { 4 } else { 2 })
    }

    fn date_index(self) -> Option<usize> {
        const DATE: Range<usize> = Token::Year as usize..Token::Second as usize + 1;
        DATE.contains(&(self as usize)).then(|| self as usize - DATE.start)
    }
}

/// Each value where it stands first: names that are equal up to a repeat are equal there too.
fn firsts<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut firsts = Vec::new();
    for value in values {
        if !firsts.contains(&value) {
            firsts.push(value);
        }
    }
    firsts
}

/// Takes what a name says, unless it has said something else.
fn agree<T: PartialEq>(said: &mut Option<T>, value: T) -> Option<()> {
    match said {
        Some(before) => (*before == value).then_some(()),
        None => {
            *said = Some(value);
            Some(())
        }
    }
}

fn instant([year, month, day, hour, minute, second]: [u16; 6]) -> Option<OffsetDateTime> {
    let narrow = |n: u16| u8::try_from(n).ok();
    let date = Date::from_calendar_date(i32::from(year), Month::try_from(narrow(month)?).ok()?, narrow(day)?).ok()?;
    Some(date.with_time(Time::from_hms(narrow(hour)?, narrow(minute)?, narrow(second)?).ok()?).assume_utc())
}

#[cfg(test)]
mod tests;
