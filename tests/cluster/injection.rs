//! Injection: the chart's admission policies on a real API server, and the kustomize components
//! that do the same.

use super::typist;
use crate::harness::cluster::Namespace;
use crate::harness::{Cluster, background, eventually, programs, scratch};
use k8s_openapi::api::core::v1::{Event, Pod};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::sync::OnceCell;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SOON: Duration = Duration::from_secs(60);
/// A CronJob runs at the full minute.
const A_MINUTE: Duration = Duration::from_secs(150);
const MOUNT: &str = "/var/run/secrets/refreshable.dev/aws";
const TOKEN: &str = "/var/run/secrets/refreshable.dev/agent";
const URL: &str = "http://127.0.0.1:9911/v1/credentials";

/// `refreshable.dev/<name>` and its value.
type Annotations = &'static [(&'static str, &'static str)];

/// A namespace of a cluster in which the policies work.
struct Bench {
    cluster: &'static Cluster,
    namespace: Namespace,
}

impl Bench {
    async fn set() -> Self {
        Self::labelled(&[]).await
    }

    async fn labelled(labels: &[(&str, &str)]) -> Self {
        static INSTALLED: OnceCell<()> = OnceCell::const_new();
        let cluster = Cluster::shared().await;
        INSTALLED.get_or_init(|| install(cluster)).await;
        Self::without_policies(cluster, labels).await
    }

    async fn without_policies(cluster: &'static Cluster, labels: &[(&str, &str)]) -> Self {
        let namespace = labels
            .iter()
            .fold(cluster.namespace("injection"), |n, (key, value)| n.label(key, value));
        Self { cluster, namespace: namespace.create().await }
    }

    /// A resource that publishes as `secret` says; nobody serves it.
    async fn resource(&self, name: &str, secret: Value) {
        let roles = json!([{"roleArn": "arn:aws:iam::111122223333:role/reader"}]);
        self.create(&resource(
            name,
            json!({"roles": roles, "sts": {"region": "eu-west-1"}, "secret": secret}),
        ))
        .await;
    }

    /// A resource with profiles for two accounts.
    async fn profiles(&self, name: &str) {
        let role = json!([{"roleArn": "arn:aws:iam::111122223333:role/reader"}]);
        let profiles = json!([{"name": "dev", "roles": role}, {"name": "prod", "roles": role, "region": "us-east-1"}]);
        self.create(&resource(name, json!({"profiles": profiles}))).await;
    }

    async fn create(&self, object: &Value) {
        let (ok, _, said) = self.kubectl(object, &[]).await;
        assert!(ok, "{said}\n{object:#}");
    }

    async fn kubectl(&self, object: &Value, flags: &[&str]) -> (bool, String, String) {
        let file =
            scratch::write(scratch::subfolder("object").join("object.json"), object.to_string());
        let file = file.display().to_string();
        let start = [
            "create",
            "--namespace",
            &self.namespace.name,
            "--output",
            "json",
            "--filename",
            &file,
        ];
        self.cluster.try_kubectl(&[&start[..], flags].concat()).await
    }

    /// The Pod as it is admitted and what was warned of, or why it is refused.
    async fn admit(&self, pod: &Value) -> Result<(Value, String), String> {
        match self.kubectl(pod, &["--dry-run=server"]).await {
            (true, admitted, warned) => {
                Ok((serde_json::from_str(&admitted).expect("JSON"), warned))
            }
            (false, _, said) => Err(said),
        }
    }

    async fn admitted(&self, pod: &Value) -> Value {
        self.admit(pod).await.unwrap_or_else(|said| panic!("{said}\n{pod:#}")).0
    }

    async fn refused(&self, pod: &Value) -> String {
        match self.admit(pod).await {
            Ok((admitted, _)) => panic!("{admitted:#}"),
            Err(said) => said,
        }
    }

    /// Waits for a Pod of this application.
    async fn pod_of(&self, application: &str, deadline: Duration) -> Value {
        let pods = self.namespace.api::<Pod>();
        let labelled = kube::api::ListParams::default().labels(&format!("app={application}"));
        let pod = eventually(deadline, &format!("{application} has a Pod"), async || {
            let found = pods.list(&labelled).await.map_err(|error| error.to_string())?;
            found.items.into_iter().next().ok_or_else(|| "none yet".to_owned())
        })
        .await;
        serde_json::to_value(pod).expect("JSON")
    }
}

fn resource(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
        "metadata": {"name": name}, "spec": spec,
    })
}

/// The objects of the chart's injection, and that alone, of this release and with these values.
async fn rendered(release: &str, values: &str) -> String {
    let (release, values) = (release.to_owned(), format!("injection.enabled=true,{values}"));
    background::blocking(move || {
        let output = Command::new(programs::tool("helm"))
            .args(["template", &release, "--namespace", "bench-system", "--set", &values])
            .args(["--show-only", "templates/injection.yaml"])
            .arg(Path::new(ROOT).join("charts/refreshable"))
            .output()
            .expect("helm starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    })
    .await
}

async fn apply(cluster: &Cluster, manifest: &str) {
    let file = scratch::write(scratch::subfolder("injection").join("injection.yaml"), manifest);
    cluster.kubectl(&["apply", "--server-side", "--filename", &file.display().to_string()]).await;
}

async fn install(cluster: &'static Cluster) {
    apply(cluster, &rendered("bench", "").await).await;
    let bench = Bench::without_policies(cluster, &[]).await;
    bench.resource("first", json!({})).await;
    eventually(SOON, "the policies work", async || {
        let refused = bench
            .admit(&pod(&[("inject", "missing")], json!({})))
            .await
            .err()
            .ok_or("a Pod was admitted")?;
        let (admitted, _) = bench.admit(&pod(&[("inject", "first")], json!({}))).await?;
        if mounted(&admitted) && refused.contains("missing") {
            Ok(())
        } else {
            Err(admitted.to_string())
        }
    })
    .await;
}

/// A Pod with one container, annotations `refreshable.dev/<name>`, and what else `spec` says.
fn pod(annotations: &[(&str, &str)], spec: Value) -> Value {
    let annotations: serde_json::Map<String, Value> = annotations
        .iter()
        .map(|(name, value)| (format!("refreshable.dev/{name}"), (*value).into()))
        .collect();
    let mut whole = json!({
        "containers": [{"name": "app", "image": "app"}],
        "automountServiceAccountToken": false,
    });
    whole.as_object_mut().expect("an object").extend(spec.as_object().expect("an object").clone());
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod", "annotations": annotations}, "spec": whole})
}

fn mounted(pod: &Value) -> bool {
    named(&pod["spec"]["volumes"], "refreshable-aws").is_some()
}

fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|entry| entry["name"] == name)
}

/// A container's environment, a reference to a Secret written as `<secret>#<key>`.
fn environment(container: &Value) -> Value {
    let entries = container["env"].as_array().cloned().unwrap_or_default();
    entries
        .into_iter()
        .map(|entry| {
            let reference = &entry["valueFrom"]["secretKeyRef"];
            let value = match entry["value"].as_str() {
                Some(value) => value.to_owned(),
                None => format!(
                    "{}#{}",
                    reference["name"].as_str().expect("a Secret"),
                    reference["key"].as_str().expect("a key")
                ),
            };
            (entry["name"].as_str().expect("a name").to_owned(), Value::from(value))
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A container's mounts: path to volume.
fn mounts(container: &Value) -> Value {
    let entries = container["volumeMounts"].as_array().cloned().unwrap_or_default();
    entries
        .into_iter()
        .map(|entry| {
            (entry["mountPath"].as_str().expect("a path").to_owned(), entry["name"].clone())
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[tokio::test]
async fn each_mode_gives_what_its_programs_read() {
    let bench = Bench::set().await;
    bench.resource("plain", json!({})).await;
    let all = json!(["Credentials", "Config", "ProcessJson", "Environment"]);
    let keys = json!({"config": "cfg", "credentials": "creds", "processJson": "json", "accessKeyId": "id"});
    let shaped = json!({"name": "other", "mountPath": "/aws/", "profile": "reports", "formats": all, "keys": keys});
    bench.resource("shaped", shaped).await;
    bench.profiles("many").await;

    let region = json!({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"});
    let with = |mut one: Value, other: &Value| {
        one.as_object_mut()
            .expect("an object")
            .extend(other.as_object().expect("an object").clone());
        one
    };
    let endpoint = json!({
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": URL, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": format!("{TOKEN}/token"),
    });
    let table: Vec<(Annotations, Value, Value)> = vec![
        (
            &[("inject", "plain")],
            json!({"AWS_CONFIG_FILE": format!("{MOUNT}/config"), "AWS_SDK_LOAD_CONFIG": "1"}),
            json!({MOUNT: "refreshable-aws"}),
        ),
        (
            &[("inject", "plain"), ("inject-mode", "file")],
            with(json!({"AWS_SHARED_CREDENTIALS_FILE": format!("{MOUNT}/credentials")}), &region),
            json!({MOUNT: "refreshable-aws"}),
        ),
        (
            &[("inject", "plain"), ("inject-mode", "agent")],
            with(endpoint.clone(), &region),
            json!({TOKEN: "refreshable-agent"}),
        ),
        (
            &[("inject", "shaped"), ("inject-mode", "process")],
            json!({"AWS_CONFIG_FILE": "/aws/cfg", "AWS_PROFILE": "reports", "AWS_SDK_LOAD_CONFIG": "1"}),
            json!({"/aws": "refreshable-aws"}),
        ),
        (
            &[("inject", "shaped"), ("inject-mode", "file")],
            with(
                json!({"AWS_SHARED_CREDENTIALS_FILE": "/aws/creds", "AWS_PROFILE": "reports"}),
                &region,
            ),
            json!({"/aws": "refreshable-aws"}),
        ),
        (
            &[("inject", "shaped"), ("inject-mode", "env")],
            json!({
                "AWS_ACCESS_KEY_ID": "other#id", "AWS_SECRET_ACCESS_KEY": "other#AWS_SECRET_ACCESS_KEY",
                "AWS_SESSION_TOKEN": "other#AWS_SESSION_TOKEN", "AWS_REGION": "other#AWS_REGION",
                "AWS_CREDENTIAL_EXPIRATION": "other#AWS_CREDENTIAL_EXPIRATION",
                "AWS_DEFAULT_REGION": "other#AWS_DEFAULT_REGION",
            }),
            json!({}),
        ),
        (
            &[("inject", "many")],
            json!({
                "AWS_CONFIG_FILE": format!("{MOUNT}/config"), "AWS_PROFILE": "dev", "AWS_SDK_LOAD_CONFIG": "1",
            }),
            json!({MOUNT: "refreshable-aws"}),
        ),
        (
            &[("inject", "many"), ("inject-mode", "agent"), ("inject-profile", "prod")],
            with(endpoint, &json!({"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"})),
            json!({TOKEN: "refreshable-agent"}),
        ),
    ];
    for (annotations, variables, paths) in table {
        let admitted = bench
            .admitted(&pod(
                annotations,
                json!({"initContainers": [{"name": "first", "image": "app"}]}),
            ))
            .await;
        let spec = &admitted["spec"];
        let first = named(&spec["initContainers"], "first").expect("it stays");
        for container in [&spec["containers"][0], first] {
            assert_eq!(
                (environment(container), mounts(container)),
                (variables.clone(), paths.clone()),
                "{annotations:?}"
            );
            for mount in container["volumeMounts"].as_array().into_iter().flatten() {
                assert_eq!(mount["readOnly"], true, "{annotations:?}");
            }
        }
        if let Some(volume) = named(&spec["volumes"], "refreshable-aws") {
            let secret = if annotations[0].1 == "shaped" { "other" } else { annotations[0].1 };
            // Not optional: the kubelet waits for it.
            assert_eq!(
                (&volume["secret"]["secretName"], &volume["secret"]["optional"]),
                (&json!(secret), &json!(false))
            );
        }
        assert_eq!(
            admitted["metadata"]["annotations"]["refreshable.dev/injected"],
            annotations[0].1
        );
    }
}

#[tokio::test]
async fn the_sidecar_is_up_before_the_application_and_restricted() {
    let bench = Bench::labelled(&[("pod-security.kubernetes.io/enforce", "restricted")]).await;
    bench.resource("plain", json!({})).await;
    bench.profiles("many").await;
    let own = json!({
        "allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    let container = |name: &str| json!({"name": name, "image": "app", "securityContext": own});
    let spec = json!({"containers": [container("app")], "initContainers": [container("first")]});
    let agent = [("inject", "plain"), ("inject-mode", "agent")];
    let admitted = bench.admitted(&pod(&agent, spec.clone())).await;
    let sidecar = &admitted["spec"]["initContainers"][0];
    assert_eq!(
        (&sidecar["name"], &sidecar["restartPolicy"]),
        (&json!("refreshable-agent"), &json!("Always"))
    );
    assert_eq!(
        admitted["spec"]["initContainers"][1]["name"], "first",
        "other init containers find it running"
    );
    assert_eq!(
        mounts(sidecar),
        json!({MOUNT: "refreshable-aws", TOKEN: "refreshable-agent"}),
        "the credentials are mounted into the sidecar"
    );
    assert_eq!(
        mounts(&admitted["spec"]["containers"][0]),
        json!({TOKEN: "refreshable-agent"}),
        "and into nothing else"
    );
    assert_eq!(
        named(&admitted["spec"]["volumes"], "refreshable-agent").expect("there")["emptyDir"]["medium"],
        "Memory"
    );
    assert_eq!(
        sidecar["startupProbe"]["exec"]["command"],
        json!(["/refreshable-agent", "--probe", "readyz"])
    );
    let file = |pod: &Value| {
        environment(&pod["spec"]["initContainers"][0])["REFRESHABLE_AGENT_CREDENTIALS"].clone()
    };
    assert_eq!(file(&admitted), format!("{MOUNT}/credentials.json"));
    let many = bench.admitted(&pod(&[("inject", "many"), ("inject-mode", "agent")], spec)).await;
    assert_eq!(file(&many), format!("{MOUNT}/dev.json"));
    // What the sidecar is told are flags that it has.
    let flags: Vec<String> = environment(sidecar)
        .as_object()
        .expect("an object")
        .iter()
        .map(|(k, v)| format!("{k}={}", v.as_str().expect("text")))
        .collect();
    let output = Command::new("env")
        .args(["-i"])
        .args(&flags)
        .args([env!("CARGO_BIN_EXE_refreshable-agent"), "--help"])
        .output();
    let help = String::from_utf8(output.expect("it starts").stdout).expect("text");
    for flag in flags {
        assert!(help.contains(&format!("[env: {flag}]")), "{flag}: {help}");
    }
}

#[tokio::test]
async fn what_the_pod_sets_itself_stays() {
    let bench = Bench::set().await;
    let all = json!(["Credentials", "Config", "ProcessJson", "Environment"]);
    bench.resource("plain", json!({"formats": all})).await;
    let container = |env: Value, mounts: Value| json!({"containers": [{"name": "app", "image": "app", "env": env, "volumeMounts": mounts}]});
    let app = async |mode: &str, spec: Value| {
        bench.admitted(&pod(&[("inject", "plain"), ("inject-mode", mode)], spec)).await["spec"]["containers"][0].clone()
    };
    let set =
        json!([{"name": "OTHER", "value": "x"}, {"name": "AWS_CONFIG_FILE", "value": "/mine"}]);
    let kept = app("process", container(set, json!([]))).await;
    assert_eq!(environment(&kept), json!({"OTHER": "x", "AWS_CONFIG_FILE": "/mine"}));
    assert_eq!(mounts(&kept), json!({MOUNT: "refreshable-aws"}));
    let switched = json!([{"name": "AWS_SDK_LOAD_CONFIG", "value": "false"}]);
    let kept = app("process", container(switched, json!([]))).await;
    let config = format!("{MOUNT}/config");
    assert_eq!(
        environment(&kept),
        json!({"AWS_SDK_LOAD_CONFIG": "false", "AWS_CONFIG_FILE": config})
    );

    // Half of a group would be worse than none of it.
    let half = json!([{"name": "AWS_ACCESS_KEY_ID", "value": "mine"}, {"name": "AWS_REGION", "value": "eu-north-1"}]);
    let kept = app("env", container(half, json!([]))).await;
    assert_eq!(
        environment(&kept),
        json!({"AWS_ACCESS_KEY_ID": "mine", "AWS_REGION": "eu-north-1"})
    );

    let mut spec = container(json!([]), json!([{"name": "own", "mountPath": format!("{MOUNT}/")}]));
    spec["volumes"] = json!([{"name": "own", "secret": {"secretName": "plain"}}]);
    let kept = app("process", spec).await;
    assert_eq!(mounts(&kept), json!({format!("{MOUNT}/"): "own"}), "a mount that is there stays");
    assert_eq!(environment(&kept)["AWS_CONFIG_FILE"], format!("{MOUNT}/config"));

    let two = json!({"containers": [{"name": "app", "image": "app"}, {"name": "proxy", "image": "proxy"}]});
    let chosen = [("inject", "plain"), ("inject-containers", "app")];
    let admitted = bench.admitted(&pod(&chosen, two)).await;
    let [app, proxy] = [0, 1].map(|i| mounts(&admitted["spec"]["containers"][i]));
    assert_eq!(
        (app, proxy),
        (json!({MOUNT: "refreshable-aws"}), json!({})),
        "only the containers that are named"
    );
}

#[tokio::test]
async fn what_has_been_injected_is_not_injected_again() {
    let bench = Bench::set().await;
    let all = json!(["Credentials", "Config", "ProcessJson", "Environment"]);
    bench.resource("plain", json!({"formats": all, "profile": "p"})).await;
    for mode in ["process", "file", "agent", "env"] {
        let spec = json!({"initContainers": [{"name": "first", "image": "app"}]});
        let once = bench.admitted(&pod(&[("inject", "plain"), ("inject-mode", mode)], spec)).await;
        let mut copy = pod(&[], once["spec"].clone());
        copy["metadata"]["annotations"] = once["metadata"]["annotations"].clone();
        let twice = bench.admitted(&copy).await;
        assert_eq!(once["spec"], twice["spec"], "{mode}");
    }
}

#[tokio::test]
async fn who_did_not_ask_is_never_held_up() {
    let bench = Bench::set().await;
    let bare = pod(&[], json!({}));
    // In a namespace without any RefreshableCredential, and in one with them.
    let untouched = bench.admitted(&bare).await;
    assert_eq!(untouched["metadata"].get("annotations"), None);
    bench.resource("plain", json!({})).await;
    let still = bench.admitted(&bare).await;
    assert_eq!(untouched["spec"], still["spec"]);
    // A mode alone asks for nothing.
    assert!(!mounted(&bench.admitted(&pod(&[("inject-mode", "nonsense")], json!({}))).await));

    let file = scratch::write(
        scratch::subfolder("system").join("pod.json"),
        pod(&[("inject", "missing")], json!({})).to_string(),
    );
    let file = file.display().to_string();
    let _ = bench.cluster.try_kubectl(&["create", "namespace", "bench-system"]).await;
    for namespace in ["kube-system", "kube-public", "kube-node-lease", "bench-system"] {
        let dry = ["create", "--dry-run=server", "--namespace", namespace, "--filename", &file];
        let (ok, _, said) = bench.cluster.try_kubectl(&dry).await;
        assert!(ok, "{namespace}: {said}");
    }
}

#[tokio::test]
async fn a_policy_that_cannot_be_evaluated_holds_up_nobody() {
    let bench = Bench::set().await;
    let here = &bench.namespace.name;
    // As when the CRD is not there, or the API server has not read it yet.
    let blind = rendered(here, &format!("watchNamespaces={{{here}}}"))
        .await
        .replace("kind: RefreshableCredential", "kind: Gone");
    apply(bench.cluster, &blind.replace("failurePolicy: Ignore", "failurePolicy: Fail")).await;
    let bare = pod(&[], json!({}));
    eventually(SOON, "the policy works, and would hold up everybody if it were let", async || {
        match bench.admit(&bare).await {
            Err(said) if said.contains("Gone") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    apply(bench.cluster, &blind).await;
    eventually(SOON, "it holds up nobody", async || bench.admit(&bare).await).await;
    bench
        .cluster
        .kubectl(&[
            "delete",
            "mutatingadmissionpolicy,mutatingadmissionpolicybinding",
            &format!("{here}-inject"),
        ])
        .await;
}

#[tokio::test]
async fn pods_of_resources_that_are_prompt_are_found_by_their_label() {
    let bench = Bench::set().await;
    bench.resource("prompt", json!({"propagation": "Prompt"})).await;
    bench.resource("patient", json!({})).await;
    let label = async |name: &'static str, labels: Value| {
        let mut asking = pod(&[("inject", name)], json!({}));
        asking["metadata"]["labels"] = labels;
        bench.admitted(&asking).await["metadata"]["labels"].clone()
    };
    let prompt = json!({"refreshable.dev/propagation": "Prompt"});
    assert_eq!(label("prompt", Value::Null).await, prompt);
    let both = json!({"app": "a", "refreshable.dev/propagation": "Prompt"});
    assert_eq!(label("prompt", json!({"app": "a"})).await, both);
    let own = json!({"refreshable.dev/propagation": "Kubelet"});
    assert_eq!(label("prompt", own.clone()).await, own, "a label of its own stays");
    assert_eq!(label("patient", json!({"app": "a"})).await, json!({"app": "a"}));
}

#[tokio::test]
async fn refusals_say_what_to_write_instead() {
    let bench = Bench::set().await;
    bench.resource("plain", json!({})).await;
    bench.resource("files", json!({"formats": ["Credentials"]})).await;
    bench.profiles("many").await;
    let foreign = json!({"volumes": [{"name": "refreshable-aws", "emptyDir": {}}]});
    let missing =
        format!("there is no RefreshableCredential missing in namespace {}", bench.namespace.name);
    let table: Vec<(Annotations, Value, &str)> = vec![
        (&[("inject", "missing")], json!({}), &missing),
        (
            &[("inject", "plain"), ("inject-mode", "sidecar")],
            json!({}),
            "write process, file, agent or env",
        ),
        (
            &[("inject", "plain"), ("inject-mode", "env")],
            json!({}),
            "add Environment to its spec.secret.formats",
        ),
        (&[("inject", "files")], json!({}), "add Config to its spec.secret.formats"),
        (
            &[("inject", "files"), ("inject-mode", "agent")],
            json!({}),
            "add ProcessJson to its spec.secret.formats",
        ),
        (&[("inject", "many"), ("inject-profile", "test")], json!({}), "write one of dev, prod"),
        (&[("inject", "plain"), ("inject-profile", "test")], json!({}), "write one of default"),
        (
            &[("inject", "plain"), ("inject-containers", "app,web")],
            json!({}),
            "write names of the containers of this Pod",
        ),
        (&[("inject", "plain")], foreign, "give it another name"),
    ];
    for (annotations, spec, hint) in table {
        let said = bench.refused(&pod(annotations, spec)).await;
        assert!(said.contains(hint), "{annotations:?}: {said}");
    }
    let file = [("inject", "files"), ("inject-mode", "file")];
    assert!(
        mounted(&bench.admitted(&pod(&file, json!({}))).await),
        "a mode that reads what is written"
    );
}

#[tokio::test]
async fn what_beats_the_injected_credentials_is_warned_about() {
    let bench = Bench::set().await;
    let all = json!(["Credentials", "Config", "ProcessJson", "Environment"]);
    bench.resource("plain", json!({"formats": all})).await;
    let warned = async |mode: &str, variables: &[(&str, &str)]| {
        let env: Vec<Value> =
            variables.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        let spec = json!({"containers": [{"name": "app", "image": "app", "env": env}]});
        bench
            .admit(&pod(&[("inject", "plain"), ("inject-mode", mode)], spec))
            .await
            .expect("admitted")
            .1
    };
    for mode in ["process", "file", "agent"] {
        assert_eq!(warned(mode, &[("AWS_REGION", "eu-west-1")]).await, "", "{mode}");
    }
    let profile = "sets AWS_PROFILE or AWS_DEFAULT_PROFILE itself";
    for mode in ["process", "file", "agent", "env"] {
        for name in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"] {
            let said = warned(mode, &[(name, "mine")]).await;
            assert!(said.contains(profile), "{mode} {name}: {said}");
            let says_which = said.contains("or write default into it");
            assert_eq!(says_which, ["process", "file"].contains(&mode), "{mode} {name}: {said}");
        }
        // What is injected has this name, where files are read.
        let said = warned(mode, &[("AWS_PROFILE", "default")]).await;
        assert_eq!(said.contains(profile), ["agent", "env"].contains(&mode), "{mode}: {said}");
    }
    let said = warned("process", &[("AWS_CONFIG_FILE", "/mine")]).await;
    assert!(
        said.contains("sets AWS_CONFIG_FILE itself")
            && said.contains(&format!("write {MOUNT}/config")),
        "{said}"
    );
    assert_eq!(warned("process", &[("AWS_CONFIG_FILE", &format!("{MOUNT}/config"))]).await, "");
    let said = warned("file", &[("AWS_SHARED_CREDENTIALS_FILE", "/mine")]).await;
    assert!(
        said.contains(
            "sets AWS_SHARED_CREDENTIALS_FILE itself, so that what is injected is not read"
        ),
        "{said}"
    );
    let said = warned("process", &[("AWS_SHARED_CREDENTIALS_FILE", "/mine")]).await;
    assert!(said.contains("prefer keys in it to the injected config file"), "{said}");
    for name in [
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONFIG_FILE",
    ] {
        let said = warned("agent", &[(name, "mine")]).await;
        assert!(said.contains("prefer what it names to the injected sidecar"), "{name}: {said}");
    }
    let elsewhere = json!({"containers": [
        {"name": "app", "image": "app"}, {"name": "other", "image": "app", "env": [{"name": "AWS_PROFILE", "value": "mine"}]},
    ]});
    let chosen = pod(&[("inject", "plain"), ("inject-containers", "app")], elsewhere);
    assert_eq!(
        bench.admit(&chosen).await.expect("admitted").1,
        "",
        "of a container that is not served nothing is said"
    );
    assert!(
        warned("process", &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/t")])
            .await
            .contains("IRSA serves this Pod already")
    );
    assert!(
        warned("agent", &[("AWS_ROLE_ARN", "arn")]).await.contains("IRSA serves this Pod already")
    );
    let agent = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")];
    assert!(warned("process", &agent).await.contains("Pod Identity or another endpoint"));
    assert!(
        warned("file", &[("AWS_ACCESS_KEY_ID", "AKIA")]).await.contains("sets AWS_ACCESS_KEY_ID")
    );
    assert!(
        warned("env", &[("AWS_SECRET_ACCESS_KEY", "s")]).await.contains("sets AWS_ACCESS_KEY_ID")
    );
    let said = warned("env", &[]).await;
    assert!(said.contains("so they expire") && !said.contains("sets AWS_ACCESS_KEY_ID"), "{said}");
}

#[tokio::test]
async fn windows_pods_are_refused_however_they_say_that_they_are() {
    let bench = Bench::set().await;
    bench.resource("plain", json!({})).await;
    let runtime = json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": bench.namespace.name},
        "handler": "runhcs", "scheduling": {"nodeSelector": {"kubernetes.io/os": "windows"}},
    });
    bench.create(&runtime).await;
    let affinity = |terms: Value| {
        let required = json!({"nodeSelectorTerms": terms});
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}})
    };
    let os = |operator: &str, values: Value| json!({"matchExpressions": [{"key": "kubernetes.io/os", "operator": operator, "values": values}]});
    let zone = json!({"matchExpressions": [{"key": "zone", "operator": "Exists"}]});
    let options = json!({"windowsOptions": {"runAsUserName": "ContainerUser"}});
    let window = json!({"name": "app", "image": "app", "securityContext": options});
    for (how, spec, is_one) in [
        ("spec.os", json!({"os": {"name": "windows"}}), true),
        ("the label", json!({"nodeSelector": {"kubernetes.io/os": "windows"}}), true),
        ("the old label", json!({"nodeSelector": {"beta.kubernetes.io/os": "windows"}}), true),
        (
            "the build",
            json!({"nodeSelector": {"node.kubernetes.io/windows-build": "10.0.20348"}}),
            true,
        ),
        ("node affinity", affinity(json!([os("In", json!(["windows"]))])), true),
        (
            "node affinity of two terms",
            affinity(json!([os("In", json!(["windows"])), os("In", json!(["windows"]))])),
            true,
        ),
        (
            "node affinity that leaves Linux out",
            affinity(json!([os("NotIn", json!(["linux"]))])),
            true,
        ),
        ("a RuntimeClass", json!({"runtimeClassName": bench.namespace.name}), true),
        ("the Pod's options", json!({"securityContext": options}), true),
        ("a container's options", json!({"containers": [window]}), true),
        (
            "an init container's options",
            json!({"initContainers": [{"name": "first", "image": "app", "securityContext": options}]}),
            true,
        ),
        ("nothing", json!({}), false),
        (
            "Linux",
            json!({"os": {"name": "linux"}, "nodeSelector": {"kubernetes.io/os": "linux"}}),
            false,
        ),
        ("either", affinity(json!([os("In", json!(["windows", "linux"]))])), false),
        ("Windows or anything", affinity(json!([os("In", json!(["windows"])), zone])), false),
        ("not Windows", affinity(json!([os("NotIn", json!(["windows"]))])), false),
    ] {
        let asking = pod(&[("inject", "plain")], spec.clone());
        match bench.admit(&asking).await {
            Err(said) => assert!(is_one && said.contains("this is a Windows Pod"), "{how}: {said}"),
            Ok((admitted, _)) => assert!(!is_one && mounted(&admitted), "{how}: {admitted:#}"),
        }
        assert!(
            !mounted(&bench.admitted(&pod(&[], spec)).await),
            "{how}: one that did not ask is let alone"
        );
    }
    bench.cluster.kubectl(&["delete", "runtimeclass", &bench.namespace.name]).await;
}

#[tokio::test]
async fn pods_of_every_workload_are_served() {
    let bench = Bench::set().await;
    bench.resource("plain", json!({})).await;
    let template = |application: &str, restart: &str| {
        json!({
            "metadata": {"labels": {"app": application}, "annotations": {"refreshable.dev/inject": "plain"}},
            "spec": {"restartPolicy": restart, "containers": [{"name": "app", "image": "app"}]},
        })
    };
    let selector = |application: &str| json!({"matchLabels": {"app": application}});
    // A node that is there on paper alone, and for this DaemonSet alone.
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": bench.namespace.name},
        "spec": {"taints": [{"key": "injection", "effect": "NoSchedule"}]},
    });
    bench.create(&node).await;
    let mut daemon = template("daemonset", "Always");
    daemon["spec"]["tolerations"] = json!([{"operator": "Exists"}]);
    let job = json!({"template": template("job", "Never")});
    let cron = json!({"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template("cronjob", "Never")}}});
    for (api, kind, spec) in [
        (
            "apps/v1",
            "Deployment",
            json!({"selector": selector("deployment"), "template": template("deployment", "Always")}),
        ),
        (
            "apps/v1",
            "StatefulSet",
            json!({"selector": selector("statefulset"), "serviceName": "s", "template": template("statefulset", "Always")}),
        ),
        ("apps/v1", "DaemonSet", json!({"selector": selector("daemonset"), "template": daemon})),
        ("batch/v1", "Job", job),
        ("batch/v1", "CronJob", cron),
    ] {
        let name = kind.to_lowercase();
        bench
            .create(
                &json!({"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec}),
            )
            .await;
    }
    for application in ["deployment", "statefulset", "daemonset", "job", "cronjob"] {
        let pod = bench.pod_of(application, A_MINUTE).await;
        assert_eq!(
            pod["metadata"]["annotations"]["refreshable.dev/injected"], "plain",
            "{application}"
        );
        assert!(mounted(&pod), "{application}: {pod:#}");
    }
    bench.cluster.kubectl(&["delete", "node", &bench.namespace.name]).await;
}

#[tokio::test]
async fn a_deployment_that_is_early_waits_and_starts_by_itself() {
    let bench = Bench::set().await;
    let spec = json!({
        "selector": {"matchLabels": {"app": "early"}},
        "template": {
            "metadata": {"labels": {"app": "early"}, "annotations": {"refreshable.dev/inject": "late"}},
            "spec": {"containers": [{"name": "app", "image": "app"}]},
        },
    });
    bench
        .create(&json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "early"}, "spec": spec}))
        .await;
    let events = bench.namespace.api::<Event>();
    eventually(SOON, "the ReplicaSet says why it has no Pod", async || {
        let found = events.list(&Default::default()).await.map_err(|error| error.to_string())?;
        let said: Vec<String> = found.items.into_iter().filter_map(|event| event.message).collect();
        let told = said.iter().any(|m| m.contains("there is no RefreshableCredential late"));
        if told { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .await;
    bench.resource("late", json!({})).await;
    assert!(mounted(&bench.pod_of("early", A_MINUTE).await));
}

/// Renders a kustomization of these objects with the component of this mode.
async fn kustomized(bench: &Bench, mode: &str, objects: &[Value]) -> Vec<Value> {
    let folder = scratch::subfolder("kustomization");
    let source = Path::new(ROOT).join("deploy/components/inject").join(mode);
    let target = folder.join("component");
    std::fs::create_dir(&target).expect("a folder");
    for file in
        std::fs::read_dir(source).expect("a component").map(|entry| entry.expect("an entry").path())
    {
        std::fs::copy(&file, target.join(file.file_name().expect("a name"))).expect("copied");
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    scratch::write(folder.join("objects.yaml"), list.to_string());
    let shown = typist::fenced("docs/injection.md", "yaml,kustomization").remove(0);
    let resources = shown.replace("[credential.yaml, deployment.yaml]", "[objects.yaml]");
    let from = resources.split_once("\n- ").expect("a component").1.trim_end().to_owned();
    assert!(from.ends_with("/deploy/components/inject/process"), "{from}");
    scratch::write(folder.join("kustomization.yaml"), resources.replace(&from, "component"));
    let rendered = bench.cluster.kubectl(&["kustomize", &folder.display().to_string()]).await;
    let documents = serde_saphyr::from_multiple::<Value>(&rendered);
    documents.unwrap_or_else(|error| panic!("{error}\n{rendered}"))
}

#[tokio::test]
async fn the_kustomize_components_do_the_same() {
    let bench = Bench::set().await;
    let roles = json!([{"roleArn": "arn:aws:iam::111122223333:role/reader"}]);
    let formats = json!(["Credentials", "Config", "ProcessJson", "Environment"]);
    let credential = resource("reports", json!({"roles": roles, "secret": {"formats": formats}}));
    bench.create(&credential).await;
    let template = json!({
        "restartPolicy": "Never", "automountServiceAccountToken": false,
        "containers": [
            {"name": "app", "image": "app"},
            {"name": "second", "image": "app", "env": [{"name": "OTHER", "value": "x"}]},
        ],
    });
    let asked = json!({"refreshable.dev/inject": "reports"});
    let named = |api: &str, kind: &str, spec: Value| {
        let metadata = json!({"name": kind.to_lowercase(), "annotations": asked});
        json!({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec})
    };
    let job = json!({"template": {"spec": template}});
    let objects = [
        credential,
        named("v1", "Pod", template.clone()),
        named("apps/v1", "Deployment", job.clone()),
        named("apps/v1", "StatefulSet", job.clone()),
        named("apps/v1", "DaemonSet", job.clone()),
        named("batch/v1", "Job", job.clone()),
        named(
            "batch/v1",
            "CronJob",
            json!({"schedule": "* * * * *", "jobTemplate": {"spec": job}}),
        ),
        // One that did not ask.
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bystander"}, "spec": template}),
    ];
    for mode in ["process", "file", "agent", "env"] {
        let rendered = kustomized(&bench, mode, &objects).await;
        assert_eq!(
            rendered.len(),
            objects.len(),
            "what only kustomize reads is not there: {rendered:#?}"
        );
        let find = |kind: &str, name: &str| {
            let found =
                rendered.iter().find(|o| o["kind"] == kind && o["metadata"]["name"] == name);
            found.unwrap_or_else(|| panic!("{kind} {name}: {rendered:#?}"))
        };
        let injected = bench
            .admitted(&pod(&[("inject", "reports"), ("inject-mode", mode)], template.clone()))
            .await;
        for kind in ["Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"] {
            let path = match kind {
                "Pod" => "/spec",
                "CronJob" => "/spec/jobTemplate/spec/template/spec",
                _ => "/spec/template/spec",
            };
            let spec =
                find(kind, &kind.to_lowercase()).pointer(path).expect("a specification").clone();
            let mut same = pod(&[], json!({}));
            same["spec"] = spec;
            assert_eq!(bench.admitted(&same).await["spec"], injected["spec"], "{mode} {kind}");
        }
        assert_eq!(find("Pod", "bystander")["spec"], template, "{mode}");
    }
}
