//! A plan as Terraform configuration (provider hashicorp/aws).

use super::super::terminal::visible;
use super::arn::{Identity, Kind};
use super::hcl::{Expression, resource};
use super::plan::{Allowed, Caller, Plan};
use super::statement::document;

/// Writes a plan.
pub fn write(plan: &Plan, policy_name: &str) -> String {
    let mut text = String::new();
    for note in &plan.notes {
        text.push_str(&format!("# {}\n", visible(note)));
    }
    for account in plan.accounts() {
        text.push_str(&format!("\n# Account {account}\n"));
        for block in blocks(plan, &account, policy_name) {
            text.push_str(&format!("\n{block}"));
        }
    }
    text
}

fn blocks(plan: &Plan, account: &str, policy_name: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    for trusted in plan.roles.iter().filter(|t| t.role.account == account) {
        let document = document(&trusted.statements);
        let mut attributes = vec![("name", constant(&trusted.role.name))];
        if trusted.role.path != "/" {
            attributes.push(("path", constant(&trusted.role.path)));
        }
        if let Some(seconds) = trusted.max_session_duration {
            attributes.push(("max_session_duration", Expression::Constant(seconds.into())));
        }
        // A principal that does not exist yet is refused.
        let before = plan.roles.iter().map(|t| &t.role);
        let before = before.filter(|r| **r != trusted.role && r.account == trusted.role.account);
        let before = before.filter(|r| document.to_string().contains(&format!("\"{r}\"")));
        let before: Vec<String> = before.map(|r| format!("aws_iam_role.{}", label(r))).collect();
        attributes.push(("assume_role_policy", Expression::Encoded(document.clone())));
        if !before.is_empty() {
            attributes.push(("depends_on", Expression::References(before)));
        }
        blocks.push(resource("aws_iam_role", &label(&trusted.role), &attributes));
    }
    let own = plan.callers.iter().filter(|a| a.caller.account() == account);
    blocks.extend(own.filter_map(|a| permission(plan, a, policy_name)));
    blocks
}

fn permission(plan: &Plan, allowed: &Allowed, policy_name: &str) -> Option<String> {
    let (kind, id, owner) = match (&allowed.caller, allowed.caller.identity()) {
        (Caller::Certificate { .. }, _) => ("aws_iot_policy", identifier(policy_name), None),
        (_, Some((identity, Kind::Role))) => {
            let made_here = plan.roles.iter().any(|t| t.role == *identity);
            let role = if made_here {
                Expression::Reference(format!("aws_iam_role.{}.name", label(identity)))
            } else {
                constant(&identity.name)
            };
            ("aws_iam_role_policy", label(identity), Some(("role", role)))
        }
        (_, Some((identity, Kind::User))) => {
            ("aws_iam_user_policy", label(identity), Some(("user", constant(&identity.name))))
        }
        _ => return None,
    };
    let mut attributes = vec![("name", constant(policy_name))];
    attributes.extend(owner);
    attributes.push(("policy", Expression::Encoded(document(&allowed.statements))));
    Some(resource(kind, &id, &attributes))
}

fn constant(text: &str) -> Expression {
    Expression::Constant(text.into())
}

/// A label that is one role's alone: the account tells roles of the same name apart.
fn label(identity: &Identity) -> String {
    identifier(&format!("{}_{}", identity.name, identity.account))
}

fn identifier(text: &str) -> String {
    let mut plain: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    if !plain.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        plain.insert(0, '_');
    }
    plain
}
