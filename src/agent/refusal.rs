//! Why a request is not answered with credentials.

use http::StatusCode;
use jiff::Timestamp;
use std::path::PathBuf;

/// A refusal. Its text goes to the caller and never quotes the caller or the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("only GET is served here")]
    Method,
    #[error("page not found: credentials are at /v1/credentials and /v1/credentials/<profile>")]
    Page,
    #[error(
        "Host must be the address that is served on, 127.0.0.1:<port> or localhost:<port>, and no other name"
    )]
    Host,
    #[error("requests that a proxy passes on are not served")]
    Forwarded,
    #[error(
        "Authorization is missing: set AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE to the token's file"
    )]
    NoToken,
    #[error("the token in Authorization is not the one in the token's file")]
    WrongToken,
    #[error("the token's file {path} cannot be read ({why}): requests are refused")]
    TokenFile { path: PathBuf, why: String },
    #[error("profile not found: file {path}")]
    Profile { path: PathBuf },
    #[error(
        "the credentials' file {path} cannot be read ({why}): is the Secret mounted there, with the process JSON?"
    )]
    Unreadable { path: PathBuf, why: String },
    #[error("the credentials' file {path} is not process JSON: {what}")]
    Malformed { path: PathBuf, what: String },
    #[error(
        "the credentials in {path} expired at {at}: the RefreshableCredential's conditions say why they were not renewed"
    )]
    Expired { path: PathBuf, at: Timestamp },
}

impl Refusal {
    /// The HTTP status. Temporary faults are 503, which the SDKs retry.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Page | Self::Profile { .. } => StatusCode::NOT_FOUND,
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::Host | Self::Forwarded | Self::WrongToken => StatusCode::FORBIDDEN,
            Self::TokenFile { .. }
            | Self::Unreadable { .. }
            | Self::Malformed { .. }
            | Self::Expired { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// `code` of the response, which SDKs show.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Method => "MethodNotAllowed",
            Self::Page => "NotFound",
            Self::Profile { .. } => "ProfileNotFound",
            Self::NoToken => "MissingAuthenticationToken",
            Self::WrongToken => "AccessDenied",
            Self::Host => "InvalidHost",
            Self::Forwarded => "ForwardedRequest",
            Self::TokenFile { .. } => "TokenUnavailable",
            Self::Unreadable { .. } => "CredentialsUnavailable",
            Self::Malformed { .. } => "CredentialsMalformed",
            Self::Expired { .. } => "ExpiredCredentials",
        }
    }
}
