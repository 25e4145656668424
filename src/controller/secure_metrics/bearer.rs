//! The bearer token of a request ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).

use super::refusal::Refusal;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::SecretString;

const SCHEME: &str = "bearer";

/// The token in `Authorization`. Its form is not that of a JWT alone: Kubernetes knows others, such
/// as those of its authentication webhooks.
///
/// # Errors
/// [`Refusal::NoToken`], [`Refusal::NotBearer`].
pub(super) fn bearer(headers: &HeaderMap) -> Result<SecretString, Refusal> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let sent = match (sent.next(), sent.next()) {
        (None, _) => return Err(Refusal::NoToken),
        (Some(sent), None) => sent,
        (Some(_), Some(_)) => return Err(Refusal::NotBearer),
    };
    let sent = sent.to_str().map_err(|_| Refusal::NotBearer)?;
    let (scheme, token) = sent.trim().split_once(' ').ok_or(Refusal::NotBearer)?;
    let token = token.trim_start();
    let printable = token.bytes().all(|b| b.is_ascii_graphic());
    if !scheme.eq_ignore_ascii_case(SCHEME) || token.is_empty() || !printable {
        return Err(Refusal::NotBearer);
    }
    Ok(token.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use secrecy::ExposeSecret as _;

    #[test]
    fn one_token_is_taken_and_nothing_else() {
        for (sent, token) in [
            ("Bearer a.b-c_d~e+f/g=", Ok("a.b-c_d~e+f/g=")),
            ("bearer abc", Ok("abc")),
            ("BEARER   abc", Ok("abc")),
            ("  Bearer abc  ", Ok("abc")),
            ("Bearer sha256~x", Ok("sha256~x")),
            ("", Err(Refusal::NotBearer)),
            ("Bearer", Err(Refusal::NotBearer)),
            ("Bearer ", Err(Refusal::NotBearer)),
            ("Bearer a b", Err(Refusal::NotBearer)),
            ("Bearer a\tb", Err(Refusal::NotBearer)),
            ("Bearer\tabc", Err(Refusal::NotBearer)),
            ("Bearerabc", Err(Refusal::NotBearer)),
            ("Basic dXNlcjpwYXNz", Err(Refusal::NotBearer)),
            ("abc", Err(Refusal::NotBearer)),
            ("Bearer \u{fc}", Err(Refusal::NotBearer)),
        ] {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_bytes(sent.as_bytes()).expect("a header's value");
            headers.insert(AUTHORIZATION, value);
            let taken = bearer(&headers);
            assert_eq!(
                taken.as_ref().map(|t| t.expose_secret()).map_err(|e| *e),
                token,
                "{sent:?}"
            );
        }
    }

    #[test]
    fn no_token_and_two_tokens_are_refused() {
        let mut headers = HeaderMap::new();
        assert_eq!(bearer(&headers).err(), Some(Refusal::NoToken));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        assert_eq!(bearer(&headers).err(), Some(Refusal::NotBearer));
    }
}
