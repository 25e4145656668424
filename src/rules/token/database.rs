//! Passwords of databases:
//! [IAM authentication](https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html)
//! of RDS and Aurora, and
//! [tokens](https://docs.aws.amazon.com/aurora-dsql/latest/userguide/SECTION_authentication-token.html)
//! of Aurora DSQL.

use super::presigned::{Presigned, query};
use super::{field, mysql, postgres};
use crate::issuer::IssueError;
use crate::render::Files;
use jiff::SignedDuration;
use refreshable_api::{DatabaseEngine, DsqlToken, RdsToken};
use secrecy::SecretString;

/// How long RDS takes a password for new connections, in seconds.
const RDS_SECONDS: u32 = 900;

/// Where a client connects to, and as whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) user: &'a str,
    pub(super) database: Option<&'a str>,
    /// Path of the certificates to trust.
    pub(super) ca_file: Option<&'a str>,
}

/// The request to sign for a database of RDS.
///
/// # Errors
/// [`IssueError::Specification`] for what cannot stand in a URL or in a file.
pub(super) fn of_rds(token: &RdsToken) -> Result<Presigned, IssueError> {
    field::host("rds.host", &token.host)?;
    field::region("rds.region", &token.region)?;
    checked("rds", token.into())?;
    let parameters = query(&[("Action", "connect"), ("DBUser", &token.user)]);
    Ok(Presigned {
        // The certificate of RDS, and its check of the token, know the name in small letters.
        url: format!("https://{}:{}/?{parameters}", token.host.to_ascii_lowercase(), token.port()),
        headers: Vec::new(),
        service: "rds-db",
        region: token.region.clone(),
        expires_in: RDS_SECONDS,
        valid: SignedDuration::from_secs(RDS_SECONDS.into()),
    })
}

/// The request to sign for a cluster of DSQL.
///
/// # Errors
/// As [`of_rds`].
pub(super) fn of_dsql(token: &DsqlToken) -> Result<Presigned, IssueError> {
    field::host("dsql.host", &token.host)?;
    field::region("dsql.region", &token.region)?;
    checked("dsql", token.into())?;
    let action = if token.user() == DsqlToken::ADMIN { "DbConnectAdmin" } else { "DbConnect" };
    let seconds = u32::try_from(token.duration_seconds()).unwrap_or_default();
    Ok(Presigned {
        url: format!(
            "https://{}/?{}",
            token.host.to_ascii_lowercase(),
            query(&[("Action", action)])
        ),
        headers: Vec::new(),
        service: "dsql",
        region: token.region.clone(),
        expires_in: seconds,
        valid: SignedDuration::from_secs(seconds.into()),
    })
}

/// The files of a database of RDS, beside the token.
pub(super) fn rds_files(token: &RdsToken, password: &SecretString) -> Files {
    match token.engine() {
        DatabaseEngine::PostgreSQL => postgres::files(&token.into(), password),
        DatabaseEngine::MySQL => mysql::files(&token.into(), password),
    }
}

/// The files of a cluster of DSQL, beside the token.
pub(super) fn dsql_files(token: &DsqlToken, password: &SecretString) -> Files {
    postgres::files(&token.into(), password)
}

fn checked(kind: &str, connection: Connection<'_>) -> Result<(), IssueError> {
    field::word(&format!("{kind}.user"), connection.user)?;
    let others = [("database", connection.database), ("caFile", connection.ca_file)];
    others
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .try_for_each(|(name, value)| field::word(&format!("{kind}.{name}"), value))
}

impl<'a> From<&'a RdsToken> for Connection<'a> {
    fn from(token: &'a RdsToken) -> Self {
        Self {
            host: &token.host,
            port: token.port(),
            user: &token.user,
            database: token.database.as_deref(),
            ca_file: token.ca_file.as_deref(),
        }
    }
}

impl<'a> From<&'a DsqlToken> for Connection<'a> {
    fn from(token: &'a DsqlToken) -> Self {
        Self {
            host: &token.host,
            port: DsqlToken::PORT,
            user: token.user(),
            database: Some(DsqlToken::DATABASE),
            ca_file: token.ca_file.as_deref(),
        }
    }
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
