//! The outcome of a look or an attempt: what the status says of it, and when the resource is looked
//! at again.

use super::next::Next;
use super::reconcile::LAGGING;
use super::{CallError, Context, propagation, restart, status};
use refreshable_api::RefreshableCredential;
use refreshable_rules::ownership::Record;
use refreshable_rules::plan;
use refreshable_rules::policy::Permission;
use refreshable_rules::report::Finding;

/// The outcome of a look or an attempt.
#[must_use]
pub(super) struct Outcome {
    /// The finding; without one, the status stays as it is.
    finding: Option<Finding>,
    /// The resource's own Secret as it is now.
    record: Option<Record>,
    /// When the resource is looked at again.
    next: Next,
    /// Whether what is published is brought to the programs that use it.
    propagates: bool,
}

impl Outcome {
    /// There is nothing to tell.
    pub(super) fn silent(next: Next) -> Self {
        Self { finding: None, record: None, next, propagates: false }
    }

    /// `finding` is told of `record`.
    pub(super) fn told(finding: Finding, record: Option<&Record>, next: Next) -> Self {
        Self { finding: Some(finding), record: record.cloned(), ..Self::silent(next) }
    }

    /// `record` is published; it is looked at again when it is due, or when what failed is.
    pub(super) fn published(
        object: &RefreshableCredential,
        record: &Record,
        finding: Finding,
    ) -> Self {
        let due = record.content.as_ref().map(|c| plan::refresh_at(object, c));
        let again = match &finding {
            Finding::Partial(failure, _) => Some(failure.next_try()),
            _ => None,
        };
        let next = due.into_iter().chain(again).min().map_or(Next::Change, Next::At);
        Self::told(finding, Some(record), next)
    }

    /// The same, looked at again at another time.
    pub(super) fn then(self, next: Next) -> Self {
        Self { next, ..self }
    }

    /// The same; then what is published is brought to the programs that use it.
    pub(super) fn propagated(self) -> Self {
        Self { propagates: true, ..self }
    }

    /// Tells the status of `object` what was found, and then propagates. When to look again.
    pub(super) async fn conclude(
        self,
        object: &RefreshableCredential,
        permission: &Permission,
        context: &Context,
    ) -> Result<Next, CallError> {
        let record = self.record.as_ref();
        if let Some(finding) = &self.finding
            && !status::report(context, object, permission, record, finding).await?
        {
            return Ok(Next::At(context.now() + LAGGING));
        }
        let content = record.and_then(|r| r.content.as_ref()).filter(|_| self.propagates);
        let Some(content) = content else { return Ok(self.next) };
        propagation::notify_pods(object, content, context).await?;
        let again = restart::follow(object, content, context).await?;
        Ok(self.next.by(again))
    }
}
