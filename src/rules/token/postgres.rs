//! Files and variables by which libpq, and what is made with it, connects.

use super::database::Connection;
use crate::render::Files;
use secrecy::{ExposeSecret as _, SecretString};

/// Name of the service in `pg_service.conf`, which `PGSERVICE` or `service=` names.
pub const SERVICE: &str = "default";

/// Each file and variable with this password.
pub(super) fn files(connection: &Connection<'_>, password: &SecretString) -> Files {
    let mode = if connection.ca_file.is_some() { "verify-full" } else { "require" };
    let mut files = Files::from([
        ("pg_service.conf".to_owned(), service(connection, mode).into()),
        (".pgpass".to_owned(), pgpass(connection, password)),
        ("PGPASSWORD".to_owned(), password.clone()),
    ]);
    let port = connection.port.to_string();
    let open = [
        ("PGHOST", Some(connection.host)),
        ("PGPORT", Some(port.as_str())),
        ("PGUSER", Some(connection.user)),
        ("PGDATABASE", connection.database),
        ("PGSSLMODE", Some(mode)),
        ("PGSSLROOTCERT", connection.ca_file),
    ];
    files.extend(open.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))));
    files
}

/// A [connection service file](https://www.postgresql.org/docs/current/libpq-pgservice.html). Each
/// value goes to the end of its line, and nothing in it has a meaning. The password is not in it:
/// libpq reads lines of 1,023 bytes there, and passwords are longer.
fn service(connection: &Connection<'_>, mode: &str) -> String {
    let port = connection.port.to_string();
    let members = [
        ("host", Some(connection.host)),
        ("port", Some(port.as_str())),
        ("user", Some(connection.user)),
        ("dbname", connection.database),
        ("sslmode", Some(mode)),
        ("sslrootcert", connection.ca_file),
    ];
    let lines = members.iter().filter_map(|(name, value)| Some(format!("{name}={}\n", (*value)?)));
    format!("[{SERVICE}]\n{}", lines.collect::<String>())
}

/// A [password file](https://www.postgresql.org/docs/current/libpq-pgpass.html).
fn pgpass(connection: &Connection<'_>, password: &SecretString) -> SecretString {
    let escaped = |text: &str| text.replace('\\', r"\\").replace(':', r"\:");
    format!(
        "{}:{}:{}:{}:{}\n",
        escaped(connection.host),
        connection.port,
        connection.database.map_or_else(|| "*".to_owned(), escaped),
        escaped(connection.user),
        escaped(password.expose_secret())
    )
    .into()
}
