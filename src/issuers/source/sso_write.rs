//! Writes a renewed token of IAM Identity Center back to its Secret.
//!
//! The renewal may have used up the refresh token in the Secret, so one failed write must not lose
//! the new one. The write is retried, over any other change of the Secret, as long as it still
//! holds the token that was renewed.

use super::sso_token::SsoToken;
use super::{InputData, Inputs};
use backon::{ExponentialBuilder, Retryable as _};
use refreshable_rules::issuer::IssueError;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Tries of the write: about ten seconds in all, within the time of an attempt.
const TRIES: usize = 8;

/// Outcome of the write.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The Secret holds the renewed token.
    Written,
    /// Another writer stored a different token meanwhile, which counts.
    Superseded,
    /// It could not be written.
    Failed(IssueError),
}

/// Writes `renewed` under `key` of `secret`, instead of `used`.
pub(super) async fn write(
    inputs: &dyn Inputs,
    secret: Arc<InputData>,
    key: &str,
    used: &SsoToken,
    renewed: &SsoToken,
) -> Outcome {
    let text = renewed.to_json();
    let pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_max_times(TRIES);
    let once = || once(inputs, &secret, key, used, renewed, &text);
    match once.retry(pauses).await {
        Ok(true) => Outcome::Written,
        Ok(false) => Outcome::Superseded,
        Err(error) => Outcome::Failed(error),
    }
}

/// Writes over the state that was read, or over a newer one that holds the same token.
async fn once(
    inputs: &dyn Inputs,
    secret: &InputData,
    key: &str,
    used: &SsoToken,
    renewed: &SsoToken,
    text: &SecretString,
) -> Result<bool, IssueError> {
    if inputs.replace(secret, key, text).await? {
        return Ok(true);
    }
    let now = inputs.state(secret.object.name()).await?;
    let there = now.bytes(key).ok().and_then(|bytes| SsoToken::parse(bytes).ok());
    match there {
        // An earlier write arrived, although its response did not.
        Some(token) if token.has_refresh_token_of(renewed) && !token.has_refresh_token_of(used) => {
            Ok(true)
        }
        Some(token) if token.has_refresh_token_of(used) => {
            match inputs.replace(&now, key, text).await? {
                true => Ok(true),
                false => Err(IssueError::Kubernetes {
                    what: format!("Secret {}", secret.object.name()),
                    detail: "others keep writing to it while the token is renewed".to_owned(),
                }),
            }
        }
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::BoxFuture;
    use jiff::Timestamp;
    use parking_lot::Mutex;
    use refreshable_rules::input_object::InputObject;
    use secrecy::{ExposeSecret as _, SecretSlice};
    use std::collections::VecDeque;

    const KEY: &str = "token.json";

    /// Meaning of the response to a write: an error, a conflict after which the Secret holds this
    /// token, or success.
    enum Answer {
        Fails,
        Conflict(SsoToken),
        Written,
    }

    struct Script {
        answers: Mutex<VecDeque<Answer>>,
        there: Mutex<SsoToken>,
        writes: Mutex<usize>,
    }

    fn token(refresh: &str) -> SsoToken {
        let now = Timestamp::UNIX_EPOCH;
        SsoToken::signed_in("https://x.awsapps.com/start", "eu-west-1", "access", 3600, now)
            .refreshed_by(refresh)
    }

    fn secret(token: &SsoToken) -> Arc<InputData> {
        let bytes = SecretSlice::from(token.to_json().expose_secret().as_bytes().to_vec());
        Arc::new(InputData::new(
            InputObject::Secret("sso".to_owned()),
            "u/1".to_owned(),
            None,
            [(KEY.to_owned(), bytes)].into(),
        ))
    }

    impl Inputs for Script {
        fn secret<'a>(
            &'a self,
            name: &'a str,
        ) -> BoxFuture<'a, Result<Arc<InputData>, IssueError>> {
            self.state(name)
        }

        fn state<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Arc<InputData>, IssueError>> {
            Box::pin(async { Ok(secret(&self.there.lock())) })
        }

        fn trust<'a>(
            &'a self,
            _: &'a InputObject,
        ) -> BoxFuture<'a, Result<Arc<InputData>, IssueError>> {
            Box::pin(async { panic!("nothing here names what it trusts") })
        }

        fn may_replace<'a>(
            &'a self,
            _: &'a InputData,
            _: &'a str,
        ) -> BoxFuture<'a, Result<bool, IssueError>> {
            Box::pin(async { Ok(true) })
        }

        fn replace<'a>(
            &'a self,
            _: &'a InputData,
            _: &'a str,
            _: &'a SecretString,
        ) -> BoxFuture<'a, Result<bool, IssueError>> {
            *self.writes.lock() += 1;
            let answer = self.answers.lock().pop_front().unwrap_or(Answer::Fails);
            Box::pin(async move {
                match answer {
                    Answer::Written => Ok(true),
                    Answer::Conflict(token) => {
                        *self.there.lock() = token;
                        Ok(false)
                    }
                    Answer::Fails => Err(IssueError::Kubernetes {
                        what: "Secret sso".into(),
                        detail: "the server is busy".into(),
                    }),
                }
            })
        }

        fn token<'a>(
            &'a self,
            _: &'a str,
            _: &'a str,
        ) -> BoxFuture<'a, Result<SecretString, IssueError>> {
            Box::pin(async { Ok("t".into()) })
        }
    }

    async fn written(answers: Vec<Answer>) -> (Outcome, usize) {
        let (used, renewed) = (token("old"), token("new"));
        let script = Script {
            answers: Mutex::new(answers.into()),
            there: Mutex::new(token("old")),
            writes: Mutex::default(),
        };
        let outcome = write(&script, secret(&used), KEY, &used, &renewed).await;
        let writes = *script.writes.lock();
        (outcome, writes)
    }

    #[tokio::test(start_paused = true)]
    async fn renewed_token_survives_failed_writes_and_edits_of_labels() {
        use Answer::{Conflict, Fails, Written};
        for (name, answers, writes) in [
            ("at once", vec![Written], 1),
            ("throttled and broken", vec![Fails, Fails, Fails, Written], 4),
            ("a label was edited", vec![Conflict(token("old")), Written], 2),
            (
                "a label was edited, and then a fault",
                vec![Conflict(token("old")), Fails, Written],
                3,
            ),
            ("an answer was lost", vec![Fails, Conflict(token("new"))], 2),
        ] {
            let (outcome, seen) = written(answers).await;
            assert!(matches!(outcome, Outcome::Written), "{name}: {outcome:?}");
            assert_eq!(seen, writes, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn token_of_a_new_sign_in_is_not_overwritten() {
        let (outcome, writes) = written(vec![Answer::Conflict(token("of a person"))]).await;
        assert!(matches!(outcome, Outcome::Superseded), "{outcome:?}");
        assert_eq!(writes, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn write_that_never_succeeds_is_given_up_and_told() {
        let (outcome, writes) = written(Vec::new()).await;
        let Outcome::Failed(error) = outcome else { panic!("{outcome:?}") };
        assert!(error.to_string().contains("the server is busy"), "{error}");
        assert_eq!(writes, TRIES + 1);
    }
}
