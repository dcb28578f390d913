//! What bytes are that were to be JSON and are none, as far as their beginning says it.

/// What people call the bytes: `gzip-compressed`, `UTF-16 (little-endian)`, `empty`; nothing for a text that is simply
/// no JSON. Known by the marks that formats begin with; not UTF-8 comes last.
pub fn nature(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return Some("empty".to_owned());
    }
    if bytes.trim_ascii().is_empty() {
        return Some("blank".to_owned());
    }
    let marked = MARKS.iter().find(|(mark, _)| bytes.starts_with(mark));
    if let Some((_, name)) = marked {
        return Some((*name).to_owned());
    }
    if let [0, id @ ..] = bytes
        && let Some((id, [first, ..])) = id.split_first_chunk::<4>()
    {
        let id = u32::from_be_bytes(*id);
        let what = if *first == b'{' { "JSON behind the prefix of" } else { "Avro by" };
        return Some(format!("{what} a schema registry (id {id})"));
    }
    if bytes.len() >= 2 && bytes[1] == 0 {
        return Some("UTF-16 (little-endian)".to_owned());
    }
    let faulty = std::str::from_utf8(bytes).err()?;
    // The header's check makes it a multiple of 31.
    if bytes[0] & 0x8f == 8 && u16::from_be_bytes([bytes[0], *bytes.get(1)?]).is_multiple_of(31) {
        return Some("zlib-compressed".to_owned());
    }
    Some(format!("not UTF-8 at byte {}", faulty.valid_up_to()))
}

const MARKS: [(&[u8], &str); 19] = [
    (b"\x1f\x8b", "gzip-compressed"),
    (b"H4sI", "base64 of gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed"),
    (b"\x04\x22\x4d\x18", "lz4-compressed"),
    (b"\xff\x06\x00\x00sNaPpY", "snappy-compressed"),
    (b"BZh91AY&SY", "bzip2-compressed"),
    (b"\xfd7zXZ\x00", "xz-compressed"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\xff\xfe\x00\x00", "UTF-32 (little-endian)"),
    (b"\x00\x00\xfe\xff", "UTF-32 (big-endian)"),
    (b"\xff\xfe", "UTF-16 (little-endian)"),
    (b"\xfe\xff", "UTF-16 (big-endian)"),
    (b"\x00{", "UTF-16 (big-endian)"),
    (b"\x00[", "UTF-16 (big-endian)"),
    (b"\x00\"", "UTF-16 (big-endian)"),
    (b"Obj\x01", "an Avro file"),
    (b"\xc3\x01", "one Avro object"),
    (b"PAR1", "a Parquet file"),
    (b"<?xml", "XML"),
];

/// What follows the mark by which some writers begin UTF-8, which is no part of the text.
pub fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_called_what_they_are() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let zlib = [0x78, 0x9c, 0xab, 0x56, 0xca, 0x4c, 0x51];
        for (bytes, name) in [
            (&b""[..], "empty"),
            (b" \r\n", "blank"),
            (b"\x1f\x8b\x08\x00", "gzip-compressed"),
            (b"H4sIAAAA", "base64 of gzip"),
            (&zlib, "zlib-compressed"),
            (b"\xff\xfe{\x00", "UTF-16 (little-endian)"),
            (&utf16("{\"id\":1}"), "UTF-16 (little-endian)"),
            (b"\x00{\x00\"", "UTF-16 (big-endian)"),
            (b"\x00\x00\x00\x00\x07\x02a", "Avro by a schema registry (id 7)"),
            (b"\x00\x00\x00\x01\x00{}", "JSON behind the prefix of a schema registry (id 256)"),
            (b"{\"name\":\"Zo\xeb\"}", "not UTF-8 at byte 11"),
        ] {
            assert_eq!(nature(bytes).as_deref(), Some(name), "{bytes:?}");
        }
        for text in ["Message 1", "{\"id\":1", "[1]", "x^2", "Zoë", "\0"] {
            assert_eq!(nature(text.as_bytes()), None, "{text}");
        }
        assert_eq!(without_bom("\u{feff}{}".as_bytes()), b"{}");
    }
}
