//! `check` says of every object what the API server says of it.

use super::super::admission::{all_taken, all_wrong};
use super::super::plugin::User;
use super::super::stage::Stage;
use crate::harness::{Cluster, scratch};
use refreshable_plugin::check::{Checker, Severity};
use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const ROLE: &str = "arn:aws:iam::111122223333:role/team-a/reports";

/// An object with this specification.
fn object(kind: &str, spec: Value) -> Value {
    json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": kind, "metadata": {"name": "probe"}, "spec": spec})
}

fn credential(spec: Value) -> Value {
    object("RefreshableCredential", spec)
}

fn cluster(spec: Value) -> Value {
    let spec = json!({"namespaceSelector": {}, "template": {"spec": spec}});
    object("ClusterRefreshableCredential", spec)
}

fn role(more: Value) -> Value {
    let mut role = json!({"roleArn": ROLE});
    role.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    credential(json!({"roles": [role]}))
}

fn endpoint(url: &str) -> Value {
    credential(
        json!({"roles": [{"roleArn": "arn:minio:iam:::role/abcdef123456"}], "sts": {"endpoint": url}}),
    )
}

fn named(metadata: Value) -> Value {
    let mut object = role(json!({}));
    object["metadata"] = metadata;
    object
}

/// Objects on which an implementation of its own could differ: what the API server says of them
/// decides.
fn corners() -> Vec<Value> {
    let long = "a".repeat(254);
    let mut corners = vec![
        // What is null is left out, but in a list.
        role(json!({"policy": null, "tags": null})),
        credential(json!({"roles": [{"roleArn": ROLE}], "sts": null, "secret": {"formats": null}})),
        credential(json!({"roles": [null]})),
        credential(json!({"roles": null, "source": {"instanceMetadata": {}}})),
        credential(json!({"source": {"instanceMetadata": null}, "roles": [{"roleArn": ROLE}]})),
        // What does not exist.
        role(json!({"durationSecond": 900})),
        credential(json!({"roles": [{"roleArn": ROLE}], "roleArn": ROLE})),
        named(json!({"name": "probe", "lables": {"a": "b"}})),
        // Types.
        role(json!({"externalId": 1234})),
        role(json!({"durationSeconds": "900"})),
        role(json!({"durationSeconds": 900.5})),
        credential(json!({"roles": {"roleArn": ROLE}})),
        credential(json!({"roles": [{"roleArn": ROLE}], "suspend": "yes"})),
        credential(json!({"roles": [{"roleArn": ROLE}], "secret": {"labels": {"a": 1}}})),
        credential(json!([])),
        // Characters and limits: Go's regular expressions know ASCII words only.
        role(json!({"roleSessionName": "täglich"})),
        role(json!({"tags": [{"key": "größe", "value": "ä b"}]})),
        role(json!({"tags": [{"key": "a\u{0}", "value": ""}]})),
        role(json!({"externalId": "ä".repeat(1225)})),
        role(json!({"roleSessionName": "name\n"})),
        role(json!({"transitiveTagKeys": ["a", "a"], "tags": [{"key": "a", "value": ""}]})),
        credential(
            json!({"roles": [{"roleArn": ROLE}], "secret": {"formats": ["Config", "Config", "ProcessJson"]}}),
        ),
        // Durations.
        credential(json!({"roles": [{"roleArn": ROLE}], "refresh": {"before": "1h30m"}})),
        credential(json!({"roles": [{"roleArn": ROLE}], "refresh": {"before": "30m1h"}})),
        credential(
            json!({"roles": [{"roleArn": ROLE}], "refresh": {"before": "9999999999999999999h"}}),
        ),
        credential(json!({"roles": [{"roleArn": ROLE}], "refresh": {"before": "36h1s"}})),
        // Defaults come before the rules.
        credential(
            json!({"roles": [{"roleArn": ROLE}], "secret": {"keys": {"config": "credentials.json"}}}),
        ),
        // Names.
        named(json!({})),
        named(json!({"name": ""})),
        named(json!({"name": "Probe"})),
        named(json!({"name": "a.b-c"})),
        named(json!({"name": "a..b"})),
        named(json!({"name": long})),
        named(json!({"generateName": "probe-"})),
        named(json!({"name": "probe", "creationTimestamp": null})),
        named(json!({"name": "probe", "labels": {"a b": "c"}})),
        named(json!({"name": "probe", "labels": {"Example.com/a": "c"}})),
        named(json!({"name": "probe", "labels": {"a": "-"}})),
        named(json!({"name": "probe", "labels": {"a": ""}})),
        named(json!({"name": "probe", "annotations": {"Example.com/a": "any thing"}})),
        named(json!({"name": "probe", "annotations": {"a/b/c": "x"}})),
        // Policies.
        object("CredentialPolicy", json!({"namespaceSelector": {}, "allow": {}})),
        object("CredentialPolicy", json!({"allow": {}})),
        object(
            "CredentialPolicy",
            json!({"namespaceSelector": {}, "allow": {"sources": ["InstanceMetadat"]}}),
        ),
        object("CredentialPolicy", json!({"namespaceSelector": {"matchLabel": {}}, "allow": {}})),
        object(
            "CredentialPolicy",
            json!({"namespaceSelector": {}, "allow": {"roles": [{"arns": ["x:yyy"]}]}}),
        ),
        object(
            "CredentialPolicy",
            json!({"namespaceSelector": {}, "allow": {"processes": ["a", "a"]}}),
        ),
    ];
    corners.extend(
        [
            "https://sts.example.com",
            "http://127.0.0.1:9000/",
            "https://[::1]:9000/x",
            "https://[::1",
            "https://host:port",
            "https://host:99999",
            "https://user@host/path?a=b",
            "https://ex%41mple.com",
            "https://a/%zz",
            "https://a/%20b",
            "https://a b",
            "https://a/b c",
            "https://a|b",
            "https://höst.example.com",
            "https://a/\u{7}",
            "https://",
            "HTTPS://host",
            "ftp://host.example.com",
            "sts.example.com",
        ]
        .map(endpoint),
    );
    corners
}

/// The API server's refusal of an object, asked as kubectl asks: strictly, and without keeping it.
async fn refusal(object: &Value) -> Option<String> {
    let client = Cluster::shared().await.client().await;
    let resource = match object["kind"].as_str() {
        Some("CredentialPolicy") => "credentialpolicies",
        Some("ClusterRefreshableCredential") => "clusterrefreshablecredentials",
        _ => "namespaces/default/refreshablecredentials",
    };
    let url =
        format!("/apis/refreshable.dev/v1alpha1/{resource}?dryRun=All&fieldValidation=Strict");
    let request = http::Request::post(url).header("content-type", "application/json");
    let request = request.body(object.to_string().into_bytes()).expect("a request");
    match client.request::<Value>(request).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => Some(status.message.clone()),
        Err(error) => panic!("{object}: {error}"),
    }
}

/// The errors that are found without it.
fn errors(checker: &Checker, object: &Value) -> Vec<String> {
    let findings = checker.object(object).expect("an object of ours");
    findings.into_iter().filter(|f| f.severity == Severity::Error).map(|f| f.message).collect()
}

#[tokio::test]
async fn its_verdicts_are_the_api_server_s() {
    let checker = Checker::new();
    let mut complaints = Vec::new();
    let specs = all_wrong().map(|(_, spec, _)| spec).chain(all_taken().map(|(_, spec)| spec));
    let (own, templates): (Vec<_>, Vec<_>) =
        specs.map(|spec| (credential(spec.clone()), cluster(spec))).unzip();
    let objects: Vec<Value> = own.into_iter().chain(templates).chain(corners()).collect();
    assert!(objects.len() > 150, "{}", objects.len());
    let (mut right, mut refused) = (0, 0);
    for object in &objects {
        let (server, ours) = (refusal(object).await, errors(&checker, object));
        match &server {
            Some(_) => refused += 1,
            None => right += 1,
        }
        if server.is_some() == ours.is_empty() {
            complaints.push(format!("{object}\n  the API server: {server:?}\n  check: {ours:?}"));
        }
    }
    assert!(
        complaints.is_empty(),
        "{} of {} differ\n{}",
        complaints.len(),
        objects.len(),
        complaints.join("\n")
    );
    assert!(right > 30 && refused > 100, "{right} taken, {refused} refused");
}

/// Its words are the same as those of the CRD's rules.
#[tokio::test]
async fn its_words_are_the_rules_own() {
    let checker = Checker::new();
    for (name, spec, words) in all_wrong() {
        let server =
            refusal(&credential(spec.clone())).await.unwrap_or_else(|| panic!("{name} is taken"));
        let ours = errors(&checker, &credential(spec));
        // The API server puts a rule's message behind "Invalid value"; structural limits it words
        // by itself.
        let structural = [
            "should ",
            "must have at ",
            "may not be ",
            "at least",
            "supported values",
            "less than",
            "Duplicate value",
        ];
        if !structural.iter().any(|s| words.contains(s)) {
            assert!(
                ours.iter().any(|m| m.contains(words)),
                "{name}: {words:?}\n{ours:?}\n{server}"
            );
        }
    }
}

#[tokio::test]
async fn files_folders_and_standard_input_are_checked() {
    let stage = Stage::without_controller().await;
    let user = User::administrator(&stage);
    let examples = user.run(&["check", "-f", &format!("{ROOT}/deploy/examples")]).await;
    assert_eq!(examples.code, 0, "{}{}", examples.output, examples.errors);
    assert!(
        examples.output.contains("web-identity.yaml: RefreshableCredential/web-identity: valid"),
        "{}",
        examples.output
    );
    assert!(examples.errors.contains("of other kinds left out"), "{}", examples.errors);

    let folder = scratch::subfolder("check");
    let text = "apiVersion: refreshable.dev/v1alpha1\nkind: RefreshableCredential\nmetadata:\n  name: a\nspec:\n  roles:\n  - roleARN: x\n";
    let file = scratch::write(folder.join("wrong.yaml"), text).display().to_string();
    let wrong = user.run(&["check", "-f", &file]).await;
    assert_eq!(wrong.code, 1, "{}", wrong.errors);
    let line = format!(
        "{file}:7:5: error: RefreshableCredential/a: spec.roles[0].roleARN: there is no such field: did you mean roleArn?"
    );
    assert!(wrong.output.contains(&line), "{}", wrong.output);
    let json = user.run(&["check", "-o", "json", "-f", &file]).await;
    let report: Value = serde_json::from_str(&json.output).expect("JSON");
    assert_eq!(
        (json.code, &report["valid"], &report["findings"][0]["line"]),
        (1, &json!(false), &json!(7))
    );

    let nothing = scratch::write(folder.join("pod.yaml"), "apiVersion: v1\nkind: Pod\n")
        .display()
        .to_string();
    assert_eq!(user.run(&["check", "-f", &nothing]).await.code, 2);
    assert_eq!(user.run(&["check", "-f", "/nowhere.yaml"]).await.code, 2);
    let piped = user
        .shell(&format!("kubectl refreshable check -f - <{ROOT}/deploy/examples/web-identity.yaml"))
        .await;
    assert_eq!(
        (piped.code, piped.output.as_str()),
        (0, "-: RefreshableCredential/web-identity: valid\n"),
        "{}",
        piped.errors
    );
    // No cluster is asked.
    let offline = user.run(&["check", "--server", "http://127.0.0.1:1", "-f", &file]).await;
    assert_eq!(offline.code, 1, "{}", offline.errors);
}
