//! Numbers that a run is given in its environment.

use std::str::FromStr;

/// The number in `variable`; none where it is not set, or empty, as make passes on what is not given.
///
/// # Panics
/// Where it holds anything else.
pub fn number<N: FromStr>(variable: &str) -> Option<N> {
    let text = std::env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}
