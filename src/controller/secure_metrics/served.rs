//! The certificate that is served, and its renewal without a restart.

use super::certificate::{self, Certificate, CertificateError};
use parking_lot::{Mutex, RwLock};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Pause between two looks at the files. A kubelet takes up to a minute or two to bring a changed
/// Secret.
const PAUSE: Duration = Duration::from_secs(5);

/// The certificate that is served.
pub(super) struct Served {
    key: RwLock<Arc<CertifiedKey>>,
    files: Option<Files>,
}

struct Files {
    folder: PathBuf,
    seen: Mutex<Seen>,
}

/// The files as they were seen last.
struct Seen {
    /// Digest of those that are served.
    digest: Vec<u8>,
    /// Fault of those that are not.
    fault: Option<String>,
}

/// News of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
enum News {
    /// They are as they were.
    Same,
    /// Another certificate is served from now on.
    Renewed,
    /// They cannot be used: the earlier certificate is served on.
    Unusable(String),
}

impl Served {
    /// The certificate in `folder`, or without one a self-signed certificate.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub(super) fn new(folder: Option<&Path>) -> Result<Self, CertificateError> {
        let Some(folder) = folder else {
            return Ok(Self { key: RwLock::new(certificate::self_signed()?), files: None });
        };
        let Certificate { key, digest } = certificate::read(folder)?;
        let seen = Mutex::new(Seen { digest, fault: None });
        let files = Some(Files { folder: folder.into(), seen });
        Ok(Self { key: RwLock::new(key), files })
    }

    /// Serves what is written into the files, until the process ends.
    pub(super) async fn follow(self: Arc<Self>) {
        if self.files.is_none() {
            return;
        }
        loop {
            tokio::time::sleep(PAUSE).await;
            let served = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || served.look()).await {
                Ok(News::Renewed) => tracing::info!("another certificate for /metrics is served"),
                Ok(News::Unusable(fault)) => tracing::warn!(
                    error = fault,
                    "the certificate for /metrics was not renewed: the earlier one is served until its files are right"
                ),
                Ok(News::Same) | Err(_) => {}
            }
        }
    }

    /// Looks at the files once. A fault is news once.
    fn look(&self) -> News {
        let Some(files) = &self.files else { return News::Same };
        let mut seen = files.seen.lock();
        match certificate::read(&files.folder) {
            Ok(read) => {
                seen.fault = None;
                if read.digest == seen.digest {
                    return News::Same;
                }
                seen.digest = read.digest;
                *self.key.write() = read.key;
                News::Renewed
            }
            Err(error) => {
                let fault = error.to_string();
                if seen.fault.as_ref() == Some(&fault) {
                    return News::Same;
                }
                seen.fault = Some(fault.clone());
                News::Unusable(fault)
            }
        }
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.key.read()))
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::certificate::tests::{identity, write};
    use super::*;

    fn served(served: &Served) -> Vec<u8> {
        served.key.read().cert[0].to_vec()
    }

    #[test]
    fn a_renewed_certificate_is_served_and_a_broken_one_never() {
        let folder = tempfile::tempdir().expect("a folder");
        let [first, second] = [identity(), identity()];
        write(folder.path(), &first.certificate, &first.key);
        let serving = Served::new(Some(folder.path())).expect("a certificate");
        assert_eq!(serving.look(), News::Same);
        assert_eq!(served(&serving), first.der);

        write(folder.path(), &second.certificate, &first.key);
        let News::Unusable(fault) = serving.look() else { panic!("two that do not fit") };
        assert!(fault.contains("write both from one source"), "{fault}");
        assert_eq!(serving.look(), News::Same, "it is said once");
        write(folder.path(), "", &second.key);
        assert!(matches!(serving.look(), News::Unusable(_)), "another fault is said, too");
        assert_eq!(served(&serving), first.der, "the last good one");

        write(folder.path(), &second.certificate, &second.key);
        assert_eq!(serving.look(), News::Renewed);
        assert_eq!(served(&serving), second.der);
        std::fs::remove_file(folder.path().join("tls.key")).expect("removed");
        assert!(matches!(serving.look(), News::Unusable(_)));
        write(folder.path(), &second.certificate, &second.key);
        assert_eq!(serving.look(), News::Same, "as it is served");
    }

    #[test]
    fn without_files_each_process_has_a_certificate_of_its_own() {
        let [one, other] = [(); 2].map(|()| Served::new(None).expect("a certificate"));
        assert_ne!(served(&one), served(&other));
        assert_eq!(one.look(), News::Same);
        assert_eq!(format!("{one:?}"), "Served { .. }");
    }
}
