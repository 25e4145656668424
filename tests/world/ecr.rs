//! Amazon ECR, behind the controller's own HTTP: a session buys the password of its registries.

use super::state::Shared;
use super::sts::{CANARY, FOR_EVER, Outcome, begin, signer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::{BoxFuture, FutureExt as _};
use jiff::SignedDuration;
use refreshable_issuers::http::{Answer, Call, Transport};
use refreshable_rules::issuer::IssueError;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Stands between the canary and the access key id in a password.
const PASSWORD: &str = "-password-";
/// The subject of a call for a token; those of other calls are roles.
pub const SERVICE: &str = "ecr";
/// AWS's tokens are valid for so long.
const LIFETIME: SignedDuration = SignedDuration::from_hours(12);

/// The access key id that a password was bought with.
pub fn bought_with(password: &str) -> Option<&str> {
    password.strip_prefix(CANARY)?.strip_prefix(PASSWORD)
}

/// The registries, as what carries calls out.
#[derive(Clone, Debug)]
pub struct SimEcr(pub Shared);

impl Transport for SimEcr {
    fn send<'a>(
        &'a self,
        call: &'a Call<'a>,
        _: Option<String>,
    ) -> BoxFuture<'a, Result<Answer, IssueError>> {
        assert!(call.url.contains("api.ecr."), "nothing else is simulated: {}", call.url);
        let world = &self.0;
        async move {
            if !world.lock().lives_to_call() {
                return std::future::pending().await;
            }
            let authorization = call.headers.iter().find(|(name, _)| name == "authorization");
            let authorization = authorization.map(|(_, value)| value.expose_secret());
            let key_id = authorization.and_then(signer).expect("it is signed").to_owned();
            let name = world.lock().sessions.get(&key_id).expect("a session").name.clone();
            let form = BTreeMap::from([
                ("RoleSessionName".to_owned(), name),
                ("RoleArn".to_owned(), SERVICE.to_owned()),
            ]);
            let (outcome, latency) = (begin(world, &form, &key_id), world.lock().latency);
            tokio::time::sleep(latency).await;
            let unreachable = |detail: &str| IssueError::Unreachable {
                operation: call.operation,
                endpoint: call.url.to_owned(),
                detail: detail.to_owned(),
            };
            Ok(match outcome {
                Outcome::Dead => return Err(unreachable("the issuer is dead")),
                Outcome::Hang => {
                    let patience = call.timeout_seconds.and_then(|s| u64::try_from(s).ok());
                    let patience = patience.map_or(FOR_EVER, std::time::Duration::from_secs);
                    tokio::time::sleep(patience).await;
                    return Err(unreachable("no answer in time"));
                }
                Outcome::Panic => panic!("on purpose; {CANARY}-in-a-panic"),
                Outcome::Refused(status, code) => answer(status, &json!({"__type": code})),
                Outcome::Garbage(_) => answer(200, &json!({})),
                Outcome::Granted => {
                    let password = STANDARD.encode(format!("AWS:{CANARY}{PASSWORD}{key_id}"));
                    let ends = (world.lock().now() + LIFETIME).as_second();
                    let data = json!({"authorizationToken": password, "expiresAt": ends});
                    answer(200, &json!({ "authorizationData": [data] }))
                }
            })
        }
        .boxed()
    }
}

fn answer(status: u16, body: &Value) -> Answer {
    Answer {
        status,
        body: body.to_string().into_bytes().into(),
        date: None,
        request_id: Some("r-2".to_owned()),
        error_code: None,
    }
}
