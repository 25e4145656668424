//! Why credentials could not be obtained, with the class that decides the retry and the advice
//! that a person reads. No variant holds secret material.

use super::advice::advice;
use super::codes::{AwsError, Issuer, class_of, is_of_iam, reason_of};
use crate::failure::Failure;
use crate::retry::Class;
use kube::ResourceExt as _;
use refreshable_api::RefreshableCredential;
use refreshable_api::conditions::Reason;

/// Why credentials could not be obtained.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The issuer answered with an error.
    #[error("{operation}{}: {error}", of(.subject))]
    Refused {
        /// The operation, for example `AssumeRole`.
        operation: &'static str,
        /// Subject of the call, for example the role's ARN.
        subject: String,
        /// The error.
        error: AwsError,
    },
    /// The issuer could not be reached, or did not respond in time.
    #[error("{operation}: {endpoint} cannot be reached: {detail}")]
    Unreachable {
        /// The operation.
        operation: &'static str,
        /// Where it was called.
        endpoint: String,
        /// Details of the failure.
        detail: String,
    },
    /// The issuer's response could not be used.
    #[error("{operation}: the answer cannot be used: {what}")]
    InvalidAnswer {
        /// The operation.
        operation: &'static str,
        /// Fault of the response.
        what: String,
        /// The issuer's request id.
        request_id: Option<String>,
    },
    /// A referenced object, or a key in it, does not exist.
    #[error("{kind} {name}{} does not exist in this namespace", key_of(.key))]
    InputMissing {
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The key in it that is missing.
        key: Option<String>,
    },
    /// A referenced object holds something that cannot be used.
    #[error("{kind} {name}, key {key}: {what}")]
    InputInvalid {
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The key in it.
        key: String,
        /// The fault, and a valid value.
        what: String,
    },
    /// A PKCS#11 token refused the PIN in a Secret.
    #[error("Secret {name}, key {key}: {what}")]
    PinRefused {
        /// Name of the Secret.
        name: String,
        /// The key in it.
        key: String,
        /// The token, and how it refused.
        what: String,
    },
    /// A referenced object holds something that was right and is past its end.
    #[error("Secret {name}, key {key}: {what}")]
    InputExpired {
        /// Name of the Secret.
        name: String,
        /// The key in it.
        key: String,
        /// The expired item, and when it expired.
        what: String,
    },
    /// A person has to act.
    #[error("{what}")]
    PersonNeeded {
        /// The necessary action: who has to do it, and how.
        what: String,
    },
    /// A program that the administrator registered failed.
    #[error("process {name}: {what}")]
    Process {
        /// The name that it is registered under.
        name: String,
        /// Details of the failure.
        what: String,
    },
    /// The Kubernetes API failed or refused a read.
    #[error("reading {what}: {detail}")]
    Kubernetes {
        /// The object that was read.
        what: String,
        /// Details of the failure.
        detail: String,
    },
    /// The credentials belong to another principal.
    #[error("the credentials belong to {found}, not to {expected}; they are not published")]
    WrongPrincipal {
        /// The principal that the specification demands.
        expected: String,
        /// The principal that the credentials belong to.
        found: String,
    },
    /// The specification is wrong in a way that admission cannot see.
    #[error("{field}: {what}")]
    Specification {
        /// The field.
        field: String,
        /// The fault, and what to write instead.
        what: String,
    },
    /// The controller has no AWS identity of its own.
    #[error("the controller has no AWS identity of its own: {detail}")]
    NoIdentity {
        /// Error of the default credential chain.
        detail: String,
    },
    /// An MFA code may be used once, and the one of this moment has been.
    #[error("the MFA code of {serial_number} for this half minute has been used already")]
    MfaCodeUsed {
        /// The device.
        serial_number: String,
    },
}

fn of(subject: &str) -> String {
    if subject.is_empty() { String::new() } else { format!(" of {subject}") }
}

fn key_of(key: &Option<String>) -> String {
    key.as_ref().map(|k| format!(", key {k}")).unwrap_or_default()
}

impl IssueError {
    /// The class, which decides the retry.
    pub fn class(&self) -> Class {
        match self {
            Self::Refused { operation, error, .. } => class_of(operation, error),
            Self::Unreachable { .. }
            | Self::InvalidAnswer { .. }
            | Self::Process { .. }
            | Self::Kubernetes { .. }
            | Self::MfaCodeUsed { .. } => Class::Transient,
            Self::InputMissing { .. } | Self::InputInvalid { .. } | Self::InputExpired { .. } => {
                Class::Input
            }
            Self::PersonNeeded { .. } | Self::PinRefused { .. } => Class::Person,
            Self::WrongPrincipal { .. } | Self::NoIdentity { .. } => Class::Denied,
            Self::Specification { .. } => Class::Specification,
        }
    }

    /// The reason that conditions and events name.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Refused { operation, error, .. } => reason_of(operation, error),
            Self::Unreachable { .. }
            | Self::NoIdentity { .. }
            | Self::MfaCodeUsed { .. }
            | Self::Process { .. } => Reason::IssuerUnavailable,
            Self::InputExpired { .. } => Reason::InputExpired,
            Self::PersonNeeded { .. } => Reason::PersonNeeded,
            Self::PinRefused { .. } => Reason::PinRefused,
            Self::InvalidAnswer { .. } => Reason::InvalidAnswer,
            Self::InputMissing { .. } => Reason::InputMissing,
            Self::InputInvalid { .. } => Reason::InputInvalid,
            Self::Kubernetes { .. } => Reason::KubernetesError,
            Self::WrongPrincipal { .. } => Reason::WrongPrincipal,
            Self::Specification { .. } => Reason::InvalidSpecification,
        }
    }

    /// AWS's error code.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { error, .. } => Some(error.code.as_str()),
            _ => None,
        }
    }

    /// AWS's request id.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused { error, .. } => error.request_id.as_deref(),
            Self::InvalidAnswer { request_id, .. } => request_id.as_deref(),
            _ => None,
        }
    }

    /// Advice for a person.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Refused { operation, error, .. } => advice(operation, error),
            Self::Unreachable { .. } => {
                "Check the controller's way to the endpoint (DNS, proxy, firewall, spec.sts); retried automatically"
            }
            Self::InvalidAnswer { .. } => {
                "Check that the endpoint is what the source takes it for and that no proxy answers instead; retried automatically"
            }
            Self::InputMissing { .. } => "Create it, or correct the reference",
            Self::InputInvalid { kind: "ConfigMap", .. } => {
                "Correct the ConfigMap; the change is noticed automatically"
            }
            Self::InputInvalid { .. } => "Correct the Secret; the change is noticed automatically",
            Self::PinRefused { .. } => {
                "Correct the PIN in the Secret; it is not tried again before, because wrong PINs lock the token"
            }
            Self::InputExpired { .. } => {
                "Renew what the Secret holds; the change is noticed automatically"
            }
            Self::PersonNeeded { .. } => "The controller continues automatically once that is done",
            Self::Process { .. } => {
                "Ask the administrator, who registered it with the controller; retried automatically"
            }
            Self::Kubernetes { .. } => {
                "Check the API server and the controller's RBAC; retried automatically"
            }
            Self::WrongPrincipal { .. } => {
                "Correct spec.principal or the role, or find out who answers in the issuer's place"
            }
            Self::Specification { .. } => "Correct the specification",
            Self::NoIdentity { .. } => {
                "Give the controller an identity (IRSA, Pod Identity, instance profile or static keys), or choose another source"
            }
            Self::MfaCodeUsed { .. } => "Nothing: the next code is used as soon as there is one",
        }
    }

    /// The failure, as the rules see it.
    pub fn failure(&self) -> Failure {
        Failure {
            class: self.class(),
            reason: self.reason(),
            code: self.code().map(str::to_owned),
            request_id: self.request_id().map(str::to_owned),
            message: format!("{self}. {}", self.advice()),
            inputs: Default::default(),
        }
    }

    /// The failure of `object`. Where AWS denied it a role, the message names the command that
    /// prints the necessary policies.
    pub fn failure_of(&self, object: &RefreshableCredential) -> Failure {
        let mut failure = self.failure();
        if self.denies_a_role() {
            let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
            let command = format!("kubectl refreshable trust-policy -n {namespace} {name}");
            failure.message.push_str(&format!(". `{command}` prints the policies that let it in"));
        }
        failure
    }

    /// Whether AWS's IAM policies caused the denial, rather than a store or a user-defined
    /// endpoint.
    fn denies_a_role(&self) -> bool {
        let Self::Refused { operation, error, .. } = self else { return false };
        error.issuer == Issuer::Aws
            && reason_of(operation, error) == Reason::AccessDenied
            && is_of_iam(operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(operation: &'static str, code: &str) -> IssueError {
        let error = AwsError {
            code: code.into(),
            message: "no".into(),
            request_id: None,
            status: 403,
            issuer: Issuer::default(),
        };
        IssueError::Refused { operation, subject: String::new(), error }
    }

    #[test]
    fn a_denied_role_names_the_command_that_prints_what_lets_it_in() {
        let mut object = RefreshableCredential::new("reports", Default::default());
        object.metadata.namespace = Some("team-a".into());
        let said = |error: IssueError| error.failure_of(&object).message;
        for operation in ["AssumeRole", "AssumeRoleWithWebIdentity", "CreateSession"] {
            let message = said(refused(operation, "AccessDenied"));
            assert!(
                message.contains("`kubectl refreshable trust-policy -n team-a reports` prints"),
                "{message}"
            );
        }
        for other in
            [refused("GetCredentials", "AccessDenied"), refused("AssumeRole", "Throttling")]
        {
            assert!(!said(other).contains("trust-policy"));
        }
        for issuer in [Issuer::Store, Issuer::Server] {
            let mut error = refused("AssumeRole", "AccessDenied");
            let IssueError::Refused { error: answered, .. } = &mut error else {
                unreachable!("it was refused")
            };
            answered.issuer = issuer;
            let message = said(error);
            assert!(
                !message.contains("trust-policy"),
                "it prints policies of AWS's alone: {message}"
            );
        }
    }
}
