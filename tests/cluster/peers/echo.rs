//! Endpoints that repeat what they were sent in their errors: it stands nowhere that anybody can
//! read.

use super::{Stage, allow};
use crate::harness::standin::StandIn;
use crate::harness::{canary, eventually};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use k8s_openapi::api::core::v1::Event;
use serde_json::{Value, json};

const TOKEN: &str = "the-token/that+is-repeated?to-everybody";
const PASSWORD: &str = "the-password-that-is-repeated";

/// The header as the endpoint of that path repeats it.
fn repeated(how: &str, header: &str) -> String {
    let percent: String = form_urlencoded::byte_serialize(header.as_bytes()).collect();
    match how {
        "base64" => STANDARD.encode(header),
        "base64-url" => URL_SAFE_NO_PAD.encode(format!("Authorization: {header}")),
        "percent" => percent,
        "percent-small" => percent.to_lowercase(),
        "json" => json!({ "authorization": header }).to_string(),
        "half" => header[..header.len() - 8].to_owned(),
        _ => header.to_owned(),
    }
}

#[tokio::test]
async fn a_header_that_an_endpoint_repeats_stands_in_no_status_event_log_or_metric() {
    let stage = Stage::set().await;
    let basic = STANDARD.encode(format!("reader:{PASSWORD}"));
    [TOKEN, PASSWORD, &basic].into_iter().for_each(canary::register);
    let server = StandIn::start(|asked| async move {
        let how = asked.what.rsplit('/').next().expect("a path").to_owned();
        let said = repeated(&how, asked.header("authorization"));
        (401, json!({"code": "Unauthorized", "message": format!("nobody knows `{said}` here")}))
    })
    .await;
    allow(&stage, "echo", json!({"urls": [server.url()]})).await;
    let bearer = format!("Bearer {TOKEN}");
    stage
        .secret(
            "echo",
            &[("bearer", &bearer), ("basic", &format!("Basic {basic}")), ("bare", TOKEN)],
        )
        .await;
    let header = |key: &str| json!([{"name": "Authorization", "valueSecretRef": {"name": "echo", "key": key}}]);
    let http = |how: &str, key: &str| json!({"source": {"custom": {"http": {"url": format!("{}/{how}", server.url()), "headers": header(key)}}}});
    let mut specs: Vec<(String, Value)> = Vec::new();
    for how in ["plain", "base64", "base64-url", "percent", "percent-small", "json", "half"] {
        for key in ["bearer", "basic"] {
            specs.push((format!("{key}-{how}"), http(how, key)));
        }
    }
    let container = json!({
        "fullUri": format!("{}/plain", server.url()), "authorizationTokenSecretRef": {"name": "echo", "key": "bare"},
    });
    specs.push(("container".to_owned(), json!({"source": {"container": container}})));
    for (name, spec) in &specs {
        stage.credential(name, spec.clone()).await;
    }
    for (name, _) in &specs {
        let failing = stage.until(name, "False", "AccessDenied").await;
        let status = failing.status.expect("a status");
        let text = serde_json::to_string(&status).expect("JSON");
        let message = status.failures.expect("a failure").message;
        assert!(
            message.contains("nobody knows `") && message.contains("<redacted>"),
            "{name}: {message}"
        );
        assert!(canary::leaks(&text).is_empty(), "{name}: {text}");
        let events = stage.namespace.api::<Event>();
        eventually(super::super::stage::SOON, "an event tells of it", async || {
            let all = events.list(&Default::default()).await.map_err(|e| e.to_string())?;
            let told = all.items.iter().find(|e| e.involved_object.name.as_ref() == Some(name));
            let told = told.and_then(|e| e.message.clone()).ok_or("no event yet")?;
            if told.contains("<redacted>") { Ok(()) } else { Err(told) }
        })
        .await;
    }
    assert!(stage.controller().log().contains("<redacted>"), "the log tells of it, too");
    stage.strike().await;
}
