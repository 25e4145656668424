//! A plan as Terraform configuration (provider hashicorp/aws).

use super::super::terminal::visible;
use super::arn::{Identity, Kind};
use super::hcl::{Expression, encoded, reference, resource, text};
use super::plan::{Allowed, Caller, Plan};
use super::statement::document;

/// Writes a plan.
///
/// # Errors
/// Where it cannot be written in HCL.
pub fn write(plan: &Plan, policy_name: &str) -> Result<String, String> {
    let mut whole = String::new();
    for note in &plan.notes {
        whole.push_str(&format!("# {}\n", visible(note)));
    }
    for account in plan.accounts() {
        whole.push_str(&format!("\n# Account {account}\n"));
        for block in blocks(plan, &account, policy_name)? {
            whole.push_str(&format!("\n{block}"));
        }
    }
    Ok(whole)
}

fn blocks(plan: &Plan, account: &str, policy_name: &str) -> Result<Vec<String>, String> {
    let mut blocks = Vec::new();
    for trusted in plan.roles.iter().filter(|t| t.role.account == account) {
        let document = document(&trusted.statements);
        let mut attributes = vec![("name", text(&trusted.role.name))];
        if trusted.role.path != "/" {
            attributes.push(("path", text(&trusted.role.path)));
        }
        if let Some(seconds) = trusted.max_session_duration {
            attributes.push(("max_session_duration", seconds.into()));
        }
        // A principal that does not exist yet is refused.
        let before = plan.roles.iter().map(|t| &t.role);
        let before = before.filter(|r| **r != trusted.role && r.account == trusted.role.account);
        let before = before.filter(|r| document.to_string().contains(&format!("\"{r}\"")));
        let before: Vec<Expression> =
            before.map(|r| reference("aws_iam_role", &[&label(r)])).collect();
        attributes.push(("assume_role_policy", encoded(&document)?));
        if !before.is_empty() {
            attributes.push(("depends_on", before.into()));
        }
        blocks.push(resource("aws_iam_role", &label(&trusted.role), attributes)?);
    }
    let own = plan.callers.iter().filter(|a| a.caller.account() == account);
    for block in own.filter_map(|a| permission(plan, a, policy_name)) {
        blocks.push(block?);
    }
    Ok(blocks)
}

fn permission(plan: &Plan, allowed: &Allowed, policy_name: &str) -> Option<Result<String, String>> {
    let (kind, id, owner) = match (&allowed.caller, allowed.caller.identity()) {
        (Caller::Certificate { .. }, _) => ("aws_iot_policy", identifier(policy_name), None),
        (_, Some((identity, Kind::Role))) => {
            let made_here = plan.roles.iter().any(|t| t.role == *identity);
            let role = if made_here {
                reference("aws_iam_role", &[&label(identity), "name"])
            } else {
                text(&identity.name)
            };
            ("aws_iam_role_policy", label(identity), Some(("role", role)))
        }
        (_, Some((identity, Kind::User))) => {
            ("aws_iam_user_policy", label(identity), Some(("user", text(&identity.name))))
        }
        _ => return None,
    };
    let mut attributes = vec![("name", text(policy_name))];
    attributes.extend(owner);
    Some(encoded(&document(&allowed.statements)).and_then(|policy| {
        attributes.push(("policy", policy));
        resource(kind, &id, attributes)
    }))
}

/// A unique label of a role: the account distinguishes roles of the same name.
fn label(identity: &Identity) -> String {
    identifier(&format!("{}_{}", identity.name, identity.account))
}

fn identifier(text: &str) -> String {
    let mut plain: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    if !plain.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        plain.insert(0, '_');
    }
    plain
}
