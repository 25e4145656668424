//! `trust-policy` lets in exactly the resource that it was asked for: what it prints is put into
//! AWS as it stands.
//!
//! The emulator checks principals, external ids, session names, session tags, and of tokens the
//! issuer, the subject and an audience that is one text. It knows no MFA, source identity,
//! certificate and service principal: there the policies are compared with files that a person read
//! (`src/plugin/trust_policy/golden`).

use super::super::plugin::User;
use super::super::stage::{SOON, Stage, ready};
use crate::harness::issuer::{Account, element};
use crate::harness::{canary, cluster, eventually, issuer, python, scratch};
use base64::Engine as _;
use refreshable_api::RefreshableCredential;
use serde_json::{Value, json};
use std::path::Path;

/// A user who may do nothing, and a controller that runs as that user and serves two namespaces.
struct Scene {
    stage: Stage,
    base: String,
    neighbour: cluster::Namespace,
}

impl Scene {
    async fn set() -> Self {
        let stage = Stage::without_controller().await;
        let neighbour = stage.cluster.namespace("neighbour").create().await;
        let account = stage.issuer.account(&stage.account);
        account.iam("CreateUser", &[("UserName", "base")]).await;
        let key = account.access_key("base").await;
        let base = account.user_arn("base");
        let (namespace, ecr) = (neighbour.name.clone(), stage.issuer.url().to_owned());
        let stage = stage
            .started(|program| {
                program
                    .env("AWS_ENDPOINT_URL_ECR", ecr)
                    .args(["--no-leader-election", "--watch-namespace", &namespace])
                    .env("AWS_ACCESS_KEY_ID", key.access_key_id())
                    .env("AWS_SECRET_ACCESS_KEY", key.secret_access_key())
            })
            .await;
        Self { stage, base, neighbour }
    }

    /// Puts what is printed into AWS: nothing else.
    async fn put(&self, printed: &Value) {
        for role in printed["roles"].as_array().expect("roles") {
            let arn = role["roleArn"].as_str().expect("an ARN");
            let (account, name) = account_and_name(arn);
            let account = self.stage.issuer.account(account);
            let trust = role["trustPolicy"].to_string();
            let known = account
                .iam("ListRoles", &[])
                .await
                .contains(&format!("<RoleName>{name}</RoleName>"));
            let (action, parameter) = if known {
                ("UpdateAssumeRolePolicy", "PolicyDocument")
            } else {
                ("CreateRole", "AssumeRolePolicyDocument")
            };
            account.iam(action, &[("RoleName", name), (parameter, &trust)]).await;
        }
        for caller in printed["callers"].as_array().expect("callers") {
            let arn = caller["caller"].as_str().expect("an ARN");
            let (account, name) = account_and_name(arn);
            let account = self.stage.issuer.account(account);
            let policy = caller["policy"].to_string();
            let (action, owner) = if arn.contains(":role/") {
                ("PutRolePolicy", "RoleName")
            } else {
                ("PutUserPolicy", "UserName")
            };
            account
                .iam(
                    action,
                    &[(owner, name), ("PolicyName", "printed"), ("PolicyDocument", &policy)],
                )
                .await;
        }
    }

    /// The resource is asked for anew and is issued.
    async fn is_let_in(&self, name: &str) {
        let asked = json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "now"}}});
        self.stage.patch(name, asked).await;
        self.stage.until(name, "True", "Issued").await;
    }

    /// A resource with this specification is denied, in the stage's namespace or in the other.
    async fn is_kept_out(&self, namespace: &str, name: &str, spec: Value) {
        self.stage
            .apply(json!({
                "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
                "metadata": {"name": name, "namespace": namespace}, "spec": spec,
            }))
            .await;
        let api: kube::Api<RefreshableCredential> =
            kube::Api::namespaced(self.stage.namespace.client.clone(), namespace);
        eventually(SOON, "the neighbour is denied", async || {
            let object = api.get(name).await.map_err(|e| e.to_string())?;
            let denied = Some(("False".to_owned(), "AccessDenied".to_owned()));
            if ready(&object) == denied { Ok(()) } else { Err(format!("{:#?}", object.status)) }
        })
        .await;
    }

    async fn allow_in(&self, namespace: &str, arn: &str) {
        let name = format!("{namespace}-neighbour-{}", arn.rsplit('/').next().expect("a name"));
        self.stage
            .apply(json!({
                "apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy", "metadata": {"name": name},
                "spec": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                    "allow": {"roles": [{"arns": [arn], "tags": [{"key": "*"}]}]},
                },
            }))
            .await;
    }

    async fn end(self) {
        canary::assert_clean(&self.stage.controller().log(), "the log");
        self.stage.strike().await;
    }
}

fn account_and_name(arn: &str) -> (&str, &str) {
    (arn.split(':').nth(4).expect("an account"), arn.rsplit('/').next().expect("a name"))
}

fn read(output: &str) -> Value {
    serde_json::from_str(output).unwrap_or_else(|e| panic!("{output}: {e}"))
}

async fn closed_role(account: Account<'_>, name: &str) -> String {
    account
        .role(name)
        .trusting("arn:aws:iam::999999999999:user/nobody")
        .allowing(&[])
        .create()
        .await
}

#[tokio::test]
async fn a_denied_role_lets_in_the_resource_and_nobody_beside_it() {
    let scene = Scene::set().await;
    let (stage, namespace) = (&scene.stage, scene.stage.namespace.name.clone());
    let role = closed_role(stage.issuer.account(&stage.account), "reports").await;
    stage.allow(&[&role]).await;
    scene.allow_in(&scene.neighbour.name, &role).await;
    let tags = json!([{"key": "team", "value": "a"}]);
    let spec = json!({"roles": [{"roleArn": role, "externalId": "4f2a", "tags": tags}]});
    stage.credential("reports", spec.clone()).await;

    // The advice is a command line that works as it stands.
    let denied = stage.until("reports", "False", "AccessDenied").await;
    let message = denied.status.and_then(|s| s.failures).expect("a failure").message;
    let command = message.split('`').nth(1).unwrap_or_else(|| panic!("{message}"));
    assert_eq!(command, format!("kubectl refreshable trust-policy -n {namespace} reports"));
    let user = User::administrator(stage);
    let arguments: Vec<&str> = command.split(' ').skip(2).collect();
    let printed = read(&user.kubectl(&arguments).await.clean());
    assert_eq!(printed["callers"][0]["caller"], scene.base, "the denial names the caller");
    scene.put(&printed).await;
    scene.is_let_in("reports").await;

    scene
        .is_kept_out(
            &namespace,
            "no-external-id",
            json!({"roles": [{"roleArn": role, "tags": tags}]}),
        )
        .await;
    let other = json!({"roles": [{"roleArn": role, "externalId": "other", "tags": tags, "roleSessionName": format!("{namespace}.reports")}]});
    scene.is_kept_out(&namespace, "other-external-id", other).await;
    scene.is_kept_out(&namespace, "same-but-for-its-name", spec.clone()).await;
    let tagged = json!({"roles": [{"roleArn": role, "externalId": "4f2a", "roleSessionName": format!("{namespace}.reports"), "tags": [{"key": "team", "value": "b"}]}]});
    scene.is_kept_out(&namespace, "other-tags", tagged).await;
    let more = json!([{"key": "team", "value": "a"}, {"key": "admin", "value": "yes"}]);
    let more = json!({"roles": [{"roleArn": role, "externalId": "4f2a", "roleSessionName": format!("{namespace}.reports"), "tags": more}]});
    scene.is_kept_out(&namespace, "one-more-tag", more).await;
    scene.is_kept_out(&scene.neighbour.name, "reports", spec).await;
    scene.end().await;
}

#[tokio::test]
async fn session_tags_of_the_cluster_s_policies_are_asked_for() {
    let stage = Stage::without_controller().await;
    let account = stage.issuer.account(&stage.account);
    let (role, base) = (account.role_arn("tagged"), account.user_arn("controller"));
    stage.allow(&[&role]).await;
    let namespace = &stage.namespace.name;
    stage
        .apply(json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy", "metadata": {"name": format!("{namespace}-tags")},
            "spec": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}, "allow": {},
                "sessionTags": {"tags": [
                    {"key": "cluster", "from": "Cluster"}, {"key": "namespace", "from": "Namespace"},
                ]},
            },
        }))
        .await;
    stage.credential("tagged", json!({"roles": [{"roleArn": role}]})).await;
    let command = ["trust-policy", "tagged", "--base-identity", &base];
    let administrator = User::administrator(&stage);
    let asked = administrator.run(&command).await.failed();
    assert!(asked.contains("--cluster-name"), "{asked}");
    let printed = read(
        &administrator.run(&[&command[..], &["--cluster-name", "bench"]].concat()).await.clean(),
    );
    let statements = printed["roles"][0]["trustPolicy"]["Statement"].to_string();
    for part in [
        "sts:TagSession",
        "\"aws:RequestTag/cluster\":\"bench\"",
        &format!("\"aws:RequestTag/namespace\":\"{namespace}\""),
    ] {
        assert!(statements.contains(part), "{part}\n{printed:#}");
    }
    // Who may not read policies is told what may be missing, and can say it.
    let rules = json!([{"apiGroups": ["refreshable.dev"], "resources": ["refreshablecredentials"], "verbs": ["get"]}]);
    let tenant = User::with_rules(&stage, "tenant", rules).await;
    let run = tenant.run(&command).await;
    assert!(run.code == 0 && run.errors.contains("give them with --session-tag"), "{run:?}");
    let own = format!("namespace={namespace}");
    let said = [&command[..], &["--session-tag", "cluster=bench", "--session-tag", &own]].concat();
    assert_eq!(read(&tenant.run(&said).await.clean()), printed);
}

#[tokio::test]
async fn a_token_is_bought_by_a_role_that_may_do_what_is_printed() {
    let scene = Scene::set().await;
    let (stage, namespace) = (&scene.stage, scene.stage.namespace.name.clone());
    // The emulator judges the permissions of a role that has some.
    let role = stage.issuer.account(&stage.account).role("puller");
    let role = role.trusting("arn:aws:iam::999999999999:user/another").allowing(&["s3:GetObject"]);
    let role = role.create().await;
    stage.allow(&[&role]).await;
    let registry = json!({"accountId": stage.account, "region": "eu-west-1"});
    let ecr = json!({"registries": [registry]});
    stage.credential("images", json!({"roles": [{"roleArn": role}], "token": {"ecr": ecr}})).await;
    stage.until("images", "False", "AccessDenied").await;
    let user = User::administrator(stage);
    let command = ["trust-policy", "-n", &namespace, "images", "--base-identity", &scene.base];
    let run = user.run(&command).await;
    assert!(run.code == 0 && run.errors.contains("narrow it to those"), "{run:?}");
    let printed = read(&run.output);

    // Who is let in, and may do nothing, buys nothing.
    let mut poor = printed.clone();
    let callers = poor["callers"].as_array_mut().expect("callers");
    callers.retain(|caller| caller["caller"] == scene.base);
    assert_eq!(callers.len(), 1, "{printed:#}");
    scene.put(&poor).await;
    stage
        .patch(
            "images",
            json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "1"}}}),
        )
        .await;
    stage
        .until_it("images", "the token is denied", |object| {
            let failure = object.status.as_ref().and_then(|s| s.failures.as_ref());
            failure.is_some_and(|f| f.message.starts_with("GetAuthorizationToken of ECR"))
        })
        .await;
    scene.put(&printed).await;
    scene.is_let_in("images").await;
    scene.end().await;
}

#[tokio::test]
async fn a_chain_over_two_accounts_is_let_in_step_by_step() {
    let scene = Scene::set().await;
    let stage = &scene.stage;
    let other = format!("8{}", &stage.account[1..]);
    let hub = stage.issuer.account(&stage.account).role_arn("hub");
    let spoke = stage.issuer.account(&other).role_arn("spoke");
    stage.allow(&[&hub, &spoke]).await;
    stage.secret("inputs", &[("external", "4f2a/secret")]).await;
    let roles = json!([
        {"roleArn": hub, "tags": [{"key": "team", "value": "a"}], "transitiveTagKeys": ["team"]},
        {"roleArn": spoke, "externalIdSecretRef": {"name": "inputs", "key": "external"}},
    ]);
    stage.credential("chain", json!({"roles": roles})).await;
    let user = User::administrator(stage);
    let base = ["trust-policy", "chain", "--base-identity", &scene.base];
    let blind = read(&user.run(&base).await.clean());
    assert!(blind["notes"].to_string().contains("give --external-id"), "{blind:#}");
    let printed =
        read(&user.run(&[&base[..], &["--external-id", "4f2a/secret"]].concat()).await.good());
    scene.put(&printed).await;
    scene.is_let_in("chain").await;

    // Another role of the same caller is no way in.
    let direct = json!({"roles": [{"roleArn": spoke, "externalId": "4f2a/secret", "roleSessionName": format!("{}.chain", stage.namespace.name)}]});
    scene.is_kept_out(&stage.namespace.name, "past-the-hub", direct).await;
    let untagged = json!({"roles": [{"roleArn": hub}, roles[1]]});
    scene.is_kept_out(&stage.namespace.name, "untagged", untagged).await;
    scene.end().await;
}

#[tokio::test]
async fn a_token_s_subject_and_audience_are_let_in_alone() {
    let scene = Scene::set().await;
    let stage = &scene.stage;
    let role = stage.issuer.account(&stage.account).role_arn("federated");
    let token = |subject: &str, audience: &str| {
        let part = |value: Value| {
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
        };
        let claims = json!({"iss": "https://oidc.example.com/id/ABC", "sub": subject, "aud": audience, "exp": 4_000_000_000_u64});
        let token = format!("{}.{}.c2ln", part(json!({"alg": "RS256"})), part(claims));
        canary::register(&token);
        token
    };
    let spec = |secret: &str| json!({"source": {"webIdentity": {"roleArn": role, "tokenSecretRef": {"name": format!("{secret}-token"), "key": "token"}}}});
    for (name, subject, audience) in [
        ("right", "system:serviceaccount:team-a:app", "sts.amazonaws.com"),
        ("subject", "system:serviceaccount:team-b:app", "sts.amazonaws.com"),
        ("audience", "system:serviceaccount:team-a:app", "vault"),
    ] {
        stage.secret(&format!("{name}-token"), &[("token", &token(subject, audience))]).await;
    }
    stage.credential("right", spec("right")).await;
    let user = User::administrator(stage);
    let asked = user.run(&["trust-policy", "right"]).await.failed();
    assert!(asked.contains("--subject"), "{asked}");
    let facts = [
        "--oidc-issuer",
        "https://oidc.example.com/id/ABC",
        "--subject",
        "system:serviceaccount:team-a:app",
    ];
    let printed = read(
        &user
            .run(
                &[&["trust-policy", "right", "--audience", "sts.amazonaws.com"], &facts[..]]
                    .concat(),
            )
            .await
            .clean(),
    );
    assert_eq!(printed["callers"], json!([]), "whoever has a token needs no permission");
    scene.put(&printed).await;
    scene.is_let_in("right").await;
    scene.is_kept_out(&stage.namespace.name, "subject", spec("subject")).await;
    scene.is_kept_out(&stage.namespace.name, "audience", spec("audience")).await;
    scene.end().await;
}

#[tokio::test]
async fn the_cluster_says_who_its_issuer_is() {
    let stage = Stage::without_controller().await;
    let spec = json!({"source": {"webIdentity": {"roleArn": "arn:aws:iam::111122223333:role/x", "serviceAccountRef": {"name": "app"}}}});
    stage.credential("app", spec).await;
    let discovery =
        stage.cluster.kubectl(&["get", "--raw", "/.well-known/openid-configuration"]).await;
    let issuer = read(&discovery)["issuer"].as_str().expect("an issuer").to_owned();
    let user = User::administrator(&stage);
    let run = user.run(&["trust-policy", "app"]).await;
    let host = issuer.trim_start_matches("https://");
    let printed = read(&run.clean());
    let condition =
        &printed["roles"][0]["trustPolicy"]["Statement"][0]["Condition"]["StringEquals"];
    let expected = json!({
        format!("{host}:aud"): "sts.amazonaws.com",
        format!("{host}:sub"): format!("system:serviceaccount:{}:app", stage.namespace.name),
    });
    assert_eq!(*condition, expected);
}

/// Terraform's configuration is read by another implementation of its language than the one that
/// wrote it.
#[tokio::test]
async fn terraform_holds_the_policies_of_the_json() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plugin/trust_policy/golden");
    for name in ["everything", "access-key", "iot", "profiles"] {
        let json =
            read(&std::fs::read_to_string(golden.join(format!("{name}.json"))).expect("a file"));
        let file = golden.join(format!("{name}.tf")).display().to_string();
        let resources = python::run("terraform.py", &[&file], &[]).await;
        let resources = resources.as_array().expect("a list");
        let policies = |kind: &[&str], member: &str| -> Vec<String> {
            let of =
                resources.iter().filter(|r| kind.contains(&r["kind"].as_str().unwrap_or_default()));
            let mut found: Vec<String> = of.map(|r| r["body"][member].to_string()).collect();
            found.sort();
            found
        };
        let expected = |list: &str, member: &str| -> Vec<String> {
            let mut all: Vec<String> = json[list]
                .as_array()
                .expect("a list")
                .iter()
                .map(|e| e[member].to_string())
                .collect();
            all.sort();
            all
        };
        assert_eq!(
            policies(&["aws_iam_role"], "assume_role_policy"),
            expected("roles", "trustPolicy"),
            "{name}"
        );
        let own = ["aws_iam_role_policy", "aws_iam_user_policy", "aws_iot_policy"];
        assert_eq!(policies(&own, "policy"), expected("callers", "policy"), "{name}");
    }
}

/// The templates are deployed, and let the resource in.
#[tokio::test]
async fn cloudformation_deploys_what_lets_the_resource_in() {
    let scene = Scene::set().await;
    let stage = &scene.stage;
    let account = stage.issuer.account(&stage.account);
    let (hub, spoke) = (account.role_arn("stack-hub"), account.role_arn("stack-spoke"));
    stage.allow(&[&hub, &spoke]).await;
    stage
        .credential(
            "stack",
            json!({"roles": [{"roleArn": hub}, {"roleArn": spoke, "externalId": "4f2a"}]}),
        )
        .await;
    stage.until("stack", "False", "AccessDenied").await;
    let user = User::administrator(stage);
    let template = user
        .run(&["trust-policy", "stack", "--base-identity", &scene.base, "-o", "cloudformation"])
        .await
        .clean();
    let file = scratch::write(scratch::subfolder("stack").join("template.yaml"), &template)
        .display()
        .to_string();
    let root = account.root();
    let answer = python::run(
        "stack.py",
        &[stage.issuer.url(), issuer::REGION, &file],
        &[
            ("AWS_ACCESS_KEY_ID", root.access_key_id()),
            ("AWS_SECRET_ACCESS_KEY", root.secret_access_key()),
        ],
    )
    .await;
    assert_eq!(answer["status"], "CREATE_COMPLETE", "{answer:#}\n{template}");
    let trust = account.iam("GetRole", &[("RoleName", "stack-spoke")]).await;
    assert!(
        element(&trust, "AssumeRolePolicyDocument").is_some_and(|d| d.contains("4f2a")),
        "{trust}"
    );
    scene.is_let_in("stack").await;
    let without = json!({"roles": [{"roleArn": hub}, {"roleArn": spoke}]});
    scene.is_kept_out(&stage.namespace.name, "beside", without).await;
    scene.end().await;
}
