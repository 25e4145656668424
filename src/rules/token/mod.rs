//! Tokens that a session buys, which are published instead of it.
//!
//! ```text
//! spec.token.ecr          -> ecr::calls             each GetAuthorizationToken to make
//!   answers               -> ecr::read              Login: user, password, end
//!   + mergeFrom           -> docker_config          the file of the Secret, and what it replaces
//! spec.token.codeArtifact -> code_artifact          the request, and its answer
//!                         -> package_files          files of package managers
//! spec.token.rds, dsql    -> database               what is signed; postgres, mysql: files
//! spec.token.elastiCache  -> cache                  the same for caches
//! spec.token.msk          -> kafka                  the same for Kafka clusters
//! spec.token.eks          -> eks                    what is signed, kubeconfig
//! spec.token.webIdentity  -> web_identity           how long to ask for it
//!                         -> lifetime              until the first of tokens and session ends
//! ```

pub mod cache;
pub mod code_artifact;
pub mod database;
pub mod docker_config;
pub mod ecr;
pub mod eks;
mod field;
pub mod kafka;
mod mysql;
pub mod package_files;
pub mod postgres;
pub mod presigned;
pub mod web_identity;

use super::issuer::{IssueError, Lifetime};
use super::render::Files;
use jiff::Timestamp;
use presigned::Presigned;
use refreshable_api::{TokenKind, TokenSpec};
use secrecy::SecretString;

/// The request to sign, of a token that is signed and not asked for.
///
/// # Errors
/// [`IssueError::Specification`] for what cannot stand in a URL or in a file.
pub fn presigned(kind: TokenKind<'_>) -> Result<Option<Presigned>, IssueError> {
    match kind {
        TokenKind::Rds(token) => database::of_rds(token).map(Some),
        TokenKind::Dsql(token) => database::of_dsql(token).map(Some),
        TokenKind::ElastiCache(token) => cache::presigned(token).map(Some),
        TokenKind::Msk(token) => kafka::presigned(token).map(Some),
        TokenKind::Eks(token) => eks::presigned(token).map(Some),
        TokenKind::Ecr(_) | TokenKind::CodeArtifact(_) | TokenKind::WebIdentity(_) => Ok(None),
    }
}

/// The token in a signed URL.
pub fn in_signed(kind: TokenKind<'_>, url: &SecretString) -> SecretString {
    match kind {
        TokenKind::Msk(_) => kafka::bearer(url),
        TokenKind::Eks(_) => eks::bearer(url),
        _ => presigned::without_scheme(url),
    }
}

/// The data of a Secret with a token. Passwords of registries have a file of their own
/// ([`docker_config`]).
pub fn files(kind: TokenKind<'_>, token: &SecretString) -> Files {
    let mut files = match kind {
        TokenKind::CodeArtifact(of) => package_files::files(of, token),
        TokenKind::Rds(of) => database::rds_files(of, token),
        TokenKind::Dsql(of) => database::dsql_files(of, token),
        TokenKind::ElastiCache(of) => cache::files(of, token),
        TokenKind::Eks(of) => eks::files(of, token),
        TokenKind::Ecr(_) | TokenKind::Msk(_) | TokenKind::WebIdentity(_) => Files::new(),
    };
    files.insert(TokenSpec::DATA_KEY.to_owned(), token.clone());
    files
}

/// Lifetime of what is published: until the first of `ends` or the end of the session, whichever is
/// earlier. AWS's documents say 12 hours of a token and do not say whether it outlives the session
/// that bought it.
///
/// # Errors
/// [`IssueError::InvalidAnswer`] where a token has ended before the session began.
pub fn lifetime(
    operation: &'static str,
    session: Lifetime,
    ends: impl IntoIterator<Item = Timestamp>,
) -> Result<Lifetime, IssueError> {
    let expiration = ends.into_iter().fold(session.expiration, Timestamp::min);
    if expiration <= session.issued_at {
        return Err(IssueError::InvalidAnswer {
            operation,
            what: format!("the token's end, {expiration}, is already past"),
            request_id: None,
        });
    }
    Ok(Lifetime { expiration, ..session })
}

/// Lifetime of a token that begins at `now`, whose session may have begun long before, and that
/// lives until `end`.
///
/// # Errors
/// [`IssueError::InvalidAnswer`] where it has ended before.
pub fn own_lifetime(
    operation: &'static str,
    session: Lifetime,
    now: Timestamp,
    end: Timestamp,
) -> Result<Lifetime, IssueError> {
    let issued_at = now.max(session.issued_at);
    lifetime(operation, Lifetime { issued_at, expiration: end }, [])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_first_ends_what_is_published() {
        let at = |hours: i64| Timestamp::from_second(1_767_225_600 + hours * 3600).expect("a time");
        let session = |hours| Lifetime { issued_at: at(0), expiration: at(hours) };
        for (hours, ends, expected) in [
            (1, vec![12], Some(1)),
            (36, vec![12], Some(12)),
            (36, vec![12, 6, 11], Some(6)),
            (36, vec![], Some(36)),
            (12, vec![12], Some(12)),
            (12, vec![0], None),
            (12, vec![12, -1], None),
        ] {
            let found =
                lifetime("GetAuthorizationToken", session(hours), ends.iter().map(|h| at(*h)));
            match expected {
                Some(hours) => assert_eq!(found.expect("valid"), session(hours)),
                None => {
                    let error = found.expect_err("it has ended").to_string();
                    assert!(error.contains("is already past"), "{error}");
                }
            }
        }
    }
}
