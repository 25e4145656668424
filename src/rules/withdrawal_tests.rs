use super::*;
use crate::fixtures::{credential, minute};
use serde_json::json;

fn status(policies: &[&str]) -> RefreshableCredentialStatus {
    serde_json::from_value(json!({"permission": {"allowed": false, "policies": policies}}))
        .expect("a status")
}

#[test]
fn periods_are_written_as_policies_write_them() {
    for (text, minutes) in [("Immediate", 0), ("0s", 0), ("10m", 10), ("1h30m", 90)] {
        assert_eq!(parse_after(text), Ok(SignedDuration::from_mins(minutes)), "{text}");
    }
    for text in ["", "immediate", "never", "-1m", "10"] {
        let why = parse_after(text).expect_err(text);
        assert_eq!(
            why,
            format!("{text:?} is not a grace period: write it like 10m, 1h30m or Immediate")
        );
    }
}

#[test]
fn the_shortest_period_of_those_that_allowed_it_counts() {
    let limits = Limits::default();
    let set = |name: &str| match name {
        "hour" => Some(SignedDuration::from_hours(1)),
        "at-once" => Some(SignedDuration::ZERO),
        _ => None,
    };
    for (policies, minutes) in [
        (&["hour", "at-once"][..], 0),
        (&["hour"], 60),
        (&["hour", "says-nothing"], 60),
        (&["says-nothing"], 10),
        (&[], 10),
    ] {
        let after = after(Some(&status(policies)), set, &limits);
        assert_eq!(after, SignedDuration::from_mins(minutes), "{policies:?}");
    }
    assert_eq!(after(None, set, &limits), limits.after);
}

#[test]
fn orders_that_cannot_be_read_withdraw_nothing() {
    let read = |data: &[(&str, &str)]| {
        Orders::read(&data.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    };
    assert_eq!(read(&[]), Orders::default());
    assert!(read(&[(PAUSED, "true")]).paused && !read(&[(PAUSED, "false\n")]).paused);
    let typo = read(&[(PAUSED, "yes")]);
    assert!(
        typo.paused
            && typo
                .complaint
                .is_some_and(|c| c == "paused is \"yes\": write \"true\" or \"false\"")
    );
    assert_eq!(read(&[(CONFIRMED_AT, "2026-01-01T00:05:00Z")]).confirmed_at, Some(minute(5)));
    let wrong = read(&[(CONFIRMED_AT, "now")]);
    assert!(
        wrong.confirmed_at.is_none()
            && wrong.complaint.is_some_and(|c| c.contains("2026-01-31T12:00:00Z"))
    );
}

#[test]
fn a_confirmation_is_one_of_what_was_denied_by_then() {
    let orders = |at| Orders { confirmed_at: Some(minute(at)), ..Orders::default() };
    assert!(orders(5).confirm(minute(5), minute(6)));
    assert!(!orders(5).confirm(minute(6), minute(7)), "what was denied later is another mistake");
    assert!(
        orders(60).confirm(minute(5), minute(6)),
        "a little ahead is for what is about to be applied"
    );
    assert!(!orders(600).confirm(minute(5), minute(6)), "far ahead is none");
    assert!(!Orders::default().confirm(minute(5), minute(6)));
}

fn census(published: usize, pending: usize) -> Census {
    let object = credential(json!({}));
    Census::of((0..published).map(|at| (&object, true, at < pending)))
}

#[test]
fn a_large_share_at_once_is_held() {
    let limits = Limits::default();
    for (published, pending, recent, held) in [
        (100, 20, 0, false),
        (100, 21, 0, true),
        (91, 11, 9, false),
        (91, 11, 10, true),
        // A small cluster.
        (3, 3, 0, false),
        (10, 10, 0, false),
        (11, 11, 0, true),
        (0, 0, 0, false),
        // Those that went a moment ago count, or a mistake would go through in slices.
        (89, 1, 10, false),
        (40, 1, 10, true),
    ] {
        let census = census(published, pending);
        assert_eq!(
            census.exceeds(&limits, recent),
            held,
            "{pending} of {published} after {recent}"
        );
        let decision =
            Decision::decide(&limits, &Orders::default(), &census, recent, Some("ns/orders"));
        assert_eq!(decision == Decision::Released, !held, "{decision:?}");
    }
    let none = Limits { most_percent: 100, ..limits };
    assert!(!census(50, 50).exceeds(&none, 0), "a hundred percent is unlimited");
    let never = Limits { most_percent: 0, least: 0, ..limits };
    assert!(census(50, 1).exceeds(&never, 0));
}

#[test]
fn what_is_published_and_denied_counts() {
    let object = credential(json!({}));
    let all = [(true, true), (true, false), (false, true), (false, false)];
    let census = Census::of(all.map(|(published, pending)| (&object, published, pending)));
    assert_eq!((census.published, census.pending, census.namespaces.len()), (2, 1, 1));
    assert_eq!(census.text(), "1 Secret in 1 namespace");
}

#[test]
fn what_is_held_says_why_and_what_helps() {
    let limits = Limits::default();
    let held = |orders: &Orders, recent, place| match Decision::decide(
        &limits,
        orders,
        &census(100, 40),
        recent,
        place,
    ) {
        Decision::Held(why) => why,
        Decision::Released => panic!("released"),
    };
    assert_eq!(
        held(&Orders::default(), 0, Some("ns/orders")),
        "40 Secrets in 1 namespace of 100 would go at once, which is more than 20 %. Give the permission back, or confirm \
         it: `kubectl refreshable withdrawals confirm --orders ns/orders`"
    );
    assert!(
        held(&Orders::default(), 3, Some("ns/orders"))
            .contains("at once, after 3 in the last minutes, which")
    );
    assert!(held(&Orders::default(), 0, None).contains("no namespace of its own"));
    let paused = Orders { paused: true, ..Orders::default() };
    assert_eq!(
        held(&paused, 0, Some("ns/orders")),
        "all withdrawals are paused by ConfigMap ns/orders"
    );
    let typo = Orders::read(&[(CONFIRMED_AT.to_owned(), "now".to_owned())].into());
    assert!(held(&typo, 0, Some("ns/orders")).ends_with("write a time like 2026-01-31T12:00:00Z"));
}
