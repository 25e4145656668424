//! A mounted Secret, as the kubelet lays it out.
//!
//! Every name is a link through `..data`, and `..data` is a link that is replaced in one go, so
//! that a reader never sees half of a change.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio::task::AbortHandle;

/// Makes `folder` hold `data`: for the first time, or anew after a change.
pub fn write(folder: &Path, data: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    let former = std::fs::read_link(folder.join("..data")).ok();
    let version = jiff::Timestamp::now().strftime("..%Y_%m_%d_%H_%M_%S.%9f").to_string();
    std::fs::create_dir(folder.join(&version))?;
    for (name, content) in data {
        std::fs::write(folder.join(&version).join(name), content)?;
    }
    symlink(&version, folder.join("..data_tmp"))?;
    std::fs::rename(folder.join("..data_tmp"), folder.join("..data"))?;
    for name in data.keys() {
        let link = folder.join(name);
        if std::fs::symlink_metadata(&link).is_err() {
            symlink(Path::new("..data").join(name), link)?;
        }
    }
    match former {
        Some(former) => std::fs::remove_dir_all(folder.join(former)),
        None => Ok(()),
    }
}

/// How often the Secret is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// A mounted Secret. It is no longer renewed when dropped.
#[derive(Debug)]
pub struct Mount {
    follower: AbortHandle,
    written: Arc<AtomicUsize>,
}

impl Mount {
    /// Mounts the Secret of that name at `folder`, and keeps what is there as the Secret is.
    ///
    /// A change is written as late after it was seen as `delays` says, one after the other and from
    /// the start again: the kubelet looks at its sync period, which is up to a minute and a half.
    /// None of them: at once.
    pub async fn of(
        secrets: Api<Secret>,
        name: &str,
        folder: PathBuf,
        delays: Vec<Duration>,
    ) -> Result<Self, String> {
        let secret = secrets.get(name).await.map_err(|error| format!("Secret {name}: {error}"))?;
        std::fs::create_dir_all(&folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut version = secret.metadata.resource_version.clone();
        write(&folder, &data(secret)).map_err(|error| format!("{}: {error}", folder.display()))?;
        let (name, written) = (name.to_owned(), Arc::new(AtomicUsize::new(1)));
        let counter = written.clone();
        let follow = async move {
            let mut delays = delays.iter().cycle();
            loop {
                tokio::time::sleep(LOOK).await;
                // A Secret that is gone stays mounted, as it does in a Pod.
                let Ok(secret) = secrets.get(&name).await else { continue };
                if secret.metadata.resource_version == version {
                    continue;
                }
                version.clone_from(&secret.metadata.resource_version);
                tokio::time::sleep(delays.next().copied().unwrap_or_default()).await;
                if let Err(error) = write(&folder, &data(secret)) {
                    eprintln!("{}: {error}", folder.display());
                }
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        Ok(Self { follower: tokio::spawn(follow).abort_handle(), written })
    }

    /// How often the files were written, the first time among them.
    pub fn written(&self) -> usize {
        self.written.load(Ordering::Relaxed)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

fn data(secret: Secret) -> BTreeMap<String, Vec<u8>> {
    secret.data.into_iter().flatten().map(|(name, content)| (name, content.0)).collect()
}
