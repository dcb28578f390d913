//! As much of PostgreSQL's protocol as stands before a session: pure.

/// What a client begins with: the length of the whole and what it wants, eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// To speak TLS.
    Tls,
    /// To speak GSSAPI encryption.
    Gss,
    /// To cancel a statement; so many bytes follow.
    Cancel(usize),
    /// A session; so many bytes follow.
    Startup(usize),
    /// Something else.
    Unknown,
}

/// Length of a beginning.
pub(super) const BEGINNING: usize = 8;
/// As PostgreSQL's own limit.
const LONGEST: usize = 10_000;

impl Beginning {
    pub(super) fn of(bytes: [u8; BEGINNING]) -> Self {
        let [a, b, c, d, code @ ..] = bytes;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(rest) = length.checked_sub(BEGINNING).filter(|_| length <= LONGEST) else { return Beginning::Unknown };
        match u32::from_be_bytes(code) {
            80_877_102 => Beginning::Cancel(rest),
            80_877_103 if rest == 0 => Beginning::Tls,
            80_877_104 if rest == 0 => Beginning::Gss,
            version if version >> 16 == 3 => Beginning::Startup(rest),
            _ => Beginning::Unknown,
        }
    }
}

/// What a server says before a session, by its first bytes, and how many follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// Something about a proof of who the client is, which the next [`KIND`] bytes tell.
    Proof(usize),
    /// A remark.
    Remark(usize),
    /// It refuses.
    Refusal(usize),
    /// Something that has no place here.
    Nonsense,
}

/// Length of what tells one from the other.
pub(super) const HEAD: usize = 5;
/// Length of what a proof is about.
pub(super) const KIND: usize = 4;
/// No proof is wanted any more: the client is let in.
pub(super) const ADMITTED: [u8; KIND] = [0; KIND];

impl Said {
    pub(super) fn of(head: [u8; HEAD]) -> Self {
        let [tag, length @ ..] = head;
        let Some(rest) = (u32::from_be_bytes(length) as usize).checked_sub(4).filter(|rest| *rest <= LONGEST * 4)
        else {
            return Said::Nonsense;
        };
        match tag {
            b'R' if rest >= KIND => Said::Proof(rest - KIND),
            b'v' | b'N' => Said::Remark(rest),
            b'E' => Said::Refusal(rest),
            _ => Said::Nonsense,
        }
    }
}

/// An error that ends the connection.
pub(super) fn refusal(code: &str, message: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (field, text) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', code), (b'M', message)] {
        body.push(field);
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [b"E", &length.to_be_bytes()[..], &body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beginning(length: u32, code: u32) -> Beginning {
        let bytes = [length.to_be_bytes(), code.to_be_bytes()].concat();
        Beginning::of(bytes.try_into().unwrap())
    }

    #[test]
    fn beginnings_are_told_apart() {
        assert_eq!(beginning(8, 80_877_103), Beginning::Tls);
        assert_eq!(beginning(8, 80_877_104), Beginning::Gss);
        assert_eq!(beginning(16, 80_877_102), Beginning::Cancel(8));
        assert_eq!(beginning(40, 3 << 16), Beginning::Startup(32));
        assert_eq!(beginning(40, (3 << 16) + 2), Beginning::Startup(32));
        // A wrong length, an older protocol, one that is too long, one shorter than itself, TLS without asking, HTTP.
        for (length, code) in [(9, 80_877_103), (40, 2 << 16), (10_001, 3 << 16), (7, 3 << 16), (0x1603_0102, 1)] {
            assert_eq!(beginning(length, code), Beginning::Unknown, "{length} {code}");
        }
        assert_eq!(Beginning::of(*b"GET / HT"), Beginning::Unknown);
    }

    #[test]
    fn what_a_server_says_is_told_apart() {
        let said = |tag: u8, length: u32| {
            let bytes = [&[tag][..], &length.to_be_bytes()].concat();
            Said::of(bytes.try_into().unwrap())
        };
        assert_eq!(said(b'R', 8), Said::Proof(0));
        assert_eq!(said(b'R', 12), Said::Proof(4));
        assert_eq!(said(b'E', 54), Said::Refusal(50));
        assert_eq!(said(b'v', 12), Said::Remark(8));
        for (tag, length) in [(b'R', 4), (b'R', 3), (b'E', u32::MAX), (b'Z', 5)] {
            assert_eq!(said(tag, length), Said::Nonsense);
        }
    }

    #[test]
    fn a_refusal_is_an_error_message() {
        let bytes = refusal("28000", "no");
        assert_eq!(bytes, b"E\0\0\0\x1eSFATAL\0VFATAL\0C28000\0Mno\0\0");
        assert_eq!(Said::of(bytes[..HEAD].try_into().unwrap()), Said::Refusal(bytes.len() - HEAD));
    }
}
