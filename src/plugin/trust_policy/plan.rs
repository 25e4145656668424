//! Which policies let a resource in: pure, from its specification and what is known beside it.

use super::arn::{Identity, Kind};
use super::facts::{Facts, Missing};
use super::source;
use super::statement::{Statement, document};
use refreshable_api::{RefreshableCredentialSpec, Role};
use refreshable_rules::session_name::default_session_name;
use serde_json::{Value, json};

/// Everything that has to be set up in AWS for one resource.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Roles, with who is let in.
    pub roles: Vec<Trusted>,
    /// Identities that make calls, with what they must be allowed.
    pub callers: Vec<Allowed>,
    /// OpenID Connect providers that must exist in IAM.
    pub providers: Vec<Provider>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// A role.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// Its ARN.
    pub role: Identity,
    /// The statements of its trust policy.
    pub statements: Vec<Statement>,
    /// The longest session that is asked for, in seconds, where it is longer than the hour that a role allows of itself.
    pub max_session_duration: Option<i32>,
}

/// An identity that makes a call.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// Who.
    pub caller: Caller,
    /// The statements of its policy.
    pub statements: Vec<Statement>,
}

/// Who makes a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A role or user.
    Identity(Identity),
    /// A permission set of IAM Identity Center, whose role's name ends in characters that AWS chose.
    PermissionSet {
        /// `aws`, ...
        partition: String,
        /// Twelve digits.
        account: String,
        /// Its name.
        name: String,
    },
    /// A device's certificate in AWS IoT.
    Certificate {
        /// Twelve digits.
        account: String,
        /// The Secret that holds it.
        secret: String,
    },
}

/// An OpenID Connect provider in IAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its ARN.
    pub arn: String,
    /// The issuer.
    pub url: String,
    /// The audience that it must list.
    pub audience: String,
}

/// What a session brings with it to the next role.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whose it is.
    pub caller: Caller,
    /// Its source identity: its value where it is known.
    pub source_identity: Option<Option<String>>,
    /// Its transitive tags, with their values where those are known.
    pub tags: Vec<(String, Option<String>)>,
    /// It was obtained with MFA.
    pub mfa: bool,
}

impl Session {
    /// A session that brings nothing.
    pub fn of(caller: Caller) -> Self {
        Self { caller, source_identity: None, tags: Vec::new(), mfa: false }
    }
}

/// Longest session of a role that says nothing else.
const DEFAULT_MAX_SESSION: i32 = 3600;

/// The policies for a resource.
///
/// # Errors
/// A fact that the specification does not hold and nobody gave.
pub fn plan(spec: &RefreshableCredentialSpec, facts: &Facts) -> Result<Plan, Missing> {
    let mut plan = Plan::default();
    let anybody_follows = !spec.roles.is_empty() || spec.profiles.iter().flatten().any(|p| !p.roles.is_empty());
    let first = source::begin(spec, facts, anybody_follows, &mut plan)?;
    if let Some(mut session) = first {
        let tagged: Vec<Role> = spec.roles.iter().enumerate().map(|(n, r)| tagged_role(r, n == 0, facts)).collect();
        for role in &tagged {
            session = step(role, session, facts, &mut plan)?;
        }
        for profile in spec.profiles.iter().flatten() {
            let mut own = session.clone();
            for (n, role) in profile.roles.iter().enumerate() {
                own = step(&tagged_role(role, n == 0 && spec.roles.is_empty(), facts), own, facts, &mut plan)?;
            }
        }
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

/// One AssumeRole: who may make it, and what the session brings along.
fn step(role: &Role, from: Session, facts: &Facts, plan: &mut Plan) -> Result<Session, Missing> {
    let arn: Identity = role.role_arn.parse().map_err(|why: String| Missing {
        why: format!("{why}. With another STS than AWS's, its own documentation says whom a role lets in"),
        flag: "a role of AWS's",
    })?;
    let principal = from.caller.principal();
    let tags = role.tags.as_deref().unwrap_or_default();
    let name = role.role_session_name.clone();
    let name = name.unwrap_or_else(|| default_session_name(&facts.namespace, &facts.name));
    let mfa = role.serial_number.is_some() || from.mfa;

    let mut assume = from.caller.narrowed(Statement::trust("Assume", principal.clone(), &["sts:AssumeRole"]));
    assume = assume.when("StringEquals", "sts:RoleSessionName", name);
    assume = assume.when_some("StringEquals", "sts:ExternalId", external_id(role, facts, plan));
    assume = assume.when_some("StringEquals", "sts:SourceIdentity", role.source_identity.clone());
    for tag in tags {
        assume = assume.when("StringEquals", format!("aws:RequestTag/{}", tag.key), tag.value.clone());
    }
    for (key, value) in &from.tags {
        assume = assume.when_some("StringEquals", &format!("aws:PrincipalTag/{key}"), value.clone());
    }
    if let (None, Some(Some(value))) = (&role.source_identity, &from.source_identity) {
        assume = assume.when("StringEquals", "aws:SourceIdentity", value.clone());
    }
    assume = assume.when_some("Bool", "aws:MultiFactorAuthPresent", mfa.then_some("true"));

    let mut statements = vec![assume];
    let mut actions = vec!["sts:AssumeRole"];
    let inherited = from.tags.iter().map(|(key, _)| key.clone());
    if !tags.is_empty() || !from.tags.is_empty() {
        let mut tagging = from.caller.narrowed(Statement::trust("TagSession", principal.clone(), &["sts:TagSession"]));
        for tag in tags {
            tagging = tagging.when("StringEquals", format!("aws:RequestTag/{}", tag.key), tag.value.clone());
        }
        let keys: Vec<String> = tags.iter().map(|t| t.key.clone()).chain(inherited.clone()).collect();
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
        let setting = Statement::trust("SetSourceIdentity", principal.clone(), &["sts:SetSourceIdentity"]);
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
        statements.push(setting.when("ForAllValues:ArnEquals", "sts:RequestContextProviders", providers));
        actions.push("sts:SetContext");
    }
    plan.trust(&arn, statements, role.duration_seconds);
    plan.allow(&from.caller, Statement::permission("Assume", &actions, arn.to_string()));

    let mut carried = from.tags;
    for tag in tags.iter().filter(|t| role.transitive_tag_keys.iter().flatten().any(|k| *k == t.key)) {
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

/// The external id that a role asks for. Where it stands in a Secret, what is put in its place can match nothing.
fn external_id(role: &Role, facts: &Facts, plan: &mut Plan) -> Option<String> {
    let Some(reference) = &role.external_id_secret_ref else { return role.external_id.clone() };
    Some(facts.external_id.clone().unwrap_or_else(|| {
        let place = format!("<the value of key {} in Secret {}>", reference.key, reference.name);
        plan.note(format!(
            "the external id of {} stands in a Secret, which is not read: put its value in the place of {place:?}, or give --external-id",
            role.role_arn
        ));
        place
    }))
}

impl Plan {
    /// Lets somebody into a role, which may be let in more than once.
    pub fn trust(&mut self, role: &Identity, statements: Vec<Statement>, seconds: Option<i32>) {
        let longer = seconds.filter(|s| *s > DEFAULT_MAX_SESSION);
        match self.roles.iter_mut().find(|t| t.role == *role) {
            Some(trusted) => {
                for statement in statements {
                    if !trusted.statements.contains(&statement) {
                        trusted.statements.push(statement);
                    }
                }
                trusted.max_session_duration = trusted.max_session_duration.max(longer);
            }
            None => self.roles.push(Trusted { role: role.clone(), statements, max_session_duration: longer }),
        }
    }

    /// Allows somebody to make a call.
    pub fn allow(&mut self, caller: &Caller, statement: Statement) {
        match self.callers.iter_mut().find(|a| a.caller == *caller) {
            Some(allowed) if allowed.statements.contains(&statement) => {}
            Some(allowed) => allowed.statements.push(statement),
            None => self.callers.push(Allowed { caller: caller.clone(), statements: vec![statement] }),
        }
    }

    /// Tells the reader something, once.
    pub fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// The part that belongs to one account.
    #[must_use]
    pub fn only(mut self, account: &str) -> Self {
        self.roles.retain(|t| t.role.account == account);
        self.callers.retain(|a| a.caller.account() == account);
        self.providers.retain(|p| p.arn.split(':').nth(4) == Some(account));
        self
    }

    /// The accounts that it speaks of, in order of first mention.
    pub fn accounts(&self) -> Vec<String> {
        let roles = self.roles.iter().map(|t| t.role.account.clone());
        let callers = self.callers.iter().map(|a| a.caller.account().to_owned());
        let mut accounts: Vec<String> = Vec::new();
        for account in roles.chain(callers) {
            if !accounts.contains(&account) {
                accounts.push(account);
            }
        }
        accounts
    }

    /// The whole in JSON.
    pub fn to_value(&self) -> Value {
        let roles = self.roles.iter().map(|t| {
            let mut role = json!({"roleArn": t.role.to_string(), "trustPolicy": document(&t.statements)});
            if let Some(seconds) = t.max_session_duration {
                role["maxSessionDuration"] = seconds.into();
            }
            role
        });
        let callers =
            self.callers.iter().map(|a| json!({"caller": a.caller.to_string(), "policy": document(&a.statements)}));
        let providers = self.providers.iter().map(|p| json!({"arn": p.arn, "url": p.url, "clientId": p.audience}));
        json!({
            "roles": roles.collect::<Vec<_>>(),
            "callers": callers.collect::<Vec<_>>(),
            "oidcProviders": providers.collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }
}

impl Caller {
    /// The principal of a trust policy that is this caller.
    fn principal(&self) -> Value {
        match self {
            Self::Identity(identity) => json!({"AWS": identity.to_string()}),
            Self::PermissionSet { partition, account, .. } => {
                json!({"AWS": format!("arn:{partition}:iam::{account}:root")})
            }
            Self::Certificate { .. } => json!({"Service": "credentials.iot.amazonaws.com"}),
        }
    }

    /// What a statement needs where the principal alone lets in more than this caller.
    fn narrowed(&self, statement: Statement) -> Statement {
        let Self::PermissionSet { partition, account, name } = self else { return statement };
        let role = |region: &str| {
            format!(
                "arn:{partition}:iam::{account}:role/aws-reserved/sso.amazonaws.com/{region}AWSReservedSSO_{name}_????????????????"
            )
        };
        // The Region of the Identity Center instance is a part of the path, but in us-east-1.
        statement.when("ArnLike", "aws:PrincipalArn", vec![role("*/"), role("")])
    }

    /// The account that the caller lies in.
    pub fn account(&self) -> &str {
        match self {
            Self::Identity(identity) => &identity.account,
            Self::PermissionSet { account, .. } | Self::Certificate { account, .. } => account,
        }
    }

    /// The role or user, where it is one whose policy can be set.
    pub fn identity(&self) -> Option<(&Identity, Kind)> {
        match self {
            Self::Identity(identity) => Some((identity, identity.kind)),
            _ => None,
        }
    }
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Identity(identity) => identity.fmt(f),
            Self::PermissionSet { account, name, .. } => write!(f, "permission set {name} in account {account}"),
            Self::Certificate { secret, .. } => write!(f, "the certificate in Secret {secret} (an AWS IoT policy)"),
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
