//! When each resource is looked at, and in which order the issuers are asked.
//!
//! ```text
//! touched by a watch, or due by the wall clock
//!   -> Queue::due       a look: free, at most `slots` at a time, in turn over the namespaces
//!   -> Next::At, Next::Change    looked at again then
//!   -> Next::Attempt(Claim)      the issuer has to be asked: the key waits for admission
//!   -> Queue::admit     waiting::Waiting (whose turn), Governor (room), RateLimits (calls a second)
//!   -> an attempt       with an Admission, which records whether the issuer was called
//!   -> Queue::release   gives back what was not used, and learns from how the endpoint answered
//! ```
//!
//! A key is in one place at a time: it waits for a time, for a look, or for admission, or it is
//! looked at, or attempted. Everything that waits, waits here: nothing holds a slot while it waits
//! for a rate limit or for its turn.
//!
//! The [`Queue`] is a plain data structure with one owner, and gets the time as an argument.
//! [`run`] is the only loop: production and the simulated world both call it.

#![warn(unused_crate_dependencies)]

mod admission;
mod claim;
mod clock;
mod driver;
mod governor;
mod next;
mod pace;
mod queue;
mod rate_limits;
mod waiting;

pub use admission::{Admission, Pressure};
pub use claim::{Band, Claim};
pub use clock::{Clock, Now, SharedClock};
pub use driver::{SharedQueue, Worker, run};
pub use next::{LONGEST, Next};
pub use queue::{Admitted, Backlog, Due, Key, Limits, Misplaced, Queue};
pub use rate_limits::{RateLimits, weight};
