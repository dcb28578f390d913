use super::column::ColumnType;

/// A type that a column may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Candidate {
    Boolean,
    Integer,
    BigInt,
    Numeric,
    Double,
    Uuid,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Varchar,
    Jsonb,
}

/// All of them, a narrower one before those that take more.
pub(super) const CANDIDATES: [Candidate; 12] = [
    Candidate::Boolean,
    Candidate::Integer,
    Candidate::BigInt,
    Candidate::Numeric,
    Candidate::Double,
    Candidate::Uuid,
    Candidate::Date,
    Candidate::Time,
    Candidate::Timestamp,
    Candidate::TimestampTz,
    Candidate::Varchar,
    Candidate::Jsonb,
];

impl Candidate {
    pub(super) const fn kind(self) -> ColumnType {
        match self {
            Candidate::Boolean => ColumnType::Boolean,
            Candidate::Integer => ColumnType::Integer,
            Candidate::BigInt => ColumnType::BigInt,
            Candidate::Numeric => ColumnType::Numeric,
            Candidate::Double => ColumnType::Double,
            Candidate::Uuid => ColumnType::Uuid,
            Candidate::Date => ColumnType::Date,
            Candidate::Time => ColumnType::Time,
            Candidate::Timestamp => ColumnType::Timestamp,
            Candidate::TimestampTz => ColumnType::TimestampTz,
            Candidate::Varchar => ColumnType::Varchar,
            Candidate::Jsonb => ColumnType::Jsonb,
        }
    }

    /// Whether a JSON value is written as values of this type are. The mapper takes more: `"007"` for a whole number,
    /// which a sample of such texts does not ask for.
    pub(super) fn is_form_of(self, json: &str) -> bool {
        match (self, json.as_bytes().first()) {
            (Candidate::Jsonb, Some(_)) => true,
            (Candidate::Boolean, Some(b't' | b'f')) => true,
            (Candidate::Integer | Candidate::BigInt, Some(b'-' | b'0'..=b'9')) => !json.contains(['.', 'e', 'E']),
            (Candidate::Numeric | Candidate::Double, Some(b'-' | b'0'..=b'9')) => true,
            // Others that are read as one would come out otherwise than they went in.
            (Candidate::Uuid, Some(b'"')) => json.len() == 38,
            (Candidate::Timestamp, Some(b'"')) => !has_offset(json),
            (Candidate::Date | Candidate::Time | Candidate::TimestampTz | Candidate::Varchar, Some(b'"')) => true,
            _ => false,
        }
    }
}

/// Whether a time's text says how far it is from UTC.
fn has_offset(json: &str) -> bool {
    let text = json.trim_matches('"');
    let clock = text.get(10..).unwrap_or_default();
    clock.contains(['Z', 'z', '+', '-'])
}
