//! A plan as CloudFormation templates: one for each account, since a stack belongs to one.

use super::super::manifest;
use super::super::terminal::visible;
use super::arn::{Identity, Kind};
use super::plan::{Caller, Plan};
use super::statement::document;
use serde_json::{Map, Value, json};

/// Writes a plan: a YAML document for each account.
///
/// # Errors
/// Where it cannot be written in YAML.
pub fn write(plan: &Plan, policy_name: &str) -> Result<String, String> {
    let mut text = String::new();
    for note in &plan.notes {
        text.push_str(&format!("# {}\n", visible(note)));
    }
    let accounts = plan.accounts();
    for account in &accounts {
        let template = json!({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources(plan, account, policy_name)});
        if accounts.len() > 1 {
            text.push_str("---\n");
        }
        text.push_str(&format!(
            "# Account {account}; deploy with --capabilities CAPABILITY_NAMED_IAM\n"
        ));
        text.push_str(&manifest::write(&template)?);
    }
    Ok(text)
}

fn resources(plan: &Plan, account: &str, policy_name: &str) -> Map<String, Value> {
    let mut resources = Map::new();
    let here: Vec<&Identity> =
        plan.roles.iter().map(|t| &t.role).filter(|r| r.account == account).collect();
    for trusted in plan.roles.iter().filter(|t| here.contains(&&t.role)) {
        let document = document(&trusted.statements);
        let mut properties = json!({"RoleName": trusted.role.name});
        if trusted.role.path != "/" {
            properties["Path"] = trusted.role.path.clone().into();
        }
        if let Some(seconds) = trusted.max_session_duration {
            properties["MaxSessionDuration"] = seconds.into();
        }
        let named = |other: &&&Identity| {
            **other != &trusted.role && document.to_string().contains(&format!("\"{other}\""))
        };
        let before: Vec<String> = here.iter().filter(named).map(|r| id("Role", &r.name)).collect();
        properties["AssumeRolePolicyDocument"] = document;
        let mut resource = json!({"Type": "AWS::IAM::Role", "Properties": properties});
        // A principal that does not exist yet is refused.
        if !before.is_empty() {
            resource["DependsOn"] = before.into();
        }
        resources.insert(id("Role", &trusted.role.name), resource);
    }
    for allowed in plan.callers.iter().filter(|a| a.caller.account() == account) {
        let policy = document(&allowed.statements);
        let (logical, mut resource) = match (&allowed.caller, allowed.caller.identity()) {
            (Caller::Certificate { .. }, _) => (
                id("IotPolicy", ""),
                json!({"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": policy_name, "PolicyDocument": policy}}),
            ),
            (_, Some((identity, kind))) => {
                let (word, owners) = match kind {
                    Kind::Role => ("RolePolicy", "Roles"),
                    Kind::User => ("UserPolicy", "Users"),
                };
                let properties = json!({"PolicyName": policy_name, owners: [identity.name], "PolicyDocument": policy});
                (
                    id(word, &identity.name),
                    json!({"Type": "AWS::IAM::Policy", "Properties": properties}),
                )
            }
            _ => continue,
        };
        if let Some((identity, Kind::Role)) = allowed.caller.identity()
            && here.contains(&identity)
        {
            resource["DependsOn"] = id("Role", &identity.name).into();
        }
        resources.insert(logical, resource);
    }
    resources
}

/// A logical id: letters and digits.
fn id(word: &str, name: &str) -> String {
    let mut id = word.to_owned();
    for part in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|p| !p.is_empty()) {
        let (first, rest) = part.split_at(1);
        id.push_str(&first.to_ascii_uppercase());
        id.push_str(rest);
    }
    id
}
