//! Every rule of the CRDs, met by an object that breaks it, on the real API server.

use super::{
    admission_clusters, admission_names, admission_services, admission_sources, admission_tokens,
    admission_types,
};
use crate::harness::Cluster;
use kube::api::{Api, DeleteParams, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

const ROLE: &str = "arn:aws:iam::111122223333:role/team-a/reports";

/// A specification that is right: a role of AWS's, from the controller's identity.
fn right() -> Value {
    json!({"roles": [{"roleArn": ROLE}]})
}

/// `right`, with the members of `patch` laid over it.
fn with(patch: Value) -> Value {
    let mut spec = right();
    merge(&mut spec, patch);
    spec
}

/// `right`, with the members of `patch` laid over its role.
fn role(patch: Value) -> Value {
    let mut role = json!({"roleArn": ROLE});
    merge(&mut role, patch);
    json!({"roles": [role]})
}

fn merge(into: &mut Value, patch: Value) {
    let (Value::Object(into), Value::Object(patch)) = (into, patch) else { panic!("two objects") };
    into.extend(patch);
}

fn web(patch: Value) -> Value {
    let mut source = json!({"roleArn": ROLE, "serviceAccountRef": {"name": "app"}});
    merge(&mut source, patch);
    json!({"source": {"webIdentity": source}})
}

fn seed() -> Value {
    json!({"name": "mfa", "key": "seed"})
}

fn key() -> Value {
    json!({"secretRef": {"name": "key"}})
}

fn certificate_free() -> &'static str {
    "this is no certificate"
}

/// Specifications that are refused, with a part of the message that says what to write instead.
fn wrong() -> Vec<(&'static str, Value, &'static str)> {
    let long = "x".repeat(65);
    let tags: Vec<Value> = (0..51).map(|n| json!({"key": format!("k{n}"), "value": "v"})).collect();
    let arns: Vec<Value> =
        (0..11).map(|n| json!({"arn": format!("arn:aws:iam::aws:policy/P{n}-policy")})).collect();
    let saml = |patch: Value| {
        let mut source = json!({
            "roleArn": ROLE,
            "principalArn": "arn:aws:iam::111122223333:saml-provider/idp",
            "assertionSecretRef": {"name": "s", "key": "k"},
        });
        merge(&mut source, patch);
        json!({"source": {"saml": source}})
    };
    let federation = |patch: Value| {
        let mut source = json!({"accessKey": key()});
        merge(&mut source, patch);
        json!({"source": {"federationToken": source}})
    };
    let http = |patch: Value| {
        let mut source = json!({"url": "https://vault.example.com/aws"});
        merge(&mut source, patch);
        json!({"source": {"custom": {"http": source}}})
    };
    vec![
        ("no source and no role", json!({}), "roles must name at least one role"),
        (
            "ambient without roles",
            json!({"source": {"ambient": {}}}),
            "roles must name at least one role",
        ),
        (
            "a key without roles",
            json!({"source": {"accessKey": key()}}),
            "never published themselves",
        ),
        (
            "two sources",
            with(json!({"source": {"ambient": {}, "accessKey": key()}})),
            "exactly one member",
        ),
        ("no member of source", with(json!({"source": {}})), "exactly one member"),
        (
            "six roles",
            json!({"roles": vec![json!({"roleArn": ROLE}); 6]}),
            "must have at most 5 items",
        ),
        (
            "a user for a role",
            role(json!({"roleArn": "arn:aws:iam::111122223333:user/somebody"})),
            "must be the ARN of an IAM role",
        ),
        (
            "an account of eleven digits",
            role(json!({"roleArn": "arn:aws:iam::11112222333:role/reports"})),
            "must be the ARN of an IAM role",
        ),
        (
            "another store's role on AWS",
            role(json!({"roleArn": "arn:minio:iam:::role/abcdef123456"})),
            "only with sts.endpoint",
        ),
        (
            "web identity with a user",
            web(json!({"roleArn": "arn:aws:iam::111122223333:user/somebody"})),
            "source.webIdentity.roleArn must be",
        ),
        ("a session name of one letter", role(json!({"roleSessionName": "x"})), "at least 2"),
        (
            "a session name too long",
            role(json!({"roleSessionName": long})),
            "may not be more than 64",
        ),
        ("a session name with a blank", role(json!({"roleSessionName": "a b"})), "should match"),
        (
            "a least size of the session token that AWS does not take",
            role(json!({"minimumSessionTokenSize": 4097})),
            "should be less than or equal to 4096",
        ),
        (
            "a least size of the session token below zero",
            web(json!({"minimumSessionTokenSize": -1})),
            "should be greater than or equal to 0",
        ),
        (
            "less than 15 minutes",
            role(json!({"durationSeconds": 899})),
            "should be greater than or equal to 900",
        ),
        (
            "more than 12 hours",
            role(json!({"durationSeconds": 43201})),
            "should be less than or equal to 43200",
        ),
        (
            "a chained role of two hours",
            json!({"roles": [{"roleArn": ROLE}, {"roleArn": ROLE, "durationSeconds": 7200}]}),
            "second and later roles to 3600 or less",
        ),
        (
            "a role of two hours behind web identity",
            json!({"source": {"webIdentity": {"roleArn": ROLE, "serviceAccountRef": {"name": "app"}}}, "roles": [{"roleArn": ROLE, "durationSeconds": 7200}]}),
            "roles[0].durationSeconds to 3600 or less",
        ),
        (
            "two external ids",
            role(json!({"externalId": "4f2a", "externalIdSecretRef": seed()})),
            "externalId or externalIdSecretRef, not both",
        ),
        ("an external id with a blank", role(json!({"externalId": "4f 2a"})), "should match"),
        (
            "a device without a seed",
            role(json!({"serialNumber": "arn:aws:iam::111122223333:mfa/me"})),
            "set both or neither",
        ),
        ("a seed without a device", role(json!({"totpSecretRef": seed()})), "set both or neither"),
        (
            "a reserved source identity",
            role(json!({"sourceIdentity": "aws:me"})),
            "choose another value",
        ),
        (
            "a role for a policy",
            role(json!({"policyArns": [{"arn": ROLE}]})),
            "policyArns must name IAM managed policies",
        ),
        ("eleven policies", role(json!({"policyArns": arns})), "must have at most 10 items"),
        (
            "an ARN for a policy document",
            role(json!({"policy": "arn:aws:iam::aws:policy/ReadOnlyAccess"})),
            "policy must be an IAM policy document in JSON",
        ),
        (
            "a policy too long",
            role(json!({"policy": format!("{{{}", "x".repeat(2048))})),
            "may not be more than 2048",
        ),
        ("fifty-one tags", role(json!({"tags": tags})), "must have at most 50 items"),
        (
            "a tag twice",
            role(json!({"tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]})),
            "Duplicate value",
        ),
        (
            "a reserved tag",
            role(json!({"tags": [{"key": "aws:x", "value": "1"}]})),
            "session tag keys must not begin",
        ),
        (
            "a transitive tag that is none",
            role(json!({"transitiveTagKeys": ["team"]})),
            "add the tag, or take the key out",
        ),
        ("no context", role(json!({"providedContexts": []})), "should have at least 1"),
        ("a Region in capitals", with(json!({"sts": {"region": "EU-WEST-1"}})), "should match"),
        (
            "an endpoint without a scheme",
            with(json!({"sts": {"endpoint": "sts.example.com"}})),
            "endpoint must be a URL",
        ),
        (
            "an endpoint and FIPS",
            with(json!({"sts": {"endpoint": "https://sts.example.com", "useFips": true}})),
            "cannot be combined with endpoint",
        ),
        (
            "no certificate",
            with(json!({"sts": {"caBundle": certificate_free()}})),
            "caBundle must hold one or more certificates",
        ),
        (
            "a bundle of another kind",
            with(json!({"sts": {"caBundleRef": {"kind": "Bundle", "name": "company-ca"}}})),
            "supported values: \"ConfigMap\", \"Secret\"",
        ),
        (
            "a timeout of an hour",
            with(json!({"sts": {"timeoutSeconds": 3600}})),
            "less than or equal to 60",
        ),
        (
            "a refresh point in words",
            with(json!({"refresh": {"before": "soon"}})),
            "for example 25m",
        ),
        (
            "a refresh point of seconds",
            with(json!({"refresh": {"before": "5s"}})),
            "between 1m and 36h",
        ),
        (
            "config without the JSON",
            with(json!({"secret": {"formats": ["Config"]}})),
            "add ProcessJson to formats",
        ),
        ("an unknown format", with(json!({"secret": {"formats": ["Yaml"]}})), "supported values"),
        (
            "a reserved label",
            with(json!({"secret": {"labels": {"app.kubernetes.io/managed-by": "me"}}})),
            "belong to the controller",
        ),
        (
            "a reserved annotation",
            with(json!({"secret": {"annotations": {"refreshable.dev/owner-uid": "me"}}})),
            "annotations refreshable.dev/* belong",
        ),
        ("a relative path", with(json!({"secret": {"mountPath": "aws"}})), "absolute path"),
        ("a path with a blank", with(json!({"secret": {"mountPath": "/a b"}})), "should match"),
        (
            "a Secret's name in capitals",
            with(json!({"secret": {"name": "Reports"}})),
            "should match",
        ),
        ("a profile with a bracket", with(json!({"secret": {"profile": "a]b"}})), "should match"),
        (
            "one key for two files",
            with(json!({"secret": {"keys": {"config": "credentials"}}})),
            "needs a name of its own",
        ),
        (
            "an account that is none",
            with(json!({"principal": {"accountId": "123"}})),
            "should match",
        ),
        (
            "an expectation that is never checked",
            with(json!({"principal": {"accountId": "111122223333", "verify": "Never"}})),
            "cannot be combined with accountId or arn",
        ),
        ("two tokens", web(json!({"tokenSecretRef": seed()})), "set exactly one"),
        (
            "a web policy that is none",
            web(json!({"policy": "no"})),
            "policy must be an IAM policy document",
        ),
        (
            "a SAML provider that is none",
            saml(json!({"principalArn": "arn:aws:iam::111122223333:user/somebody"})),
            "must be the ARN of the SAML provider",
        ),
        (
            "a SAML policy that is none",
            saml(json!({"policy": "no"})),
            "policy must be an IAM policy document",
        ),
        (
            "a session with a device without a seed",
            json!({"source": {"sessionToken": {"accessKey": key(), "serialNumber": "GAHT12345678"}}}),
            "set both or neither",
        ),
        ("a federated user without a policy", federation(json!({})), "set policy or policyArns"),
        (
            "a federated policy that is none",
            federation(json!({"policy": "no"})),
            "policy must be an IAM policy document",
        ),
        (
            "plain http to a container endpoint",
            json!({"source": {"container": {"fullUri": "http://example.com/creds"}}}),
            "plain http only to",
        ),
        (
            "a custom source without a member",
            json!({"source": {"custom": {}}}),
            "custom must have exactly one member",
        ),
        (
            "a URL of another scheme",
            http(json!({"url": "ftp://example.com/creds"})),
            "url must be an https URL",
        ),
        (
            "a custom CA that is none",
            http(json!({"caBundle": certificate_free()})),
            "caBundle must hold one or more certificates",
        ),
        (
            "a header of the client's own",
            http(json!({"headers": [{"name": "Host", "valueSecretRef": seed()}]})),
            "headers may not set Host",
        ),
        (
            "a header of the client's own",
            http(json!({"headers": [{"name": "X-Original-URL", "valueSecretRef": seed()}]})),
            "X-Original-URL",
        ),
        (
            "a header of the client's own",
            http(json!({"headers": [{"name": "x-forwarded-for", "valueSecretRef": seed()}]})),
            "X-Forwarded-*",
        ),
    ]
}

/// Specifications that are taken.
fn taken() -> Vec<(&'static str, Value)> {
    vec![
        ("one role", right()),
        ("China", role(json!({"roleArn": "arn:aws-cn:iam::111122223333:role/reports"}))),
        (
            "GovCloud",
            role(json!({"roleArn": "arn:aws-us-gov:iam::111122223333:role/a/b/c/reports"})),
        ),
        (
            "another store",
            json!({"roles": [{"roleArn": "arn:minio:iam:::role/abcdef123456"}], "sts": {"endpoint": "https://minio.example.com"}}),
        ),
        (
            "everything of a role",
            role(json!({
                "roleSessionName": "me@example.com", "durationSeconds": 43200, "externalId": "4f2a",
                "policy": "{\"Version\": \"2012-10-17\", \"Statement\": []}",
                "policyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
                "tags": [{"key": "team", "value": "a"}], "transitiveTagKeys": ["team"],
                "sourceIdentity": "me", "serialNumber": "arn:aws:iam::111122223333:mfa/me", "totpSecretRef": seed(),
                "providedContexts": [{"providerArn": "arn:aws:iam::aws:contextProvider/IdentityCenter", "contextAssertion": "eyJhbGciOi"}],
            })),
        ),
        ("web identity", web(json!({"durationSeconds": 7200, "minimumSessionTokenSize": 4096}))),
        (
            "a key and two roles",
            json!({"source": {"accessKey": key()}, "roles": [{"roleArn": ROLE, "durationSeconds": 7200}, {"roleArn": ROLE}]}),
        ),
        (
            "the container endpoint on IPv6",
            json!({"source": {"container": {"fullUri": "http://[fd00:ec2::23]/v1/credentials"}}}),
        ),
        ("instance metadata", json!({"source": {"instanceMetadata": {}}})),
        (
            "everything of the Secret",
            with(json!({
                "secret": {
                    "name": "other", "profile": "team/a", "region": "eu-west-1", "mountPath": "/aws",
                    "formats": ["Credentials", "Config", "ProcessJson", "Environment"], "keys": {"config": "aws-config"},
                    "labels": {"a": "b"}, "annotations": {"c": "d"}, "deletionPolicy": "Retain", "adopt": true,
                },
                "refresh": {"before": "1h30m"}, "suspend": true,
                "principal": {"accountId": "111122223333", "arn": "arn:aws:sts::*:assumed-role/reports/*"},
            })),
        ),
    ]
}

pub(super) async fn api(kind: &str, plural: &str) -> Api<DynamicObject> {
    let client = Cluster::shared().await.client().await;
    let kind = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("refreshable.dev", "v1alpha1", kind),
        plural,
    );
    if plural != "refreshablecredentials" {
        Api::all_with(client, &kind)
    } else {
        Api::default_namespaced_with(client, &kind)
    }
}

pub(super) async fn refusal(api: &Api<DynamicObject>, kind: &str, spec: &Value) -> Option<String> {
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "refreshable.dev/v1alpha1", "kind": kind, "metadata": {"name": "probe"}, "spec": spec,
    }))
    .expect("an object");
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    match api.create(&dry, &object).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => Some(status.message.clone()),
        Err(error) => panic!("{error}"),
    }
}

/// The API server's words where it refuses the change of a specification from `old` to `new`.
pub(super) async fn refusal_of_change(
    api: &Api<DynamicObject>,
    old: &Value,
    new: &Value,
) -> Option<String> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("changed-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let object = json!({
        "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
        "metadata": {"name": name}, "spec": old,
    });
    let object = serde_json::from_value(object).expect("an object");
    let mut made = api.create(&PostParams::default(), &object).await.expect("it is made");
    made.data["spec"] = new.clone();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let answer = api.replace(&name, &dry, &made).await;
    api.delete(&name, &DeleteParams::default()).await.expect("it is deleted");
    match answer {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => Some(status.message.clone()),
        Err(error) => panic!("{error}"),
    }
}

/// The same of all parts of a specification.
pub(super) fn all_wrong() -> impl Iterator<Item = (&'static str, Value, &'static str)> {
    wrong()
        .into_iter()
        .chain(admission_sources::wrong())
        .chain(admission_names::wrong())
        .chain(admission_tokens::wrong())
        .chain(admission_services::wrong())
        .chain(admission_types::wrong())
}

/// The same of all parts of a specification.
pub(super) fn all_taken() -> impl Iterator<Item = (&'static str, Value)> {
    taken()
        .into_iter()
        .chain(admission_sources::taken())
        .chain(admission_names::taken())
        .chain(admission_tokens::taken())
        .chain(admission_services::taken())
        .chain(admission_types::taken())
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_what_to_write_instead() {
    let api = api("RefreshableCredential", "refreshablecredentials").await;
    let mut complaints = Vec::new();
    for (name, spec, expected) in all_wrong() {
        match refusal(&api, "RefreshableCredential", &spec).await {
            Some(message) if message.contains(expected) => {}
            other => complaints.push(format!("{name}: expected {expected:?}, got {other:?}")),
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[tokio::test]
async fn what_is_right_is_taken() {
    let api = api("RefreshableCredential", "refreshablecredentials").await;
    for (name, spec) in all_taken() {
        assert_eq!(refusal(&api, "RefreshableCredential", &spec).await, None, "{name}");
    }
}

/// Policies that are wrong, and what is said of them.
fn wrong_policies() -> Vec<(&'static str, Value, &'static str)> {
    let allow = |allow: Value| json!({"namespaceSelector": {}, "allow": allow});
    let grant = |more: Value| {
        let mut grant = json!({"arns": ["arn:aws:iam::*:role/*"]});
        grant
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        allow(json!({"roles": [grant]}))
    };
    let tags =
        |tags: Value| json!({"namespaceSelector": {}, "allow": {}, "sessionTags": {"tags": tags}});
    let withdrawn_after =
        |after: &str| json!({"namespaceSelector": {}, "allow": {}, "withdrawAfter": after});
    let placeholder = r"should match '^([^{}]|\{namespace\}|\{name\})*$'";
    let many: Vec<Value> =
        (0..51).map(|n| json!({"key": format!("k{n}"), "from": "Name"})).collect();
    vec![
        ("no selector", json!({"allow": {}}), "namespaceSelector"),
        (
            "no ARN",
            allow(json!({"roles": [{"arns": ["reports"]}]})),
            "arns must be role ARNs or patterns",
        ),
        ("no ARNs", allow(json!({"roles": [{"arns": []}]})), "at least 1 items"),
        (
            "a short longest duration",
            grant(json!({"maxDurationSeconds": 60})),
            "greater than or equal to 900",
        ),
        (
            "an unknown placeholder in an ARN",
            allow(json!({"roles": [{"arns": ["arn:aws:iam::*:role/{team}"]}]})),
            placeholder,
        ),
        (
            "an unknown placeholder in a name",
            grant(json!({"sessionNames": ["{uid}"]})),
            placeholder,
        ),
        (
            "an unknown placeholder in an identity",
            grant(json!({"sourceIdentities": ["{namespace"]})),
            placeholder,
        ),
        (
            "an unknown placeholder in an external id",
            grant(json!({"externalIds": ["{}"]})),
            placeholder,
        ),
        (
            "an unknown placeholder in a tag",
            grant(json!({"tags": [{"key": "a", "values": ["{x}"]}]})),
            placeholder,
        ),
        (
            "an unknown placeholder in a URL",
            allow(json!({"urls": ["https://x/{team}"]})),
            placeholder,
        ),
        (
            "an unknown placeholder in an endpoint",
            allow(json!({"endpoints": ["https://x/{team}"]})),
            placeholder,
        ),
        (
            "a required pattern",
            grant(json!({"tags": [{"key": "team*", "required": true}]})),
            "needs a key without wildcards",
        ),
        (
            "two grants of one tag",
            grant(json!({"tags": [{"key": "a"}, {"key": "a"}]})),
            "Duplicate value",
        ),
        ("a source that is none", allow(json!({"sources": ["Laptop"]})), "Unsupported value"),
        (
            "a tag that AWS reserves",
            tags(json!([{"key": "aws:ns", "from": "Name"}])),
            "keys of session tags must not begin",
        ),
        ("a tag with a strange key", tags(json!([{"key": "a{b", "from": "Name"}])), "should match"),
        ("a tag from nowhere", tags(json!([{"key": "a", "from": "Pod"}])), "Unsupported value"),
        (
            "a tag twice",
            tags(json!([{"key": "a", "from": "Name"}, {"key": "a", "from": "Namespace"}])),
            "Duplicate value",
        ),
        ("no tags", tags(json!([])), "at least 1 items"),
        (
            "a period in words",
            withdrawn_after("later"),
            "withdrawAfter must be Immediate or a duration of at most 720h",
        ),
        (
            "a period without end",
            withdrawn_after("721h"),
            "withdrawAfter must be Immediate or a duration",
        ),
        (
            "immediately, misspelt",
            withdrawn_after("immediate"),
            "withdrawAfter must be Immediate or a duration",
        ),
        ("fifty-one tags", tags(json!(many)), "at most 50 items"),
    ]
}

#[tokio::test]
async fn a_policy_is_refused_with_what_to_write_instead() {
    let api = api("CredentialPolicy", "credentialpolicies").await;
    let mut complaints = Vec::new();
    for (name, spec, expected) in wrong_policies() {
        match refusal(&api, "CredentialPolicy", &spec).await {
            Some(message) if message.contains(expected) => {}
            other => complaints.push(format!("{name}: expected {expected:?}, got {other:?}")),
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let everything = json!({
        "namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["a"]}]},
        "allow": {
            "roles": [{
                "arns": ["arn:aws:iam::*:role/{namespace}/{name}"], "maxDurationSeconds": 3600, "sessionNames": ["{namespace}.*"],
                "sourceIdentities": [], "externalIds": ["{namespace}/*"],
                "tags": [{"key": "team", "values": ["{namespace}"], "required": true}, {"key": "cost-*"}],
            }],
            "endpoints": ["https://*.stores.example.com"], "urls": ["https://vault.example.com/v1/{namespace}"],
            "privateAddresses": true, "caBundles": true, "sources": ["InstanceMetadata", "PodIdentity"],
            "audiences": ["vault"], "processes": ["vault"], "pkcs11Modules": ["tpm"],
            "pkcs11Tokens": [{"module": "tpm", "tokenLabels": ["{namespace}", "{namespace}.*"]}],
        },
        "sessionTags": {"chains": "All", "tags": [
            {"key": "kubernetes-cluster", "from": "Cluster"}, {"key": "kubernetes-namespace", "from": "Namespace"},
            {"key": "Name", "from": "Name"}, {"key": "kubernetes-service-account", "from": "ServiceAccount"},
        ]},
        "withdrawAfter": "1h30m",
    });
    assert_eq!(refusal(&api, "CredentialPolicy", &everything).await, None);
}

/// A rule that no case breaks could be wrong for ever.
#[test]
fn every_rule_has_a_case() {
    let mut messages = BTreeSet::new();
    for crd in [
        <refreshable_api::RefreshableCredential as kube::CustomResourceExt>::crd(),
        <refreshable_api::CredentialPolicy as kube::CustomResourceExt>::crd(),
        <refreshable_api::ClusterRefreshableCredential as kube::CustomResourceExt>::crd(),
    ] {
        collect(&serde_json::to_value(crd).expect("JSON"), &mut messages);
    }
    assert!(messages.len() > 20, "{messages:#?}");
    let cases: Vec<_> =
        all_wrong().chain(wrong_policies()).chain(admission_clusters::wrong()).collect();
    let parts: Vec<_> = cases.iter().map(|(_, _, part)| *part).collect();
    let unmet: Vec<_> =
        messages.iter().filter(|m| !parts.iter().any(|part| m.contains(part))).collect();
    assert!(unmet.is_empty(), "no case breaks these rules: {unmet:#?}");
}

fn collect(schema: &Value, messages: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            for rule in members
                .get("x-kubernetes-validations")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                messages.extend(rule["message"].as_str().map(str::to_owned));
            }
            members.values().for_each(|m| collect(m, messages));
        }
        Value::Array(list) => list.iter().for_each(|m| collect(m, messages)),
        _ => {}
    }
}
