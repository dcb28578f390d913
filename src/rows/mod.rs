//! A record becomes a row: the JSON body and the envelope are fitted to a table's columns and gathered, column by
//! column, as array literals. Pure: no network, no runtime.
//!
//! ```text
//! catalog ─▶ Table ─▶ Mapper ── push(record) ─▶ Ok: one more element in each column's literal
//!                                            └▶ Reject: nothing is left behind, the reason says which field and why
//! ```

mod attributes;
mod candidate;
mod catalog_column;
mod column;
mod decimal;
mod elements;
mod envelope;
mod evidence;
mod field;
mod infer;
mod list;
mod literal;
mod mapper;
mod misfit;
mod moment;
pub(crate) mod object;
mod rank;
mod reject;
mod row;
mod strangers;
mod table;

pub use catalog_column::CatalogColumn;
pub use column::{Column, ColumnType, Epoch, Limit};
pub use elements::{Elements, value};
pub use envelope::Envelope;
pub use infer::{Inference, Inferred, Typing};
pub use literal::ArrayLiteral;
pub use mapper::{Batch, Mapper};
pub use rank::Rank;
pub use reject::Reject;
pub use strangers::Unmapped;
pub use table::{InvalidTable, Table};
