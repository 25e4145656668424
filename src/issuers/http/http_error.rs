//! Translates errors of HTTP endpoints.

use super::Answer;
use refreshable_rules::issuer::{AwsError, IssueError, Issuer, is_of_iam};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::Value;

/// An error, in the forms that servers write it.
#[derive(Deserialize)]
struct ErrorBody {
    #[serde(alias = "Code", alias = "__type", alias = "error")]
    code: Option<String>,
    #[serde(alias = "Message", alias = "error_description")]
    message: Option<String>,
    /// As Vault writes it.
    errors: Option<Vec<Value>>,
}

impl ErrorBody {
    /// The message, as one line.
    fn words(self) -> Option<String> {
        let errors = self
            .errors
            .iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::trim)
            .collect::<Vec<_>>();
        let listed = (!errors.is_empty()).then(|| errors.join("; "));
        let said = self.message.or(listed)?;
        Some(
            said.split(char::is_control)
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" "),
        )
    }
}

/// The error of a server that responded with an error status.
pub fn http_error(operation: &'static str, subject: &str, answer: &Answer) -> IssueError {
    let (status, body) = (answer.status, answer.body.expose_secret());
    let said = serde_json::from_slice::<ErrorBody>(body).ok();
    let code = said.as_ref().and_then(|s| s.code.clone()).or_else(|| answer.error_code.clone());
    let code = code.filter(|c| c.len() <= 100 && !c.contains(char::is_whitespace));
    let message =
        said.and_then(ErrorBody::words).unwrap_or_else(|| "the server gave no reason".to_owned());
    IssueError::Refused {
        operation,
        subject: subject.to_owned(),
        error: AwsError {
            code: code.unwrap_or_else(|| format!("HTTP {status}")),
            message,
            request_id: answer.request_id.clone(),
            status,
            // What else is called by plain HTTP is a server of the user's.
            issuer: if is_of_iam(operation) { Issuer::Aws } else { Issuer::Server },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_rules::retry::Class;

    #[test]
    fn complaints_keep_code_and_words() {
        let answer = |status, body: &[u8], header: Option<&str>| Answer {
            status,
            body: body.to_vec().into(),
            date: None,
            request_id: Some("r".into()),
            error_code: header.map(str::to_owned),
        };
        let said = http_error(
            "Get",
            "u",
            &answer(403, br#"{"code":"AccessDenied","message":"no\nway"}"#, None),
        );
        assert_eq!((said.code(), said.class()), (Some("AccessDenied"), Class::Denied));
        assert!(said.to_string().contains("no way"));
        let said = http_error(
            "Get",
            "u",
            &answer(403, br#"{"message":"no"}"#, Some("AccessDeniedException")),
        );
        assert_eq!((said.code(), said.request_id()), (Some("AccessDeniedException"), Some("r")));
        let vault = br#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#;
        let said = http_error("Get", "u", &answer(403, vault, None));
        assert_eq!((said.code(), said.class()), (Some("HTTP 403"), Class::Denied));
        assert!(
            said.to_string().contains("HTTP 403: 1 error occurred: * permission denied"),
            "{said}"
        );
        let none = http_error("Get", "u", &answer(404, br#"{"errors":[]}"#, None));
        assert!(none.to_string().contains("HTTP 404: the server gave no reason"), "{none}");
        let page = http_error("Get", "u", &answer(502, b"<html>", None));
        assert_eq!((page.code(), page.class()), (Some("HTTP 502"), Class::Transient));
    }
}
