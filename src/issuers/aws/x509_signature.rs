//! The [signature of IAM Roles
//! Anywhere](https://docs.aws.amazon.com/rolesanywhere/latest/userguide/authentication-sign-process.html):
//! Signature Version 4's shape, made with a certificate's private key.
//!
//! It is our own because the SDK's signer (`aws-sigv4`) signs with an access key or derives a key
//! from one, and AWS publishes this kind of signature only inside a program (`aws_signing_helper`).

use crate::certificate::{Certificate, KeyKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

/// Parts of a request that are signed.
pub struct Signed<'a> {
    /// The host, with its port where the URL has one.
    pub host: &'a str,
    /// The path.
    pub path: &'a str,
    /// The body, which is JSON.
    pub body: &'a str,
    /// The Region.
    pub region: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// Type of the body.
pub const CONTENT_TYPE: &str = "application/json";

/// The headers to send with the request, the last of them `Authorization`. `sign` signs the SHA-256
/// digest of its argument.
///
/// # Errors
/// Errors of `sign`.
pub fn headers(
    request: &Signed<'_>,
    certificate: &Certificate,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, String>,
) -> Result<Vec<(String, String)>, String> {
    let time = request.now.to_zoned(TimeZone::UTC);
    let (moment, day) =
        (time.strftime("%Y%m%dT%H%M%SZ").to_string(), time.strftime("%Y%m%d").to_string());
    let mut encoded = certificate.chain.iter().map(|c| STANDARD.encode(c));
    let own = encoded.next().unwrap_or_default();
    let chain = encoded.collect::<Vec<_>>().join(",");
    let mut headers = vec![
        ("content-type", CONTENT_TYPE.to_owned()),
        ("host", request.host.to_owned()),
        ("x-amz-date", moment.clone()),
        ("x-amz-x509", own),
    ];
    if !chain.is_empty() {
        headers.push(("x-amz-x509-chain", chain));
    }
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let digest = |text: &str| hex::encode(Sha256::digest(text.as_bytes()));
    let canonical = format!("POST\n{}\n\n{lines}\n{names}\n{}", request.path, digest(request.body));
    let algorithm = match certificate.kind {
        KeyKind::Rsa => "AWS4-X509-RSA-SHA256",
        KeyKind::P256 | KeyKind::P384 => "AWS4-X509-ECDSA-SHA256",
    };
    let scope = format!("{day}/{}/rolesanywhere/aws4_request", request.region);
    let to_sign = format!("{algorithm}\n{moment}\n{scope}\n{}", digest(&canonical));
    let signature = hex::encode(sign(to_sign.as_bytes())?);
    let credential = format!("{}/{scope}", certificate.serial);
    let authorization = format!(
        "{algorithm} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    );
    headers.push(("authorization", authorization));
    // The host is the HTTP client's to send.
    headers.retain(|(name, _)| *name != "host");
    Ok(headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
