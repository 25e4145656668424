//! Policies that a resource needs: a pure function of its specification and known facts.

use super::arn::Identity;
use super::facts::{Facts, Missing};
use super::plan::{Caller, Plan, Session};
use super::source;
use super::statement::Statement;
use super::token;
use refreshable_api::{RefreshableCredentialSpec, Role};
use refreshable_rules::session_name::default_session_name;

/// The policies for a resource.
///
/// # Errors
/// A fact that neither the specification nor the user supplies.
pub fn plan(spec: &RefreshableCredentialSpec, facts: &Facts) -> Result<Plan, Missing> {
    let mut plan = Plan::default();
    let anybody_follows =
        !spec.roles.is_empty() || spec.profiles.iter().flatten().any(|p| !p.roles.is_empty());
    let needed = anybody_follows || spec.token.is_some();
    let first = source::begin(spec, facts, needed, &mut plan)?;
    if let Some(mut session) = first {
        let tagged: Vec<Role> =
            spec.roles.iter().enumerate().map(|(n, r)| tagged_role(r, n == 0, facts)).collect();
        for role in &tagged {
            session = step(role, session, facts, &mut plan)?;
        }
        for profile in spec.profiles.iter().flatten() {
            let mut own = session.clone();
            for (n, role) in profile.roles.iter().enumerate() {
                own = step(
                    &tagged_role(role, n == 0 && spec.roles.is_empty(), facts),
                    own,
                    facts,
                    &mut plan,
                )?;
            }
        }
        token::allow(spec, &session.caller, &mut plan);
    } else if let Some(user) = &facts.base_identity {
        token::allow(spec, &Caller::Identity(user.clone()), &mut plan);
    }
    Ok(plan)
}

/// A role with the tags that the administrator puts on the chain's first one.
fn tagged_role(role: &Role, first: bool, facts: &Facts) -> Role {
    let mut role = role.clone();
    if first && !facts.session_tags.is_empty() {
        let tags = role.tags.get_or_insert_default();
        let transitive = role.transitive_tag_keys.get_or_insert_default();
        for tag in &facts.session_tags {
            tags.retain(|t| t.key != tag.key);
            tags.push(tag.clone());
            transitive.retain(|k| *k != tag.key);
            transitive.push(tag.key.clone());
        }
    }
    role
}

/// One AssumeRole: its callers, and the session that they bring along.
fn step(role: &Role, from: Session, facts: &Facts, plan: &mut Plan) -> Result<Session, Missing> {
    let arn: Identity = role.role_arn.parse().map_err(|why: String| Missing {
        why: format!(
            "{why}. With another STS than AWS's, its own documentation says whom a role lets in"
        ),
        flag: "a role of AWS's",
    })?;
    let principal = from.caller.principal();
    let tags = role.tags.as_deref().unwrap_or_default();
    let name = role.role_session_name.clone();
    let name = name.unwrap_or_else(|| default_session_name(&facts.namespace, &facts.name));
    let mfa = role.serial_number.is_some() || from.mfa;

    let mut assume =
        from.caller.narrowed(Statement::trust("Assume", principal.clone(), &["sts:AssumeRole"]));
    assume = assume.when("StringEquals", "sts:RoleSessionName", name);
    assume = assume.when_some("StringEquals", "sts:ExternalId", external_id(role, facts, plan));
    assume = assume.when_some("StringEquals", "sts:SourceIdentity", role.source_identity.clone());
    for tag in tags {
        assume =
            assume.when("StringEquals", format!("aws:RequestTag/{}", tag.key), tag.value.clone());
    }
    for (key, value) in &from.tags {
        assume =
            assume.when_some("StringEquals", &format!("aws:PrincipalTag/{key}"), value.clone());
    }
    if let (None, Some(Some(value))) = (&role.source_identity, &from.source_identity) {
        assume = assume.when("StringEquals", "aws:SourceIdentity", value.clone());
    }
    assume = assume.when_some("Bool", "aws:MultiFactorAuthPresent", mfa.then_some("true"));

    let mut statements = vec![assume];
    let mut actions = vec!["sts:AssumeRole"];
    let inherited = from.tags.iter().map(|(key, _)| key.clone());
    if !tags.is_empty() || !from.tags.is_empty() {
        let mut tagging = from.caller.narrowed(Statement::trust(
            "TagSession",
            principal.clone(),
            &["sts:TagSession"],
        ));
        for tag in tags {
            tagging = tagging.when(
                "StringEquals",
                format!("aws:RequestTag/{}", tag.key),
                tag.value.clone(),
            );
        }
        let keys: Vec<String> =
            tags.iter().map(|t| t.key.clone()).chain(inherited.clone()).collect();
        tagging = tagging.when("ForAllValues:StringEquals", "aws:TagKeys", keys);
        let own = role.transitive_tag_keys.iter().flatten().cloned();
        let transitive: Vec<String> = own.chain(inherited.clone()).collect();
        tagging = tagging.when_some(
            "ForAllValues:StringEquals",
            "sts:TransitiveTagKeys",
            (!transitive.is_empty()).then_some(transitive),
        );
        statements.push(tagging);
        actions.push("sts:TagSession");
    }
    if role.source_identity.is_some() || from.source_identity.is_some() {
        let setting =
            Statement::trust("SetSourceIdentity", principal.clone(), &["sts:SetSourceIdentity"]);
        let known = role.source_identity.clone().or_else(|| from.source_identity.clone().flatten());
        let setting = from.caller.narrowed(setting);
        statements.push(match role.source_identity {
            Some(_) => setting.when_some("StringEquals", "sts:SourceIdentity", known),
            None => setting.when_some("StringEquals", "aws:SourceIdentity", known),
        });
        actions.push("sts:SetSourceIdentity");
    }
    if let Some(contexts) = &role.provided_contexts {
        let providers: Vec<&str> = contexts.iter().map(|c| c.provider_arn.as_str()).collect();
        let setting = Statement::trust("SetContext", principal, &["sts:SetContext"]);
        let setting = from.caller.narrowed(setting);
        statements.push(setting.when(
            "ForAllValues:ArnEquals",
            "sts:RequestContextProviders",
            providers,
        ));
        actions.push("sts:SetContext");
    }
    plan.trust(&arn, statements, role.duration_seconds);
    plan.allow(&from.caller, Statement::permission("Assume", &actions, arn.to_string()));

    let mut carried = from.tags;
    for tag in
        tags.iter().filter(|t| role.transitive_tag_keys.iter().flatten().any(|k| *k == t.key))
    {
        carried.retain(|(key, _)| *key != tag.key);
        carried.push((tag.key.clone(), Some(tag.value.clone())));
    }
    Ok(Session {
        caller: Caller::Identity(arn),
        source_identity: role.source_identity.clone().map(Some).or(from.source_identity),
        tags: carried,
        // A role's own session does not count as one with MFA.
        mfa: false,
    })
}

/// The external id of a role. For one in a Secret, the placeholder can match nothing.
fn external_id(role: &Role, facts: &Facts, plan: &mut Plan) -> Option<String> {
    let Some(reference) = &role.external_id_secret_ref else { return role.external_id.clone() };
    Some(facts.external_id.clone().unwrap_or_else(|| {
        let place = format!("<the value of key {} in Secret {}>", reference.key, reference.name);
        plan.note(format!(
            "the external id of {} stands in a Secret, which is not read: put its value instead of {place:?}, or give --external-id",
            role.role_arn
        ));
        place
    }))
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
