//! Credentials as files, environment and Secret: pure functions of what was issued and asked for.

mod config_file;
mod credentials_file;
mod environment;
mod process_json;
mod secret;

pub use secret::Manifest;
pub(crate) use secret::{Existing, manifest};

use crate::api::{Format, SecretSpec};
use crate::issuer::Issued;
use secrecy::SecretString;
use std::collections::BTreeMap;

/// The Secret's data: key to content.
pub type Files = BTreeMap<String, SecretString>;

/// Writes `issued` in every form that `spec` asks for. `region` is what the profile names.
pub fn files(spec: &SecretSpec, region: &str, issued: &Issued) -> Files {
    let keys = spec.keys.clone().unwrap_or_default();
    let region = spec.region.as_deref().unwrap_or(region);
    let mut files = Files::new();
    if spec.writes(Format::Credentials) {
        files.insert(keys.credentials.clone(), credentials_file::render(spec.profile(), &issued.session));
    }
    if spec.writes(Format::Config) {
        let json = format!("{}/{}", spec.mount_path(), keys.process_json);
        files.insert(keys.config.clone(), config_file::render(spec.profile(), region, &json).into());
    }
    if spec.writes(Format::ProcessJson) {
        files.insert(keys.process_json.clone(), process_json::render(issued));
    }
    if spec.writes(Format::Environment) {
        files.extend(environment::render(&keys, region, &issued.session));
    }
    files
}

#[cfg(test)]
mod tests;
