use std::collections::{BTreeMap, HashMap};

/// Fields that had no column and were not rescued: how often, by name. Past so many names (`MOST`) the others are under `…`.
pub type Unmapped = BTreeMap<String, u64>;

/// Names that are kept apart: a producer that puts data into names must not fill the memory.
const MOST: usize = 200;

/// The name of all others.
const OTHERS: &str = "…";

/// Names shown of one record.
const SHOWN: usize = 5;

/// Fields without a column, of the record at hand and of those before it.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    numbers: HashMap<String, usize>,
    /// By their numbers: the name, and how many records that were kept had it.
    names: Vec<(String, u64)>,
    /// The numbers of those in the record at hand.
    record: Vec<usize>,
    /// Where those of its row at hand begin.
    row: usize,
    /// How many values were in records that were kept, ever.
    kept: u64,
}

impl Strangers {
    /// One more in the record at hand.
    pub(super) fn met(&mut self, name: &str) {
        let number = self.numbers.get(name).copied().unwrap_or_else(|| {
            let name = if self.names.len() < MOST { name } else { OTHERS };
            *self.numbers.entry(name.to_owned()).or_insert_with(|| {
                self.names.push((name.to_owned(), 0));
                self.names.len() - 1
            })
        });
        self.record.push(number);
    }

    /// The next row of the record at hand begins.
    pub(super) fn begin_row(&mut self) {
        self.row = self.record.len();
    }

    /// The record at hand becomes rows.
    pub(super) fn keep(&mut self) {
        self.kept += self.record.len() as u64;
        for number in self.record.drain(..) {
            self.names[number].1 += 1;
        }
    }

    /// It does not.
    pub(super) fn forget(&mut self) {
        self.record.clear();
    }

    /// How many the row at hand has.
    pub(super) fn of_row(&self) -> usize {
        self.record.len() - self.row
    }

    /// Their names, the first of them.
    pub(super) fn names_of_row(&self) -> String {
        let shown: Vec<_> =
            self.record[self.row..].iter().take(SHOWN).map(|number| excerpt(&self.names[*number].0)).collect();
        let more = if self.of_row() > SHOWN { ", …" } else { "" };
        format!("{}{more}", shown.join(", "))
    }

    /// How many values were in records that were kept, ever.
    pub(super) fn kept(&self) -> u64 {
        self.kept
    }

    /// Those that were kept since this was last asked.
    pub(super) fn take(&mut self) -> Unmapped {
        let counted = self.names.iter_mut().filter(|(_, count)| *count > 0);
        counted.map(|(name, count)| (name.clone(), std::mem::take(count))).collect()
    }
}

fn excerpt(name: &str) -> String {
    const LONGEST: usize = 60;
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("`{}…`", &name[..end]),
        None => format!("`{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_when_their_record_is_kept_and_do_not_grow_without_end() {
        let mut strangers = Strangers::default();
        strangers.met("a");
        strangers.met("b");
        strangers.keep();
        strangers.met("a");
        strangers.met("c");
        assert_eq!(strangers.names_of_row(), "`a`, `c`");
        strangers.forget();
        assert_eq!(strangers.take(), Unmapped::from([("a".to_owned(), 1), ("b".to_owned(), 1)]));
        assert_eq!(strangers.take(), Unmapped::new());
        for number in 0..1000 {
            strangers.met(&format!("field {number}"));
        }
        strangers.keep();
        let taken = strangers.take();
        assert_eq!((taken.len(), taken.values().sum()), (MOST + 1 - 3, 1000));
    }
}
