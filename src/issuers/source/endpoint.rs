//! Common parts of the sources that request credentials in JSON from an HTTP endpoint.

use super::{Obtained, Request};
use crate::aws::call::counted;
use crate::http::{self, Answer, Call};
use jiff::Timestamp;
use refreshable_rules::issuer::{IssueError, Issued, json};
use secrecy::ExposeSecret as _;

/// Host and port of `url`, without a path or a user that callers may differ in.
pub(super) fn authority(url: &str) -> String {
    let uri = url.parse::<::http::Uri>().ok();
    let authority = uri.as_ref().and_then(|uri| uri.authority());
    authority.map_or_else(
        || url.to_owned(),
        |a| format!("{}:{}", a.host(), a.port_u16().unwrap_or_default()),
    )
}

/// Makes the call, counts it, and reads the credentials.
pub(super) async fn get(call: &Call<'_>, request: &Request<'_>) -> Result<Obtained, IssueError> {
    get_with(call, request, |operation, body, date| json::read(operation, body, date, request.now))
        .await
}

/// The same, with credentials in another form, which `read` reads from the body and the server's
/// clock.
pub(super) async fn get_with(
    call: &Call<'_>,
    request: &Request<'_>,
    read: impl FnOnce(&'static str, &[u8], Option<Timestamp>) -> Result<Issued, IssueError>,
) -> Result<Obtained, IssueError> {
    counted(call.operation, request.sts.meter(), async {
        let answer = successful(call, request.source_context.http.send(call, None).await?)?;
        let issued = read(call.operation, answer.body.expose_secret(), answer.date)?;
        Ok(Obtained::Session(Box::new(issued)))
    })
    .await
}

/// The response, if it is successful.
pub(super) fn successful(call: &Call<'_>, answer: Answer) -> Result<Answer, IssueError> {
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    Err(http::http_error(call.operation, call.url, &answer))
}

#[cfg(test)]
mod tests {
    use super::authority;

    #[test]
    fn an_endpoint_is_one_whatever_its_paths() {
        for (url, is) in [
            ("https://issuer.example/team-a/x?y=1", "issuer.example:0"),
            ("https://issuer.example:8443/", "issuer.example:8443"),
            ("https://user@issuer.example/", "issuer.example:0"),
            ("http://[fd00::1]:80/", "[fd00::1]:80"),
            ("not a url", "not a url"),
        ] {
            assert_eq!(authority(url), is, "{url}");
        }
    }
}
