//! Passwords of databases, which are signed and not asked for.

use super::TokenSpec;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A database of Amazon RDS or Aurora with
/// [IAM authentication](https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html),
/// whose password is published. It is signed by the controller, valid for 15 minutes for new
/// connections, and costs no call.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.region.matches('^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$')").message("region must be the code of an AWS Region, for example eu-west-1")
)]
pub struct RdsToken {
    /// Host name of the instance or cluster: its own endpoint and no alias (CNAME), which the
    /// signature would not match.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")
    )]
    pub host: String,
    /// Port. Defaults to `5432`, and of MySQL to `3306`.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Region of the database.
    #[schemars(length(min = 4, max = 32), regex(pattern = r"^[a-z0-9-]+$"))]
    pub region: String,
    /// Database user, who has the role `rds_iam` (PostgreSQL) or authenticates with
    /// `AWSAuthenticationPlugin` (MySQL, MariaDB).
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[!-~]+$"))]
    pub user: String,
    /// Kind of database, which decides on the files that are written. Defaults to `PostgreSQL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<DatabaseEngine>,
    /// Name of the database in the files. Defaults to what clients choose, mostly the user's name.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[!-~]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Absolute path of a file in the container with the certificates that clients trust, for example of
    /// [RDS](https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html). With it
    /// the files have clients check the server's name; without it they ask for TLS alone.
    #[schemars(length(min = 2, max = 512), regex(pattern = r"^/[!-~]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

/// A cluster of Aurora DSQL, whose password
/// ([authentication token](https://docs.aws.amazon.com/aurora-dsql/latest/userguide/SECTION_authentication-token.html))
/// is published. It is signed by the controller, and costs no call.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.region.matches('^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$')").message("region must be the code of an AWS Region, for example eu-west-1")
)]
pub struct DsqlToken {
    /// Host name of the cluster, like `abc.dsql.eu-west-1.on.aws`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")
    )]
    pub host: String,
    /// Region of the cluster.
    #[schemars(length(min = 4, max = 32), regex(pattern = r"^[a-z0-9-]+$"))]
    pub region: String,
    /// Database user. Defaults to `admin`, which asks for `dsql:DbConnectAdmin`; every other asks
    /// for `dsql:DbConnect`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[!-~]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Lifetime of the token in seconds. Defaults to 900. It ends with the session that signed it at
    /// the latest.
    #[schemars(range(min = 60, max = 129600))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i32>,
    /// Absolute path of a file in the container with the certificates that clients trust. With it the files
    /// have clients check the server's name; without it they ask for TLS alone.
    #[schemars(length(min = 2, max = 512), regex(pattern = r"^/[!-~]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

/// Kind of database, and the files that are written for it.
#[derive(
    Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema,
)]
pub enum DatabaseEngine {
    /// `pg_service.conf`, `.pgpass`, and libpq's variables (`PGHOST`, `PGPASSWORD` and so on).
    #[default]
    PostgreSQL,
    /// `my.cnf`, for the clients of MySQL and MariaDB.
    MySQL,
}

impl DatabaseEngine {
    /// The data keys that are written, where a `database` is named or not, and a `ca_file` or not.
    fn data_keys(self, database: bool, ca_file: bool) -> Vec<&'static str> {
        let files: &[&str] = match self {
            Self::PostgreSQL => &[
                "pg_service.conf",
                ".pgpass",
                "PGHOST",
                "PGPORT",
                "PGUSER",
                "PGPASSWORD",
                "PGSSLMODE",
            ],
            Self::MySQL => &["my.cnf"],
        };
        let is_postgres = self == Self::PostgreSQL;
        let more = [("PGDATABASE", database), ("PGSSLROOTCERT", ca_file)];
        let more = more.into_iter().filter(|(_, is)| *is && is_postgres).map(|(key, _)| key);
        std::iter::once(TokenSpec::DATA_KEY).chain(files.iter().copied()).chain(more).collect()
    }
}

impl RdsToken {
    /// Names of the data keys that are written.
    pub fn data_keys(&self) -> Vec<&'static str> {
        self.engine().data_keys(self.database.is_some(), self.ca_file.is_some())
    }

    /// Kind of database.
    pub fn engine(&self) -> DatabaseEngine {
        self.engine.unwrap_or_default()
    }

    /// Port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.engine() {
            DatabaseEngine::PostgreSQL => 5432,
            DatabaseEngine::MySQL => 3306,
        })
    }
}

impl DsqlToken {
    /// The one database of a cluster.
    pub const DATABASE: &str = "postgres";
    /// The port of clusters.
    pub const PORT: u16 = 5432;
    /// The user who may do everything.
    pub const ADMIN: &str = "admin";

    /// Names of the data keys that are written.
    pub fn data_keys(&self) -> Vec<&'static str> {
        DatabaseEngine::PostgreSQL.data_keys(true, self.ca_file.is_some())
    }

    /// Database user.
    pub fn user(&self) -> &str {
        self.user.as_deref().unwrap_or(Self::ADMIN)
    }

    /// Lifetime of the token in seconds.
    pub fn duration_seconds(&self) -> i32 {
        self.duration_seconds.unwrap_or(900)
    }
}
