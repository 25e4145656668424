use super::*;

fn migrated(text: &str) -> (String, String) {
    let mut outcome = Outcome::default();
    let call = read(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    migrate(&call, "reports", "team-a", &mut outcome).unwrap_or_else(|e| panic!("{text}: {e}"));
    (outcome.yaml().unwrap_or_else(|e| panic!("{text}: {e}")), outcome.notes.join("\n"))
}

#[test]
fn every_parameter_of_a_role_is_carried_over() {
    let (yaml, notes) = migrated(
        r#"
from boto3_refresh_session import RefreshableSession, AssumeRoleConfig

session = RefreshableSession(
    method="sts",
    assume_role_kwargs=AssumeRoleConfig(
        RoleArn="arn:aws:iam::111122223333:role/reports",
        RoleSessionName="night-run",
        DurationSeconds=2 * 60 * 60,
        ExternalId="4f2a",
        Policy='{"Version": "2012-10-17", "Statement": []}',
        PolicyArns=[{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
        Tags=[{"Key": "team", "Value": "a"}],
        TransitiveTagKeys=["team"],
        SourceIdentity="somebody",
        SerialNumber="arn:aws:iam::111122223333:mfa/me",
        TokenCode="123456",
        ProvidedContexts=[{"ProviderArn": "arn:aws:iam::aws:contextProvider/IdentityCenter", "ContextAssertion": "eyJhbGciOi"}],
    ),
    sts_client_kwargs={"region_name": "eu-west-1"},
    defer_refresh=True,
    advisory_timeout=1800,
    region_name="eu-central-1",
    unknown=1,
)
"#,
    );
    for part in [
        "roleArn: arn:aws:iam::111122223333:role/reports",
        "roleSessionName: night-run",
        "durationSeconds: 7200",
        "externalId: 4f2a",
        "policyArns:",
        "transitiveTagKeys:",
        "sourceIdentity: somebody",
        "totpSecretRef:",
        "providerArn: arn:aws:iam::aws:contextProvider/IdentityCenter",
        "before: 1800s",
        "region: eu-west-1",
        "region: eu-central-1",
        "kind: CredentialPolicy",
        "maxDurationSeconds: 7200",
        "sessionNames:",
        "sourceIdentities:",
    ] {
        assert!(yaml.contains(part), "{part}\n{yaml}");
    }
    for part in ["reports-mfa", "unknown has no counterpart", "trust-policy"] {
        assert!(notes.contains(part), "{part}\n{notes}");
    }
    assert!(!format!("{yaml}{notes}").contains("123456"));
}

#[test]
fn keys_and_certificates_are_never_printed() {
    let text = r#"{
        "assume_role_kwargs": {"RoleArn": "arn:aws:iam::111122223333:role/reports"},
        "sts_client_kwargs": {"aws_access_key_id": "AKIAXXXXXXXXXXXXXXXX", "aws_secret_access_key": "very-secret"}
    }"#;
    let (yaml, notes) = migrated(text);
    assert!(yaml.contains("name: reports-key") && !yaml.contains("CredentialPolicy"), "{yaml}");
    assert!(!format!("{yaml}{notes}").contains("very-secret"));
    assert!(notes.contains("boto3-refresh-session in CloudTrail"), "{notes}");
}

#[test]
fn another_sts_needs_a_policy() {
    let (yaml, _) = migrated(
        "RefreshableSession(assume_role_kwargs=dict(RoleArn='arn:minio:iam:::role/abcdef123456'), sts_client_kwargs=dict(endpoint_url='https://minio.example.com/'))",
    );
    assert!(yaml.contains("endpoint: https://minio.example.com\n") && yaml.contains("endpoints:"), "{yaml}");
}

#[test]
fn devices_are_carried_over() {
    let (yaml, notes) = migrated(
        "RefreshableSession(method='iot', endpoint='https://c1.credentials.iot.eu-west-1.amazonaws.com/role-aliases/x', role_alias='edge', thing_name='sensor', certificate='/etc/iot/c.pem', private_key='/etc/iot/k.pem', timeout=7.5, verify_peer=False)",
    );
    assert!(yaml.contains("endpoint: c1.credentials.iot.eu-west-1.amazonaws.com\n"), "{yaml}");
    assert!(yaml.contains("thingName: sensor") && yaml.contains("timeoutSeconds: 8"), "{yaml}");
    assert!(
        notes.contains("kubectl create secret tls reports-certificate --cert=/etc/iot/c.pem --key=/etc/iot/k.pem"),
        "{notes}"
    );
    let (yaml, notes) = migrated(
        "IOTX509RefreshableSession(endpoint='c1.credentials.iot.eu-west-1.amazonaws.com', role_alias='edge', certificate=b'pem', pkcs11={'pkcs11_lib': '/usr/lib/libtpm2_pkcs11.so.1', 'user_pin': '987654', 'token_label': 't', 'private_key_label': 'k'})",
    );
    assert!(yaml.contains("module: tpm2-pkcs11") && yaml.contains("pkcs11Modules:"), "{yaml}");
    assert!(!format!("{yaml}{notes}").contains("987654"));
}

#[test]
fn a_function_becomes_a_registered_program() {
    let (yaml, notes) = migrated(
        "RefreshableSession(method='custom', custom_credentials_method=vault.get_credentials, custom_credentials_method_args={'role': 'reports', 'api_token': 'very-secret'})",
    );
    assert!(yaml.contains("name: vault-get-credentials") && yaml.contains("--role=reports"), "{yaml}");
    assert!(
        notes.contains("argument api_token is left out") && !format!("{yaml}{notes}").contains("very-secret"),
        "{notes}"
    );
}

#[test]
fn what_cannot_be_carried_over_is_said() {
    let refused = |text: &str| {
        let mut outcome = Outcome::default();
        let done = read(text).and_then(|call| migrate(&call, "a", "b", &mut outcome));
        done.and_then(|()| outcome.yaml().map(|_| ()).map_err(|e| e.to_string())).expect_err(text)
    };
    for (text, words) in [
        ("RefreshableSession(method='sso')", "one of sts, iot, custom"),
        ("RefreshableSession()", "assume_role_kwargs is missing"),
        ("RefreshableSession(assume_role_kwargs=kwargs)", "write it out"),
        ("RefreshableSession(assume_role_kwargs={'RoleArn': os.environ['ROLE']})", "no RoleArn that is plain text"),
        ("{\"assume_role_kwargs\": {\"RoleArn\": \"reports\"}}", "would not be taken"),
        ("{", "no JSON"),
        ("boto3.Session()", "there is no call"),
    ] {
        assert!(refused(text).contains(words), "{text}: {}", refused(text));
    }
}
