//! Checks of the running controller: its Lease, its watches, the resources that it serves.

use super::check::Check;
use super::facts::{Controller, Held, Known, Replica};
use crate::age;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use refreshable_api::RefreshableCredential;
use refreshable_rules::health::Vitals;
use std::collections::BTreeMap;

/// Reasons that are named, with the most frequent first.
const MOST: usize = 5;
/// For how long a Lease is respected that does not say it: the controller's default.
const DURATION: SignedDuration = SignedDuration::from_secs(15);

/// Judges a controller's Lease at `now`, by the API server's clock.
pub fn lease(controller: &Controller, found: &Known<Option<Held>>, now: Timestamp) -> Check {
    const NAME: &str = "lease";
    const PAGE: &str = "docs/operations.md#refreshablenoleader";
    let Some(name) = &controller.lease else {
        return Check::ok(NAME, format!("{} runs without leader election", controller.full_name()));
    };
    let name = format!("Lease {}/{name}", controller.namespace);
    let held = match found {
        Err(why) => return Check::not_checked(NAME, format!("{name}: {why}")),
        Ok(held) => held.clone().unwrap_or_default(),
    };
    let broken = |what: String| {
        let advice = "Look whether a Pod of the controller runs, and whether its log says why it does not get the Lease";
        Check::failure(NAME, what, advice, PAGE)
    };
    let Some(holder) = held.holder.filter(|h| !h.is_empty()) else {
        return broken(format!("{name} is not held by any replica"));
    };
    let Some(renewed) = held.renewed else {
        return broken(format!("{name} is held by {holder}, and was never renewed"));
    };
    let duration = held.duration.unwrap_or(DURATION);
    // A renewal by a clock that is ahead is as good as one of this moment.
    let ago = now.duration_since(renewed).max(SignedDuration::ZERO);
    let renewed = format!("{name} is held by {holder}, renewed {} ago", age::span(ago));
    if ago > duration {
        return broken(format!("{renewed}, which is longer than its {}", age::span(duration)));
    }
    Check::ok(NAME, renewed)
}

/// Judges the replicas' own answers to `/readyz`, and the watches that broke by their metrics.
pub fn watches(found: &Known<Vec<Replica>>) -> Check {
    const NAME: &str = "watches";
    let found = match found {
        Err(why) => return Check::not_checked(NAME, why.as_str()),
        Ok(found) => found,
    };
    let (mut broken, mut uncounted) = (0, None);
    for replica in found {
        match &replica.ready {
            Err(why) => {
                return Check::not_checked(
                    NAME,
                    format!("Pod {} cannot be asked by the API server's proxy: {why}", replica.pod),
                );
            }
            Ok(Err(why)) => {
                return Check::failure(
                    NAME,
                    format!("Pod {} is not ready: {why}", replica.pod),
                    "Read its log: it names the watch or the call that fails",
                    "docs/operations.md#refreshablewatchfailing",
                );
            }
            Ok(Ok(())) => {}
        }
        match &replica.metrics {
            Ok(metrics) => broken += watch_failures(metrics),
            Err(why) => uncounted = Some(why),
        }
    }
    if found.is_empty() {
        return Check::not_checked(NAME, "no Pod of the controller was found");
    }
    let ready = format!("{} replicas report ready, with every watch synchronized", found.len());
    match (broken, uncounted) {
        (_, Some(why)) => {
            Check::ok(NAME, format!("{ready}; watches that broke were not counted: {why}"))
        }
        (0, None) => Check::ok(NAME, ready),
        (n, None) => Check::ok(
            NAME,
            format!("{ready}; {n} watches broke since they started and were begun again"),
        ),
    }
}

/// Sum of the counter of broken watches.
fn watch_failures(metrics: &str) -> u64 {
    let lines = metrics.lines().filter(|l| l.starts_with("refreshable_watch_failures_total"));
    let values = lines.filter_map(|l| l.rsplit(' ').next()?.parse::<u64>().ok());
    values.sum()
}

/// Judges the resources at `now`: one finding for each of the most frequent reasons, the failures
/// first.
pub fn credentials(found: &Known<Vec<RefreshableCredential>>, now: Timestamp) -> Vec<Check> {
    const NAME: &str = "credentials";
    let found = match found {
        Err(why) => return vec![Check::not_checked(NAME, why.as_str())],
        Ok(found) => found,
    };
    let mut reasons: BTreeMap<(bool, String), Vec<String>> = BTreeMap::new();
    let mut well = 0;
    for object in found {
        let health = Vitals::of(object).at(false, now);
        let name = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
        let reason = health.reason.map_or_else(|| "Unknown".to_owned(), |r| r.to_string());
        match health.ready {
            Some(true) if health.failures == 0 => well += 1,
            _ if health.suspended => well += 1,
            None => reasons.entry((false, "Unreported".to_owned())).or_default().push(name),
            Some(ready) => reasons.entry((ready, reason)).or_default().push(name),
        }
    }
    if reasons.is_empty() {
        return vec![Check::ok(NAME, format!("{well} resources, none of them fails"))];
    }
    let mut sorted: Vec<_> = reasons.into_iter().collect();
    sorted.sort_by_key(|((ready, reason), names)| {
        (*ready, std::cmp::Reverse(names.len()), reason.clone())
    });
    let rest = sorted.split_off(sorted.len().min(MOST));
    let mut checks: Vec<Check> = sorted
        .into_iter()
        .map(|((ready, reason), names)| failing(NAME, ready, &reason, &names))
        .collect();
    let more: usize = rest.iter().map(|(_, names)| names.len()).sum();
    if more > 0 {
        checks.push(Check::failure(
            NAME,
            format!("{more} more, by {} other reasons", rest.len()),
            "List them with kubectl refreshable status -A",
            "docs/troubleshooting.md#by-reason",
        ));
    }
    checks
}

fn failing(name: &'static str, ready: bool, reason: &str, names: &[String]) -> Check {
    let some = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    let dots = if names.len() > 3 { ", ..." } else { "" };
    if reason == "Unreported" {
        return Check::warning(
            name,
            format!("{} without a status: {some}{dots}", names.len()),
            "Look whether the controller serves their namespaces (watchNamespaces of the chart)",
            "docs/operations.md#when-the-controller-is-down",
        );
    }
    let page = format!("docs/troubleshooting.md#{}", reason.to_ascii_lowercase());
    let advice = "Read the message of one with kubectl refreshable inspect";
    if ready {
        let message = format!("{} fail to renew ({reason}): {some}{dots}", names.len());
        Check::warning(name, format!("{message}; what is published is valid"), advice, &page)
    } else {
        let message = format!("{} not ready ({reason}): {some}{dots}", names.len());
        Check::failure(name, message, advice, &page)
    }
}

#[cfg(test)]
#[path = "running_tests.rs"]
mod tests;
