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
    /// `character varying`, `text`
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
    /// `bytea`
    Bytea,
}

impl ColumnType {
    /// The type behind a catalog's `data_type`, if records can be fitted to it.
    pub fn from_catalog(data_type: &str) -> Option<Self> {
        Some(match data_type {
            "boolean" => ColumnType::Boolean,
            "smallint" => ColumnType::SmallInt,
            "integer" => ColumnType::Integer,
            "bigint" => ColumnType::BigInt,
            "real" => ColumnType::Real,
            "double precision" => ColumnType::Double,
            "numeric" => ColumnType::Numeric,
            "character varying" | "text" => ColumnType::Varchar,
            "date" => ColumnType::Date,
            "time without time zone" => ColumnType::Time,
            "timestamp without time zone" => ColumnType::Timestamp,
            "timestamp with time zone" => ColumnType::TimestampTz,
            "jsonb" => ColumnType::Jsonb,
            "bytea" => ColumnType::Bytea,
            _ => return None,
        })
    }

    /// The name both PostgreSQL and RisingWave know in a cast.
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
            ColumnType::Bytea => "bytea",
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sql())
    }
}

/// A column of a target table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, as the catalog has it.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// Whether a record without a value for it is rejected.
    pub required: bool,
}
