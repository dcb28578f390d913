//! What every other module may use, and which uses none of them.

mod chain;
mod connection_string;
mod delivery;
pub mod killpoint;
mod log_tail;
mod rotation;
mod secret;
mod token;

pub use chain::{chain, one_line};
pub use connection_string::{ConnectionString, ConnectionStringError, check_connection_string};
pub use delivery::{Delivered, DeliveryWatch, Queued, Undelivered};
pub use log_tail::LogTail;
pub use rotation::{RotatingSecret, SecretError, SecretReader};
pub use secret::{Secret, SecretSource};
pub use token::{Token, TokenSource};
