//! The work of a ClusterRefreshableCredential: RefreshableCredentials that it makes, changes and
//! deletes, and its status.
//!
//! ```text
//! observation: the resource, namespaces with their labels, RefreshableCredentials
//!   stamp    the RefreshableCredential that a namespace should have
//!   -> plan  Plan: what to write and delete, which are ready, and why others are not
//!   -> status
//! ```
//!
//! Invariants:
//!
//! - What is not known takes nothing away: with a selector that cannot be read, and of a namespace
//!   that is not in view, everything stays.
//! - A RefreshableCredential that somebody else made is never written and never deleted.

mod plan;
mod stamp;
mod status;

pub use super::selector::Unreadable;
pub use plan::{Deletion, Plan, Write, owner_uid, plan};
pub use stamp::{Unstampable, made_in};
pub use status::{Found, status};

#[cfg(test)]
mod tests {
    use refreshable_api::ClusterRefreshableCredential;
    use serde_json::{Value, json};

    /// A resource with this specification.
    pub(super) fn cluster(spec: Value) -> ClusterRefreshableCredential {
        serde_json::from_value(json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "ClusterRefreshableCredential",
            "metadata": {"name": "metrics", "uid": "cluster-uid", "generation": 1}, "spec": spec,
        }))
        .expect("a resource")
    }
}
