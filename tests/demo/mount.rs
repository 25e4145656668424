//! The kubelet's part: a Secret as a mounted folder, renewed when the Secret changes.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio::task::AbortHandle;

use crate::harness::mounted;

/// The kubelet looks less often: at its sync period, up to a minute. The demo does not wait for that.
const LOOK: Duration = Duration::from_millis(200);

/// A mounted Secret. It is no longer renewed when dropped.
#[derive(Debug)]
pub(crate) struct Mount(AbortHandle);

impl Mount {
    /// Mounts the Secret of that name at `folder`, and keeps what is there as the Secret is.
    pub(crate) async fn of(secrets: Api<Secret>, name: &str, folder: PathBuf) -> Result<Self, String> {
        let secret = secrets.get(name).await.map_err(|error| format!("Secret {name}: {error}"))?;
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut version = secret.metadata.resource_version.clone();
        write(&folder, secret).map_err(|error| format!("{}: {error}", folder.display()))?;
        let name = name.to_owned();
        let follow = async move {
            loop {
                tokio::time::sleep(LOOK).await;
                // A Secret that is gone stays mounted, as it does in a Pod.
                let Ok(secret) = secrets.get(&name).await else { continue };
                if secret.metadata.resource_version != version {
                    version.clone_from(&secret.metadata.resource_version);
                    if let Err(error) = write(&folder, secret) {
                        eprintln!("{}: {error}", folder.display());
                    }
                }
            }
        };
        Ok(Self(tokio::spawn(follow).abort_handle()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn write(folder: &Path, secret: Secret) -> io::Result<()> {
    mounted::write(folder, &secret.data.into_iter().flatten().map(|(k, v)| (k, v.0)).collect())
}
