use super::gzip::{is_packed, unpack};
use super::{Documents, Format, FormatName, Undecodable, Wanted};
use crate::capture::Attributes;

/// How a route's bodies are decoded.
#[derive(Debug, Clone, Default)]
pub struct Decoding {
    /// What they are.
    pub format: FormatName,
}

/// Turns records into documents, for whoever has no table for them.
#[derive(Debug)]
pub struct Reader {
    format: Option<Box<dyn Format>>,
    documents: Documents,
    unpacked: Vec<u8>,
}

impl Reader {
    /// Of such bodies.
    pub fn new(decoding: &Decoding, wanted: Wanted) -> Self {
        let format = decoding.format.decoder(wanted);
        Reader { format, documents: Documents::default(), unpacked: Vec::new() }
    }

    /// A record's documents. Those of plain JSON are not looked into.
    ///
    /// # Errors
    /// When it is none of its format, or makes no rows.
    pub fn read(
        &mut self,
        body: Option<&[u8]>,
        attributes: &Attributes<'_>,
    ) -> Result<impl ExactSizeIterator<Item = &str>, Undecodable> {
        let body = match body {
            Some(packed) if is_packed(packed) => {
                unpack(packed, &mut self.unpacked)?;
                Some(&*self.unpacked)
            }
            body => body,
        };
        self.documents.clear();
        match &mut self.format {
            Some(format) => format.decode(body, attributes, &mut self.documents)?,
            None => match body {
                None | Some([]) => return Err(Undecodable::Nothing),
                Some(body) => self.documents.push(crate::rows::object::utf8(body)?),
            },
        }
        Ok(self.documents.iter())
    }
}
