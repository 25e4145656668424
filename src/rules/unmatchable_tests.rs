use super::*;
use crate::patterns::{arn_matches, url_matches};
use serde_json::{Value, json};

fn found(allow: Value, elsewhere: bool) -> Vec<BadPattern> {
    find(&serde_json::from_value(allow).expect("an allow"), elsewhere)
}

/// Advice for one pattern in that list.
fn said(allow: Value) -> Option<String> {
    found(allow, false).first().map(|u| format!("{}: {}", u.field, u.why))
}

#[test]
fn a_pattern_of_role_arns_must_leave_room_for_a_role() {
    for (pattern, words) in [
        ("arn:aws:iam::111122223333:role/team-a/*", None),
        ("arn:aws:iam::*:role/{namespace}/{name}", None),
        ("arn:*:iam::1111*:role/x", None),
        ("arn:aws-cn:i?m::11112222333?:*", None),
        ("arn:aws*:*:*:*:*", None),
        ("arn:aws:iam::111122223333:r*/x", None),
        ("arn:aws:iam::{name}:role/x", None),
        ("arn:aws:iam::*role/x", Some("an ARN has six parts")),
        ("arn:*:role/x", Some("an ARN has six parts")),
        ("arn:*", Some("an ARN has six parts")),
        ("arn:gcp:iam::111122223333:role/x", Some("an ARN of AWS begins with arn:aws")),
        ("arn:aws:sts::111122223333:assumed-role/x/y", Some("a role is of the service iam")),
        ("arn:aws:iam:eu-west-1:111122223333:role/x", Some("a role has no Region")),
        ("arn:aws:iam::11112222333:role/x", Some("the account of a role is 12 digits")),
        ("arn:aws:iam::team:role/x", Some("the account of a role is 12 digits")),
        ("arn:aws:iam::*1111222233334:role/x", Some("the account of a role is 12 digits")),
        ("arn:aws:iam::111122223333:user/x", Some("begins with role/")),
        ("arn:aws:iam::111122223333:team-a/*", Some("begins with role/")),
        ("arn:aws:iam::111122223333:role/", Some("begins with role/")),
        ("arn:aws:iam::111122223333:/role/x", Some("begins with role/")),
    ] {
        let said = said(json!({"roles": [{"arns": ["arn:aws:iam::*:role/*", pattern]}]}));
        match words {
            None => assert_eq!(said, None, "{pattern}"),
            Some(words) => {
                let said = said.unwrap_or_else(|| panic!("{pattern} is hopeless"));
                assert!(
                    said.starts_with("spec.allow.roles[0].arns[1]: ") && said.contains(words),
                    "{pattern}: {said}"
                );
                assert!(said.ends_with(&format!("write for example {ARN}")), "{said}");
                assert!(
                    !arn_matches(pattern, "arn:aws:iam::111122223333:role/team-a/x"),
                    "{pattern}"
                );
            }
        }
    }
    assert!(arn_matches(ARN, "arn:aws:iam::111122223333:role/team-a/x"), "the advice is good");
}

#[test]
fn where_another_sts_is_allowed_its_roles_may_be_of_any_form() {
    let of_a_store = |arn: &str| found(json!({"roles": [{"arns": [arn]}]}), true).len();
    assert_eq!(of_a_store("arn:aws:iam::tenant:role/x"), 0);
    assert_eq!(of_a_store("arn:minio:iam:::role/x"), 0);
    assert_eq!(of_a_store("arn:minio:role/x"), 1);
}

#[test]
fn a_pattern_of_urls_must_leave_room_for_a_plain_url() {
    for (pattern, words) in [
        ("https://minio.example.com", None),
        ("https://*.stores.example.com:9000", None),
        ("https://*", None),
        ("http://169.254.170.2/v2/credentials", None),
        ("http://[::1]:1338", None),
        ("https://{namespace}.vault.example.com/v1/{name}", None),
        ("https://a.example.com:*", None),
        ("minio.example.com", Some("write https://minio.example.com")),
        ("HTTPS://minio.example.com", Some("the scheme is https or http")),
        ("*://minio.example.com", Some("the scheme is https or http")),
        ("s3://minio.example.com", Some("the scheme is https or http")),
        ("https:///v1/aws", Some("a host is missing")),
        ("https://me@minio.example.com", Some("no host has the character @")),
        ("https://minio_example com", Some("no host has the character  ")),
        ("https://b\u{fc}cher.example.com", Some("no host has the character \u{fc}")),
        ("https://10.0.*.1", Some("written out")),
        ("https://10.0.0.1:*", Some("written out")),
        ("https://[fd00::*]", Some("written out")),
        ("https://a.example.com/v1/*", Some("a path has no wildcards")),
        ("https://a.example.com/v1?list=true", Some("a path has no wildcards")),
        ("https://a.example.com/v1#x", Some("no path with the character #")),
        ("https://a.example.com/v1/%2e", Some("no path with the character %")),
        ("https://a.example.com/v1/../x", Some("no path with ..")),
        ("https://a.example.com/./v1", Some("no path with . is")),
        ("https://a.example.com/v1;x", Some("no path with the character ;")),
        ("https://a.example.com/v1\\x", Some("no path with the character \\")),
    ] {
        for list in ["endpoints", "urls"] {
            let said = said(json!({list: ["https://right.example.com", pattern]}));
            match words {
                None => assert_eq!(said, None, "{pattern}"),
                Some(words) => {
                    let said = said.unwrap_or_else(|| panic!("{pattern} is hopeless"));
                    let begin = format!("spec.allow.{list}[1]: ");
                    assert!(said.starts_with(&begin) && said.contains(words), "{pattern}: {said}");
                }
            }
        }
        if words.is_some() {
            for url in [
                "https://a.example.com/v1/x",
                "https://10.0.0.1",
                "https://10.0.0.1:9000",
                "https://[fd00::1]",
            ] {
                assert_eq!(url_matches(pattern, url), None, "{pattern} {url}");
            }
        }
    }
}

#[test]
fn names_and_tags_have_the_characters_that_aws_takes() {
    let grant = |field: &str, value: Value| {
        let mut grant = json!({"arns": [ARN]});
        grant[field] = value;
        said(json!({"roles": [grant]}))
    };
    for (field, value, at) in [
        ("sessionNames", json!(["{namespace}.*", "night-run", "*"]), None),
        ("sessionNames", json!([]), None),
        ("sessionNames", json!(["{namespace}/*"]), Some("sessionNames[0]: AWS takes no '/' there")),
        (
            "sourceIdentities",
            json!(["*", "a b"]),
            Some("sourceIdentities[1]: AWS takes no ' ' there"),
        ),
        ("externalIds", json!(["{namespace}/*"]), None),
        ("externalIds", json!(["a#b"]), Some("externalIds[0]: AWS takes no '#' there")),
        ("tags", json!([{"key": "cost center", "values": ["{namespace}/*", "caf\u{e9}"]}]), None),
        (
            "tags",
            json!([{"key": "aws:x*"}]),
            Some("tags[0].key: session tags whose keys begin with aws:"),
        ),
        ("tags", json!([{"key": "{name}"}]), Some("tags[0].key: AWS takes no '{' there")),
        (
            "tags",
            json!([{"key": "a", "values": ["b", "c;d"]}]),
            Some("tags[0].values[1]: AWS takes no ';' there"),
        ),
    ] {
        let said = grant(field, value.clone());
        match at {
            None => assert_eq!(said, None, "{value}"),
            Some(at) => {
                let said = said.unwrap_or_else(|| panic!("{value} is hopeless"));
                assert!(said.starts_with(&format!("spec.allow.roles[0].{at}")), "{said}");
            }
        }
    }
}

#[test]
fn a_pattern_of_token_labels_must_leave_room_for_a_label() {
    let labels = |pattern: &str| {
        said(json!({"pkcs11Tokens": [{"module": "tpm", "tokenLabels": ["{namespace}", pattern]}]}))
    };
    for pattern in ["*", "{namespace}.*", "two words", &"x".repeat(32), &"?".repeat(32)] {
        assert_eq!(labels(pattern), None, "{pattern}");
    }
    for pattern in ["x".repeat(33), format!("*{}*", "?".repeat(33))] {
        let said = labels(&pattern).expect("it is hopeless");
        let begin = "spec.allow.pkcs11Tokens[0].tokenLabels[1]: the label of a PKCS#11 token";
        assert!(said.starts_with(begin), "{said}");
    }
}

#[test]
fn two_patterns_overlap_where_one_text_is_of_both() {
    for (one, other, overlap) in [
        ("", "", true),
        ("*", "", true),
        ("", "**", true),
        ("?", "", false),
        ("a*", "*b", true),
        ("a*", "b*", false),
        ("a?c", "?bc", true),
        ("*a*", "b*b", true),
        ("ab", "a", false),
        ("*a", "*b", false),
    ] {
        assert_eq!(overlaps(&pieces(one), &pieces(other)), overlap, "{one} {other}");
        assert_eq!(overlaps(&pieces(other), &pieces(one)), overlap, "{other} {one}");
    }
    let long = "*a".repeat(1000);
    assert!(!overlaps(&pieces(&long), &pieces("bbbb")));
}
