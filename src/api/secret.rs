//! The shape of the published Secret.

use super::{ObjectName, SecretKeys, SecretType};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The Secret that the credentials are published in.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.formats) || !('Config' in self.formats) || 'ProcessJson' in self.formats").message("format Config refers to the file of format ProcessJson: add ProcessJson to formats, or take Config out"),
    validation = Rule::new("!has(self.labels) || self.labels.all(k, k != 'app.kubernetes.io/managed-by' && !k.startsWith('refreshable.dev/'))").message("labels app.kubernetes.io/managed-by and refreshable.dev/* belong to the controller: choose other names"),
    validation = Rule::new("!has(self.annotations) || self.annotations.all(k, !k.startsWith('refreshable.dev/'))").message("annotations refreshable.dev/* belong to the controller: choose other names"),
    validation = Rule::new("!has(self.template) || self.template.all(k, size(k) <= 253 && k.matches('^[-._a-zA-Z0-9]+$'))").message("keys of template are data keys of the Secret: letters, digits, hyphens, underscores and dots"),
    validation = Rule::new("!has(self.type) || !has(self.adopt) || !self.adopt").message("an adopted Secret keeps its type: take type or adopt out"),
    validation = Rule::new("!has(self.mountPath) || self.mountPath.startsWith('/')").message("mountPath must be an absolute path, for example /var/run/secrets/refreshable.dev/aws")
)]
pub struct SecretSpec {
    /// Name of the Secret. Defaults to the resource's name.
    #[schemars(with = "Option<ObjectName>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Type of the Secret: `Opaque`, `kubernetes.io/basic-auth`, `kubernetes.io/dockerconfigjson`,
    /// or one of another domain. Defaults to `refreshable.dev/aws-credentials`, with `token` to the
    /// token's own. A change of it deletes the Secret and makes another of the same name.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SecretType>")]
    pub type_: Option<String>,
    /// Name of the profile in the credentials and config files. Defaults to `default`.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_./@:+-]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Region that the config file and the environment name. Defaults to the Region of `spec.sts`.
    #[schemars(length(min = 4, max = 64), regex(pattern = r"^[a-z0-9-]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Where Pods mount the Secret; the config file refers to this path.
    /// Defaults to `/var/run/secrets/refreshable.dev/aws`.
    #[schemars(length(min = 2, max = 1024), regex(pattern = r"^/[A-Za-z0-9_./@+-]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_path: Option<String>,
    /// Formats that are written. Defaults to Credentials, Config and ProcessJson.
    #[schemars(length(min = 1, max = 4), extend("x-kubernetes-list-type" = "set"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formats: Option<Vec<Format>>,
    /// Names of the data keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<SecretKeys>,
    /// Further data keys, each with the text that is written under it: placeholders like
    /// `{{ accessKeyId }}` and `{{ secretAccessKey | json }}` become values, and
    /// `{% for profile in profiles %}` repeats its text for each profile.
    #[schemars(with = "Option<BTreeMap<String, TemplateText>>", extend("maxProperties" = 16))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<BTreeMap<String, String>>,
    /// Labels of the Secret.
    #[schemars(extend("maxProperties" = 64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations of the Secret.
    #[schemars(extend("maxProperties" = 64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Whether the Secret is deleted with the resource. Defaults to `Delete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Adopt an existing Secret of this name, if it is annotated
    /// `refreshable.dev/allow-adoption: "true"`. Its other keys stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopt: Option<bool>,
    /// How a new Secret reaches the Pods that mount it. Defaults to `Kubelet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation: Option<Propagation>,
}

/// Text of a template.
#[derive(JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is used")]
struct TemplateText(#[schemars(length(max = 8192))] String);

/// How a changed Secret reaches the files in the Pods that mount it.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Propagation {
    /// Wait for the kubelet's periodic sync, 60 to 90 seconds.
    #[default]
    Kubelet,
    /// Within seconds: the controller annotates Pods that have the label
    /// `refreshable.dev/propagation: Prompt` and whose annotation `refreshable.dev/inject` or
    /// `refreshable.dev/mounts` names the resource, so that their kubelets sync at once. The
    /// administrator must have enabled it.
    Prompt,
}

/// A form in which the credentials are written.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum Format {
    /// A shared credentials file with the three keys, for programs that reread it.
    Credentials,
    /// A shared config file whose `credential_process` reads the process JSON, for long-lived
    /// programs.
    Config,
    /// The JSON of the credential process protocol, version 1, with its expiration.
    ProcessJson,
    /// One data key for each environment variable (`AWS_ACCESS_KEY_ID` and so on).
    Environment,
}

/// Whether the Secret is deleted with the resource.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum DeletionPolicy {
    /// The Secret is deleted with the resource.
    #[default]
    Delete,
    /// The Secret stays, with its data.
    Retain,
}

impl SecretSpec {
    /// Default of `mountPath`.
    pub const DEFAULT_MOUNT_PATH: &str = "/var/run/secrets/refreshable.dev/aws";
    /// Default of `profile`.
    pub const DEFAULT_PROFILE: &str = "default";
    /// Default of `formats`.
    pub const DEFAULT_FORMATS: [Format; 3] =
        [Format::Credentials, Format::Config, Format::ProcessJson];

    /// The profile's name.
    pub fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or(Self::DEFAULT_PROFILE)
    }

    /// Where Pods mount the Secret, without a trailing slash.
    pub fn mount_path(&self) -> &str {
        self.mount_path.as_deref().unwrap_or(Self::DEFAULT_MOUNT_PATH).trim_end_matches('/')
    }

    /// Whether `format` is written.
    pub fn writes(&self, format: Format) -> bool {
        self.formats.as_deref().unwrap_or(&Self::DEFAULT_FORMATS).contains(&format)
    }

    /// The names of the data keys that are written.
    pub fn data_keys(&self) -> Vec<String> {
        let keys = self.keys.clone().unwrap_or_default();
        let mut written = Vec::new();
        for format in
            [Format::Credentials, Format::Config, Format::ProcessJson, Format::Environment]
        {
            if self.writes(format) {
                written.extend(keys.of(format).iter().map(|k| (*k).to_owned()));
            }
        }
        written
    }

    /// The names of the data keys that templates write.
    pub fn template_keys(&self) -> impl Iterator<Item = String> {
        self.template.iter().flatten().map(|(key, _)| key.clone())
    }

    /// Whether the Secret is deleted with the resource.
    pub fn deletion_policy(&self) -> DeletionPolicy {
        self.deletion_policy.unwrap_or_default()
    }

    /// How a new Secret reaches the Pods that mount it.
    pub fn propagation(&self) -> Propagation {
        self.propagation.unwrap_or_default()
    }

    /// Whether a foreign Secret of the same name is taken over.
    pub fn adopts(&self) -> bool {
        self.adopt.unwrap_or(false)
    }
}
