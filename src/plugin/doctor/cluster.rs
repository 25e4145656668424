//! Checks of the cluster itself: its version, the user's rights, the clocks.

use super::check::Check;
use super::facts::{Known, Right};
use crate::age;
use jiff::SignedDuration;
use refreshable_rules::issuer::CLOCKS_AGREE;
use serde_json::Value;

/// The oldest minor version of Kubernetes 1 that is supported: the chart's `kubeVersion`.
pub const OLDEST: u32 = 30;
/// The minor version that the project's tests run.
pub const TESTED: u32 = 36;
/// AWS refuses requests whose signature is further away than this
/// ([Signature Version 4](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html)).
const SIGNATURE_VALID: SignedDuration = SignedDuration::from_mins(5);
/// The `Date` header counts whole seconds, and the answer takes its time.
const RESOLUTION: SignedDuration = SignedDuration::from_secs(2);

/// Judges the API server's answer to `/version`.
pub fn version(found: &Known<Value>) -> Check {
    const NAME: &str = "kubernetes";
    const PAGE: &str = "docs/support.md#kubernetes";
    let found = match found {
        Ok(found) => found,
        Err(why) => {
            return Check::failure(
                NAME,
                format!("the API server cannot be asked: {why}"),
                "Check the kubeconfig, the context and the way to the API server",
                "docs/plugin.md#doctor",
            );
        }
    };
    let name = found["gitVersion"].as_str().unwrap_or("of an unknown version");
    // Providers write minor versions like `36+`.
    let minor = found["minor"].as_str().unwrap_or_default();
    let minor: Option<u32> = minor.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok();
    match (found["major"].as_str(), minor) {
        (Some("1"), Some(minor)) if minor < OLDEST => Check::failure(
            NAME,
            format!("Kubernetes {name} is older than 1.{OLDEST}"),
            format!("Upgrade the cluster to Kubernetes 1.{OLDEST} or later"),
            PAGE,
        ),
        (Some("1"), Some(minor)) if minor > TESTED => Check::warning(
            NAME,
            format!("Kubernetes {name} is newer than 1.{TESTED}, which is tested"),
            "Look whether a newer release of the controller is tested with it",
            PAGE,
        ),
        (Some("1"), Some(_)) => Check::ok(NAME, format!("Kubernetes {name} is supported")),
        _ => Check::warning(
            NAME,
            format!("Kubernetes {name}: its version cannot be read"),
            format!("Make sure that it is Kubernetes 1.{OLDEST} or later"),
            PAGE,
        ),
    }
}

/// Judges the rights that an installation needs.
pub fn rights(found: &Known<Vec<Right>>) -> Check {
    const NAME: &str = "rights";
    let found = match found {
        Ok(found) => found,
        Err(why) => return Check::not_checked(NAME, why.as_str()),
    };
    let missing: Vec<&str> = found.iter().filter(|r| !r.allowed).map(|r| r.what.as_str()).collect();
    if missing.is_empty() {
        return Check::ok(NAME, format!("this user has the {} rights asked for", found.len()));
    }
    Check::failure(
        NAME,
        format!("this user may not: {}", missing.join(", ")),
        "Install as an administrator of the cluster (ClusterRole cluster-admin)",
        "docs/install.md#rights",
    )
}

/// Judges how far the API server's clock is ahead of this machine's.
pub fn clock(ahead: &Known<SignedDuration>) -> Check {
    const NAME: &str = "clock";
    match ahead {
        Err(why) => Check::not_checked(NAME, why.as_str()),
        Ok(ahead) => apart(NAME, "the API server", "this machine", *ahead).unwrap_or_else(|| {
            Check::ok(NAME, "the clocks of the API server and of this machine agree")
        }),
    }
}

/// Judges by how much issuers' clocks were ahead of the controller's, as it noted on the Secrets
/// that it published: `namespace/name` and the difference.
pub fn issuer_clocks(found: &Known<Vec<(String, SignedDuration)>>) -> Check {
    const NAME: &str = "issuer-clock";
    match found {
        Err(why) => Check::not_checked(NAME, why.as_str()),
        Ok(found) => match found.iter().max_by_key(|(_, ahead)| ahead.abs()) {
            Some((secret, ahead)) => {
                let issuer = format!("the issuer of Secret {secret}");
                apart(NAME, &issuer, "the controller's node", *ahead)
                    .unwrap_or_else(|| Check::ok(NAME, "the controller notes no difference"))
            }
            None => Check::ok(NAME, "the controller notes no difference to an issuer's clock"),
        },
    }
}

/// A finding where two clocks differ.
pub(super) fn apart(
    name: &'static str,
    whose: &str,
    ours: &str,
    ahead: SignedDuration,
) -> Option<Check> {
    const PAGE: &str = "docs/operations.md#when-the-controller-is-down";
    let by = ahead.abs();
    if by <= CLOCKS_AGREE + RESOLUTION {
        return None;
    }
    let side = if ahead.is_negative() { "behind" } else { "ahead of" };
    let message = format!("the clock of {whose} is {} {side} that of {ours}", age::span(by));
    let advice = "Synchronize both clocks, with chrony or systemd-timesyncd";
    Some(if by >= SIGNATURE_VALID {
        Check::failure(name, message, format!("{advice}: AWS refuses such requests"), PAGE)
    } else {
        Check::warning(name, message, advice, PAGE)
    })
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict::{self, Failure, NotChecked, Warning};
    use super::*;
    use serde_json::json;

    fn judged(check: &Check, verdict: Verdict, words: &str) {
        assert_eq!(check.verdict, verdict, "{check:?}");
        assert!(check.message.contains(words), "{words:?} is not in {check:?}");
    }

    #[test]
    fn versions_are_supported_from_the_chart_s_oldest() {
        let of = |major: &str, minor: &str| {
            let git = format!("v{major}.{minor}");
            version(&Ok(json!({"major": major, "minor": minor, "gitVersion": git})))
        };
        judged(&of("1", "29"), Failure, "v1.29 is older than 1.30");
        judged(&of("1", "30"), Verdict::Ok, "supported");
        judged(&of("1", "36+"), Verdict::Ok, "supported");
        judged(&of("1", "37"), Warning, "newer than 1.36");
        judged(&of("2", "0"), Warning, "cannot be read");
        judged(&version(&Ok(json!({}))), Warning, "cannot be read");
        judged(&version(&Err("refused".to_owned())), Failure, "cannot be asked: refused");
    }

    #[test]
    fn the_versions_are_the_chart_s_and_the_support_matrix_s() {
        let chart = include_str!("../../../charts/refreshable/Chart.yaml");
        assert!(chart.contains(&format!("kubeVersion: \">=1.{OLDEST}.0-0\"")), "{chart}");
        let matrix = include_str!("../../../docs/support.md");
        let row = format!("| API server, controller manager, scheduler | 1.{TESTED}.");
        assert!(matrix.contains(&row), "{row}");
    }

    #[test]
    fn every_missing_right_is_named() {
        let right = |what: &str, allowed| Right { what: what.to_owned(), allowed };
        judged(&rights(&Ok(vec![right("create a", true)])), Verdict::Ok, "the 1 rights");
        let two = [right("create a", true), right("create b", false), right("patch c", false)];
        judged(&rights(&Ok(two.into())), Failure, "may not: create b, patch c");
        judged(&rights(&Err("slow".to_owned())), NotChecked, "slow");
    }

    #[test]
    fn clocks_may_differ_by_half_a_minute() {
        let of = |seconds| clock(&Ok(SignedDuration::from_secs(seconds)));
        judged(&of(0), Verdict::Ok, "agree");
        judged(&of(-32), Verdict::Ok, "agree");
        judged(&of(33), Warning, "the clock of the API server is 33s ahead of");
        judged(&of(-299), Warning, "is 4m59s behind that of this machine");
        judged(&of(300), Failure, "5m ahead");
        judged(&clock(&Err("no Date".to_owned())), NotChecked, "no Date");
    }

    #[test]
    fn the_largest_difference_to_an_issuer_counts() {
        let of = |list: &[(&str, i64)]| {
            let list = list.iter().map(|(n, s)| ((*n).to_owned(), SignedDuration::from_secs(*s)));
            issuer_clocks(&Ok(list.collect()))
        };
        judged(&of(&[]), Verdict::Ok, "no difference");
        judged(&of(&[("a/b", 3)]), Verdict::Ok, "no difference");
        judged(
            &of(&[("a/b", 40), ("a/c", -600), ("a/d", 90)]),
            Failure,
            "Secret a/c is 10m behind",
        );
        judged(&of(&[("a/b", 40)]), Warning, "Secret a/b is 40s ahead of that of the controller's");
        judged(&issuer_clocks(&Err("forbidden".to_owned())), NotChecked, "forbidden");
    }
}
