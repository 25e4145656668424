//! Refusals of a write, in the words of a real API server: `cluster::refusals` holds them against
//! one.

use super::secrets::Refusal;

/// The largest Secret that Kubernetes takes: all values together, in bytes.
pub const LARGEST: usize = 1024 * 1024;

/// Refusal of each write of a kind, for as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// RBAC grants it no more.
    Forbidden,
    /// A validating admission policy called `no`, bound by `no`.
    Policy,
    /// An admission webhook that answers as controller-runtime's do.
    Webhook,
    /// A quota that is used up: it refuses what is created, and lets the rest be changed.
    Quota,
    /// As if it were too large, whatever its size.
    TooLarge,
}

/// The object that is written, as messages name it.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    pub group: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
}

impl Denial {
    /// Whether it refuses a write of something that is there already.
    pub fn refuses_changes(self) -> bool {
        self != Self::Quota
    }

    /// The refusal.
    pub fn of(self, what: Written<'_>) -> Refusal {
        let Written { group, resource, subresource, namespace, name } = what;
        let qualified =
            if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
        match self {
            Self::Forbidden => {
                let whole = if subresource.is_empty() {
                    resource.to_owned()
                } else {
                    format!("{resource}/{subresource}")
                };
                let message = format!(
                    "{qualified} \"{name}\" is forbidden: User \"{USER}\" cannot patch resource \"{whole}\" in API group \"{group}\" in the namespace \"{namespace}\""
                );
                (403, "Forbidden", message)
            }
            Self::Policy => {
                let message = format!(
                    "{qualified} \"{name}\" is forbidden: ValidatingAdmissionPolicy 'no' with binding 'no' denied request: no"
                );
                (422, "Invalid", message)
            }
            Self::Webhook => (
                403,
                "Forbidden",
                "admission webhook \"no.example.com\" denied the request: no".into(),
            ),
            Self::Quota => {
                let message = format!(
                    "{qualified} \"{name}\" is forbidden: exceeded quota: no, requested: {resource}=1, used: {resource}=1, limited: {resource}=1"
                );
                (403, "Forbidden", message)
            }
            Self::TooLarge => too_large(name),
        }
    }
}

/// Who the controller is to RBAC.
pub const USER: &str = "system:serviceaccount:refreshable:refreshable";

/// A Secret of more than [`LARGEST`].
pub fn too_large(name: &str) -> Refusal {
    (
        422,
        "Invalid",
        format!(
            "Secret \"{name}\" is invalid: data: Too long: may not be more than {LARGEST} bytes"
        ),
    )
}

/// Other data for an immutable Secret.
pub fn immutable(name: &str) -> Refusal {
    let message = format!(
        "Secret \"{name}\" is invalid: data: Forbidden: field is immutable when `immutable` is set"
    );
    (422, "Invalid", message)
}
