//! Resource versions, as far as their order tells something.

/// Whether version `seen` is older than version `written`. Versions are decimal numbers that grow
/// (KEP-5504); where they are not, nothing is known to be older.
pub(super) fn older(seen: Option<&str>, written: &str) -> bool {
    match (seen.and_then(|s| s.parse::<u64>().ok()), written.parse::<u64>()) {
        (Some(seen), Ok(written)) => seen < written,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(older(Some("9"), "10"));
        assert!(!older(Some("10"), "10"));
        assert!(!older(Some("11"), "10"));
        assert!(!older(Some("abc"), "10") && !older(None, "10"));
    }
}
