//! The report of `inspect` on one resource, in whatever form it is printed.

use super::chain::{self, Step};
use super::consumers::Consumer;
use jiff::Timestamp;
use kube::ResourceExt as _;
use refreshable_api::conditions::READY;
use refreshable_api::{
    FailureStatus, PrincipalStatus, ProfileStatus, RefreshableCredential,
    RefreshableCredentialStatus, time_of,
};
use serde::Serialize;

/// The report on a resource.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) ready: String,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) suspended: bool,
    pub(super) issued: Option<Timestamp>,
    pub(super) renewal: Option<Timestamp>,
    pub(super) expiration: Option<Timestamp>,
    pub(super) principal: Option<PrincipalStatus>,
    pub(super) session_token: Option<SessionToken>,
    pub(super) secret: String,
    pub(super) secret_keys: Vec<String>,
    pub(super) chain: Vec<Step>,
    pub(super) permission: Allowed,
    pub(super) profiles: Vec<ProfileStatus>,
    pub(super) failure: Option<FailureStatus>,
    pub(super) consumers: Vec<Consumer>,
    /// Kinds that this user may not list, so that consumers of them are not known.
    pub(super) not_visible: Vec<&'static str>,
}

/// Whether the administrator's policies allow it, as far as this user can tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all_fields = "camelCase")]
pub(super) enum Allowed {
    /// It uses nothing that belongs to the administrator.
    NotNeeded,
    /// These policies allow it.
    Yes { policies: Vec<String> },
    /// The controller works with it, so it is allowed; by which policies this user may not see.
    YesSomehow { why: String },
    /// No policy allows it, and this rule would.
    No { rule: String },
    /// This user may not read policies, and the controller has not spoken yet.
    Unknown { why: String },
}

/// The session token's size, where the issuer told it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct SessionToken {
    /// In bytes.
    pub(super) size: i32,
    /// In percent of the largest that AWS issues.
    pub(super) utilization: Option<i32>,
}

impl SessionToken {
    fn of(status: &RefreshableCredentialStatus) -> Option<Self> {
        Some(Self {
            size: status.session_token_size?,
            utilization: status.session_token_utilization,
        })
    }
}

impl Report {
    /// The resource's own status, with the objects around it.
    pub(super) fn of(
        object: &RefreshableCredential,
        permission: Allowed,
        consumers: Vec<Consumer>,
        not_visible: Vec<&'static str>,
    ) -> Self {
        let status = object.status.clone().unwrap_or_default();
        let ready = status.conditions.iter().find(|c| c.type_ == READY);
        let next = status.failures.as_ref().map(|f| f.next_try_time.0);
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            ready: ready.map_or("Unknown", |c| c.status.as_str()).to_owned(),
            reason: ready.map_or("Pending", |c| c.reason.as_str()).to_owned(),
            message: ready
                .map_or("the controller has not looked at it: is it running?", |c| {
                    c.message.as_str()
                })
                .to_owned(),
            suspended: object.spec.suspended(),
            issued: time_of(&status.last_refresh_time),
            renewal: next.or_else(|| time_of(&status.next_refresh_time)),
            expiration: time_of(&status.expiration),
            session_token: SessionToken::of(&status),
            principal: status.principal,
            secret: object.secret_name(),
            secret_keys: status.secret.map(|s| s.keys).unwrap_or_default(),
            chain: chain::steps(object),
            permission,
            profiles: status.profiles.unwrap_or_default(),
            failure: status.failures,
            consumers,
            not_visible,
        }
    }
}
