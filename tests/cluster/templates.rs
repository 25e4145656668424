//! Templates of data keys: what is published, when it is written anew, and what is told of a fault.

use super::plugin::User;
use super::stage::Stage;
use crate::harness::{canary, scratch};
use serde_json::{Value, json};

const REFRESH: &str = "refreshable.dev/requested-at";

fn with(role: &str, template: Value) -> Value {
    json!({"roles": [{"roleArn": role}], "secret": {"template": template}})
}

#[tokio::test]
async fn a_template_is_published_beside_the_formats_and_follows_each_renewal_and_change() {
    let stage = Stage::set().await;
    let role = stage.role("reports").await;
    let text = "[s3]\naccess_key_id = {{ accessKeyId }}\nsecret_access_key = {{ secretAccessKey | ini }}\n\
                session_token = {{ sessionToken | ini }}\n# of {{ accountId }} until {{ expiration }}\n";
    stage.credential("reports", with(&role, json!({"rclone.conf": text}))).await;
    stage.until("reports", "True", "Issued").await;
    let written = async || {
        let published = stage.published("reports").await;
        let json: Value = serde_json::from_str(&published["credentials.json"]).expect("JSON");
        let member = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        canary::register(&member("SecretAccessKey"));
        canary::register(&member("SessionToken"));
        let expected = format!(
            "[s3]\naccess_key_id = {}\nsecret_access_key = {}\nsession_token = {}\n# of {} until {}\n",
            member("AccessKeyId"),
            member("SecretAccessKey"),
            member("SessionToken"),
            stage.account,
            member("Expiration")
        );
        (published, expected)
    };
    let (first, expected) = written().await;
    assert_eq!(first["rclone.conf"], expected);
    assert_eq!(
        first.keys().collect::<Vec<_>>(),
        ["config", "credentials", "credentials.json", "rclone.conf"]
    );

    stage.patch("reports", json!({"metadata": {"annotations": {REFRESH: "again"}}})).await;
    let handled = |c: &refreshable_api::RefreshableCredential| {
        let status = c.status.as_ref();
        status.and_then(|s| s.last_handled_refresh_at.as_deref()) == Some("again")
    };
    stage.until_it("reports", "the request is handled", handled).await;
    let (second, expected) = written().await;
    assert_eq!(second["rclone.conf"], expected);
    assert_ne!(first["rclone.conf"], second["rclone.conf"]);

    // Another template is another Secret: keys that it lacks go.
    let change =
        json!({"spec": {"secret": {"template": {"rclone.conf": null, "id": "{{ accessKeyId }}"}}}});
    stage.patch("reports", change).await;
    let third = crate::harness::eventually(super::stage::SOON, "the other template", async || {
        let published = stage.published("reports").await;
        let keys: Vec<_> = published.keys().cloned().collect();
        if published.contains_key("id") { Ok(published) } else { Err(format!("{keys:?}")) }
    })
    .await;
    assert!(!third.contains_key("rclone.conf"), "{:?}", third.keys());
    assert_eq!(third["id"], stage.key_id("reports").await);
    stage.strike().await;
}

#[tokio::test]
async fn a_template_with_a_fault_costs_no_call_and_takes_nothing_away() {
    let stage = Stage::set().await;
    let role = stage.role("reports").await;
    let wrong = with(&role, json!({"core-site.xml": "<a>\n{{ secretKey | xml }}\n</a>\n"}));
    stage.credential("reports", wrong).await;
    let told = stage.until("reports", "False", "InvalidSpecification").await;
    let message = &told.status.expect("a status").conditions[0].message;
    assert!(
        message.contains(
            "spec.secret.template, key core-site.xml, line 2: secretKey is none of accessKeyId, secretAccessKey"
        ),
        "{message}"
    );
    assert_eq!(stage.aws.calls_for_role(&role).len(), 0);

    let mend =
        json!({"spec": {"secret": {"template": {"core-site.xml": "{{ secretAccessKey | xml }}"}}}});
    stage.patch("reports", mend).await;
    stage.until("reports", "True", "Issued").await;
    let before = stage.published("reports").await;

    let broken = json!({"spec": {"secret": {"template": {"core-site.xml": "{{ secretAccessKey"}}}});
    stage.patch("reports", broken).await;
    stage.until("reports", "False", "InvalidSpecification").await;
    assert_eq!(stage.published("reports").await, before, "what is valid stays");
    assert_eq!(stage.aws.calls_for_role(&role).len(), 1);
    stage.strike().await;
}

#[tokio::test]
async fn a_loop_writes_each_profile_and_a_value_that_no_one_profile_has_is_told() {
    let stage = Stage::set().await;
    let (dev, prod) = (stage.role("dev").await, stage.role("prod").await);
    let text = "{% for p in profiles %}\n{{ p.profile }} = {{ p.accessKeyId }}\n{% endfor %}\n";
    let profiles = json!([
        {"name": "dev", "roles": [{"roleArn": dev}]}, {"name": "prod", "roles": [{"roleArn": prod}]},
    ]);
    stage
        .credential(
            "many",
            json!({"profiles": profiles, "secret": {"template": {"keys.conf": text}}}),
        )
        .await;
    stage.until("many", "True", "Issued").await;
    let published = stage.published("many").await;
    let id = |key: &str| {
        let json: Value = serde_json::from_str(&published[key]).expect("JSON");
        json["AccessKeyId"].as_str().expect("an id").to_owned()
    };
    let expected = format!("dev = {}\nprod = {}\n", id("dev.json"), id("prod.json"));
    assert_eq!(published["keys.conf"], expected);

    let outside = json!({"spec": {"secret": {"template": {"keys.conf": "{{ accessKeyId }}"}}}});
    stage.patch("many", outside).await;
    let told = stage.until("many", "False", "InvalidSpecification").await;
    let failure = told.status.and_then(|s| s.failures).expect("a failure");
    assert_eq!(failure.reason.as_str(), "InvalidSpecification");
    assert!(failure.message.contains("accessKeyId is not known"), "{}", failure.message);
    assert_eq!(stage.published("many").await["keys.conf"], expected, "what is valid stays");
    stage.strike().await;
}

#[tokio::test]
async fn render_prints_what_would_be_published_and_check_finds_faults_without_a_cluster() {
    let stage = Stage::set().await;
    let user = User::administrator(&stage);
    let folder = scratch::subfolder("render");
    let file = folder.join("reports.yaml");
    let object = |template: Value| {
        let role = "arn:aws:iam::111122223333:role/reports";
        json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
            "metadata": {"name": "reports", "namespace": "team-a"}, "spec": with(role, template),
        })
    };
    let write = |object: &Value| std::fs::write(&file, object.to_string()).expect("a file");
    let path = file.display().to_string();

    write(&object(json!({"id.txt": "id={{ accessKeyId }} {{ region }}\n"})));
    let whole = user.run(&["render", "-f", &path, "-o", "json"]).await;
    let secret: Value =
        serde_json::from_str(&whole.output).unwrap_or_else(|e| panic!("{e}: {whole:?}"));
    assert_eq!(
        (&secret["kind"], &secret["metadata"]["name"]),
        (&json!("Secret"), &json!("reports"))
    );
    assert_eq!(secret["type"], "refreshable.dev/aws-credentials");
    assert_eq!(secret["stringData"]["id.txt"], "id=ASIAXXXXXXXXXXXXXXXX us-east-1\n");
    assert!(secret["stringData"]["credentials"].is_string(), "{secret}");
    let one = user.run(&["render", "-f", &path, "--key", "id.txt"]).await;
    assert_eq!(one.output, "id=ASIAXXXXXXXXXXXXXXXX us-east-1\n");
    let missing = user.run(&["render", "-f", &path, "--key", "id"]).await;
    assert!(
        missing.code != 0 && missing.errors.contains("data key \"id\" is not written, but "),
        "{missing:?}"
    );

    write(&object(json!({"id.txt": "{{ accessKey }}"})));
    for command in ["render", "check"] {
        let refused = user.run(&[command, "-f", &path]).await;
        let said = format!("{}{}", refused.output, refused.errors);
        assert!(
            refused.code != 0 && said.contains("accessKey is none of accessKeyId"),
            "{refused:?}"
        );
    }
    stage.strike().await;
}
