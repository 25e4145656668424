use super::*;
use crate::{Band, Claim, Pressure};
use jiff::SignedDuration;
use proptest::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name(Arc<str>, u32);

impl Key for Name {
    fn tenant(&self) -> &Arc<str> {
        &self.0
    }
}

fn name(tenant: &str, number: u32) -> Name {
    Name(tenant.into(), number)
}

const LIMITS: Limits =
    Limits { slots: 4, slow_after: Duration::from_secs(1), calls_per_second: 100, burst: 100 };

fn at(ms: u64) -> Now {
    let wall = Timestamp::UNIX_EPOCH + SignedDuration::from_millis(i64::try_from(ms).expect("ms"));
    Now { wall, boot: Duration::from_millis(ms) }
}

/// A claim of `calls` calls at `endpoint`.
fn claim(endpoint: &str, calls: u32, band: Band, expires: Option<u64>) -> Next {
    Next::Attempt(Box::new(Claim {
        endpoint: endpoint.into(),
        bucket: "caller".into(),
        calls,
        spacing: Duration::ZERO,
        band,
        expires: expires.map(|ms| at(ms).wall),
        look_at: at(3_600_000).wall,
    }))
}

/// The same of a namespace whose attempts lie `spacing` apart.
fn spaced(spacing: Duration) -> Next {
    let Next::Attempt(mut claim) = claim("e", 1, Band::Normal, None) else { unreachable!() };
    claim.spacing = spacing;
    Next::Attempt(claim)
}

/// Serves whoever claims from `from` to `to` (in milliseconds), each key again as soon as its
/// attempt has ended: how many attempts of each namespace began. Those of `hangs` never end.
fn serve(
    queue: &mut Queue<Name>,
    (from, to): (u64, u64),
    hangs: &str,
    next: impl Fn(&Name) -> Next,
) -> BTreeMap<String, u32> {
    let mut began = BTreeMap::new();
    for ms in (from..to).step_by(5) {
        look(queue, at(ms), &next);
        for one in admitted(queue, at(ms)) {
            *began.entry(one.key.0.to_string()).or_default() += 1;
            one.admission.called();
            if one.key.0.as_ref() != hangs {
                queue.attempted(&one.key, Next::Change, at(ms));
                queue.touch(one.key, at(ms));
            }
        }
    }
    began
}

/// Looks at everything that is due, and has it claim what `next` says.
fn look(queue: &mut Queue<Name>, now: Now, next: impl Fn(&Name) -> Next) {
    while let Some(due) = queue.due(now) {
        let next = next(&due.key);
        queue.looked(&due.key, next, now);
    }
}

fn admitted(queue: &mut Queue<Name>, now: Now) -> Vec<Admitted<Name>> {
    std::iter::from_fn(|| queue.admit(now)).collect()
}

fn names(admitted: &[Admitted<Name>]) -> Vec<(&str, u32)> {
    admitted.iter().map(|a| (a.key.0.as_ref(), a.key.1)).collect()
}

/// Ends an attempt that called the issuer.
fn end(queue: &mut Queue<Name>, one: &Admitted<Name>, seen: Pressure, now: Now) {
    one.admission.called();
    one.admission.saw(seen);
    queue.attempted(&one.key, Next::Change, now);
}

#[test]
fn a_key_is_looked_at_when_it_is_due_and_when_it_is_touched() {
    let mut queue = Queue::new(LIMITS);
    queue.touch(name("a", 1), at(0));
    look(&mut queue, at(0), |_| Next::At(at(5000).wall));
    assert!(queue.due(at(4999)).is_none());
    assert_eq!(queue.idle_for(at(4000)), Some(Duration::from_secs(1)));
    let due = queue.due(at(5007)).expect("due");
    assert_eq!(due.waited, Duration::from_millis(7));
    queue.touch(name("a", 1), at(5008));
    assert!(queue.due(at(5008)).is_none(), "it is looked at already");
    queue.looked(&due.key, Next::At(at(9000).wall), at(5010));
    let again = queue.due(at(5012)).expect("it was touched meanwhile");
    assert_eq!(again.waited, Duration::from_millis(2));
    queue.looked(&again.key, Next::Gone, at(5013));
    assert_eq!((queue.entries.len(), queue.idle_for(at(5013))), (0, None));
}

#[test]
fn looks_take_turns_over_namespaces() {
    let mut queue = Queue::new(Limits { slots: 1000, ..LIMITS });
    (0..500).for_each(|n| queue.touch(name("many", n), at(0)));
    (0..2).for_each(|n| queue.touch(name("few", n), at(0)));
    let order: Vec<Name> = std::iter::from_fn(|| queue.due(at(0))).map(|d| d.key).collect();
    assert_eq!(order[..4], [name("many", 0), name("few", 0), name("many", 1), name("few", 1)]);
}

#[test]
fn a_claim_is_looked_at_again_and_keeps_its_place() {
    let mut queue = Queue::new(Limits { slots: 1, ..LIMITS });
    queue.touch(name("a", 1), at(0));
    look(&mut queue, at(0), |_| claim("e", 1, Band::Normal, None));
    let first = queue.admit(at(0)).expect("a slot");
    queue.touch(name("a", 2), at(1));
    look(&mut queue, at(1), |_| claim("e", 1, Band::Normal, None));
    queue.touch(name("a", 3), at(2));
    look(&mut queue, at(2), |_| claim("e", 1, Band::Normal, None));
    queue.touch(name("a", 2), at(3));
    look(&mut queue, at(3), |_| claim("e", 1, Band::Normal, None));
    assert!(queue.admit(at(4)).is_none());
    end(&mut queue, &first, Pressure::Answered, at(5));
    let second = queue.admit(at(6)).expect("a slot");
    assert_eq!((second.key.1, second.waited), (2, Duration::from_millis(5)));
}

#[test]
fn urgent_claims_go_first_and_then_those_that_expire_first() {
    let mut queue = Queue::new(Limits { slots: 1, ..LIMITS });
    queue.touch(name("x", 0), at(0));
    look(&mut queue, at(0), |_| claim("e", 1, Band::Normal, None));
    let mut last = queue.admit(at(0)).expect("a slot");
    let claims = [
        ("a", Band::Normal, None),
        ("a", Band::Normal, Some(9000)),
        ("b", Band::Normal, Some(7000)),
        ("b", Band::Pressing, Some(8000)),
        ("c", Band::Expired, Some(1)),
        ("c", Band::Endangered, Some(5000)),
    ];
    for (n, (tenant, ..)) in (0..).zip(claims) {
        queue.touch(name(tenant, n), at(0));
    }
    look(&mut queue, at(0), |name| {
        let (_, band, expires) = claims[name.1 as usize];
        claim("e", 1, band, expires)
    });
    let mut order = Vec::new();
    while order.len() < claims.len() {
        end(&mut queue, &last, Pressure::Answered, at(1));
        last = queue.admit(at(1)).expect("a slot");
        order.push(last.key.1);
    }
    assert_eq!(order, [4, 5, 3, 2, 1, 0]);
}

#[test]
fn what_has_expired_and_fails_again_and_again_keeps_no_other_from_trying() {
    // One call a second, for ten that want one each second, and fail.
    let mut queue = Queue::new(Limits { calls_per_second: 1, burst: 1, ..LIMITS });
    (0..10).for_each(|n| queue.touch(name("a", n), at(0)));
    let mut tried = [0; 10];
    for second in 0..100 {
        let now = at(second * 1000);
        look(&mut queue, now, |name| claim("e", 1, Band::Expired, Some(u64::from(name.1))));
        for one in admitted(&mut queue, now) {
            tried[one.key.1 as usize] += 1;
            one.admission.called();
            queue.attempted(&one.key, Next::At(at((second + 1) * 1000).wall), now);
        }
    }
    assert!(tried.iter().all(|n| (8..=12).contains(n)), "{tried:?}");
}

#[test]
fn an_endpoint_that_hangs_stops_its_namespace_alone() {
    let mut queue = Queue::new(LIMITS);
    (0..400).for_each(|n| queue.touch(name("hangs", n), at(0)));
    look(&mut queue, at(0), |_| claim("hangs", 1, Band::Expired, Some(0)));
    let hanging = admitted(&mut queue, at(0));
    assert_eq!(hanging.len(), 4, "as many as there are slots");
    (0..3).for_each(|n| queue.touch(name("well", n), at(10)));
    look(&mut queue, at(10), |_| claim("answers", 1, Band::Normal, None));
    assert!(queue.admit(at(10)).is_none());
    let wait = queue.idle_for(at(10)).expect("it waits for a slot");
    assert_eq!(wait, Duration::from_millis(990));
    let others = admitted(&mut queue, at(1000));
    assert_eq!(names(&others), [("well", 0), ("well", 1), ("well", 2)]);
    others.iter().for_each(|one| end(&mut queue, one, Pressure::Answered, at(1050)));
    assert!(queue.admit(at(50_000)).is_none(), "the others hang still");
    hanging.iter().for_each(|one| end(&mut queue, one, Pressure::TimedOut, at(60_000)));
    assert_eq!(admitted(&mut queue, at(60_000)).len(), 1, "it is tried with one at a time");
}

#[test]
fn one_namespace_alone_has_every_slot() {
    let mut queue =
        Queue::new(Limits { slots: 64, calls_per_second: 10_000, burst: 10_000, ..LIMITS });
    (0..1000).for_each(|n| queue.touch(name("alone", n), at(0)));
    look(&mut queue, at(0), |_| claim("e", 1, Band::Normal, None));
    for round in 0..15 {
        let now = at(round * 60);
        let these = admitted(&mut queue, now);
        assert_eq!(these.len(), 64);
        these.iter().for_each(|one| end(&mut queue, one, Pressure::Answered, at(round * 60 + 59)));
    }
}

#[test]
fn calls_that_were_not_made_are_given_back() {
    let mut queue = Queue::new(Limits { slots: 9, calls_per_second: 1, burst: 2, ..LIMITS });
    (0..3).for_each(|n| queue.touch(name("a", n), at(0)));
    look(&mut queue, at(0), |_| claim("e", 1, Band::Normal, None));
    let two = admitted(&mut queue, at(0));
    assert_eq!(two.len(), 2, "the burst");
    assert_eq!(queue.idle_for(at(0)), Some(Duration::from_secs(1)));
    queue.attempted(&two[0].key, Next::Change, at(10));
    assert_eq!(admitted(&mut queue, at(10)).len(), 1, "the first made no call");
}

#[test]
fn an_attempt_of_many_calls_is_not_overtaken_for_good_by_small_ones() {
    let mut queue = Queue::new(Limits { slots: 64, calls_per_second: 10, burst: 10, ..LIMITS });
    let calls = |key: &Name| if key.0.as_ref() == "large" { 10 } else { 1 };
    let mut waited = None;
    for ms in (0..20_000u64).step_by(50) {
        // More small ones than the rate grants.
        queue.touch(name(&format!("small-{}", ms % 7), u32::try_from(ms).expect("ms")), at(ms));
        if ms == 2000 {
            queue.touch(name("large", 0), at(ms));
        }
        look(&mut queue, at(ms), |key| claim("e", calls(key), Band::Normal, Some(9_000_000 - ms)));
        for one in admitted(&mut queue, at(ms)) {
            if one.key.0.as_ref() == "large" {
                waited = Some(one.waited);
            }
            end(&mut queue, &one, Pressure::Answered, at(ms));
        }
    }
    assert!(waited.is_some_and(|w| w < Duration::from_secs(12)), "{waited:?}");
}

#[test]
fn a_clock_that_is_set_changes_when_keys_are_due_and_grants_no_calls() {
    let mut queue = Queue::new(Limits { slots: 9, calls_per_second: 1, burst: 1, ..LIMITS });
    (0..2).for_each(|n| queue.touch(name("a", n), at(0)));
    look(&mut queue, at(0), |_| claim("e", 1, Band::Normal, None));
    assert_eq!(admitted(&mut queue, at(0)).len(), 1);
    queue.touch(name("b", 1), at(0));
    look(&mut queue, at(0), |_| Next::At(at(60_000).wall));
    let set = Now { wall: at(120_000).wall, boot: at(100).boot };
    assert_eq!(queue.due(set).map(|d| d.key), Some(name("b", 1)));
    assert!(queue.admit(set).is_none());
}

/// A namespace that cannot be served, because its issuer hangs or its administrator limits it, is
/// behind all others for as long as that lasts: who comes then must not be served before those that
/// were served all the while.
#[test]
fn who_cannot_be_served_shifts_nobody_s_share() {
    let hour = Duration::from_secs(3600);
    for (why, hangs, held) in [
        ("its issuer hangs", "held", claim("hangs", 1, Band::Normal, None)),
        ("it is limited", "", spaced(hour)),
    ] {
        let mut queue = Queue::new(Limits { calls_per_second: 100, burst: 1, ..LIMITS });
        let next = |key: &Name| match key.0.as_ref() {
            "held" => held.clone(),
            _ => claim("e", 1, Band::Normal, None),
        };
        (0..20).for_each(|n| ["held", "first"].iter().for_each(|t| queue.touch(name(t, n), at(0))));
        let began = serve(&mut queue, (0, 20_000), hangs, next);
        assert!(began["held"] <= 4 && began["first"] > 1800, "{why}: {began:?}");
        (0..20).for_each(|n| queue.touch(name("second", n), at(20_000)));
        let began = serve(&mut queue, (20_000, 24_000), hangs, next);
        let got = |tenant: &str| began.get(tenant).copied().unwrap_or_default();
        assert!(got("first").abs_diff(got("second")) <= 16, "{why}: {began:?}");
    }
}

/// Four share the calls of one caller, and one has another caller to itself: who joins that one
/// shares with it, and does not first get what it had got before.
#[test]
fn who_comes_new_shares_with_those_whose_caller_it_has() {
    let mut queue = Queue::new(Limits { calls_per_second: 100, burst: 1, ..LIMITS });
    let next = |key: &Name| {
        let Next::Attempt(mut claim) = claim("e", 1, Band::Normal, None) else { unreachable!() };
        claim.bucket = if key.0.starts_with("own") { "own".into() } else { "shared".into() };
        Next::Attempt(claim)
    };
    for tenant in ["a", "b", "c", "d", "own-first"] {
        (0..20).for_each(|n| queue.touch(name(tenant, n), at(0)));
    }
    let began = serve(&mut queue, (0, 20_000), "", next);
    assert!(began["own-first"] > 3 * began["a"], "{began:?}");
    (0..20).for_each(|n| queue.touch(name("own-second", n), at(20_000)));
    let began = serve(&mut queue, (20_000, 24_000), "", next);
    let got = |tenant: &str| began.get(tenant).copied().unwrap_or_default();
    assert!(got("own-first").abs_diff(got("own-second")) <= 24, "{began:?}");
}

/// Once it may be served again, it has saved up nothing.
#[test]
fn a_limit_that_is_lifted_leaves_no_claim_on_the_past() {
    let mut queue = Queue::new(Limits { calls_per_second: 100, burst: 1, ..LIMITS });
    let next = |spacing| {
        move |key: &Name| match key.0.as_ref() {
            "held" => spaced(spacing),
            _ => claim("e", 1, Band::Normal, None),
        }
    };
    (0..20).for_each(|n| ["held", "first"].iter().for_each(|t| queue.touch(name(t, n), at(0))));
    serve(&mut queue, (0, 20_000), "", next(Duration::from_secs(3600)));
    (0..20).for_each(|n| queue.touch(name("held", n), at(20_000)));
    let began = serve(&mut queue, (20_000, 24_000), "", next(Duration::ZERO));
    let got = |tenant: &str| began.get(tenant).copied().unwrap_or_default();
    assert!(got("first").abs_diff(got("held")) <= 16, "{began:?}");
}

/// Others may make everything urgent meanwhile: it has its turn as soon as it may.
#[test]
fn who_may_be_served_again_is_not_passed_over() {
    let mut queue = Queue::new(Limits { calls_per_second: 100, burst: 1, ..LIMITS });
    let next = |key: &Name| match key.0.as_ref() {
        "held" => spaced(Duration::from_secs(1)),
        _ => claim("e", 1, Band::Endangered, Some(1)),
    };
    for tenant in ["held", "first", "second"] {
        (0..40).for_each(|n| queue.touch(name(tenant, n), at(0)));
    }
    let began = serve(&mut queue, (0, 20_000), "", next);
    assert!(began["held"] >= 18, "{began:?}");
}

#[test]
fn a_namespace_makes_as_many_attempts_a_minute_as_it_may() {
    let mut queue = Queue::new(LIMITS);
    let next = |key: &Name| match key.0.as_ref() {
        "limited" => spaced(Duration::from_secs(6)),
        _ => claim("e", 1, Band::Normal, None),
    };
    (0..20).for_each(|n| queue.touch(name("limited", n), at(0)));
    (0..2).for_each(|n| queue.touch(name("free", n), at(0)));
    let began = serve(&mut queue, (0, 60_000), "", next);
    assert_eq!(began["limited"], 10);
    assert!(began["free"] > 4000, "{began:?}");
    // An attempt that made no call does not count.
    let one = (0..10_000)
        .find_map(|ms| queue.admit(at(60_000 + ms)).filter(|a| a.key.0.as_ref() == "limited"))
        .expect("one every six seconds");
    queue.attempted(&one.key, Next::Change, at(66_000));
    assert!(queue.admit(at(66_000)).is_some_and(|a| a.key.0.as_ref() == "limited"));
}

/// One thing that may happen to a queue.
#[derive(Clone, Debug)]
enum Op {
    Touch(u8, u8),
    Pass(u16),
    Look(u8),
    Admit,
    End(u8, u8),
    Tidy,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        3 => (0..4u8, 0..6u8).prop_map(|(tenant, number)| Op::Touch(tenant, number)),
        2 => (0..3000u16).prop_map(Op::Pass),
        4 => (0..6u8).prop_map(Op::Look),
        3 => Just(Op::Admit),
        3 => (0..8u8, 0..4u8).prop_map(|(which, how)| Op::End(which, how)),
        1 => Just(Op::Tidy),
    ];
    prop::collection::vec(op, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn each_key_is_in_one_place_whatever_happens(ops in ops()) {
        let mut queue = Queue::new(Limits { slots: 2, calls_per_second: 3, burst: 3, ..LIMITS });
        let (mut ms, mut running) = (0u64, Vec::new());
        for op in ops {
            let now = at(ms);
            match op {
                Op::Touch(tenant, n) => queue.touch(name(&tenant.to_string(), n.into()), now),
                Op::Pass(more) => ms += u64::from(more),
                Op::Look(next) => {
                    let Some(due) = queue.due(now) else { continue };
                    let next = match next {
                        0 => Next::Gone,
                        1 => Next::At(at(ms + 700).wall),
                        2 => Next::Change,
                        n => claim(&n.to_string(), u32::from(n), Band::Normal, Some(ms)),
                    };
                    queue.looked(&due.key, next, now);
                }
                Op::Admit => running.extend(queue.admit(now)),
                Op::End(which, how) => {
                    if running.is_empty() {
                        continue;
                    }
                    let one = running.remove(usize::from(which) % running.len());
                    match how {
                        0 => queue.attempted(&one.key, Next::Change, now),
                        1 => end(&mut queue, &one, Pressure::TimedOut, now),
                        2 => end(&mut queue, &one, Pressure::Throttled, now),
                        _ => end(&mut queue, &one, Pressure::Answered, now),
                    }
                }
                Op::Tidy => queue.tidy(now),
            }
            prop_assert_eq!(queue.check(), Ok(()));
        }
        // Whatever was, all that waits is served in the end.
        running.iter().for_each(|one| end(&mut queue, one, Pressure::Answered, at(ms)));
        for _ in 0..200 {
            ms += 10_000;
            look(&mut queue, at(ms), |_| Next::At(Timestamp::MAX));
            let these = admitted(&mut queue, at(ms));
            these.iter().for_each(|one| end(&mut queue, one, Pressure::Answered, at(ms)));
        }
        prop_assert_eq!(queue.waiting.len(), 0);
    }

    /// A namespace that stays below its share waits for at most a step and an attempt of each other
    /// namespace, whatever bands these claim, and however much they want.
    #[test]
    fn a_tenant_below_its_share_waits_no_longer_than_a_step_of_each_other(
        others in prop::collection::vec((1..6u32, 0..3u8), 1..12),
        pause in 300..2000u64,
    ) {
        const RATE: u32 = 100;
        let mut queue = Queue::new(Limits { slots: 16, calls_per_second: RATE, burst: 1, ..LIMITS });
        let bands = [Band::Expired, Band::Endangered, Band::Normal];
        for (tenant, (_, _)) in others.iter().enumerate() {
            (0..40).for_each(|n| queue.touch(name(&tenant.to_string(), n), at(0)));
        }
        let next = |key: &Name| match key.0.parse::<usize>() {
            Ok(tenant) => {
                let (calls, band) = others[tenant];
                claim("e", calls, bands[usize::from(band)], Some(0))
            }
            Err(_) => claim("e", 1, Band::Normal, None),
        };
        // Each other tenant claims again as soon as it has been served, for 20 seconds.
        let mut waits = Vec::new();
        let most: u32 = others.iter().map(|(calls, _)| 8 + 1 + calls).sum();
        for ms in (0..20_000u64).step_by(5) {
            if ms % pause < 5 {
                queue.touch(name("quiet", 0), at(ms));
            }
            look(&mut queue, at(ms), next);
            for one in admitted(&mut queue, at(ms)) {
                if one.key.0.as_ref() == "quiet" {
                    waits.push(one.waited);
                }
                one.admission.called();
                queue.attempted(&one.key, Next::Change, at(ms));
                if one.key.0.as_ref() != "quiet" {
                    queue.touch(one.key, at(ms));
                }
            }
        }
        // Below its share: it asks for less than the others leave it.
        let share = f64::from(RATE) / f64::from(u32::try_from(others.len() + 1).expect("few"));
        prop_assume!(1000.0 / (pause as f64) < share / 2.0);
        let bound = Duration::from_millis(u64::from(most + 6) * 1000 / u64::from(RATE) + 10);
        let longest = waits.iter().max().copied().unwrap_or_default();
        prop_assert!(!waits.is_empty() && longest <= bound, "{longest:?} > {bound:?}");
    }

    #[test]
    fn tenants_that_want_all_get_the_same(
        costs in prop::collection::vec(1..6u32, 2..8),
    ) {
        let mut queue = Queue::new(Limits { slots: 16, calls_per_second: 100, burst: 1, ..LIMITS });
        for tenant in 0..costs.len() {
            (0..60).for_each(|n| queue.touch(name(&tenant.to_string(), n), at(0)));
        }
        let cost = |key: &Name| costs[key.0.parse::<usize>().expect("a number")];
        let mut got = vec![0u32; costs.len()];
        for ms in (0..10_000u64).step_by(5) {
            look(&mut queue, at(ms), |key| claim("e", cost(key), Band::Normal, None));
            for one in admitted(&mut queue, at(ms)) {
                got[one.key.0.parse::<usize>().expect("a number")] += cost(&one.key);
                one.admission.called();
                queue.attempted(&one.key, Next::Change, at(ms));
                queue.touch(one.key, at(ms));
            }
        }
        let (least, most) = (got.iter().min().expect("some"), got.iter().max().expect("some"));
        prop_assert!(most - least <= 2 * (8 + 6), "{got:?}");
    }
}
