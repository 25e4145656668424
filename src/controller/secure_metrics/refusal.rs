//! Why a request for the metrics is refused.

use super::super::answers::text;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use refreshable_agent::server::Answer;
use std::time::Duration;

/// A refusal. Its text goes to the caller: it quotes neither the caller nor the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "Authorization is missing: send a token of Kubernetes, as `Authorization: Bearer <token>`"
    )]
    NoToken,
    #[error("Authorization must be there once, as `Bearer <token>`")]
    NotBearer,
    #[error(
        "Kubernetes does not know this token: it has expired, or is for another audience. \
         `kubectl create token` makes one of a ServiceAccount"
    )]
    Unauthenticated,
    #[error(
        "the token's user may not get /metrics: bind it to a ClusterRole with nonResourceURLs \
         [/metrics] and verbs [get], as <release>-metrics-reader of the chart is"
    )]
    Forbidden,
    #[error("too many tokens are to be checked at the same time: ask again later")]
    Busy(Duration),
    #[error("the token could not be checked: the controller's log says why")]
    Unchecked,
}

impl Refusal {
    /// The HTTP status.
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::NoToken | Self::NotBearer | Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Busy(_) | Self::Unchecked => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The response.
    pub(super) fn answer(self) -> Answer {
        let mut answer = text(self.status(), format!("{self}\n"));
        if self.status() == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Self::Busy(pause) = self {
            let seconds = pause.as_secs().saturating_add(1);
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_headers_say_what_to_do() {
        for (refusal, status, challenge, pause) in [
            (Refusal::NoToken, 401, true, None),
            (Refusal::NotBearer, 401, true, None),
            (Refusal::Unauthenticated, 401, true, None),
            (Refusal::Forbidden, 403, false, None),
            (Refusal::Busy(Duration::from_millis(1500)), 503, false, Some("2")),
            (Refusal::Unchecked, 503, false, None),
        ] {
            let answer = refusal.answer();
            let header = |name| answer.headers().get(name).map(|v| v.to_str().expect("text"));
            assert_eq!(answer.status(), status, "{refusal:?}");
            assert_eq!(header(WWW_AUTHENTICATE), challenge.then_some("Bearer"), "{refusal:?}");
            assert_eq!(header(RETRY_AFTER), pause, "{refusal:?}");
        }
    }
}
