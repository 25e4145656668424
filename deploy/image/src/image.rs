//! Layers and configuration as an OCI image.
//!
//! [Image layout](https://github.com/opencontainers/image-spec/blob/main/image-layout.md),
//! [manifest](https://github.com/opencontainers/image-spec/blob/main/manifest.md),
//! [configuration](https://github.com/opencontainers/image-spec/blob/main/config.md). The documents
//! are written with sorted members: types that keep labels in a hash map would give each build
//! another digest.

use crate::layer::{Blob, Layer, add, header};
use crate::{Result, at};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use tar::EntryType;

/// An image for one platform.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Its name with registry and tag, as containerd knows it:
    /// `docker.io/refreshable/controller:0.1.0`.
    pub name: String,
    /// Go's name of the architecture: `amd64`, `arm64`.
    pub architecture: String,
    /// Seconds since 1970 (`SOURCE_DATE_EPOCH`).
    pub created: u64,
    /// From the bottom to the top.
    pub layers: Vec<Layer>,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// `uid:gid`, in digits: `runAsNonRoot` cannot look a name up.
    pub user: String,
    /// Environment variables, `NAME=value`.
    pub environment: Vec<String>,
    /// `org.opencontainers.image.*` and others.
    pub labels: BTreeMap<String, String>,
}

impl Image {
    /// The digest of the manifest: what a registry and `imageID` call the image.
    ///
    /// # Errors
    /// Where the time is none.
    pub fn digest(&self) -> Result<String> {
        Ok(self.manifest()?.1.digest)
    }

    /// Writes the image as an archive of an image layout.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let (configuration, manifest) = self.manifest()?;
        let mut described = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
        described["platform"] = json!({"architecture": self.architecture, "os": "linux"});
        described["annotations"] = json!({
            "io.containerd.image.name": self.name,
            "org.opencontainers.image.ref.name": self.name.rsplit_once(':').map_or("latest", |(_, tag)| tag),
        });
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [described],
        });

        let mut files = BTreeMap::from([
            (
                "oci-layout".to_owned(),
                json!({"imageLayoutVersion": "1.0.0"}).to_string().into_bytes(),
            ),
            ("index.json".to_owned(), index.to_string().into_bytes()),
        ]);
        let layers = self.layers.iter().map(|layer| layer.blob.clone());
        for blob in layers.chain([configuration, manifest]) {
            files.insert(format!("blobs/{}", blob.digest.replace(':', "/")), blob.bytes);
        }
        let mut builder = tar::Builder::new(Vec::new());
        for folder in ["blobs", "blobs/sha256"] {
            add(
                &mut builder,
                Path::new(folder),
                header(EntryType::Directory, 0o755, self.created),
                &[],
            )?;
        }
        for (path, bytes) in files {
            add(
                &mut builder,
                Path::new(&path),
                header(EntryType::Regular, 0o644, self.created),
                &bytes,
            )?;
        }
        std::fs::write(file, builder.into_inner()?).map_err(at(file))
    }

    fn manifest(&self) -> Result<(Blob, Blob)> {
        let created = Timestamp::from_second(i64::try_from(self.created)?)?.to_string();
        let configuration = json!({
            "created": created,
            "architecture": self.architecture,
            "os": "linux",
            "config": {
                "User": self.user,
                "Env": self.environment,
                "Entrypoint": self.entrypoint,
                "WorkingDir": "/",
                "Labels": self.labels,
            },
            "rootfs": {"type": "layers", "diff_ids": self.layers.iter().map(|l| &l.diff_id).collect::<Vec<_>>()},
            "history": self.layers.iter().map(|_| json!({"created": created})).collect::<Vec<_>>(),
        });
        let configuration = Blob::new(configuration.to_string().into_bytes());
        let layers = self
            .layers
            .iter()
            .map(|l| descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &l.blob));
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &configuration),
            "layers": layers.collect::<Vec<_>>(),
            "annotations": self.labels,
        });
        Ok((configuration, Blob::new(manifest.to_string().into_bytes())))
    }
}

fn descriptor(media_type: &str, blob: &Blob) -> Value {
    json!({"mediaType": media_type, "digest": blob.digest, "size": blob.bytes.len()})
}
