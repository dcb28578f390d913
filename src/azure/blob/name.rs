/// Why a text cannot name a blob, or nothing if it can. The rule is the stricter of Azure's and a file system's, so
/// that a name valid for one backend is valid for every other and none leads out of a directory.
pub(super) fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > 1024 {
        return Some("a blob name has 1 to 1024 bytes");
    }
    if name.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        return Some("no part of a blob name between slashes is empty, . or ..");
    }
    if name.contains(['\\', '\0']) {
        return Some("a blob name has no backslash and no NUL");
    }
    if name.split('/').next() == Some(PARTIAL) {
        return Some("names below .partial are kept for uploads in progress");
    }
    None
}

/// The first part of the names of unfinished uploads in a directory.
pub(super) const PARTIAL: &str = ".partial";

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn names_stay_inside_their_container() {
        for good in ["a", "ns/hub/0/2026/01/02/03/04/05.avro", "a b+c%d", ".hidden", "a/.partial"] {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in ["", "/etc/passwd", "a//b", "a/", "../a", "a/../b", "./a", "a\\b", ".partial/x"] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }
}
