//! Responses of the controller's pages.

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use refreshable_agent::server::Answer;

/// A response of this kind of content.
pub(super) fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// A response in words.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    answer(status, "text/plain; charset=utf-8", text.into())
}

/// The refusal of a method that is not among those `allowed`.
pub(super) fn unless_allowed(method: &Method, allowed: &'static [Method]) -> Option<Answer> {
    if allowed.contains(method) {
        return None;
    }
    let names: Vec<&str> = allowed.iter().map(Method::as_str).collect();
    let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "GET is served\n");
    if let Ok(names) = HeaderValue::from_str(&names.join(",")) {
        refusal.headers_mut().insert(ALLOW, names);
    }
    Some(refusal)
}
