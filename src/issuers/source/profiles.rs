//! Many profiles: the source and the shared chain once, then each profile's own roles.

use super::chain::{assume_all, begin, end};
use super::{Request, SourceSpec};
use futures::StreamExt as _;
use refreshable_api::{PrincipalSpec, ProfileSpec};
use refreshable_rules::issuer::{IssueError, Issued};

/// Most profiles that are obtained at the same time.
const AT_ONCE: usize = 10;

/// Result of one profile, by its name.
pub type Outcome = (String, Result<Issued, IssueError>);

/// Obtains credentials for each of `profiles`, starting from `source`. One that fails does not hold
/// the others back.
///
/// # Errors
/// Where the source or the shared chain fails, and so every profile. No error contains confidential
/// values, nor does that of a profile.
pub async fn issue_profiles(
    source: &SourceSpec,
    principal: Option<&PrincipalSpec>,
    profiles: &[&ProfileSpec],
    request: &Request<'_>,
) -> Result<Vec<Outcome>, IssueError> {
    let redacted = |error: IssueError| error.redacted(request.redactor());
    // All complete before the first is searched: the search is built once, for the secrets of all
    // of them.
    let outcomes = obtain(source, principal, profiles, request).await.map_err(redacted)?;
    Ok(outcomes.into_iter().map(|(name, result)| (name, result.map_err(redacted))).collect())
}

async fn obtain(
    source: &SourceSpec,
    principal: Option<&PrincipalSpec>,
    profiles: &[&ProfileSpec],
    request: &Request<'_>,
) -> Result<Vec<Outcome>, IssueError> {
    let (source, base) = begin(source, request).await?;
    let base = assume_all(request.roles, &request.session_tags, base, request).await?;
    // Later roles inherit the tags of the shared chain.
    let tags = if request.roles.is_empty() { request.session_tags.as_slice() } else { &[] };
    let one = |profile: &ProfileSpec| {
        let (name, roles, base) = (profile.name.clone(), profile.roles.clone(), base.clone());
        async move {
            let issued = async {
                let obtained = assume_all(&roles, tags, base, request).await?;
                let direct = request.roles.is_empty() && roles.is_empty();
                end(source, obtained, direct, principal, request).await
            };
            (name, issued.await)
        }
    };
    let work: Vec<_> = profiles.iter().map(|p| one(p)).collect();
    Ok(futures::stream::iter(work).buffer_unordered(AT_ONCE).collect().await)
}
