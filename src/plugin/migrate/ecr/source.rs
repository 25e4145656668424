//! The source and the roles that take the place of the credentials which a workload renews with.

use super::renewal::{AssumedRole, Renewal};
use super::shell::is_known;
use super::workload::Workload;
use serde_json::{Value, json};

const ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";

/// Where a session comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `spec.source`; left out, the controller's own identity.
    pub source: Option<Value>,
    /// `spec.roles`.
    pub roles: Vec<Value>,
}

/// The origin of the sessions that buy the passwords. `role_arn` is one more role to assume.
///
/// # Errors
/// Where the workload has no credentials of its own, and none can be suggested.
pub fn origin(
    workload: &Workload,
    role_arn: Option<&str>,
    renewal: &mut Renewal,
) -> Result<Origin, String> {
    let given = role_arn.map(|arn| AssumedRole { arn: arn.to_owned(), ..AssumedRole::default() });
    let roles: Vec<Value> = renewal.roles.iter().chain(&given).map(role).collect();
    if let Some(key) = key(workload, renewal)? {
        // A key is never published, and is not the session that buys a token: AWS gives its owner
        // one for the asking.
        let source = if roles.is_empty() {
            json!({"sessionToken": {"accessKey": key}})
        } else {
            json!({"accessKey": key})
        };
        return Ok(Origin { source: Some(source), roles });
    }
    let own = workload.variables.get("AWS_ROLE_ARN").filter(|arn| is_known(arn));
    if let Some(arn) = workload.irsa_role.as_ref().or(own) {
        let account = &workload.service_account;
        renewal.note(format!(
            "{arn} must still let in ServiceAccount {account}, of which the controller now requests a token: keep that when you delete the rest"
        ));
        let source =
            json!({"webIdentity": {"roleArn": arn, "serviceAccountRef": {"name": account}}});
        return Ok(Origin { source: Some(source), roles });
    }
    if roles.is_empty() {
        return Err(format!(
            "the {} {} has no AWS credentials that are its own (AWS_ACCESS_KEY_ID of a Secret, or a ServiceAccount with a role): it uses those of its node or of EKS Pod Identity. Give its ServiceAccount with -f, too, or --role-arn <ARN of a role that the controller may assume>",
            workload.kind, workload.name
        ));
    }
    renewal.note("the first role is assumed with the controller's own identity, which the role must let in: kubectl refreshable trust-policy prints how");
    Ok(Origin { source: None, roles })
}

fn role(role: &AssumedRole) -> Value {
    let mut value = json!({"roleArn": role.arn});
    if let Some(id) = &role.external_id {
        value["externalId"] = id.as_str().into();
    }
    if let Some(name) = &role.session_name {
        value["roleSessionName"] = name.as_str().into();
    }
    value
}

/// The key that the workload has, as `accessKey` names it.
fn key(workload: &Workload, renewal: &mut Renewal) -> Result<Option<Value>, String> {
    if workload.from_secrets.contains_key("AWS_SESSION_TOKEN") {
        renewal.note("AWS_SESSION_TOKEN is left out: a key that ends is none to start from. Put a long-lived key into the Secret, or choose another source");
    }
    match (workload.from_secrets.get(ID), workload.from_secrets.get(SECRET)) {
        (Some((secret, id)), Some((same, key))) if secret == same => {
            return Ok(Some(reference(secret, id, key)));
        }
        (Some((one, _)), Some((other, _))) => {
            return Err(format!(
                "{ID} and {SECRET} come from two Secrets, {one} and {other}: put both into one"
            ));
        }
        _ => {}
    }
    let written = |name| workload.variables.get(name).is_some_and(|v: &String| is_known(v));
    if written(ID) || written(SECRET) {
        let secret = format!("{}-aws", workload.name);
        renewal.note(format!(
            "the key is written out in the {}: make a new one, put it into Secret {secret} as {ID} and {SECRET}, and delete the old one",
            workload.kind
        ));
        return Ok(Some(reference(&secret, ID, SECRET)));
    }
    if let Some((secret, _)) = workload.mounted_secrets.iter().find(|s| is_home(&s.1)) {
        renewal.note(format!(
            "Secret {secret} holds a credentials file: put its key under {ID} and {SECRET}, too"
        ));
        return Ok(Some(reference(secret, ID, SECRET)));
    }
    let mut unseen = workload.missing.iter().filter_map(|m| m.strip_prefix("Secret "));
    if let (None, Some(secret), None) = (&workload.irsa_role, unseen.next(), unseen.next()) {
        renewal.note(format!(
            "Secret {secret} was not read, and is taken to hold {ID} and {SECRET}: correct accessKeyIdKey and secretAccessKeyKey if it does not"
        ));
        return Ok(Some(reference(secret, ID, SECRET)));
    }
    Ok(None)
}

/// Whether a Secret that is mounted at this path holds the shared credentials file.
pub fn is_home(path: &str) -> bool {
    path.trim_end_matches('/').ends_with(".aws")
}

fn reference(secret: &str, id: &str, key: &str) -> Value {
    let mut reference = json!({"secretRef": {"name": secret}});
    for (field, default, own) in [("accessKeyIdKey", ID, id), ("secretAccessKeyKey", SECRET, key)] {
        if own != default {
            reference[field] = own.into();
        }
    }
    reference
}
