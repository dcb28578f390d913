/// A PostgreSQL array literal under construction: `{1,NULL,"a \"quoted\" text"}`.
///
/// Bound as text and unnested, one literal a column carries a whole batch into PostgreSQL and RisingWave alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrayLiteral {
    text: String,
}

impl Default for ArrayLiteral {
    fn default() -> Self {
        ArrayLiteral { text: "{".to_owned() }
    }
}

impl ArrayLiteral {
    /// Appends NULL.
    pub fn push_null(&mut self) {
        self.separate();
        self.text.push_str("NULL");
    }

    /// Appends a text, quoted and escaped. It must have no NUL character: no SQL text can hold one.
    pub fn push_text(&mut self, text: &str) {
        self.separate();
        self.text.push('"');
        let mut rest = text;
        while let Some(at) = memchr::memchr2(b'"', b'\\', rest.as_bytes()) {
            self.text.push_str(&rest[..at]);
            self.text.push('\\');
            self.text.push_str(&rest[at..=at]);
            rest = &rest[at + 1..];
        }
        self.text.push_str(rest);
        self.text.push('"');
    }

    /// Appends a text as [`Self::push_text`] does, unless it has a NUL character: then nothing, and gives false.
    pub fn push_text_without_nul(&mut self, text: &str) -> bool {
        match memchr::memchr3(0, b'"', b'\\', text.as_bytes()) {
            // Most texts need one look only.
            None => self.push_with(|out| out.push_str(text)),
            Some(at) if text[at..].contains('\0') => return false,
            Some(_) => self.push_text(text),
        }
        true
    }

    /// Appends a text as [`Self::push_text`] does, or NULL.
    pub fn push_text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.push_text(text),
            None => self.push_null(),
        }
    }

    /// Appends a whole number.
    pub fn push_integer(&mut self, number: i64) {
        self.separate();
        self.text.push_str(itoa::Buffer::new().format(number));
    }

    /// Appends what needs neither quotes nor escapes: digits, letters, signs and points.
    pub fn push_plain(&mut self, text: &str) {
        debug_assert!(!text.is_empty() && !text.contains(['"', '\\', ',', '{', '}', ' ']));
        self.separate();
        self.text.push_str(text);
    }

    /// Appends bytes as `bytea` reads them.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        self.separate();
        self.text.reserve(bytes.len() * 2 + 5);
        self.text.push_str("\"\\\\x");
        for byte in bytes {
            self.text.push(char::from(HEX[usize::from(byte >> 4)]));
            self.text.push(char::from(HEX[usize::from(byte & 15)]));
        }
        self.text.push('"');
    }

    /// Appends a quoted element that `write` makes; it must write neither quotes nor backslashes.
    pub fn push_with(&mut self, write: impl FnOnce(&mut String)) {
        self.separate();
        self.text.push('"');
        write(&mut self.text);
        self.text.push('"');
    }

    /// Appends elements that [`Self::last_since`] gave, of this or another literal.
    pub fn push_again(&mut self, element: &str) {
        self.separate();
        self.text.push_str(element);
    }

    /// What was appended since it was `length` bytes long, as it stands.
    pub fn last_since(&self, length: usize) -> &str {
        let added = &self.text[length..];
        if length > 1 { &added[1..] } else { added }
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.text.len() == 1
    }

    /// Takes back what was appended since it was `length` bytes long.
    pub fn truncate(&mut self, length: usize) {
        self.text.truncate(length);
    }

    /// The finished literal; a new one begins in its place, with room for as much again.
    pub fn take(&mut self) -> String {
        self.text.push('}');
        let next = String::with_capacity(self.text.len());
        let text = std::mem::replace(&mut self.text, next);
        self.text.push('{');
        text
    }

    fn separate(&mut self) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_quoted_as_postgresql_reads_them() {
        let mut literal = ArrayLiteral::default();
        literal.push_text(r#"a "b" \c, {d} NULL"#);
        literal.push_null();
        literal.push_integer(-7);
        literal.push_plain("1.5e3");
        literal.push_bytes(&[0, 0xab]);
        literal.push_text("");
        let mark = literal.len();
        literal.push_text("taken back");
        literal.truncate(mark);
        literal.push_with(|out| out.push_str("2026-01-02 03:04:05"));
        assert_eq!(literal.take(), r#"{"a \"b\" \\c, {d} NULL",NULL,-7,1.5e3,"\\x00ab","","2026-01-02 03:04:05"}"#);
        assert!(literal.is_empty());
        assert_eq!(literal.take(), "{}");
    }
}
