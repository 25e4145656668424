//! From an identity that somebody has to the resource's specification: pure.

use super::answers::{
    ACCOUNT, Answers, EKS_CLUSTER, ENDPOINT, PERMISSION_SET, PROFILE, Question, REGION, ROLE,
    ROLE_ALIAS, SAML_PROVIDER, SECRET, SERVICE_ACCOUNT, THING, TRUST_ANCHOR,
};
use clap::ValueEnum;
use serde_json::{Map, Value, json};

/// An identity to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Origin {
    /// The controller's own AWS identity; an administrator allows it by a CredentialPolicy.
    Controller,
    /// The cluster's ServiceAccounts, whose token issuer AWS can reach (EKS, or by `kubectl
    /// refreshable issuer`).
    OidcIssuer,
    /// An OpenID Connect token that something else keeps fresh in a Secret.
    OidcToken,
    /// An X.509 certificate of a CA that IAM Roles Anywhere trusts.
    X509,
    /// An X.509 certificate of a thing in AWS IoT.
    Iot,
    /// A person who signs in to IAM Identity Center.
    IdentityCenter,
    /// A long-lived access key of an IAM user.
    AccessKey,
    /// A SAML assertion that something else keeps fresh in a Secret.
    Saml,
    /// An association of EKS Pod Identity.
    PodIdentity,
    /// The role of the EC2 instance that the controller runs on.
    Instance,
}

/// The policy's part that a source needs, beside what its roles need.
pub type Allow = Map<String, Value>;

impl Origin {
    /// The specification, and what a CredentialPolicy must allow; empty where no policy is needed.
    ///
    /// # Errors
    /// The first question that is still open.
    pub fn spec(self, answers: &Answers) -> Result<(Value, Allow), &'static Question> {
        let mut roles: Vec<&str> = match self {
            Self::Controller | Self::AccessKey => answers.all(&ROLE)?,
            _ => answers.all(&ROLE).unwrap_or_default(),
        }
        .iter()
        .map(String::as_str)
        .collect();
        // Of these sources the first role is the source's own.
        let own = match self {
            Self::OidcIssuer | Self::OidcToken | Self::X509 | Self::Saml => {
                answers.one(&ROLE)?;
                Some(roles.remove(0))
            }
            _ => None,
        };
        let mut allow = Allow::new();
        let source = match self {
            Self::Controller => {
                allow.insert("roles".to_owned(), json!([{"arns": [roles[0]]}]));
                Value::Null
            }
            Self::OidcIssuer => json!({"webIdentity": {
                "roleArn": own, "serviceAccountRef": {"name": answers.one(&SERVICE_ACCOUNT)?},
            }}),
            Self::OidcToken => json!({"webIdentity": {
                "roleArn": own, "tokenSecretRef": {"name": answers.one(&SECRET)?, "key": "token"},
            }}),
            Self::X509 => json!({"rolesAnywhere": {
                "trustAnchorArn": answers.one(&TRUST_ANCHOR)?,
                "profileArn": answers.one(&PROFILE)?,
                "roleArn": own,
                "certificateSecretRef": {"name": answers.one(&SECRET)?},
            }}),
            Self::Iot => json!({"iot": {
                "endpoint": answers.one(&ENDPOINT)?,
                "roleAlias": answers.one(&ROLE_ALIAS)?,
                "thingName": answers.one(&THING)?,
                "certificateSecretRef": {"name": answers.one(&SECRET)?},
            }}),
            Self::IdentityCenter => json!({"identityCenter": {
                "accountId": answers.one(&ACCOUNT)?,
                "roleName": answers.one(&PERMISSION_SET)?,
                "tokenSecretRef": {"name": answers.one(&SECRET)?},
            }}),
            Self::AccessKey => json!({"accessKey": {"secretRef": {"name": answers.one(&SECRET)?}}}),
            Self::Saml => json!({"saml": {
                "roleArn": own,
                "principalArn": answers.one(&SAML_PROVIDER)?,
                "assertionSecretRef": {"name": answers.one(&SECRET)?, "key": "response"},
            }}),
            Self::PodIdentity => {
                allow.insert("sources".to_owned(), json!(["PodIdentity"]));
                json!({"podIdentity": {
                    "clusterName": answers.one(&EKS_CLUSTER)?,
                    "serviceAccountRef": {"name": answers.one(&SERVICE_ACCOUNT)?},
                    "region": answers.one(&REGION)?,
                }})
            }
            Self::Instance => {
                allow.insert("sources".to_owned(), json!(["InstanceMetadata"]));
                json!({"instanceMetadata": {}})
            }
        };
        let mut spec = Map::new();
        if !source.is_null() {
            spec.insert("source".to_owned(), source);
        }
        if !roles.is_empty() {
            let roles: Vec<Value> = roles.iter().map(|arn| json!({"roleArn": arn})).collect();
            spec.insert("roles".to_owned(), roles.into());
        }
        if let Some(region) = answers.optional(&REGION) {
            spec.insert("sts".to_owned(), json!({"region": region}));
        }
        Ok((Value::Object(spec), allow))
    }

    /// A command or a page for the next step, beside applying the manifests.
    pub const fn next(self) -> &'static str {
        match self {
            Self::Controller => {
                "give the controller an AWS identity: docs/install.md#the-controllers-own-identity"
            }
            Self::OidcIssuer => "if AWS does not know the cluster's issuer yet: docs/issuer.md",
            Self::OidcToken => "put the token into the Secret: docs/sources/webIdentity.md",
            Self::X509 => "issue the certificate into the Secret: docs/sources/rolesAnywhere.md",
            Self::Iot => "issue the certificate into the Secret: docs/sources/iot.md",
            Self::IdentityCenter => "sign in: kubectl refreshable login",
            Self::AccessKey => "put the key into the Secret: docs/sources/accessKey.md",
            Self::Saml => "put the assertion into the Secret: docs/sources/saml.md",
            Self::PodIdentity => "make the association in EKS: docs/sources/podIdentity.md",
            Self::Instance => {
                "let the controller's Pods reach the metadata service: docs/sources/instanceMetadata.md"
            }
        }
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
