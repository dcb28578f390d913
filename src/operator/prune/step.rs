use super::error::PruneError;
use crate::base::killpoint::{Side, Step, pass};
use crate::store::StoreError;

/// Runs a statement that changes something.
///
/// # Errors
/// The statement's.
pub(super) async fn step(statement: impl Future<Output = Result<(), StoreError>>) -> Result<(), PruneError> {
    pass(Side::Before, Step::Pruned);
    statement.await?;
    pass(Side::After, Step::Pruned);
    Ok(())
}
