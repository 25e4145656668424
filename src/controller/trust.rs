//! The certificates that the whole process trusts (`SSL_CERT_FILE`): AWS's clients read them once.
//!
//! Where trust-manager or a person renews them in the mounted ConfigMap or Secret, the process ends
//! as if it was asked to, and the one in its place reads the new ones. Another replica leads by
//! then. The cluster's own authority needs none of this: the Kubernetes client reads it again.

use std::path::Path;
use std::time::Duration;

/// The environment's variable that names the file.
pub(super) const VARIABLE: &str = "SSL_CERT_FILE";
/// Pause between two looks. A kubelet takes a minute or so to show a change.
const PAUSE: Duration = Duration::from_secs(10);

/// Waits until `file` has another content. While it cannot be read, or has none, it is being
/// written.
pub(super) async fn changed(file: &Path) {
    let mut first = None;
    loop {
        if let Ok(content) = std::fs::read(file)
            && !content.is_empty()
            && *first.get_or_insert_with(|| content.clone()) != content
        {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn other_certificates_are_noticed_and_a_file_that_is_away_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.crt");
        let write = |content: &str| std::fs::write(&file, content).expect("written");
        write("one");
        tokio::time::pause();
        let mut changed = std::pin::pin!(changed(&file));
        let mut unchanged = async || {
            let patience = tokio::time::sleep(PAUSE * 3);
            tokio::select! {
                () = &mut changed => panic!("nothing has changed"),
                () = patience => {}
            }
        };
        unchanged().await;
        std::fs::remove_file(&file).expect("removed");
        unchanged().await;
        write("");
        unchanged().await;
        write("one");
        unchanged().await;
        write("two");
        changed.await;
    }
}
