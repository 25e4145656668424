//! Names that become a part of a URL: refused at admission, and not used where they were stored
//! before the CRD said so.

use crate::harness::{Cluster, Controller, eventually, scratch};
use kube::api::{Api, Patch, PatchParams};
use refreshable_api::{DataKey, ObjectName, RefreshableCredential};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const ROLE: &str = "arn:aws:iam::111122223333:role/team-a/reports";
const SOON: Duration = Duration::from_secs(60);
const CRD: &str = "crds/refreshablecredentials.yaml";

/// Specifications with a name in every place where a name can stand.
fn names(name: &str) -> Vec<(&'static str, Value)> {
    let key = json!({"name": name, "key": "k"});
    let account = json!({"name": name});
    let role = json!({"roleArn": ROLE});
    let source = |kind: &str, source: Value| json!({"source": {kind: source}});
    let of_role = |field: &str, more: Value| {
        let mut role = json!({"roleArn": ROLE, field: key});
        role.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        json!({"roles": [role]})
    };
    let mfa = json!({"serialNumber": "arn:aws:iam::111122223333:mfa/me"});
    let hsm = json!({"module": "tpm", "tokenLabel": "t", "keyLabel": "k", "pinSecretRef": key});
    let iot = |certificate: &str| {
        json!({
            "endpoint": "c1.credentials.iot.eu-west-1.amazonaws.com", "roleAlias": "edge",
            "certificateSecretRef": {"name": certificate},
        })
    };
    let mut with_pin = iot("device");
    with_pin["pkcs11"] = hsm;
    let login = |login: Value| {
        let mut whole = json!({"provider": "example.com"});
        whole
            .as_object_mut()
            .expect("an object")
            .extend(login.as_object().expect("an object").clone());
        json!({"identityPoolId": "eu-west-1:01234567-89ab-cdef-0123-456789abcdef", "logins": [whole]})
    };
    let http = |field: &str, value: Value| json!({"source": {"custom": {"http": {"url": "https://vault.example.com/aws", field: value}}}});
    let arn = "arn:aws:rolesanywhere:eu-west-1:111122223333";
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    vec![
        (
            "accessKey",
            json!({"source": {"accessKey": {"secretRef": {"name": name}}}, "roles": [role]}),
        ),
        (
            "webIdentity's account",
            source("webIdentity", json!({"roleArn": ROLE, "serviceAccountRef": account})),
        ),
        (
            "webIdentity's token",
            source("webIdentity", json!({"roleArn": ROLE, "tokenSecretRef": key})),
        ),
        (
            "saml",
            source(
                "saml",
                json!({
                    "roleArn": ROLE, "principalArn": "arn:aws:iam::111122223333:saml-provider/idp", "assertionSecretRef": key,
                }),
            ),
        ),
        (
            "sessionToken",
            source("sessionToken", json!({"accessKey": {"secretRef": {"name": name}}})),
        ),
        (
            "sessionToken's seed",
            source(
                "sessionToken",
                json!({
                    "accessKey": {"secretRef": {"name": "key"}}, "serialNumber": "GAHT12345678", "totpSecretRef": key,
                }),
            ),
        ),
        (
            "federationToken",
            source(
                "federationToken",
                json!({"accessKey": {"secretRef": {"name": name}}, "policy": "{}"}),
            ),
        ),
        (
            "container",
            source(
                "container",
                json!({"fullUri": "https://example.com/v1", "authorizationTokenSecretRef": key}),
            ),
        ),
        (
            "podIdentity",
            source("podIdentity", json!({"clusterName": "edge", "serviceAccountRef": account})),
        ),
        (
            "identityCenter",
            source(
                "identityCenter",
                json!({
                    "accountId": "111122223333", "roleName": "Reader", "tokenSecretRef": {"name": name},
                }),
            ),
        ),
        ("iot", source("iot", iot(name))),
        ("iot's pin", source("iot", with_pin)),
        (
            "rolesAnywhere",
            source(
                "rolesAnywhere",
                json!({
                    "trustAnchorArn": format!("{arn}:trust-anchor/{uuid}"), "profileArn": format!("{arn}:profile/{uuid}"),
                    "roleArn": ROLE, "certificateSecretRef": {"name": name},
                }),
            ),
        ),
        ("cognito's token", source("cognito", login(json!({"tokenSecretRef": key})))),
        ("cognito's account", source("cognito", login(json!({"serviceAccountRef": account})))),
        (
            "custom.http's header",
            http("headers", json!([{"name": "Authorization", "valueSecretRef": key}])),
        ),
        ("custom.http's certificate", http("clientCertificateSecretRef", json!({"name": name}))),
        ("custom.http's bundle", http("caBundleRef", json!({"kind": "Secret", "name": name}))),
        ("STS's bundle", json!({"roles": [role], "sts": {"caBundleRef": {"name": name}}})),
        ("custom.secret", json!({"source": {"custom": {"secret": {"secretRef": {"name": name}}}}})),
        ("a role's external id", of_role("externalIdSecretRef", json!({}))),
        ("a role's seed", of_role("totpSecretRef", mfa.clone())),
        (
            "a profile's role",
            json!({"profiles": [{"name": "a", "roles": [{"roleArn": ROLE, "externalIdSecretRef": key}]}]}),
        ),
        ("the published Secret", json!({"roles": [role], "secret": {"name": name}})),
        ("a workload", json!({"roles": [role], "restart": [{"kind": "Deployment", "name": name}]})),
    ]
}

/// Specifications with a key of a Secret's data in every place where one can stand.
fn keys(key: &str) -> Vec<(&'static str, Value)> {
    let reference = json!({"name": "s", "key": key});
    let access_key = |field: &str| json!({"source": {"accessKey": {"secretRef": {"name": "key"}, field: key}}, "roles": [{"roleArn": ROLE}]});
    let center = json!({
        "accountId": "111122223333", "roleName": "Reader", "tokenSecretRef": {"name": "sso"}, "tokenKey": key,
    });
    let secret = |field: &str| json!({"source": {"custom": {"secret": {"secretRef": {"name": "rotated"}, "keys": {field: key}}}}});
    vec![
        (
            "a reference",
            json!({"source": {"webIdentity": {"roleArn": ROLE, "tokenSecretRef": reference}}}),
        ),
        ("accessKeyIdKey", access_key("accessKeyIdKey")),
        ("secretAccessKeyKey", access_key("secretAccessKeyKey")),
        ("tokenKey", json!({"source": {"identityCenter": center}})),
        ("custom.secret's keys.sessionToken", secret("sessionToken")),
        ("custom.secret's keys.processJson", secret("processJson")),
        ("a bundle", json!({"roles": [{"roleArn": ROLE}], "sts": {"caBundleRef": reference}})),
        ("secret.keys", json!({"roles": [{"roleArn": ROLE}], "secret": {"keys": {"config": key}}})),
    ]
}

/// Specifications that are refused, with a part of the message that says what to write instead.
pub(super) fn wrong() -> Vec<(&'static str, Value, &'static str)> {
    let mut rows = Vec::new();
    for name in
        ["?", "?labelSelector=a", "../pods/a", "a/b", "a%2fb", "Key", "a_b", ".", "a b", "ä"]
    {
        rows.extend(names(name).into_iter().map(|(place, spec)| (place, spec, ObjectName::HINT)));
    }
    for key in ["..", ".", "..a", "a/b", "a b", "ä"] {
        rows.extend(keys(key).into_iter().map(|(place, spec)| (place, spec, DataKey::HINT)));
    }
    let metadata = |role: &str| json!({"source": {"instanceMetadata": {"role": role}}});
    let iot = |field: &str, value: &str| {
        let mut source = json!({
            "endpoint": "c1.credentials.iot.eu-west-1.amazonaws.com", "roleAlias": "edge",
            "certificateSecretRef": {"name": "device"},
        });
        source[field] = value.into();
        json!({"source": {"iot": source}})
    };
    let cluster = |name: &str| json!({"source": {"podIdentity": {"clusterName": name, "serviceAccountRef": {"name": "app"}}}});
    let pool = |id: &str| json!({"source": {"cognito": {"identityPoolId": id, "identityId": "eu-west-1:0a"}}});
    rows.extend([
        ("a role that leads upwards", metadata(".."), "should match"),
        ("a role of one dot", metadata("."), "should match"),
        ("a role with a path", metadata("a/b"), "should match"),
        ("a role alias that leads upwards", iot("roleAlias", ".."), "should match"),
        ("a role alias with a query", iot("roleAlias", "a?b"), "should match"),
        ("a thing with a line break", iot("thingName", "a\nb"), "should match"),
        ("a host with a query", iot("endpoint", "c1.example.com?x"), "should match"),
        ("a host with a user", iot("endpoint", "me@c1.example.com"), "should match"),
        ("a host with a fragment", iot("endpoint", "c1.example.com#x"), "should match"),
        ("a cluster with a path", cluster("a/b"), "should match"),
        ("a pool with a host", pool("eu-west-1.example.com/:0a"), "identityPoolId must be like"),
        (
            "a container endpoint with an escape that is none",
            json!({"source": {"container": {"fullUri": "https://a/%zz"}}}),
            "fullUri must be an https URL",
        ),
    ]);
    rows
}

/// Specifications that are taken.
pub(super) fn taken() -> Vec<(&'static str, Value)> {
    let mut rows = Vec::new();
    for name in ["a", "team-a.reports", "0"] {
        rows.extend(names(name));
    }
    for key in ["tls.crt", "AWS_KEY", ".dockerconfigjson"] {
        rows.extend(keys(key));
    }
    rows.push(("a role with dots", json!({"source": {"instanceMetadata": {"role": "a..b"}}})));
    rows
}

/// The CRD as it could have been before: one that takes any text.
fn lax() -> String {
    fn strip(schema: &mut Value) {
        match schema {
            Value::Object(members) => {
                members.remove("pattern");
                members.remove("x-kubernetes-validations");
                members.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(CRD)).expect("the CRD");
    let mut crd: Value = serde_saphyr::from_str(&text).expect("YAML");
    strip(&mut crd["spec"]);
    crd.to_string()
}

fn object(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential", "metadata": {"name": name}, "spec": spec,
    })
}

async fn apply(cluster: &Cluster, manifest: &str, more: &[&str]) {
    let file = scratch::write(scratch::subfolder("names").join("object.json"), manifest)
        .display()
        .to_string();
    let start = ["apply", "--server-side", "--force-conflicts", "--filename", &file];
    cluster.kubectl(&[&start[..], more].concat()).await;
}

/// The request URIs within a namespace, but for those of Kubernetes' own programs, as the audit log
/// has them.
fn asked(cluster: &Cluster, namespace: &str) -> Vec<String> {
    let log = std::fs::read_to_string(cluster.control_plane.audit_log()).unwrap_or_default();
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let own =
        |event: &Value| event["userAgent"].as_str().is_some_and(|agent| agent.starts_with("kube"));
    let uris = events
        .filter(|event| !own(event))
        .filter_map(|event| event["requestURI"].as_str().map(str::to_owned));
    uris.filter(|uri| uri.contains(&format!("/namespaces/{namespace}/"))).collect()
}

#[tokio::test]
async fn what_was_stored_before_is_not_used_and_can_still_be_changed() {
    let cluster = Cluster::bare().await;
    apply(&cluster, &lax(), &[]).await;
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds/credentialpolicies.yaml");
    apply(&cluster, &std::fs::read_to_string(policies).expect("the CRD"), &[]).await;
    let crds =
        ["crd/refreshablecredentials.refreshable.dev", "crd/credentialpolicies.refreshable.dev"];
    cluster.established(&crds).await;
    let namespace = cluster.namespace("names").create().await;
    let here = ["--namespace", namespace.name.as_str()];

    let key = json!({"secretRef": {"name": "key"}});
    let stored = [
        (
            "a-secret",
            json!({"source": {"accessKey": {"secretRef": {"name": "?"}}}, "roles": [{"roleArn": ROLE}]}),
        ),
        (
            "a-path",
            json!({"source": {"accessKey": {"secretRef": {"name": "../pods"}}}, "roles": [{"roleArn": ROLE}]}),
        ),
        (
            "an-account",
            json!({"source": {"webIdentity": {"roleArn": ROLE, "serviceAccountRef": {"name": "?"}}}}),
        ),
        (
            "published",
            json!({"source": {"accessKey": key}, "roles": [{"roleArn": ROLE}], "secret": {"name": "?"}}),
        ),
    ];
    for (name, spec) in &stored {
        apply(&cluster, &object(name, spec).to_string(), &here).await;
    }
    let program = || {
        Controller::program(env!("CARGO_BIN_EXE_refreshable-controller"))
            .kubeconfig(cluster.control_plane.admin_kubeconfig())
            .args([
                "--watch-namespace",
                &namespace.name,
                "--no-leader-election",
                "--log-level",
                "debug",
            ])
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    };
    let controller = program().start().await;
    let api: Api<RefreshableCredential> = namespace.api();
    for (name, _) in &stored {
        eventually(SOON, &format!("{name} says what is wrong"), async || {
            let object = api.get(name).await.map_err(|e| e.to_string())?;
            let conditions = object.status.map(|s| s.conditions).unwrap_or_default();
            let said = conditions.iter().find(|c| c.type_ == "Ready").ok_or("no condition yet")?;
            let right = said.reason == "InvalidSpecification"
                && said.message.contains("is not a name of an object");
            if right { Ok(()) } else { Err(format!("{}: {}", said.reason, said.message)) }
        })
        .await;
    }
    let uris = asked(&cluster, &namespace.name);
    assert!(
        uris.iter().any(|uri| uri.contains("/secrets?") && uri.contains("labelSelector")),
        "{uris:#?}"
    );
    for uri in &uris {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let whole = path.ends_with("/secrets") || path.ends_with("/secrets/");
        // What a resource owns under whatever name is looked for page by page, and by metadata.
        let meant = query.contains("labelSelector") || query.contains("limit=");
        assert!(!whole || meant, "a list of every Secret: {uri}");
        assert!(
            !path.contains("..")
                && !path.contains("serviceaccounts/?")
                && !path.ends_with("/serviceaccounts/"),
            "{uri}"
        );
    }
    controller.assert_clean().await;
    drop(controller);

    // The CRD as it is now: what is stored stays changeable where it is not the name that changes.
    let strict =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(CRD)).expect("the CRD");
    apply(&cluster, &strict, &[]).await;
    let parameters = PatchParams::default();
    let secret =
        |name: &str| json!({"spec": {"source": {"accessKey": {"secretRef": {"name": name}}}}});
    let mut tries = 0;
    eventually(SOON, "the new CRD refuses", async || {
        // Another name at each try: one that was taken before the CRD is in force stays as it is,
        // and is not judged anew.
        tries += 1;
        match api.patch("a-secret", &parameters, &Patch::Merge(secret(&format!("a/{tries}")))).await
        {
            Err(kube::Error::Api(status)) if status.message.contains(ObjectName::HINT) => Ok(()),
            other => Err(format!("{:?}", other.map(|o| o.spec))),
        }
    })
    .await;
    for (what, patch) in [
        ("a label", json!({"metadata": {"labels": {"team": "a"}}})),
        ("another field", json!({"spec": {"suspend": true}})),
    ] {
        for (name, _) in &stored {
            let done = api.patch(name, &parameters, &Patch::Merge(patch.clone())).await;
            assert!(done.is_ok(), "{what} of {name}: {done:?}");
        }
    }
    let status = json!({"status": {"failures": null}});
    let done = api.patch_status("a-secret", &parameters, &Patch::Merge(status)).await;
    assert!(done.is_ok(), "its status: {done:?}");
    let done = api.patch("a-secret", &parameters, &Patch::Merge(secret("key"))).await;
    assert!(done.is_ok(), "and it can be put right: {done:?}");
}
