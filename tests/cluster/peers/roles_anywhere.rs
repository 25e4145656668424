//! IAM Roles Anywhere, against a stand-in that verifies signatures and that AWS's own Python
//! session accepts.

use super::{Desk, Session, Stage, allow, honoured, in_token, python, with_token};
use crate::harness::certificates::Authority;
use crate::harness::scratch;
use crate::harness::standin::{Asked, StandIn};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use refreshable_issuers::certificate::{Certificate, KeyKind};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Whether the request is signed by the key of the certificate that it carries.
fn verify(asked: &Asked) -> Result<Certificate, String> {
    let authorization = asked.header("authorization");
    let (algorithm, rest) = authorization.split_once(' ').ok_or("no authorization")?;
    let part = |name: &str| {
        let found = rest.split(", ").find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
        found.map(str::to_owned).ok_or(format!("no {name}"))
    };
    let (credential, names, signature) =
        (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
    let headers: String =
        names.split(';').map(|n| format!("{n}:{}\n", asked.header(n).trim())).collect();
    let der = STANDARD.decode(asked.header("x-amz-x509")).map_err(|e| e.to_string())?;
    let certificate =
        Certificate::parse(pem::encode(&pem::Pem::new("CERTIFICATE", der)).as_bytes())?;
    let (serial, scope) = credential.split_once('/').ok_or("no scope")?;
    if serial != certificate.serial {
        return Err(format!("serial {serial} is not {}", certificate.serial));
    }
    for needed in ["host", "x-amz-date", "x-amz-x509", "content-type"] {
        if !names.split(';').any(|n| n == needed) {
            return Err(format!("{needed} is not signed"));
        }
    }
    let path = asked.what.strip_prefix("POST ").ok_or("no POST")?;
    let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let canonical = format!("POST\n{path}\n\n{headers}\n{names}\n{}", digest(&asked.body));
    let date = asked.header("x-amz-date");
    let signed = format!("{algorithm}\n{date}\n{scope}\n{}", digest(canonical.as_bytes()));
    let (verifier, expected): (&'static dyn VerificationAlgorithm, _) = match certificate.kind {
        KeyKind::Rsa => (&RSA_PKCS1_2048_8192_SHA256, "AWS4-X509-RSA-SHA256"),
        KeyKind::P256 => (&ECDSA_P256_SHA256_ASN1, "AWS4-X509-ECDSA-SHA256"),
        KeyKind::P384 => (&ECDSA_P384_SHA256_ASN1, "AWS4-X509-ECDSA-SHA256"),
    };
    if algorithm != expected {
        return Err(format!("{algorithm} for a key of another kind"));
    }
    let signature = hex::decode(signature).map_err(|e| e.to_string())?;
    UnparsedPublicKey::new(verifier, &certificate.public_key)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| "the signature does not fit".to_owned())?;
    Ok(certificate)
}

fn created(session: &Session) -> Value {
    json!({
        "credentialSet": [{
            "assumedRoleUser": {"arn": session.arn, "assumedRoleId": "AROAEXAMPLE:peer"},
            "credentials": session.small(), "packedPolicySize": 6, "roleArn": "arn", "sourceIdentity": "CN=x",
        }],
        "subjectArn": "arn:aws:rolesanywhere:eu-west-1:111122223333:subject/0",
    })
}

async fn roles_anywhere(desk: Desk, authority: &Authority) -> StandIn {
    StandIn::over_tls(&authority.server("rolesanywhere", &[]), move |asked| {
        let desk = desk.clone();
        async move {
            match verify(&asked) {
                Err(why) => (403, json!({"message": why})),
                Ok(_) if asked.json()["roleArn"] != desk.role.as_str() => {
                    (403, json!({"message": "not this role"}))
                }
                Ok(_) => (201, created(&desk.session().await)),
            }
        }
    })
    .await
}

/// A certificate by an intermediate authority, with its key.
struct Issued {
    certificate: String,
    chain: String,
    key: String,
}

fn certificate(algorithm: &'static rcgen::SignatureAlgorithm, serial: u8) -> Issued {
    let authority_key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, authority_key).expect("an authority");
    let key = KeyPair::generate_for(algorithm).expect("a key");
    let mut params = CertificateParams::default();
    params.serial_number = Some(vec![serial, 0xff, 0x01].into());
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    Issued { certificate: certificate.pem(), chain: authority.pem(), key: key.serialize_pem() }
}

#[tokio::test]
async fn each_kind_of_key_signs_and_a_renewed_certificate_is_picked_up() {
    let stage = Stage::set().await;
    let desk = Desk::of(&stage, "anywhere").await;
    let role = desk.role.clone();
    let authority = Authority::new(&scratch::subfolder("rolesanywhere"));
    let peer = roles_anywhere(desk, &authority).await;
    let host = peer.url().trim_start_matches("https://");
    let trusted = authority.certificate_file().display().to_string();
    allow(&stage, "anywhere", json!({"urls": [peer.url()]})).await;
    let (anchor, profile) = (
        "arn:aws:rolesanywhere:eu-west-1:111122223333:trust-anchor/01234567-89ab-cdef-0123-456789abcdef",
        "arn:aws:rolesanywhere:eu-west-1:111122223333:profile/01234567-89ab-cdef-0123-456789abcdef",
    );
    let spec = |secret: &str| {
        json!({"source": {"rolesAnywhere": {
            "trustAnchorArn": anchor, "profileArn": profile, "roleArn": role, "durationSeconds": 3600,
            "certificateSecretRef": {"name": secret}, "endpoint": peer.url(), "caBundle": authority.certificate(),
        }}})
    };
    let kinds = [
        ("rsa", &rcgen::PKCS_RSA_SHA256),
        ("p256", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("p384", &rcgen::PKCS_ECDSA_P384_SHA384),
    ];
    for (name, algorithm) in kinds {
        let issued = certificate(algorithm, 0x11);
        let arguments = [
            host,
            &trusted,
            profile,
            &role,
            anchor,
            &issued.certificate,
            &issued.key,
            &issued.chain,
        ];
        let accepted = python("roles_anywhere.py", &arguments, &[]).await;
        assert!(
            accepted["AccessKeyId"].is_string(),
            "AWS's session accepts the stand-in with {name}"
        );
        for (suffix, chain) in [("alone", ""), ("chain", issued.chain.as_str())] {
            let name = format!("{name}-{suffix}");
            let both = format!("{}{chain}", issued.certificate);
            let secret = format!("{name}-tls");
            stage.secret(&secret, &[("tls.crt", &both), ("tls.key", &issued.key)]).await;
            stage.credential(&name, spec(&secret)).await;
            assert!(honoured(&stage, &name).await.contains(":assumed-role/anywhere/"));
            let asked = peer.asked("POST /sessions").pop().expect("a request");
            assert_eq!(asked.headers.contains_key("x-amz-x509-chain"), !chain.is_empty());
        }
    }

    let labels = json!({"metadata": {"labels": {"refreshable.dev/watch": "true"}}});
    let secrets = stage.namespace.api::<Secret>();
    let change = async |patch: Value| {
        secrets
            .patch("p256-alone-tls", &PatchParams::default(), &Patch::Merge(patch))
            .await
            .expect("changed");
    };
    change(labels).await;
    stage.until("p256-alone", "True", "Issued").await;
    let renewed = certificate(&rcgen::PKCS_ECDSA_P256_SHA256, 0x22);
    change(json!({"stringData": {"tls.crt": renewed.certificate, "tls.key": renewed.key}})).await;
    crate::harness::eventually(
        super::super::stage::SOON,
        "the new certificate signs",
        async || {
            let asked = peer.asked("POST /sessions").pop().expect("a request");
            let serial = verify(&asked).map(|c| c.serial);
            if serial == Ok((0x22_ff01).to_string()) { Ok(()) } else { Err(format!("{serial:?}")) }
        },
    )
    .await;
    stage.until("p256-alone", "True", "Issued").await;

    let other = json!({"source": {"rolesAnywhere": {
        "trustAnchorArn": anchor, "profileArn": profile, "roleArn": "arn:aws:iam::111122223333:role/other",
        "certificateSecretRef": {"name": "p256-alone-tls"}, "endpoint": peer.url(), "caBundle": authority.certificate(),
    }}});
    stage.credential("other", other).await;
    let refused = stage.until("other", "False", "AccessDenied").await;
    let failure = refused.status.and_then(|s| s.failures).expect("a failure");
    assert!(failure.message.contains("not this role"), "{}", failure.message);
    stage.strike().await;
}

#[tokio::test]
async fn keys_in_a_token_sign_too() {
    let stage = Stage::without_controller().await;
    let desk = Desk::of(&stage, "anywhere-hsm").await;
    let role = desk.role.clone();
    let authority = Authority::new(&scratch::subfolder("rolesanywhere"));
    let peer = roles_anywhere(desk, &authority).await;
    let kinds = [
        ("rsa", certificate(&rcgen::PKCS_RSA_SHA256, 0x31)),
        ("p256", certificate(&rcgen::PKCS_ECDSA_P256_SHA256, 0x32)),
        ("p384", certificate(&rcgen::PKCS_ECDSA_P384_SHA384, 0x33)),
    ];
    let folder = scratch::subfolder("keys");
    let keys = kinds
        .each_ref()
        .map(|(name, issued)| ((*name).to_owned(), scratch::write(folder.join(name), &issued.key)));
    let stage = with_token(stage, keys.into()).await;
    allow(&stage, "anywhere", json!({"urls": [peer.url()], "pkcs11Tokens": [{"module": "softhsm", "tokenLabels": ["bench"]}]})).await;
    stage.secret("company-ca", &[("trust-bundle.pem", &authority.certificate())]).await;
    let arn = "arn:aws:rolesanywhere:eu-west-1:111122223333";
    for (name, issued) in kinds {
        let secret = format!("{name}-certificate");
        stage.secret(&secret, &[("tls.crt", &issued.certificate)]).await;
        let source = json!({
            "trustAnchorArn": format!("{arn}:trust-anchor/0"), "profileArn": format!("{arn}:profile/0"), "roleArn": role,
            "certificateSecretRef": {"name": secret}, "pkcs11": in_token(name, "pin"), "endpoint": peer.url(),
            "caBundleRef": {"kind": "Secret", "name": "company-ca", "key": "trust-bundle.pem"},
        });
        stage.credential(name, json!({"source": {"rolesAnywhere": source}})).await;
        assert!(honoured(&stage, name).await.contains(":assumed-role/anywhere-hsm/"), "{name}");
    }
    stage.strike().await;
}
