//! The Secret that an attempt writes to, and whether the API server would take it.

use super::observation::Observation;
use super::publish::{self, Place, PublishError};
use super::{CallError, Context, refusal};
use refreshable_api::{ObjectName, RefreshableCredential};
use refreshable_rules::failure::Failure;
use refreshable_rules::issuer::IssueError;
use refreshable_rules::ownership::{self, SecretView};
use refreshable_rules::render::{self, Existing};
use refreshable_rules::retry::Class;
use refreshable_rules::secret_type;

/// The Secret that is written to.
#[derive(Clone, Debug, Default)]
pub(super) struct Target {
    pub(super) uid: Option<String>,
    adopted: bool,
}

impl Target {
    /// How rendering meets it.
    pub(super) fn existing(&self) -> Existing<'_> {
        Existing { uid: self.uid.as_deref(), adopted: self.adopted }
    }
}

/// Finds the Secret to write to. One that is not known as the resource's own is looked up only
/// where there is reason to think that there is one: it is to be adopted, or the last write was
/// refused.
pub(super) async fn find(
    observation: &Observation,
    context: &Context,
) -> Result<Result<Target, Failure>, CallError> {
    let object = &*observation.object;
    // An object that was stored before the CRD said so may hold any text.
    if let Err(what) = ObjectName::check(&object.secret_name()) {
        let error = IssueError::Specification { field: "spec.secret.name".to_owned(), what };
        return Ok(Err(error.failure_of(object)));
    }
    if let SecretView::Own(record) = &observation.secret {
        if record.adopted
            && let Err(error) = secret_type::of_adopted(&object.spec)
        {
            return Ok(Err(error.failure_of(object)));
        }
        return Ok(Ok(Target { uid: Some(record.uid.clone()), adopted: record.adopted }));
    }
    let adopts = object.spec.secret().adopts();
    if !adopts && !was_refused(object) {
        return Ok(Ok(Target::default()));
    }
    let Some(meta) = publish::read(context, object).await? else {
        return Ok(Ok(Target::default()));
    };
    Ok(match ownership::view(&meta, observation.uid()) {
        SecretView::Absent => Ok(Target::default()),
        _ if meta.deletion_timestamp.is_some() => Err(refusal::terminating(object)),
        SecretView::Own(record) => Ok(Target { uid: Some(record.uid), adopted: record.adopted }),
        // There can be one controlling owner: such a Secret cannot be taken over.
        SecretView::Foreign(whose) if !adopts || ownership::is_controlled(&meta) => {
            Err(refusal::taken(object, &whose))
        }
        SecretView::Foreign(_) if !ownership::allows_adoption(&meta) => {
            Err(refusal::adoption_not_allowed(object))
        }
        SecretView::Foreign(_) => Ok(Target { uid: meta.uid, adopted: true }),
    })
}

/// Whether the last attempt failed at the Secret.
fn was_refused(object: &RefreshableCredential) -> bool {
    let failures = object.status.as_ref().and_then(|s| s.failures.as_ref());
    failures.is_some_and(|f| Class::from_status(&f.class) == Class::Secret)
}

/// After a write that the API server refused, asks it whether it would take another, before the
/// issuer is asked.
pub(super) async fn rehearse(
    object: &RefreshableCredential,
    target: &Target,
    context: &Context,
) -> Result<Result<(), Failure>, CallError> {
    if !was_refused(object) {
        return Ok(Ok(()));
    }
    let sample = match render::sample_manifest(object, context.now(), target.existing()) {
        Ok(sample) => sample,
        Err(error) => return Ok(Err(error.failure_of(object))),
    };
    match Place::of(context, object, target.uid.is_some()).rehearse(&sample).await {
        Ok(()) => Ok(Ok(())),
        Err(PublishError::Call(error)) if refusal::may_pass(&error) => Err(error),
        Err(error) => Ok(Err(refusal::of(object, &error))),
    }
}
