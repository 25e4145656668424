//! Whatever an issuer, a Secret or a program returns, its parser terminates, does not panic, and
//! reveals nothing of it.
//!
//! Cases are good inputs with bytes changed, cut or repeated, and random bytes. `PROPTEST_CASES`
//! sets their number; `make fuzz` runs many more than the tests.

use super::sso_token::SsoToken;
use crate::certificate::{Certificate, PrivateKey};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;
use refreshable_rules::issuer::json;
use std::sync::LazyLock;

/// Placeholder for a secret in every good input.
const SECRET: &str = "s3cr3tS3CR3Ts3cr3t";

/// One change to a good input.
#[derive(Clone, Debug)]
enum Change {
    Byte(Index, u8),
    Cut(Index),
    Take(Index),
    Repeat(Index, usize),
    Insert(Index, Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        any::<Index>().prop_map(Change::Cut),
        any::<Index>().prop_map(Change::Take),
        (any::<Index>(), 1..2000_usize).prop_map(|(at, times)| Change::Repeat(at, times)),
        (any::<Index>(), proptest::collection::vec(any::<u8>(), 1..16))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
    ]
}

fn changed(mut input: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let len = input.len();
        if len == 0 {
            return input;
        }
        match change {
            Change::Byte(at, byte) => input[at.index(len)] = *byte,
            Change::Cut(at) => input.truncate(at.index(len)),
            Change::Take(at) => drop(input.remove(at.index(len))),
            Change::Repeat(at, times) => {
                let byte = input[at.index(len)];
                input.splice(at.index(len)..at.index(len), std::iter::repeat_n(byte, *times));
            }
            Change::Insert(at, bytes) => {
                drop(input.splice(at.index(len)..at.index(len), bytes.iter().copied()))
            }
        }
    }
    input
}

/// A good input with changes, or bytes without sense.
fn near(good: &'static str) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => proptest::collection::vec(change(), 0..6).prop_map(move |c| changed(good.as_bytes().to_vec(), &c)),
        1 => proptest::collection::vec(any::<u8>(), 0..300),
    ]
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("time")
}

/// An error reveals no secret.
fn silent<T, E: std::fmt::Debug>(result: Result<T, E>) -> Result<(), TestCaseError> {
    if let Err(error) = result {
        let text = format!("{error:?}");
        prop_assert!(!text.contains(SECRET), "{}", text);
    }
    Ok(())
}

const CREDENTIALS: &str = r#"{"Version":1,"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"s3cr3tS3CR3Ts3cr3t","SessionToken":"s3cr3tS3CR3Ts3cr3t","Expiration":"2026-01-01T01:00:00Z","AccountId":"111122223333"}"#;
const IOT: &str = r#"{"credentials":{"accessKeyId":"ASIAEXAMPLE","secretAccessKey":"s3cr3tS3CR3Ts3cr3t","sessionToken":"s3cr3tS3CR3Ts3cr3t","expiration":"2026-01-01T01:00:00Z"}}"#;
const ANYWHERE: &str = r#"{"credentialSet":[{"assumedRoleUser":{"arn":"arn:aws:sts::111122223333:assumed-role/a/b","assumedRoleId":"A:b"},"credentials":{"accessKeyId":"ASIAEXAMPLE","secretAccessKey":"s3cr3tS3CR3Ts3cr3t","sessionToken":"s3cr3tS3CR3Ts3cr3t","expiration":"2026-01-01T01:00:00Z"},"packedPolicySize":6}],"subjectArn":"s"}"#;
const TOKEN: &str = r#"{"startUrl":"https://d.awsapps.com/start","region":"eu-west-1","accessToken":"s3cr3tS3CR3Ts3cr3t","expiresAt":"2026-01-01T01:00:00Z","clientId":"c","clientSecret":"s3cr3tS3CR3Ts3cr3t","registrationExpiresAt":"2026-03-01T00:00:00UTC","refreshToken":"s3cr3tS3CR3Ts3cr3t"}"#;
/// A certificate and its key.
static PAIR: LazyLock<(String, String)> = LazyLock::new(|| {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
    let certificate = rcgen::CertificateParams::default().self_signed(&key).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
});

proptest! {
    #[test]
    fn credentials_in_json(body in near(CREDENTIALS)) {
        let read = json::read("Fuzz", &body, None, now());
        if let Ok(issued) = &read {
            prop_assert!(issued.lifetime.expiration > now());
        }
        silent(read)?;
    }

    #[test]
    fn answers_of_iot(body in near(IOT)) {
        silent(super::iot::read("Fuzz", &body, None, now()))?;
    }

    #[test]
    fn answers_of_roles_anywhere(body in near(ANYWHERE)) {
        silent(super::roles_anywhere::read(&body, None, None, now()))?;
    }

    #[test]
    fn clocks_that_stand_anywhere(body in near(CREDENTIALS), seconds in -4_000_000_000_i64..4_000_000_000) {
        let date = Timestamp::from_second(seconds).ok();
        if let Ok(issued) = json::read("Fuzz", &body, date, now()) {
            prop_assert!(issued.lifetime.expiration > issued.lifetime.issued_at);
        }
    }

    #[test]
    fn tokens_of_identity_center(text in near(TOKEN)) {
        if let Ok(token) = SsoToken::parse(&text) {
            let again = secrecy::ExposeSecret::expose_secret(&token.to_json()).to_owned();
            prop_assert!(SsoToken::parse(again.as_bytes()).is_ok(), "what is kept can be read again");
        } else {
            silent(SsoToken::parse(&text).map(drop))?;
        }
    }

    #[test]
    fn certificates(pem in near(&PAIR.0)) {
        if let Ok(read) = Certificate::parse(&pem) {
            prop_assert!(!read.chain.is_empty() && !read.public_key.is_empty());
        }
    }

    #[test]
    fn certificates_in_der(der in proptest::collection::vec(change(), 0..6)) {
        let good = pem::parse(&PAIR.0).expect("PEM").into_contents();
        let wrapped = pem::encode(&pem::Pem::new("CERTIFICATE", changed(good, &der)));
        let _ = Certificate::parse(wrapped.as_bytes());
    }

    #[test]
    fn private_keys(pem in near(&PAIR.1)) {
        silent(PrivateKey::parse(&pem).map(drop))?;
    }
}

/// The changes leave enough of them good: each good input is read as it is.
#[test]
fn the_good_inputs_are_good() {
    assert!(json::read("Fuzz", CREDENTIALS.as_bytes(), None, now()).is_ok());
    assert!(super::iot::read("Fuzz", IOT.as_bytes(), None, now()).is_ok());
    assert!(super::roles_anywhere::read(ANYWHERE.as_bytes(), None, None, now()).is_ok());
    assert!(SsoToken::parse(TOKEN.as_bytes()).is_ok());
    assert!(
        Certificate::parse(PAIR.0.as_bytes()).is_ok()
            && PrivateKey::parse(PAIR.1.as_bytes()).is_ok()
    );
}
