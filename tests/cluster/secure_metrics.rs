//! Metrics over TLS, for users that the API server authenticates and authorizes.

use super::installed::Installed;
use super::stage::{SOON, Stage};
use crate::harness::certificates::{Authority, Identity};
use crate::harness::prometheus::{Identified, Prometheus};
use crate::harness::tls::{self, Page, Trust};
use crate::harness::{Controller, eventually, ports, scratch};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// A right that was taken away is gone after a minute.
const FORGOTTEN: Duration = Duration::from_secs(120);

/// A controller of the chart with a secure port, and two ServiceAccounts: `reader` may get the
/// metrics, `other` may not.
struct Secured {
    stage: Stage,
    installed: Installed,
    controller: Controller,
    address: String,
}

impl Secured {
    async fn set() -> Self {
        let stage = Stage::without_controller().await;
        let port = ports::free();
        let values = json!({"metrics": {"secure": {"enabled": true, "port": port}}});
        let installed = Installed::on(&stage, values).await;
        let namespace = stage.namespace.name.as_str();
        for account in ["reader", "other"] {
            let create = ["create", "serviceaccount", account, "--namespace", namespace];
            stage.cluster.kubectl(&create).await;
        }
        let role = format!("--clusterrole={}-metrics-reader", installed.name);
        let account = format!("--serviceaccount={namespace}:reader");
        stage.cluster.kubectl(&["create", "clusterrolebinding", namespace, &role, &account]).await;
        let user = format!("system:serviceaccount:{namespace}:reader");
        eventually(SOON, "the reader may get the metrics", async || {
            let ask = ["auth", "can-i", "get", "/metrics", "--as", &user];
            let (yes, said, _) = stage.cluster.try_kubectl(&ask).await;
            if yes { Ok(()) } else { Err(said) }
        })
        .await;
        let controller = installed.start(&stage).await;
        Self { stage, installed, controller, address: format!("127.0.0.1:{port}") }
    }

    async fn token(&self, account: &str, audiences: &[&str]) -> String {
        self.stage.cluster.token(&self.stage.namespace.name, account, audiences).await
    }

    async fn metrics(&self, token: Option<&str>) -> Page {
        let page = tls::get(&self.address, "/metrics", token, Trust::Any).await;
        page.unwrap_or_else(|error| panic!("{error}\n{}", self.controller.log()))
    }

    /// TokenReviews that the controller asked for.
    fn reviews(&self) -> usize {
        let asked =
            self.stage.cluster.audit().by_account(&self.installed.name, &self.installed.name);
        asked.of("create", "tokenreviews").count()
    }

    async fn end(self) {
        assert!(self.controller.stop().await.success());
        self.controller.assert_clean().await;
        let binding = self.stage.namespace.name.as_str();
        let delete = ["delete", "clusterrolebinding", binding, "--ignore-not-found"];
        self.stage.cluster.kubectl(&delete).await;
    }
}

#[tokio::test]
async fn metrics_are_for_users_that_may_get_them_and_for_nobody_else() {
    let secured = Secured::set().await;
    let reader = secured.token("reader", &[]).await;
    let elsewhere = secured.token("reader", &["elsewhere"]).await;
    let other = secured.token("other", &[]).await;
    for (token, status, words) in [
        (None, 401, "Authorization is missing"),
        (Some("made-up-0123456789"), 401, "does not know this token"),
        (Some(elsewhere.as_str()), 401, "does not know this token"),
        (Some(other.as_str()), 403, "bind it to a ClusterRole"),
        (Some(reader.as_str()), 200, "refreshable_build_info"),
    ] {
        let page = secured.metrics(token).await;
        assert_eq!(page.status, status, "{}", page.text);
        assert!(page.text.contains(words), "{words}: {}", page.text);
        assert_eq!(page.text.contains("# EOF"), status == 200, "{}", page.text);
    }
    let log = secured.controller.log();
    let user = format!("system:serviceaccount:{}:other", secured.stage.namespace.name);
    assert!(log.contains(&user) && log.contains("metrics were refused"), "{log}");

    // The plain port has the probes, and the secure port nothing else.
    for (path, status, words) in
        [("/metrics", 404, "over TLS on port"), ("/healthz", 200, "ok"), ("/readyz", 200, "ok")]
    {
        let (found, text) = secured.controller.page(path).await.expect("an answer");
        assert!(found == status && text.contains(words), "{path}: {found} {text}");
        assert!(!text.contains("refreshable_"), "{path}: {text}");
    }
    let page = tls::get(&secured.address, "/readyz", Some(&reader), Trust::Any).await;
    assert_eq!(page.map(|p| p.status), Ok(404));

    // The right is taken away.
    let binding = secured.stage.namespace.name.as_str();
    secured.stage.cluster.kubectl(&["delete", "clusterrolebinding", binding]).await;
    eventually(FORGOTTEN, "the reader is refused", async || {
        let page = secured.metrics(Some(&reader)).await;
        if page.status == 403 { Ok(()) } else { Err(page.status) }
    })
    .await;

    // The controller's own right is.
    let own = format!("{}-metrics-auth", secured.installed.name);
    secured.stage.cluster.kubectl(&["delete", "clusterrolebinding", &own]).await;
    let mut count = 0;
    eventually(SOON, "no token is checked", async || {
        count += 1;
        let page = secured.metrics(Some(&format!("made-up-{count}"))).await;
        let unchecked = page.status == 503 && page.text.contains("could not be checked");
        let told = page.text.contains("forbidden") || page.text.contains("system:");
        if unchecked && !told { Ok(()) } else { Err(page.text) }
    })
    .await;
    let log = secured.controller.log();
    assert!(log.contains("may create tokenreviews and subjectaccessreviews"), "{log}");
    secured.end().await;
}

#[tokio::test]
async fn made_up_tokens_cost_the_api_server_little_and_keep_no_scraper_out() {
    let secured = Secured::set().await;
    let reader = secured.token("reader", &[]).await;
    assert_eq!(secured.metrics(Some(&reader)).await.status, 200);
    let (before, began) = (secured.reviews(), Instant::now());
    let (mut sent, mut refused) = (0, 0);
    for round in 0..20 {
        let mut callers = JoinSet::new();
        for caller in 0..20 {
            let address = secured.address.clone();
            callers.spawn(async move {
                let token = format!("made-up-{round}-{caller}");
                tls::get(&address, "/metrics", Some(&token), Trust::Any).await
            });
        }
        let page = secured.metrics(Some(&reader)).await;
        assert_eq!(page.status, 200, "round {round}: {}", page.text);
        for answer in callers.join_all().await {
            let page = answer.unwrap_or_else(|error| panic!("{error}"));
            assert!([401, 503].contains(&page.status), "{}: {}", page.status, page.text);
            sent += 1;
            refused += usize::from(page.status == 503);
        }
    }
    let granted = 20 + 10 * (began.elapsed().as_secs() as usize + 1);
    // What was answered stands in the audit log a moment later.
    let reviews = eventually(SOON, "the reviews are in the audit log", async || {
        let reviews = secured.reviews() - before;
        if reviews >= sent - refused { Ok(reviews) } else { Err(reviews) }
    })
    .await;
    println!("{sent} made-up tokens, {reviews} reviews, at most {granted}");
    assert!(reviews <= granted, "{reviews} of {sent}, at most {granted}");
    assert!(refused > 0, "{sent} tokens were all checked");
    secured.end().await;
}

#[tokio::test]
async fn prometheus_scrapes_with_its_token() {
    let secured = Secured::set().await;
    let token = secured.token("reader", &[]).await;
    let file = scratch::write(scratch::subfolder("token").join("token"), &token);
    let identified = Identified { token_file: &file };
    let prometheus = Prometheus::scraping_as(&secured.address, Some(identified)).await;
    eventually(SOON, "it has the metrics", async || {
        let up = prometheus.query("up == 1 and on() refreshable_build_info").await?;
        if up.is_empty() { Err(format!("{:?}", prometheus.query("up").await)) } else { Ok(()) }
    })
    .await;
    drop(prometheus);
    secured.end().await;
}

/// Writes both files as a kubelet does: into a new folder, to which a link then points.
fn mount(folder: &Path, version: &str, certificate: &str, key: &str) {
    let new = folder.join(version);
    std::fs::create_dir(&new).expect("a folder");
    scratch::write(new.join("tls.crt"), certificate);
    scratch::write(new.join("tls.key"), key);
    let link = folder.join("..next");
    std::os::unix::fs::symlink(version, &link).expect("a link");
    std::fs::rename(&link, folder.join("..data")).expect("replaced");
    for name in ["tls.crt", "tls.key"] {
        let file = folder.join(name);
        if file.symlink_metadata().is_err() {
            std::os::unix::fs::symlink(format!("..data/{name}"), file).expect("a link");
        }
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_served_without_a_restart_and_a_broken_one_is_not() {
    let stage = Stage::without_controller().await;
    let folder = scratch::subfolder("metrics-certificate");
    let authority = Authority::new(&scratch::subfolder("metrics-authority"));
    let [first, second, third]: [Identity; 3] =
        ["first", "second", "third"].map(|name| authority.server(name, &[]));
    let address = format!("127.0.0.1:{}", ports::free());
    let program = || {
        let program = stage.program().arg("--no-leader-election");
        let program = program.args(["--secure-metrics-listen", &address]);
        program.arg("--metrics-certificate-dir").arg(&folder)
    };

    // Nothing is there yet.
    let early = program().spawn();
    let ended = early.process().ended(SOON).await.expect("it ends");
    assert!(!ended.success());
    let log = early.log();
    assert!(log.contains("tls.crt cannot be read") && log.contains("mount a Secret"), "{log}");

    mount(&folder, "1", &first.certificate, &first.key);
    let controller = program().start().await;
    let authority = authority.certificate();
    let served = async || {
        let page = tls::get(&address, "/metrics", None, Trust::Authority(&authority)).await?;
        assert_eq!(page.status, 401, "{}", page.text);
        Ok::<_, String>(page.certificate)
    };
    let of_first = served().await.expect("a certificate of the authority");

    // Two files that do not go together, as where a renewal went wrong.
    mount(&folder, "2", &second.certificate, &first.key);
    eventually(SOON, "the log says what to do", async || {
        let log = controller.log();
        if log.contains("write both from one source") { Ok(()) } else { Err(log) }
    })
    .await;
    assert_eq!(served().await.as_ref(), Ok(&of_first), "the last good one");

    mount(&folder, "3", &third.certificate, &third.key);
    let of_third = eventually(SOON, "another certificate is served", async || {
        let now = served().await?;
        if now == of_first { Err("the first one".to_owned()) } else { Ok(now) }
    })
    .await;
    assert_eq!(pem(&of_third), pem_of(&third.certificate));
    assert!(!controller.log().contains("PRIVATE KEY"));
    assert!(controller.stop().await.success());
    controller.assert_clean().await;
}

#[tokio::test]
async fn an_expired_certificate_is_told_of_before_and_after_its_renewal() {
    let stage = Stage::without_controller().await;
    let folder = scratch::subfolder("expired-certificate");
    let authority = Authority::new(&scratch::subfolder("expired-authority"));
    let expired = authority.server_until("expired", &[], 2020);
    let renewed = authority.server_until("renewed", &[], 2100);
    let (namespace, address) = (&stage.namespace.name, format!("127.0.0.1:{}", ports::free()));
    let role = ["create", "clusterrole", namespace, "--verb=get", "--non-resource-url=/metrics"];
    stage.cluster.kubectl(&role).await;
    let account = format!("--serviceaccount={namespace}:default");
    let role = format!("--clusterrole={namespace}");
    stage.cluster.kubectl(&["create", "clusterrolebinding", namespace, &role, &account]).await;
    let token = eventually(SOON, "the namespace has its ServiceAccount", async || {
        let get = ["get", "serviceaccount", "default", "--namespace", namespace];
        let (there, _, said) = stage.cluster.try_kubectl(&get).await;
        if there { Ok(stage.cluster.token(namespace, "default", &[]).await) } else { Err(said) }
    })
    .await;

    mount(&folder, "1", &expired.certificate, &expired.key);
    let program = stage.program().arg("--no-leader-election");
    let program = program.args(["--secure-metrics-listen", &address]);
    let controller = program.arg("--metrics-certificate-dir").arg(&folder).start().await;
    let told = |words: &str| controller.log().matches(words).count();
    eventually(SOON, "the log says that it has expired", async || {
        if told("expired at 2020-01-01T00:00:00Z") > 0 { Ok(()) } else { Err(controller.log()) }
    })
    .await;
    let ends = async |at: &str| {
        let line = format!("refreshable_metrics_certificate_expiration_timestamp_seconds {at}\n");
        eventually(SOON, &line, async || {
            let page = tls::get(&address, "/metrics", Some(&token), Trust::Any).await?;
            if page.text.contains(&line) { Ok(()) } else { Err(page.text) }
        })
        .await;
    };
    ends("1577836800").await;
    let ca = authority.certificate();
    let verified = tls::get(&address, "/metrics", Some(&token), Trust::Authority(&ca)).await;
    let refused = verified.map(|page| page.status).expect_err("it has expired");
    assert!(refused.contains("xpired"), "{refused}");

    let file = scratch::write(scratch::subfolder("expired-token").join("token"), &token);
    let identified = Identified { token_file: &file };
    let prometheus = Prometheus::scraping_as(&address, Some(identified)).await;
    let alerts = async |wanted: usize| {
        let alerts = "ALERTS{alertname=\"RefreshableMetricsCertificateExpiresSoon\"}";
        eventually(SOON, &format!("{wanted} alerts"), async || {
            let up = prometheus.query("up == 1").await?;
            let found = prometheus.query(alerts).await?;
            if up.len() == 1 && found.len() == wanted { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    };
    alerts(1).await;

    mount(&folder, "2", &renewed.certificate, &renewed.key);
    ends("4102444800").await;
    alerts(0).await;
    let page = tls::get(&address, "/metrics", Some(&token), Trust::Authority(&ca)).await;
    assert_eq!(page.map(|page| page.status), Ok(200));
    assert_eq!(told("expired at"), 1, "it is said once: {}", controller.log());

    drop(prometheus);
    for kind in ["clusterrolebinding", "clusterrole"] {
        stage.cluster.kubectl(&["delete", kind, namespace]).await;
    }
    assert!(controller.stop().await.success());
    controller.assert_clean().await;
}

fn pem(der: &[u8]) -> String {
    pem::encode(&pem::Pem::new("CERTIFICATE", der))
}

fn pem_of(text: &str) -> String {
    pem::encode(&pem::parse(text).expect("PEM"))
}
