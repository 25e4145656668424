//! Credentials as files, environment and Secret: pure functions of the session and the
//! specification.

mod config_file;
mod credentials_file;
mod environment;
mod process_json;
mod sample;
mod secret;

pub use process_json::render as process_json;
pub use sample::{sample_files, sample_manifest};
pub use secret::Manifest;
pub(crate) use secret::NO_VERSION;
pub use secret::{Existing, manifest, restored};

use crate::issuer::{IssueError, Issued};
use crate::template::{self, Values};
use refreshable_api::{Format, SecretSpec};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;

/// The Secret's data: key to content.
pub type Files = BTreeMap<String, SecretString>;

/// Credentials under the name of a profile.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The profile's name.
    pub name: String,
    /// The Region that it names, if another than the rest.
    pub region: Option<String>,
    /// Its credentials.
    pub issued: Issued,
}

/// Writes `issued` in every format of `spec`, and its templates. `region` is the profile's.
///
/// # Errors
/// [`IssueError::Specification`] for a template with a fault, or a value that it cannot write.
pub fn files(spec: &SecretSpec, region: &str, issued: &Issued) -> Result<Files, IssueError> {
    let keys = spec.keys.clone().unwrap_or_default();
    let region = spec.region.as_deref().unwrap_or(region);
    let mut files = Files::new();
    if spec.writes(Format::Credentials) {
        files.insert(
            keys.credentials.clone(),
            credentials_file::render(spec.profile(), &issued.session),
        );
    }
    if spec.writes(Format::Config) {
        let json = format!("{}/{}", spec.mount_path(), keys.process_json);
        files
            .insert(keys.config.clone(), config_file::render(spec.profile(), region, &json).into());
    }
    if spec.writes(Format::ProcessJson) {
        files.insert(keys.process_json.clone(), process_json::render(issued));
    }
    if spec.writes(Format::Environment) {
        files.extend(environment::render(&keys, region, &issued.session));
    }
    if let Some(templates) = &spec.template {
        let values = Values::of(issued, spec.profile(), region);
        files.extend(template::files(templates, &values, std::slice::from_ref(&values))?);
    }
    Ok(files)
}

/// Name of the data key that holds a profile's process JSON.
pub fn profile_key(profile: &str) -> String {
    format!("{profile}.json")
}

/// Writes many profiles: one credentials and one config file with all of them, a process JSON for
/// each, and the templates.
///
/// # Errors
/// As [`files`].
pub fn profile_files(
    spec: &SecretSpec,
    region: &str,
    profiles: &[Profile],
) -> Result<Files, IssueError> {
    let keys = spec.keys.clone().unwrap_or_default();
    let region = spec.region.as_deref().unwrap_or(region);
    let mut files = Files::new();
    if spec.writes(Format::Credentials) {
        let sections: Vec<SecretString> =
            profiles.iter().map(|p| credentials_file::render(&p.name, &p.issued.session)).collect();
        let texts: Vec<&str> = sections.iter().map(|s| s.expose_secret()).collect();
        files.insert(keys.credentials.clone(), SecretString::from(texts.join("\n")));
    }
    if spec.writes(Format::Config) {
        let section = |p: &Profile| {
            let json = format!("{}/{}", spec.mount_path(), profile_key(&p.name));
            config_file::render(&p.name, p.region.as_deref().unwrap_or(region), &json)
        };
        let sections: Vec<String> = profiles.iter().map(section).collect();
        files.insert(keys.config.clone(), sections.join("\n").into());
    }
    if spec.writes(Format::ProcessJson) {
        files.extend(
            profiles.iter().map(|p| (profile_key(&p.name), process_json::render(&p.issued))),
        );
    }
    if let Some(templates) = &spec.template {
        let values =
            |p: &Profile| Values::of(&p.issued, &p.name, p.region.as_deref().unwrap_or(region));
        let each: Vec<Values> = profiles.iter().map(values).collect();
        files.extend(template::files(templates, &Values::shared(region), &each)?);
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
