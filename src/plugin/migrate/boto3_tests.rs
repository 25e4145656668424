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
    assert!(
        yaml.contains("endpoint: https://minio.example.com\n") && yaml.contains("endpoints:"),
        "{yaml}"
    );
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
    assert!(yaml.contains("module: tpm2-pkcs11") && yaml.contains("pkcs11Tokens:"), "{yaml}");
    assert!(!format!("{yaml}{notes}").contains("987654"));
}

#[test]
fn a_function_becomes_a_registered_program() {
    let (yaml, notes) = migrated(
        "RefreshableSession(method='custom', custom_credentials_method=vault.get_credentials, custom_credentials_method_args={'role': 'reports', 'api_token': 'very-secret'})",
    );
    assert!(
        yaml.contains("name: vault-get-credentials") && yaml.contains("--role=reports"),
        "{yaml}"
    );
    assert!(
        notes.contains("argument api_token is left out")
            && !format!("{yaml}{notes}").contains("very-secret"),
        "{notes}"
    );
}

/// The forms in its READMEs of 2025: arguments are assigned first and passed later, and `...`
/// stands for more.
#[test]
fn arguments_that_are_assigned_first_are_carried_over() {
    let (yaml, notes) = migrated(
        r#"
import boto3_refresh_session as brs

# everything that boto3.session.Session takes
profile_name = "reports"
region_name = "us-east-1"
...

assume_role_kwargs = {
  "RoleArn": "arn:aws:iam::111122223333:role/reports",
  "RoleSessionName": "night-run",
  "DurationSeconds": "<your-selection>",
  ...
}

sts_client_kwargs = {
  "region_name": region_name,
  ...
}

session = brs.RefreshableSession(
  assume_role_kwargs=assume_role_kwargs, # required
  sts_client_kwargs=sts_client_kwargs,   # optional
  region_name=region_name,
  profile_name=profile_name,
  ...                                    # others
)
"#,
    );
    for part in [
        "roleArn: arn:aws:iam::111122223333:role/reports",
        "roleSessionName: night-run",
        "region: us-east-1",
    ] {
        assert!(yaml.contains(part), "{part}\n{yaml}");
    }
    assert!(!yaml.contains("durationSeconds"), "{yaml}");
    for part in [
        "DurationSeconds is a placeholder (<your-selection>)",
        "profile_name is left out: the first call is made by the controller's own identity",
        "\"...\" stands for arguments that the text does not show",
    ] {
        assert!(notes.contains(part), "{part}\n{notes}");
    }
    assert!(!notes.contains("... has no counterpart"), "{notes}");
}

#[test]
fn every_way_to_pass_what_was_assigned_first_gives_the_same() {
    let role = "arn = 'arn:aws:iam::111122223333:role/reports'\n";
    for call in [
        "kwargs = {'RoleArn': arn}
session = RefreshableSession(assume_role_kwargs=kwargs)",
        "config = AssumeRoleConfig(RoleArn=arn)
session = STSRefreshableSession(config)",
        "kwargs = dict(assume_role_kwargs=dict(RoleArn=arn))
session = RefreshableSession(**kwargs)",
        "kwargs = {'method': 'sts'}
kwargs['assume_role_kwargs'] = {'RoleArn': arn}
RefreshableSession(**kwargs)",
        "client('s3', botocore_session=RefreshableSession('sts', assume_role_kwargs={'RoleArn': f'{arn}'}))",
        "def session():
    return brs.RefreshableSession(
        assume_role_kwargs=brs.AssumeRoleConfig(**{'RoleArn': arn}),
    )",
        "DEFAULT_SESSION = RefreshableSession(assume_role_kwargs={'RoleArn': arn}, sts_client_kwargs={...})",
    ] {
        let (yaml, _) = migrated(&format!("{role}{call}\n"));
        assert!(
            yaml.contains("\n  - roleArn: arn:aws:iam::111122223333:role/reports\n"),
            "{call}\n{yaml}"
        );
        assert!(!yaml.contains("...") && !yaml.contains("sts:"), "{call}\n{yaml}");
    }
}

#[test]
fn the_first_class_is_carried_over() {
    let (yaml, notes) = migrated(
        "import boto3_refresh_session as brs
sess = brs.AutoRefreshableSession(
    region='eu-west-1',
    role_arn='arn:aws:iam::111122223333:role/reports',
    session_name='night-run',
    session_kwargs={'profile_name': 'x'},
)
s3_client = sess.session.client(service_name='s3')
",
    );
    for part in ["roleSessionName: night-run", "durationSeconds: 900", "region: eu-west-1"] {
        assert!(yaml.contains(part), "{part}\n{yaml}");
    }
    assert!(notes.contains("profile_name is left out"), "{notes}");
}

#[test]
fn mfa_providers_of_every_version_are_replaced_by_the_seed() {
    for (arguments, provider) in [
        ("mfa_token_provider_kwargs", "lambda: '123456'"),
        ("mfa_token_provider_args", "mfa_token_provider"),
        ("mfa_token_provider_kwargs", "['ykman', 'oath', 'code', '--single', 'AWS-prod']"),
    ] {
        let (yaml, notes) = migrated(&format!(
            "def mfa_token_provider(cmd: list[str], timeout: float = 10.0):
  p = subprocess.run(cmd, check=False)
  return (p.stdout or '').strip()

role = {{'RoleArn': 'arn:aws:iam::111122223333:role/reports', 'SerialNumber': 'arn:aws:iam::111122223333:mfa/me'}}
args = {{'cmd': ['ykman'], 'timeout': 3.0}}
session = RefreshableSession(assume_role_kwargs=role, mfa_token_provider={provider}, {arguments}=args)
"
        ));
        assert!(yaml.contains("serialNumber:") && yaml.contains("totpSecretRef:"), "{yaml}");
        assert!(!notes.contains("mfa_token_provider"), "{notes}");
    }
}

#[test]
fn a_function_of_the_program_may_have_arguments_that_are_not_shown() {
    let (yaml, notes) = migrated(
        "def your_getter(...):
    ...
    return {'access_key': ..., 'expiry_time': ...}

session = RefreshableSession(
    method='custom',                       # required
    custom_credentials_method=your_getter,
    custom_credentials_method_args=...,    # optional
    region_name=region_name,
    ...
)
",
    );
    assert!(yaml.contains("name: your-getter") && !yaml.contains("args:"), "{yaml}");
    assert!(notes.contains("custom_credentials_method_args is not shown"), "{notes}");
    assert!(notes.contains("region_name is computed by the program (region_name)"), "{notes}");
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
        (
            "RefreshableSession(method='ecs', region_name='eu-west-1', ...)",
            "Write by hand: spec.roles with the ARN of the task's role",
        ),
        ("ECSRefreshableSession()", "takes the credentials of an ECS task"),
        ("RefreshableSession('sts', {})", "arguments must have names"),
        (
            "RefreshableSession(**load())",
            "**load() takes its values from elsewhere: write them out",
        ),
        ("RefreshableSession(assume_role_kwargs=...)", "assume_role_kwargs is missing"),
        (
            "RefreshableSession(assume_role_kwargs={'RoleArn': '<your-role-arn>', ...})",
            "no placeholder: write the role's ARN",
        ),
        (
            "RefreshableSession(method='iot', endpoint='<x>.credentials.iot.<region>.amazonaws.com')",
            "endpoint is missing, or is a placeholder",
        ),
        ("RefreshableSession()", "assume_role_kwargs is missing"),
        ("RefreshableSession(assume_role_kwargs=kwargs)", "write it out"),
        (
            "RefreshableSession(assume_role_kwargs={'RoleArn': os.environ['ROLE']})",
            "no RoleArn that is plain text",
        ),
        ("{\"assume_role_kwargs\": {\"RoleArn\": \"reports\"}}", "would not be taken"),
        ("{", "not JSON"),
        ("boto3.Session()", "it lacks a call"),
    ] {
        assert!(refused(text).contains(words), "{text}: {}", refused(text));
    }
}
