//! Tokens of Amazon MSK for SASL/OAUTHBEARER, as
//! [AWS's signers](https://github.com/aws/aws-msk-iam-sasl-signer-python) make them.

use super::field;
use super::presigned::{Presigned, query};
use crate::issuer::IssueError;
use crate::partition;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use refreshable_api::MskToken;
use secrecy::{ExposeSecret as _, SecretString};

/// How long a cluster takes a token for new connections, in seconds.
const SECONDS: u32 = 900;
/// Name of the client, which AWS's signers add behind the signature.
const CLIENT: &str = "&User-Agent=refreshable";

/// The request to sign.
///
/// # Errors
/// [`IssueError::Specification`] for what cannot stand in a host name.
pub(super) fn presigned(token: &MskToken) -> Result<Presigned, IssueError> {
    field::region("msk.region", &token.region)?;
    let (region, domain) = (&token.region, partition::of_region(&token.region).domain);
    let parameters = query(&[("Action", "kafka-cluster:Connect")]);
    Ok(Presigned {
        url: format!("https://kafka.{region}.{domain}/?{parameters}"),
        headers: Vec::new(),
        service: "kafka-cluster",
        region: region.clone(),
        expires_in: SECONDS,
        valid: SignedDuration::from_secs(SECONDS.into()),
    })
}

/// The token of a signed URL.
pub(super) fn bearer(signed: &SecretString) -> SecretString {
    URL_SAFE_NO_PAD.encode(format!("{}{CLIENT}", signed.expose_secret())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_named_and_no_cluster() {
        for (region, host) in [
            ("eu-west-1", "kafka.eu-west-1.amazonaws.com"),
            ("cn-north-1", "kafka.cn-north-1.amazonaws.com.cn"),
        ] {
            let token = MskToken { region: region.to_owned() };
            let signed = presigned(&token).expect("it can be signed");
            let url = format!("https://{host}/?Action=kafka-cluster%3AConnect");
            assert_eq!((signed.url, signed.service), (url, "kafka-cluster"));
        }
        assert!(presigned(&MskToken { region: "a/b".to_owned() }).is_err());
    }

    #[test]
    fn a_token_is_the_signed_url_in_base64_with_the_client_s_name() {
        let bearer = bearer(&"https://x/?a=b".into());
        let url = URL_SAFE_NO_PAD.decode(bearer.expose_secret()).expect("base64");
        assert_eq!(url, b"https://x/?a=b&User-Agent=refreshable");
    }
}
