//! The SQL store: RisingWave, or PostgreSQL for work on one machine. The only importer of its client.
//!
//! Neither COPY nor transactions nor array parameters work on RisingWave. So a batch travels as one text-array literal a
//! column, unnested by the server; nothing is durable before FLUSH; and only a primary key makes a repeat safe.

mod address;
mod ahead;
mod audit;
mod catalog;
mod compare;
mod count;
mod design;
mod error;
mod fault;
mod forget;
mod forgotten;
mod latest;
mod latest_rows;
mod ledger;
mod levels;
mod object;
mod objects;
mod options;
mod prune;
mod rejects;
mod repeats;
mod roles;
mod session;
mod shown;
mod statement;
mod table_name;
mod tls;
mod users;

pub use address::{InvalidStoreAddress, StoreAddress};
pub use ahead::Ahead;
pub use audit::{Behind, Counted, NewestFile, Numbers, Summary};
pub use compare::{Against, Changed, Difference};
pub use count::{KeyRange, Shelf};
pub use design::{Design, Designed, Statement};
pub use error::StoreError;
pub use fault::Fault;
pub use forget::{KeyValue, Place, RejectedBody};
pub use forgotten::Returned;
pub use latest::{create_latest, latest_is_there};
pub use latest_rows::{LatestView, Tail, ViewColumn, WantedRows, latest_view_name};
pub use levels::Reached;
pub use objects::{create_history, create_objects, default_columns, default_table, drop_objects, missing_ledger_table};
pub use prune::{Identity, NewestOf, Old};
pub use rejects::{Rejected, Rejection};
pub use session::{Cell, Kind, Session};
pub use shown::{LedgerFile, LedgerPlace, RejectedRecord};
pub use users::{InvalidPassword, User, check_password, grant, open_user, set_own_password, set_user};
