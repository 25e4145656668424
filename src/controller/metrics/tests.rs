//! Tests of the page, and that the documentation, the alerts and the dashboard speak of metrics
//! that it holds.

use super::*;
use crate::Settings;
use crate::clock::SystemClock;
use refreshable_engine::Queue;
use refreshable_issuers::certificate::ValidityPeriod;
use refreshable_rules::health::Health;
use serde_json::Value;
use std::collections::BTreeSet;

const OPERATIONS: &str = include_str!("../../../docs/operations.md");
const ALERTS: &str = include_str!("../../../charts/refreshable/files/alerts.yaml");
const ALERT_TESTS: &str = include_str!("../../../tests/prometheus/alerts.yaml");
const DASHBOARD: &str = include_str!("../../../charts/refreshable/files/dashboard.json");

/// A page on which everything has happened that can be counted here, and one resource.
fn page() -> String {
    let metrics = Metrics::new();
    metrics.attempted("team-a", Cause::Due, None);
    metrics.rotated(Cause::Due);
    metrics.issuer_call("AssumeRole", None, Duration::from_millis(60));
    metrics.issuer_call("AssumeRole", Some(Class::Throttled), Duration::from_millis(6));
    metrics.watches("secrets");
    let call = metrics.kubernetes("apply secrets", async { Ok::<(), CallError>(()) });
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(call)
        .expect("a call");
    let queue = Queue::shared(Settings::default().queue_limits(1));
    metrics.collect(NamespaceQueue(queue.clone()));
    metrics.collect(QueueMetrics::new(queue, Arc::new(SystemClock)));
    metrics.collect(Sample);
    metrics.page().expect("a page")
}

/// One resource, without a cluster.
#[derive(Debug)]
struct Sample;

impl Collector for Sample {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let now = jiff::Timestamp::from_second(100).expect("in range");
        let day = SignedDuration::from_hours(24);
        let period = ValidityPeriod { not_before: now, not_after: now + day };
        certificate::encode(period, &mut encoder)?;
        let health = Health {
            ready: Some(true),
            expiration: Some(now + SignedDuration::from_mins(9)),
            renewal: Some(now + SignedDuration::from_mins(5)),
            ..Health::default()
        };
        let mut tally = inventory::Tally::default();
        tally.add(&health, now);
        tally.encode(&mut encoder, now)?;
        let series = objects::Series::default();
        series.add("team-a", "reports", &health);
        series.encode(&mut encoder)?;
        let attempts = namespaces::AttemptsByNamespace::default();
        namespaces::encode(&[("team-a".to_owned(), tally)].into(), &attempts, &mut encoder)
    }
}

/// The families of a page, by the names of their series.
fn families(page: &str) -> BTreeSet<String> {
    let types = page.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.split_once(' '));
    types
        .map(|(name, kind)| match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        })
        .collect()
}

/// The metrics that an expression asks for, without what a histogram adds.
fn asked(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|w| w.starts_with("refreshable_"));
    let base = |name: &str| {
        let series = ["_bucket", "_count", "_sum"].iter().find_map(|s| name.strip_suffix(s));
        series.unwrap_or(name).to_owned()
    };
    names.map(base).collect()
}

fn rules() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(ALERTS).expect("YAML");
    let groups = file["groups"].as_array().expect("groups").clone();
    groups.iter().flat_map(|g| g["rules"].as_array().expect("rules").clone()).collect()
}

#[test]
fn the_page_has_units_and_help_and_no_names() {
    let page = page();
    for line in [
        "refreshable_attempts_total{outcome=\"success\",class=\"\",cause=\"due\"} 1",
        "refreshable_attempts_total{outcome=\"failure\",class=\"Person\",cause=\"first\"} 0",
        "refreshable_rotations_total{cause=\"due\"} 1",
        "refreshable_issuer_calls_total{operation=\"AssumeRole\",outcome=\"success\",class=\"\"} 1",
        "refreshable_issuer_calls_total{operation=\"AssumeRole\",outcome=\"failure\",class=\"Throttled\"} 1",
        "refreshable_kubernetes_calls_total{call=\"apply secrets\",outcome=\"success\"} 1",
        "# UNIT refreshable_issuer_call_duration_seconds seconds",
        "refreshable_refresh_lateness_seconds_bucket{le=\"60.0\"} 0",
        "refreshable_watch_failures_total{resource=\"secrets\"} 0",
        "refreshable_build_info{version=",
        "refreshable_credentials{condition=\"ready\"} 1",
        "refreshable_earliest_expiry_seconds 540.0",
        "refreshable_metrics_certificate_not_before_timestamp_seconds 100",
        "refreshable_metrics_certificate_expiration_timestamp_seconds 86500",
        "refreshable_credential_expiration_timestamp_seconds{namespace=\"team-a\",name=\"reports\"} 640",
        "refreshable_credential_renewal_timestamp_seconds{namespace=\"team-a\",name=\"reports\"} 400",
        "refreshable_credential_ready_status{namespace=\"team-a\",name=\"reports\",condition=\"Unknown\"} 0",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
    let untimed =
        page.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.strip_suffix(" histogram"));
    assert!(
        untimed.clone().count() >= 5 && untimed.clone().all(|name| name.ends_with("_seconds")),
        "{page}"
    );
}

#[test]
fn every_metric_is_documented_and_every_documented_one_exists() {
    let rows =
        OPERATIONS.lines().filter_map(|l| l.strip_prefix("| `refreshable_")?.split_once('`'));
    let documented: BTreeSet<String> =
        rows.map(|(name, _)| format!("refreshable_{name}")).collect();
    assert_eq!(documented, families(&page()), "docs/operations.md and /metrics");
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_exist() {
    let known = families(&page());
    let mut asked_for = 0;
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.flat_map(|p| p["targets"].as_array().cloned().unwrap_or_default());
    for expression in
        rules().into_iter().chain(targets).filter_map(|r| r["expr"].as_str().map(str::to_owned))
    {
        for name in asked(&expression) {
            assert!(known.contains(&name), "{name} in {expression}");
            asked_for += 1;
        }
    }
    assert!(asked_for > 30, "{asked_for}");
}

#[test]
fn every_alert_has_a_section_that_says_what_to_do() {
    let anchors: BTreeSet<String> = OPERATIONS
        .lines()
        .filter_map(|l| l.strip_prefix("### "))
        .map(|h| format!("#{}", h.to_lowercase()))
        .collect();
    let names: BTreeSet<String> =
        rules().iter().map(|r| r["alert"].as_str().expect("an alert").to_owned()).collect();
    for rule in rules() {
        let (name, link) =
            (&rule["alert"], rule["annotations"]["runbook_url"].as_str().unwrap_or_default());
        let anchor = link.strip_prefix("docs/operations.md").unwrap_or_default();
        assert!(anchors.contains(anchor), "{name} links to {link:?}");
        assert!(
            ["critical", "warning"]
                .contains(&rule["labels"]["severity"].as_str().unwrap_or_default()),
            "{name}"
        );
        assert!(
            rule["annotations"]["summary"].is_string()
                && rule["annotations"]["description"].is_string(),
            "{name}"
        );
    }
    let sections = OPERATIONS.lines().filter_map(|l| l.strip_prefix("### Refreshable"));
    for section in sections {
        assert!(
            names.contains(&format!("Refreshable{section}")),
            "{section} is documented, and there is no such alert"
        );
    }
}

#[test]
fn every_alert_is_seen_to_fire_and_to_stay_silent() {
    let file: Value = serde_saphyr::from_str(ALERT_TESTS).expect("YAML");
    let tests = file["tests"].as_array().expect("tests").iter();
    let cases: Vec<&Value> =
        tests.flat_map(|t| t["alert_rule_test"].as_array().expect("cases")).collect();
    for rule in rules() {
        let of: Vec<&Value> =
            cases.iter().copied().filter(|c| c["alertname"] == rule["alert"]).collect();
        let fires = |case: &Value| case["exp_alerts"].as_array().is_some_and(|a| !a.is_empty());
        let (all, firing) = (of.len(), of.into_iter().filter(|c| fires(c)).count());
        assert!(firing > 0 && firing < all, "{}: fires in {firing} of {all} cases", rule["alert"]);
    }
}
