use super::super::facts::Certificate;
use super::super::{cloudformation, terraform};
use super::*;
use serde_json::{Value, json};
use std::path::Path;

const HUB: &str = "arn:aws:iam::111122223333:role/hub";
const SPOKE: &str = "arn:aws:iam::444455556666:role/team-a/spoke";
const BASE: &str = "arn:aws:iam::111122223333:role/refreshable";

fn facts() -> Facts {
    Facts {
        namespace: "team-a".into(),
        name: "reports".into(),
        base_identity: BASE.parse().ok(),
        source_role: "arn:aws:iam::111122223333:role/given".parse().ok(),
        oidc_issuer: Some("https://oidc.example.com/id/ABC".into()),
        certificate: Some(Certificate {
            tags: vec![("x509Subject/CN".into(), "sensor-17".into())],
        }),
        ..Facts::default()
    }
}

fn planned(spec: Value) -> Result<Plan, Missing> {
    let spec = serde_json::from_value(spec.clone()).unwrap_or_else(|e| panic!("{spec}: {e}"));
    plan(&spec, &facts())
}

/// Specifications, each with its golden file.
fn cases() -> Vec<(&'static str, Value)> {
    let key = json!({"secretRef": {"name": "key"}});
    let chain = json!([{"roleArn": HUB}, {"roleArn": SPOKE, "externalId": "4f2a"}]);
    vec![
        (
            "everything",
            json!({"roles": [
                {
                    "roleArn": HUB, "roleSessionName": "night-run", "externalId": "4f2a", "durationSeconds": 7200,
                    "sourceIdentity": "somebody", "tags": [{"key": "team", "value": "a"}, {"key": "cost", "value": "7"}],
                    "transitiveTagKeys": ["team"], "serialNumber": "arn:aws:iam::111122223333:mfa/me",
                    "totpSecretRef": {"name": "mfa", "key": "seed"},
                    "providedContexts": [{"providerArn": "arn:aws:iam::aws:contextProvider/IdentityCenter", "contextAssertion": "eyJhbGciOi"}],
                },
                {"roleArn": SPOKE, "externalIdSecretRef": {"name": "inputs", "key": "external"}},
            ]}),
        ),
        (
            "web-identity",
            json!({
                "source": {"webIdentity": {"roleArn": HUB, "serviceAccountRef": {"name": "app", "audience": "sts.amazonaws.com"}, "durationSeconds": 43200}},
                "roles": [{"roleArn": SPOKE}],
            }),
        ),
        (
            "saml",
            json!({"source": {"saml": {
                "roleArn": "arn:aws-us-gov:iam::111122223333:role/hub",
                "principalArn": "arn:aws-us-gov:iam::111122223333:saml-provider/idp",
                "assertionSecretRef": {"name": "s", "key": "k"},
            }}}),
        ),
        ("access-key", json!({"source": {"accessKey": key}, "roles": chain})),
        (
            "session-token",
            json!({
                "source": {"sessionToken": {"accessKey": key, "serialNumber": "arn:aws:iam::111122223333:mfa/me", "totpSecretRef": {"name": "mfa", "key": "seed"}}},
                "roles": [{"roleArn": HUB}],
            }),
        ),
        (
            "federation-token",
            json!({"source": {"federationToken": {"accessKey": key, "policy": "{}", "tags": [{"key": "team", "value": "a"}]}}}),
        ),
        (
            "pod-identity",
            json!({
                "source": {"podIdentity": {"clusterName": "production", "serviceAccountRef": {"name": "app"}, "region": "eu-west-1"}},
                "roles": [{"roleArn": SPOKE}],
            }),
        ),
        (
            "identity-center",
            json!({
                "source": {"identityCenter": {"accountId": "111122223333", "roleName": "Reader", "tokenSecretRef": {"name": "sso"}}},
                "roles": [{"roleArn": SPOKE}],
            }),
        ),
        (
            "iot",
            json!({"source": {"iot": {
                "endpoint": "c1.credentials.iot.eu-west-1.amazonaws.com", "roleAlias": "edge", "certificateSecretRef": {"name": "device"},
            }}}),
        ),
        (
            "roles-anywhere",
            json!({
                "source": {"rolesAnywhere": {
                    "trustAnchorArn": "arn:aws:rolesanywhere:eu-west-1:111122223333:trust-anchor/01234567-89ab-cdef-0123-456789abcdef",
                    "profileArn": "arn:aws:rolesanywhere:eu-west-1:111122223333:profile/01234567-89ab-cdef-0123-456789abcdef",
                    "roleArn": HUB, "certificateSecretRef": {"name": "device"},
                }},
                "roles": [{"roleArn": SPOKE}],
            }),
        ),
        (
            "cognito",
            json!({"source": {"cognito": {
                "identityPoolId": "eu-west-1:01234567-89ab-cdef-0123-456789abcdef",
                "identityId": "eu-west-1:fedcba98-89ab-cdef-0123-456789abcdef",
                "logins": [{"provider": "example.com", "tokenSecretRef": {"name": "t", "key": "t"}}],
            }}}),
        ),
        (
            "instance-metadata",
            json!({"source": {"instanceMetadata": {}}, "roles": [{"roleArn": SPOKE}]}),
        ),
        (
            "profiles",
            json!({
                "roles": [{"roleArn": HUB}],
                "profiles": [
                    {"name": "a", "roles": [{"roleArn": "arn:aws:iam::222233334444:role/reader"}]},
                    {"name": "b", "roles": [{"roleArn": SPOKE, "externalId": "4f2a"}]},
                    {"name": "hub"},
                ],
            }),
        ),
        (
            "token",
            json!({
                "source": {"webIdentity": {"roleArn": HUB, "serviceAccountRef": {"name": "app", "audience": "sts.amazonaws.com"}}},
                "roles": [{"roleArn": SPOKE}],
                "token": {"ecr": {
                    "registries": [
                        {"accountId": "444455556666", "region": "eu-west-1"},
                        {"accountId": "222233334444", "region": "eu-central-1"},
                    ],
                    "public": true,
                }},
            }),
        ),
        (
            "token-code-artifact",
            buying(json!({"codeArtifact": {
                "domain": "team", "domainOwner": "222233334444", "region": "eu-west-1",
                "repositories": [{"format": "Npm", "name": "libs"}, {"format": "Pypi", "name": "more"}],
            }})),
        ),
        (
            "token-rds",
            buying(
                json!({"rds": {"host": "db.c1.eu-west-1.rds.amazonaws.com", "region": "eu-west-1", "user": "app"}}),
            ),
        ),
        (
            "token-dsql",
            buying(
                json!({"dsql": {"host": "abc.dsql.eu-west-1.on.aws", "region": "eu-west-1", "user": "app"}}),
            ),
        ),
        (
            "token-dsql-admin",
            buying(json!({"dsql": {"host": "abc.dsql.eu-west-1.on.aws", "region": "eu-west-1"}})),
        ),
        (
            "token-elasticache",
            buying(
                json!({"elastiCache": {"cacheName": "sessions", "region": "eu-west-1", "user": "app", "serverless": true}}),
            ),
        ),
        ("token-msk", buying(json!({"msk": {"region": "eu-west-1"}}))),
        ("token-eks", buying(json!({"eks": {"clusterName": "prod", "region": "eu-west-1"}}))),
        (
            "token-web-identity",
            buying(
                json!({"webIdentity": {"audiences": ["a"], "tags": [{"key": "k", "value": "v"}]}}),
            ),
        ),
    ]
}

/// A token that a role buys.
fn buying(token: Value) -> Value {
    json!({"roles": [{"roleArn": SPOKE}], "token": token})
}

/// `REFRESHABLE_GOLDEN=write` rewrites the files; a person then reviews the changes.
fn golden(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("trust_policy/golden").join(name);
    if std::env::var_os("REFRESHABLE_GOLDEN").is_some_and(|v| v == "write") {
        std::fs::write(&file, text).expect("written");
    }
    let expected =
        std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    assert_eq!(text, expected, "{name}");
}

#[test]
fn each_source_s_policies_are_as_they_were_read_by_a_person() {
    for (name, spec) in cases() {
        let plan = planned(spec).unwrap_or_else(|e| panic!("{name}: {e}"));
        golden(&format!("{name}.json"), &format!("{:#}\n", plan.to_value()));
    }
}

#[test]
fn the_other_forms_hold_the_same_policies() {
    for (name, spec) in cases()
        .into_iter()
        .filter(|(n, _)| ["everything", "iot", "access-key", "profiles", "token"].contains(n))
    {
        let plan = planned(spec).unwrap_or_else(|e| panic!("{name}: {e}"));
        let policy = "refreshable-team-a.reports";
        let hcl = terraform::write(&plan, policy).expect("HCL");
        golden(&format!("{name}.tf"), &hcl);
        let encoded = encoded(&hcl);
        let yaml = cloudformation::write(&plan, policy).expect("YAML");
        golden(&format!("{name}.yaml"), &yaml);
        // Every policy of the JSON is in a template and in a block, whole.
        let templates = crate::manifest::read(&yaml).expect("YAML");
        let text = templates.iter().map(|t| t.value.to_string()).collect::<String>();
        let value = plan.to_value();
        let trust = value["roles"].as_array().into_iter().flatten().map(|r| &r["trustPolicy"]);
        let own = value["callers"].as_array().into_iter().flatten().map(|c| &c["policy"]);
        for policy in trust.chain(own) {
            assert!(text.contains(&policy.to_string()), "{name}: {policy}");
            assert!(encoded.contains(policy), "{name}: {policy}");
        }
    }
}

/// Argument of `jsonencode` in a Terraform file.
fn encoded(text: &str) -> Vec<Value> {
    let file = hcl::parse(text).expect("HCL");
    let attributes = file.blocks().flat_map(|b| b.body().attributes());
    let calls = attributes.filter_map(|a| match a.expr() {
        hcl::Expression::FuncCall(call) if call.name.name.as_str() == "jsonencode" => {
            Some(&call.args[0])
        }
        _ => None,
    });
    calls
        .map(|policy| serde_json::to_value(hcl::Value::from(policy.clone())).expect("JSON"))
        .collect()
}

/// A resource beside this one has another session name at least.
#[test]
fn neighbours_have_other_policies() {
    let spec = json!({"roles": [{"roleArn": HUB}]});
    let spec: RefreshableCredentialSpec = serde_json::from_value(spec).expect("a specification");
    let of = |namespace: &str, name: &str| {
        let facts = Facts { namespace: namespace.into(), name: name.into(), ..facts() };
        plan(&spec, &facts).expect("a plan").to_value()["roles"][0]["trustPolicy"].clone()
    };
    assert_ne!(of("team-a", "reports"), of("team-b", "reports"));
    assert_ne!(of("team-a", "reports"), of("team-a", "other"));
}

#[test]
fn what_is_missing_is_asked_for_by_its_flag() {
    let cases = [
        (json!({"roles": [{"roleArn": HUB}]}), "--base-identity"),
        (
            json!({"source": {"accessKey": {"secretRef": {"name": "key"}}}, "roles": [{"roleArn": HUB}]}),
            "Secret key holds",
        ),
        (
            json!({"source": {"webIdentity": {"roleArn": HUB, "serviceAccountRef": {"name": "app"}}}}),
            "--oidc-issuer",
        ),
        (
            json!({"source": {"webIdentity": {"roleArn": HUB, "tokenSecretRef": {"name": "t", "key": "t"}}}}),
            "--subject",
        ),
        (
            json!({"source": {"podIdentity": {"clusterName": "c", "serviceAccountRef": {"name": "app"}}}}),
            "--source-role",
        ),
        (
            json!({"source": {"container": {"fullUri": "https://x.example.com"}}, "roles": [{"roleArn": HUB}]}),
            "--source-role",
        ),
        (json!({"roles": [{"roleArn": "arn:minio:iam:::role/abcdef123456"}]}), "another STS"),
    ];
    for (spec, words) in cases {
        let known = Facts { namespace: "a".into(), name: "b".into(), ..Facts::default() };
        let base = if words == "another STS" { facts() } else { known };
        let read: RefreshableCredentialSpec =
            serde_json::from_value(spec.clone()).expect("a specification");
        let error = plan(&read, &base).expect_err(words).to_string();
        assert!(error.contains(words), "{spec}: {error}");
    }
    let nothing: RefreshableCredentialSpec =
        serde_json::from_value(json!({"source": {"instanceMetadata": {}}}))
            .expect("a specification");
    assert!(plan(&nothing, &Facts::default()).expect("nothing to do").roles.is_empty());
}

/// A source whose role is set up elsewhere says which it is, where its session buys a token.
#[test]
fn whoever_buys_a_token_gets_the_permissions() {
    let key = json!({"secretRef": {"name": "key"}});
    let given = "arn:aws:iam::111122223333:role/given";
    for (spec, buyer) in [
        (json!({"source": {"instanceMetadata": {}}}), given),
        (json!({"source": {"container": {"fullUri": "https://x.example.com"}}}), given),
        (
            json!({"source": {"podIdentity": {"clusterName": "c", "serviceAccountRef": {"name": "app"}}}}),
            given,
        ),
        (json!({"source": {"sessionToken": {"accessKey": key}}}), BASE),
        (json!({"source": {"federationToken": {"accessKey": key}}}), BASE),
        (json!({"source": {"accessKey": key}, "roles": [{"roleArn": HUB}]}), HUB),
        (json!({"roles": [{"roleArn": HUB}, {"roleArn": SPOKE}]}), SPOKE),
    ] {
        let mut buying = spec.clone();
        buying["token"] = json!({"ecr": {"public": true}});
        let planned = planned(buying).unwrap_or_else(|e| panic!("{spec}: {e}")).to_value();
        let callers = planned["callers"].as_array().expect("callers");
        let policy = callers.iter().find(|c| c["caller"] == buyer).expect("the buyer");
        let statements = policy["policy"]["Statement"].as_array().expect("statements");
        let bought = statements.iter().filter(|s| s["Sid"] == "PublicToken").count();
        assert_eq!(bought, 1, "{spec}: {policy:#}");
    }
    let spec = json!({"source": {"instanceMetadata": {}}, "token": {"ecr": {"public": true}}});
    let spec: RefreshableCredentialSpec = serde_json::from_value(spec).expect("a specification");
    let error = plan(&spec, &Facts::default()).expect_err("who buys is not known").to_string();
    assert!(error.contains("--source-role"), "{error}");
}

#[test]
fn one_account_s_part_can_be_had_alone() {
    let (_, spec) = cases().remove(0);
    let plan = planned(spec).expect("a plan");
    assert_eq!(plan.accounts(), ["111122223333", "444455556666"]);
    let only = plan.only("444455556666");
    assert_eq!((only.roles.len(), only.callers.len()), (1, 0));
}

#[test]
fn tags_of_the_administrator_s_are_let_in_through_the_whole_chain() {
    let spec = json!({"roles": [{"roleArn": HUB}, {"roleArn": SPOKE}]});
    let spec: RefreshableCredentialSpec = serde_json::from_value(spec).expect("a specification");
    let tag = refreshable_api::Tag { key: "kubernetes-namespace".into(), value: "team-a".into() };
    let tagged =
        plan(&spec, &Facts { session_tags: vec![tag], ..facts() }).expect("a plan").to_value();
    let first = &tagged["roles"][0]["trustPolicy"]["Statement"];
    assert_eq!(
        first[0]["Condition"]["StringEquals"]["aws:RequestTag/kubernetes-namespace"],
        "team-a"
    );
    assert_eq!(first[1]["Action"], "sts:TagSession");
    let second = &tagged["roles"][1]["trustPolicy"]["Statement"];
    assert_eq!(
        second[0]["Condition"]["StringEquals"]["aws:PrincipalTag/kubernetes-namespace"],
        "team-a"
    );
    assert_eq!(
        tagged["callers"][1]["policy"]["Statement"][0]["Action"],
        json!(["sts:AssumeRole", "sts:TagSession"])
    );
}
