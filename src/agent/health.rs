//! The paths that kubelets probe, of the sidecar and of the controller.

/// Whether the process works.
pub const HEALTHZ: &str = "/healthz";
/// Whether it can do its work: the sidecar has credentials that have not expired, the controller
/// has read what it watches.
pub const READYZ: &str = "/readyz";
