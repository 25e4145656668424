//! The Lease, by which the auditor knows who leads: what the API server says, not what a controller
//! believes.

use super::state::State;
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

/// How a call that concerns the lease delays everybody: until it is tried again, and what came due
/// meanwhile is done.
const PAUSE: SignedDuration = SignedDuration::from_secs(45);

/// The Lease's holder, if it has one.
pub fn holder(state: &State) -> Option<usize> {
    let holder = state.lease.as_ref()?["spec"]["holderIdentity"].as_str()?;
    holder.strip_prefix("instance-")?.parse().ok()
}

/// The name of an instance.
pub fn identity(instance: usize) -> String {
    format!("instance-{instance}")
}

/// The API server's answer to a call that concerns the Lease.
pub fn answer(
    state: &mut State,
    method: &Method,
    body: &Value,
) -> Result<(u16, Value), (u16, &'static str)> {
    if state.now() < state.unrenewable_until {
        return Err((503, "ServiceUnavailable"));
    }
    match (method, &state.lease) {
        (&Method::GET, Some(lease)) => Ok((200, lease.clone())),
        (&Method::GET, None) => Err((404, "NotFound")),
        (&Method::POST, Some(_)) => Err((409, "AlreadyExists")),
        (&Method::POST, None) => Ok((201, write(state, body))),
        (&Method::PUT, Some(lease))
            if lease["metadata"]["resourceVersion"] == body["metadata"]["resourceVersion"] =>
        {
            Ok((200, write(state, body)))
        }
        (&Method::PUT, Some(_)) => Err((409, "Conflict")),
        (&Method::PUT, None) => Err((404, "NotFound")),
        (method, _) => panic!("the simulated API server does not know {method} of a Lease"),
    }
}

fn write(state: &mut State, body: &Value) -> Value {
    let mut lease = body.clone();
    lease["metadata"]["resourceVersion"] = state.next_version().to_string().into();
    lease["metadata"]["uid"] = json!("lease");
    state.lease = Some(lease.clone());
    lease
}

/// Somebody takes the lease, and does not renew it.
pub fn take(state: &mut State) {
    let Some(mut lease) = state.lease.clone() else { return };
    let spec = &mut lease["spec"];
    spec["holderIdentity"] = "somebody".into();
    spec["leaseTransitions"] = (spec["leaseTransitions"].as_i64().unwrap_or_default() + 1).into();
    write(state, &lease);
}

/// A call that concerns the Lease met a fault.
pub fn setback(state: &mut State) {
    let until = state.now() + PAUSE;
    state.auditor.hinder_until(until);
}
