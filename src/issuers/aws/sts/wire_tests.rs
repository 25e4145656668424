//! Requests on the wire: host, signature, parameters.

use super::*;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use refreshable_api::Role;
use refreshable_rules::issuer::TokenSize;
use refreshable_rules::retry::Class;
use std::sync::atomic::{AtomicUsize, Ordering};

const ROLE: &str = "arn:aws:iam::111122223333:role/reports";

/// One request, as the connector got it.
#[derive(Clone, Debug)]
struct Seen {
    url: String,
    authorization: String,
    body: String,
}

/// An STS with the same response to every request.
#[derive(Clone, Debug)]
struct Wire {
    status: u16,
    body: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap_or_default().to_vec();
        self.seen.lock().push(Seen {
            url: request.uri().to_owned(),
            authorization: request.headers().get("authorization").unwrap_or_default().to_owned(),
            body: String::from_utf8(body).expect("a form"),
        });
        let mut answer = HttpResponse::new(
            self.status.try_into().expect("a status"),
            SdkBody::from(self.body.clone()),
        );
        answer.headers_mut().insert("x-amzn-requestid", "req-7");
        HttpConnectorFuture::ready(Ok(answer))
    }
}

struct NoMeter;

impl Meter for NoMeter {
    fn issuer_call(
        &self,
        _: &'static str,
        _: Option<refreshable_rules::retry::Class>,
        _: Duration,
    ) {
    }
}

fn session() -> String {
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
     <AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
     <Expiration>2026-01-01T01:00:00Z</Expiration></Credentials><AssumedRoleUser>\
     <Arn>arn:aws:sts::111122223333:assumed-role/reports/x</Arn><AssumedRoleId>A:x</AssumedRoleId></AssumedRoleUser>\
     <PackedPolicySize>42</PackedPolicySize><SessionTokenSize>1832</SessionTokenSize>\
     <SessionTokenUtilization>44</SessionTokenUtilization></AssumeRoleResult></AssumeRoleResponse>"
        .to_owned()
}

fn sts(status: u16, body: String, own_region: Option<&str>, endpoint: Option<&str>) -> (Sts, Wire) {
    let wire = Wire { status, body, seen: Arc::default() };
    let mut config = aws_types::SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .time_source(aws_smithy_async::time::SystemTimeSource::new())
        .sleep_impl(aws_smithy_async::rt::sleep::default_async_sleep().expect("tokio's"))
        .http_client(wire.clone());
    config = config.region(own_region.map(|r| Region::new(r.to_owned())));
    if let Some(endpoint) = endpoint {
        config = config.endpoint_url(endpoint);
    }
    (Sts::new(&config.build(), NoMeter), wire)
}

async fn ask(
    sts: &Sts,
    arn: &str,
    spec: &StsSpec,
) -> Result<refreshable_rules::issuer::Issued, IssueError> {
    let role = Role { role_arn: arn.to_owned(), ..Role::default() };
    let call = RoleCall { role: &role, session_name: "x", external_id: None, token_code: None };
    let key = AccessKey { id: "AKIAEXAMPLE".into(), secret: "secret".into(), token: None };
    sts.assume_role(call, &Caller::Key(key), spec, "2026-01-01T00:00:00Z".parse().expect("time"))
        .await
}

fn spec(region: Option<&str>, fips: bool, dual_stack: bool) -> StsSpec {
    StsSpec {
        region: region.map(str::to_owned),
        use_fips: fips.then_some(true),
        use_dualstack: dual_stack.then_some(true),
        ..StsSpec::default()
    }
}

#[tokio::test]
async fn each_partition_and_kind_of_endpoint_is_reached_under_aws_s_own_name() {
    let china = "arn:aws-cn:iam::111122223333:role/reports";
    let gov = "arn:aws-us-gov:iam::111122223333:role/reports";
    for (region, fips, dual, arn, host, signed) in [
        (Some("eu-west-1"), false, false, ROLE, "sts.eu-west-1.amazonaws.com", "eu-west-1"),
        (Some("us-east-1"), false, false, ROLE, "sts.us-east-1.amazonaws.com", "us-east-1"),
        (Some("us-east-1"), true, false, ROLE, "sts-fips.us-east-1.amazonaws.com", "us-east-1"),
        (Some("eu-west-1"), false, true, ROLE, "sts.eu-west-1.api.aws", "eu-west-1"),
        (Some("us-west-2"), true, true, ROLE, "sts-fips.us-west-2.api.aws", "us-west-2"),
        (
            Some("us-gov-west-1"),
            false,
            false,
            gov,
            "sts.us-gov-west-1.amazonaws.com",
            "us-gov-west-1",
        ),
        (
            Some("us-gov-west-1"),
            true,
            false,
            gov,
            "sts.us-gov-west-1.amazonaws.com",
            "us-gov-west-1",
        ),
        (
            Some("cn-northwest-1"),
            false,
            false,
            china,
            "sts.cn-northwest-1.amazonaws.com.cn",
            "cn-northwest-1",
        ),
        (None, false, false, china, "sts.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        (None, false, false, gov, "sts.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        (None, false, false, ROLE, "sts.ap-south-1.amazonaws.com", "ap-south-1"),
        (Some("aws-global"), false, false, ROLE, "sts.amazonaws.com", "us-east-1"),
    ] {
        let (sts, wire) = sts(200, session(), Some("ap-south-1"), None);
        ask(&sts, arn, &spec(region, fips, dual))
            .await
            .unwrap_or_else(|e| panic!("{region:?} {arn}: {e}"));
        let seen = wire.seen.lock().pop().expect("a call");
        assert_eq!(
            seen.url.trim_end_matches('/'),
            format!("https://{host}"),
            "{region:?} {fips} {dual}"
        );
        assert!(
            seen.authorization.contains(&format!("/{signed}/sts/aws4_request")),
            "{}",
            seen.authorization
        );
    }
}

#[tokio::test]
async fn an_endpoint_of_the_process_or_of_the_specification_comes_first() {
    let (by_process, wire) = sts(200, session(), Some("eu-west-1"), Some("http://127.0.0.1:4566"));
    ask(&by_process, ROLE, &spec(Some("eu-west-1"), false, false)).await.expect("an answer");
    assert_eq!(wire.seen.lock()[0].url.trim_end_matches('/'), "http://127.0.0.1:4566");
    let (store, came) = server(session()).await;
    let own = StsSpec { endpoint: Some(store), ..StsSpec::default() };
    ask(&by_process, ROLE, &own).await.expect("an answer");
    assert_eq!(came.load(Ordering::Relaxed), 1);
    assert_eq!(wire.seen.lock().len(), 1, "a client of its own, which is guarded, calls it");
}

/// A server on loopback that responds with `body` to every request: its address, and the number of
/// requests.
async fn server(body: String) -> (String, Arc<AtomicUsize>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    crate::http::tests::install_crypto();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let came = Arc::new(AtomicUsize::new(0));
    let count = came.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let _ = stream.read(&mut [0; 8192]).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    (url, came)
}

#[tokio::test]
async fn an_endpoint_of_the_specification_is_guarded_after_resolution_and_its_answer_has_an_end() {
    let (sts, _) = sts(200, session(), Some("eu-west-1"), None);
    let (url, came) = server(session()).await;
    let home = url.replace("127.0.0.1", "localhost");
    for reach in [NetworkScope::Public, NetworkScope::Private] {
        let spec = StsSpec { endpoint: Some(home.clone()), ..StsSpec::default() };
        let error =
            ask(&sts.reaching(reach), ROLE, &spec).await.expect_err("a name that leads home");
        assert!(error.to_string().contains("addresses that may not be called"), "{error}");
        assert_eq!(error.class(), Class::Transient);
    }
    assert_eq!(came.load(Ordering::Relaxed), 0, "no call was made");
    let (endless, _) =
        server(format!("{}{}", " ".repeat(crate::http::LARGEST_BODY), session())).await;
    let spec = StsSpec { endpoint: Some(endless), ..StsSpec::default() };
    let error = ask(&sts, ROLE, &spec).await.expect_err("too long an answer");
    assert_eq!(error.class(), Class::Transient, "{error}");
}

#[tokio::test]
async fn an_answer_is_read_whole() {
    let (sts, wire) = sts(200, session(), None, None);
    let issued = ask(&sts, ROLE, &StsSpec::default()).await.expect("an answer");
    assert_eq!(issued.session.key.id, "ASIAEXAMPLE");
    assert_eq!(issued.packed_policy_size, Some(42));
    assert_eq!(issued.token, TokenSize { bytes: Some(1832), utilization: Some(44) });
    assert_eq!(issued.principal.account_id.as_deref(), Some("111122223333"));
    assert_eq!(issued.principal.user_id.as_deref(), Some("A:x"));
    let body = wire.seen.lock()[0].body.clone();
    assert!(body.starts_with("Action=AssumeRole&Version=2011-06-15"), "{body}");
}

#[tokio::test]
async fn a_long_session_token_is_read_whole_and_its_least_size_is_asked_for() {
    for size in [4096, 8192] {
        let token = "t".repeat(size);
        let body = session().replace("<SessionToken>t<", &format!("<SessionToken>{token}<"));
        let (sts, wire) = sts(200, body, None, None);
        let role = Role {
            role_arn: ROLE.to_owned(),
            minimum_session_token_size: Some(4096),
            ..Role::default()
        };
        let call = RoleCall { role: &role, session_name: "x", external_id: None, token_code: None };
        // The session of one step signs the next one.
        let key = AccessKey {
            id: "ASIAEXAMPLE".into(),
            secret: "secret".into(),
            token: Some(token.clone().into()),
        };
        let now = "2026-01-01T00:00:00Z".parse().expect("time");
        let issued = sts
            .assume_role(call, &Caller::Key(key), &StsSpec::default(), now)
            .await
            .expect("an answer");
        let read = issued.session.key.token.expect("a token");
        assert_eq!(secrecy::ExposeSecret::expose_secret(&read), token);
        let body = wire.seen.lock()[0].body.clone();
        assert!(body.contains("&MinimumSessionTokenSize=4096"), "{body}");
    }
}

#[tokio::test]
async fn an_error_keeps_its_code_and_request_id_and_is_asked_once() {
    let denied = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
        <Code>AccessDenied</Code><Message>no</Message></Error><RequestId>req-7</RequestId></ErrorResponse>";
    // As an S3-compatible store writes it: another root, no namespace.
    let other = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>no</Message>\
        <RequestId>req-7</RequestId></Error>";
    for (status, body, class, code) in [
        (403, denied, Class::Denied, Some("AccessDenied")),
        (403, other, Class::Denied, Some("AccessDenied")),
        (400, &denied.replace("AccessDenied", "Throttling"), Class::Throttled, Some("Throttling")),
        (
            500,
            &denied.replace("AccessDenied", "InternalFailure"),
            Class::Transient,
            Some("InternalFailure"),
        ),
        (502, "<html>", Class::Transient, Some("HTTP 502")),
        (403, "<html>", Class::Transient, None),
        (400, "{\"code\": \"ValidationError\"}", Class::Specification, Some("ValidationError")),
        (400, "{}", Class::Transient, None),
    ] {
        let (sts, wire) = sts(status, body.to_owned(), None, None);
        let error = ask(&sts, ROLE, &StsSpec::default()).await.expect_err(body);
        assert_eq!((error.class(), error.code()), (class, code), "{status} {body}: {error}");
        assert_eq!(error.request_id(), Some("req-7"), "{body}");
        assert_eq!(wire.seen.lock().len(), 1, "retries are the controller's");
    }
}

#[test]
fn an_endpoint_of_aws_s_own_is_aws() {
    for (endpoint, issuer) in [
        (None, Issuer::Aws),
        (Some("https://vpce-0a1b-2c3d.sts.eu-west-1.vpce.amazonaws.com"), Issuer::Aws),
        (Some("https://STS.cn-north-1.amazonaws.com.cn/"), Issuer::Aws),
        (Some("https://sts.eu-west-1.api.aws:443"), Issuer::Aws),
        (Some("https://minio.example.com"), Issuer::Store),
        (Some("https://sts.amazonaws.com.example.com"), Issuer::Store),
        (Some("https://example.com/.amazonaws.com"), Issuer::Store),
        (Some("https://notamazonaws.com"), Issuer::Store),
        (Some("http://127.0.0.1:9000"), Issuer::Store),
    ] {
        let spec = StsSpec { endpoint: endpoint.map(str::to_owned), ..StsSpec::default() };
        assert_eq!(issuer_of(&spec), issuer, "{endpoint:?}");
    }
}

proptest::proptest! {
    /// See `source::fuzz_tests`: responses of an STS with bytes changed, which the SDK parses.
    #[test]
    fn fuzz_tests_answers_of_sts(at in 0..400_usize, byte in 0..128_u8, cut in 0..600_usize, status in 200..600_u16) {
        let mut body = session().into_bytes();
        let len = body.len();
        body[at % len] = byte;
        body.truncate(cut.max(1));
        let (sts, _) = sts(status, String::from_utf8(body).expect("ASCII"), None, None);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        if let Ok(issued) = runtime.block_on(ask(&sts, ROLE, &StsSpec::default())) {
            proptest::prop_assert!(!issued.session.key.id.is_empty());
        }
    }
}
