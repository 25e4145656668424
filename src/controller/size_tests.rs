//! How many bytes one more resource takes: in a process of its own, as other tests allocate beside
//! this one.

use crate::feeds::{Feed, Place};
use crate::{Memory, ResourceName, SecretMeta, Settings, Touched, View};
use jiff::{SignedDuration, Timestamp};
use kube::runtime::watcher::Event;
use refreshable_api::{RefreshableCredential, names};
use refreshable_engine::{Next, Now, Queue};
use serde_json::{Value, json};
use std::time::Duration;

/// The design's limit for a resource together with its Secret's metadata, in bytes.
const MOST: u64 = 2 * 1024;
/// So many are there before those that are measured.
const BEFORE: usize = 5_000;
const MEASURED: usize = 20_000;

fn principal(n: usize) -> String {
    format!("arn:aws:sts::111122223333:assumed-role/reader-{n}/team-{}.app-{n}", n % 100)
}

fn condition(kind: &str, status: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": "Issued", "message": message,
        "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

/// A resource as it is after its first rotation.
fn resource(n: usize) -> RefreshableCredential {
    let (namespace, name) = (format!("team-{}", n % 100), format!("app-{n}"));
    let message =
        format!("credentials of {} are published, valid until 2026-01-01T01:00:00Z", principal(n));
    let status = json!({
        "observedGeneration": 1, "expiration": "2026-01-01T01:00:00Z",
        "lastRefreshTime": "2026-01-01T00:00:00Z", "nextRefreshTime": "2026-01-01T00:38:12Z",
        "principal": {"accountId": "111122223333", "arn": principal(n), "userId": format!("AROAEXAMPLE{n:08}:team-1.app")},
        "secret": {"name": name, "keys": ["config", "credentials"]},
        "permission": {"allowed": true, "policies": ["team-roles"]},
        "conditions": [condition("Ready", "True", &message)],
    });
    let metadata = json!({"namespace": namespace, "name": name, "uid": format!("00000000-0000-0000-0000-{n:012}"),
        "resourceVersion": (1000 + n).to_string(), "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{"manager": "kubectl", "operation": "Update"}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x".repeat(400)}});
    let spec = json!({"roles": [{"roleArn": format!("arn:aws:iam::111122223333:role/reader-{n}"), "durationSeconds": 3600}]});
    read(json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
        "metadata": metadata, "spec": spec, "status": status}))
}

/// The metadata of its Secret.
fn secret(n: usize) -> SecretMeta {
    let (namespace, name) = (format!("team-{}", n % 100), format!("app-{n}"));
    let uid = format!("00000000-0000-0000-0000-{n:012}");
    let digest = "0123456789abcdef".repeat(4);
    let annotations = json!({
        names::OWNER_UID_ANNOTATION: uid, names::OWNER_NAME_ANNOTATION: name,
        names::ISSUED_AT_ANNOTATION: "2026-01-01T00:00:00Z", names::EXPIRATION_ANNOTATION: "2026-01-01T01:00:00Z",
        names::REQUEST_ANNOTATION: digest, names::CHECKSUM_ANNOTATION: digest,
        names::PRINCIPAL_ANNOTATION: principal(n), names::PRINCIPAL_ID_ANNOTATION: format!("AROAEXAMPLE{n:08}:team-1.app"),
        names::KEY_ID_ANNOTATION: format!("ASIA{n:016}"),
    });
    let owner = json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
        "name": name, "uid": uid, "controller": true, "blockOwnerDeletion": true});
    let metadata = json!({"namespace": namespace, "name": name, "uid": format!("10000000-0000-0000-0000-{n:012}"),
        "resourceVersion": (2000 + n).to_string(), "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {names::MANAGED_BY_LABEL: names::MANAGED_BY}, "annotations": annotations, "ownerReferences": [owner]});
    read(json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}))
}

fn read<K: serde::de::DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).expect("an object")
}

/// Bytes of this process that are in memory, as Linux counts them (`proc_pid_status(5)`).
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Everything that a running controller knows of a resource that rests.
struct Known {
    credentials: Feed<RefreshableCredential>,
    secrets: Feed<SecretMeta>,
    memory: Memory,
    queue: Queue<ResourceName>,
    view: View,
}

impl Known {
    fn nothing() -> Self {
        let (view, places) = (View::new(true, false), Place::of(&[]));
        let names = |changes: &[crate::Change<RefreshableCredential>]| -> Touched {
            changes.iter().filter_map(|c| c.sides().next()).map(crate::store::name_of).collect()
        };
        Self {
            credentials: Feed::new(&view.credentials, &places, names),
            secrets: Feed::new(&view.secrets, &places, |_| Touched::new()),
            memory: Memory::default(),
            queue: Queue::new(Settings::default().queue_limits(64)),
            view,
        }
    }

    fn learn(&mut self, which: std::ops::Range<usize>) {
        let (now, place) = (Timestamp::UNIX_EPOCH, &Place::Everywhere);
        let at = Now { wall: now, boot: Duration::ZERO };
        for n in which {
            let object = resource(n);
            self.memory.status_written(
                object.metadata.uid.as_deref().unwrap_or_default(),
                Some("1".to_owned()),
                now,
            );
            for touched in self.credentials.take(place, Event::Apply(object)) {
                self.queue.touch(touched, at);
            }
            self.secrets.take(place, Event::Apply(secret(n)));
            while let Some(due) = self.queue.due(at) {
                self.queue.looked(&due.key, Next::At(now + SignedDuration::from_hours(1)), at);
            }
        }
    }
}

/// Prints the bytes that each of many resources takes.
#[test]
#[ignore = "measures its own process, which the next test starts"]
fn in_a_process_of_its_own() {
    let mut known = Known::nothing();
    known.learn(0..BEFORE);
    let before = resident();
    known.learn(BEFORE..BEFORE + MEASURED);
    let bytes = resident().saturating_sub(before) / MEASURED as u64;
    assert_eq!(
        (known.view.credentials.len(), known.view.secrets.len()),
        (BEFORE + MEASURED, BEFORE + MEASURED)
    );
    println!("bytes={bytes}");
}

#[test]
fn one_more_resource_and_its_secret_take_two_kilobytes() {
    let program = std::env::current_exe().expect("this program");
    let output = std::process::Command::new(program)
        .args(["--exact", "size_tests::in_a_process_of_its_own", "--ignored", "--nocapture"])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let bytes =
        text.split_once("bytes=").and_then(|(_, rest)| rest.lines().next()?.parse::<u64>().ok());
    let bytes = bytes.unwrap_or_else(|| panic!("{text}"));
    println!("{bytes} bytes");
    assert!((200..=MOST).contains(&bytes), "{bytes} bytes");
}
