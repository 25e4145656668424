//! STS, behind the real AWS SDK.

use super::auditor;
use super::state::{Shared, SimSession, State};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::time::Duration;

/// Stands in every secret that the issuer hands out.
pub const CANARY: &str = "c4n4ry";
/// How long a call hangs that never ends.
pub const FOR_EVER: Duration = Duration::from_secs(3600);

/// The issuer, as an HTTP connector.
#[derive(Clone, Debug)]
pub struct SimSts(pub Shared);

impl HttpClient for SimSts {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for SimSts {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let world = self.0.clone();
        HttpConnectorFuture::new(async move {
            let form: BTreeMap<String, String> =
                form_urlencoded::parse(request.body().bytes().unwrap_or_default())
                    .into_owned()
                    .collect();
            if !world.lock().lives_to_call() {
                return std::future::pending().await;
            }
            let latency = world.lock().latency;
            let key_id =
                request.headers().get("authorization").and_then(signer).unwrap_or_default();
            let outcome = begin(&world, &form, key_id);
            tokio::time::sleep(latency).await;
            match outcome {
                Outcome::Dead => Err(ConnectorError::io("the issuer is dead".into())),
                Outcome::Hang => {
                    tokio::time::sleep(FOR_EVER).await;
                    Err(ConnectorError::io("too late".into()))
                }
                Outcome::Panic => panic!("on purpose; {CANARY}-in-a-panic"),
                Outcome::Refused(status, code) => Ok(respond(status, error(code))),
                Outcome::Garbage(body) => Ok(respond(200, body)),
                Outcome::Granted => {
                    let mut answer = respond(200, session(&world, &form));
                    answer.headers_mut().insert("date", date(world.lock().now()));
                    Ok(answer)
                }
            }
        })
    }
}

/// The outcome of a call.
#[derive(Debug)]
pub enum Outcome {
    Dead,
    Hang,
    Panic,
    /// An error of the service, by its code.
    Refused(u16, &'static str),
    /// Other than an answer of the service.
    Garbage(String),
    Granted,
}

fn respond(status: u16, body: String) -> HttpResponse {
    HttpResponse::new(status.try_into().expect("a status"), SdkBody::from(body))
}

/// The access key id in a signature.
pub fn signer(authorization: &str) -> Option<&str> {
    authorization.split_once("Credential=")?.1.split('/').next()
}

/// A call with this form, signed with `key_id`, arrives at an issuer.
pub fn begin(world: &Shared, form: &BTreeMap<String, String>, key_id: &str) -> Outcome {
    let mut state = world.lock();
    let verdict = auditor::issuer_call(&mut state, form);
    state.auditor.check(verdict);
    let now = state.now();
    state.auditor.issuer_called(form, now);
    let name = form.get("RoleSessionName").map(String::as_str).unwrap_or_default();
    let role = form.get("RoleArn").cloned().unwrap_or_default();
    let faults = state.faults;
    let outcome = if faults.denied_roles.is_some_and(|ending| role.ends_with(ending)) {
        // It excuses those that publish this role, and not those that need it on the way.
        auditor::denied(&mut state, &role);
        auditor::issuer_answered(&mut state, form, false);
        return DENIED;
    } else {
        outcome(&mut state, &role, (name, key_id))
    };
    state.auditor.note(now, &format_args!("{name} asks for {role}: {outcome:?}"));
    auditor::issuer_answered(&mut state, form, matches!(outcome, Outcome::Granted));
    let pause = match &outcome {
        Outcome::Granted => return outcome,
        Outcome::Panic => auditor::PAUSE_FOR_A_PERSON,
        Outcome::Refused(403, _) | Outcome::Garbage(_) => auditor::PAUSE_AFTER_DENIAL,
        Outcome::Dead | Outcome::Hang | Outcome::Refused(..) => auditor::PAUSE_OF_ISSUER,
    };
    auditor::setback(&mut state, name, pause);
    outcome
}

const DENIED: Outcome = Outcome::Refused(403, "AccessDenied");

fn error(code: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>a fault</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
    )
}

fn outcome(state: &mut State, role: &str, (name, key_id): (&str, &str)) -> Outcome {
    let faults = state.faults;
    if faults.issuer_dead {
        return Outcome::Dead;
    }
    if faults.denied_namespace.is_some_and(|n| name.starts_with(&format!("{n}."))) {
        return DENIED;
    }
    if faults.tokens_denied && role == super::ecr::SERVICE {
        return DENIED;
    }
    if faults.hanging_namespace.is_some_and(|n| name.starts_with(&format!("{n}."))) {
        return Outcome::Hang;
    }
    if faults.panicking_roles.is_some_and(|ending| role.ends_with(ending)) {
        return Outcome::Panic;
    }
    if faults.denied_key == Some(key_id) {
        return DENIED;
    }
    if state.happens(faults.issuer_throttles) {
        return Outcome::Refused(400, "Throttling");
    }
    if state.happens(faults.issuer_breaks) {
        return Outcome::Refused(500, "InternalFailure");
    }
    if state.happens(faults.issuer_hangs) {
        return Outcome::Hang;
    }
    if state.happens(faults.issuer_garbage) {
        let bodies = ["<html>", "", "{}", "<AssumeRoleResponse/>"];
        return Outcome::Garbage(bodies[state.random.usize(0..bodies.len())].to_owned());
    }
    if state.happens(faults.issuer_lies) {
        return Outcome::Garbage(answer(
            "ASIALIE00000000000",
            "arn:aws:sts::999999999999:assumed-role/liar/x",
            "2020-01-01T00:00:00Z",
        ));
    }
    Outcome::Granted
}

/// A time as HTTP's `Date` has it.
fn date(now: jiff::Timestamp) -> String {
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).expect("a date")
}

fn session(world: &Shared, form: &BTreeMap<String, String>) -> String {
    let mut state = world.lock();
    let (role, name) = (form["RoleArn"].clone(), form["RoleSessionName"].clone());
    let seconds = form.get("DurationSeconds").and_then(|s| s.parse().ok()).unwrap_or(3600);
    let number = state.next_identity();
    let id = format!("ASIA{number:016}");
    let expiration = state.now() + SignedDuration::from_secs(seconds);
    let given = if state.faults.issuer_swaps {
        "arn:aws:iam::999999999999:role/other".to_owned()
    } else {
        role.clone()
    };
    let whole = jiff::Timestamp::from_second(expiration.as_second()).expect("a time");
    let lifetime = SignedDuration::from_secs(seconds);
    let name_of_session = name.clone();
    let session =
        SimSession { role: given, name: name_of_session, seconds, expiration: whole, lifetime };
    state.sessions.insert(id.clone(), session);
    state.last_seconds.insert((name.clone(), role.clone()), seconds);
    let account = role.split(':').nth(4).unwrap_or_default();
    let short = role.rsplit('/').next().unwrap_or_default();
    let arn = format!("arn:aws:sts::{account}:assumed-role/{short}/{name}");
    answer(&id, &arn, &whole.to_string())
}

fn answer(id: &str, arn: &str, expiration: &str) -> String {
    format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
         <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{CANARY}-secret-{id}</SecretAccessKey>\
         <SessionToken>{CANARY}-token-{id}</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
         <AssumedRoleUser><Arn>{arn}</Arn><AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser></AssumeRoleResult>\
         <ResponseMetadata><RequestId>r-0</RequestId></ResponseMetadata></AssumeRoleResponse>"
    )
}
