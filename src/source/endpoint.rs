//! What the sources have in common that ask an HTTP endpoint for credentials in JSON.

use super::{Obtained, Request};
use crate::http::{self, Call};
use crate::issuer::{IssueError, json};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

/// Makes the call, counts it, and reads the credentials.
pub(super) async fn get(call: &Call<'_>, request: &Request<'_>) -> Result<Obtained, IssueError> {
    let began = Instant::now();
    let result = credentials(call, request).await;
    let outcome = result.as_ref().map_or_else(|e| e.class().as_str(), |_| "success");
    request.sts.meter().issuer_call(call.operation, outcome, began.elapsed());
    result
}

async fn credentials(call: &Call<'_>, request: &Request<'_>) -> Result<Obtained, IssueError> {
    let answer = http::get(call).await?;
    let body = answer.body.expose_secret();
    if !(200..300).contains(&answer.status) {
        return Err(json::complaint(call.operation, call.url, answer.status, body));
    }
    let issued = json::read(call.operation, body, answer.date, request.now)?;
    Ok(Obtained::Session(Box::new(issued)))
}
