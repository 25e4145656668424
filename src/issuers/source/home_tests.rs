//! Each source's Region, in the published files and in the call that verifies the principal.

use super::*;
use crate::aws::{Caller, Meter, TotpSteps};
use crate::registry::Registry;
use crate::source::fixtures::Desk;
use crate::source::{Request, SourceContext};
use aws_sdk_sts::config::{BehaviorVersion, Region};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use jiff::Timestamp;
use parking_lot::Mutex;
use refreshable_api::{RefreshableCredentialSpec, StsSpec};
use refreshable_rules::issuer::{AccessKey, IssueError, Issued, Lifetime, Session};
use refreshable_rules::policy::Grants;
use refreshable_rules::retry::Class;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// AWS, for sources that use an SDK: it responds for any host, and records the hosts.
#[derive(Clone, Debug, Default)]
struct AnyHost(Arc<Mutex<Vec<String>>>);

impl AnyHost {
    fn called(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

impl HttpClient for AnyHost {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

const WHO: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <GetCallerIdentityResult><Arn>arn:aws-us-gov:sts::111122223333:assumed-role/AWSReservedSSO_Reader_1/a</Arn>\
    <UserId>A:a</UserId><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";

impl HttpConnector for AnyHost {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let host = request.uri().split('/').nth(2).unwrap_or_default().to_owned();
        let body = if host.starts_with("portal.sso.") {
            json!({"roleCredentials": {
                "accessKeyId": "ASIAEXAMPLE", "secretAccessKey": "s", "sessionToken": "t",
                "expiration": "2026-01-01T01:00:00Z".parse::<Timestamp>().expect("a time").as_millisecond(),
            }})
            .to_string()
        } else {
            WHO.to_owned()
        };
        self.0.lock().push(host);
        HttpConnectorFuture::ready(Ok(HttpResponse::new(
            200.try_into().expect("a status"),
            SdkBody::from(body),
        )))
    }
}

struct NoMeter;

impl Meter for NoMeter {
    fn issuer_call(&self, _: &'static str, _: Option<Class>, _: Duration) {}
}

/// A controller in Frankfurt.
fn controller() -> (aws_types::SdkConfig, Sts, AnyHost) {
    let hosts = AnyHost::default();
    let config = aws_types::SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .time_source(aws_smithy_async::time::SystemTimeSource::new())
        .sleep_impl(aws_smithy_async::rt::sleep::default_async_sleep().expect("tokio's"))
        .region(Region::from_static("eu-central-1"))
        .http_client(hosts.clone())
        .build();
    let sts = Sts::new(&config, NoMeter);
    (config, sts, hosts)
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

fn issued() -> Issued {
    let key = AccessKey { id: "ASIAEXAMPLE".into(), secret: "s".into(), token: Some("t".into()) };
    let expiration = "2026-01-01T01:00:00Z".parse().expect("a time");
    Issued {
        session: Session::checked(key, expiration).expect("a session"),
        lifetime: Lifetime { issued_at: now(), expiration },
        principal: Default::default(),
        packed_policy_size: None,
        token: Default::default(),
        warning: None,
    }
}

fn spec(source: &Value, roles: Value, sts: Value) -> RefreshableCredentialSpec {
    serde_json::from_value(json!({"source": source, "roles": roles, "sts": sts}))
        .expect("a specification")
}

/// The Region in the published `config`, and the host of the verifying call.
async fn region_and_verifier(spec: &RefreshableCredentialSpec) -> (String, String) {
    let (_, sts, hosts) = controller();
    let sts = at_source(spec, &sts);
    let files =
        refreshable_rules::render::files(&Default::default(), &region(spec, &sts), &issued())
            .expect("files");
    let config = files.get("config").expect("a config file").expose_secret();
    let named =
        config.lines().find_map(|l| l.strip_prefix("region = ")).expect("a Region").to_owned();
    let key = AccessKey { id: "ASIAEXAMPLE".into(), secret: "s".into(), token: Some("t".into()) };
    let sts_spec = spec.sts.clone().unwrap_or_default();
    sts.get_caller_identity(&Caller::Key(key), &sts_spec, now()).await.expect("an answer");
    (named, hosts.called().concat())
}

fn role(partition: &str) -> Value {
    json!([{"roleArn": format!("arn:{partition}:iam::111122223333:role/x")}])
}

#[tokio::test]
async fn region_and_partition_follow_each_source_and_not_the_controller() {
    let (secret, china) = (json!({"name": "s"}), "arn:aws-cn:iam::111122223333");
    let gov =
        |kind: &str| format!("arn:aws-us-gov:rolesanywhere:us-gov-west-1:111122223333:{kind}/a");
    let key = json!({"secretRef": secret});
    let with = |members: Value| {
        let mut all = json!({"accessKey": key});
        all.as_object_mut()
            .expect("an object")
            .extend(members.as_object().expect("an object").clone());
        all
    };
    let account = json!({"name": "app"});
    let rows = [
        (json!({"ambient": {}}), "eu-central-1"),
        (json!({"accessKey": key}), "eu-central-1"),
        (
            json!({"webIdentity": {"roleArn": format!("{china}:role/x"), "serviceAccountRef": account}}),
            "cn-north-1",
        ),
        (
            json!({"saml": {
                "roleArn": format!("{china}:role/x"), "principalArn": format!("{china}:saml-provider/x"),
                "assertionSecretRef": {"name": "s", "key": "k"},
            }}),
            "cn-north-1",
        ),
        (
            json!({"sessionToken": with(json!({"serialNumber": format!("{china}:mfa/x")}))}),
            "cn-north-1",
        ),
        (
            json!({"federationToken": with(json!({"policyArns": [{"arn": "arn:aws-cn:iam::aws:policy/x"}]}))}),
            "cn-north-1",
        ),
        (
            json!({"podIdentity": {"clusterName": "c", "serviceAccountRef": account, "region": "cn-northwest-1"}}),
            "cn-northwest-1",
        ),
        (json!({"container": {"fullUri": "http://169.254.170.23/v1/credentials"}}), "eu-central-1"),
        (json!({"instanceMetadata": {}}), "eu-central-1"),
        // Its Region is in the token: see below.
        (
            json!({"identityCenter": {"accountId": "111122223333", "roleName": "Reader", "tokenSecretRef": secret}}),
            "eu-central-1",
        ),
        (
            json!({"iot": {
                "endpoint": "c1.credentials.iot.cn-north-1.amazonaws.com.cn", "roleAlias": "edge",
                "certificateSecretRef": secret,
            }}),
            "cn-north-1",
        ),
        (
            json!({"rolesAnywhere": {
                "trustAnchorArn": gov("trust-anchor"), "profileArn": gov("profile"),
                "roleArn": "arn:aws-us-gov:iam::111122223333:role/x", "certificateSecretRef": secret,
            }}),
            "us-gov-west-1",
        ),
        (json!({"cognito": {"identityPoolId": "ap-south-1:0a1b"}}), "ap-south-1"),
        (json!({"custom": {"http": {"url": "https://example.com"}}}), "eu-central-1"),
        (json!({"custom": {"secret": {"secretRef": secret}}}), "eu-central-1"),
        (json!({"custom": {"process": {"name": "p"}}}), "eu-central-1"),
    ];
    let mut names = std::collections::BTreeSet::new();
    for (source, expected) in &rows {
        let direct = spec(source, json!([]), json!({}));
        names.insert(of(&direct.source()).unwrap_or_else(|| panic!("no source: {source}")).name());
        let domain = if expected.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let host = |region: &str| format!("sts.{region}.{domain}");
        assert_eq!(
            region_and_verifier(&direct).await,
            ((*expected).to_owned(), host(expected)),
            "{source}"
        );
        // The specification's own Region takes precedence.
        let asked = spec(source, json!([]), json!({"region": "us-west-2"}));
        let found = region_and_verifier(&asked).await;
        assert_eq!(
            found,
            ("us-west-2".to_owned(), "sts.us-west-2.amazonaws.com".to_owned()),
            "{source}"
        );
    }
    assert_eq!(names.len(), 16, "a row for every source: {names:?}");
}

#[test]
fn what_the_source_does_not_say_a_role_s_partition_does() {
    let (_, sts, _) = controller();
    for (source, roles, expected) in [
        (json!({"ambient": {}}), role("aws"), "eu-central-1"),
        (json!({"accessKey": {"secretRef": {"name": "s"}}}), role("aws-cn"), "cn-north-1"),
        (
            json!({"custom": {"secret": {"secretRef": {"name": "s"}}}}),
            role("aws-us-gov"),
            "us-gov-west-1",
        ),
        (json!({"cognito": {"identityPoolId": "ap-south-1:0a1b"}}), role("aws"), "ap-south-1"),
        (
            json!({"iot": {
                "endpoint": "iot.example.com", "roleAlias": "edge", "certificateSecretRef": {"name": "s"},
            }}),
            role("aws"),
            "eu-central-1",
        ),
    ] {
        let spec = spec(&source, roles, json!({}));
        assert_eq!(region(&spec, &at_source(&spec, &sts)), expected, "{source}");
    }
}

#[test]
fn a_profile_s_files_name_the_partition_of_its_own_roles() {
    let (_, sts, _) = controller();
    let spec: RefreshableCredentialSpec = serde_json::from_value(json!({
        "source": {"accessKey": {"secretRef": {"name": "s"}}},
        "profiles": [{"name": "a", "roles": role("aws-cn")}, {"name": "b", "roles": role("aws-cn"), "region": "cn-northwest-1"}],
    }))
    .expect("a specification");
    let sts = at_source(&spec, &sts);
    let regions: Vec<_> =
        spec.profiles.iter().flatten().map(|p| region_of_profile(&spec, p, &sts)).collect();
    assert_eq!(regions, [Some("cn-north-1".to_owned()), Some("cn-northwest-1".to_owned())]);
}

#[tokio::test]
async fn the_region_of_an_identity_center_is_read_with_its_token() {
    let (config, sts, hosts) = controller();
    let source = json!({"identityCenter": {
        "accountId": "111122223333", "roleName": "Reader", "tokenSecretRef": {"name": "sso"}, "tokenKey": "token.json",
    }});
    let spec = spec(&source, json!([]), json!({}));
    let sts = at_source(&spec, &sts);
    let token = json!({
        "startUrl": "https://start.us-gov-home.awsapps.com/directory/d", "region": "us-gov-west-1",
        "accessToken": "a", "expiresAt": "2026-01-01T08:00:00Z",
    });
    let desk = Desk::default().with("sso", &[("token.json", token.to_string().as_bytes())]);
    let (totp, sts_spec, grants) = (TotpSteps::default(), StsSpec::default(), Grants::default());
    let source_context = SourceContext::new(config, Registry::default());
    let request = Request {
        namespace: "team-a",
        session_name: "team-a.reports".to_owned(),
        roles: &[],
        session_tags: Vec::new(),
        grants: &grants,
        sts_spec: &sts_spec,
        sts: &sts,
        inputs: &desk,
        totp: &totp,
        now: now(),
        ambient: None,
        source_context: &source_context,
    };
    let issued: Result<Issued, IssueError> =
        crate::source::issue(&spec.source(), None, &request).await;
    let principal = issued.unwrap_or_else(|e| panic!("{e}")).principal;
    assert_eq!(principal.account_id.as_deref(), Some("111122223333"));
    assert_eq!(
        hosts.called(),
        ["portal.sso.us-gov-west-1.amazonaws.com", "sts.us-gov-west-1.amazonaws.com"]
    );
    assert_eq!(region(&spec, &sts), "us-gov-west-1");
}
