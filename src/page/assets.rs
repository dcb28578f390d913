//! The page itself: files that are part of the program.

use axum::http::HeaderMap;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// One file.
pub(super) struct Asset {
    /// Where it is served.
    pub(super) path: &'static str,
    kind: &'static str,
    text: &'static str,
}

macro_rules! asset {
    ($path:literal, $kind:literal, $file:literal) => {
        Asset { path: $path, kind: $kind, text: include_str!(concat!("web/", $file)) }
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! script {
    ($file:literal) => {
        Asset { path: concat!("/page/", $file), kind: SCRIPT, text: include_str!(concat!("web/", $file)) }
    };
}

/// What whoever may look gets.
pub(super) const PAGE: Asset = asset!("/", "text/html; charset=utf-8", "index.html");

/// What whoever may not look yet gets instead.
pub(super) const LOGIN: Asset = asset!("/page/login", "text/html; charset=utf-8", "login.html");

/// What both need. There is nothing in them that anybody may not see.
pub(super) const PARTS: [Asset; 11] = [
    asset!("/page/style.css", "text/css; charset=utf-8", "style.css"),
    asset!("/page/icon.svg", "image/svg+xml", "icon.svg"),
    script!("theme.js"),
    script!("main.js"),
    script!("feed.js"),
    script!("dom.js"),
    script!("text.js"),
    script!("flow.js"),
    script!("chart.js"),
    script!("rows.js"),
    script!("lists.js"),
];

/// Changes with any of them, so that a page of a former version is known for one.
pub(super) fn build() -> String {
    let all = [&PAGE, &LOGIN].into_iter().chain(&PARTS);
    format!("{:016x}", all.flat_map(|asset| asset.text.bytes()).fold(FNV, fnv))
}

/// FNV-1a.
const FNV: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

impl Asset {
    /// The file, or that it is the same as before.
    pub(super) fn answer(&self, headers: &HeaderMap, status: StatusCode) -> Response {
        let tag = format!("\"{:016x}\"", self.text.bytes().fold(FNV, fnv));
        let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
        let of = [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache".to_owned())];
        if known && status == StatusCode::OK {
            return (StatusCode::NOT_MODIFIED, of).into_response();
        }
        (status, of, [(header::CONTENT_TYPE, self.kind)], self.text).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_from_elsewhere_and_nothing_stands_inline() {
        for asset in [&PAGE, &LOGIN].into_iter().chain(&PARTS) {
            let text = asset.text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("://"), "{} names another place", asset.path);
            for word in ["innerHTML", "insertAdjacentHTML", "document.write", "eval(", " style=", " onclick=", "<style"]
            {
                assert!(!text.contains(word), "{} has {word}", asset.path);
            }
            assert!(!text.contains("<script>"), "{} has an inline script", asset.path);
            assert!(asset.text.lines().count() < 350, "{} is long", asset.path);
        }
    }

    #[test]
    fn what_files_import_is_served() {
        for asset in &PARTS {
            for line in asset.text.lines().filter(|line| line.starts_with("import ")) {
                let file = line.rsplit('"').nth(1).unwrap().trim_start_matches("./");
                assert!(PARTS.iter().any(|part| part.path == format!("/page/{file}")), "{}: {line}", asset.path);
            }
        }
    }
}
