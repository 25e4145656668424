use super::*;
use serde_json::json;

fn token(more: Value) -> CodeArtifactToken {
    let mut token = json!({"domain": "team", "domainOwner": "111122223333", "region": "eu-west-1"});
    let more = more.as_object().expect("an object").clone();
    token.as_object_mut().expect("an object").extend(more);
    serde_json::from_value(token).expect("a token")
}

#[test]
fn the_request_names_the_domain_and_the_lifetime() {
    let path_of = |more| path(&token(more));
    let path = "/v1/authorization-token?domain=team&domain-owner=111122223333&duration=";
    assert_eq!(path_of(json!({})), format!("{path}0"));
    assert_eq!(path_of(json!({"durationSeconds": 900})), format!("{path}900"));
}

#[test]
fn endpoints_are_those_of_the_region() {
    for (region, fips, dual_stack, host) in [
        ("eu-west-1", false, false, "codeartifact.eu-west-1.amazonaws.com"),
        ("eu-west-1", false, true, "codeartifact.eu-west-1.api.aws"),
        ("us-east-1", true, false, "codeartifact-fips.us-east-1.amazonaws.com"),
        ("us-east-1", true, true, "codeartifact-fips.us-east-1.api.aws"),
        ("cn-north-1", false, false, "codeartifact.cn-north-1.amazonaws.com.cn"),
    ] {
        assert_eq!(endpoint(region, fips, dual_stack), format!("https://{host}"));
    }
}

#[test]
fn what_cannot_stand_in_a_url_or_a_file_is_refused_by_its_field() {
    for (wrong, field) in [
        (json!({"domain": "a/b"}), "domain"),
        (json!({"domainOwner": "1"}), "domainOwner"),
        (json!({"region": "eu.west"}), "region"),
        (json!({"repositories": [{"format": "Npm", "name": "a\"b"}]}), "repositories.name"),
    ] {
        let error = checked(&token(wrong)).expect_err(field).to_string();
        assert!(error.starts_with(&format!("spec.token.codeArtifact.{field}: ")), "{error}");
    }
    checked(&token(json!({"repositories": [{"format": "Npm", "name": "a.b-c_d"}]})))
        .expect("right");
}

#[test]
fn the_token_of_an_answer_is_read() {
    for end in [json!(1_767_268_800.5), json!("2026-01-01T12:00:00Z")] {
        let body = json!({"authorizationToken": "eyJ2ZXIi.a-b_c~d+e/f==", "expiration": end});
        let answer = read(body.to_string().as_bytes(), None).expect("a token");
        assert_eq!(answer.token.expose_secret(), "eyJ2ZXIi.a-b_c~d+e/f==");
        assert_eq!(answer.expires_at.as_second(), 1_767_268_800);
        assert!(!format!("{answer:?}").contains("eyJ"), "{answer:?}");
    }
}

#[test]
fn an_answer_that_is_none_is_told_without_its_content() {
    for (body, fault) in [
        ("<html>s3cr3t", "not a JSON object with authorizationToken"),
        (r#"{"authorizationToken": ["s3cr3t"]}"#, "not a JSON object with authorizationToken"),
        ("{}", "authorizationToken is missing"),
        (r#"{"authorizationToken": "", "expiration": 1}"#, "not a bearer token"),
        (r#"{"authorizationToken": "s3cr3t\"x", "expiration": 1}"#, "not a bearer token"),
        (r#"{"authorizationToken": "s3cr3t x", "expiration": 1}"#, "not a bearer token"),
        (r#"{"authorizationToken": "s3cr3t\n", "expiration": 1}"#, "not a bearer token"),
        (r#"{"authorizationToken": "s3cr3t"}"#, "expiration is missing"),
        (r#"{"authorizationToken": "s3cr3t", "expiration": "soon"}"#, "expiration is missing"),
    ] {
        let error = read(body.as_bytes(), Some("r-1")).expect_err(body);
        assert_eq!(error.request_id(), Some("r-1"));
        let text = error.to_string();
        assert!(text.contains(fault) && !text.contains("s3cr3t"), "{body}: {text}");
    }
}

proptest::proptest! {
    /// See `source::fuzz_tests`.
    #[test]
    fn fuzz_tests_any_token_of_packages(body in "\\PC{0,200}|\\{\"authorizationToken\": [\\[\\]{}\":,a-zA-Z0-9]{0,80}\\}") {
        if let Ok(answer) = read(body.as_bytes(), None) {
            proptest::prop_assert!(is_b64token(answer.token.expose_secret()));
        }
    }
}
