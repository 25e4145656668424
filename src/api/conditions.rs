//! Condition types and reasons, the one place where they are named.
//!
//! The conditions follow
//! [kstatus](https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus). `Ready`: the
//! Secret holds valid credentials that match the specification. `Reconciling`: the controller is
//! still working towards that. `Stalled`: a person has to change something. `Reconciling` and
//! `Stalled` are either `True` or absent. On a CredentialPolicy, `Ready` says whether its grants
//! are in force; on a ClusterRefreshableCredential, whether those of all its namespaces are ready.
//!
//! ```
//! use refreshable_api::RefreshableCredentialStatus;
//! use refreshable_api::conditions::{READY, Reason};
//!
//! fn is_issued(status: &RefreshableCredentialStatus) -> bool {
//!     let ready = status.conditions.iter().find(|c| c.type_ == READY);
//!     ready.is_some_and(|c| c.status == "True" && c.reason == Reason::Issued.as_str())
//! }
//! assert!(!is_issued(&RefreshableCredentialStatus::default()));
//! ```

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// The Secret holds valid credentials that match the specification.
pub const READY: &str = "Ready";
/// The controller is working towards the specification.
pub const RECONCILING: &str = "Reconciling";
/// Nothing changes until a person changes something.
pub const STALLED: &str = "Stalled";

/// Reason of the event for a published Secret that was deleted because its permission was revoked.
pub const WITHDRAWN: &str = "Withdrawn";

/// Reason of a condition, of an event, and low-cardinality label of metrics.
///
/// Written and read as the variant's name.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumString, IntoStaticStr, VariantArray,
)]
pub enum Reason {
    /// Credentials are published and valid.
    Issued,
    /// Published credentials are valid, but their renewal fails.
    RefreshFailing,
    /// Renewal is suspended by `spec.suspend`.
    Suspended,
    /// The published credentials have expired.
    Expired,
    /// The issuer denied the request.
    AccessDenied,
    /// The issuer throttles.
    Throttled,
    /// The resources of the namespace made as many attempts a minute as its administrator allows.
    AttemptsLimited,
    /// The resources of the namespace take more bytes than its administrator allows.
    SizeLimited,
    /// The issuer could not be reached, or had an internal error.
    IssuerUnavailable,
    /// The issuer's response could not be used.
    InvalidAnswer,
    /// The specification is wrong in a way that only the issuer or the controller can detect.
    InvalidSpecification,
    /// A referenced object, or a key in it, does not exist.
    InputMissing,
    /// A referenced object holds unusable data.
    InputInvalid,
    /// A token, assertion or key of the source has expired or was revoked.
    InputExpired,
    /// A PKCS#11 token refused the PIN, which is not tried again before the Secret changes.
    PinRefused,
    /// A person has to act, for example to sign in again.
    PersonNeeded,
    /// No CredentialPolicy allows the request.
    NotPermitted,
    /// No CredentialPolicy allows the published credentials any more: their Secret is deleted after
    /// a grace period.
    WithdrawalPending,
    /// As `WithdrawalPending`, but the Secret stays: too many Secrets would be deleted at once, or
    /// withdrawals are paused.
    WithdrawalHeld,
    /// A Secret of that name belongs to another owner.
    SecretConflict,
    /// The published Secret is immutable.
    SecretImmutable,
    /// The API server refuses the Secret: a quota, an admission policy or webhook, RBAC, or its
    /// size.
    SecretRefused,
    /// The published Secret is being deleted, and finalizers hold it.
    SecretTerminating,
    /// The credentials belong to another principal than the specification demands.
    WrongPrincipal,
    /// The Kubernetes API refused or failed a read or write.
    KubernetesError,
    /// The controller failed internally while it reconciled the resource.
    InternalError,
    /// A workload could not be restarted after a rotation. Events only.
    RestartFailing,
    /// A workload was restarted after a rotation although its last rollout had not ended. Events
    /// only.
    RestartForced,
    /// Pods are not notified of a rotation, because the administrator did not enable it. Events
    /// only.
    PropagationOff,
    /// The Secret was deleted and made anew, because another type was asked for. Events only.
    SecretReplaced,
}

impl Reason {
    /// Every reason.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The reason as written in conditions and events.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Reason of a condition of a CredentialPolicy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
pub enum PolicyReason {
    /// Everything in `spec.allow` is granted to the selected namespaces.
    Accepted,
    /// The same, though patterns allow a namespace what is named after another one.
    AmbiguousPattern,
    /// The same, but for patterns that no resource can ever match.
    UnmatchablePattern,
    /// The namespace selector cannot be read: the policy selects no namespace and allows nothing.
    InvalidSelector,
}

impl PolicyReason {
    /// Every reason.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The reason as written in conditions.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Reason of a condition of a ClusterRefreshableCredential, and of a namespace that it could give
/// nothing to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
pub enum ClusterReason {
    /// The RefreshableCredential of every selected namespace is ready.
    AllReady,
    /// The RefreshableCredential of some selected namespace is not ready.
    NotAllReady,
    /// No namespace has the labels that the selector asks for.
    NoNamespaces,
    /// The namespace selector cannot be read. What was made before stays.
    InvalidSelector,
    /// The controller has not looked at the RefreshableCredential yet.
    Pending,
    /// A RefreshableCredential of that name exists, and is somebody else's.
    NameTaken,
    /// The API server does not take what the template makes.
    Refused,
}

impl ClusterReason {
    /// Every reason.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The reason as written in conditions.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_from_what_is_written() {
        assert_eq!(
            (Reason::Issued.as_str(), Reason::PropagationOff.as_str()),
            ("Issued", "PropagationOff")
        );
        for reason in Reason::ALL {
            assert_eq!(
                (reason.as_str().parse(), reason.to_string().as_str()),
                (Ok(*reason), reason.as_str())
            );
        }
        assert!("issued".parse::<Reason>().is_err());
    }

    fn documented_under(heading: &str) -> Vec<&'static str> {
        let page = include_str!("../../docs/troubleshooting.md");
        let (_, page) =
            page.split_once(&format!("\n## {heading}\n")).expect("a part about reasons");
        let (page, _) = page.split_once("\n## ").expect("and one after it");
        let mut documented: Vec<&str> =
            page.lines().filter_map(|l| l.strip_prefix("### `")?.strip_suffix('`')).collect();
        documented.sort_unstable();
        documented
    }

    #[test]
    fn every_reason_has_its_section_in_the_documentation() {
        let mut known: Vec<&str> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        known.sort_unstable();
        assert_eq!(
            documented_under("By reason"),
            known,
            "docs/troubleshooting.md has one section for each reason"
        );
    }

    #[test]
    fn every_reason_of_a_policy_has_its_section_in_the_documentation() {
        let mut known: Vec<&str> = PolicyReason::ALL.iter().map(|r| r.as_str()).collect();
        known.sort_unstable();
        assert_eq!(documented_under("By reason of a policy"), known);
    }

    #[test]
    fn every_reason_of_a_cluster_s_resource_has_its_section_in_the_documentation() {
        let mut known: Vec<&str> = ClusterReason::ALL.iter().map(|r| r.as_str()).collect();
        known.sort_unstable();
        assert_eq!(documented_under("By reason of a ClusterRefreshableCredential"), known);
    }
}
