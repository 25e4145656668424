//! Requests that are signed and never sent: the URL with its signature is the token, and the service
//! that gets it sees whose session signed.

use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};

/// Characters that [SigV4](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)
/// has encoded.
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A GET to sign in its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presigned {
    /// The URL without the signature.
    pub url: String,
    /// Further headers that are signed.
    pub headers: Vec<(&'static str, String)>,
    /// Name of the service in the signature.
    pub service: &'static str,
    /// Region in the signature.
    pub region: String,
    /// `X-Amz-Expires`, in seconds.
    pub expires_in: u32,
    /// How long the service takes the token, from its signature.
    pub valid: SignedDuration,
}

impl Presigned {
    /// When a token that is signed at `now` ends. Signatures are dated to the second.
    pub fn end(&self, now: Timestamp) -> Timestamp {
        let dated = Timestamp::from_second(now.as_second()).unwrap_or(now);
        dated.checked_add(self.valid).unwrap_or(dated)
    }
}

/// A signed URL as databases and caches take it for a password.
pub(super) fn without_scheme(signed: &SecretString) -> SecretString {
    let url = signed.expose_secret();
    url.split_once("://").map_or(url, |(_, rest)| rest).into()
}

/// Parameters of a query.
pub(super) fn query(parameters: &[(&str, &str)]) -> String {
    let pair =
        |(name, value): &(&str, &str)| format!("{name}={}", utf8_percent_encode(value, &ENCODED));
    parameters.iter().map(pair).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_signed_url_without_its_scheme() {
        for scheme in ["https", "http"] {
            let password = without_scheme(&format!("{scheme}://db:5432/?a=b").into());
            assert_eq!(password.expose_secret(), "db:5432/?a=b");
        }
    }

    #[test]
    fn a_query_is_encoded_as_aws_does() {
        let found = query(&[("Action", "connect"), ("DBUser", "a-b.c_d~e@f/g:h+i%&=ä")]);
        assert_eq!(found, "Action=connect&DBUser=a-b.c_d~e%40f%2Fg%3Ah%2Bi%25%26%3D%C3%A4");
    }
}
