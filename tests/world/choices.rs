//! Delays that are chosen one after the other, instead of by chance: with each of two for each event
//! and answer, all orders in which these can come are gone through.

use jiff::SignedDuration;

/// The first choices of a run, and how many of them have been made.
#[derive(Clone, Copy, Debug)]
pub struct Choices {
    chosen: u32,
    count: u32,
    made: u32,
}

impl Choices {
    /// The `number`th of the two to the power of `count` ways to choose.
    pub fn new(number: u32, count: u32) -> Self {
        Self { chosen: number, count, made: 0 }
    }

    /// The next delay: none, or the longest. Those that come after the last choice have none.
    pub fn delay(&mut self, longest: SignedDuration) -> SignedDuration {
        let slow = self.made < self.count && self.chosen >> self.made & 1 == 1;
        self.made += 1;
        if slow { longest } else { SignedDuration::ZERO }
    }
}

/// A delay up to `longest`: as it is chosen, or by chance.
pub fn delay(
    choices: &mut Option<Choices>,
    random: &mut fastrand::Rng,
    longest: SignedDuration,
) -> SignedDuration {
    match (choices, i64::try_from(longest.as_millis()).expect("a delay")) {
        (Some(choices), _) => choices.delay(longest),
        (None, 0) => SignedDuration::ZERO,
        (None, longest) => SignedDuration::from_millis(random.i64(0..=longest)),
    }
}
