//! The user's own events: JSON objects, one a line, sent unchanged. A mark at the start of the file that says that it is
//! UTF-8 belongs to the file, and to no line.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::PathBuf;

use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::base::{nature, without_bom};

/// Longest line in bytes: what a record may hold.
const MAX_LINE: usize = 1_000_000;
/// Lines read ahead of the sender.
const READ_AHEAD: usize = 1024;

/// Why the input ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file cannot be opened.
    #[error("open {name}")]
    Open {
        /// The file.
        name: String,
        /// The reason.
        source: io::Error,
    },
    /// Reading stopped half-way.
    #[error("read {name}:{line}")]
    Read {
        /// The file, or `standard input`.
        name: String,
        /// The line that could not be read.
        line: u64,
        /// The reason.
        source: io::Error,
    },
    /// A line cannot be sent; the lines before it were.
    #[error("{name}:{line}: {fault}")]
    Line {
        /// The file, or `standard input`.
        name: String,
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        fault: LineFault,
    },
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LineFault {
    /// Not JSON at all, or not an object.
    #[error("not a JSON object: {0}")]
    NotAnObject(String),
    /// The first line shows that the whole input is something else.
    #[error("not JSON, but {0}: give one JSON object a line, in UTF-8")]
    Other(String),
    /// Objects in an array, or one that goes on in the next line.
    #[error("not a JSON object, but {0}: give one object a line (jq -c '{1}' makes that of it)")]
    Spread(&'static str, &'static str),
    /// The field that becomes the record key is not there.
    #[error("no field `{0}`, which --key makes the record key")]
    NoKey(String),
    /// The key field is null, an array or an object.
    #[error("field `{0}` is {1}: a record key is a text, a number or a boolean")]
    BadKey(String, &'static str),
    /// More than a record may hold.
    #[error("longer than {MAX_LINE} bytes, the most a record may hold: make it smaller or split it")]
    TooLong,
}

/// One line, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The record key: a text without its quotes, a number or a boolean as written.
    pub key: String,
    /// The line without its end.
    pub payload: Vec<u8>,
    /// The text of the field `op`, if it has one.
    pub op: Option<String>,
}

/// Lines as a thread of their own reads them, since standard input may be silent for hours.
#[derive(Debug)]
pub struct Lines(mpsc::Receiver<Result<Line, InputError>>);

impl Lines {
    /// Starts reading the file, or standard input if there is none.
    ///
    /// # Errors
    /// [`InputError::Open`] when the file cannot be opened.
    pub fn open(file: Option<PathBuf>, key: String) -> Result<Lines, InputError> {
        let (name, input): (String, Box<dyn BufRead + Send>) = match file {
            None => ("standard input".to_owned(), Box::new(BufReader::new(io::stdin()))),
            Some(path) => {
                let name = path.display().to_string();
                match File::open(&path) {
                    Ok(file) => (name, Box::new(BufReader::new(file))),
                    Err(source) => return Err(InputError::Open { name, source }),
                }
            }
        };
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        let mut reader = Reader { input, name, key, line: 0 };
        tokio::task::spawn_blocking(move || {
            while let Some(line) = reader.next() {
                let last = line.is_err();
                if sender.blocking_send(line).is_err() || last {
                    break;
                }
            }
        });
        Ok(Lines(receiver))
    }

    /// The next line if one is waiting.
    pub fn try_next(&mut self) -> Result<Result<Line, InputError>, mpsc::error::TryRecvError> {
        self.0.try_recv()
    }

    /// The next line, or none at the end. Nothing follows an error.
    pub async fn next(&mut self) -> Option<Result<Line, InputError>> {
        self.0.recv().await
    }
}

struct Reader<R> {
    input: R,
    name: String,
    key: String,
    line: u64,
}

impl<R: BufRead> Reader<R> {
    fn next(&mut self) -> Option<Result<Line, InputError>> {
        loop {
            self.line += 1;
            let mut payload = Vec::new();
            match (&mut self.input).take(MAX_LINE as u64 + 2).read_until(b'\n', &mut payload) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(source) => {
                    return Some(Err(InputError::Read { name: self.name.clone(), line: self.line, source }));
                }
            }
            for end in [b'\n', b'\r'] {
                if payload.last() == Some(&end) {
                    payload.pop();
                }
            }
            if self.line == 1 && without_bom(&payload).len() < payload.len() {
                payload = without_bom(&payload).to_vec();
            }
            if payload.trim_ascii().is_empty() {
                continue;
            }
            return Some(parse(payload, &self.key).map_err(|fault| InputError::Line {
                name: self.name.clone(),
                line: self.line,
                fault,
            }));
        }
    }
}

fn parse(payload: Vec<u8>, key_field: &str) -> Result<Line, LineFault> {
    if payload.len() > MAX_LINE {
        return Err(LineFault::TooLong);
    }
    let fields: HashMap<String, &RawValue> =
        serde_json::from_slice(&payload).map_err(|error| fault(&payload, &error))?;
    let key = fields.get(key_field).ok_or_else(|| LineFault::NoKey(key_field.to_owned()))?.get();
    let bad = |what| Err(LineFault::BadKey(key_field.to_owned(), what));
    let key = match key.as_bytes().first() {
        Some(b'"') => {
            serde_json::from_str(key).map_err(|error| LineFault::NotAnObject(format!("`{key_field}`: {error}")))?
        }
        Some(b'n') => return bad("null"),
        Some(b'[') => return bad("an array"),
        Some(b'{') => return bad("an object"),
        _ => key.to_owned(),
    };
    let op = fields.get("op").and_then(|op| serde_json::from_str(op.get()).ok());
    Ok(Line { key, payload, op })
}

/// What a line is that is no JSON object.
fn fault(payload: &[u8], error: &serde_json::Error) -> LineFault {
    match (nature(payload), payload.trim_ascii()) {
        (Some(nature), _) => LineFault::Other(nature),
        (None, [b'[', ..]) => LineFault::Spread("an array", ".[]"),
        (None, b"{") => LineFault::Spread("the beginning of one", "."),
        _ => LineFault::NotAnObject(json_fault(error)),
    }
}

/// The parser's reason without its own line number, which is always 1 and would contradict ours.
fn json_fault(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or(&text);
    format!("{reason} at column {}", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, key: &str) -> Vec<Result<Line, String>> {
        let mut reader = Reader { input: text.as_bytes(), name: "in".to_owned(), key: key.to_owned(), line: 0 };
        std::iter::from_fn(|| reader.next()).map(|line| line.map_err(|error| error.to_string())).collect()
    }

    fn line(key: &str, payload: &str) -> Result<Line, String> {
        Ok(Line { key: key.to_owned(), payload: payload.as_bytes().to_vec(), op: None })
    }

    #[test]
    fn lines_are_sent_as_they_are() {
        let text = "{\"id\": 7}\n\n  \n{ \"id\":\"a\\\"b\" , \"n\":1e400 }\r\n{\"id\":18446744073709551616}";
        assert_eq!(
            read(text, "id"),
            [
                line("7", "{\"id\": 7}"),
                line("a\"b", "{ \"id\":\"a\\\"b\" , \"n\":1e400 }"),
                line("18446744073709551616", "{\"id\":18446744073709551616}"),
            ]
        );
        let with_op = read(r#"{"id":1,"op":"delete"}"#, "id").remove(0).unwrap();
        assert_eq!(with_op.op.as_deref(), Some("delete"));
    }

    #[test]
    fn a_mark_of_utf_8_is_read_over_and_other_encodings_are_named() {
        assert_eq!(read("\u{feff}{\"id\":1}\n{\"id\":2}", "id"), [line("1", "{\"id\":1}"), line("2", "{\"id\":2}")]);
        assert_eq!(read("\u{feff}\n", "id"), []);
        let utf16: Vec<u8> = "\u{feff}{\"id\":1}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut reader = Reader { input: &utf16[..], name: "in".to_owned(), key: "id".to_owned(), line: 0 };
        let error = reader.next().unwrap().unwrap_err().to_string();
        assert!(error.starts_with("in:1: not JSON, but UTF-16 (little-endian): give one"), "{error}");
    }

    #[test]
    fn a_bad_line_is_named_with_its_fault() {
        for (text, fault) in [
            ("\n[1]", "in:2: not a JSON object, but an array: give one object a line (jq -c '.[]' makes that of it)"),
            ("{\n \"id\": 1\n}", "in:1: not a JSON object, but the beginning of one: give"),
            ("H4sIAAAA", "in:1: not JSON, but base64 of gzip"),
            ("{\"id\":1", "in:1: not a JSON object"),
            ("{\"name\":1}", "in:1: no field `id`, which --key makes the record key"),
            ("{\"id\":null}", "in:1: field `id` is null"),
            ("{\"id\":{}}", "in:1: field `id` is an object"),
        ] {
            let error = read(text, "id").remove(0).unwrap_err();
            assert!(error.starts_with(fault), "{error}");
        }
        let long = format!("{{\"id\":1,\"x\":\"{}\"}}", "x".repeat(MAX_LINE));
        assert_eq!(read(&long, "id")[0], Err(format!("in:1: {}", LineFault::TooLong)));
    }
}
