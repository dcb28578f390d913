//! Generated events: made-up changes to made-up users.

use std::borrow::Cow;
use std::num::NonZero;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// How an event tells its time.
pub(super) const TIME: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");

/// What happened to the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// It is new.
    Insert,
    /// It changed.
    Update,
    /// It is gone.
    Delete,
}

impl Op {
    /// All of them.
    pub const ALL: [Op; 3] = [Op::Insert, Op::Update, Op::Delete];

    /// The word in the event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Op::Insert => "insert",
            Op::Update => "update",
            Op::Delete => "delete",
        }
    }
}

/// One change event, in the field order of its JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event<'a> {
    /// The row; also the record's key.
    pub id: u32,
    /// Null on delete.
    pub name: Option<Cow<'a, str>>,
    /// In years, never negative.
    pub age: u32,
    /// What happened.
    pub op: Op,
    /// Which of a row's events is the latest: the highest.
    pub event_order: i64,
    /// UTC to the second, ISO 8601 without offset: what a `timestamp` column parses.
    pub ts: Cow<'a, str>,
}

/// What a generator decides by chance; number and time come from the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The row.
    pub id: u32,
    /// Its name, or none on delete.
    pub name: Option<Cow<'static, str>>,
    /// Its age.
    pub age: u32,
    /// What happened.
    pub op: Op,
}

/// The demo's first three users.
const CLASSIC: [(&str, u32); 3] = [("Alice", 25), ("Bob", 30), ("Charlie", 36)];
/// Names for those that follow; from the second round on with a number.
const NAMES: [&str; 20] = [
    "Dana", "Erik", "Fatima", "Goran", "Hana", "Ivan", "Jun", "Kofi", "Lena", "Mateo", "Nadia", "Omar", "Priya",
    "Quinn", "Rosa", "Sven", "Tomoko", "Uma", "Viktor", "Wanda",
];
/// An update moves the age by at most so many years from the user's own, so that it cannot drift away.
const AGE_STEP: u32 = 2;

/// A stream of changes, the same for the same seed and number of users.
#[derive(Debug)]
pub struct Generator {
    random: ChaCha8Rng,
    users: u32,
}

impl Generator {
    /// A generator for users 1 to `users`. Without a seed the stream is a new one each time.
    pub fn new(users: NonZero<u32>, seed: Option<u64>) -> Generator {
        let seed = seed.unwrap_or_else(|| rand::rng().random());
        Generator { random: ChaCha8Rng::seed_from_u64(seed), users: users.get() }
    }

    /// The next change: a user, an operation and, for an update, an age, each at random.
    pub fn change(&mut self) -> Change {
        let id = self.random.random_range(1..=self.users);
        let op = Op::ALL[self.random.random_range(0..Op::ALL.len())];
        // Drawn for every operation, so that one event always costs the stream the same.
        let step = self.random.random_range(0..=2 * AGE_STEP);
        let (name, age) = user(id);
        match op {
            Op::Insert => Change { id, name: Some(name), age, op },
            Op::Update => Change { id, name: Some(name), age: (age + step).saturating_sub(AGE_STEP), op },
            Op::Delete => Change { id, name: None, age, op },
        }
    }
}

/// Name and age of a user, made from the id alone: a million users cost no memory.
fn user(id: u32) -> (Cow<'static, str>, u32) {
    let index = id.saturating_sub(1);
    if let Some((name, age)) = CLASSIC.get(index as usize) {
        return (Cow::Borrowed(name), *age);
    }
    let index = index - CLASSIC.len() as u32;
    let name = NAMES[index as usize % NAMES.len()];
    let age = 18 + (index % 63) * 7 % 63;
    match index / NAMES.len() as u32 {
        0 => (Cow::Borrowed(name), age),
        round => (Cow::Owned(format!("{name} {}", round + 1)), age),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(users: u32, seed: u64) -> Vec<Change> {
        let mut generator = Generator::new(NonZero::new(users).unwrap(), Some(seed));
        (0..2000).map(|_| generator.change()).collect()
    }

    #[test]
    fn a_seed_repeats_the_stream() {
        assert_eq!(changes(50, 7), changes(50, 7));
        assert_ne!(changes(50, 7), changes(50, 8));
    }

    #[test]
    fn every_change_keeps_the_rules_of_its_operation() {
        for change in changes(3, 1) {
            let (name, age) = CLASSIC[change.id as usize - 1];
            match change.op {
                Op::Insert => assert_eq!((change.name.as_deref(), change.age), (Some(name), age)),
                Op::Update => {
                    assert_eq!(change.name.as_deref(), Some(name));
                    assert!(change.age.abs_diff(age) <= 2, "{change:?}");
                }
                Op::Delete => assert_eq!(change.name, None),
            }
        }
    }

    #[test]
    fn all_users_and_operations_occur_and_names_differ() {
        let changes = changes(100, 3);
        for id in 1..=100 {
            assert!(changes.iter().any(|change| change.id == id), "user {id} never changed");
        }
        for op in Op::ALL {
            assert!(changes.iter().any(|change| change.op == op));
        }
        let names: std::collections::HashSet<_> = (1..=1000).map(|id| user(id).0).collect();
        assert_eq!(names.len(), 1000);
    }

    #[test]
    fn the_json_has_the_classic_fields_in_the_classic_order() {
        let event = Event {
            id: 1,
            name: Some("Alice".into()),
            age: 27,
            op: Op::Update,
            event_order: 1_763_880_000_000_000,
            ts: "2026-11-23T07:00:00".into(),
        };
        let json = r#"{"id":1,"name":"Alice","age":27,"op":"update","event_order":1763880000000000,"ts":"2026-11-23T07:00:00"}"#;
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<Event<'_>>(json).unwrap(), event);
        let deleted = serde_json::to_string(&Event { name: None, op: Op::Delete, ..event }).unwrap();
        assert!(deleted.starts_with(r#"{"id":1,"name":null,"#), "{deleted}");
    }
}
