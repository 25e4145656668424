use super::*;
use serde_json::json;

fn denied(message: &str) -> RefreshableCredential {
    serde_json::from_value(json!({
        "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential", "metadata": {"name": "a"},
        "spec": {"roles": [{"roleArn": "arn:aws:iam::444455556666:role/payroll"}]},
        "status": {"conditions": [], "failures": {
            "count": 1, "reason": "AccessDenied", "class": "denied", "code": "AccessDenied", "message": message,
            "nextTryTime": "2026-01-01T00:00:00Z", "attempted": "x",
        }},
    }))
    .expect("a resource")
}

#[test]
fn a_denial_of_the_first_role_names_the_caller() {
    let of = |resource: &str| {
        format!(
            "AssumeRole of {resource}: AccessDenied: User: arn:aws:sts::111122223333:assumed-role/hub/team-a.payroll is not authorized to perform: sts:AssumeRole on resource: {resource} (request y)"
        )
    };
    let caller = denied_caller(&denied(&of("arn:aws:iam::444455556666:role/payroll")));
    assert_eq!(
        caller.map(|c| c.to_string()).as_deref(),
        Some("arn:aws:iam::111122223333:role/hub")
    );
    assert_eq!(denied_caller(&denied(&of("arn:aws:iam::444455556666:role/second"))), None);
    assert_eq!(denied_caller(&denied("something else")), None);
}

#[test]
fn issuers_are_https_urls() {
    assert_eq!(
        issuer("https://oidc.example.com/id/A/"),
        Ok("https://oidc.example.com/id/A".into())
    );
    for wrong in ["", "https://", "oidc.example.com", "http://oidc.example.com", "https://a?b"] {
        let error = issuer(wrong).expect_err(wrong);
        assert!(
            error.starts_with(&format!("{wrong:?} is not an issuer: write its URL")),
            "{error}"
        );
    }
}
