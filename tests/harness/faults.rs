//! Faults between the controller and an issuer, switched on by tests.
//!
//! ```ignore
//! let fault = proxy.on("AssumeRole").of_role(&arn).times(2).throttles();
//! // ...
//! assert_eq!(fault.hits(), 2);
//! fault.lift();
//! ```

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;

use super::proxy::Call;

/// The faults of one proxy.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Fault>>>);

/// One fault that is switched on. Letting go of it leaves it on.
#[derive(Clone)]
pub struct Fault(Arc<Rule>);

struct Rule {
    action: Option<String>,
    role: Option<String>,
    key: Option<String>,
    most: usize,
    hits: AtomicUsize,
    lifted: AtomicBool,
    effect: Effect,
}

/// Effect on a call.
#[derive(Clone, Debug)]
pub enum Effect {
    /// It waits so long before it goes on.
    Delay(Duration),
    /// It is never answered.
    Hang,
    /// Its connection closes before the issuer hears of it.
    Close,
    /// The issuer answers, and the connection closes before the answer arrives.
    LoseAnswer,
    /// It is answered in the issuer's place.
    Answer(Answer),
    /// The `Expiration` in its answer is another.
    Expiration(Expiration),
    /// The `Date` of its answer is off by so much.
    Date(SignedDuration),
}

/// An answer in the issuer's place.
#[derive(Clone, Debug)]
pub enum Answer {
    /// An error as AWS words it, in the protocol of the request.
    Error { status: u16, code: String, message: String },
    /// Anything else.
    Page { status: u16, content_type: String, body: String },
}

/// Another `Expiration`.
#[derive(Clone, Debug)]
pub enum Expiration {
    /// So long from now; before now where it is negative.
    In(SignedDuration),
    /// None at all.
    Missing,
    /// Something else where it should stand.
    Reads(String),
}

/// A fault to be: which calls it is for. It ends with what happens to them.
#[must_use = "say what happens to these calls"]
pub struct When {
    faults: Faults,
    action: Option<String>,
    role: Option<String>,
    key: Option<String>,
    most: usize,
}

impl Faults {
    /// A fault for calls of this action, or of every action.
    pub(super) fn when(&self, action: Option<&str>) -> When {
        let action = action.map(Into::into);
        When { faults: self.clone(), action, role: None, key: None, most: usize::MAX }
    }

    /// Switches every fault off.
    pub(super) fn clear(&self) {
        for fault in self.0.lock().expect("no panic inside").drain(..) {
            fault.lift();
        }
    }

    /// Effects on a call, in the order in which the faults were switched on.
    pub(super) fn strike(&self, call: &Call) -> Vec<Effect> {
        let faults = self.0.lock().expect("no panic inside");
        faults.iter().filter_map(|fault| fault.0.strike(call)).collect()
    }
}

impl Rule {
    fn strike(&self, call: &Call) -> Option<Effect> {
        let wanted = |asked: &Option<String>, actual: Option<&str>| {
            asked.is_none() || asked.as_deref() == actual
        };
        let meant = wanted(&self.action, Some(&call.action))
            && wanted(&self.role, call.role())
            && wanted(&self.key, call.access_key_id.as_deref())
            && !self.lifted.load(Ordering::Acquire);
        let one_more = |hits| (hits < self.most).then_some(hits + 1);
        let counted =
            meant && self.hits.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok();
        counted.then(|| self.effect.clone())
    }
}

impl Fault {
    /// Switches it off.
    pub fn lift(&self) {
        self.0.lifted.store(true, Ordering::Release);
    }

    /// How many calls it has struck.
    pub fn hits(&self) -> usize {
        self.0.hits.load(Ordering::Acquire)
    }
}

impl When {
    /// Only for this role.
    pub fn of_role(mut self, arn: &str) -> Self {
        self.role = Some(arn.into());
        self
    }

    /// Only when signed with this access key.
    pub fn signed_by(mut self, access_key_id: &str) -> Self {
        self.key = Some(access_key_id.into());
        self
    }

    /// Only so many times.
    pub fn times(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// Only the next time.
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// They take so much longer.
    pub fn takes(self, longer: Duration) -> Fault {
        self.meet(Effect::Delay(longer))
    }

    /// They are never answered.
    pub fn hangs(self) -> Fault {
        self.meet(Effect::Hang)
    }

    /// Their connection closes, and the issuer never hears of them.
    pub fn gets_cut_off(self) -> Fault {
        self.meet(Effect::Close)
    }

    /// The issuer does what they ask, and its answer is lost on the way.
    pub fn loses_its_answer(self) -> Fault {
        self.meet(Effect::LoseAnswer)
    }

    /// They are refused with an AWS error.
    pub fn fails(self, status: u16, code: &str, message: &str) -> Fault {
        self.meet(Effect::Answer(Answer::Error {
            status,
            code: code.into(),
            message: message.into(),
        }))
    }

    /// They are refused as STS refuses too many calls.
    pub fn throttles(self) -> Fault {
        self.fails(400, "Throttling", "Rate exceeded")
    }

    /// They are refused as IAM refuses whom a role does not trust.
    pub fn gets_denied(self) -> Fault {
        self.fails(403, "AccessDenied", "User is not authorized to perform: sts:AssumeRole")
    }

    /// The issuer has a bad moment.
    pub fn breaks(self) -> Fault {
        self.fails(
            500,
            "InternalFailure",
            "The request processing has failed because of an unknown error",
        )
    }

    /// Something else than AWS answers: a gateway, or the login page of a hotel.
    pub fn answers_html(self, status: u16) -> Fault {
        self.answers(
            status,
            "text/html",
            "<!doctype html><title>Sign in</title><h1>Sign in to continue</h1>",
        )
    }

    /// They are answered with this.
    pub fn answers(self, status: u16, content_type: &str, body: &str) -> Fault {
        self.meet(Effect::Answer(Answer::Page {
            status,
            content_type: content_type.into(),
            body: body.into(),
        }))
    }

    /// Sessions from them say that they expire so soon. (The issuer still honours them longer.)
    pub fn expires_in(self, left: Duration) -> Fault {
        let left = SignedDuration::try_from(left).expect("a duration that a date can hold");
        self.meet(Effect::Expiration(Expiration::In(left)))
    }

    /// Sessions from them say that they expired so long ago.
    pub fn expired_since(self, past: Duration) -> Fault {
        let past = SignedDuration::try_from(past).expect("a duration that a date can hold");
        self.meet(Effect::Expiration(Expiration::In(-past)))
    }

    /// Sessions from them do not say when they expire.
    pub fn never_says_when_it_expires(self) -> Fault {
        self.meet(Effect::Expiration(Expiration::Missing))
    }

    /// Sessions from them say this where their expiry should stand.
    pub fn says_it_expires(self, garbage: &str) -> Fault {
        self.meet(Effect::Expiration(Expiration::Reads(garbage.into())))
    }

    /// Their answer is dated so far from now.
    pub fn gets_misdated_by(self, skew: SignedDuration) -> Fault {
        self.meet(Effect::Date(skew))
    }

    fn meet(self, effect: Effect) -> Fault {
        let Self { faults, action, role, key, most } = self;
        let (hits, lifted) = (AtomicUsize::new(0), AtomicBool::new(false));
        let fault = Fault(Arc::new(Rule { action, role, key, most, hits, lifted, effect }));
        faults.0.lock().expect("no panic inside").push(fault.clone());
        fault
    }
}
