//! Labels, annotations and other fixed names that this project puts on Kubernetes objects.

/// Label on every published Secret; the controller watches only Secrets that carry it.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY_LABEL`].
pub const MANAGED_BY: &str = "refreshable-controller";
/// Label on an input (a Secret or a ConfigMap): the controller watches it, and notices changes at
/// once instead of by polling.
pub const WATCH_LABEL: &str = "refreshable.dev/watch";
/// Value of [`WATCH_LABEL`].
pub const WATCH: &str = "true";

/// Label on a Secret that holds an IAM Identity Center token: the controller may write renewed
/// tokens to it. The chart's admission policies deny it writes to any other foreign Secret.
pub const RENEW_LABEL: &str = "refreshable.dev/renew";
/// Value of [`RENEW_LABEL`].
pub const RENEW: &str = "true";

/// Prefix of the controller's annotations on a published Secret.
pub const ANNOTATION_PREFIX: &str = "refreshable.dev/";
/// Name of the resource that owns a published Secret.
pub const OWNER_NAME_ANNOTATION: &str = "refreshable.dev/owner-name";
/// UID of the resource that owns a published Secret. It decides ownership together with the owner
/// reference.
pub const OWNER_UID_ANNOTATION: &str = "refreshable.dev/owner-uid";
/// When the credentials in the Secret were issued (RFC 3339, issuer's clock).
pub const ISSUED_AT_ANNOTATION: &str = "refreshable.dev/issued-at";
/// When the credentials in the Secret expire (RFC 3339, issuer's clock).
pub const EXPIRATION_ANNOTATION: &str = "refreshable.dev/expiration";
/// Seconds by which the issuer's clock was ahead of the controller's; absent where they agreed.
pub const CLOCK_ANNOTATION: &str = "refreshable.dev/issuer-clock-ahead";
/// Digest of the request, see `rules::fingerprint`.
pub const REQUEST_ANNOTATION: &str = "refreshable.dev/request";
/// Versions of the input objects that the credentials were obtained with.
pub const INPUTS_ANNOTATION: &str = "refreshable.dev/inputs";
/// Keyed digests of the input data that was used, see `rules::inputs`. A separate annotation, so
/// that an earlier version of the controller can still read the versions after a rollback.
pub const INPUT_DIGESTS_ANNOTATION: &str = "refreshable.dev/input-digests";
/// SHA-256 of the Secret's data: tells an altered Secret from one that only got a new label.
pub const CHECKSUM_ANNOTATION: &str = "refreshable.dev/checksum";
/// ARN of the principal whose credentials are in the Secret.
pub const PRINCIPAL_ANNOTATION: &str = "refreshable.dev/principal-arn";
/// Unique id of the principal (AWS's `UserId`, `AssumedRoleId`).
pub const PRINCIPAL_ID_ANNOTATION: &str = "refreshable.dev/principal-id";
/// The issuer's `PackedPolicySize`, in percent.
pub const PACKED_POLICY_SIZE_ANNOTATION: &str = "refreshable.dev/packed-policy-size";
/// The issuer's `SessionTokenSize`, in bytes.
pub const SESSION_TOKEN_SIZE_ANNOTATION: &str = "refreshable.dev/session-token-size";
/// The issuer's `SessionTokenUtilization`, in percent.
pub const SESSION_TOKEN_UTILIZATION_ANNOTATION: &str = "refreshable.dev/session-token-utilization";
/// Annotation with the published credentials of each profile, see `rules::profiles`.
pub const PROFILES_ANNOTATION: &str = "refreshable.dev/profiles";
/// Access key id in the Secret, which is not secret: recognizes a session that the source returned
/// before.
pub const KEY_ID_ANNOTATION: &str = "refreshable.dev/access-key-id";
/// Annotation with a warning for the user about credentials that were issued.
pub const WARNING_ANNOTATION: &str = "refreshable.dev/warning";
/// The value of [`REQUESTED_AT_ANNOTATION`] that the Secret's credentials fulfil.
pub const HANDLED_REFRESH_ANNOTATION: &str = "refreshable.dev/last-handled-refresh-at";
/// Marks, in the controller's memory alone, a Secret whose labels or annotations are too large to be
/// kept. It stands in no Secret at the API server.
pub const LEFT_OUT_ANNOTATION: &str = "refreshable.dev/left-out";
/// Kind of the token in a Secret that holds one instead of credentials, for example `ecr`. Secrets
/// of that type are made by many programs: the chart's admission policies let the controller write
/// those that carry it.
pub const TOKEN_ANNOTATION: &str = "refreshable.dev/token";
/// Annotation with the Secret's type, where others make Secrets of that type, too: it tells the
/// fence at admission that the controller made this one.
pub const TYPE_ANNOTATION: &str = "refreshable.dev/type";
/// Present on a Secret that existed before and was adopted with `adopt: true`.
pub const ADOPTED_ANNOTATION: &str = "refreshable.dev/adopted";
/// Annotation by which the owner of an existing Secret lets it be adopted. Only a person sets it:
/// the chart's admission policies deny it to the controller.
pub const ALLOW_ADOPTION_ANNOTATION: &str = "refreshable.dev/allow-adoption";
/// Value of [`ALLOW_ADOPTION_ANNOTATION`].
pub const ALLOW_ADOPTION: &str = "true";

/// Annotation on the Pod template of a restarted workload, followed by the resource's UID: issue
/// time of the credentials that caused the restart.
pub const RESTARTED_FOR_PREFIX: &str = "restarted-for.refreshable.dev/";
/// Annotation on a Pod template; `kubectl rollout restart` sets it, too.
pub const RESTARTED_AT_ANNOTATION: &str = "kubectl.kubernetes.io/restartedAt";

/// Annotation of a Namespace: how many attempts a minute its resources may make, all together.
pub const ATTEMPTS_ANNOTATION: &str = "refreshable.dev/attempts-per-minute";
/// Annotation of a Namespace: how many bytes its resources may take, all together.
pub const TOTAL_SIZE_ANNOTATION: &str = "refreshable.dev/total-size";

/// Label on a Pod whose kubelet must read a renewed Secret at once.
pub const PROPAGATION_LABEL: &str = "refreshable.dev/propagation";
/// Value of [`PROPAGATION_LABEL`].
pub const PROPAGATION: &str = "Prompt";
/// Annotation on a Pod: the resource whose credentials are injected.
pub const INJECT_ANNOTATION: &str = "refreshable.dev/inject";
/// Annotation on a Pod: the resources whose Secrets it mounts, separated by commas.
pub const MOUNTS_ANNOTATION: &str = "refreshable.dev/mounts";
/// Annotation that makes a Pod's kubelet read its Secrets at once: issue time of the newest
/// credentials that the Pod mounts.
pub const PROPAGATED_ANNOTATION: &str = "refreshable.dev/propagated";

/// Annotation on a RefreshableCredential: any new value requests a refresh now.
pub const REQUESTED_AT_ANNOTATION: &str = "refreshable.dev/requested-at";

/// Annotation on a RefreshableCredential that a ClusterRefreshableCredential made: digest of what was
/// written.
pub const TEMPLATE_ANNOTATION: &str = "refreshable.dev/template";

/// Type of the Secrets that the controller creates, where a resource asks for no other. A Secret's
/// type cannot be changed, so a server-side apply over a foreign Secret of another type is refused by
/// the API server itself.
pub const SECRET_TYPE: &str = "refreshable.dev/aws-credentials";

/// Type of the Secrets that hold a token instead of credentials, where Kubernetes demands no other.
pub const TOKEN_SECRET_TYPE: &str = "refreshable.dev/aws-token";

/// Type of the Secret in the controller's namespace that holds the key for input digests.
pub const INPUT_KEY_TYPE: &str = "refreshable.dev/input-key";
/// Data key of that Secret.
pub const INPUT_KEY: &str = "key";

/// Name of the Secret with that key, in the namespace of the Lease of this name.
pub fn input_key_secret(lease: &str) -> String {
    format!("{lease}-input-key")
}

/// Name of the ConfigMap with the administrator's orders on withdrawals, in the namespace of the
/// Lease of this name.
pub fn withdrawal_orders(lease: &str) -> String {
    format!("{lease}-withdrawals")
}

/// Field manager of status writes, and prefix of the field manager of Secret writes.
pub const FIELD_MANAGER: &str = "refreshable-controller";

/// Field manager for what one resource owns. One manager for each resource makes the API server
/// report a conflict when two resources try to create the same object.
pub fn owner_field_manager(owner_uid: &str) -> String {
    format!("{FIELD_MANAGER}/{owner_uid}")
}
