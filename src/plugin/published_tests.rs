//! Every form in which a Secret may hold the credentials.

use super::*;
use refreshable_rules::fixtures::{credential, minute};
use refreshable_rules::render;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SECRET: &str = "s3cr3t-of-the-key";

fn issued() -> Issued {
    let key = AccessKey {
        id: "ASIAEXAMPLE".into(),
        secret: SECRET.into(),
        token: Some("t0k3n-of-it".into()),
    };
    Issued {
        session: Session::checked(key, minute(60)).expect("a session"),
        lifetime: Lifetime { issued_at: minute(0), expiration: minute(60) },
        principal: PrincipalStatus {
            account_id: Some("111122223333".into()),
            arn: Some("arn:aws:sts::111122223333:assumed-role/reports/team-a.reports".into()),
            user_id: None,
        },
        packed_policy_size: None,
        token: Default::default(),
        warning: None,
    }
}

/// Credentials as they are read back.
pub(in super::super) fn example() -> Published {
    Published { issued: issued(), region: Some("eu-west-1".into()) }
}

/// The Secret that the controller publishes for this specification.
fn secret(object: &RefreshableCredential) -> Secret {
    let spec = object.spec.secret();
    let (files, records) = match &object.spec.profiles {
        None => (render::files(&spec, "eu-west-1", &issued()).expect("files"), BTreeMap::new()),
        Some(profiles) => {
            let one = |name: &str, region: Option<String>| render::Profile {
                name: name.into(),
                region,
                issued: issued(),
            };
            let all: Vec<_> = profiles.iter().map(|p| one(&p.name, p.region.clone())).collect();
            let record = ProfileRecord {
                issued_at: minute(0),
                expiration: minute(60),
                request: "r".into(),
                arn: issued().principal.arn,
                failed: false,
            };
            let records = profiles.iter().map(|p| (p.name.clone(), record.clone())).collect();
            (render::profile_files(&spec, "eu-west-1", &all).expect("files"), records)
        }
    };
    let existing = render::Existing { uid: None, adopted: false };
    let manifest =
        render::manifest(object, &issued(), &records, &Default::default(), &files, existing);
    serde_json::from_value(manifest.expose().clone()).expect("a Secret")
}

fn read_as(spec: Value, profile: Option<&str>, known: bool, at: i64) -> Result<Published> {
    let object = credential(spec);
    let secret = secret(&object);
    let seen = known.then_some(&object);
    let record = owned(&secret, seen, &object.name_any())?;
    of(&secret, &record, seen, profile, minute(at))
}

fn json_of(published: &Published) -> Value {
    use secrecy::ExposeSecret as _;
    serde_json::from_str(render::process_json(&published.issued).expose_secret()).expect("JSON")
}

#[test]
fn every_form_is_read_back() {
    for formats in [
        json!(["ProcessJson"]),
        json!(["Environment"]),
        json!(["Credentials"]),
        json!(["Config", "ProcessJson"]),
    ] {
        for known in [true, false] {
            let published = read_as(json!({"secret": {"formats": formats}}), None, known, 1)
                .expect("credentials");
            let json = json_of(&published);
            assert_eq!(json["SecretAccessKey"], SECRET, "{formats}");
            assert_eq!(json["SessionToken"], "t0k3n-of-it");
            assert_eq!(json["Expiration"], minute(60).to_string());
            assert_eq!(json["AccountId"], "111122223333");
        }
    }
}

#[test]
fn keys_and_profiles_of_other_names_are_found() {
    let spec = json!({"secret": {"profile": "reports", "formats": ["Credentials"], "keys": {"credentials": "aws"}}});
    assert!(read_as(spec.clone(), Some("reports"), true, 1).is_ok());
    assert!(read_as(spec.clone(), None, true, 1).is_ok());
    let wrong = read_as(spec, Some("other"), true, 1).expect_err("an unknown profile");
    assert!(wrong.to_string().contains("\"reports\""), "{wrong}");
}

#[test]
fn one_of_many_profiles_is_chosen() {
    let role = |name: &str| json!({"name": name, "roles": [{"roleArn": "arn:aws:iam::111122223333:role/x"}]});
    let mut b = role("b");
    b["region"] = "ap-south-1".into();
    let spec = json!({"profiles": [role("a"), b]});
    let error = read_as(spec.clone(), None, true, 1).expect_err("which?").to_string();
    assert!(error.contains("choose one of a, b"), "{error}");
    let error = read_as(spec.clone(), Some("c"), true, 1).expect_err("there is none").to_string();
    assert!(error.contains("there are a, b"), "{error}");
    let published = read_as(spec.clone(), Some("b"), true, 1).expect("credentials");
    assert_eq!(published.region.as_deref(), Some("ap-south-1"));
    let with_default = json!({"profiles": [role("default"), role("b")]});
    assert!(read_as(with_default, None, true, 1).is_ok());
}

#[test]
fn the_region_is_that_of_the_files_or_the_specification() {
    let region = |spec| read_as(spec, None, true, 1).expect("credentials").region;
    assert_eq!(region(json!({})).as_deref(), Some("eu-west-1"));
    assert_eq!(
        region(json!({"secret": {"formats": ["Environment"]}})).as_deref(),
        Some("eu-west-1")
    );
    assert_eq!(region(json!({"secret": {"formats": ["ProcessJson"]}})), None);
    let sts = json!({"secret": {"formats": ["ProcessJson"]}, "sts": {"region": "eu-north-1"}});
    assert_eq!(region(sts).as_deref(), Some("eu-north-1"));
}

#[test]
fn what_has_expired_is_refused_with_the_reason() {
    let error = read_as(json!({}), None, true, 61).expect_err("expired").to_string();
    assert!(error.contains("expired 60s ago") && !error.contains(SECRET), "{error}");
}

#[test]
fn somebody_else_s_secret_is_left_alone() {
    let object = credential(json!({}));
    let mut foreign = secret(&object);
    foreign
        .metadata
        .annotations
        .as_mut()
        .expect("some")
        .insert(names::OWNER_NAME_ANNOTATION.into(), "other".into());
    let name = object.name_any();
    for (secret, object, name) in [
        (&foreign, Some(&object), name.as_str()),
        (&foreign, None, name.as_str()),
        (&Secret::default(), None, "x"),
    ] {
        let error = owned(secret, object, name).map(drop).expect_err("somebody else's").to_string();
        assert!(
            error.contains(&format!("was not published by RefreshableCredential {name}")),
            "{error}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_named_and_not_shown() {
    let object = credential(json!({}));
    let mut broken = secret(&object);
    let data = broken.data.as_mut().expect("data");
    data.insert(
        "credentials.json".into(),
        k8s_openapi::ByteString(b"{\"SecretAccessKey\": \"s3cr3t-of-the-key\"".to_vec()),
    );
    let record = owned(&broken, Some(&object), &object.name_any()).expect("its own");
    let error =
        of(&broken, &record, Some(&object), None, minute(1)).expect_err("no JSON").to_string();
    assert!(error.contains("credentials.json") && !error.contains("s3cr3t"), "{error}");
}

#[test]
fn a_long_session_token_is_read_back_whole_from_every_form() {
    use secrecy::ExposeSecret as _;
    for size in [4096, 8192] {
        let token = "t".repeat(size);
        for formats in [json!(["ProcessJson"]), json!(["Credentials"]), json!(["Environment"])] {
            let object = credential(json!({"secret": {"formats": formats}}));
            let mut issued = issued();
            issued.session.key.token = Some(token.clone().into());
            issued.token.bytes = i32::try_from(size).ok();
            let files = render::files(&object.spec.secret(), "eu-west-1", &issued).expect("files");
            let existing = render::Existing { uid: None, adopted: false };
            let manifest = render::manifest(
                &object,
                &issued,
                &BTreeMap::new(),
                &Default::default(),
                &files,
                existing,
            );
            let secret: Secret =
                serde_json::from_value(manifest.expose().clone()).expect("a Secret");
            let marks = secret.metadata.annotations.iter().flatten();
            assert!(marks.clone().all(|(_, text)| !text.contains(&token)), "no annotation has it");
            let told = marks.clone().find(|(k, _)| *k == names::SESSION_TOKEN_SIZE_ANNOTATION);
            assert_eq!(told.map(|(_, size)| size.as_str()), Some(size.to_string().as_str()));
            let record = owned(&secret, Some(&object), &object.name_any()).expect("its own");
            let read = of(&secret, &record, Some(&object), None, minute(1)).expect("credentials");
            let key = read.issued.session.key;
            assert_eq!(key.token.expect("a token").expose_secret(), token, "{formats} {size}");
        }
    }
}
