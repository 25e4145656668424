//! Values of a specification that stand in URLs and files: an object that was stored before the CRD
//! said what they may be can hold any text.

use crate::issuer::IssueError;

/// The error for a field of `spec.token`.
pub(super) fn wrong(field: &str, what: &str) -> IssueError {
    IssueError::Specification { field: format!("spec.token.{field}"), what: what.to_owned() }
}

fn check(is: bool, field: &str, what: &str) -> Result<(), IssueError> {
    if is { Ok(()) } else { Err(wrong(field, what)) }
}

/// The digits of an account.
pub(super) fn account(field: &str, value: &str) -> Result<(), IssueError> {
    let is = value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit());
    check(is, field, "it must be the 12 digits of an AWS account")
}

/// A Region's code, as a part of host names.
pub(super) fn region(field: &str, value: &str) -> Result<(), IssueError> {
    let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is = !value.is_empty() && value.bytes().all(label);
    check(is, field, "it must be the code of an AWS Region, for example eu-west-1")
}

/// A host name, without a port.
pub(super) fn host(field: &str, value: &str) -> Result<(), IssueError> {
    let label = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    let is = !value.is_empty() && value.bytes().all(label) && !value.starts_with(['.', '-']);
    check(is, field, "it must be a host name, without a scheme and a port")
}

/// A name without spaces, quotes and control characters.
pub(super) fn name(field: &str, value: &str) -> Result<(), IssueError> {
    let label = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let is = !value.is_empty() && value.bytes().all(label);
    check(is, field, "it must be letters, digits, dots, hyphens and underscores")
}

/// Visible ASCII characters without spaces.
pub(super) fn word(field: &str, value: &str) -> Result<(), IssueError> {
    let is = !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic());
    check(is, field, "it must be visible ASCII characters without spaces")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_stand_in_a_url_or_a_file_is_refused_by_its_field() {
        type Rule = fn(&str, &str) -> Result<(), IssueError>;
        let rules: [(Rule, &[&str], &[&str]); 5] = [
            (account, &["111122223333"], &["", "11112222333", "11112222333x"]),
            (
                region,
                &["eu-west-1", "us-isob-east-1"],
                &["", "EU-WEST-1", "a@b", "eu-west-1.evil.example/"],
            ),
            (
                host,
                &["db.c1.eu-west-1.rds.amazonaws.com", "DB"],
                &["", "https://db", "db:5432", "db/", "-db", ".db", "a b", "a@b"],
            ),
            (name, &["libs", "my.repo_1"], &["", "a/b", "a b", "a\"", "a\nb", "ä"]),
            (word, &["app", "a:b\\c@'\""], &["", "a b", "a\tb", "a\nb", "ä"]),
        ];
        for (rule, right, not) in rules {
            for value in right {
                rule("x", value).unwrap_or_else(|e| panic!("{value}: {e}"));
            }
            for value in not {
                let error = rule("ecr.x", value).expect_err(value).to_string();
                assert!(error.starts_with("spec.token.ecr.x: it must be "), "{error}");
            }
        }
    }
}
