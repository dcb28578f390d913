/// Why a record is no row. The record itself is unharmed: it goes to `rejected_events`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// It has no body at all.
    #[error("body is null")]
    NullBody,
    /// It has none, and the table's route says that there are such records: it is to be counted, not to be rejected.
    #[error("body is null or empty: a tombstone")]
    Tombstone,
    /// Its body is not a JSON object.
    #[error("body is not a JSON object: {0}")]
    NotAnObject(String),
    /// Its body says nothing that the table has a place for.
    #[error("none of its fields has a column: {0}")]
    NothingFits(String),
    /// A field does not fit its column.
    #[error("field `{field}`: {reason}")]
    Field {
        /// The field.
        field: String,
        /// What does not fit.
        reason: String,
    },
    /// A field that every record must have is not there.
    #[error("field `{0}` is missing, but every record must have it")]
    Missing(String),
    /// A field has no column, and is to get one before anything is made of the record.
    #[error("field `{0}` has no column")]
    NewField(String),
    /// What the record says beside its body does not fit its column.
    #[error("`{column}`: {reason}")]
    Attribute {
        /// The column.
        column: String,
        /// What does not fit.
        reason: String,
    },
    /// Its body cannot be read by its route's format.
    #[error("{0}")]
    Body(String),
    /// It has several rows, and the table cannot tell them apart.
    #[error(
        "it makes {0} rows, and the table has no event_index to tell them apart: give it `event_index int`, in its primary \
         key too"
    )]
    Several(usize),
    /// One of several rows does not fit, and so the whole record does not.
    #[error("row {number} of {of}: {reason}")]
    Row {
        /// Which, from 1.
        number: usize,
        /// How many the record has.
        of: usize,
        /// Why.
        reason: Box<Reject>,
    },
}
