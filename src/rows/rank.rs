use std::cmp::Ordering;

use super::column::ColumnType;
use super::decimal::Decimal;

/// A value in the order in which the store has its type; NULL is below all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// NULL.
    Null,
    /// A whole number, or 1 for true and 0 for false.
    Integer(i64),
    /// A decimal number.
    Decimal(Decimal),
    /// A moment, or a text.
    Text(Box<str>),
}

impl Rank {
    /// Whether values of a type can be told apart and put in order without the store: texts follow each other there by
    /// rules of its own.
    pub fn orders(kind: ColumnType) -> bool {
        (Rank::names(kind) && kind != ColumnType::Varchar) || matches!(kind, ColumnType::Real | ColumnType::Double)
    }

    /// Whether values of a type can be told apart without the store.
    pub fn names(kind: ColumnType) -> bool {
        matches!(
            kind,
            ColumnType::SmallInt
                | ColumnType::Integer
                | ColumnType::BigInt
                | ColumnType::Numeric
                | ColumnType::Varchar
                | ColumnType::Date
                | ColumnType::Time
                | ColumnType::Timestamp
                | ColumnType::TimestampTz
                | ColumnType::Uuid
        )
    }

    /// Of a value as the mapper writes it, or the store.
    pub fn of(kind: ColumnType, value: Option<&str>) -> Rank {
        let Some(text) = value else { return Rank::Null };
        let number = match kind {
            ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => text.parse().ok().map(Rank::Integer),
            ColumnType::Numeric | ColumnType::Real | ColumnType::Double => Decimal::parse(text).map(Rank::Decimal),
            ColumnType::Boolean => Some(Rank::Integer(i64::from(text.starts_with(['t', 'T', '1'])))),
            ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampTz => {
                let moment = text.strip_suffix("+00").unwrap_or(text);
                let whole =
                    if moment.contains('.') { moment.trim_end_matches('0').trim_end_matches('.') } else { moment };
                Some(Rank::Text(whole.into()))
            }
            _ => None,
        };
        number.unwrap_or_else(|| Rank::Text(text.into()))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let (ours, theirs) = (self.sign(), other.sign());
        ours.cmp(&theirs).then_with(|| {
            let size = self.size().cmp(&other.size());
            if ours < 0 { size.reverse() } else { size }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ranked_as_numbers_and_moments_as_moments() {
        let rank = |kind, text| Rank::of(kind, Some(text));
        let rising = ["-1e3", "-999.9", "-0.01", "0", "0.001", "0.0099", "1", "1.5", "9", "10", "1e30"];
        for pair in rising.windows(2) {
            assert!(rank(ColumnType::Numeric, pair[0]) < rank(ColumnType::Numeric, pair[1]), "{pair:?}");
        }
        for (one, other) in [("1", "1.000"), ("0", "-0.0"), ("12e2", "1200"), ("0.10", "1e-1")] {
            assert_eq!(rank(ColumnType::Numeric, one), rank(ColumnType::Numeric, other));
        }
        assert!(rank(ColumnType::BigInt, "9") < rank(ColumnType::BigInt, "10"));
        let moments =
            ["2026-01-02 03:04:05", "2026-01-02 03:04:05.5", "2026-01-02 03:04:05.500001", "2026-01-02 03:04:06"];
        for pair in moments.windows(2) {
            assert!(rank(ColumnType::Timestamp, pair[0]) < rank(ColumnType::Timestamp, pair[1]), "{pair:?}");
        }
        assert_eq!(
            rank(ColumnType::TimestampTz, "2026-01-02 03:04:05.500000"),
            rank(ColumnType::TimestampTz, "2026-01-02 03:04:05.5+00")
        );
        assert!(Rank::of(ColumnType::BigInt, None) < rank(ColumnType::BigInt, "-9223372036854775808"));
        assert!(!Rank::orders(ColumnType::Varchar) && Rank::names(ColumnType::Varchar));
    }
}
