//! The recipes of the documentation: each program runs with what its manifest sets, across
//! rotations.

use super::given::{Given, LIFE};
use crate::cluster::typist;
use crate::harness::process::{Builder, Process};
use crate::harness::{
    Proxy, background, canary, eventually, helm, issuer, programs, python, scratch,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

const PAGE: &str = "docs/recipes.md";
/// Where the manifests mount the Secret.
const MOUNT: &str = "/var/run/secrets/refreshable.dev/aws";
/// So many times the files change after the last program has started.
const ROTATIONS: usize = 3;
/// With so many objects, at two requests a second, rclone takes longer than they do.
const OBJECTS: usize = 75;
const LOOK: Duration = Duration::from_millis(500);
/// The whole of a run, on a machine that builds at the same time.
const PATIENCE: Duration = Duration::from_secs(300);

/// A container of a manifest on the page, and the objects beside it.
struct Recipe {
    objects: Vec<Value>,
    container: Value,
}

impl Recipe {
    /// By the name of its container.
    fn of(container: &str) -> Self {
        let blocks = typist::fenced(PAGE, "yaml");
        let mut found = blocks.iter().filter_map(|block| {
            let objects = helm::documents(block);
            let containers = objects.iter().find_map(containers)?;
            let container = containers.iter().find(|c| c["name"] == container)?.clone();
            Some(Self { objects, container })
        });
        found.next().unwrap_or_else(|| panic!("{PAGE} has no container {container}"))
    }

    /// The variables that it sets, with the Secret mounted at `folder`.
    fn environment(&self, folder: &Path) -> Vec<(String, String)> {
        let folder = folder.display().to_string();
        let variables = self.container["env"].as_array().expect("variables");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        variables
            .iter()
            .map(|v| (text(&v["name"]), text(&v["value"]).replace(MOUNT, &folder)))
            .collect()
    }

    /// Its arguments, with one path in them replaced.
    fn arguments(&self, path: &str, by: &Path) -> Vec<String> {
        let arguments = self.container["args"].as_array().expect("arguments");
        let text = |value: &Value| match value.as_str() {
            Some(same) if same == path => by.display().to_string(),
            other => other.expect("a text").to_owned(),
        };
        arguments.iter().map(text).collect()
    }
}

/// The containers of a workload.
fn containers(object: &Value) -> Option<&Vec<Value>> {
    ["/spec/template/spec/containers", "/spec/jobTemplate/spec/template/spec/containers"]
        .iter()
        .find_map(|path| object.pointer(path)?.as_array())
}

/// A program that runs.
struct Running {
    name: &'static str,
    aws: Proxy,
    process: Process,
}

impl Running {
    fn calls(&self, ok: bool) -> usize {
        let lines = self.process.log();
        let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["ok"] == ok).count()
    }

    /// With how many keys AWS has let it in.
    fn keys(&self) -> usize {
        self.aws.honoured_keys().len()
    }

    fn seen(&self) -> String {
        let (keys, calls, failed) = (self.keys(), self.calls(true), self.calls(false));
        let log = self.process.log_tail(5);
        format!("{}: {keys} keys, {calls} calls well, {failed} failed\n{log}", self.name)
    }
}

/// A program with the variables of its container.
fn program(given: &Given, recipe: &Recipe, name: &str, program: impl Into<PathBuf>) -> Builder {
    let process = Process::builder(name, program, &scratch::subfolder("recipe"))
        .env("CALL_EVERY_MS", "500")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    let environment = recipe.environment(&given.folder);
    environment.into_iter().fold(process, |process, (name, value)| process.env(name, value))
}

async fn rclone(given: &Given) -> (Running, PathBuf) {
    let recipe = Recipe::of("rclone");
    let aws = Proxy::to(given.stage.issuer.url()).start().await;
    let data = scratch::subfolder("data");
    let rclone = background::blocking(|| programs::consumer("rclone").join("rclone")).await;
    let process = given.sidecar.environment().into_iter().fold(
        program(given, &recipe, "rclone", rclone),
        |process, (name, value)| {
            let set = recipe.container["env"].as_array().expect("variables");
            assert!(set.iter().any(|v| v["name"] == name), "{PAGE}: rclone's {name}");
            process.env(name, value)
        },
    );
    let process = process
        .args(recipe.arguments("/data", &data))
        // It signs a call before it holds it back.
        .args(["--tpslimit", "2", "--tpslimit-burst", "1", "--transfers", "1", "--checkers", "1"])
        .env("RCLONE_CONFIG_AWS_ENDPOINT", aws.url())
        .env("RCLONE_CONFIG_AWS_FORCE_PATH_STYLE", "true")
        .start();
    (Running { name: "rclone", aws, process }, data)
}

async fn thanos(given: &Given) -> Running {
    let recipe = Recipe::of("store");
    let aws = Proxy::to(given.stage.issuer.url()).start().await;
    let host = aws.url().strip_prefix("http://").expect("HTTP");
    let real = "endpoint: s3.eu-west-1.amazonaws.com\n";
    let configuration = recipe
        .objects
        .iter()
        .find_map(|object| object["data"]["objstore.yml"].as_str())
        .expect("a configuration");
    assert!(configuration.contains(real), "{configuration}");
    let configuration =
        configuration.replace(real, &format!("endpoint: {host}\n  insecure: true\n"));
    let file = scratch::write(scratch::subfolder("thanos").join("objstore.yml"), configuration);
    let objstore = background::blocking(|| programs::consumer("objstore").join("objstore")).await;
    let process = program(given, &recipe, "thanos", objstore).arg(file).start();
    Running { name: "Thanos", aws, process }
}

/// Makes the buckets that the recipes name, with objects in the first, by an access key that does
/// not end while it does: a session of seconds does on a busy machine.
async fn buckets(given: &Given) {
    let owner = given.stage.issuer.account(&given.stage.account).root();
    let environment = [
        ("AWS_ACCESS_KEY_ID", owner.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", owner.secret_access_key()),
        ("AWS_REGION", issuer::REGION),
    ];
    for (bucket, objects) in [("reports", OBJECTS), ("metrics", 0)] {
        let number = objects.to_string();
        let arguments = [given.stage.issuer.url(), bucket, &number];
        assert_eq!(python::run("objects.py", &arguments, &environment).await, json!(objects));
    }
}

#[tokio::test]
async fn each_recipe_loses_no_call_over_rotations() {
    let given = Given::out(LIFE).await;
    buckets(&given).await;
    let (copy, data) = rclone(&given).await;
    let calling = [thanos(&given).await];
    eventually(PATIENCE, "each program has called", async || {
        tokio::time::sleep(LOOK).await;
        calling.iter().for_each(|running| running.process.assert_running());
        let silent: Vec<String> =
            calling.iter().filter(|r| r.calls(true) == 0).map(Running::seen).collect();
        eventually::check(silent.is_empty(), || silent.join("\n"))
    })
    .await;

    let before = given.mount.written();
    eventually(PATIENCE, "the files have changed, and each program has followed", async || {
        tokio::time::sleep(LOOK).await;
        let changes = given.mount.written() - before;
        let seen: Vec<String> = calling.iter().map(Running::seen).collect();
        let followed = calling.iter().all(|running| running.keys() > ROTATIONS);
        eventually::check(changes >= ROTATIONS && followed, || {
            format!("{changes} changes\n{}", seen.join("\n"))
        })
    })
    .await;
    let former = given.former_end();
    eventually(PATIENCE, "what was there before has ended", async || {
        eventually::check(Timestamp::now() > former, Timestamp::now)
    })
    .await;
    let then = calling.each_ref().map(|running| running.calls(true));
    eventually(PATIENCE, "each program has called since", async || {
        tokio::time::sleep(LOOK).await;
        let since = calling.iter().zip(then).all(|(running, then)| running.calls(true) > then + 1);
        eventually::check(since, || calling.each_ref().map(Running::seen).join("\n"))
    })
    .await;
    for running in &calling {
        running.process.assert_running();
        running.process.kill();
        assert_eq!(running.calls(false), 0, "{}", running.seen());
        canary::assert_clean(&running.process.log(), running.name);
    }

    let ended = copy.process.ended(PATIENCE).await;
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}\n{}", copy.seen());
    assert!(copy.keys() >= ROTATIONS, "{}", copy.seen());
    let copied = std::fs::read_dir(&data).expect("a folder").count();
    assert_eq!(copied, OBJECTS, "{}", copy.seen());
    canary::assert_clean(&copy.process.log(), copy.name);
    println!("{}\n{}", calling.each_ref().map(Running::seen).join("\n"), copy.seen());
    given.stage.strike().await;
}

#[test]
fn each_recipe_mounts_the_secret_where_its_variables_point() {
    let name = "store";
    let recipe = Recipe::of(name);
    let mounts = recipe.container["volumeMounts"].as_array().expect("mounts");
    assert!(mounts.iter().any(|m| m["mountPath"] == MOUNT && m["subPath"].is_null()), "{name}");
    let folder = scratch::subfolder("mount");
    let variables = recipe.environment(&folder);
    let inside = |value: &String| Path::new(value).starts_with(&folder);
    assert!(variables.iter().any(|(_, value)| inside(value)), "{name}: {variables:?}");
    assert!(!variables.iter().any(|(_, value)| value.contains(MOUNT)), "{variables:?}");
}
