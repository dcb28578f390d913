//! What a file's records have in common.

use std::collections::{BTreeMap, VecDeque};

use super::line::{key_text, short};
use crate::capture::{EnqueuedTime, Event, Properties};

/// Different keys, and names of properties, that are kept apart.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Tally {
    shown: usize,
    pub(super) records: u64,
    pub(super) numbers: Option<(i64, i64)>,
    pub(super) steps: Steps,
    pub(super) times: Option<(EnqueuedTime, EnqueuedTime)>,
    /// Times that are none, and the first of them.
    pub(super) bad_times: (u64, String),
    pub(super) sizes: Sizes,
    /// By kind.
    pub(super) bodies: BTreeMap<&'static str, u64>,
    pub(super) keys: BTreeMap<String, u64>,
    pub(super) keyless: u64,
    pub(super) properties: BTreeMap<String, u64>,
    pub(super) system: BTreeMap<String, u64>,
    pub(super) first: Vec<String>,
    pub(super) last: VecDeque<String>,
}

/// How each record's number follows the one before.
#[derive(Debug, Default)]
pub(super) struct Steps {
    last: Option<i64>,
    /// Places where numbers are left out, how many are, and the first of them.
    pub(super) gaps: (u64, u64, i64),
    /// Numbers that are not above the one before, and the first of them.
    pub(super) back: (u64, i64),
}

#[derive(Debug, Default)]
pub(super) struct Sizes {
    pub(super) least: Option<usize>,
    pub(super) most: usize,
    pub(super) total: u64,
}

impl Tally {
    /// Shows so many of the first and of the last records.
    pub(super) fn new(shown: usize) -> Self {
        Tally { shown, ..Tally::default() }
    }

    pub(super) fn add(&mut self, event: &Event<'_>) {
        self.records += 1;
        let number = event.sequence_number;
        self.numbers = Some(self.numbers.map_or((number, number), |(low, high)| (low.min(number), high.max(number))));
        self.steps.add(number);
        match EnqueuedTime::parse(event.enqueued_time) {
            Ok(at) => self.times = Some(self.times.map_or((at, at), |(from, until)| (from.min(at), until.max(at)))),
            Err(_) => {
                if self.bad_times.0 == 0 {
                    event.enqueued_time.clone_into(&mut self.bad_times.1);
                }
                self.bad_times.0 += 1;
            }
        }
        self.sizes.add(event.body.map_or(0, <[u8]>::len));
        *self.bodies.entry(kind(event.body)).or_default() += 1;
        match event.attributes.key() {
            Some(key) => count(&mut self.keys, key_text(key)),
            None => self.keyless += 1,
        }
        names(&event.attributes.properties, &mut self.properties);
        names(&event.attributes.system, &mut self.system);
        if self.first.len() < self.shown {
            self.first.push(short(event));
        } else if self.shown > 0 {
            if self.last.len() == self.shown {
                self.last.pop_front();
            }
            self.last.push_back(short(event));
        }
    }
}

impl Steps {
    fn add(&mut self, number: i64) {
        if let Some(last) = self.last.replace(number) {
            if number <= last {
                if self.back.0 == 0 {
                    self.back.1 = number;
                }
                self.back.0 += 1;
            } else if number.abs_diff(last) > 1 {
                if self.gaps.0 == 0 {
                    self.gaps.2 = last.saturating_add(1);
                }
                self.gaps.0 += 1;
                self.gaps.1 += number.abs_diff(last) - 1;
            }
        }
    }
}

impl Sizes {
    fn add(&mut self, size: usize) {
        self.least = Some(self.least.map_or(size, |least| least.min(size)));
        self.most = self.most.max(size);
        self.total += size as u64;
    }
}

fn names(properties: &Properties<'_>, counts: &mut BTreeMap<String, u64>) {
    properties.iter().for_each(|(name, _)| count(counts, name.to_owned()));
}

fn count(counts: &mut BTreeMap<String, u64>, name: String) {
    if counts.len() < MOST || counts.contains_key(&name) {
        *counts.entry(name).or_default() += 1;
    }
}

/// What a body is, as far as its bytes tell.
fn kind(body: Option<&[u8]>) -> &'static str {
    let Some(body) = body else { return "none" };
    match body {
        [] => "empty",
        [0x1f, 0x8b, ..] => "gzip-compressed",
        [0, _, _, _, _, ..] => "with a schema registry's prefix",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
        _ if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() => match body.trim_ascii_start() {
            [b'{', ..] => "JSON objects",
            _ => "other JSON",
        },
        _ if std::str::from_utf8(body).is_ok() => "text",
        _ => "bytes",
    }
}
