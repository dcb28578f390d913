//! The same as a Delta table.

use super::error::TableError;
use super::sample::Sample;
use super::{infer, tell};
use crate::azure::identity::Identity;
use crate::lake::{Blueprint, LakeAddress, NewColumn};
use crate::operator::ask::agree;
use crate::rows::Typing;
use crate::service::Exit;
use crate::settings::{Purpose, TableSettings};
use crate::store::{Design, Designed};

/// All of a number's digits that fit `decimal(38,18)`.
const TYPING: Typing = Typing { numeric_digits: None, uuid: true };

/// Prints the table that takes the sample, and makes it if that is asked for.
///
/// # Errors
/// As those of the statements of a store.
pub(super) async fn make(settings: &TableSettings, address: &LakeAddress) -> Result<Exit, TableError> {
    let mut sample = Sample::read(settings).await?;
    let Design { columns, left_out, indexed, .. } = infer::design(settings, &mut sample, TYPING)?;
    let column = |Designed { name, kind, list, evidence }: Designed| NewColumn { name, kind, list, evidence };
    let blueprint = Blueprint::new(columns.into_iter().map(column).collect(), left_out, indexed);
    tell(&sample.told());
    tell(&format!("{};\n", blueprint.sql(address)));
    if settings.purpose == Purpose::Ask {
        let unattended = "--apply asks first; without a terminal say --yes as well";
        agree(&format!("Make this table at {address}?"), unattended).map_err(TableError::NotAgreed)?;
    }
    if settings.purpose != Purpose::Print {
        let key = Identity::new(settings.identity.clone()).key(address.needs_credential(), None)?;
        match blueprint.make(address, key).await? {
            true => tell(&format!("-- made {address}")),
            false => tell(&format!("-- there is a Delta table at {address} already: it stays as it is")),
        }
    }
    let format = match settings.format {
        crate::formats::FormatName::Json => String::new(),
        format => format!(",format={format}"),
    };
    tell(&format!("-- load it: loader --route {}=delta:{address}{format}", settings.hub.name()));
    Ok(Exit::Done)
}
