//! The connection options that the client's own parser does not know, taken out of a libpq URL or keyword string.

use percent_encoding::percent_decode_str;

/// The text without `sslmode` and `sslrootcert`, and what they said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub rest: String,
    pub sslmode: Option<String>,
    pub sslrootcert: Option<String>,
}

impl Taken {
    /// A text that is not of either form is left as it is, for the client's parser to refuse.
    pub(super) fn from(text: &str) -> Taken {
        if text.starts_with("postgresql://") || text.starts_with("postgres://") {
            Taken::from_url(text)
        } else {
            Taken::from_keywords(text)
        }
    }

    fn from_url(text: &str) -> Taken {
        // A password may hold a question mark: the parameters begin behind the host.
        let host = text.find('@').unwrap_or_default();
        let Some(question) = text[host..].find('?').map(|index| host + index) else {
            return Taken { rest: text.to_owned(), ..Taken::default() };
        };
        let mut taken = Taken::default();
        let mut kept = Vec::new();
        for parameter in text[question + 1..].split('&') {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match taken.place(&decode(key)) {
                Some(place) => *place = Some(decode(value)),
                None => kept.push(parameter),
            }
        }
        taken.rest = text[..question].to_owned();
        if !kept.is_empty() {
            taken.rest = format!("{}?{}", taken.rest, kept.join("&"));
        }
        taken
    }

    fn from_keywords(text: &str) -> Taken {
        let mut taken = Taken::default();
        let mut rest = text;
        loop {
            rest = rest.trim_start();
            let Some(Keyword { key, value, length }) = keyword(rest) else {
                taken.rest.push_str(rest);
                return taken;
            };
            match taken.place(key) {
                Some(place) => *place = Some(value),
                None => {
                    taken.rest.push_str(&rest[..length]);
                    taken.rest.push(' ');
                }
            }
            rest = &rest[length..];
        }
    }

    fn place(&mut self, key: &str) -> Option<&mut Option<String>> {
        match key {
            "sslmode" => Some(&mut self.sslmode),
            "sslrootcert" => Some(&mut self.sslrootcert),
            _ => None,
        }
    }
}

/// `key = value`, the value plain or in single quotes, a backslash before what is to be taken as it is.
struct Keyword<'a> {
    key: &'a str,
    value: String,
    /// Bytes of the whole.
    length: usize,
}

fn keyword(text: &str) -> Option<Keyword<'_>> {
    let (key, after) = text.split_once('=')?;
    let value_text = after.trim_start();
    let mut value = String::new();
    let mut characters = value_text.char_indices().peekable();
    let quoted = characters.next_if(|(_, c)| *c == '\'').is_some();
    let mut closed = !quoted;
    let mut end = value_text.len();
    while let Some((index, c)) = characters.next() {
        match c {
            '\\' => value.push(characters.next()?.1),
            '\'' if quoted => {
                (closed, end) = (true, index + 1);
                break;
            }
            c if c.is_whitespace() && !quoted => {
                end = index;
                break;
            }
            c => value.push(c),
        }
    }
    let length = text.len() - value_text.len() + end;
    closed.then_some(Keyword { key: key.trim(), value, length })
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> (String, Option<String>, Option<String>) {
        let Taken { rest, sslmode, sslrootcert } = Taken::from(text);
        (rest, sslmode, sslrootcert)
    }

    #[test]
    fn the_two_are_taken_out_and_all_else_stays() {
        let some = |text: &str| Some(text.to_owned());
        for (text, rest, mode, file) in [
            ("postgresql://a@h/dev", "postgresql://a@h/dev", None, None),
            ("postgresql://a@h/dev?sslmode=verify-full", "postgresql://a@h/dev", some("verify-full"), None),
            (
                "postgres://a:p?w@h/dev?connect_timeout=3&sslrootcert=%2Fca%20s.pem&sslmode=require",
                "postgres://a:p?w@h/dev?connect_timeout=3",
                some("require"),
                some("/ca s.pem"),
            ),
            ("postgresql://a:sslmode=x@h/dev", "postgresql://a:sslmode=x@h/dev", None, None),
            ("host=h sslmode=disable user=a", "host=h user=a", some("disable"), None),
            (
                r"host=h sslrootcert = '/c\'a s.pem' sslmode=verify-ca password='a sslmode=b'",
                r"host=h password='a sslmode=b' ",
                some("verify-ca"),
                some("/c'a s.pem"),
            ),
            ("nonsense", "nonsense", None, None),
            ("host='open", "host='open", None, None),
        ] {
            let (kept, found_mode, found_file) = taken(text);
            assert_eq!((kept.trim(), found_mode, found_file), (rest.trim(), mode, file), "{text}");
        }
    }
}
