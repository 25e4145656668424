//! ClusterRefreshableCredentials: what a RefreshableCredential may not say, their template may not
//! say either, but for the placeholder.

use super::admission::{all_taken, all_wrong, api, refusal};
use serde_json::{Value, json};

const KIND: &str = "ClusterRefreshableCredential";
const PLURAL: &str = "clusterrefreshablecredentials";
const ROLE: &str = "arn:aws:iam::111122223333:role/{namespace}";

/// A specification with these members beside its selector and its template.
fn with(more: Value, template: Value) -> Value {
    let mut spec = json!({"namespaceSelector": {}, "template": template});
    let more = more.as_object().expect("an object").clone();
    spec.as_object_mut().expect("an object").extend(more);
    spec
}

fn of(spec: Value) -> Value {
    with(json!({}), json!({"spec": spec}))
}

/// Specifications that are refused, with a part of the message that says what to write instead.
pub(super) fn wrong() -> Vec<(&'static str, Value, &'static str)> {
    let role = json!({"roles": [{"roleArn": ROLE}]});
    let labelled =
        |labels: Value| with(json!({}), json!({"metadata": {"labels": labels}, "spec": role}));
    vec![
        ("no selector", json!({"template": {"spec": role}}), "namespaceSelector: Required"),
        ("no template", json!({"namespaceSelector": {}}), "template: Required"),
        ("no specification", with(json!({}), json!({})), "spec: Required"),
        (
            "a placeholder in the one name of all",
            with(json!({"credentialName": "{namespace}"}), json!({"spec": role})),
            "write the name as Kubernetes has it",
        ),
        (
            "the controller's label",
            labelled(json!({"app.kubernetes.io/managed-by": "me"})),
            "labels app.kubernetes.io/managed-by and refreshable.dev/* belong to the controller",
        ),
        (
            "a label of its group",
            labelled(json!({"refreshable.dev/watch": "true"})),
            "labels app.kubernetes.io/managed-by and refreshable.dev/* belong to the controller",
        ),
        (
            "another placeholder",
            of(json!({"roles": [{"roleArn": ROLE}], "secret": {"name": "{name}"}})),
            "write the name as Kubernetes has it",
        ),
        (
            "a role's ARN that begins otherwise",
            of(json!({"roles": [{"roleArn": "role/{namespace}"}]})),
            "roleArn must be the ARN of an IAM role",
        ),
    ]
}

#[tokio::test]
async fn a_template_is_refused_with_what_to_write_instead() {
    let api = api(KIND, PLURAL).await;
    let mut complaints = Vec::new();
    let of_credentials = all_wrong().map(|(name, spec, expected)| (name, of(spec), expected));
    for (name, spec, expected) in wrong().into_iter().chain(of_credentials) {
        match refusal(&api, KIND, &spec).await {
            Some(message) if message.contains(expected) => {}
            other => complaints.push(format!("{name}: expected {expected:?}, got {other:?}")),
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[tokio::test]
async fn a_template_takes_what_a_credential_may_say_and_the_placeholder_in_every_text() {
    let api = api(KIND, PLURAL).await;
    for (name, spec) in all_taken() {
        assert_eq!(refusal(&api, KIND, &of(spec)).await, None, "{name}");
    }
    let name = "{namespace}";
    for (what, spec) in [
        (
            "the Secret",
            json!({"roles": [{"roleArn": ROLE}], "secret": {"name": "{namespace}-aws"}}),
        ),
        (
            "a session",
            json!({"roles": [{
                "roleArn": ROLE, "roleSessionName": "{namespace}.x", "sourceIdentity": "{namespace}",
                "tags": [{"key": "ns-{namespace}", "value": "of {namespace}"}], "externalId": "{namespace}/1",
            }]}),
        ),
        (
            "a ServiceAccount",
            json!({"source": {"webIdentity": {"roleArn": ROLE, "serviceAccountRef": {"name": name}}}}),
        ),
        (
            "an input",
            json!({"source": {"accessKey": {"secretRef": {"name": "{namespace}-key"}}}, "roles": [{"roleArn": ROLE}]}),
        ),
        (
            "a file",
            json!({"roles": [{"roleArn": ROLE}], "secret": {"template": {"x.conf": "[{namespace}]\nkey = {{ accessKeyId }}"}}}),
        ),
    ] {
        assert_eq!(refusal(&api, KIND, &of(spec)).await, None, "{what}");
    }
}
