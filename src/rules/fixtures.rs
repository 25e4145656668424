//! Builders for the tables of the rules' tests.

use super::fingerprint;
use super::inputs::{KnownInputs, UsedInput};
use super::ownership::{Content, Record};
use super::plan;
use super::policy::Permission;
use crate::failure::Failure;
use crate::issuer::IssueError;
use crate::report::{self, Finding};
use jiff::{SignedDuration, Timestamp};
use refreshable_api::{PrincipalStatus, RefreshableCredential, SecretStatus};
use serde_json::{Value, json};

/// The UID of the resources.
pub const UID: &str = "11111111-2222-3333-4444-555555555555";

/// `minutes` after the moment at which every table begins.
pub fn minute(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600).expect("in range") + SignedDuration::from_mins(minutes)
}

/// A resource `x` in namespace `team-a`.
pub fn credential(spec: Value) -> RefreshableCredential {
    let metadata = json!({"name": "x", "namespace": "team-a", "uid": UID, "generation": 3});
    let object = json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential", "metadata": metadata, "spec": spec});
    serde_json::from_value(object).expect("a resource")
}

/// A resource with one role.
pub fn with_a_role() -> RefreshableCredential {
    credential(json!({"roles": [{"roleArn": "arn:aws:iam::111122223333:role/reader"}]}))
}

/// An input that was used at `version`, without a digest.
pub fn at_version(version: &str) -> UsedInput {
    UsedInput { version: Some(version.to_owned()), digest: None }
}

/// The inputs as seen, without a look at their data.
pub fn seen(inputs: &[(&str, Option<&str>)]) -> KnownInputs {
    let mut known = KnownInputs::default();
    for (name, version) in inputs {
        known.see(name, version.map(str::to_owned), Default::default());
    }
    known
}

/// The Secret of `object`, issued at minute 0 for an hour, as published.
pub fn record(object: &RefreshableCredential) -> Record {
    let content = Content {
        issued_at: minute(0),
        expiration: minute(60),
        request: fingerprint::of_request(&object.spec),
        inputs: [("key".to_owned(), at_version("1"))].into(),
        checksum: "c".to_owned(),
        principal: PrincipalStatus {
            arn: Some("arn:aws:sts::111122223333:assumed-role/reader/team-a.x".to_owned()),
            ..PrincipalStatus::default()
        },
        packed_policy_size: Some(7),
        token: Default::default(),
        profiles: Default::default(),
        key_id: None,
        warning: None,
        handled_refresh: None,
    };
    Record {
        name: object.secret_name(),
        uid: "secret".to_owned(),
        resource_version: "10".to_owned(),
        content: Some(content),
        adopted: false,
        deleting: false,
        finalizers: Vec::new(),
    }
}

/// `object` with the status that reports its `record` as good.
pub fn reported(mut object: RefreshableCredential, record: &Record) -> RefreshableCredential {
    let status =
        report::status(&object, &Permission::NotNeeded, Some(record), &Finding::Good, minute(0));
    assert_eq!(status.secret.as_ref().map(|s: &SecretStatus| s.name.as_str()), Some("x"));
    object.status = Some(status);
    object
}

/// `object` after an attempt that failed with `error` at `now`.
pub fn failed(
    mut object: RefreshableCredential,
    error: &IssueError,
    record: Option<&Record>,
    now: Timestamp,
) -> RefreshableCredential {
    let attempted = plan::attempt(&object, plan::Cause::First);
    let failure: Failure = error.failure();
    let finding = report::failing(&object, &failure, attempted, record, now);
    object.status = Some(report::status(&object, &Permission::NotNeeded, record, &finding, now));
    object
}

/// An issuer that cannot be reached.
pub fn unreachable() -> IssueError {
    IssueError::Unreachable {
        operation: "AssumeRole",
        endpoint: "sts".to_owned(),
        detail: "timeout".to_owned(),
    }
}
