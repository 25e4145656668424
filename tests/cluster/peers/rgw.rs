//! Ceph RGW: a real STS with ARNs, accounts and errors of its own. It keeps a role's path in the
//! session's ARN, writes a tenant's name in the account's place, and answers errors in S3's XML
//! without a message.

use super::openid::OpenId;
use super::{Stage, allow, uses_s3};
use crate::harness::ceph::{Rgw, User};
use crate::harness::issuer::query;
use aws_credential_types::Credentials;
use refreshable_api::FailureStatus;
use serde_json::{Value, json};

/// The audience of tokens that the store trusts.
const AUDIENCE: &str = "store.example.com";

/// A stage whose namespace may call the store.
async fn stage_at(rgw: &Rgw) -> Stage {
    let stage = Stage::set().await;
    allow(&stage, "rgw", json!({"endpoints": [rgw.url]})).await;
    stage
}

/// The user's key in a Secret of the stage.
async fn key_of(stage: &Stage, name: &str, user: &User) {
    stage
        .secret(
            name,
            &[("AWS_ACCESS_KEY_ID", &user.key_id), ("AWS_SECRET_ACCESS_KEY", &user.secret)],
        )
        .await;
}

fn trusting(action: &str, principal: Value) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": principal, "Action": [format!("sts:{action}")]}],
    })
}

fn trusting_user(arn: &str) -> Value {
    trusting("AssumeRole", json!({"AWS": [arn]}))
}

fn spec(rgw: &Rgw, source: Value, more: Value) -> Value {
    let mut spec = json!({"source": source, "sts": {"endpoint": rgw.url, "region": "us-east-1"}});
    spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    spec
}

fn assuming(rgw: &Rgw, secret: &str, role: Value) -> Value {
    spec(rgw, json!({"accessKey": {"secretRef": {"name": secret}}}), json!({"roles": [role]}))
}

/// Whose credentials were published.
async fn published(stage: &Stage, name: &str) -> String {
    let ready = stage.until(name, "True", "Issued").await;
    ready.status.and_then(|s| s.principal).and_then(|p| p.arn).expect("an ARN")
}

/// Why nothing was published.
async fn failure(stage: &Stage, name: &str) -> FailureStatus {
    let failed = stage
        .until_it(name, "it failed", |c| c.status.as_ref().is_some_and(|s| s.failures.is_some()))
        .await;
    failed.status.and_then(|s| s.failures).expect("a failure")
}

#[tokio::test]
async fn roles_with_paths_and_of_tenants_are_published_as_the_store_names_them() {
    let rgw = Rgw::shared().await;
    let stage = stage_at(rgw).await;
    let (user, tenant) = (rgw.user("paths").await, rgw.user_of(Some("acme"), "tenant").await);
    key_of(&stage, "user", &user).await;
    key_of(&stage, "tenant-key", &tenant).await;
    let trust = trusting_user("arn:aws:iam:::user/paths");
    let path = rgw.role(None, "/a/b/", "PathAccess", &trust).await;
    assert_eq!(path, "arn:aws:iam:::role/a/b/PathAccess");
    let flat = rgw.role(None, "/", "FlatAccess", &trust).await;
    let of_tenant = rgw
        .role(Some("acme"), "/", "TenantAccess", &trusting_user("arn:aws:iam::acme:user/tenant"))
        .await;

    stage.credential("path", assuming(rgw, "user", json!({"roleArn": path}))).await;
    let mut never = assuming(rgw, "user", json!({"roleArn": path}));
    never["principal"] = json!({"verify": "Never"});
    stage.credential("never", never).await;
    let mut pattern = assuming(rgw, "user", json!({"roleArn": path}));
    pattern["principal"] = json!({"arn": "arn:aws:sts:::assumed-role/a/b/PathAccess/*"});
    stage.credential("pattern", pattern.clone()).await;
    pattern["principal"] = json!({"arn": "arn:aws:sts:::assumed-role/a/b/Admin/*"});
    stage.credential("other", pattern).await;
    stage.credential("flat", assuming(rgw, "user", json!({"roleArn": flat}))).await;
    stage.credential("tenant", assuming(rgw, "tenant-key", json!({"roleArn": of_tenant}))).await;

    for (name, session) in [
        ("path", "arn:aws:sts:::assumed-role/a/b/PathAccess/"),
        ("never", "arn:aws:sts:::assumed-role/a/b/PathAccess/"),
        ("pattern", "arn:aws:sts:::assumed-role/a/b/PathAccess/"),
        ("flat", "arn:aws:sts:::assumed-role/FlatAccess/"),
        ("tenant", "arn:aws:sts::acme:assumed-role/TenantAccess/"),
    ] {
        let found = published(&stage, name).await;
        assert!(found.starts_with(session), "{name}: {found}");
    }
    uses_s3(&stage, &rgw.url, "path").await;
    assert_eq!(failure(&stage, "other").await.reason, "WrongPrincipal");
    stage.strike().await;
}

#[tokio::test]
async fn tokens_that_the_store_verifies_are_exchanged_for_a_role_with_a_path() {
    let rgw = Rgw::shared().await;
    let stage = stage_at(rgw).await;
    let identity = stage.cluster.control_plane.authority.client_rsa("openid", "issuer");
    let issuer = OpenId::start(Some(&identity)).await;
    let user = rgw.user("identities").await;
    let administrator = Credentials::new(&user.key_id, &user.secret, None, None, "rgw");
    let certificate = pem::parse(&identity.certificate).expect("PEM");
    let digest = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        certificate.contents(),
    );
    let thumbprint: String = digest.as_ref().iter().map(|b| format!("{b:02X}")).collect();
    let parameters = [
        ("Url", &*issuer.url),
        ("ClientIDList.member.1", AUDIENCE),
        ("ThumbprintList.member.1", &*thumbprint),
    ];
    query(&rgw.url, "iam", &administrator, "CreateOpenIDConnectProvider", &parameters).await;
    let provider =
        format!("arn:aws:iam:::oidc-provider/{}", issuer.url.trim_start_matches("http://"));
    let trust = trusting("AssumeRoleWithWebIdentity", json!({"Federated": [provider]}));
    let role = rgw.role(None, "/a/b/", "WebAccess", &trust).await;

    let token = async |audience: &str| issuer.token(&format!("https://{audience}/")).await;
    stage.secret("good-token", &[("token", &token(AUDIENCE).await)]).await;
    stage.secret("other-token", &[("token", &token("elsewhere.example.com").await)]).await;
    let web = |role: &str, secret: &str| {
        let source = json!({"roleArn": role, "tokenSecretRef": {"name": secret, "key": "token"}});
        spec(rgw, json!({"webIdentity": source}), json!({}))
    };
    stage.credential("web", web(&role, "good-token")).await;
    stage.credential("audience", web(&role, "other-token")).await;
    stage.credential("missing", web("arn:aws:iam:::role/a/b/Missing", "good-token")).await;

    let found = published(&stage, "web").await;
    assert!(found.starts_with("arn:aws:sts:::assumed-role/a/b/WebAccess/"), "{found}");
    uses_s3(&stage, &rgw.url, "web").await;
    for name in ["audience", "missing"] {
        let failure = failure(&stage, name).await;
        assert_eq!(
            (failure.reason.as_str(), failure.class.as_str()),
            ("AccessDenied", "Denied"),
            "{failure:?}"
        );
        assert!(
            failure.message.contains("that the store trusts the token's issuer"),
            "{failure:?}"
        );
        assert!(!failure.message.contains("trust-policy"), "{failure:?}");
    }
    stage.strike().await;
}

#[tokio::test]
async fn errors_without_a_message_have_a_class_and_advice_that_fit_a_store() {
    let rgw = Rgw::shared().await;
    let stage = stage_at(rgw).await;
    let user = rgw.user("mistakes").await;
    key_of(&stage, "user", &user).await;
    key_of(
        &stage,
        "wrong",
        &User { secret: "not-the-secret-of-mistakes".to_owned(), ..user.clone() },
    )
    .await;
    let trust = trusting_user("arn:aws:iam:::user/mistakes");
    let role = rgw.role(None, "/", "MistakesAccess", &trust).await;
    let administrator = Credentials::new(&user.key_id, &user.secret, None, None, "rgw");
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["sts:GetSessionToken"], "Resource": ["*"]}],
    });
    let parameters =
        [("UserName", "mistakes"), ("PolicyName", "sts"), ("PolicyDocument", &*policy.to_string())];
    query(&rgw.url, "iam", &administrator, "PutUserPolicy", &parameters).await;

    let session_token = json!({"sessionToken": {"accessKey": {"secretRef": {"name": "user"}}}});
    let account = json!({"principal": {"accountId": "111122223333"}});
    stage
        .credential(
            "late",
            assuming(rgw, "user", json!({"roleArn": "arn:aws:iam:::role/a/LateAccess"})),
        )
        .await;
    stage.credential("key", assuming(rgw, "wrong", json!({"roleArn": role}))).await;
    stage
        .credential(
            "long",
            assuming(rgw, "user", json!({"roleArn": role, "durationSeconds": 7200})),
        )
        .await;
    stage.credential("session", spec(rgw, session_token.clone(), json!({}))).await;
    stage.credential("account", spec(rgw, session_token, account)).await;

    for (name, code, class, reason, words) in [
        ("late", "NoSuchEntity", "Denied", "AccessDenied", "Create the role in the store"),
        ("key", "AccessDenied", "Denied", "AccessDenied", "Check the key that signed the call"),
        (
            "long",
            "InvalidArgument",
            "Specification",
            "InvalidSpecification",
            "compare durationSeconds",
        ),
        (
            "account",
            "MethodNotAllowed",
            "Specification",
            "InvalidSpecification",
            "take accountId and arn out",
        ),
    ] {
        let failure = failure(&stage, name).await;
        assert_eq!(failure.code.as_deref(), Some(code), "{name}: {failure:?}");
        assert_eq!(
            (failure.class.as_str(), failure.reason.as_str()),
            (class, reason),
            "{name}: {failure:?}"
        );
        assert!(failure.message.contains(words), "{name}: {failure:?}");
        for aws in ["trust-policy", "IAM", "says which value it does"] {
            assert!(!failure.message.contains(aws), "{name}: {failure:?}");
        }
        assert!(failure.request_id.is_some(), "{name}: {failure:?}");
    }
    stage.until("session", "True", "Issued").await;

    // A role that is made later is found by itself.
    rgw.role(None, "/a/", "LateAccess", &trust).await;
    let found = published(&stage, "late").await;
    assert!(found.starts_with("arn:aws:sts:::assumed-role/a/LateAccess/"), "{found}");
    stage.strike().await;
}
