//! The certificate that is served, and its renewal without a restart.

use super::certificate::{self, Certificate, CertificateError};
use super::expiry::State;
use crate::clock::SharedClock;
use crate::metrics;
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use refreshable_issuers::certificate::ValidityPeriod;
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
    /// When the certificate is valid.
    period: ValidityPeriod,
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
        let Certificate { key, period, digest } = certificate::read(folder)?;
        let seen = Mutex::new(Seen { digest, period, fault: None });
        let files = Some(Files { folder: folder.into(), seen });
        Ok(Self { key: RwLock::new(key), files })
    }

    /// When the certificate that is served is valid. Of a self-signed one nothing is told, because
    /// none can verify it.
    fn period(&self) -> Option<ValidityPeriod> {
        self.files.as_ref().map(|files| files.seen.lock().period)
    }

    /// Serves what is written into the files, until the process ends.
    pub(super) async fn follow(self: Arc<Self>, clock: SharedClock) {
        let mut told = None;
        while let Some(period) = self.period() {
            if let Some(warning) = warning(period, &mut told, clock.now()) {
                tracing::warn!("{warning}");
            }
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
                (seen.digest, seen.period) = (read.digest, read.period);
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

/// The warning about a certificate that is valid for `period`: once for each of its states.
fn warning(
    period: ValidityPeriod,
    told: &mut Option<(ValidityPeriod, State)>,
    now: Timestamp,
) -> Option<State> {
    let state = State::new(period, now);
    let news = told.replace((period, state)) != Some((period, state));
    (news && state != State::Valid).then_some(state)
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.key.read()))
    }
}

/// Its validity as metrics.
#[derive(Debug)]
pub(super) struct CertificateMetrics(pub(super) Arc<Served>);

impl Collector for CertificateMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.period().map_or(Ok(()), |period| metrics::certificate::encode(period, &mut encoder))
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
        assert_eq!(serving.period(), ValidityPeriod::read(&second.der));
        std::fs::remove_file(folder.path().join("tls.key")).expect("removed");
        assert!(matches!(serving.look(), News::Unusable(_)));
        write(folder.path(), &second.certificate, &second.key);
        assert_eq!(serving.look(), News::Same, "as it is served");
    }

    #[test]
    fn each_state_of_each_certificate_is_a_warning_once() {
        let at = |text: &str| text.parse::<Timestamp>().expect("time");
        let until = |end: &str| ValidityPeriod {
            not_before: at("2026-01-01T00:00:00Z"),
            not_after: at(end),
        };
        let (first, second) = (until("2026-04-01T00:00:00Z"), until("2026-05-01T00:00:00Z"));
        let mut told = None;
        for (period, now, state) in [
            (first, "2025-12-01T00:00:00Z", Some(State::NotYet(first.not_before))),
            (first, "2025-12-02T00:00:00Z", None),
            (first, "2026-02-01T00:00:00Z", None),
            (first, "2026-03-31T00:00:00Z", Some(State::ExpiresSoon(first.not_after))),
            (first, "2026-03-31T01:00:00Z", None),
            (first, "2026-04-02T00:00:00Z", Some(State::Expired(first.not_after))),
            (first, "2026-04-03T00:00:00Z", None),
            (second, "2026-04-03T00:00:00Z", None),
            (first, "2026-04-03T00:00:00Z", Some(State::Expired(first.not_after))),
            (second, "2026-06-01T00:00:00Z", Some(State::Expired(second.not_after))),
        ] {
            assert_eq!(warning(period, &mut told, at(now)), state, "{now}");
        }
    }

    #[test]
    fn without_files_each_process_has_a_certificate_of_its_own() {
        let [one, other] = [(); 2].map(|()| Served::new(None).expect("a certificate"));
        assert_ne!(served(&one), served(&other));
        assert_eq!(one.look(), News::Same);
        assert_eq!(one.period(), None, "nothing is told of it");
        assert_eq!(format!("{one:?}"), "Served { .. }");
    }
}
