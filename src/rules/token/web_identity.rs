//! How long a token of STS's
//! [GetWebIdentityToken](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html)
//! may live.

use crate::issuer::Lifetime;
use jiff::Timestamp;
use refreshable_api::WebIdentityToken;

/// Least lifetime that AWS takes, in seconds.
const LEAST: i64 = 60;
/// Left free between the token's end and the session's, in seconds: the call takes time, and AWS
/// grants no token that outlives its session (`SessionDurationEscalation`).
const MARGIN: i64 = 15;

/// `DurationSeconds` to ask for at `now`.
pub fn duration_seconds(token: &WebIdentityToken, session: Lifetime, now: Timestamp) -> i32 {
    let left = session.expiration.duration_since(now.max(session.issued_at)).as_secs() - MARGIN;
    let wanted = i64::from(token.duration_seconds()).min(left).max(LEAST);
    i32::try_from(wanted).unwrap_or(token.duration_seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_before_the_session_that_bought_it() {
        let at = |seconds: i64| Timestamp::from_second(1_767_225_600 + seconds).expect("a time");
        for (wanted, session, now, asked) in [
            (None, 3600, 0, 3585),
            (None, 43_200, 0, 3600),
            (None, 43_200, 43_000, 185),
            (None, 900, 870, 60),
            (None, 900, -500, 885),
            (Some(300), 3600, 0, 300),
            (Some(3600), 900, 10, 875),
        ] {
            let token = WebIdentityToken { duration_seconds: wanted, ..Default::default() };
            let session = Lifetime { issued_at: at(0), expiration: at(session) };
            let found = duration_seconds(&token, session, at(now));
            assert_eq!(found, asked, "{wanted:?} of {session:?} at {now}");
        }
    }
}
