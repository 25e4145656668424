//! The [option file](https://dev.mysql.com/doc/refman/8.4/en/option-files.html) by which the clients
//! of MySQL and MariaDB connect.

use super::database::Connection;
use crate::render::Files;
use secrecy::{ExposeSecret as _, SecretString};

/// `my.cnf` with this password. An option that only one of both knows has the prefix `loose-`, by
/// which the other leaves it out.
pub(super) fn files(connection: &Connection<'_>, password: &SecretString) -> Files {
    let port = connection.port.to_string();
    let mode = if connection.ca_file.is_some() { "VERIFY_IDENTITY" } else { "REQUIRED" };
    let members = [
        ("host", Some(connection.host)),
        ("port", Some(port.as_str())),
        ("user", Some(connection.user)),
        ("database", connection.database),
        ("ssl-ca", connection.ca_file),
        ("loose-ssl-mode", Some(mode)),
        ("loose-ssl-verify-server-cert", connection.ca_file.map(|_| "1")),
        ("password", Some(password.expose_secret())),
    ];
    let lines = members
        .iter()
        .filter_map(|(name, value)| Some(format!("{name} = \"{}\"\n", escaped((*value)?))));
    // The password goes to the server as it is, inside TLS.
    let file = format!("[client]\nloose-enable-cleartext-plugin\n{}", lines.collect::<String>());
    Files::from([("my.cnf".to_owned(), file.into())])
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"")
}
