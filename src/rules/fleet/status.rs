//! The status of the resource.

use crate::conditions::with_transitions;
use crate::selector::Unreadable;
use jiff::Timestamp;
use refreshable_api::conditions::{ClusterReason, READY, STALLED};
use refreshable_api::{
    ClusterRefreshableCredential, ClusterRefreshableCredentialStatus, MOST_TROUBLES,
    NamespaceTrouble,
};

/// Most namespaces in a message.
const TOLD: usize = 3;

/// The state of the namespaces of a resource.
#[derive(Debug)]
pub struct Found<'a> {
    /// How many its selector selects.
    pub namespaces: usize,
    /// How many of them have a RefreshableCredential that is ready.
    pub ready: usize,
    /// Why others have none, in the order of their names.
    pub troubles: Vec<&'a NamespaceTrouble>,
}

/// The status of `cluster` at `now`.
pub fn status(
    cluster: &ClusterRefreshableCredential,
    found: Result<Found<'_>, &Unreadable>,
    now: Timestamp,
) -> ClusterRefreshableCredentialStatus {
    let before = cluster.status.clone().unwrap_or_default();
    let generation = cluster.metadata.generation;
    let (reason, message) = verdict(&found);
    let ready = matches!(reason, ClusterReason::AllReady | ClusterReason::NoNamespaces);
    let stalled = reason == ClusterReason::InvalidSelector;
    let types =
        [Some((READY, if ready { "True" } else { "False" })), stalled.then_some((STALLED, "True"))];
    let conditions = with_transitions(
        types.into_iter().flatten(),
        reason.as_str(),
        &message,
        (generation, &before.conditions),
        now,
    );
    // Of a selector that cannot be read, what was known stays.
    let Ok(found) = found else {
        return ClusterRefreshableCredentialStatus {
            conditions,
            observed_generation: generation,
            ..before
        };
    };
    let count = |number: usize| Some(i32::try_from(number).unwrap_or(i32::MAX));
    let told = found.troubles.iter().take(MOST_TROUBLES).map(|t| (*t).clone());
    ClusterRefreshableCredentialStatus {
        conditions,
        observed_generation: generation,
        namespaces: count(found.namespaces),
        ready: count(found.ready),
        ready_of_all: Some(format!("{}/{}", found.ready, found.namespaces)),
        not_ready: Some(told.collect()),
    }
}

fn verdict(found: &Result<Found<'_>, &Unreadable>) -> (ClusterReason, String) {
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            let message = format!(
                "spec.namespaceSelector: {error}. Until then namespaces get nothing, and keep what they have"
            );
            return (ClusterReason::InvalidSelector, message);
        }
    };
    let Found { namespaces, ready, troubles } = found;
    if *namespaces == 0 {
        let message = "no namespace has the labels that spec.namespaceSelector asks for".to_owned();
        return (ClusterReason::NoNamespaces, message);
    }
    if troubles.is_empty() {
        let message = format!("ready in all {namespaces} namespaces");
        return (ClusterReason::AllReady, message);
    }
    let each = troubles.iter().take(TOLD).map(|trouble| {
        let message = trouble.message.as_deref().map(|m| format!(": {m}")).unwrap_or_default();
        format!("{} ({}{message})", trouble.namespace, trouble.reason)
    });
    let more = match troubles.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let told = each.collect::<Vec<_>>().join("; ");
    let message = format!("ready in {ready} of {namespaces} namespaces, and not in {told}{more}");
    (ClusterReason::NotAllReady, message)
}

#[cfg(test)]
mod tests {
    use super::super::tests::cluster;
    use super::*;
    use crate::selector;
    use serde_json::json;

    fn trouble(namespace: &str, reason: &str) -> NamespaceTrouble {
        let message = Some("it is so".to_owned());
        NamespaceTrouble { namespace: namespace.to_owned(), reason: reason.to_owned(), message }
    }

    fn said(status: &ClusterRefreshableCredentialStatus) -> (&str, &str, &str) {
        let ready = status.conditions.iter().find(|c| c.type_ == READY).expect("Ready");
        (&ready.status, &ready.reason, &ready.message)
    }

    #[test]
    fn it_sums_up_and_names_the_first() {
        let cluster = cluster(json!({"namespaceSelector": {}, "template": {"spec": {}}}));
        let troubles: Vec<_> =
            (0..30).map(|n| trouble(&format!("n{n:02}"), "AccessDenied")).collect();
        let of = |namespaces: usize, troubles: &[NamespaceTrouble]| {
            let ready = namespaces - troubles.len();
            let found = Found { namespaces, ready, troubles: troubles.iter().collect() };
            status(&cluster, Ok(found), Timestamp::UNIX_EPOCH)
        };
        let all = of(2, &[]);
        assert_eq!(said(&all), ("True", "AllReady", "ready in all 2 namespaces"));
        assert_eq!((all.ready_of_all.as_deref(), all.not_ready), (Some("2/2"), Some(Vec::new())));
        assert_eq!(said(&of(0, &[])).1, "NoNamespaces");
        let some = of(2000, &troubles);
        assert_eq!(
            said(&some),
            (
                "False",
                "NotAllReady",
                "ready in 1970 of 2000 namespaces, and not in n00 (AccessDenied: it is so); n01 (AccessDenied: it is so); n02 (AccessDenied: it is so); and 27 more"
            )
        );
        assert_eq!((some.ready, some.namespaces), (Some(1970), Some(2000)));
        assert_eq!(some.not_ready.expect("some").len(), MOST_TROUBLES);
    }

    #[test]
    fn a_selector_that_cannot_be_read_stalls_and_leaves_the_counts() {
        let spec = json!({"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Equals"}]},
            "template": {"spec": {}}});
        let mut cluster = cluster(spec);
        let before = ClusterRefreshableCredentialStatus {
            ready_of_all: Some("3/3".to_owned()),
            ..ClusterRefreshableCredentialStatus::default()
        };
        cluster.status = Some(before);
        let error = selector::read(&cluster.spec.namespace_selector).expect_err("unreadable");
        let status = status(&cluster, Err(&error), Timestamp::UNIX_EPOCH);
        let (ready, reason, message) = said(&status);
        assert_eq!((ready, reason), ("False", "InvalidSelector"));
        assert!(
            message.contains("operator Equals: write In")
                && message.contains("keep what they have")
        );
        assert!(status.conditions.iter().any(|c| c.type_ == STALLED));
        assert_eq!(status.ready_of_all.as_deref(), Some("3/3"));
    }
}
