//! The live lane: the newest records, straight from the broker, in the table within a second. Their file proves them later.
//!
//! ```text
//! broker ──Log──▶ Reading (a partition each) ──Course: proves, starts, jumps──▶ Writing ──▶ the same table, the same rows
//!                    ▲                                                            │
//!                    └── Common: what files end with ◀── files ──▶ what is there already, and need not be written again
//! ```
//!
//! A record's key is the same whether it comes from the hub or from its file, so that a live row and the file's row are
//! one row. The lane proves that before it writes: the newest captured record must be the broker's record of that number,
//! to the second and the byte. Where it is not, the lane of that partition stays shut.
//!
//! Nothing of the lane is a promise. It keeps no position, notes nothing in the ledger, rejects nothing, flushes nothing
//! and repeats nothing but its opening: what it drops, skips or loses in a recovery of the store comes with its file. It
//! never works off a backlog either. So a lane that is behind jumps to the end, and whatever fails is opened again.

mod common;
mod course;
mod first;
mod freshness;
mod lane;
mod partition;
mod print;
mod source;
mod state;
mod write;

pub(super) use common::{Common, Prints};
pub(super) use lane::Lane;
pub(super) use state::{Lanes, describe};
