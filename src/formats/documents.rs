/// JSON objects made of one record, one after the other.
#[derive(Debug, Default)]
pub struct Documents {
    text: String,
    ends: Vec<usize>,
}

impl Documents {
    /// Adds one.
    pub fn push(&mut self, document: &str) {
        self.with(|text| text.push_str(document));
    }

    /// Adds one that `write` makes.
    pub fn with(&mut self, write: impl FnOnce(&mut String)) {
        write(&mut self.text);
        self.ends.push(self.text.len());
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        let mut from = 0;
        self.ends.iter().map(move |end| &self.text[std::mem::replace(&mut from, *end)..*end])
    }
}
