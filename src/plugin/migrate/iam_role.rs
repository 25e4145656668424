//! From kube-aws-iam-controller's
//! [AWSIAMRole](https://github.com/zalando-incubator/kube-aws-iam-controller).

use super::outcome::Outcome;
use refreshable_api::names::{ALLOW_ADOPTION, ALLOW_ADOPTION_ANNOTATION};
use serde_json::{Map, Value, json};

/// Mount path of that controller's Secrets, which is in the config file that it writes.
const MOUNT_PATH: &str = "/meta/aws-iam";
/// How it names the config file.
const CONFIG_KEY: &str = "credentials.process";

/// Whether an object is one of its resources, of either group that they have had.
pub fn is_one(object: &Value) -> bool {
    let group =
        object["apiVersion"].as_str().and_then(|v| v.split_once('/')).map(|(group, _)| group);
    object["kind"] == "AWSIAMRole" && matches!(group, Some("zalando.org" | "amazonaws.com"))
}

/// The replacement for an AWSIAMRole in `namespace`. `account` is for roles that are named without
/// their account.
///
/// # Errors
/// The missing field.
pub fn migrate(
    object: &Value,
    namespace: &str,
    account: Option<&str>,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let name = object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .ok_or("the AWSIAMRole has no metadata.name")?;
    let spec = object.get("spec").and_then(Value::as_object).ok_or("the AWSIAMRole has no spec")?;
    let role_arn = role_arn(spec, object, account)?;
    let mut role = json!({"roleArn": role_arn});
    let seconds = spec.get("roleSessionDuration").and_then(Value::as_i64).filter(|s| *s > 0);
    if let Some(seconds) = seconds {
        role["durationSeconds"] = seconds.into();
    }
    let mut new = Map::new();
    new.insert("roles".to_owned(), json!([role]));
    // The names and the path that the Pods know stay as they are.
    new.insert(
        "secret".to_owned(),
        json!({"mountPath": MOUNT_PATH, "keys": {"config": CONFIG_KEY}, "adopt": true}),
    );
    let labels = object
        .pointer("/metadata/labels")
        .filter(|l| l.as_object().is_some_and(|l| !l.is_empty()))
        .cloned();
    let mut grant = json!({"arns": [role_arn]});
    if let Some(seconds) = seconds {
        grant["maxDurationSeconds"] = seconds.into();
    }
    outcome.policy(name, namespace, json!({"roles": [grant]}));
    outcome.credential(name, Some(namespace), labels, new);

    outcome.note(format!(
        "{name}: the Secret keeps its name and its keys credentials, credentials.json and {CONFIG_KEY}, so that Pods need no change as long as they mount it at {MOUNT_PATH}; the keys role-arn, expire and awsiamrole-generation stay as they were last written"
    ));
    outcome.note(format!(
        "{name}: stop kube-aws-iam-controller, then kubectl delete -n {namespace} awsiamrole {name} --cascade=orphan, so that the Secret stays; let it be taken over: kubectl annotate secret -n {namespace} {name} {ALLOW_ADOPTION_ANNOTATION}={ALLOW_ADOPTION}; then apply this"
    ));
    outcome.note(format!(
        "{name}: the role must let in the identity of this controller: kubectl refreshable trust-policy -n {namespace} {name} prints how"
    ));
    if spec.contains_key("roleDefinition") {
        outcome.note(format!("{name}: roleDefinition is not carried over: this controller makes no roles, have them made by Terraform or CloudFormation"));
    }
    for field in spec.keys().filter(|k| {
        !["roleReference", "roleSessionDuration", "roleDefinition"].contains(&k.as_str())
    }) {
        outcome.note(format!("{name}: spec.{field} has no counterpart and is left out"));
    }
    Ok(())
}

fn role_arn(
    spec: &Map<String, Value>,
    object: &Value,
    account: Option<&str>,
) -> Result<String, String> {
    let reference = spec.get("roleReference").and_then(Value::as_str).filter(|r| !r.is_empty());
    let reference = reference.ok_or("the AWSIAMRole has no spec.roleReference: name the role")?;
    if reference.starts_with("arn:") {
        return Ok(reference.to_owned());
    }
    let known = object
        .pointer("/status/roleARN")
        .and_then(Value::as_str)
        .filter(|a| a.ends_with(&format!("/{reference}")));
    match (known, account) {
        (Some(arn), _) => Ok(arn.to_owned()),
        (None, Some(account)) => Ok(format!("arn:aws:iam::{account}:role/{reference}")),
        (None, None) => Err(format!(
            "{reference:?} names a role without its account: give --account <12 digits>"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(spec: Value) -> Value {
        json!({"apiVersion": "zalando.org/v1", "kind": "AWSIAMRole", "metadata": {"name": "app", "labels": {"app": "x"}}, "spec": spec})
    }

    #[test]
    fn pods_find_what_they_know() {
        let mut outcome = Outcome::default();
        let spec = json!({"roleReference": "app-role", "roleSessionDuration": 7200});
        migrate(&resource(spec), "team-a", Some("111122223333"), &mut outcome)
            .expect("a migration");
        let yaml = outcome.yaml().expect("valid");
        for part in [
            "roleArn: arn:aws:iam::111122223333:role/app-role",
            "durationSeconds: 7200",
            "config: credentials.process",
            "mountPath: /meta/aws-iam",
            "adopt: true",
            "maxDurationSeconds: 7200",
            "kubernetes.io/metadata.name: team-a",
            "app: x",
        ] {
            assert!(yaml.contains(part), "{part}\n{yaml}");
        }
        let annotate = "kubectl annotate secret -n team-a app refreshable.dev/allow-adoption=true";
        assert!(outcome.notes.iter().any(|n| n.contains(annotate)), "{:?}", outcome.notes);
    }

    #[test]
    fn a_role_without_its_account_is_looked_up_or_asked_for() {
        let mut object = resource(json!({"roleReference": "app-role"}));
        let error = migrate(&object, "a", None, &mut Outcome::default()).expect_err("no account");
        assert!(error.contains("--account"), "{error}");
        object["status"] = json!({"roleARN": "arn:aws:iam::444455556666:role/path/app-role"});
        let mut outcome = Outcome::default();
        migrate(&object, "a", None, &mut outcome).expect("known from the status");
        assert!(outcome.yaml().expect("valid").contains("444455556666:role/path/app-role"));
    }
}
