//! Fixtures of the sources' tests: inputs without a cluster, and a request around them.

use super::{InputData, Inputs, Request, SourceContext, SourceSpec};
use crate::aws::{Caller, Meter, Sts, TotpSteps};
use crate::registry::Registry;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::config::{BehaviorVersion, Credentials, Region};
use futures::future::BoxFuture;
use jiff::Timestamp;
use refreshable_api::{PrincipalSpec, StsSpec, VerifyPrincipal};
use refreshable_rules::input_object::InputObject;
use refreshable_rules::issuer::{IssueError, Issued};
use refreshable_rules::policy::Grants;
use secrecy::{SecretSlice, SecretString};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Secrets and ConfigMaps, and a token for the ServiceAccount `app`.
#[derive(Default)]
pub(crate) struct Desk(BTreeMap<InputObject, Arc<InputData>>);

impl Desk {
    /// With a Secret that holds `data`.
    pub(crate) fn with(self, name: &str, data: &[(&str, &[u8])]) -> Self {
        self.with_object(InputObject::Secret(name.to_owned()), data)
    }

    /// With an object that holds `data`.
    pub(crate) fn with_object(mut self, object: InputObject, data: &[(&str, &[u8])]) -> Self {
        let data =
            data.iter().map(|(k, v)| ((*k).to_owned(), SecretSlice::from(v.to_vec()))).collect();
        let held = InputData::new(object.clone(), "u/1".to_owned(), None, data);
        self.0.insert(object, Arc::new(held));
        self
    }

    fn get(&self, object: &InputObject) -> Result<Arc<InputData>, IssueError> {
        let missing = || IssueError::InputMissing {
            kind: object.kind(),
            name: object.name().to_owned(),
            key: None,
        };
        self.0.get(object).cloned().ok_or_else(missing)
    }
}

impl Inputs for Desk {
    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<InputData>, IssueError>> {
        Box::pin(async move { self.get(&InputObject::Secret(name.to_owned())) })
    }

    fn state<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<InputData>, IssueError>> {
        self.secret(name)
    }

    fn trust<'a>(
        &'a self,
        object: &'a InputObject,
    ) -> BoxFuture<'a, Result<Arc<InputData>, IssueError>> {
        Box::pin(async move { self.get(object) })
    }

    fn may_replace<'a>(
        &'a self,
        _over: &'a InputData,
        _key: &'a str,
    ) -> BoxFuture<'a, Result<bool, IssueError>> {
        Box::pin(async { Ok(true) })
    }

    fn replace<'a>(
        &'a self,
        _over: &'a InputData,
        _key: &'a str,
        _value: &'a SecretString,
    ) -> BoxFuture<'a, Result<bool, IssueError>> {
        Box::pin(async { Ok(true) })
    }

    fn token<'a>(
        &'a self,
        account: &'a str,
        _audience: &'a str,
    ) -> BoxFuture<'a, Result<SecretString, IssueError>> {
        Box::pin(async move {
            match account {
                "app" => Ok(SecretString::from("a.b.c")),
                _ => Err(IssueError::InputMissing {
                    kind: "ServiceAccount",
                    name: account.to_owned(),
                    key: None,
                }),
            }
        })
    }
}

struct NoMeter;

impl Meter for NoMeter {
    fn issuer_call(
        &self,
        _: &'static str,
        _: Option<refreshable_rules::retry::Class>,
        _: Duration,
    ) {
    }
}

/// An address without a listener.
const NOWHERE: &str = "http://127.0.0.1:1";

/// Obtains credentials from `source` (JSON as in `spec.source`), with an STS that is nowhere.
pub(crate) async fn issue(source: Value, desk: &Desk) -> Result<Issued, IssueError> {
    issue_with(source, Value::Array(Vec::new()), desk).await
}

/// The same, with roles behind it.
pub(crate) async fn issue_with(
    source: Value,
    roles: Value,
    desk: &Desk,
) -> Result<Issued, IssueError> {
    issue_at(NOWHERE, source, roles, desk).await
}

/// The same, with all of AWS's services at `aws`, which also responds for the controller's own
/// identity.
pub(crate) async fn issue_at(
    aws: &str,
    source: Value,
    roles: Value,
    desk: &Desk,
) -> Result<Issued, IssueError> {
    issue_of(aws, source, roles, desk, None, Registry::default()).await
}

/// The same with `verify: Never`, and with a program `printed` that prints this.
pub(crate) async fn issue_unverified(
    aws: &str,
    source: Value,
    roles: Value,
    desk: &Desk,
    output: &str,
) -> Result<Issued, IssueError> {
    let unverified = PrincipalSpec { verify: Some(VerifyPrincipal::Never), ..Default::default() };
    let processes = serde_json::json!({"processes": {"printed": {"command": ["/usr/bin/printf", "%s", output]}}});
    let registry = serde_json::from_value(processes).expect("a registry");
    issue_of(aws, source, roles, desk, Some(&unverified), registry).await
}

async fn issue_of(
    aws: &str,
    source: Value,
    roles: Value,
    desk: &Desk,
    principal: Option<&PrincipalSpec>,
    registry: Registry,
) -> Result<Issued, IssueError> {
    crate::http::tests::install_crypto();
    let source: SourceSpec = serde_json::from_value(source).expect("a source");
    let roles: Vec<refreshable_api::Role> = serde_json::from_value(roles).expect("roles");
    let config = aws_types::SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .time_source(aws_smithy_async::time::SystemTimeSource::new())
        .sleep_impl(aws_smithy_async::rt::sleep::default_async_sleep().expect("tokio's"))
        .region(Region::from_static("eu-west-1"))
        .endpoint_url(aws)
        .credentials_provider(own_identity())
        .build();
    let (sts, totp, spec) = (Sts::new(&config, NoMeter), TotpSteps::default(), StsSpec::default());
    let grants = Grants::default();
    let source_context = SourceContext::new(config, registry);
    let request = Request {
        namespace: "team-a",
        session_name: "team-a.reports".to_owned(),
        roles: &roles,
        session_tags: Vec::new(),
        grants: &grants,
        sts_spec: &spec,
        sts: &sts,
        inputs: desk,
        totp: &totp,
        now: "2026-01-01T00:00:00Z".parse::<Timestamp>().expect("time"),
        ambient: (aws != NOWHERE).then(|| Caller::Ambient(own_identity())),
        source_context: &source_context,
    };
    super::issue(&source, principal, &request).await
}

/// The session token of the controller's own identity.
pub(crate) const OWN_TOKEN: &str = "the-session-token-of-the-controller-itself";

fn own_identity() -> SharedCredentialsProvider {
    let keys = Credentials::new(
        "ASIAOWN",
        "the-secret-key-of-the-controller",
        Some(OWN_TOKEN.to_owned()),
        None,
        "own",
    );
    SharedCredentialsProvider::new(keys)
}
