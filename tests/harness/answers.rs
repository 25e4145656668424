//! An issuer's answers: written in its place, changed, and searched for secrets.

use http::{HeaderValue, Response, header};
use hyper::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::canary;
use super::faults::{Answer, Expiration};

/// Writes an answer in the issuer's place.
pub(super) fn write(answer: Answer, json_protocol: bool) -> Response<Bytes> {
    let (status, content_type, body) = match answer {
        Answer::Page { status, content_type, body } => (status, content_type, body),
        Answer::Error { status, code, message } if json_protocol => (
            status,
            "application/json".into(),
            json!({ "__type": code, "message": message }).to_string(),
        ),
        Answer::Error { status, code, message } => {
            let to_blame = if status < 500 { "Sender" } else { "Receiver" };
            let body = format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <Error><Type>{to_blame}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
                 <RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
            );
            (status, "text/xml".into(), body)
        }
    };
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .header("x-amzn-requestid", REQUEST_ID)
        .body(body.into())
        .expect("an answer")
}

/// The request id of every answer that is written here: users find it in their conditions.
pub const REQUEST_ID: &str = "0f0f0f0f-1111-2222-3333-444455556666";

/// Dates an answer so far from now.
pub(super) fn date(answer: &mut Response<Bytes>, skew: SignedDuration) {
    let date = (Timestamp::now() + skew).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    answer
        .headers_mut()
        .insert(header::DATE, HeaderValue::from_str(&date).expect("a date in ASCII"));
}

/// Changes when an answer says that its credentials expire, in XML or in JSON.
pub(super) fn expire(answer: &mut Response<Bytes>, expiration: &Expiration) {
    let body = match serde_json::from_slice::<Value>(answer.body()) {
        Ok(mut json) => {
            expire_json(&mut json, expiration);
            json.to_string()
        }
        Err(_) => expire_xml(&String::from_utf8_lossy(answer.body()), expiration),
    };
    answer.headers_mut().remove(header::CONTENT_LENGTH);
    *answer.body_mut() = body.into();
}

fn expire_xml(xml: &str, expiration: &Expiration) -> String {
    let (open, close) = ("<Expiration>", "</Expiration>");
    let Some((before, rest)) = xml.split_once(open) else { return xml.into() };
    let Some((_, after)) = rest.split_once(close) else { return xml.into() };
    match expiration {
        Expiration::Missing => format!("{before}{after}"),
        Expiration::Reads(text) => format!("{before}{open}{text}{close}{after}"),
        Expiration::In(left) => format!("{before}{open}{}{close}{after}", instant(*left)),
    }
}

fn expire_json(json: &mut Value, expiration: &Expiration) {
    let children: Vec<&mut Value> = match json {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => {
            let name = fields.keys().find(|name| name.eq_ignore_ascii_case("expiration")).cloned();
            if let Some(name) = name {
                match expiration {
                    Expiration::Missing => {
                        fields.remove(&name);
                    }
                    Expiration::Reads(text) => fields[&name] = json!(text),
                    Expiration::In(left) => fields[&name] = in_the_manner_of(&fields[&name], *left),
                }
            }
            fields.values_mut().collect()
        }
        _ => return,
    };
    for child in children {
        expire_json(child, expiration);
    }
}

/// A time as its neighbours wrote it: text, seconds, or milliseconds.
fn in_the_manner_of(original: &Value, left: SignedDuration) -> Value {
    let time = Timestamp::now() + left;
    match original.as_f64() {
        None => json!(instant(left)),
        Some(number) if number > 1e11 => json!(time.as_millisecond()),
        Some(_) => json!(time.as_second()),
    }
}

fn instant(left: SignedDuration) -> String {
    (Timestamp::now() + left).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Remembers the secrets in an answer.
pub(super) fn register_secrets(body: &[u8]) {
    match serde_json::from_slice::<Value>(body) {
        Ok(json) => register_json(&json),
        Err(_) => {
            let xml = String::from_utf8_lossy(body);
            for name in ["SecretAccessKey", "SessionToken"] {
                // An answer may hold more than one set of credentials.
                for part in xml.split(&format!("<{name}>")).skip(1) {
                    canary::register(part.split('<').next().unwrap_or_default());
                }
            }
        }
    }
}

fn register_json(json: &Value) {
    const NAMES: [&str; 6] =
        ["secretaccesskey", "secretkey", "sessiontoken", "token", "accesstoken", "refreshtoken"];
    match json {
        Value::Array(items) => items.iter().for_each(register_json),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(secret) if NAMES.contains(&name.to_lowercase().as_str()) => {
                        canary::register(secret)
                    }
                    _ => register_json(value),
                }
            }
        }
        _ => {}
    }
}
