//! Why a Secret could not be written, in the words that a person reads.

use super::CallError;
use super::publish::PublishError;
use jiff::Timestamp;
use refreshable_api::RefreshableCredential;
use refreshable_api::conditions::Reason;
use refreshable_rules::failure::Failure;
use refreshable_rules::inputs::UsedInputs;
use refreshable_rules::plan;
use refreshable_rules::retry::Class;
use refreshable_rules::timing::down_to_second;

/// Whether the same call may succeed in a moment.
pub(super) fn may_pass(error: &CallError) -> bool {
    error.is_transient() || matches!(error, CallError::NotLeading(_))
}

/// The failure of a write that ended with `error`.
pub(super) fn of(object: &RefreshableCredential, error: &PublishError) -> Failure {
    match error {
        PublishError::Taken => taken(object, "something else"),
        PublishError::NamespaceGone => {
            refused(object, Reason::SecretRefused, error, "Nothing: it goes with its namespace")
        }
        PublishError::Unwritable(error) => error.failure_of(object),
        PublishError::Terminating => terminating(object),
        // Somebody made it so in between: another look finds out.
        PublishError::OtherType => failure(
            Class::Transient,
            Reason::KubernetesError,
            format!("{}. It is retried automatically", what(object, error)),
        ),
        // It was made anew in between, or changed: another look finds out.
        PublishError::Call(call) if may_pass(call) || call.is_conflict() || call.is_not_found() => {
            failure(
                Class::Transient,
                Reason::KubernetesError,
                format!("{}. It is retried automatically", what(object, error)),
            )
        }
        PublishError::Call(call) if of_immutable(call) => immutable(object),
        PublishError::Call(call) => refused(object, Reason::SecretRefused, error, advice(call)),
    }
}

/// Advice for the user where the API server refuses a Secret.
fn advice(error: &CallError) -> &'static str {
    let text = error.to_string();
    if text.contains("exceeded quota") {
        "Raise the namespace's ResourceQuota, or delete Secrets that are not needed"
    } else if error.is_too_large()
        || text.contains("Too long")
        || text.contains("must have at most")
    {
        "Make it smaller: fewer spec.profiles, fewer of spec.secret.formats, or a Secret of its own instead of an \
         adopted one"
    } else if error.is_forbidden() && text.contains("cannot patch resource") {
        "Give the controller's ServiceAccount the right to write Secrets in this namespace"
    } else {
        "Correct what spec.secret asks for (name, labels, annotations), or change the admission policy, webhook or \
         rule that refuses it"
    }
}

/// The Secret of that name is somebody else's.
pub(super) fn taken(object: &RefreshableCredential, whose: &str) -> Failure {
    failure(Class::Secret, Reason::SecretConflict, plan::conflict(object, whose))
}

/// The Secret of that name is to be adopted, and its owner has not allowed it.
pub(super) fn adoption_not_allowed(object: &RefreshableCredential) -> Failure {
    failure(Class::Secret, Reason::SecretConflict, plan::adoption_not_allowed(object))
}

/// The Secret is immutable.
pub(super) fn immutable(object: &RefreshableCredential) -> Failure {
    let name = object.secret_name();
    let what = format!(
        "Secret {name} is immutable, so nothing can be renewed in it. Delete it, and it is published anew, or name \
         another in spec.secret.name"
    );
    failure(Class::Secret, Reason::SecretImmutable, what)
}

/// Whether the API server refuses a write because the Secret is immutable.
pub(super) fn of_immutable(error: &CallError) -> bool {
    error.to_string().contains("when `immutable` is set")
}

/// Whether the API server refuses a write because it would change the Secret's type.
pub(super) fn of_another_type(error: &CallError) -> bool {
    let text = error.to_string();
    error.is_invalid()
        && text.contains("type: Invalid value")
        && text.contains("field is immutable")
}

/// The Secret of that name is being deleted.
pub(super) fn terminating(object: &RefreshableCredential) -> Failure {
    let name = object.secret_name();
    let what = format!(
        "Secret {name} is being deleted; remove its finalizers if whoever set them does not"
    );
    failure(Class::Secret, Reason::SecretTerminating, what)
}

/// The Secret could not be written for now; what was obtained is kept until `until`.
pub(super) fn postponed(
    object: &RefreshableCredential,
    error: &PublishError,
    until: Timestamp,
) -> Failure {
    let what = what(object, error);
    let until = down_to_second(until);
    failure(
        Class::Transient,
        Reason::KubernetesError,
        format!(
            "{what}. What was obtained is kept until {until} and written as soon as the API server takes it"
        ),
    )
}

fn refused(
    object: &RefreshableCredential,
    reason: Reason,
    error: &PublishError,
    advice: &str,
) -> Failure {
    failure(Class::Secret, reason, format!("{}. {advice}", what(object, error)))
}

fn what(object: &RefreshableCredential, error: &PublishError) -> String {
    format!("Secret {} could not be written: {error}", object.secret_name())
}

fn failure(class: Class, reason: Reason, message: String) -> Failure {
    Failure { class, reason, code: None, request_id: None, message, inputs: UsedInputs::new() }
}
