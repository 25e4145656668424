//! Condition types and reasons, the one place where they are named.
//!
//! The conditions follow
//! [kstatus](https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus): `Ready` says
//! whether the Secret holds valid credentials of what the specification asks for, `Reconciling`
//! that the controller is still working towards that, `Stalled` that it needs somebody to change
//! something. `Reconciling` and `Stalled` are only ever `True` or absent. Of a CredentialPolicy
//! `Ready` says whether what it allows is allowed.
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

/// The Secret holds valid credentials of what the specification asks for.
pub const READY: &str = "Ready";
/// The controller is working towards what the specification asks for.
pub const RECONCILING: &str = "Reconciling";
/// Nothing will change until somebody changes something.
pub const STALLED: &str = "Stalled";

/// Reason of the event that tells that the published Secret was deleted, because its permission was
/// taken back.
pub const WITHDRAWN: &str = "Withdrawn";

/// Why a condition has its status. Also the reason of events and the low-cardinality label of
/// metrics.
///
/// It is written as its variant is called, and read from that.
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
    /// The issuer asks to slow down.
    Throttled,
    /// The issuer could not be reached, or had an internal error.
    IssuerUnavailable,
    /// The issuer's answer could not be used.
    InvalidAnswer,
    /// The specification is wrong in a way that only the issuer or the controller can tell.
    InvalidSpecification,
    /// A referenced object, or a key in it, does not exist.
    InputMissing,
    /// A referenced object holds something that cannot be used.
    InputInvalid,
    /// A token, assertion or key that the source was given has expired or was revoked.
    InputExpired,
    /// A person has to act, for example to sign in again.
    PersonNeeded,
    /// No CredentialPolicy allows it.
    NotPermitted,
    /// No CredentialPolicy allows any more what is published: its Secret is withdrawn after a
    /// while.
    WithdrawalPending,
    /// The same, and the Secret stays: too many would go at once, or withdrawals are paused.
    WithdrawalHeld,
    /// A Secret of that name belongs to somebody else.
    SecretConflict,
    /// The published Secret is immutable.
    SecretImmutable,
    /// The API server refuses the Secret: a quota, an admission policy or webhook, RBAC, or its
    /// size.
    SecretRefused,
    /// The published Secret is being deleted, and finalizers hold it.
    SecretTerminating,
    /// The credentials are another principal's than asked for.
    WrongPrincipal,
    /// The Kubernetes API refused or failed a read or write.
    KubernetesError,
    /// The controller met a fault of its own while it worked on the resource.
    InternalError,
    /// A workload could not be restarted after a rotation. Only of events.
    RestartFailing,
    /// A workload was restarted after a rotation although its last rollout had not ended. Only of
    /// events.
    RestartForced,
    /// Pods are not told of a rotation, because the administrator did not switch it on. Only of
    /// events.
    PropagationOff,
}

impl Reason {
    /// Every reason.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The reason as written in conditions and events.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Why a condition of a CredentialPolicy has its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
pub enum PolicyReason {
    /// The selected namespaces are allowed everything in `spec.allow`.
    Accepted,
    /// The same, though patterns allow a namespace what is named after another one.
    AmbiguousPattern,
    /// The same, but for patterns that no resource can ever match.
    UnmatchablePattern,
    /// The namespace selector cannot be read, so that the policy selects nothing and allows
    /// nothing.
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
}
