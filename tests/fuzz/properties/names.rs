//! ARNs that issuers report, times and durations: what a caller or a server writes.

use refreshable_api::Arn;
use refreshable_rules::{duration, expiry, session_arn};

/// Holds for every text.
pub fn check(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    // A text on the first line, the name of a session below.
    let (text, session) = input.split_once('\n').unwrap_or((input, "session"));
    if let Some(arn) = Arn::parse(text) {
        let Arn { partition, service, region, account_id, resource } = arn;
        let again = format!("arn:{partition}:{service}:{region}:{account_id}:{resource}");
        assert_eq!(again, text, "a part was lost");
        assert!(resource.ends_with(arn.name()), "the name stands somewhere else");
    }
    if let Some(own) = session_arn::at_aws(text, session) {
        assert!(Arn::parse(&own).is_some_and(|own| own.is_aws()), "{own} is no ARN of AWS");
        let plain = !session.contains('/');
        assert!(
            !plain || session_arn::is_same_at_store(text, Some(session), &own),
            "{own} is not taken for a session of {text}"
        );
    }
    if let Some(time) = expiry::parse(text) {
        assert_eq!(expiry::parse(&time.to_string()), Some(time), "a time is read in another way");
    }
    if let Err(advice) = duration::parse(text) {
        assert!(advice.contains("is not a duration"), "{advice}");
    }
}
