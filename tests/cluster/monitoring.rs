//! The controller as Prometheus sees it: a real one scrapes it while it works and fails, no panel
//! of the dashboard is empty, every alert's expression is evaluated, and what has gone wrong is
//! seen by the alert that is for it.

use super::stage::{SOON, Stage};
use crate::harness::prometheus::Prometheus;
use crate::harness::{background, canary, eventually, programs, scratch};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use refreshable_api::CredentialPolicy;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Scrapes of a second, rates over half a minute, and a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Metrics of the secure port alone, on which `cluster::secure_metrics` sees them and their alert.
const OF_THE_SECURE_PORT: &str = "refreshable_metrics_certificate_";

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).expect("a file")
}

/// The expressions of the dashboard's panels, with the variables that Grafana would put in.
fn panels() -> Vec<(String, String)> {
    let dashboard: Value =
        serde_json::from_str(&file("charts/refreshable/files/dashboard.json")).expect("JSON");
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().expect("an expression");
            let expression = expression
                .replace("$__rate_interval", "30s")
                .replace("$namespace", ".*")
                .replace("$job", ".*");
            assert!(!expression.contains('$'), "{expression}");
            found.push((panel["title"].as_str().expect("a title").to_owned(), expression));
        }
    }
    found
}

/// The series that an expression asks for.
fn selectors(expression: &str) -> BTreeSet<String> {
    let starts = expression.match_indices("refreshable_").map(|(at, _)| &expression[at..]);
    starts
        .map(|rest| {
            let name =
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let labels = if rest[name..].starts_with('{') {
                rest[name..].find('}').map_or(0, |end| end + 1)
            } else {
                0
            };
            rest[..name + labels].to_owned()
        })
        .collect()
}

/// Rights for everything but events: what is forbidden is to be seen.
async fn account_without_events(stage: &Stage) -> std::path::PathBuf {
    let namespace = &stage.namespace.name;
    let rules = json!([
        {"apiGroups": ["refreshable.dev"], "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["secrets", "namespaces", "serviceaccounts/token"], "verbs": ["*"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch"]},
    ]);
    let rbac = "rbac.authorization.k8s.io";
    for object in [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "mute", "namespace": namespace}}),
        json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": {"name": namespace}, "rules": rules}),
        json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": namespace},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": namespace},
            "subjects": [{"kind": "ServiceAccount", "name": "mute", "namespace": namespace}],
        }),
    ] {
        stage.apply(object).await;
    }
    stage.cluster.kubeconfig_for(namespace, "mute").await
}

/// A lease in the hand of somebody who is gone: for 15 seconds nobody leads.
async fn orphaned_lease(stage: &Stage) {
    let now = Timestamp::now().to_string();
    let lease: Lease = serde_json::from_value(json!({
        "metadata": {"name": "refreshable-controller"},
        "spec": {"holderIdentity": "gone", "leaseDurationSeconds": 15, "renewTime": now.get(..19).map(|t| format!("{t}.000000Z"))},
    }))
    .expect("a lease");
    stage
        .namespace
        .api::<Lease>()
        .create(&PostParams::default(), &lease)
        .await
        .expect("it is made");
}

/// Everything that a controller lives through in an hour, in half a minute.
async fn life(stage: &Stage) {
    let account = stage.issuer.account(&stage.account);
    let spec = |role: &str| json!({"roles": [{"roleArn": role}]});
    for name in [
        "steady",
        "requested",
        "brief",
        "ending",
        "denied",
        "throttled",
        "wrong",
        "lost",
        "leaving",
    ] {
        let role = stage.role(name).await;
        let on = || stage.aws.on("AssumeRole").of_role(&role);
        drop(match name {
            "brief" => Some(on().expires_in(Duration::from_secs(8))),
            "ending" => Some(on().expires_in(Duration::from_secs(20))),
            "denied" => Some(on().gets_denied()),
            "throttled" => Some(on().throttles()),
            "wrong" => Some(on().fails(400, "MalformedPolicyDocument", "Syntax errors in policy.")),
            "lost" => Some(on().loses_its_answer()),
            _ => None,
        });
        stage.credential(name, spec(&role)).await;
    }
    let barred = account.role("barred").trusting(account.user_arn("controller")).create().await;
    stage.credential("barred", spec(&barred)).await;

    let roles = ["requested", "ending", "leaving"];
    for name in roles {
        stage.until(name, "True", "Issued").await;
    }
    stage.aws.on("AssumeRole").of_role(&account.role_arn("ending")).gets_denied();
    stage
        .patch(
            "requested",
            json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "1"}}}),
        )
        .await;
    let policies: kube::Api<CredentialPolicy> = kube::Api::all(stage.namespace.client.clone());
    for policy in policies.list(&Default::default()).await.expect("a list") {
        let name = policy.metadata.name.expect("a name");
        if name.starts_with(&format!("{}-", stage.namespace.name)) && name.ends_with("-leaving") {
            policies.delete(&name, &Default::default()).await.expect("deleted");
        }
    }
    stage.until("leaving", "False", "NotPermitted").await;
    stage.until("barred", "False", "NotPermitted").await;
}

#[tokio::test]
async fn prometheus_sees_what_happens() {
    let stage = Stage::without_controller().await;
    orphaned_lease(&stage).await;
    let kubeconfig = account_without_events(&stage).await;
    let namespace = stage.namespace.name.clone();
    let replica = stage.program().kubeconfig(&kubeconfig).args([
        "--lease-namespace",
        &namespace,
        "--identity",
        "a",
        "--log-level",
        "debug",
        "--object-metrics",
        "--namespace-metrics",
    ]);
    // Before the controller: nobody is scraped.
    let prometheus = Prometheus::scraping(replica.address()).await;
    seen(&prometheus, "RefreshableControllerDown").await;
    let stage = stage.with_controller(replica.start().await);
    seen(&prometheus, "RefreshableNoLeader").await;

    life(&stage).await;
    for alert in [
        "RefreshableCredentialsExpireSoon",
        "RefreshableCredentialsExpired",
        "RefreshableCredentialsStalled",
        "RefreshableIssuerThrottles",
        "RefreshableKubernetesErrors",
        "RefreshableCredentialNotReady",
    ] {
        seen(&prometheus, alert).await;
    }
    no_panel_is_empty(&prometheus).await;
    every_rule_is_evaluated(&prometheus).await;
    the_page_is_the_documented_one(&stage).await;
    what_is_gone_leaves_no_series(&stage, &prometheus).await;
    stage.strike().await;
}

/// An alert has been at least pending.
async fn seen(prometheus: &Prometheus, alert: &str) {
    let expression = format!("max_over_time(ALERTS{{alertname=\"{alert}\"}}[10m])");
    eventually(PATIENCE, &format!("{alert} is seen"), async || {
        match prometheus.query(&expression).await {
            Ok(series) if !series.is_empty() => Ok(()),
            Ok(_) => Err(format!("{:?}", prometheus.query("refreshable_credentials > 0").await)),
            Err(error) => Err(error),
        }
    })
    .await;
}

async fn no_panel_is_empty(prometheus: &Prometheus) {
    let panels = panels();
    assert!(panels.len() > 30, "{}", panels.len());
    eventually(PATIENCE, "no panel is empty", async || {
        let mut empty = Vec::new();
        for (title, expression) in &panels {
            match prometheus.query(expression).await {
                Ok(series) if !series.is_empty() => {}
                Ok(_) => empty.push(format!("{title}: {expression}")),
                Err(error) => panic!("{title}: {expression}: {error}"),
            }
        }
        if empty.is_empty() { Ok(()) } else { Err(empty.join("\n")) }
    })
    .await;
}

async fn every_rule_is_evaluated(prometheus: &Prometheus) {
    let rules = prometheus.rules().await.expect("the rules");
    assert!(rules.len() >= 12, "{rules:#?}");
    for rule in rules {
        assert_eq!((&rule["health"], &rule["lastError"]), (&json!("ok"), &Value::Null), "{rule:#}");
        let expression = rule["query"].as_str().expect("an expression");
        let selectors = selectors(expression).into_iter();
        for selector in selectors.filter(|s| !s.starts_with(OF_THE_SECURE_PORT)) {
            let series = prometheus
                .query(&format!("last_over_time({selector}[10m])"))
                .await
                .expect("an answer");
            assert!(!series.is_empty(), "{}: nothing answers to {selector}", rule["name"]);
        }
    }
}

/// The controller's page and the tables of docs/operations.md name the same metrics.
async fn the_page_is_the_documented_one(stage: &Stage) {
    let page = stage.controller().metrics().await;
    let text = file("docs/operations.md");
    let documented: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.contains(OF_THE_SECURE_PORT))
        .filter_map(|line| line.strip_prefix("| `refreshable_")?.split('`').next())
        .map(|name| name.trim_end_matches("_total").trim_end_matches("_info"))
        .collect();
    let served: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE refreshable_")?.split(' ').next())
        .collect();
    assert_eq!(served, documented, "/metrics and docs/operations.md");
    let unnamed = page.lines().filter(|l| {
        !["refreshable_credential_", "refreshable_namespace_", "#"].iter().any(|p| l.starts_with(p))
    });
    for line in unnamed {
        assert!(
            !line.contains(&stage.namespace.name) && !line.contains("steady"),
            "a name stands in {line}"
        );
    }
}

async fn what_is_gone_leaves_no_series(stage: &Stage, prometheus: &Prometheus) {
    let expression = format!(
        "refreshable_credential_failures{{namespace=\"{}\",name=\"steady\"}}",
        stage.namespace.name
    );
    assert_eq!(prometheus.query(&expression).await.expect("an answer").len(), 1, "{expression}");
    stage.credentials().delete("steady", &Default::default()).await.expect("deleted");
    eventually(SOON, "its series are gone", async || match prometheus.query(&expression).await {
        Ok(series) if series.is_empty() => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let page = stage.controller().metrics().await;
    assert!(!page.contains("\"steady\""), "{page}");
    canary::assert_clean(&page, "the metrics");
}

#[tokio::test]
async fn what_the_chart_makes_for_prometheus_operator_is_taken_by_the_api_server() {
    let stage = Stage::without_controller().await;
    let crds = background::blocking(programs::prometheus_operator_crds).await;
    for kind in ["servicemonitors", "podmonitors", "prometheusrules"] {
        let crd = crds.join(format!("monitoring.coreos.com_{kind}.yaml")).display().to_string();
        stage
            .cluster
            .kubectl(&["apply", "--server-side", "--force-conflicts", "--filename", &crd])
            .await;
        let crd = format!("crd/{kind}.monitoring.coreos.com");
        stage.cluster.established(&[&crd]).await;
    }
    let made = monitors(&stage, &[]).await;
    let objects = made["items"].as_array().expect("a list");
    let of = |kind: &str| {
        objects.iter().find(|o| o["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
    };
    let endpoint = &of("ServiceMonitor")["spec"]["endpoints"][0];
    assert_eq!((&endpoint["honorLabels"], &endpoint["interval"]), (&json!(true), &json!("15s")));
    assert_eq!(of("ServiceMonitor")["metadata"]["labels"]["release"], "prometheus");
    assert_eq!(of("PodMonitor")["spec"]["podMetricsEndpoints"][0]["scrapeTimeout"], "10s");
    let group = &of("PrometheusRule")["spec"]["groups"][0];
    assert_eq!(group["interval"], "20s");
    let link = group["rules"][0]["annotations"]["runbook_url"].as_str().expect("a link");
    assert_eq!(link, "https://example.com/operations.html#refreshablecontrollerdown");
    let dashboard = of("ConfigMap");
    assert_eq!(dashboard["metadata"]["labels"]["grafana_dashboard"], "1");
    let text = dashboard["data"]["refreshable.json"].as_str().expect("a dashboard");
    assert_eq!(text.trim(), file("charts/refreshable/files/dashboard.json").trim());

    // Over TLS, with Prometheus' own token or one that the administrator names.
    let credentials = r#"{"credentials": {"name": "scraper", "key": "token"}}"#;
    let made = monitors(
        &stage,
        &[
            "--set=metrics.secure.enabled=true,metrics.secure.certificateSecret=tls",
            &format!(
                "--set-json=podMonitor.endpointAdditionalProperties.authorization={credentials}"
            ),
        ],
    )
    .await;
    let objects = made["items"].as_array().expect("a list");
    let endpoint = |kind: &str, list: &str| {
        let found = objects.iter().find(|o| o["kind"] == kind);
        found.unwrap_or_else(|| panic!("no {kind}"))["spec"][list][0].clone()
    };
    for (kind, list) in [("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints")] {
        let endpoint = endpoint(kind, list);
        assert_eq!((&endpoint["scheme"], &endpoint["port"]), (&json!("https"), &json!("metrics")));
        assert_eq!(endpoint["tlsConfig"]["ca"]["secret"], json!({"name": "tls", "key": "ca.crt"}));
    }
    let file = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    assert_eq!(endpoint("ServiceMonitor", "endpoints")["bearerTokenFile"], file);
    let pods = endpoint("PodMonitor", "podMetricsEndpoints");
    assert_eq!(pods["authorization"]["credentials"]["name"], "scraper");
}

/// The chart's objects for Prometheus Operator, as the API server takes it: with these arguments
/// of helm besides.
async fn monitors(stage: &Stage, arguments: &[&str]) -> Value {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let namespace = stage.namespace.name.clone();
    let rendered = background::blocking(move || {
        let output = Command::new(programs::tool("helm"))
            .args([
                "template",
                "refreshable",
                &format!("{ROOT}/charts/refreshable"),
                "--namespace",
                &namespace,
            ])
            .args(["--values", &format!("{ROOT}/tests/prometheus/values.yaml")])
            .args(["--show-only", "templates/monitoring.yaml"])
            .args(arguments)
            .output()
            .expect("helm starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    })
    .await;
    let manifest =
        scratch::write(scratch::subfolder("monitoring").join("monitoring.yaml"), &rendered);
    let manifest = manifest.display().to_string();
    let made = stage
        .cluster
        .kubectl(&[
            "apply",
            "--server-side",
            "--dry-run=server",
            "--output",
            "json",
            "--filename",
            &manifest,
        ])
        .await;
    serde_json::from_str(&made).expect("JSON")
}
