use std::fmt;

/// A column's type, as far as records are fitted to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// `boolean`
    Boolean,
    /// `smallint`
    SmallInt,
    /// `integer`
    Integer,
    /// `bigint`
    BigInt,
    /// `real`
    Real,
    /// `double precision`
    Double,
    /// `numeric`
    Numeric,
    /// `character varying`, `text`, `character`, and PostgreSQL's enums
    Varchar,
    /// `date`
    Date,
    /// `time without time zone`
    Time,
    /// `timestamp without time zone`
    Timestamp,
    /// `timestamp with time zone`
    TimestampTz,
    /// `jsonb`
    Jsonb,
    /// `json`, of PostgreSQL
    Json,
    /// `uuid`, of PostgreSQL
    Uuid,
    /// `bytea`
    Bytea,
}

/// What a column's type says beyond its name, so that nothing is rounded or cut by the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Limit {
    /// Nothing.
    #[default]
    None,
    /// `numeric(precision, scale)`.
    Digits {
        /// All digits.
        precision: i64,
        /// Those behind the point; below zero, the last ones before it are zeros.
        scale: i64,
    },
    /// A `numeric` that keeps so many digits and no more, wherever its point is.
    Significant(i64),
    /// `timestamp(n)`, `time(n)`: digits of a second's fraction.
    Fraction(u8),
    /// `varchar(n)`, `char(n)`.
    Characters(usize),
}

/// What a number in a column of moments counts, from 1970 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epoch {
    /// `s`
    Seconds,
    /// `ms`
    Milliseconds,
    /// `us`
    Microseconds,
}

impl ColumnType {
    /// The type behind a catalog's name for it, such as `numeric(10,2)` or `timestamp(3) without time zone`, if records
    /// can be fitted to it.
    pub fn from_catalog(data_type: &str) -> Option<(Self, Limit)> {
        let (name, modifiers) = split_modifiers(data_type)?;
        let kind = match &*name {
            "boolean" => ColumnType::Boolean,
            "smallint" => ColumnType::SmallInt,
            "integer" => ColumnType::Integer,
            "bigint" => ColumnType::BigInt,
            "real" => ColumnType::Real,
            "double precision" => ColumnType::Double,
            "numeric" => ColumnType::Numeric,
            "character varying" | "varchar" | "text" | "character" | "bpchar" => ColumnType::Varchar,
            "date" => ColumnType::Date,
            "time without time zone" => ColumnType::Time,
            "timestamp without time zone" => ColumnType::Timestamp,
            "timestamp with time zone" => ColumnType::TimestampTz,
            "jsonb" => ColumnType::Jsonb,
            "json" => ColumnType::Json,
            "uuid" => ColumnType::Uuid,
            "bytea" => ColumnType::Bytea,
            _ => return None,
        };
        let limit = match (kind, modifiers.as_slice()) {
            (_, []) => Limit::None,
            (ColumnType::Numeric, [precision]) => Limit::Digits { precision: *precision, scale: 0 },
            (ColumnType::Numeric, [precision, scale]) => Limit::Digits { precision: *precision, scale: *scale },
            (ColumnType::Varchar, [length]) => Limit::Characters(usize::try_from(*length).ok()?),
            (ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampTz, [digits]) => {
                Limit::Fraction(u8::try_from(*digits).ok()?)
            }
            _ => return None,
        };
        Some((kind, limit))
    }

    /// The name both PostgreSQL and RisingWave know in a cast, where both have the type.
    pub const fn sql(self) -> &'static str {
        match self {
            ColumnType::Boolean => "boolean",
            ColumnType::SmallInt => "smallint",
            ColumnType::Integer => "int",
            ColumnType::BigInt => "bigint",
            ColumnType::Real => "real",
            ColumnType::Double => "double precision",
            ColumnType::Numeric => "numeric",
            ColumnType::Varchar => "varchar",
            ColumnType::Date => "date",
            ColumnType::Time => "time",
            ColumnType::Timestamp => "timestamp",
            ColumnType::TimestampTz => "timestamptz",
            ColumnType::Jsonb => "jsonb",
            ColumnType::Json => "json",
            ColumnType::Uuid => "uuid",
            ColumnType::Bytea => "bytea",
        }
    }

    /// Whether it holds points in time.
    pub(super) const fn is_moment(self) -> bool {
        matches!(self, ColumnType::Timestamp | ColumnType::TimestampTz)
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sql())
    }
}

/// `timestamp(3) without time zone` as `timestamp without time zone` and 3.
fn split_modifiers(data_type: &str) -> Option<(String, Vec<i64>)> {
    let Some((before, rest)) = data_type.split_once('(') else { return Some((data_type.to_owned(), Vec::new())) };
    let (inside, after) = rest.split_once(')')?;
    let modifiers = inside.split(',').map(|number| number.trim().parse().ok()).collect::<Option<_>>()?;
    Some((format!("{before}{after}"), modifiers))
}

impl Epoch {
    /// `s`, `ms` or `us`.
    pub fn parse(unit: &str) -> Option<Self> {
        match unit {
            "s" => Some(Epoch::Seconds),
            "ms" => Some(Epoch::Milliseconds),
            "us" => Some(Epoch::Microseconds),
            _ => None,
        }
    }

    /// The power of ten that its unit has in microseconds.
    pub(super) const fn power(self) -> i64 {
        match self {
            Epoch::Seconds => 6,
            Epoch::Milliseconds => 3,
            Epoch::Microseconds => 0,
        }
    }
}

/// A column of a target table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, as the catalog has it.
    pub name: String,
    /// Its type, or that of its elements.
    pub kind: ColumnType,
    /// How much of that type it takes.
    pub limit: Limit,
    /// Whether it is a one-dimensional array.
    pub list: bool,
    /// What its values are cast to, where that is not its type's own name.
    pub cast: Option<String>,
    /// What numbers count, if it takes any.
    pub epoch: Option<Epoch>,
    /// Whether a record with a null for it is rejected.
    pub not_null: bool,
    /// Whether a record without a value for it is rejected.
    pub required: bool,
    /// What the store fills in where a record says nothing of it.
    pub default: Option<String>,
}

impl Column {
    /// What an element of it is cast to in a statement.
    pub fn cast(&self) -> &str {
        self.cast.as_deref().unwrap_or(self.kind.sql())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_type_allows_is_read_with_its_name() {
        for (text, kind, limit) in [
            ("integer", ColumnType::Integer, Limit::None),
            ("numeric", ColumnType::Numeric, Limit::None),
            ("numeric(10,2)", ColumnType::Numeric, Limit::Digits { precision: 10, scale: 2 }),
            ("numeric(3,-2)", ColumnType::Numeric, Limit::Digits { precision: 3, scale: -2 }),
            ("character varying(3)", ColumnType::Varchar, Limit::Characters(3)),
            ("character(5)", ColumnType::Varchar, Limit::Characters(5)),
            ("bpchar", ColumnType::Varchar, Limit::None),
            ("timestamp(0) without time zone", ColumnType::Timestamp, Limit::Fraction(0)),
            ("timestamp(3) with time zone", ColumnType::TimestampTz, Limit::Fraction(3)),
            ("time(6) without time zone", ColumnType::Time, Limit::Fraction(6)),
            ("uuid", ColumnType::Uuid, Limit::None),
        ] {
            assert_eq!(ColumnType::from_catalog(text), Some((kind, limit)), "{text}");
        }
        for text in ["interval", "bit(3)", "time with time zone", "integer(3)", "numeric(x)", "numeric(1", "money"] {
            assert_eq!(ColumnType::from_catalog(text), None, "{text}");
        }
    }
}
