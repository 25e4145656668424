//! `doctor` on a cluster in which the controller really runs; called by the test that installs it,
//! so that no other cluster is started for it.

use super::program;
use crate::harness::{Cluster, canary, eventually, scratch};
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// Somebody who may do everything, on this cluster, and an STS that answers at `sts`.
pub struct Doctor<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// URL of an STS.
    pub sts: &'a str,
}

impl Doctor<'_> {
    /// Exit code and report of one look.
    pub async fn look(&self, arguments: &[&str]) -> (i32, Value) {
        let output = tokio::process::Command::new(program())
            .args(["doctor", "--output", "json", "--namespace", "refreshable"])
            .args(arguments)
            .env_clear()
            .env("HOME", scratch::folder())
            .env("KUBECONFIG", self.cluster.control_plane.admin_kubeconfig())
            .env("AWS_ENDPOINT_URL_STS", self.sts)
            .stdin(Stdio::null())
            .output()
            .await
            .expect("a run");
        let (text, errors) = [&output.stdout, &output.stderr]
            .map(|b| String::from_utf8_lossy(b).into_owned())
            .into();
        canary::assert_clean(&text, "the report");
        let report = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}{errors}"));
        (output.status.code().unwrap_or(-1), report)
    }

    /// Before an installation: nothing fails, and nothing is there.
    pub async fn finds_nothing_installed(&self) {
        let (code, report) = self.look(&["--pre"]).await;
        assert_eq!(code, 0, "{report:#}");
        for (check, words) in [
            ("kubernetes", "is supported"),
            ("clock", "agree"),
            ("rights", "rights asked for"),
            ("crds", "no CRD of the controller is installed yet"),
            ("controller", "no controller is installed yet"),
            ("sts", "answers from here"),
        ] {
            is(&report, check, "ok", words);
        }
        let (code, report) = self.look(&[]).await;
        assert_eq!(code, 1, "{report:#}");
        is(&report, "crds", "failure", "not installed");
        is(&report, "controller", "failure", "no Deployment");
    }

    /// A controller that serves: every check is well that can be made without a node.
    pub async fn finds_all_well(&self) {
        let report = eventually(SOON, "nothing fails", async || match self.look(&[]).await {
            (0, report) => Ok(report),
            (code, report) => Err(format!("{code}: {report:#}")),
        })
        .await;
        for (check, words) in [
            ("crds", "serve v1alpha1 as this build knows it"),
            ("controller", "refreshable/refreshable: 2 of 2 ready"),
            ("fence", "are there and bound"),
            ("limits", "are checked where they are written"),
            ("lease", "Lease refreshable/refreshable is held by refreshable-"),
            ("credentials", "none of them fails"),
            ("issuer-clock", "notes no difference"),
            ("sts-dns", "resolves from here to 127.0.0.1"),
            ("sts", "answers from here"),
        ] {
            is(&report, check, "ok", words);
        }
        is(&report, "watches", "not checked", "by the API server's proxy");
        is(&report, "issuer", "warning", "kubernetes.default.svc.cluster.local");
    }

    /// This check alone fails, with these words.
    pub async fn finds(&self, check: &str, words: &str) {
        let (code, report) = self.look(&[]).await;
        assert_eq!(code, 1, "{report:#}");
        is(&report, check, "failure", words);
    }
}

/// A check of the report has this verdict, and these words.
fn is(report: &Value, check: &str, status: &str, words: &str) {
    let all = report["checks"].as_array().expect("checks");
    let found = all.iter().find(|c| c["name"] == check);
    let found = found.unwrap_or_else(|| panic!("{check} is not in {report:#}"));
    let message = found["message"].as_str().expect("a message");
    assert!(found["status"] == status && message.contains(words), "{words:?}: {found:#}");
    let bad = matches!(status, "warning" | "failure");
    assert!(!bad || found["advice"].is_string() && found["page"].is_string(), "{found:#}");
}
