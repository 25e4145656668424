//! Secrets in every form in which servers repeat them.

use super::*;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY\"EXAMPLE?KEY";

fn protecting(secrets: &[&str]) -> Redactor {
    let redactor = Redactor::default();
    secrets.iter().for_each(|secret| redactor.protect(secret));
    redactor
}

fn percent(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[test]
fn a_secret_is_found_in_every_form() {
    let redactor = protecting(&[SECRET]);
    let json = |text: &str| serde_json::Value::from(text).to_string().trim_matches('"').to_owned();
    for (form, written) in [
        ("plain", SECRET.to_owned()),
        ("in another case", SECRET.to_lowercase()),
        ("base64", STANDARD.encode(SECRET)),
        ("base64 without padding", STANDARD_NO_PAD.encode(SECRET)),
        ("base64 for URLs", URL_SAFE.encode(SECRET)),
        ("base64 for URLs without padding", URL_SAFE_NO_PAD.encode(SECRET)),
        ("base64 of a user and the secret", STANDARD.encode(format!("user:{SECRET}"))),
        ("base64 of another user and the secret", STANDARD.encode(format!("admin:{SECRET}"))),
        ("base64 of the secret and more", URL_SAFE.encode(format!("{SECRET}:x"))),
        ("percent-encoded", percent(SECRET)),
        ("percent-encoded in small letters", percent(SECRET).to_lowercase()),
        ("in JSON", json(SECRET)),
        ("in JSON with escaped slashes", json(SECRET).replace('/', "\\/")),
        ("in XML", SECRET.replace('"', "&quot;")),
    ] {
        for text in
            [written.clone(), format!("token {written} is not good"), format!("{written}{written}")]
        {
            let clean = redactor.redact(&text);
            assert!(clean.contains(REDACTED), "{form}: {clean}");
            let rest = clean.replace(REDACTED, "").replace("token", "").replace("is not good", "");
            assert_eq!(rest.trim(), "", "{form}: {clean}");
        }
    }
    for innocent in [
        "",
        "no",
        "the token is not good",
        "wJalrXUtnFEM",
        "arn:aws:iam::111122223333:role/reports",
    ] {
        assert_eq!(redactor.redact(innocent), innocent);
    }
}

#[test]
fn a_long_secret_is_found_by_its_parts() {
    let token: String = {
        let mut random = fastrand::Rng::with_seed(1);
        (0..1200).map(|_| random.alphanumeric()).collect()
    };
    let redactor = protecting(&[&token, SECRET]);
    for part in [
        &token[..40],
        &token[..100],
        &token[700..900],
        &token[1100..],
        &SECRET[..20],
        &SECRET[16..],
    ] {
        let clean = redactor.redact(&format!("unknown token {part}... (cut)"));
        assert_eq!(clean, format!("unknown token {REDACTED}... (cut)"), "{part}");
    }
}

#[test]
fn short_secrets_are_words_of_their_own_and_the_shortest_are_left_alone() {
    let redactor = protecting(&["1234", "ab", "s3cr3t"]);
    for (text, clean) in [
        ("PIN 1234 is wrong", "PIN <redacted> is wrong"),
        ("'1234'", "'<redacted>'"),
        ("MTIzNA== is wrong", "<redacted> is wrong"),
        ("account 111122223333 has 12345 and x1234", "account 111122223333 has 12345 and x1234"),
        ("ab initio", "ab initio"),
        ("s3cr3t, s3cr3ts", "<redacted>, s3cr3ts"),
    ] {
        assert_eq!(redactor.redact(text), clean);
    }
}

#[test]
fn secrets_within_secrets_leave_nothing_behind() {
    let redactor = protecting(&[
        "Bearer the-token-of-the-endpoint",
        "the-token-of-the-endpoint",
        "endpoint-and-more",
    ]);
    for (text, clean) in [
        ("got Bearer the-token-of-the-endpoint", "got <redacted>"),
        ("got the-token-of-the-endpoint", "got <redacted>"),
        ("got the-token-of-the-endpoint-and-more!", "got <redacted>!"),
    ] {
        assert_eq!(redactor.redact(text), clean);
    }
}

#[test]
fn a_header_is_protected_with_and_without_its_scheme() {
    let redactor = Redactor::default();
    redactor.protect_header(&format!("Basic {}", STANDARD.encode("reader:open-sesame-42")));
    redactor.protect_header("Bearer a-bearer-s-token");
    redactor.protect_signature(
        "AWS4-HMAC-SHA256 Credential=AKIAX/20260101/us-east-1/sts/aws4_request, Signature=0123456789abcdef01",
    );
    for text in [
        STANDARD.encode("reader:open-sesame-42"),
        "reader:open-sesame-42".to_owned(),
        "open-sesame-42".to_owned(),
        "a-bearer-s-token".to_owned(),
        "0123456789abcdef01".to_owned(),
    ] {
        assert_eq!(redactor.redact(&format!("<{text}>")), "<<redacted>>");
    }
    assert_eq!(redactor.redact("Credential=AKIAX/20260101"), "Credential=AKIAX/20260101");
}

#[test]
fn words_are_freed_of_control_characters_before_and_cut_after_they_are_searched() {
    let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49\nAwEHBG0wawIBAQQgexampleexample\n-----END PRIVATE KEY-----\n";
    let redactor = protecting(&[SECRET, key]);
    let (begin, end) = SECRET.split_at(9);
    assert_eq!(redactor.words(&format!("no\u{1b}[31m {begin}\u{7}{end}\n")), "no[31m <redacted>");
    assert_eq!(redactor.words(&format!("read {key}")), "read <redacted>");
    assert_eq!(redactor.words(&format!("{key:?}")), "\"<redacted>\\n\"");
    let long =
        redactor.words(&format!("{}{SECRET}{}", "x".repeat(LONGEST_WORDS - 20), "y".repeat(90)));
    assert!(long.len() <= LONGEST_WORDS && long.contains(REDACTED), "{long}");
}

#[test]
fn clones_protect_alike_and_debug_shows_nothing() {
    let redactor = Redactor::default();
    let clone = redactor.clone();
    assert_eq!(clone.redact(SECRET), SECRET);
    redactor.protect(SECRET);
    assert_eq!(clone.redact(SECRET), REDACTED);
    assert!(!format!("{redactor:?}").contains(SECRET));
}

proptest! {
    /// See `source::fuzz_tests`: whatever the secret is and whatever stands around it, it does not
    /// come through.
    #[test]
    fn fuzz_tests_of_redaction(secret in "\\PC{8,60}", before in "\\PC{0,20}", after in "\\PC{0,20}", form in 0..6_u8) {
        let secret = secret.trim();
        prop_assume!(secret.len() >= 8 && !REDACTED.contains(secret));
        let written = match form {
            0 => secret.to_owned(),
            1 => percent(secret),
            2 => serde_json::Value::from(secret).to_string(),
            3 => STANDARD.encode(secret),
            4 => URL_SAFE_NO_PAD.encode(secret),
            _ => STANDARD.encode(format!("{before}{secret}{after}")),
        };
        let clean = protecting(&[secret]).redact(&format!("{before}{written}{after}"));
        prop_assert!(clean.contains(REDACTED), "{clean}");
        prop_assert!(form != 0 || !clean.replace(REDACTED, "").contains(secret), "{clean}");
    }
}
