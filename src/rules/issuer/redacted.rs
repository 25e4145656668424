//! Errors as they may leave an attempt: without confidential values.

use super::{AwsError, IssueError, Redactor};
use crate::patterns::shown_url;

impl IssueError {
    /// The error without the values that `redactor` protects. Foreign texts lose control characters
    /// and are cut; names in the specification stay, and URLs lose their query.
    #[must_use]
    pub fn redacted(self, redactor: &Redactor) -> Self {
        let words = |text: String| redactor.words(&text);
        let id = |id: Option<String>| id.map(|id| redactor.words(&id));
        match self {
            Self::Refused {
                operation,
                subject,
                error: AwsError { code, message, request_id, status, issuer },
            } => {
                let error = AwsError {
                    code: words(code),
                    message: words(message),
                    request_id: id(request_id),
                    status,
                    issuer,
                };
                Self::Refused { operation, subject: shown_url(&subject).into_owned(), error }
            }
            Self::Unreachable { operation, endpoint, detail } => Self::Unreachable {
                operation,
                endpoint: shown_url(&endpoint).into_owned(),
                detail: words(detail),
            },
            Self::InvalidAnswer { operation, what, request_id } => {
                Self::InvalidAnswer { operation, what: words(what), request_id: id(request_id) }
            }
            Self::InputMissing { kind, name, key } => Self::InputMissing { kind, name, key },
            Self::InputInvalid { kind, name, key, what } => {
                Self::InputInvalid { kind, name, key, what: words(what) }
            }
            Self::PinRefused { name, key, what } => {
                Self::PinRefused { name, key, what: words(what) }
            }
            Self::InputExpired { name, key, what } => {
                Self::InputExpired { name, key, what: words(what) }
            }
            Self::PersonNeeded { what } => Self::PersonNeeded { what: words(what) },
            Self::Process { name, what } => Self::Process { name, what: words(what) },
            Self::Kubernetes { what, detail } => Self::Kubernetes { what, detail: words(detail) },
            Self::WrongPrincipal { expected, found } => {
                Self::WrongPrincipal { expected, found: words(found) }
            }
            Self::Specification { field, what } => Self::Specification { field, what: words(what) },
            Self::NoIdentity { detail } => Self::NoIdentity { detail: words(detail) },
            Self::MfaCodeUsed { serial_number } => Self::MfaCodeUsed { serial_number },
        }
    }
}
