//! `doctor`: checks the cluster, the installation and the way to AWS, and says what to do.
//!
//! | part | contents |
//! | --- | --- |
//! | [`gather`], [`outside`] | ask the API server, and AWS from here; they judge nothing |
//! | [`facts`] | the answers |
//! | [`cluster`], [`installation`], [`running`], [`aws`] | the checks, pure |
//! | [`check`] | verdicts, and their output |

mod aws;
mod check;
mod cluster;
mod facts;
mod gather;
mod installation;
mod outside;
mod running;

use super::cluster::Cluster;
use super::error::Result;
use super::global::Global;
use super::output::{self, Format};
use super::terminal::Terminal;
use check::{Check, Report};
use clap::Args;
use facts::Controller;
use jiff::Timestamp;
use refreshable_rules::version::VERSION;
use std::process::ExitCode;

/// Exit code where a check failed.
const FAILED: u8 = 1;
/// Region of the endpoint where nothing names one.
const REGION: &str = "us-east-1";

/// Check the cluster, the controller and the way to AWS, and say what to do about each fault.
#[derive(Args, Debug)]
#[command(after_help = "\
Nothing is changed. Facts that this user may not read are \"not checked\", and fail nothing.
Exit code: 0 where no check failed, 1 otherwise.

  kubectl refreshable doctor --pre -n refreshable
  kubectl refreshable doctor
  kubectl refreshable doctor -o json")]
pub struct Doctor {
    /// Before the controller is installed, into the namespace of -n: checks what the installation
    /// needs.
    #[arg(long)]
    pre: bool,
    /// Region whose STS is called. Defaults to the controller's, else $AWS_REGION,
    /// $AWS_DEFAULT_REGION, us-east-1.
    #[arg(long)]
    region: Option<String>,
    /// URL of STS. Defaults to $AWS_ENDPOINT_URL_STS, $AWS_ENDPOINT_URL, else the Region's.
    #[arg(long, value_name = "URL")]
    sts_endpoint: Option<String>,
    /// Form of the output.
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

impl Doctor {
    /// Runs the command.
    ///
    /// # Errors
    /// If the kubeconfig cannot be used, or the output cannot be written. An API server that does
    /// not answer is a failed check.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let cluster = Cluster::of(global).await?;
        let report = Report(self.checks(&cluster).await);
        match self.output {
            Some(format) => output::print(&format.write(&report.to_value())?)?,
            None => output::show(&report.text(&Terminal::stdout()))?,
        }
        Ok(if report.failed() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
    }

    async fn checks(&self, cluster: &Cluster) -> Vec<Check> {
        let (version, ahead) = gather::version(cluster).await;
        let mut checks = vec![self::cluster::version(&version), self::cluster::clock(&ahead)];
        if version.is_err() {
            // Every other question would get the same answer.
            return checks;
        }
        if self.pre {
            checks.push(self::cluster::rights(&gather::rights(cluster).await));
        }
        let definitions = gather::definitions(cluster).await;
        let kinds_are_there = definitions.iter().any(|d| !matches!(d.found, Ok(None)));
        checks.push(installation::definitions(&definitions, self.pre));
        let controllers = gather::controllers(cluster).await;
        checks.push(installation::controllers(&controllers, VERSION, self.pre));
        let controllers = controllers.unwrap_or_default();
        if !self.pre {
            // By the API server's clock, which is nearer to the leader's.
            let now = Timestamp::now() + ahead.unwrap_or_default();
            checks.extend(self.running(cluster, &controllers, kinds_are_there, now).await);
        }
        checks.push(aws::issuer(&outside::issuer(cluster).await));
        checks.extend(aws::sts(&outside::sts(self.endpoint(&controllers)).await));
        checks
    }

    async fn running(
        &self,
        cluster: &Cluster,
        controllers: &[Controller],
        kinds_are_there: bool,
        now: Timestamp,
    ) -> Vec<Check> {
        let mut checks = Vec::new();
        if !controllers.is_empty() {
            let fence = gather::fence(cluster, controllers).await;
            checks.push(installation::fence(&fence, controllers));
            checks.push(installation::limits(&fence, controllers));
        }
        for controller in controllers {
            let lease = gather::lease(cluster, controller).await;
            checks.push(running::lease(controller, &lease, now));
            checks.push(running::watches(&gather::replicas(cluster, controller).await));
        }
        if kinds_are_there {
            checks.extend(running::credentials(&gather::credentials(cluster).await, now));
        }
        checks.push(self::cluster::issuer_clocks(&gather::issuer_clocks(cluster).await));
        checks
    }

    /// URL of STS: the flag's, the environment's, or that of a Region.
    fn endpoint(&self, controllers: &[Controller]) -> String {
        let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let given = self.sts_endpoint.clone();
        let given = given.or_else(|| variable("AWS_ENDPOINT_URL_STS"));
        given.or_else(|| variable("AWS_ENDPOINT_URL")).unwrap_or_else(|| {
            let region = self.region.clone();
            let region = region.or_else(|| controllers.iter().find_map(|c| c.region.clone()));
            let region = region.or_else(|| variable("AWS_REGION"));
            let region = region.or_else(|| variable("AWS_DEFAULT_REGION"));
            aws::endpoint(&region.unwrap_or_else(|| REGION.to_owned()))
        })
    }
}

#[cfg(test)]
mod tests {
    use refreshable_api::conditions::Reason;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// The anchors of a page, as a book and GitHub make them of headings.
    fn anchors(page: &str) -> BTreeSet<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{page}: {e}"));
        let headings = text.lines().filter_map(|l| l.strip_prefix('#'));
        let slug = |heading: &str| -> String {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        };
        headings.map(slug).collect()
    }

    #[test]
    fn every_page_that_a_check_names_exists_with_its_anchor() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("doctor");
        let mut named = BTreeSet::new();
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a source");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let quoted = code.split('"').filter(|t| t.starts_with("docs/") && t.contains(".md"));
            named.extend(quoted.filter(|t| !t.contains('{')).map(str::to_owned));
        }
        assert!(named.len() > 8, "{named:?}");
        for link in named {
            let (page, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let anchors = anchors(page);
            assert!(anchor.is_empty() || anchors.contains(anchor), "{link}: {anchors:?}");
        }
        let reasons = anchors("docs/troubleshooting.md");
        for reason in Reason::ALL {
            assert!(reasons.contains(&reason.to_string().to_lowercase()), "{reason}");
        }
    }
}
