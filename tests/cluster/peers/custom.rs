//! Sources of one's own: Secrets as others write them, and real programs.

use super::{Desk, Stage, allow, honoured};
use crate::harness::certificates::Authority;
use crate::harness::standin::StandIn;
use crate::harness::{background, eventually, programs, scratch};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

#[tokio::test]
async fn secrets_are_read_as_their_writers_write_them_and_their_rotation_is_followed() {
    let stage = Stage::set().await;
    let desk = Desk::of(&stage, "rotated").await;
    let session = desk.session().await;
    let unix = session.expiration.as_second().to_string();
    let keys = |names: [&'static str; 3]| {
        vec![
            (names[0], session.id.as_str()),
            (names[1], &session.secret),
            (names[2], &session.token),
        ]
    };
    let mut external = keys(["access_key_id", "secret_access_key", "session_token"]);
    external.push(("expiration", &unix));
    let vault = keys(["access_key", "secret_key", "session_token"]);
    let expiration = session.expiration.to_string();
    let mut environment = keys(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]);
    environment.push(("AWS_CREDENTIAL_EXPIRATION", &expiration));
    let process = session.process_json().to_string();
    for (name, preset, data, more) in [
        ("external", "ExternalSecrets", external, json!({})),
        ("vault", "VaultSecretsOperator", vault, json!({"lifetimeSeconds": 3600})),
        ("environment", "Environment", environment, json!({})),
        ("process", "ProcessJson", vec![("credentials.json", process.as_str())], json!({})),
    ] {
        let input = format!("{name}-input");
        stage.secret(&input, &data).await;
        let mut source = json!({"secretRef": {"name": input}, "preset": preset});
        source
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        stage.credential(name, json!({"source": {"custom": {"secret": source}}})).await;
        assert!(honoured(&stage, name).await.contains(":assumed-role/rotated/"), "{name}");
    }

    // The same again is no news, and no error: one Secret write for the request that was answered.
    let before =
        stage.credentials().get("external").await.expect("it is there").status.expect("a status");
    stage
        .patch(
            "external",
            json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "1"}}}),
        )
        .await;
    let after = stage
        .until_it("external", "the request is handled", |c| {
            c.status.as_ref().is_some_and(|s| s.last_handled_refresh_at.as_deref() == Some("1"))
        })
        .await
        .status
        .expect("a status");
    assert_eq!(
        (&after.last_refresh_time, &after.next_refresh_time),
        (&before.last_refresh_time, &before.next_refresh_time)
    );

    let next = desk.session().await;
    let secrets = stage.namespace.api::<Secret>();
    let change = async |patch: Value| {
        secrets
            .patch("external-input", &PatchParams::default(), &Patch::Merge(patch))
            .await
            .expect("changed");
    };
    change(json!({
        "metadata": {"labels": {"refreshable.dev/watch": "true"}},
        "stringData": {
            "access_key_id": next.id, "secret_access_key": next.secret, "session_token": next.token,
            "expiration": next.expiration.as_second().to_string(),
        },
    }))
    .await;
    eventually(super::super::stage::SOON, "the new session is published", async || {
        let now = stage.key_id("external").await;
        if now == next.id { Ok(()) } else { Err(now) }
    })
    .await;
    // A role may follow, as behind any source.
    let role =
        stage.issuer.account(&stage.account).role("behind").trusting(&desk.role).create().await;
    let source = json!({"custom": {"secret": {"secretRef": {"name": "process-input"}, "preset": "ProcessJson"}}});
    stage.credential("behind", json!({"source": source, "roles": [{"roleArn": role}]})).await;
    assert!(honoured(&stage, "behind").await.contains(":assumed-role/behind/"));
    stage.strike().await;
}

#[tokio::test]
async fn programs_run_as_they_are_registered_and_end_with_their_time() {
    let stage = Stage::without_controller().await;
    let desk = Desk::of(&stage, "printed").await;
    let account = stage.issuer.account(&stage.account);
    let user = account.user("exporter").await;
    let role = account
        .role("exported")
        .trusting(account.user_arn("exporter"))
        .allowing(&["sts:*"])
        .create()
        .await;
    let folder = scratch::subfolder("processes");
    let config = format!(
        "[profile base]\naws_access_key_id = {}\naws_secret_access_key = {}\n[profile export]\nrole_arn = {role}\nsource_profile = base\nregion = eu-west-1\n",
        user.access_key_id(),
        user.secret_access_key(),
    );
    let config = scratch::write(folder.join("config"), config);
    let good =
        scratch::write(folder.join("good.json"), desk.session().await.process_json().to_string());
    let child = folder.join("child");
    let aws = background::blocking(programs::aws_cli_2).await;
    let shell = |script: &str| json!({"command": ["/bin/sh", "-c", script], "timeoutSeconds": 2});
    let processes = json!({"processes": {
        "aws-cli": {
            "command": [aws, "configure", "export-credentials", "--format", "process"], "takesArgs": true,
            "environment": {"AWS_CONFIG_FILE": config, "AWS_ENDPOINT_URL_STS": stage.issuer.url(), "HOME": folder},
            "inherited": ["PATH"],
        },
        "good": {"command": ["/bin/cat", good]},
        "environment": shell(&format!("test -z \"$AWS_SECRET_ACCESS_KEY\" && exec /bin/cat {}", good.display())),
        "fails": shell("echo the-secret-in-stderr >&2; exit 3"),
        "hangs": shell(&format!("sleep 300 & echo $! > {}; wait", child.display())),
        "floods": shell("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done"),
        "garbage": shell("echo '<html>'"),
        "missing": {"command": [folder.join("nothing")]},
    }});
    crate::harness::canary::register("the-secret-in-stderr");
    let registry = scratch::write(folder.join("registry.yaml"), processes.to_string());
    let stage = stage
        .started(|program| {
            program.args(["--no-leader-election", "--registry", &registry.display().to_string()])
        })
        .await;
    let names: Vec<&String> =
        processes["processes"].as_object().expect("an object").keys().collect();
    stage.credential("denied", json!({"source": {"custom": {"process": {"name": "good"}}}})).await;
    stage.until("denied", "False", "NotPermitted").await;
    allow(&stage, "processes", json!({"processes": names})).await;

    let process = |name: &str, args: &[&str]| json!({"source": {"custom": {"process": {"name": name, "args": args}}}});
    stage.credential("aws-cli", process("aws-cli", &["--profile", "export"])).await;
    assert!(honoured(&stage, "aws-cli").await.contains(":assumed-role/exported/"));
    for name in ["good", "environment"] {
        stage.credential(name, process(name, &[])).await;
        assert!(honoured(&stage, name).await.contains(":assumed-role/printed/"), "{name}");
    }
    for (name, args, reason, words) in [
        ("fails", &[][..], "IssuerUnavailable", "exit status: 3"),
        ("hangs", &[], "IssuerUnavailable", "did not end within 2 s"),
        ("floods", &[], "IssuerUnavailable", "printed more than 65536 bytes"),
        ("garbage", &[], "InvalidAnswer", "not a JSON object"),
        ("missing", &[], "IssuerUnavailable", "cannot be started"),
        ("good", &["--more"], "InvalidSpecification", "takes no arguments"),
    ] {
        let object = if args.is_empty() { name.to_owned() } else { format!("{name}-args") };
        stage.credential(&object, process(name, args)).await;
        let failing = stage.until(&object, "False", reason).await;
        let failure = failing.status.and_then(|s| s.failures).expect("a failure");
        assert!(failure.message.contains(words), "{name}: {}", failure.message);
    }
    let pid = std::fs::read_to_string(&child).expect("the child's id").trim().to_owned();
    eventually(super::super::stage::SOON, "what it started has ended with it", async || {
        let alive = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The state follows the name; nobody may have reaped it yet.
        if alive.is_empty() || alive.contains(") Z") { Ok(()) } else { Err(alive) }
    })
    .await;
    stage.strike().await;
}

#[tokio::test]
async fn an_endpoint_of_one_s_own_is_shown_a_certificate_and_headers() {
    let stage = Stage::set().await;
    let desk = Desk::of(&stage, "served").await;
    let authority = Authority::new(&scratch::subfolder("http"));
    let client = authority.client("client", "reader", &[]);
    let server = StandIn::demanding_certificates(
        &authority.server("http", &[]),
        &authority.certificate(),
        move |asked| {
            let desk = desk.clone();
            async move {
                if asked.header("authorization") != "Bearer the-token-of-the-endpoint" {
                    return (
                        403,
                        json!({"error": "access_denied", "error_description": "no such token"}),
                    );
                }
                (200, desk.session().await.process_json())
            }
        },
    )
    .await;
    allow(&stage, "http", json!({"urls": [server.url()]})).await;
    stage.secret("client", &[("tls.crt", &client.certificate), ("tls.key", &client.key)]).await;
    stage
        .secret(
            "header",
            &[
                ("good", "Bearer the-token-of-the-endpoint"),
                ("bad", "Bearer another-token-altogether"),
            ],
        )
        .await;
    let spec = |patch: Value| {
        let mut http = json!({
            "url": format!("{}/credentials", server.url()), "caBundle": authority.certificate(),
            "clientCertificateSecretRef": {"name": "client"},
            "headers": [{"name": "Authorization", "valueSecretRef": {"name": "header", "key": "good"}}],
        });
        http.as_object_mut()
            .expect("an object")
            .extend(patch.as_object().expect("an object").clone());
        json!({"source": {"custom": {"http": http}}})
    };
    stage.credential("served", spec(json!({}))).await;
    assert!(honoured(&stage, "served").await.contains(":assumed-role/served/"));
    let bad = json!({"headers": [{"name": "Authorization", "valueSecretRef": {"name": "header", "key": "bad"}}]});
    let other = Authority::new(&scratch::subfolder("other")).certificate();
    for (name, patch, reason, words) in [
        ("token", bad, "AccessDenied", "no such token"),
        ("distrusted", json!({"caBundle": other}), "IssuerUnavailable", "certificate"),
        (
            "path",
            json!({"url": "https://127.0.0.1.example.com/"}),
            "NotPermitted",
            "spec.allow.urls",
        ),
    ] {
        stage.credential(name, spec(patch)).await;
        let failing = stage.until(name, "False", reason).await;
        let message = failing.status.expect("a status").conditions[0].message.clone();
        assert!(message.contains(words), "{name}: {message}");
    }
    stage.strike().await;
}
