//! The certificates that an endpoint is trusted by: those in the specification, or those in an
//! object that it names.
//!
//! An object is read at each attempt, so that the next attempt trusts its present certificates.
//! They only serve to reach the issuer, so a change does not renew published credentials.

use super::Inputs;
use crate::certificate::authorities;
use refreshable_api::{CaBundleReference, StsSpec};
use refreshable_rules::input_object::InputObject;
use refreshable_rules::issuer::IssueError;
use std::borrow::Cow;

/// The certificates (PEM) to trust instead of the system's, by `caBundle` and `caBundleRef` of that
/// part of the specification; `None` where neither is set.
///
/// # Errors
/// [`IssueError::InputMissing`] for an object or a key that does not exist,
/// [`IssueError::InputInvalid`] for data that is not a list of certificates,
/// [`IssueError::Specification`] where both are set.
pub async fn ca_bundle<'a>(
    part: &str,
    inline: Option<&'a str>,
    reference: Option<&CaBundleReference>,
    inputs: &dyn Inputs,
) -> Result<Option<Cow<'a, str>>, IssueError> {
    match (inline, reference) {
        (inline, None) => Ok(inline.map(Cow::Borrowed)),
        // An object that was stored under an older CRD may have both.
        (Some(_), Some(_)) => Err(IssueError::Specification {
            field: part.to_owned(),
            what: "set caBundle or caBundleRef, not both".to_owned(),
        }),
        (None, Some(reference)) => read(reference, inputs).await.map(|pem| Some(Cow::Owned(pem))),
    }
}

async fn read(reference: &CaBundleReference, inputs: &dyn Inputs) -> Result<String, IssueError> {
    let object = InputObject::from(reference);
    let held = inputs.trust(&object).await?;
    authorities(held.bytes(reference.key())?).map_err(|what| held.invalid(reference.key(), &what))
}

/// `spec` with the certificates to trust.
///
/// # Errors
/// As [`ca_bundle`].
pub async fn trusting(spec: &StsSpec, inputs: &dyn Inputs) -> Result<StsSpec, IssueError> {
    let (inline, reference) = (spec.ca_bundle.as_deref(), spec.ca_bundle_ref.as_ref());
    let trusted = ca_bundle("spec.sts", inline, reference, inputs).await?.map(Cow::into_owned);
    Ok(StsSpec { ca_bundle: trusted, ca_bundle_ref: None, ..spec.clone() })
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{Desk, issue_with};
    use super::*;
    use refreshable_api::conditions::Reason;
    use serde_json::{Value, json};

    fn certificate() -> String {
        let key = rcgen::KeyPair::generate().expect("a key");
        rcgen::CertificateParams::default().self_signed(&key).expect("a certificate").pem()
    }

    /// A ConfigMap and a Secret of one name, each with its own certificate, and invalid others.
    fn desk(of_map: &str, of_secret: &str) -> Desk {
        let map = |name: &str| InputObject::ConfigMap(name.to_owned());
        Desk::default()
            .with_object(
                map("ca"),
                &[("ca.crt", of_map.as_bytes()), ("trust-bundle.pem", of_secret.as_bytes())],
            )
            .with("ca", &[("ca.crt", of_secret.as_bytes()), ("text", b"s3cr3t")])
            .with_object(
                map("wrong"),
                &[("ca.crt", b"-----BEGIN CERTIFICATE-----\ns3cr3t"), ("empty", b"")],
            )
    }

    async fn resolved(
        inline: Option<&str>,
        reference: Value,
        desk: &Desk,
    ) -> Result<Option<String>, IssueError> {
        let reference: Option<CaBundleReference> =
            serde_json::from_value(reference).expect("a reference");
        ca_bundle("spec.sts", inline, reference.as_ref(), desk)
            .await
            .map(|found| found.map(Cow::into_owned))
    }

    #[tokio::test]
    async fn certificates_come_from_the_specification_or_from_what_it_names() {
        let (of_map, of_secret) = (certificate(), certificate());
        let desk = desk(&of_map, &of_secret);
        for (inline, reference, expected) in [
            (None, json!(null), None),
            (Some("as it stands"), json!(null), Some("as it stands")),
            (None, json!({"name": "ca"}), Some(of_map.as_str())),
            (None, json!({"name": "ca", "kind": "ConfigMap", "key": "ca.crt"}), Some(&of_map)),
            (None, json!({"name": "ca", "key": "trust-bundle.pem"}), Some(&of_secret)),
            (None, json!({"name": "ca", "kind": "Secret"}), Some(&of_secret)),
        ] {
            let found = resolved(inline, reference.clone(), &desk).await.expect("resolved");
            let bare = |pem: &str| pem.replace("\r\n", "\n").trim().to_owned();
            assert_eq!(found.as_deref().map(bare), expected.map(bare), "{reference}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_trusted_is_said_with_its_kind_and_without_its_content() {
        let desk = desk(&certificate(), &certificate());
        for (inline, reference, reason, words) in [
            (
                None,
                json!({"name": "no"}),
                Reason::InputMissing,
                "ConfigMap no does not exist in this namespace",
            ),
            (
                None,
                json!({"name": "no", "kind": "Secret"}),
                Reason::InputMissing,
                "Secret no does not exist",
            ),
            (
                None,
                json!({"name": "ca", "key": "k"}),
                Reason::InputMissing,
                "ConfigMap ca, key k does not exist",
            ),
            (
                None,
                json!({"name": "wrong"}),
                Reason::InputInvalid,
                "ConfigMap wrong, key ca.crt: this is not a list",
            ),
            (
                None,
                json!({"name": "wrong", "key": "empty"}),
                Reason::InputInvalid,
                "key empty: it holds no certificate",
            ),
            (
                None,
                json!({"name": "ca", "kind": "Secret", "key": "text"}),
                Reason::InputInvalid,
                "Secret ca, key text: it holds no certificate",
            ),
            (
                Some("x"),
                json!({"name": "ca"}),
                Reason::InvalidSpecification,
                "spec.sts: set caBundle or caBundleRef",
            ),
        ] {
            let error = resolved(inline, reference, &desk).await.expect_err(words);
            let message = error.failure().message;
            assert_eq!(error.reason(), reason, "{message}");
            assert!(message.contains(words) && !message.contains("s3cr3t"), "{message}");
            if reason == Reason::InputInvalid {
                assert!(
                    message.contains("Correct the ") && message.contains("the change is noticed"),
                    "{message}"
                );
            }
        }
        let correct = resolved(None, json!({"name": "wrong"}), &desk)
            .await
            .expect_err("wrong")
            .failure()
            .message;
        assert!(correct.contains("Correct the ConfigMap"), "{correct}");
    }

    #[tokio::test]
    async fn sts_is_given_what_was_read_and_nothing_to_read() {
        let of_map = certificate();
        let desk = desk(&of_map, &of_map);
        let sts = |spec: Value| serde_json::from_value::<StsSpec>(spec).expect("a specification");
        let read =
            trusting(&sts(json!({"region": "eu-west-1", "caBundleRef": {"name": "ca"}})), &desk)
                .await;
        let read = read.expect("read");
        assert!(
            read.ca_bundle.is_some_and(|pem| pem.contains("BEGIN CERTIFICATE"))
                && read.ca_bundle_ref.is_none()
        );
        assert_eq!(read.region.as_deref(), Some("eu-west-1"));
        let plain = sts(json!({"endpoint": "https://sts.example.com", "caBundle": "x"}));
        assert_eq!(trusting(&plain, &desk).await.expect("nothing to read"), plain);
    }

    #[tokio::test]
    async fn every_source_with_an_endpoint_reads_its_bundle_before_it_calls() {
        let device = rcgen::KeyPair::generate().expect("a key");
        let pem =
            rcgen::CertificateParams::default().self_signed(&device).expect("a certificate").pem();
        let desk = desk(&pem, &pem).with(
            "device",
            &[("tls.crt", pem.as_bytes()), ("tls.key", device.serialize_pem().as_bytes())],
        );
        let arn = |kind: &str| format!("arn:aws:rolesanywhere:eu-west-1:111122223333:{kind}/a");
        for (source, part) in [
            (json!({"custom": {"http": {"url": "https://127.0.0.1:1/"}}}), "/custom/http"),
            (
                json!({"iot": {"endpoint": "127.0.0.1:1", "roleAlias": "a", "certificateSecretRef": {"name": "device"}}}),
                "/iot",
            ),
            (
                json!({"rolesAnywhere": {
                    "trustAnchorArn": arn("trust-anchor"), "profileArn": arn("profile"),
                    "roleArn": "arn:aws:iam::111122223333:role/x", "certificateSecretRef": {"name": "device"},
                    "endpoint": "https://127.0.0.1:1",
                }}),
                "/rolesAnywhere",
            ),
        ] {
            let with = |reference: Value| {
                let mut source = source.clone();
                source.pointer_mut(part).expect("the source")["caBundleRef"] = reference;
                source
            };
            let error = issue_with(with(json!({"name": "no"})), json!([]), &desk)
                .await
                .expect_err("not there");
            assert_eq!(error.reason(), Reason::InputMissing, "{part}: {error}");
            let error = issue_with(with(json!({"name": "ca"})), json!([]), &desk)
                .await
                .expect_err("a closed port");
            assert_eq!(error.reason(), Reason::IssuerUnavailable, "{part}: {error}");
            let mut both = with(json!({"name": "ca"}));
            both.pointer_mut(part).expect("the source")["caBundle"] = pem.as_str().into();
            let error = issue_with(both, json!([]), &desk).await.expect_err("both are set");
            let named = format!(
                "spec.source{}: set caBundle or caBundleRef, not both",
                part.replace('/', ".")
            );
            assert!(error.to_string().contains(&named), "{error}");
        }
    }
}
