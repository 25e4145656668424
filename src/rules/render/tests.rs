//! The files, byte for byte.

use super::*;
use crate::issuer::{AccessKey, Lifetime, Session};
use jiff::Timestamp;
use refreshable_api::{PrincipalStatus, SecretKeys};

fn at(text: &str) -> Timestamp {
    text.parse().expect("time")
}

fn issued() -> Issued {
    Issued {
        session: Session {
            key: AccessKey {
                id: "ASIAIOSFODNN7EXAMPLE".into(),
                secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
                token: Some("IQoJb3JpZ2luX2VjE//token+with=padding==".into()),
            },
            expiration: at("2026-01-01T01:00:00.75Z"),
        },
        lifetime: Lifetime {
            issued_at: at("2026-01-01T00:00:00Z"),
            expiration: at("2026-01-01T01:00:00.75Z"),
        },
        principal: PrincipalStatus {
            account_id: Some("111122223333".into()),
            arn: Some("arn:aws:sts::111122223333:assumed-role/reports/team-a.reports".into()),
            user_id: Some("AROAEXAMPLE:team-a.reports".into()),
        },
        packed_policy_size: None,
        token: Default::default(),
        warning: None,
    }
}

fn rendered(spec: &SecretSpec) -> BTreeMap<String, String> {
    let files = files(spec, "eu-west-1", &issued()).expect("files");
    files.into_iter().map(|(k, v)| (k, v.expose_secret().to_owned())).collect()
}

fn expected(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

const JSON: &str = concat!(
    r#"{"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","AccountId":"111122223333","Expiration":"2026-01-01T01:00:00Z","#,
    r#""SecretAccessKey":"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY","#,
    r#""SessionToken":"IQoJb3JpZ2luX2VjE//token+with=padding==","Version":1}"#,
);

#[test]
fn the_three_files_are_these() {
    let credentials = "[default]\n\
        aws_access_key_id = ASIAIOSFODNN7EXAMPLE\n\
        aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n\
        aws_session_token = IQoJb3JpZ2luX2VjE//token+with=padding==\n";
    let config = "[default]\n\
        region = eu-west-1\n\
        credential_process = cat /var/run/secrets/refreshable.dev/aws/credentials.json\n";
    assert_eq!(
        rendered(&SecretSpec::default()),
        expected(&[("credentials", credentials), ("config", config), ("credentials.json", JSON)])
    );
}

#[test]
fn profile_region_and_mount_path_are_the_user_s() {
    let spec = SecretSpec {
        profile: Some("reports".into()),
        region: Some("ap-south-1".into()),
        mount_path: Some("/aws/".into()),
        formats: Some(vec![Format::Config, Format::ProcessJson, Format::Credentials]),
        ..SecretSpec::default()
    };
    let files = rendered(&spec);
    assert!(
        files["credentials"].starts_with("[reports]\naws_access_key_id = "),
        "{}",
        files["credentials"]
    );
    assert_eq!(
        files["config"],
        "[profile reports]\nregion = ap-south-1\ncredential_process = cat /aws/credentials.json\n"
    );
}

#[test]
fn keys_may_have_other_names_and_the_config_file_follows() {
    let keys = SecretKeys {
        process_json: "aws.json".into(),
        access_key_id: "id".into(),
        ..SecretKeys::default()
    };
    let formats = vec![Format::Config, Format::ProcessJson, Format::Environment];
    let spec = SecretSpec { keys: Some(keys), formats: Some(formats), ..SecretSpec::default() };
    let files = rendered(&spec);
    assert_eq!(files["aws.json"], JSON);
    assert!(files["config"].ends_with("/aws.json\n"), "{}", files["config"]);
    assert_eq!(files["id"], "ASIAIOSFODNN7EXAMPLE");
    assert_eq!(
        files.keys().cloned().collect::<std::collections::BTreeSet<_>>(),
        spec.data_keys().into_iter().collect()
    );
}

#[test]
fn the_environment_is_one_key_for_each_variable() {
    let spec = SecretSpec { formats: Some(vec![Format::Environment]), ..SecretSpec::default() };
    assert_eq!(
        rendered(&spec),
        expected(&[
            ("AWS_ACCESS_KEY_ID", "ASIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            ("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2VjE//token+with=padding=="),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_CREDENTIAL_EXPIRATION", "2026-01-01T01:00:00Z"),
        ])
    );
}

#[test]
fn many_profiles_share_the_files_and_have_a_json_each() {
    let profile = |name: &str, region: Option<&str>| Profile {
        name: name.into(),
        region: region.map(str::to_owned),
        issued: issued(),
    };
    let profiles = [profile("default", None), profile("b", Some("ap-south-1"))];
    let files = profile_files(&SecretSpec::default(), "eu-west-1", &profiles).expect("files");
    let text = |key: &str| files[key].expose_secret().to_owned();
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        ["b.json", "config", "credentials", "default.json"]
    );
    assert_eq!(text("b.json"), JSON);
    let mount = "/var/run/secrets/refreshable.dev/aws";
    assert_eq!(
        text("config"),
        format!(
            "[default]\nregion = eu-west-1\ncredential_process = cat {mount}/default.json\n\n\
             [profile b]\nregion = ap-south-1\ncredential_process = cat {mount}/b.json\n"
        )
    );
    assert!(text("credentials").starts_with("[default]\naws_access_key_id = "));
    assert_eq!(text("credentials").matches("\n\n[b]\naws_access_key_id = ").count(), 1);
}
