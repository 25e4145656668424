//! A real Prometheus, which scrapes one controller and evaluates the chart's alert rules.

use super::eventually::eventually;
use super::process::Process;
use super::{background, http, ports, programs, scratch};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A start takes about a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// How it scrapes over TLS.
#[derive(Clone, Copy)]
pub struct Identified<'a> {
    /// File with its bearer token.
    pub token_file: &'a Path,
}

/// A running Prometheus. It is killed when dropped.
pub struct Prometheus {
    process: Process,
    url: String,
}

impl Prometheus {
    /// The alert rules that it evaluates.
    pub fn rules_file() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/refreshable/files/alerts.yaml")
    }

    /// One that scrapes `target` (host and port) every second, as the chart's monitors say, under
    /// the job `refreshable` in the namespace `refreshable`.
    pub async fn scraping(target: &str) -> Self {
        Self::scraping_as(target, None).await
    }

    /// The same, over TLS with a token where one is given.
    pub async fn scraping_as(target: &str, identified: Option<Identified<'_>>) -> Self {
        let folder = scratch::subfolder("prometheus");
        let rules = Self::rules_file();
        let secure = identified.map(|identified| {
            format!(
                "  scheme: https\n  tls_config: {{insecure_skip_verify: true}}\n\
                 \x20 authorization: {{credentials_file: '{}'}}\n",
                identified.token_file.display()
            )
        });
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: ['{}']\n\
             scrape_configs:\n\
             - job_name: refreshable\n  honor_labels: true\n{}  static_configs:\n\
             \x20 - {{targets: ['{target}'], labels: {{namespace: refreshable, pod: a}}}}\n",
            rules.display(),
            secure.unwrap_or_default()
        );
        let config = scratch::write(folder.join("prometheus.yml"), config);
        let address = format!("127.0.0.1:{}", ports::free());
        let program = background::blocking(|| programs::prometheus("prometheus")).await;
        let process = Process::builder("prometheus", program, &folder)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn")
            .start();
        let prometheus = Self { process, url: format!("http://{address}") };
        eventually(PATIENCE, "Prometheus is ready", async || {
            prometheus.process.assert_running();
            match http::get(&format!("{}/-/ready", prometheus.url)).await {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        prometheus
    }

    /// Result of an expression at this moment: series with their values. `NaN` counts as nothing,
    /// as on a dashboard.
    ///
    /// # Errors
    /// Prometheus's objection to the expression.
    pub async fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let encoded: String = form_urlencoded::byte_serialize(expression.as_bytes()).collect();
        let data = self.get(&format!("/api/v1/query?query={encoded}")).await?;
        let series = data["result"].as_array().cloned().unwrap_or_default();
        Ok(series.into_iter().filter(|s| s["value"][1] != "NaN").collect())
    }

    /// The alert rules, each with what came of its evaluation.
    ///
    /// # Errors
    /// Where Prometheus does not answer.
    pub async fn rules(&self) -> Result<Vec<Value>, String> {
        let data = self.get("/api/v1/rules").await?;
        let groups = data["groups"].as_array().cloned().unwrap_or_default();
        Ok(groups.iter().flat_map(|g| g["rules"].as_array().cloned().unwrap_or_default()).collect())
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        let (status, text) = http::get(&format!("{}{path}", self.url)).await?;
        let answer: Value =
            serde_json::from_str(&text).map_err(|e| format!("{status} {e}: {text}"))?;
        if answer["status"] == "success" {
            Ok(answer["data"].clone())
        } else {
            Err(answer["error"].to_string())
        }
    }
}
