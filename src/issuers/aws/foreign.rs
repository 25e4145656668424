//! Errors that are not in the form of AWS's STS: S3-compatible stores write S3's XML, others JSON.

use aws_smithy_xml::decode::{Document, try_data};
use refreshable_rules::issuer::{AwsError, Issuer};
use serde::Deserialize;

/// Longest body that is looked into.
const LONGEST: usize = 64 * 1024;

/// The members that name what happened, in S3's XML and in JSON alike.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Said {
    #[serde(alias = "code", alias = "__type", alias = "error")]
    code: Option<String>,
    #[serde(alias = "message", alias = "error_description")]
    message: Option<String>,
    #[serde(alias = "requestId")]
    request_id: Option<String>,
}

/// The error in `body`, if it is one in a form that is known. Whose it is, the caller knows.
pub(super) fn error(status: u16, body: &[u8], request_id: Option<&str>) -> Option<AwsError> {
    let body = body.get(..body.len().min(LONGEST))?.trim_ascii();
    let said = if body.starts_with(b"{") { serde_json::from_slice(body).ok()? } else { xml(body)? };
    let code = said
        .code
        .filter(|c| !c.is_empty() && c.len() <= 100 && c.chars().all(|c| c.is_ascii_graphic()))?;
    Some(AwsError {
        code,
        message: said.message.unwrap_or_default(),
        request_id: request_id.map(str::to_owned).or(said.request_id),
        status,
        issuer: Issuer::default(),
    })
}

fn xml(body: &[u8]) -> Option<Said> {
    let text = std::str::from_utf8(body).ok()?;
    let mut document = Document::new(text);
    let mut root = document.root_element().ok()?;
    if !matches!(root.start_el().local(), "Error" | "ErrorResponse" | "Response") {
        return None;
    }
    let mut said = Said::default();
    read(&mut root, &mut said, 0);
    Some(said)
}

/// Reads `Code`, `Message` and `RequestId`, at the root or a little below it.
fn read(within: &mut aws_smithy_xml::decode::ScopedDecoder<'_, '_>, said: &mut Said, depth: u32) {
    while let Some(mut element) = within.next_tag() {
        let name = element.start_el().local().to_owned();
        let member = match name.as_str() {
            "Code" => &mut said.code,
            "Message" => &mut said.message,
            "RequestId" | "RequestID" => &mut said.request_id,
            "Errors" | "Error" if depth < 3 => {
                read(&mut element, said, depth + 1);
                continue;
            }
            _ => continue,
        };
        if let Ok(text) = try_data(&mut element) {
            member.get_or_insert(text.into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_other_stores_are_read() {
        for body in [
            "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>no</Message><Resource>/</Resource><RequestId>r</RequestId></Error>",
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type></Type><Code>AccessDenied</Code><Message>no</Message></Error><RequestId>r</RequestId></ErrorResponse>",
            "<Response><Errors><Error><Code>AccessDenied</Code><Message>no</Message></Error></Errors><RequestID>r</RequestID></Response>",
            r#"{"Code": "AccessDenied", "Message": "no", "RequestId": "r"}"#,
            r#" {"code": "AccessDenied", "message": "no", "requestId": "r"}"#,
        ] {
            let found = error(403, body.as_bytes(), None).unwrap_or_else(|| panic!("{body}"));
            let expected = AwsError {
                code: "AccessDenied".into(),
                message: "no".into(),
                request_id: Some("r".into()),
                status: 403,
                issuer: Issuer::Aws,
            };
            assert_eq!(found, expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_error_is_none() {
        for body in [
            "",
            "<html><Code>x</Code></html>",
            "<Error>",
            "{}",
            "<Error><Code></Code></Error>",
            "\u{feff}",
            "<Error><Code>a b</Code></Error>",
        ] {
            assert_eq!(error(400, body.as_bytes(), None), None, "{body}");
        }
    }

    proptest::proptest! {
        /// See `source::fuzz_tests`.
        #[test]
        fn fuzz_tests_errors_in_any_form(body in "\\PC{0,200}|<Error>(<(Code|Message|Error|Errors)>[a-z<>/&;]{0,40}){0,20}") {
            if let Some(found) = error(400, body.as_bytes(), None) {
                proptest::prop_assert!(!found.code.is_empty() && found.code.len() <= 100);
            }
        }
    }
}
