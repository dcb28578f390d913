/// How a datum of some type is read, and written as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Null,
    Boolean,
    /// A whole number of either length.
    Long(Meaning),
    Float,
    Double,
    Bytes(Meaning),
    Fixed(usize, Meaning),
    Text,
    Symbol(Vec<String>),
    Array(Box<Node>),
    Map(Box<Node>),
    Union(Vec<Node>),
    /// The fields, their names as JSON has them.
    Record(Vec<(String, Node)>),
    /// One that has a name, by its place among all that have.
    Named(usize),
}

/// What a number or bytes stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Plain,
    /// Days since 1970.
    Date,
    /// A time of day, in so many parts of a second.
    Time(Unit),
    /// A moment since 1970; `false` for one of no zone.
    Moment(Unit, bool),
    /// Digits with so many behind the point.
    Decimal(i64),
    /// Digits and their scale.
    BigDecimal,
    /// Sixteen bytes.
    Uuid,
    /// Months, days, milliseconds.
    Duration,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}
