//! `refresh`: requests new credentials from the controller now, and waits for them.

use super::cluster::{Cluster, bare_name, object_name};
use super::error::{Error, Result};
use super::terminal::visible;
use super::{Global, output};
use clap::Args;
use futures::StreamExt as _;
use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams};
use refreshable_api::conditions::{READY, STALLED};
use refreshable_api::{RefreshableCredential, names, time_of};
use refreshable_rules::duration;
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// A resource that was stalled before the request may only be about to move: within this time its
/// old state does not count as an answer.
const GRACE: Duration = Duration::from_secs(3);
/// Resources that are handled at the same time.
const AT_ONCE: usize = 16;

/// Request new credentials from the controller now.
///
///   kubectl refreshable refresh -n team-a reports --wait
///   kubectl refreshable refresh --all -A
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Refresh {
    /// Names of the RefreshableCredentials.
    #[arg(required_unless_present_any = ["all", "selector"])]
    names: Vec<String>,
    /// All of the namespace.
    #[arg(long, conflicts_with_all = ["names", "selector"])]
    all: bool,
    /// Those whose labels match.
    #[arg(short = 'l', long, conflicts_with = "names")]
    selector: Option<String>,
    /// With --all or --selector: of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "names")]
    all_namespaces: bool,
    /// Wait until the new credentials are published; fail where they cannot be had.
    #[arg(long)]
    wait: bool,
    /// With --wait: how long at most.
    #[arg(long, default_value = "2m", value_parser = duration::parse)]
    timeout: Duration,
}

impl Refresh {
    /// Runs the command.
    ///
    /// # Errors
    /// The API server's error. Failures of single resources are reported one by one, and the exit
    /// code is 1.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let cluster = Cluster::of(global).await?;
        let chosen = self.chosen(&cluster).await?;
        if chosen.is_empty() {
            output::say(&format!(
                "No resources found{}.",
                if self.all_namespaces { "" } else { " in this namespace" }
            ));
            return Ok(ExitCode::SUCCESS);
        }
        let request = Timestamp::now().to_string();
        let several = chosen.len() > 1;
        let mut outcomes = futures::stream::iter(chosen)
            .map(|(namespace, name)| {
                let (this, cluster, request) = (&self, &cluster, request.as_str());
                async move {
                    let outcome = this.one(cluster, &namespace, &name, request).await;
                    (namespace, name, outcome)
                }
            })
            .buffered(AT_ONCE);
        let mut failed = false;
        while let Some((namespace, name, outcome)) = outcomes.next().await {
            match outcome {
                Ok(said) => {
                    let name = visible(&name);
                    output::show(&format!(
                        "refreshablecredential.refreshable.dev/{name} {}\n",
                        visible(&said)
                    ))?;
                }
                Err(error) if several => {
                    failed = true;
                    output::say(&format!("{}/{}: {error}", visible(&namespace), visible(&name)));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// Namespaces and names of the resources to refresh.
    async fn chosen(&self, cluster: &Cluster) -> Result<Vec<(String, String)>> {
        if !self.names.is_empty() {
            let of = |name: &String| (cluster.namespace().to_owned(), bare_name(name).to_owned());
            return Ok(self.names.iter().map(of).collect());
        }
        let api: Api<RefreshableCredential> =
            if self.all_namespaces { cluster.everywhere() } else { cluster.api() };
        let found = cluster.list(&api, self.selector.as_deref()).await?;
        Ok(found.items.iter().map(|c| (c.namespace().unwrap_or_default(), c.name_any())).collect())
    }

    /// Requests one refresh and waits for it; returns the line to print.
    async fn one(
        &self,
        cluster: &Cluster,
        namespace: &str,
        name: &str,
        request: &str,
    ) -> Result<String> {
        object_name(name)?;
        let api: Api<RefreshableCredential> = Api::namespaced(cluster.client(), namespace);
        let patch = json!({"metadata": {"annotations": {names::REQUESTED_AT_ANNOTATION: request}}});
        let asked =
            cluster.ask(api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))).await;
        let mut object = asked.map_err(|e| {
            e.advise(&format!(
                "Ask for a Role with verbs get and patch on refreshablecredentials.refreshable.dev in namespace {namespace}"
            ))
        })?;
        if object.spec.suspended() {
            return Err(Error::failed(format!(
                "{name} is suspended, so nothing is renewed: set spec.suspend to false"
            )));
        }
        if !self.wait {
            return Ok("refresh requested".to_owned());
        }
        let began = Instant::now();
        loop {
            match verdict(&object, request, began.elapsed() > GRACE) {
                Verdict::Done(said) => return Ok(said),
                Verdict::Failed(why) => {
                    return Err(Error::failed(format!("{name} was not refreshed: {why}")));
                }
                Verdict::Waiting(state) if began.elapsed() >= self.timeout => {
                    return Err(Error::failed(format!(
                        "timed out after {:?} waiting for {name} to be refreshed: {state}",
                        self.timeout
                    )));
                }
                Verdict::Waiting(_) => {}
            }
            tokio::time::sleep(PAUSE.min(self.timeout.saturating_sub(began.elapsed()))).await;
            object = cluster.ask(api.get(name)).await?;
        }
    }
}

/// Progress of a request.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// New credentials are published.
    Done(String),
    /// They could not be had, for this reason.
    Failed(String),
    /// Neither yet; the status so far.
    Waiting(String),
}

/// Judges the status by the request. `settled`: enough time has passed for the controller to have
/// looked.
fn verdict(object: &RefreshableCredential, request: &str, settled: bool) -> Verdict {
    let Some(status) = &object.status else {
        return Verdict::Waiting("the controller has not looked at it: is it running?".to_owned());
    };
    let condition = |kind: &str| status.conditions.iter().find(|c| c.type_ == kind);
    let handled = status.last_handled_refresh_at.as_deref() == Some(request);
    match (&status.failures, condition(READY)) {
        (Some(failure), _) if handled => {
            let next = failure.next_try_time.0;
            Verdict::Failed(format!("{}: {} (next try at {next})", failure.reason, failure.message))
        }
        (None, Some(ready)) if handled && ready.status == "True" => {
            let until = time_of(&status.expiration)
                .map(|t| format!(", valid until {t}"))
                .unwrap_or_default();
            Verdict::Done(format!("refreshed{until}"))
        }
        (_, Some(ready)) => match condition(STALLED).filter(|s| s.status == "True") {
            // It did not get as far as an attempt.
            Some(stalled) if settled && status.failures.is_none() => {
                Verdict::Failed(format!("{}: {}", stalled.reason, stalled.message))
            }
            _ if handled => Verdict::Waiting(format!("{}: {}", ready.reason, ready.message)),
            _ => Verdict::Waiting(
                "the controller has not answered the request: is it running?".to_owned(),
            ),
        },
        (_, None) => {
            Verdict::Waiting("the controller has not looked at it: is it running?".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_rules::fixtures::{failed, minute, record, reported, unreachable, with_a_role};
    use refreshable_rules::policy::Permission;
    use refreshable_rules::report::{self, Finding};

    fn requested(mut object: RefreshableCredential) -> RefreshableCredential {
        object
            .annotations_mut()
            .insert(names::REQUESTED_AT_ANNOTATION.to_owned(), "now".to_owned());
        object
    }

    #[test]
    fn a_request_is_done_when_the_published_credentials_answer_it() {
        let object = requested(with_a_role());
        let mut own = record(&object);
        let before = reported(object.clone(), &own);
        assert!(matches!(verdict(&before, "now", true), Verdict::Waiting(_)));
        own.content.as_mut().expect("content").handled_refresh = Some("now".to_owned());
        let after = reported(object, &own);
        let Verdict::Done(said) = verdict(&after, "now", false) else {
            panic!("{:?}", verdict(&after, "now", false))
        };
        assert_eq!(said, format!("refreshed, valid until {}", minute(60)));
    }

    #[test]
    fn a_failure_says_reason_and_advice() {
        let object = requested(with_a_role());
        let after = failed(object.clone(), &unreachable(), None, minute(1));
        let Verdict::Failed(why) = verdict(&after, "now", false) else {
            panic!("{:?}", verdict(&after, "now", false))
        };
        assert!(why.starts_with("IssuerUnavailable: AssumeRole: sts cannot be reached"), "{why}");
        assert!(why.contains(unreachable().advice()) && why.contains("next try at"), "{why}");
        // A failure before the request is not an answer.
        assert!(matches!(verdict(&after, "later", true), Verdict::Waiting(_)));
        assert!(matches!(verdict(&object, "now", true), Verdict::Waiting(_)));
    }

    #[test]
    fn what_stalls_is_an_answer_once_the_controller_has_looked() {
        let mut object = requested(with_a_role());
        let finding =
            Finding::Stalled(refreshable_api::conditions::Reason::NotPermitted, "no policy".into());
        object.status =
            Some(report::status(&object, &Permission::NotNeeded, None, &finding, minute(1)));
        assert!(matches!(verdict(&object, "now", false), Verdict::Waiting(_)));
        assert_eq!(
            verdict(&object, "now", true),
            Verdict::Failed("NotPermitted: no policy".into())
        );
    }
}
