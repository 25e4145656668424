//! The pages, and the response to a request.

use super::file;
use super::guard;
use super::health::{HEALTHZ, READYZ};
use super::held::Held;
use super::notes::Notes;
use super::refusal::Refusal;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use jiff::Timestamp;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A response.
pub(super) type Answer = Response<Full<Bytes>>;

/// Configuration of the pages: the address, the files and the clock.
#[derive(Debug)]
pub(super) struct Pages {
    /// The address that callers must have called.
    pub(super) served: SocketAddr,
    /// File of the credentials.
    pub(super) credentials: PathBuf,
    /// File of the token; without one every caller is served.
    pub(super) token: Option<PathBuf>,
    /// The clock, which decides whether credentials have expired.
    pub(super) now: fn() -> Timestamp,
    /// Last log lines.
    pub(super) notes: Notes,
    /// Last valid credentials.
    pub(super) held: Held,
}

impl Pages {
    /// Answers a request.
    pub(super) fn answer(&self, asked: &Parts) -> Answer {
        let answer = guard::admit(asked, self.served).and_then(|()| match asked.uri.path() {
            HEALTHZ => Ok(text(StatusCode::OK, "ok".to_owned())),
            READYZ => Ok(match self.load(None) {
                Ok(_) => text(StatusCode::OK, "ok".to_owned()),
                Err(refusal) => text(StatusCode::SERVICE_UNAVAILABLE, refusal.to_string()),
            }),
            "/v1/credentials" => self.credentials(asked, None),
            path => match path.strip_prefix("/v1/credentials/") {
                Some(profile) => self.credentials(asked, Some(profile)),
                None => Err(Refusal::Page),
            },
        });
        answer.unwrap_or_else(|refusal| {
            tracing::debug!(code = refusal.code(), "{refusal}");
            error_page(&refusal)
        })
    }

    fn credentials(&self, asked: &Parts, profile: Option<&str>) -> Result<Answer, Refusal> {
        if let Some(token) = &self.token {
            guard::authorize(asked, token).inspect_err(|refusal| {
                tracing::warn!(code = refusal.code(), "a request is refused: {refusal}");
            })?;
        }
        Ok(json(StatusCode::OK, self.load(profile)?))
    }

    fn load(&self, profile: Option<&str>) -> Result<Bytes, Refusal> {
        let path = file::of_profile(&self.credentials, profile)?;
        let now = (self.now)();
        let outcome = file::load(&path, profile.is_some(), now);
        self.notes.file(&path, outcome.as_ref());
        self.held.answer(path, outcome, now)
    }
}

fn error_page(refusal: &Refusal) -> Answer {
    let body =
        serde_json::json!({"code": refusal.code(), "message": refusal.to_string()}).to_string();
    let mut answer = json(refusal.status(), body.into());
    if *refusal == Refusal::Method {
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    }
    answer
}

fn json(status: StatusCode, body: Bytes) -> Answer {
    response(status, "application/json", body)
}

fn text(status: StatusCode, line: String) -> Answer {
    response(status, "text/plain; charset=utf-8", (line + "\n").into())
}

fn response(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use http_body_util::BodyExt as _;
    use serde_json::Value;
    use std::path::Path;

    fn pages(folder: &Path) -> Pages {
        Pages {
            served: "127.0.0.1:9911".parse().expect("an address"),
            credentials: folder.join("credentials.json"),
            token: Some(folder.join("token")),
            now: Timestamp::now,
            notes: Notes::default(),
            held: Held::default(),
        }
    }

    async fn get(pages: &Pages, path: &str, token: &str) -> (u16, String) {
        let request =
            Request::get(path).header("host", "127.0.0.1:9911").header("authorization", token);
        let answer = pages.answer(&request.body(()).expect("a request").into_parts().0);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    fn write(folder: &Path, name: &str, id: &str, expiration: &str) {
        let text = format!(
            r#"{{"Version":1,"AccessKeyId":"{id}","SecretAccessKey":"s","SessionToken":"t","Expiration":"{expiration}"}}"#
        );
        std::fs::write(folder.join(name), text).expect("written");
    }

    #[tokio::test]
    async fn pages_follow_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        std::fs::write(folder.join("token"), "right\n").expect("written");
        let pages = pages(folder);
        assert_eq!(get(&pages, "/healthz", "").await, (200, "ok\n".to_owned()));
        let (status, why) = get(&pages, "/readyz", "").await;
        assert!(status == 503 && why.contains("cannot be read"), "{why}");

        write(folder, "credentials.json", "ASIAONE", "2999-01-01T00:00:00Z");
        write(folder, "prod.json", "ASIAPROD", "2999-01-01T00:00:00Z");
        assert_eq!(get(&pages, "/readyz", "").await.0, 200);
        for (path, id) in [("/v1/credentials", "ASIAONE"), ("/v1/credentials/prod", "ASIAPROD")] {
            let (status, body) = get(&pages, path, "right").await;
            let body: Value = serde_json::from_str(&body).expect("JSON");
            assert_eq!((status, &body["AccessKeyId"]), (200, &Value::from(id)), "{path}");
        }
        write(folder, "credentials.json", "ASIATWO", "2000-01-01T00:00:00Z");
        let (status, body) = get(&pages, "/v1/credentials", "right").await;
        assert!(status == 200 && body.contains("ASIAONE"), "the last valid ones: {body}");
        assert_eq!(get(&pages, "/readyz", "").await.0, 200);
        let pages = Pages { held: Held::default(), ..pages };
        assert_eq!(get(&pages, "/readyz", "").await.0, 503);
        for (path, token, expected, code) in [
            ("/v1/credentials", "right", 503, "ExpiredCredentials"),
            ("/v1/credentials", "wrong", 403, "AccessDenied"),
            ("/v1/credentials/dev", "right", 404, "ProfileNotFound"),
            ("/v1/credentials/dev", "wrong", 403, "AccessDenied"),
            ("/v1/credentials/", "right", 404, "NotFound"),
            ("/", "right", 404, "NotFound"),
            ("/metrics", "right", 404, "NotFound"),
        ] {
            let (status, body) = get(&pages, path, token).await;
            let body: Value = serde_json::from_str(&body).expect("JSON");
            assert_eq!((status, &body["code"]), (expected, &Value::from(code)), "{path} {token}");
            assert!(body["message"].as_str().is_some_and(|m| !m.is_empty()), "{body}");
        }
    }
}
