use std::borrow::Cow;

/// The elements of an array literal that [`super::ArrayLiteral`] has made, each as it stands there.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a str,
}

impl<'a> Elements<'a> {
    /// Of a finished literal.
    pub fn of(literal: &'a str) -> Self {
        let rest = literal.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
        Elements { rest }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let end = match self.rest.starts_with('"') {
            true => closing_quote(self.rest) + 1,
            false => self.rest.find(',').unwrap_or(self.rest.len()),
        };
        let (element, rest) = self.rest.split_at(end.min(self.rest.len()));
        self.rest = rest.strip_prefix(',').unwrap_or(rest);
        Some(element)
    }
}

/// Where the text that begins with a quote ends with one.
fn closing_quote(text: &str) -> usize {
    let mut from = 1;
    while let Some(at) = memchr::memchr2(b'"', b'\\', &text.as_bytes()[from..]) {
        if text.as_bytes()[from + at] == b'"' {
            return from + at;
        }
        from += at + 2;
    }
    text.len()
}

/// An element's value as text; `None` is NULL.
pub fn value(element: &str) -> Option<Cow<'_, str>> {
    let Some(inner) = element.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return (element != "NULL").then_some(Cow::Borrowed(element));
    };
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    let (mut text, mut escaped) = (String::with_capacity(inner.len()), false);
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            text.push(c);
            escaped = false;
        }
    }
    Some(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ArrayLiteral;
    use super::*;

    proptest! {
        #[test]
        fn what_was_put_in_comes_out(texts in prop::collection::vec(prop::option::of(any::<String>()), 0..20)) {
            let mut literal = ArrayLiteral::default();
            texts.iter().for_each(|text| literal.push_text_or_null(text.as_deref()));
            let literal = literal.take();
            let elements: Vec<_> = Elements::of(&literal).collect();
            prop_assert_eq!(format!("{{{}}}", elements.join(",")), &*literal);
            let values: Vec<_> = elements.into_iter().map(|element| value(element).map(Cow::into_owned)).collect();
            prop_assert_eq!(values, texts);
        }
    }

    #[test]
    fn numbers_stand_without_quotes() {
        let elements: Vec<_> = Elements::of(r#"{-7,NULL,"NULL",1.5e3,""}"#).map(value).collect();
        assert_eq!(elements, [Some("-7".into()), None, Some("NULL".into()), Some("1.5e3".into()), Some("".into())]);
        assert_eq!(Elements::of("{}").count(), 0);
    }
}
