//! What was seen of a field, for whoever has to believe its column's type.

/// Kinds of JSON values, in the order in which they are told.
const KINDS: [(&str, &str); 6] = [
    ("whole number", "whole numbers"),
    ("number with a point", "numbers with a point"),
    ("text", "texts"),
    ("boolean", "booleans"),
    ("array", "arrays"),
    ("object", "objects"),
];

/// The longest example that is shown.
const LONGEST: usize = 40;

/// What was seen of one field.
#[derive(Debug, Clone, Default)]
pub(super) struct Evidence {
    documents: u64,
    nulls: u64,
    /// Of each kind, how many, and the first of them.
    kinds: [(u64, String); KINDS.len()],
    has_elements: bool,
}

impl Evidence {
    pub(super) fn add(&mut self, value: &str) {
        self.documents += 1;
        let kind = match value.as_bytes().first() {
            Some(b'n') | None => {
                self.nulls += 1;
                return;
            }
            Some(b'"') => 2,
            Some(b't' | b'f') => 3,
            Some(b'[') => 4,
            Some(b'{') => 5,
            Some(_) if value.contains(['.', 'e', 'E']) => 1,
            Some(_) => 0,
        };
        self.has_elements |= kind == 4 && value[1..].trim_start().starts_with(|c| c != ']' && c != 'n');
        let (count, example) = &mut self.kinds[kind];
        *count += 1;
        if *count == 1 {
            *example = match value.char_indices().nth(LONGEST) {
                Some((end, _)) => format!("{}…", &value[..end]),
                None => value.to_owned(),
            };
        }
    }

    pub(super) fn documents(&self) -> u64 {
        self.documents
    }

    pub(super) fn nulls(&self) -> u64 {
        self.nulls
    }

    pub(super) fn is_only_null(&self) -> bool {
        self.nulls == self.documents
    }

    /// Whether some array held something.
    pub(super) fn has_elements(&self) -> bool {
        self.has_elements
    }

    /// In words; `mixed` says whether it matters that kinds differ.
    pub(super) fn text(&self, mixed: bool) -> String {
        let seen: Vec<_> = self.kinds.iter().zip(KINDS).filter(|((count, _), _)| *count > 0).collect();
        let told: Vec<_> = seen
            .iter()
            .map(|((count, example), (one, many))| match count {
                1 => format!("1 {one}: {example}"),
                count => format!("{count} {many} like {example}"),
            })
            .collect();
        let told = told.join(", ");
        if mixed && seen.len() > 1 { format!("mixed: {told}") } else { told }
    }
}
