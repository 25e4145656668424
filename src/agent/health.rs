//! The paths that kubelets probe, of the sidecar and of the controller.

/// Whether the process works.
pub const HEALTHZ: &str = "/healthz";
/// Readiness: the sidecar has credentials that have not expired, the controller has read everything
/// that it watches.
pub const READYZ: &str = "/readyz";
