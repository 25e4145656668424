use super::super::answers::{NAME, NAMESPACE};
use super::super::manifests::Manifests;
use super::*;
use crate::check::{Checker, Severity};
use crate::trust_policy::facts::Facts;

/// Answers every question with its example.
pub(in super::super) fn answered(from: Origin) -> Answers {
    let mut answers = Answers::default();
    for question in [&NAMESPACE, &NAME] {
        answers.add(question, [question.example.to_owned()]);
    }
    while let Err(open) = from.spec(&answers) {
        answers.add(open, [open.example.to_owned()]);
    }
    answers
}

#[test]
fn every_source_makes_manifests_that_are_valid() {
    let checker = Checker::new();
    for from in Origin::value_variants() {
        let made = Manifests::new(*from, &answered(*from)).expect("answered");
        for object in made.objects() {
            let findings = checker.object(&object).expect("a kind of ours");
            assert!(
                findings.iter().all(|f| f.severity != Severity::Error),
                "{from:?}: {findings:?}"
            );
        }
    }
}

#[test]
fn a_policy_comes_exactly_where_one_is_needed() {
    for from in Origin::value_variants() {
        let made = Manifests::new(*from, &answered(*from)).expect("answered");
        let needs = matches!(from, Origin::Controller | Origin::PodIdentity | Origin::Instance);
        assert_eq!(made.objects().len(), 1 + usize::from(needs), "{from:?}");
        assert_eq!(made.is_allowed(), Ok(()), "{from:?}");
    }
}

#[test]
fn the_first_role_is_the_source_s_where_the_source_has_one() {
    let with = |from: Origin| {
        let mut answers = answered(from);
        answers.add(&ROLE, ["arn:aws:iam::444455556666:role/second".to_owned()]);
        from.spec(&answers).expect("answered").0
    };
    let x509 = with(Origin::X509);
    assert_eq!(x509["source"]["rolesAnywhere"]["roleArn"], ROLE.example);
    assert_eq!(x509["roles"], json!([{"roleArn": "arn:aws:iam::444455556666:role/second"}]));
    let key = with(Origin::AccessKey);
    assert_eq!(key["roles"].as_array().map(Vec::len), Some(2));
    let controller = with(Origin::Controller);
    assert!(controller.get("source").is_none(), "{controller}");
    assert_eq!(controller["roles"][1]["roleArn"], "arn:aws:iam::444455556666:role/second");
}

#[test]
fn open_questions_are_asked_in_order() {
    let asked = |from: Origin| {
        let mut answers = Answers::default();
        let mut flags = Vec::new();
        while let Err(open) = from.spec(&answers) {
            flags.push(open.flag);
            answers.add(open, [open.example.to_owned()]);
        }
        flags
    };
    assert_eq!(asked(Origin::Controller), ["role"]);
    assert_eq!(asked(Origin::OidcIssuer), ["role", "service-account"]);
    assert_eq!(asked(Origin::X509), ["role", "trust-anchor", "profile", "secret"]);
    assert_eq!(asked(Origin::Iot), ["endpoint", "role-alias", "thing", "secret"]);
    assert_eq!(asked(Origin::PodIdentity), ["eks-cluster", "service-account", "region"]);
    assert!(asked(Origin::Instance).is_empty());
}

#[test]
fn the_trust_policy_is_printed_or_says_which_fact_it_needs() {
    let made = Manifests::new(Origin::OidcIssuer, &answered(Origin::OidcIssuer)).expect("answered");
    let mut facts =
        Facts { namespace: "team-a".into(), name: "reports".into(), ..Facts::default() };
    let text = made.trust_policy(&facts).expect_err("a fact is missing");
    assert!(text.contains("give --oidc-issuer <URL>"), "{text}");
    facts.oidc_issuer = Some("https://oidc.example.com".into());
    let policy = made.trust_policy(&facts).expect("a plan");
    let condition = &policy["roles"][0]["trustPolicy"]["Statement"][0]["Condition"]["StringEquals"];
    assert_eq!(condition["oidc.example.com:sub"], "system:serviceaccount:team-a:reports");
    let whole = made.text(&Ok(policy)).expect("YAML");
    assert!(whole.contains("#   \"oidcProviders\": ["), "{whole}");
    let documents = crate::manifest::read(&whole).unwrap_or_else(|e| panic!("{}", e.what));
    assert_eq!(documents.len(), 1, "comments are not objects: {whole}");
}
