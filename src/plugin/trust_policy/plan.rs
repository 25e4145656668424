//! The setup in AWS: roles with their trust policies, and callers with their permissions.

use super::arn::{Identity, Kind};
use super::statement::{Statement, document};
use refreshable_api::Arn;
use serde_json::{Value, json};

/// The complete setup in AWS for one resource.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Roles, with their trust policies.
    pub roles: Vec<Trusted>,
    /// Callers, with the permissions that they need.
    pub callers: Vec<Allowed>,
    /// OpenID Connect providers that must exist in IAM.
    pub providers: Vec<Provider>,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// A role.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// Its ARN.
    pub role: Identity,
    /// The statements of its trust policy.
    pub statements: Vec<Statement>,
    /// The longest requested session, in seconds, if it is longer than a role's default of one
    /// hour.
    pub max_session_duration: Option<i32>,
}

/// An identity that makes a call.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// The caller.
    pub caller: Caller,
    /// The statements of its policy.
    pub statements: Vec<Statement>,
}

/// The caller of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A role or user.
    Identity(Identity),
    /// A permission set of IAM Identity Center, whose role's name ends in characters that AWS
    /// chose.
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

/// A session as the caller of the next role.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its principal.
    pub caller: Caller,
    /// Its source identity: its value where it is known.
    pub source_identity: Option<Option<String>>,
    /// Its transitive tags, with their values where those are known.
    pub tags: Vec<(String, Option<String>)>,
    /// It was obtained with MFA.
    pub mfa: bool,
}

impl Session {
    /// A session without source identity, tags and MFA.
    pub fn of(caller: Caller) -> Self {
        Self { caller, source_identity: None, tags: Vec::new(), mfa: false }
    }
}

/// Default of a role's longest session.
const DEFAULT_MAX_SESSION: i32 = 3600;

impl Plan {
    /// Adds statements to a role's trust policy.
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
            None => self.roles.push(Trusted {
                role: role.clone(),
                statements,
                max_session_duration: longer,
            }),
        }
    }

    /// Adds a statement to a caller's policy.
    pub fn allow(&mut self, caller: &Caller, statement: Statement) {
        match self.callers.iter_mut().find(|a| a.caller == *caller) {
            Some(allowed) if allowed.statements.contains(&statement) => {}
            Some(allowed) => allowed.statements.push(statement),
            None => {
                self.callers.push(Allowed { caller: caller.clone(), statements: vec![statement] })
            }
        }
    }

    /// Adds a note for the reader, once.
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
        self.providers.retain(|p| Arn::parse(&p.arn).is_some_and(|arn| arn.account_id == account));
        self
    }

    /// The accounts of the plan, in order of first mention.
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
            let mut role =
                json!({"roleArn": t.role.to_string(), "trustPolicy": document(&t.statements)});
            if let Some(seconds) = t.max_session_duration {
                role["maxSessionDuration"] = seconds.into();
            }
            role
        });
        let callers = self
            .callers
            .iter()
            .map(|a| json!({"caller": a.caller.to_string(), "policy": document(&a.statements)}));
        let providers = self
            .providers
            .iter()
            .map(|p| json!({"arn": p.arn, "url": p.url, "clientId": p.audience}));
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
    pub fn principal(&self) -> Value {
        match self {
            Self::Identity(identity) => json!({"AWS": identity.to_string()}),
            Self::PermissionSet { partition, account, .. } => {
                json!({"AWS": format!("arn:{partition}:iam::{account}:root")})
            }
            Self::Certificate { .. } => json!({"Service": "credentials.iot.amazonaws.com"}),
        }
    }

    /// The statement with the conditions that it needs where the principal alone admits more than
    /// this caller.
    pub fn narrowed(&self, statement: Statement) -> Statement {
        let Self::PermissionSet { partition, account, name } = self else { return statement };
        let role = |region: &str| {
            format!(
                "arn:{partition}:iam::{account}:role/aws-reserved/sso.amazonaws.com/{region}AWSReservedSSO_{name}_????????????????"
            )
        };
        // The Region of the Identity Center instance is a part of the path, but in us-east-1.
        statement.when("ArnLike", "aws:PrincipalArn", vec![role("*/"), role("")])
    }

    /// The account of the caller.
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
            Self::PermissionSet { account, name, .. } => {
                write!(f, "permission set {name} in account {account}")
            }
            Self::Certificate { secret, .. } => {
                write!(f, "the certificate in Secret {secret} (an AWS IoT policy)")
            }
        }
    }
}
