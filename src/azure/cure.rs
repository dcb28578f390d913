//! What to do about a service's refusal, by what the request was opened by.

use azure_core::http::RawResponse;
use azure_core::time::{OffsetDateTime, parse_rfc7231};

use super::access::Opener;

/// A clock that is further off makes the services refuse tokens and signatures.
const SKEW: i64 = 5 * 60;

/// What to do about a refusal with 401 or 403, given what the request was opened by and the least role it takes.
pub(super) fn cure(
    code: &str,
    opener: Opener,
    role: &str,
    answer: Option<&RawResponse>,
    now: OffsetDateTime,
) -> String {
    let skew = answer
        .and_then(|answer| parse_rfc7231(answer.headers().get_optional_str(&"date".into())?).ok())
        .map_or(0, |theirs| (now - theirs).whole_seconds());
    let text = match (code, opener) {
        ("AuthenticationFailed" | "InvalidAuthenticationInfo" | "NoAuthenticationInformation", _)
            if skew.abs() > SKEW =>
        {
            let side = if skew > 0 { "ahead of" } else { "behind" };
            return format!(
                "this machine's clock is {} min {side} the service's, so set it right",
                (skew.abs() + 30) / 60
            );
        }
        ("AuthenticationFailed" | "InvalidAuthenticationInfo" | "NoAuthenticationInformation", Opener::Token) => {
            "the service does not accept the token, so see that --credential gives one of the account's own tenant"
        }
        ("AuthenticationFailed", _) => {
            "the SAS has expired, is not valid yet, or is not signed by a key the account has now, so make a new one"
        }
        ("AuthorizationPermissionMismatch", Opener::Token) => {
            return format!("give the program's identity the role {role}, and wait up to 10 min until it is in force");
        }
        (
            "AuthorizationPermissionMismatch"
            | "AuthorizationServiceMismatch"
            | "AuthorizationResourceTypeMismatch"
            | "AuthorizationProtocolMismatch",
            _,
        ) => return format!("the SAS allows something else, so make one that allows what the role {role} does"),
        ("AuthorizationSourceIPMismatch", _) => {
            "the SAS is for other addresses than this machine's, so make one for these"
        }
        // What an emulator says of any SAS it does not like.
        ("AuthorizationFailure", Opener::Sas) => {
            "the account's firewall keeps this network out, or the SAS has expired or is wrong, so let the network \
             through or make a new SAS"
        }
        ("AuthorizationFailure", Opener::Token) => {
            "the account's firewall keeps this network out, so let it through or use a private endpoint"
        }
        ("KeyBasedAuthenticationNotPermitted", _) => {
            "the account takes no SAS made with its keys, so use --credential or a user delegation SAS"
        }
        ("AccountIsDisabled", _) => "the account is disabled, so look at its subscription",
        (_, Opener::Token) => {
            return format!(
                "give the program's identity the role {role}, or let its network through the account's firewall"
            );
        }
        (_, Opener::Sas) => "renew the SAS, or let this network through the account's firewall",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use azure_core::http::StatusCode;
    use azure_core::http::headers::Headers;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn every_refusal_has_a_cure_of_its_own() {
        let now = datetime!(2026-01-02 03:04:05 UTC);
        let cure = |code: &str, opener| cure(code, opener, "Storage Blob Data Reader", None, now);
        assert!(cure("AuthorizationPermissionMismatch", Opener::Token).contains("role Storage Blob Data Reader, and"));
        assert!(cure("AuthorizationPermissionMismatch", Opener::Sas).contains("the SAS allows something else"));
        assert!(cure("AuthorizationFailure", Opener::Token).contains("firewall keeps this network out"));
        assert!(cure("AuthenticationFailed", Opener::Sas).contains("has expired"));
        assert!(cure("InvalidAuthenticationInfo", Opener::Token).contains("tenant"));
        assert!(cure("Unheard", Opener::Token).contains("Storage Blob Data Reader, or let its network"));
        assert!(cure("Unheard", Opener::Sas).contains("renew the SAS"));
    }

    #[test]
    fn a_clock_that_is_off_is_what_is_told() {
        let mut headers = Headers::new();
        headers.insert("date", "Fri, 02 Jan 2026 03:04:05 GMT");
        let answer = RawResponse::from_bytes(StatusCode::Forbidden, headers, "");
        let at = |now| cure("AuthenticationFailed", Opener::Sas, "", Some(&answer), now);
        assert!(at(datetime!(2026-01-02 03:54:05 UTC)).contains("clock is 50 min ahead of the service's"));
        assert!(at(datetime!(2026-01-02 02:54:05 UTC)).contains("clock is 10 min behind the service's"));
        assert!(at(datetime!(2026-01-02 03:06:05 UTC)).contains("the SAS has expired"));
    }
}
