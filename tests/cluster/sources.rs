//! Where chains start: the controller's identity, a key, a web identity; and what roles carry.

use super::stage::{SOON, Stage};
use crate::harness::{controlplane, eventually};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use refreshable_api::CredentialPolicy;
use serde_json::json;

#[tokio::test]
async fn without_a_policy_the_controller_s_identity_is_denied() {
    let stage = Stage::set().await;
    let account = stage.issuer.account(&stage.account);
    let role = account.role("denied").trusting(account.user_arn("controller")).create().await;
    stage.credential("denied", json!({"roles": [{"roleArn": role}]})).await;

    let denied = stage.until("denied", "False", "NotPermitted").await;
    let message = denied.status.expect("a status").conditions[0].message.clone();
    assert!(message.contains("spec.allow.roles") && message.contains(&role), "{message}");
    assert_eq!(stage.aws.calls().len(), 0);

    stage.allow(&[&role]).await;
    stage.until("denied", "True", "Issued").await;
    let policies: kube::Api<CredentialPolicy> = kube::Api::all(stage.namespace.client.clone());
    for policy in policies.list(&Default::default()).await.expect("a list") {
        let name = policy.metadata.name.expect("a name");
        if name.starts_with(&format!("{}-", stage.namespace.name)) {
            policies.delete(&name, &DeleteParams::default()).await.expect("deleted");
        }
    }
    stage.until("denied", "False", "NotPermitted").await;
    let gone = stage.namespace.api::<Secret>().get_opt("denied").await.expect("an answer");
    assert!(gone.is_none(), "the Secret goes with the permission");
    stage.strike().await;
}

#[tokio::test]
async fn a_key_from_a_secret_starts_a_chain_and_its_change_is_noticed() {
    let stage = Stage::set().await;
    let account = stage.issuer.account(&stage.account);
    let user = account.user("starter").await;
    let role = account.role("keyed").trusting(account.user_arn("starter")).create().await;
    let spec = json!({"source": {"accessKey": {"secretRef": {"name": "key"}}}, "roles": [{"roleArn": role}]});
    stage.credential("keyed", spec).await;
    let missing = stage.until("keyed", "False", "InputMissing").await;
    assert!(
        missing
            .status
            .and_then(|s| s.failures)
            .expect("a failure")
            .message
            .contains("Secret key does not exist")
    );

    stage.secret("key", &[("AWS_ACCESS_KEY_ID", user.access_key_id())]).await;
    let labels = json!({"metadata": {"labels": {"refreshable.dev/watch": "true"}}});
    let secrets = stage.namespace.api::<Secret>();
    let change = async |patch| {
        secrets.patch("key", &PatchParams::default(), &Patch::Merge(patch)).await.expect("changed")
    };
    change(labels).await;
    stage
        .until_it("keyed", "the missing key is named", |c| {
            let failure = c.status.as_ref().and_then(|s| s.failures.as_ref());
            failure.is_some_and(|f| f.message.contains("AWS_SECRET_ACCESS_KEY"))
        })
        .await;
    change(json!({"stringData": {"AWS_SECRET_ACCESS_KEY": "not-the-right-one-not-the-right-one-0000"}})).await;
    let wrong = stage.until("keyed", "False", "InputInvalid").await;
    let failure = wrong.status.and_then(|s| s.failures).expect("a failure");
    assert!(failure.code.is_some(), "{failure:?}");
    change(json!({"stringData": {"AWS_SECRET_ACCESS_KEY": user.secret_access_key()}})).await;
    stage.until("keyed", "True", "Issued").await;

    let calls = stage.aws.calls_for_role(&role).len();
    let key = stage.key_id("keyed").await;
    let other = account.access_key("starter").await;
    change(json!({"stringData": {"AWS_ACCESS_KEY_ID": other.access_key_id(), "AWS_SECRET_ACCESS_KEY": other.secret_access_key()}})).await;
    eventually(SOON, "the new key is used", async || {
        let now = stage.key_id("keyed").await;
        if now == key { Err(now) } else { Ok(()) }
    })
    .await;
    assert_eq!(stage.aws.calls_for_role(&role).len(), calls + 1);
    let last = stage.aws.calls_for_role(&role).pop().expect("a call");
    assert_eq!(last.access_key_id.as_deref(), Some(other.access_key_id()));
    stage.strike().await;
}

#[tokio::test]
async fn a_chain_crosses_two_accounts_with_everything_that_assume_role_takes() {
    let stage = Stage::set().await;
    let hub = stage.role("hub").await;
    let other = format!("9{}", &stage.account[1..]);
    let spoke = stage
        .issuer
        .account(&other)
        .role("spoke")
        .trusting(&hub)
        .external_id("4f2a/secret")
        .create()
        .await;
    stage.allow(&[&spoke]).await;
    stage
        .secret(
            "inputs",
            &[("external", "4f2a/secret\n"), ("seed", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")],
        )
        .await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    let spec = json!({
        "roles": [
            {"roleArn": hub, "serialNumber": "arn:aws:iam::111122223333:mfa/me", "totpSecretRef": {"name": "inputs", "key": "seed"}},
            {
                "roleArn": spoke, "roleSessionName": "night-run", "durationSeconds": 1800, "policy": policy,
                "externalIdSecretRef": {"name": "inputs", "key": "external"}, "sourceIdentity": "somebody",
                "tags": [{"key": "team", "value": "a"}], "transitiveTagKeys": ["team"],
                "policyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
            },
        ],
        "principal": {"accountId": other},
    });
    stage.credential("chain", spec).await;

    let ready = stage.until("chain", "True", "Issued").await;
    let principal = ready.status.and_then(|s| s.principal).expect("a principal");
    assert_eq!(principal.arn, Some(format!("arn:aws:sts::{other}:assumed-role/spoke/night-run")));
    let first = stage.aws.calls_for_role(&hub).pop().expect("a call");
    assert_eq!(first.parameter("SerialNumber"), Some("arn:aws:iam::111122223333:mfa/me"));
    assert!(first.parameter("TokenCode").is_some_and(|c| c.len() == 6));
    let second = stage.aws.calls_for_role(&spoke).pop().expect("a call");
    for (name, value) in [
        ("RoleSessionName", "night-run"),
        ("DurationSeconds", "1800"),
        ("ExternalId", "4f2a/secret"),
        ("SourceIdentity", "somebody"),
        ("Policy", policy),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "a"),
        ("TransitiveTagKeys.member.1", "team"),
        ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
    ] {
        assert_eq!(second.parameter(name), Some(value), "{name}");
    }
    assert_eq!(stage.aws.calls().len(), 2, "one call for each role");
    stage.strike().await;
}

#[tokio::test]
async fn a_service_account_s_token_and_one_from_a_secret_are_web_identities() {
    let stage = Stage::set().await;
    let provider = controlplane::TOKEN_ISSUER.trim_start_matches("https://");
    let subject = format!("system:serviceaccount:{}:app", stage.namespace.name);
    let account = stage.issuer.account(&stage.account);
    let role = account.role("web").trusting_web_identity(provider, &subject).create().await;
    let namespace = stage.namespace.name.as_str();
    for name in ["app", "stranger"] {
        stage.cluster.kubectl(&["create", "serviceaccount", name, "--namespace", namespace]).await;
    }
    let by_account = |name: &str| json!({"source": {"webIdentity": {"roleArn": role, "serviceAccountRef": {"name": name}}}});
    stage.credential("app", by_account("app")).await;
    let ready = stage.until("app", "True", "Issued").await;
    assert!(
        ready
            .status
            .and_then(|s| s.principal)
            .and_then(|p| p.arn)
            .is_some_and(|a| a.contains(":assumed-role/web/"))
    );

    stage.credential("stranger", by_account("stranger")).await;
    let refused = stage.until("stranger", "False", "AccessDenied").await;
    let failure = refused.status.and_then(|s| s.failures).expect("a failure");
    assert!(failure.message.contains("issuer, subject and audience"), "{}", failure.message);
    stage.credential("nobody", by_account("nobody")).await;
    stage.until("nobody", "False", "InputMissing").await;

    let token = stage.cluster.token(namespace, "app", &["sts.amazonaws.com"]).await;
    stage.secret("token", &[("token", &token)]).await;
    stage
        .credential(
            "file",
            json!({"source": {"webIdentity": {"roleArn": role, "tokenSecretRef": {"name": "token", "key": "token"}}}}),
        )
        .await;
    stage.until("file", "True", "Issued").await;
    stage
        .credential("audience", json!({"source": {"webIdentity": {"roleArn": role, "serviceAccountRef": {"name": "app", "audience": "vault"}}}}))
        .await;
    stage.until("audience", "False", "NotPermitted").await;
    stage.strike().await;
}

#[tokio::test]
async fn sessions_of_a_user_and_of_a_federated_user_are_published_themselves() {
    let stage = Stage::set().await;
    let account = stage.issuer.account(&stage.account);
    let user = account.user("person").await;
    let key = [
        ("AWS_ACCESS_KEY_ID", user.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", user.secret_access_key()),
    ];
    stage.secret("key", &key).await;
    stage.secret("mfa", &[("seed", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]).await;
    let access_key = json!({"secretRef": {"name": "key"}});
    stage
        .credential(
            "session",
            json!({"source": {"sessionToken": {
                "accessKey": access_key, "durationSeconds": 7200, "serialNumber": "arn:aws:iam::111122223333:mfa/me",
                "totpSecretRef": {"name": "mfa", "key": "seed"},
            }}}),
        )
        .await;
    let ready = stage.until("session", "True", "Issued").await;
    assert_eq!(
        ready.status.and_then(|s| s.principal).and_then(|p| p.arn),
        Some(account.user_arn("person"))
    );
    let call = stage.aws.calls_of("GetSessionToken").pop().expect("a call");
    assert_eq!(call.parameter("DurationSeconds"), Some("7200"));
    assert!(call.parameter("TokenCode").is_some_and(|c| c.len() == 6));
    assert_eq!(
        stage.aws.calls_of("GetCallerIdentity").len(),
        1,
        "the answer does not say whose it is"
    );

    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    stage
        .credential(
            "federated",
            json!({"source": {"federationToken": {"accessKey": access_key, "name": "guest", "policy": policy}}}),
        )
        .await;
    let ready = stage.until("federated", "True", "Issued").await;
    let arn = ready.status.and_then(|s| s.principal).and_then(|p| p.arn).expect("a principal");
    assert_eq!(arn, format!("arn:aws:sts::{}:federated-user/guest", stage.account));
    assert_eq!(
        stage.aws.calls_of("GetFederationToken").pop().expect("a call").parameter("Policy"),
        Some(policy)
    );

    stage.strike().await;
}

#[tokio::test]
async fn endpoints_over_http_give_credentials_where_a_policy_allows_their_url() {
    let stage = Stage::set().await;
    // The emulator's container endpoint gives sessions that it does not know itself.
    let url = format!("{}/v2/credentials/task", stage.issuer.url());
    let trusting = json!({"verify": "Never"});
    stage
        .credential(
            "container",
            json!({"source": {"container": {"fullUri": url}}, "principal": trusting}),
        )
        .await;
    let denied = stage.until("container", "False", "NotPermitted").await;
    assert!(denied.status.expect("a status").conditions[0].message.contains("spec.allow.urls"));
    stage
        .apply(json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy",
            "metadata": {"name": format!("{}-urls", stage.namespace.name)},
            "spec": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": stage.namespace.name}},
                "allow": {"urls": [stage.issuer.url()]},
            },
        }))
        .await;
    stage.until("container", "True", "Issued").await;
    stage
        .credential(
            "custom",
            json!({"source": {"custom": {"http": {"url": url}}}, "principal": trusting}),
        )
        .await;
    stage.until("custom", "True", "Issued").await;
    stage
        .credential("lost", json!({"source": {"custom": {"http": {"url": format!("{}/nothing", stage.issuer.url())}}}, "principal": trusting}))
        .await;
    stage
        .until_it("lost", "a failure that says so", |c| {
            c.status.as_ref().is_some_and(|s| s.failures.is_some())
        })
        .await;
    stage.strike().await;
}

#[tokio::test]
async fn what_only_the_running_system_knows_to_be_chained_is_lowered_and_said() {
    let stage = Stage::without_controller().await;
    let account = stage.issuer.account(&stage.account);
    let user = account.user("node").await;
    let own =
        account.role("own").trusting(account.user_arn("node")).allowing(&["sts:*"]).create().await;
    let sts = crate::harness::issuer::sts(stage.issuer.url(), user);
    let session =
        sts.assume_role().role_arn(&own).role_session_name("pod").send().await.expect("a session");
    let given = session.credentials().expect("credentials").clone();
    crate::harness::canary::register(given.session_token());
    let role = account.role("long").trusting(&own).create().await;
    let stage = stage
        .started(|program| {
            let program = program
                .args(["--no-leader-election"])
                .env("AWS_ACCESS_KEY_ID", given.access_key_id());
            let program = program.env("AWS_SECRET_ACCESS_KEY", given.secret_access_key());
            program.env("AWS_SESSION_TOKEN", given.session_token())
        })
        .await;
    stage.allow(&[&role]).await;
    stage.credential("long", json!({"roles": [{"roleArn": role, "durationSeconds": 43200}]})).await;
    let ready = stage.until("long", "True", "Issued").await;
    let message = ready.status.expect("a status").conditions[0].message.clone();
    assert!(message.contains("was lowered to 3600"), "{message}");
    assert_eq!(stage.aws.calls_for_role(&role)[0].parameter("DurationSeconds"), Some("3600"));
    stage.strike().await;
}
