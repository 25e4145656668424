//! All that happened, as a digest, and as lines for whoever replays a seed: `REFRESHABLE_TRACE=1`.

use jiff::Timestamp;
use std::fmt::Display;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// All that happened, in its order.
#[derive(Default)]
pub struct Trace {
    hasher: DefaultHasher,
    printed: bool,
}

impl Trace {
    /// One that prints each line where the environment says so.
    pub fn of_environment() -> Self {
        let printed = std::env::var_os("REFRESHABLE_TRACE").is_some();
        Self { hasher: DefaultHasher::new(), printed }
    }

    /// Takes note of what happened.
    pub fn note(&mut self, at: Timestamp, line: &impl Display) {
        let line = line.to_string();
        (at.as_microsecond(), &line).hash(&mut self.hasher);
        if self.printed {
            println!("{at:.3} {line}");
        }
    }

    /// A digest of all of it.
    pub fn digest(&self) -> u64 {
        self.hasher.finish()
    }
}
