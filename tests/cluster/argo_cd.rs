//! Argo CD's view of a resource: its health and its actions, by the Lua that Argo CD runs them with.

use super::stage::{SOON, Stage};
use crate::harness::{background, eventually, helm, programs, scratch};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A script gets the basic functions, those of tables, and of `os` the clock alone, as Argo CD's
/// `util/lua` opens them.
const LIBRARIES: &str = r#"local clock = {time = os.time, date = os.date}
os, io, math, string, coroutine, debug, channel = nil
getmetatable("").__index = nil
package.loaded["os"] = nil
package.preload["os"] = function() return clock end
"#;

/// Where two tables differ; nothing where they are the same.
const DIFFERENCE: &str = r#"local function difference(path, a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a ~= b and path or nil
  end
  for key, value in pairs(a) do
    local found = difference(path .. "." .. key, value, b[key])
    if found then return found end
  end
  for key in pairs(b) do
    if a[key] == nil then return path .. "." .. key end
  end
end
"#;

/// The time that the test data has where an action writes the present one.
const THEN: &str = "0001-01-01T00:00:00Z";

/// The folder that has the layout of Argo CD's own customizations.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy/argocd/resource_customizations/refreshable.dev/RefreshableCredential")
}

/// A file of it.
pub fn customization(path: &str) -> String {
    let file = folder().join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// The only object of a file of it.
fn data(path: &str) -> Value {
    let objects = helm::documents(&customization(path));
    assert_eq!(objects.len(), 1, "{path}");
    objects.into_iter().next().expect("an object")
}

/// A JSON value as Lua writes it.
fn lua(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => {
            text.chars().fold("\"".to_owned(), |mut quoted, c| {
                match c {
                    '"' | '\\' => quoted.extend(['\\', c]),
                    '\n' => quoted.push_str("\\n"),
                    c => quoted.push(c),
                }
                quoted
            }) + "\""
        }
        Value::Array(list) => format!("{{{}}}", list.iter().map(lua).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            members.iter().fold("{".to_owned(), |mut table, (name, value)| {
                let _ = write!(table, "[{}]={},", lua(&json!(name)), lua(value));
                table
            }) + "}"
        }
    }
}

/// Runs a script on an object, and then `show`, which prints something of its `result`.
async fn run(script: &str, object: &Value, show: &str) -> String {
    let source = format!(
        "{LIBRARIES}obj = {}\nlocal result = (function()\n{}\nend)()\n{show}\n",
        lua(object),
        customization(script)
    );
    let file = scratch::write(scratch::subfolder("lua").join("script.lua"), source);
    let glua = background::blocking(programs::glua).await;
    let output =
        background::blocking(move || Command::new(glua).arg(file).output().expect("glua starts"))
            .await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {error}\n{object:#}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Health of an object and its message, as Argo CD gets them.
async fn health(object: &Value) -> (String, String) {
    health_by("health.lua", object).await
}

/// The same by another script.
async fn health_by(script: &str, object: &Value) -> (String, String) {
    let text = run(script, object, "print(result.status)\nprint(result.message)").await;
    let (status, message) = text.split_once('\n').expect("two lines");
    (status.to_owned(), message.trim_end().to_owned())
}

/// The actions that Argo CD offers for an object, and whether each is disabled.
async fn discovered(object: &Value) -> Value {
    let show = "for name, action in pairs(result) do print(name, action.disabled == true) end";
    let text = run("actions/discovery.lua", object, show).await;
    let actions = text.lines().map(|line| {
        let (name, disabled) = line.split_once('\t').expect("two columns");
        (name.to_owned(), json!(disabled == "true"))
    });
    Value::Object(actions.collect())
}

/// The time that the action `refresh` writes. All the rest of its result is as `expected` has it.
async fn requested(object: &Value, expected: Option<&Value>) -> String {
    let name = "refreshable.dev/requested-at";
    let mut same = expected.unwrap_or(object).clone();
    same["metadata"]["annotations"][name] = json!(THEN);
    let show = format!(
        "{DIFFERENCE}local annotations = result.metadata.annotations\n\
         print(annotations[\"{name}\"])\n\
         annotations[\"{name}\"] = \"{THEN}\"\n\
         print(difference(\"\", result, {}) or \"\")",
        lua(&same)
    );
    let text = run("actions/refresh/action.lua", object, &show).await;
    let (time, difference) = text.split_once('\n').expect("two lines");
    assert_eq!(difference.trim_end(), "", "{object:#}");
    time.to_owned()
}

async fn object(stage: &Stage, name: &str) -> Value {
    let arguments =
        ["get", "rcred", name, "--namespace", &stage.namespace.name, "--output", "json"];
    serde_json::from_str(&stage.cluster.kubectl(&arguments).await).expect("JSON")
}

#[tokio::test]
async fn argo_cd_sees_how_a_resource_fares() {
    let stage = Stage::without_controller().await;
    let role = stage.role("seen").await;
    let spec = json!({"roles": [{"roleArn": role}]});
    stage.credential("seen", spec.clone()).await;
    assert_eq!(
        health(&object(&stage, "seen").await).await.0,
        "Progressing",
        "no controller has seen it"
    );

    let stage = stage.started(|program| program.args(["--no-leader-election"])).await;
    stage.until("seen", "True", "Issued").await;
    let seen = object(&stage, "seen").await;
    let (status, message) = health(&seen).await;
    assert_eq!(status, "Healthy");
    assert!(message.contains("valid until"), "{message}");

    assert_eq!(discovered(&seen).await, json!({"refresh": false}));
    let requested = requested(&seen, None).await;
    let annotation =
        json!({"metadata": {"annotations": {"refreshable.dev/requested-at": requested}}});
    stage.patch("seen", annotation).await;
    eventually(SOON, "the request of the action is handled", async || {
        let seen = object(&stage, "seen").await;
        let handled = &seen["status"]["lastHandledRefreshAt"];
        if *handled == json!(requested) { Ok(()) } else { Err(format!("{seen:#}")) }
    })
    .await;
    stage.until("seen", "True", "Issued").await;

    let mut changed = seen.clone();
    changed["metadata"]["generation"] = json!(2);
    assert_eq!(
        health(&changed).await.0,
        "Progressing",
        "what it says is of an earlier specification"
    );

    stage.patch("seen", json!({"spec": {"suspend": true}})).await;
    stage.until("seen", "True", "Suspended").await;
    let suspended = object(&stage, "seen").await;
    assert_eq!(health(&suspended).await.0, "Suspended");
    assert_eq!(discovered(&suspended).await, json!({"refresh": true}), "it is disabled");
    stage.patch("seen", json!({"spec": {"suspend": false}})).await;
    stage.until("seen", "True", "Issued").await;

    // An issuer that is down is waited for; what is published is valid all the same.
    let down = stage.aws.on("AssumeRole").breaks();
    stage
        .patch("seen", json!({"metadata": {"annotations": {"refreshable.dev/requested-at": "1"}}}))
        .await;
    stage.until("seen", "True", "RefreshFailing").await;
    assert_eq!(health(&object(&stage, "seen").await).await.0, "Healthy");
    stage.credential("waits", spec).await;
    stage.until("waits", "False", "IssuerUnavailable").await;
    assert_eq!(health(&object(&stage, "waits").await).await.0, "Progressing");
    down.lift();

    let other = format!("{role}-other");
    stage.credential("forbidden", json!({"roles": [{"roleArn": other}]})).await;
    stage.until("forbidden", "False", "NotPermitted").await;
    let (status, message) = health(&object(&stage, "forbidden").await).await;
    assert_eq!(status, "Degraded");
    assert!(message.contains("CredentialPolicy"), "{message}");
    stage.strike().await;
}

/// The cases that lie beside the scripts, as Argo CD's own tests read them.
#[tokio::test]
async fn argo_cds_cases_of_health_and_actions_hold() {
    for kind in ["RefreshableCredential", "ClusterRefreshableCredential"] {
        let of_kind = |path: &str| format!("../{kind}/{path}");
        let tests = data(&of_kind("health_test.yaml"));
        let tests = tests["tests"].as_array().expect("tests");
        let files = std::fs::read_dir(folder().join(of_kind("testdata"))).expect("a folder");
        assert_eq!(tests.len(), files.count(), "{kind}: each file has its test");
        for test in tests {
            let path = of_kind(test["inputPath"].as_str().expect("a path"));
            let (status, message) = health_by(&of_kind("health.lua"), &data(&path)).await;
            let health = json!({"status": status, "message": message});
            assert_eq!(health, test["healthStatus"], "{path}");
        }
    }

    let tests = data("actions/action_test.yaml");
    let input = |test: &Value, member: &str| {
        data(&format!("actions/{}", test[member].as_str().expect("a path")))
    };
    let discoveries = tests["discoveryTests"].as_array().expect("tests");
    assert!(discoveries.len() >= 2, "{discoveries:?}");
    for test in discoveries {
        let offered = test["result"].as_array().expect("actions").iter().map(|action| {
            let name = action["name"].as_str().expect("a name").to_owned();
            (name, json!(action["disabled"] == json!(true)))
        });
        let offered = Value::Object(offered.collect());
        assert_eq!(discovered(&input(test, "inputPath")).await, offered, "{test:#}");
    }
    let actions = tests["actionTests"].as_array().expect("tests");
    assert!(actions.len() >= 2, "{actions:?}");
    for test in actions {
        assert_eq!(test["action"], "refresh");
        let expected = input(test, "expectedOutputPath");
        let written = &expected["metadata"]["annotations"]["refreshable.dev/requested-at"];
        assert_eq!(written, THEN, "{test:#}");
        let time = requested(&input(test, "inputPath"), Some(&expected)).await;
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    }
}
