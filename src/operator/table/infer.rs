use super::error::TableError;
use super::order::{Use, unfit};
use super::sample::Sample;
use crate::rows::{Inference, Inferred, Typing};
use crate::settings::TableSettings;
use crate::store::{Design, Designed};

/// The table that takes the sample.
///
/// # Errors
/// When the sample cannot have the key or the order that is asked for.
pub(super) fn design(settings: &TableSettings, sample: &mut Sample, typing: Typing) -> Result<Design, TableError> {
    let mut inference = Inference::new(typing);
    let added: Vec<_> = sample.documents.iter().filter_map(|document| inference.add(document).err()).collect();
    added.into_iter().for_each(|reason| sample.reject(format!("a row {reason}")));
    if inference.documents() == 0 {
        return Err(TableError::Unfit(vec![sample.told()]));
    }
    let (documents, fields) = (inference.documents(), inference.fields());
    let rowing = &settings.rowing;
    let uses = rowing.key.iter().map(|name| (name, Use::Key));
    let uses = uses.chain(rowing.order.iter().map(|name| (name, Use::Order)));
    let uses = uses.chain(rowing.delete_when.iter().map(|(name, _)| (name, Use::Delete)));
    let faults: Vec<String> =
        uses.filter_map(|(name, of)| unfit(name, of, &fields, documents, &sample.documents)).collect();
    if !faults.is_empty() {
        return Err(TableError::Unfit(faults));
    }
    let share = |field: &Inferred| match (field.documents, field.nulls) {
        (all, 0) if all == documents => "in every row".to_owned(),
        (all, nulls) if all == documents => format!("in every row, {nulls} of {documents} null"),
        (some, 0) => format!("in {some} of {documents} rows"),
        (some, nulls) => format!("in {some} of {documents} rows, {nulls} of them null"),
    };
    let (mut columns, mut left_out) = (Vec::new(), Vec::new());
    for field in &fields {
        let evidence = format!("{}; {}", share(field), field.evidence);
        match field.column {
            Some((kind, list)) => columns.push(Designed { name: field.name.clone(), kind, list, evidence }),
            None => left_out.push(format!("`{}` is {}; {}", field.name, field.evidence, share(field))),
        }
    }
    if inference.others() > 0 {
        left_out.push(format!(
            "{} values are of fields past the first 1000, for which no table has room",
            inference.others()
        ));
    }
    Ok(Design {
        table: settings.table.clone(),
        columns,
        left_out,
        indexed: settings.indexed || sample.most_rows > 1,
        key: rowing.key.clone(),
        order: rowing.order.clone(),
        delete_when: rowing.delete_when.clone(),
        history: settings.history,
    })
}
