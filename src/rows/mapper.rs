use super::attributes::Attributed;
use super::envelope::{Constant, Envelope};
use super::field::Again;
use super::literal::ArrayLiteral;
use super::misfit::without_position;
use super::reject::Reject;
use super::row::{Fields, Row};
use super::strangers::{Strangers, Unmapped};
use super::table::{Role, Table};
use crate::base::{nature, without_bom};
use crate::capture::Attributes;

/// Rows ready to be sent: one array literal a column, in the table's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The literals; of a table with defaults, behind them one of booleans for each column that has one: whether the
    /// record said what it is.
    pub columns: Vec<String>,
    /// How many elements each has.
    pub rows: usize,
}

/// Turns records into rows of one table.
#[derive(Debug)]
pub struct Mapper {
    literals: Vec<ArrayLiteral>,
    marks: Vec<usize>,
    rows: usize,
    bytes: usize,
    constant: Constant,
    /// If the table has a column for any.
    attributed: Option<Attributed>,
    fields: Fields,
    skips_tombstones: bool,
}

impl Mapper {
    /// A mapper with no rows yet.
    pub fn new(table: &Table) -> Self {
        let width = table.columns().len();
        let rescues = table.roles().contains(&Role::Rescued);
        let fields = table.columns().iter().zip(table.roles()).enumerate();
        let by_name = fields.filter(|(_, (_, role))| **role == Role::Field);
        let defaulted = table.columns().iter().enumerate().filter(|(_, column)| column.default.is_some());
        let defaulted: Vec<usize> = defaulted.map(|(index, _)| index).collect();
        Mapper {
            literals: vec![ArrayLiteral::default(); width + defaulted.len()],
            marks: Vec::with_capacity(width + defaulted.len()),
            rows: 0,
            bytes: 0,
            constant: Constant::default(),
            attributed: table.takes_attributes().then(Attributed::default),
            fields: Fields {
                by_name: by_name.map(|(index, (column, _))| (column.name.clone(), index)).collect(),
                columns: table.columns().to_vec(),
                roles: table.roles().to_vec(),
                rescues,
                defaulted,
                seen: vec![false; width],
                filled: 0,
                guess: Vec::new(),
                again: vec![Again::default(); width],
                strangers: Strangers::default(),
                hopeless: table.hopeless(),
            },
            skips_tombstones: table.skips_tombstones(),
        }
    }

    /// Adds a record of which nothing but its body is known, as a row.
    ///
    /// # Errors
    /// When it does not fit the table; it then leaves nothing behind.
    pub fn push(&mut self, envelope: Envelope<'_>, body: Option<&[u8]>) -> Result<(), Reject> {
        self.push_with(envelope, &Attributes::default(), body)
    }

    /// Adds a record whose body is its row.
    ///
    /// # Errors
    /// When it does not fit the table; it then leaves nothing behind.
    pub fn push_with(
        &mut self,
        envelope: Envelope<'_>,
        attributes: &Attributes<'_>,
        body: Option<&[u8]>,
    ) -> Result<(), Reject> {
        if self.skips_tombstones && body.is_none_or(<[u8]>::is_empty) {
            return Err(Reject::Tombstone);
        }
        let body = body.ok_or(Reject::NullBody)?;
        self.push_all(envelope, attributes, std::iter::once(body))
    }

    /// Adds a record of so many rows, each a JSON object. Several need a table with an index.
    ///
    /// # Errors
    /// When one of them does not fit the table; the record then leaves nothing behind.
    pub fn push_all<'b>(
        &mut self,
        envelope: Envelope<'_>,
        attributes: &Attributes<'_>,
        rows: impl ExactSizeIterator<Item = &'b [u8]>,
    ) -> Result<(), Reject> {
        self.marks.clear();
        self.marks.extend(self.literals.iter().map(ArrayLiteral::len));
        let before = self.rows;
        let of = rows.len();
        let mut pushed = Ok(());
        if let Some(attributed) = &mut self.attributed {
            pushed = attributed.set(&self.fields.columns, &self.fields.roles, attributes);
        }
        for (index, body) in rows.enumerate() {
            if pushed.is_err() {
                break;
            }
            pushed = self.push_body(body).map_err(|reason| match reason {
                reason if of == 1 || matches!(reason, Reject::NewField(_)) => reason,
                reason => Reject::Row { number: index + 1, of, reason: Box::new(reason) },
            });
            if pushed.is_ok() {
                self.push_envelope(envelope, index);
                self.rows += 1;
            }
        }
        match pushed {
            Ok(()) => self.fields.strangers.keep(),
            Err(_) => {
                self.literals.iter_mut().zip(&self.marks).for_each(|(literal, mark)| literal.truncate(*mark));
                self.fields.strangers.forget();
                self.rows = before;
            }
        }
        pushed
    }

    /// Whether records without a body make no rows and are not to be rejected.
    pub fn skips_tombstones(&self) -> bool {
        self.skips_tombstones
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of the rows' literals so far.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the rows out.
    pub fn take(&mut self) -> Batch {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        Batch { columns: self.literals.iter_mut().map(ArrayLiteral::take).collect(), rows }
    }

    /// Which fields of loaded records had no column and were not rescued, and how often, since this was last asked.
    pub fn take_unmapped(&mut self) -> Unmapped {
        self.fields.strangers.take()
    }

    /// How many values of loaded records had no column and were not rescued, ever.
    pub fn unmapped(&self) -> u64 {
        self.fields.strangers.kept()
    }

    fn push_body(&mut self, body: &[u8]) -> Result<(), Reject> {
        self.fields.seen.fill(false);
        self.fields.filled = 0;
        self.fields.strangers.begin_row();
        let mut failed = None;
        let mut rescued = None;
        let mut new_field = None;
        let row = Row {
            fields: &mut self.fields,
            literals: &mut self.literals,
            failed: &mut failed,
            rescued: &mut rescued,
            new_field: &mut new_field,
        };
        let not_an_object = |reason: String| match nature(body) {
            Some(nature) => Reject::NotAnObject(format!("it is {nature}")),
            None => Reject::NotAnObject(reason),
        };
        // Checked once as a whole, a text's names and values need no checks of their own.
        let text = str::from_utf8(without_bom(body)).map_err(|error| not_an_object(error.to_string()))?;
        row.read(serde_json::Deserializer::from_str(text)).map_err(|error| match (new_field, failed) {
            (Some(field), _) => Reject::NewField(field),
            (None, Some(field)) => Reject::Field { field, reason: without_position(&error) },
            (None, None) => not_an_object(error.to_string()),
        })?;
        if self.fields.says_nothing() {
            return Err(Reject::NothingFits(self.fields.strangers.names_of_row()));
        }
        if !self.fields.defaulted.is_empty() {
            self.push_given();
        }
        if self.fields.filled == self.fields.by_name.len() && !self.fields.rescues {
            return Ok(());
        }
        for (index, column) in self.fields.columns.iter().enumerate() {
            match self.fields.roles[index] {
                Role::Field if !self.fields.seen[index] => {
                    if column.required {
                        return Err(Reject::Missing(column.name.clone()));
                    }
                    self.literals[index].push_null();
                }
                Role::Rescued => match rescued.take() {
                    Some(object) => self.literals[index].push_text(&(object + "}")),
                    None => self.literals[index].push_null(),
                },
                _ => {}
            }
        }
        Ok(())
    }

    /// Notes which columns with defaults the record says something of.
    fn push_given(&mut self) {
        let width = self.fields.columns.len();
        for (literal, index) in self.literals[width..].iter_mut().zip(&self.fields.defaulted) {
            literal.push_plain(if self.fields.seen[*index] { "t" } else { "f" });
        }
    }

    fn push_envelope(&mut self, envelope: Envelope<'_>, index: usize) {
        self.constant.set(envelope);
        self.bytes = 0;
        for (literal, role) in self.literals.iter_mut().zip(&self.fields.roles) {
            match role {
                Role::EventHub => literal.push_again(&self.constant.event_hub.1),
                Role::PartitionId => literal.push_integer(i64::from(envelope.partition.0)),
                Role::SequenceNumber => literal.push_integer(envelope.sequence_number.0),
                Role::EnqueuedAt => literal.push_again(&self.constant.enqueued_at.1),
                Role::EventIndex => literal.push_integer(i64::try_from(index).unwrap_or(i64::MAX)),
                Role::EventKey | Role::EventProperties | Role::EventOffset => {
                    let Some(attributed) = &self.attributed else { continue };
                    literal.push_again(match role {
                        Role::EventKey => &attributed.key,
                        Role::EventProperties => &attributed.properties,
                        _ => &attributed.offset,
                    });
                }
                Role::Field | Role::Rescued => {}
            }
            self.bytes += literal.len();
        }
    }
}

#[cfg(test)]
mod tests;
