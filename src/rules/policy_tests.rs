use super::super::fixtures::credential;
use super::*;
use serde_json::{Value, json};
use std::sync::Arc;

const ROLE: &str = "arn:aws:iam::111122223333:role/team-a/x";

fn policy(name: &str, spec: Value) -> Arc<CredentialPolicy> {
    let object = json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy", "metadata": {"name": name}, "spec": spec});
    Arc::new(serde_json::from_value(object).expect("a policy"))
}

fn labels() -> BTreeMap<String, String> {
    [("team".to_owned(), "a".to_owned())].into()
}

fn role(seconds: i32) -> RefreshableCredential {
    credential(json!({"roles": [{"roleArn": ROLE, "durationSeconds": seconds}]}))
}

fn allowing(selector: Value, allow: Value) -> Arc<CredentialPolicy> {
    policy("p", json!({"namespaceSelector": selector, "allow": allow}))
}

fn permission(object: &RefreshableCredential, policies: &[Arc<CredentialPolicy>]) -> Permission {
    judge(object, &labels(), policies).permission
}

fn denied(object: &RefreshableCredential, policies: &[Arc<CredentialPolicy>]) -> Denial {
    match permission(object, policies) {
        Permission::Denied(denial) => denial,
        other => panic!("{other:?}"),
    }
}

fn by_p() -> Permission {
    Permission::Allowed(vec!["p".to_owned()])
}

#[test]
fn a_token_is_allowed_by_its_label_and_not_by_its_module_s_other_tokens() {
    let labelled = |label: &str| {
        credential(json!({"source": {"iot": {
            "endpoint": "c1.credentials.iot.eu-west-1.amazonaws.com", "roleAlias": "a",
            "certificateSecretRef": {"name": "c"},
            "pkcs11": {"module": "tpm", "tokenLabel": label, "keyLabel": "k", "pinSecretRef": {"name": "s", "key": "pin"}},
        }}}))
    };
    let namespace = labelled("x").namespace().unwrap_or_default();
    let grant = |module: &str, labels: Value| {
        allowing(json!({}), json!({"pkcs11Tokens": [{"module": module, "tokenLabels": labels}]}))
    };
    for (label, policy, allowed) in [
        ("mine", grant("tpm", json!(["theirs", "mine"])), true),
        ("mine", grant("tpm", json!(["theirs"])), false),
        ("mine", grant("hsm", json!(["mine"])), false),
        (namespace.as_str(), grant("tpm", json!(["{namespace}"])), true),
        ("other-namespace", grant("tpm", json!(["{namespace}"])), false),
        ("edge.7", grant("tpm", json!(["edge.*"])), true),
        ("edgy", grant("tpm", json!(["edge.*"])), false),
        // As policies were written before tokens could be named.
        ("any", allowing(json!({}), json!({"pkcs11Modules": ["tpm"]})), true),
        ("any", allowing(json!({}), json!({"pkcs11Modules": ["hsm"]})), false),
    ] {
        let judged = permission(&labelled(label), &[policy]);
        assert_eq!(judged == by_p(), allowed, "{label}: {judged:?}");
    }
    let why = denied(&labelled("mine"), &[]).why;
    assert!(why.contains("to use the PKCS#11 token mine of module tpm"), "{why}");
}

#[test]
fn the_controllers_identity_is_denied_unless_allowed() {
    let arns = |pattern: &str| json!({"roles": [{"arns": [pattern]}]});
    let limited = json!({"roles": [{"arns": ["*:*:*:*:*:*"], "maxDurationSeconds": 3600}]});
    let expression = |operator: &str, values: Value| {
        let expression = json!({"key": "team", "operator": operator, "values": values});
        json!({"matchExpressions": [expression]})
    };
    for (name, selector, allow, allowed) in [
        ("everything", json!({}), arns("arn:aws:iam::*:role/*"), true),
        (
            "this path",
            json!({"matchLabels": {"team": "a"}}),
            arns("arn:aws:iam::111122223333:role/team-a/*"),
            true,
        ),
        ("the namespace's path", json!({}), arns("arn:aws:iam::*:role/{namespace}/*"), true),
        ("the resource's role", json!({}), arns("arn:aws:iam::*:role/{namespace}/{name}"), true),
        ("another one's role", json!({}), arns("arn:aws:iam::*:role/{namespace}/{name}2"), false),
        ("other path", json!({}), arns("arn:aws:iam::111122223333:role/team-b/*"), false),
        ("other account", json!({}), arns("arn:aws:iam::999999999999:role/*"), false),
        (
            "other namespaces",
            json!({"matchLabels": {"team": "b"}}),
            arns("arn:aws:iam::*:role/*"),
            false,
        ),
        ("one of a list", expression("In", json!(["a", "b"])), arns("arn:aws:iam::*:role/*"), true),
        (
            "none of a list",
            expression("NotIn", json!(["a", "b"])),
            arns("arn:aws:iam::*:role/*"),
            false,
        ),
        ("having the label", expression("Exists", json!([])), arns("arn:aws:iam::*:role/*"), true),
        (
            "lacking the label",
            expression("DoesNotExist", json!([])),
            arns("arn:aws:iam::*:role/*"),
            false,
        ),
        (
            "an operator that is none",
            expression("Like", json!(["a"])),
            arns("arn:aws:iam::*:role/*"),
            false,
        ),
        ("In without values", expression("In", json!([])), arns("arn:aws:iam::*:role/*"), false),
        ("too long", json!({}), limited, false),
        ("nothing", json!({}), json!({}), false),
    ] {
        let permission = permission(&role(7200), &[allowing(selector, allow)]);
        assert_eq!(permission == by_p(), allowed, "{name}: {permission:?}");
    }
    denied(&role(900), &[]);
}

/// A role's request (each with the roleArn), the grant (each with the arns), and the message of a
/// denial.
#[test]
fn a_grant_holds_tenants_to_their_own_names_and_tags() {
    let none: Option<&str> = None;
    let ours = json!({"roleSessionName": "team-a.night"});
    let theirs = json!({"roleSessionName": "team-b.payroll"});
    let me = json!({"sourceIdentity": "team-a.me"});
    let boss = json!({"sourceIdentity": "boss"});
    let secret = json!({"externalIdSecretRef": {"name": "s", "key": "id"}});
    let tag = |key: &str, value: &str| json!({"tags": [{"key": key, "value": value}]});
    for (asked, grant, but) in [
        (json!({}), json!({}), none),
        (json!({"durationSeconds": 3600}), json!({"maxDurationSeconds": 3600}), none),
        (
            json!({"durationSeconds": 3601}),
            json!({"maxDurationSeconds": 3600}),
            Some("only for 3600 s"),
        ),
        (
            json!({}),
            json!({"maxDurationSeconds": 1800}),
            Some("set durationSeconds to 1800 or less"),
        ),
        (ours.clone(), json!({}), none),
        (
            theirs.clone(),
            json!({}),
            Some(
                "not with roleSessionName team-b.payroll: leave it out, or choose one of team-a.*",
            ),
        ),
        (json!({"roleSessionName": "team-ab.x"}), json!({}), Some("not with roleSessionName")),
        (theirs.clone(), json!({"sessionNames": ["*"]}), none),
        (theirs, json!({"sessionNames": ["{namespace}.{name}", "team-b.*"]}), none),
        (
            ours.clone(),
            json!({"sessionNames": ["{namespace}.{name}"]}),
            Some("choose one of team-a.x"),
        ),
        (ours, json!({"sessionNames": []}), Some("choose one of none")),
        (json!({}), json!({"sessionNames": []}), none),
        (me.clone(), json!({}), none),
        (
            boss.clone(),
            json!({}),
            Some("not with sourceIdentity boss: leave it out, or choose one of team-a.*"),
        ),
        (boss, json!({"sourceIdentities": ["b?ss"]}), none),
        (me, json!({"sourceIdentities": []}), Some("not with sourceIdentity")),
        (json!({"externalId": "4f2a"}), json!({}), none),
        (json!({"externalId": "team-a/4f2a"}), json!({"externalIds": ["{namespace}/*"]}), none),
        (
            json!({"externalId": "team-b/4f2a"}),
            json!({"externalIds": ["{namespace}/*"]}),
            Some("not with this externalId"),
        ),
        (json!({}), json!({"externalIds": ["{namespace}/*"]}), none),
        (secret.clone(), json!({}), none),
        (
            secret,
            json!({"externalIds": ["*"]}),
            Some("set externalId instead of externalIdSecretRef"),
        ),
        (tag("team", "a"), json!({}), Some("not with session tag team=a")),
        (tag("team", "a"), json!({"tags": [{"key": "team"}]}), none),
        (tag("team", "a"), json!({"tags": [{"key": "te*"}]}), none),
        (tag("Team", "a"), json!({"tags": [{"key": "team"}]}), Some("not with session tag Team=a")),
        (
            tag("team", "team-a"),
            json!({"tags": [{"key": "team", "values": ["{namespace}"]}]}),
            none,
        ),
        (
            tag("team", "team-b"),
            json!({"tags": [{"key": "team", "values": ["{namespace}"]}]}),
            Some("team=team-b"),
        ),
        (
            tag("team", "b"),
            json!({"tags": [{"key": "team", "values": ["a"]}, {"key": "t*", "values": ["b"]}]}),
            none,
        ),
        (tag("team", "a"), json!({"tags": [{"key": "team", "required": true}]}), none),
        (
            json!({}),
            json!({"tags": [{"key": "team", "required": true}]}),
            Some("only with session tag team: add it"),
        ),
        (json!({}), json!({"tags": [{"key": "team"}]}), none),
    ] {
        let with = |part: &Value, key: &str, value: Value| {
            let mut whole = part.clone();
            whole[key] = value;
            whole
        };
        let object = credential(json!({"roles": [with(&asked, "roleArn", json!(ROLE))]}));
        let policies =
            [allowing(json!({}), json!({"roles": [with(&grant, "arns", json!([ROLE]))]}))];
        match but {
            None => assert_eq!(permission(&object, &policies), by_p(), "{asked} {grant}"),
            Some(but) => {
                let denial = denied(&object, &policies);
                assert!(denial.why.contains(but), "{asked} {grant}: {}", denial.why);
                assert!(denial.why.contains("(CredentialPolicy p does, but "), "{}", denial.why);
            }
        }
    }
}

#[test]
fn one_grant_must_allow_all_of_a_role_and_another_one_may_allow_another() {
    let grants = json!({"roles": [
        {"arns": [ROLE], "maxDurationSeconds": 3600, "sessionNames": ["*"]}, {"arns": [ROLE], "tags": [{"key": "*"}]},
    ]});
    let policies = [allowing(json!({}), grants)];
    for (more, allowed) in [
        (json!({"durationSeconds": 7200}), true),
        (json!({"roleSessionName": "any"}), true),
        (json!({"durationSeconds": 7200, "roleSessionName": "any"}), false),
        (json!({"roleSessionName": "any", "tags": [{"key": "k", "value": "v"}]}), false),
    ] {
        let mut role = more.clone();
        role["roleArn"] = ROLE.into();
        let object = credential(json!({"roles": [role]}));
        assert_eq!(permission(&object, &policies) == by_p(), allowed, "{more}");
    }
}

#[test]
fn policies_add_up_and_are_named() {
    let chain = credential(json!({"roles": [
        {"roleArn": "arn:aws:iam::111122223333:role/hub"}, {"roleArn": "arn:aws:iam::444455556666:role/spoke"}
    ]}));
    let of = |name: &str, account: &str| {
        let arn = format!("arn:aws:iam::{account}:role/*");
        policy(name, json!({"namespaceSelector": {}, "allow": {"roles": [{"arns": [arn]}]}}))
    };
    let both =
        [of("second", "444455556666"), of("first", "111122223333"), of("third", "111122223333")];
    // Of policies that allow the same, the first by name counts, in whatever order the cluster
    // listed them.
    let allowed = Permission::Allowed(vec!["first".to_owned(), "second".to_owned()]);
    assert_eq!(permission(&chain, &both), allowed);
    assert_eq!(permission(&chain, &[both[2].clone(), both[1].clone(), both[0].clone()]), allowed);
    let denial = denied(&chain, &both[1..]);
    let rule = "spec.allow.roles: [{\"arns\":[\"arn:aws:iam::444455556666:role/spoke\"]}]";
    assert!(denial.why.contains(rule), "{denial:?}");
    assert!(denial.why.contains("namespace team-a"), "{denial:?}");
}

/// The rule in the status is exactly what the administrator has to add.
#[test]
fn the_advised_rule_allows_what_was_denied() {
    for spec in [
        json!({"roles": [{"roleArn": ROLE}]}),
        json!({"roles": [{
            "roleArn": ROLE, "durationSeconds": 43200, "roleSessionName": "night", "sourceIdentity": "boss", "externalId": "4f2a",
            "tags": [{"key": "team", "value": "b: [c], {d}"}],
        }, {"roleArn": "arn:aws:iam::444455556666:role/spoke"}], "sts": {"endpoint": "https://sts.example.com:8443/x"}}),
        json!({"profiles": [{"name": "a", "roles": [{"roleArn": ROLE}]}], "sts": {"caBundle": "-----BEGIN CERTIFICATE-----"}}),
        json!({"roles": [{"roleArn": ROLE}], "sts": {"caBundleRef": {"name": "ca"}}}),
        json!({"source": {"custom": {"process": {"name": "vault"}}}}),
        json!({"source": {"podIdentity": {"clusterName": "c", "serviceAccountRef": {"name": "app"}}}}),
    ] {
        let object = credential(spec.clone());
        let missing = denied(&object, &[]).missing;
        let allow: Value = missing
            .iter()
            .flat_map(|grant| grant.as_object().expect("an object").clone())
            .collect();
        let policies = [allowing(json!({}), allow)];
        assert_eq!(permission(&object, &policies), by_p(), "{spec}\n{missing:?}");
    }
}

#[test]
fn what_is_the_tenants_own_needs_nobody() {
    let own = credential(json!({
        "source": {"webIdentity": {"roleArn": "arn:aws:iam::111122223333:role/y", "serviceAccountRef": {"name": "default"}}},
        "roles": [{"roleArn": "arn:aws:iam::111122223333:role/x", "roleSessionName": "any", "tags": [{"key": "k", "value": "v"}]}],
    }));
    assert_eq!(permission(&own, &[]), Permission::NotNeeded);
    assert!(concerns(&own), "it may be given session tags");
    let plain = credential(
        json!({"source": {"webIdentity": {"roleArn": ROLE, "serviceAccountRef": {"name": "a"}}}}),
    );
    assert!(!concerns(&plain));
}

#[test]
fn endpoints_urls_audiences_certificates_and_the_node_are_the_administrators() {
    let key = json!({"accessKey": {"secretRef": {"name": "k"}}});
    let pem = "-----BEGIN CERTIFICATE-----";
    for (spec, allow) in [
        (json!({"source": {"instanceMetadata": {}}}), json!({"sources": ["InstanceMetadata"]})),
        (
            json!({"source": key, "sts": {"endpoint": "https://sts.example.com"}}),
            json!({"endpoints": ["https://sts.example.com"]}),
        ),
        (
            json!({"source": key, "sts": {"endpoint": "https://sts.example.com", "caBundle": pem}}),
            json!({"endpoints": ["https://sts.example.com"]}),
        ),
        (json!({"source": key, "sts": {"caBundle": pem}}), json!({"caBundles": true})),
        (
            json!({"source": key, "sts": {"endpoint": "https://sts.example.com", "caBundleRef": {"name": "ca"}}}),
            json!({"endpoints": ["https://sts.example.com"]}),
        ),
        (
            json!({"source": key, "sts": {"caBundleRef": {"name": "ca"}}}),
            json!({"caBundles": true}),
        ),
        (
            json!({"source": {"custom": {"http": {"url": "https://broker.example.com/v1/keys", "caBundleRef": {"name": "ca"}}}}}),
            json!({"urls": ["https://broker.example.com/v1"]}),
        ),
        (
            json!({"source": {"custom": {"http": {"url": "https://broker.example.com/v1/keys", "caBundle": pem}}}}),
            json!({"urls": ["https://broker.example.com/v1"]}),
        ),
        (
            json!({"source": {"custom": {"http": {"url": "https://broker.example.com/v1/team-a/keys"}}}}),
            json!({"urls": ["https://broker.example.com/v1/{namespace}"]}),
        ),
        (
            json!({"source": {"webIdentity": {"roleArn": "arn:aws:iam::111122223333:role/y", "serviceAccountRef": {"name": "default", "audience": "minio"}}}}),
            json!({"audiences": ["minio"]}),
        ),
    ] {
        let object = credential(spec);
        denied(
            &object,
            &[allowing(
                json!({}),
                json!({"caBundles": false, "urls": ["https://broker.example.com/v1/team-b"]}),
            )],
        );
        assert_eq!(permission(&object, &[allowing(json!({}), allow)]), by_p());
    }
}

/// Every field of a resource that holds a URL or a host, and the tricks by which a path that seems
/// to lie below an allowed one leads out of it.
#[test]
fn a_url_that_servers_read_in_two_ways_is_denied_and_no_rule_is_offered() {
    let key = json!({"accessKey": {"secretRef": {"name": "k"}}});
    let certificate = json!({"name": "c"});
    for trick in
        ["..;/admin", "%2e%2e/admin", "%2E./admin", "..%2fadmin", "..\\admin", "x;y", "x?y", "../x"]
    {
        let url = format!("https://broker.example.com/v1/team-a/{trick}");
        let host = format!("broker.example.com/v1/team-a/{trick}");
        for spec in [
            json!({"source": {"custom": {"http": {"url": url}}}}),
            json!({"source": {"container": {"fullUri": url}}}),
            json!({"source": key, "sts": {"endpoint": url}}),
            json!({"source": {"iot": {
                "endpoint": host, "roleAlias": "a", "certificateSecretRef": certificate
            }}}),
            json!({"source": {"rolesAnywhere": {
                "endpoint": url, "trustAnchorArn": "arn:aws:rolesanywhere:eu-west-1:1:trust-anchor/x",
                "profileArn": "arn:aws:rolesanywhere:eu-west-1:1:profile/x", "roleArn": ROLE,
                "certificateSecretRef": certificate
            }}}),
        ] {
            let all = ["https://broker.example.com", "https://*.example.com", url.as_str()];
            let policies = [allowing(json!({}), json!({"endpoints": all, "urls": all}))];
            match permission(&credential(spec.clone()), &policies) {
                Permission::Denied(Denial { why, missing }) => {
                    assert!(why.contains("no CredentialPolicy can allow"), "{spec}: {why}");
                    assert!(missing.is_empty(), "{spec}: {missing:?}");
                }
                other => panic!("{spec}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_host_that_only_a_wildcard_allows_leads_to_public_addresses_unless_told_otherwise() {
    let url = "https://store.example.com/keys";
    let object = credential(json!({"source": {"custom": {"http": {"url": url}}}}));
    let wide = |private: Option<bool>| json!({"urls": ["https://*.example.com"], "privateAddresses": private});
    let exact = json!({"urls": ["https://store.example.com"]});
    let named = |name, allow| policy(name, json!({"namespaceSelector": {}, "allow": allow}));
    for (policies, reach) in [
        (vec![named("a", wide(None))], NetworkScope::Public),
        (vec![named("a", wide(Some(false)))], NetworkScope::Public),
        (vec![named("a", wide(Some(true)))], NetworkScope::Private),
        (vec![named("a", exact.clone())], NetworkScope::Private),
        (vec![named("a", wide(None)), named("b", exact.clone())], NetworkScope::Private),
        // The knob is for what the same policy allows.
        (
            vec![named("a", wide(None)), named("b", json!({"privateAddresses": true}))],
            NetworkScope::Public,
        ),
        (vec![], NetworkScope::Public),
    ] {
        assert_eq!(judge(&object, &labels(), &policies).grants.reach(url), reach, "{policies:?}");
    }
    let other =
        judge(&object, &labels(), &[named("a", exact)]).grants.reach("https://other.example.com/");
    assert_eq!(other, NetworkScope::Public, "what was not asked about leads nowhere special");
}

#[test]
fn tags_of_the_administrator_are_terms_and_a_tenants_own_of_that_key_is_denied() {
    let tags = json!({"tags": [{"key": "namespace", "from": "Namespace"}]});
    let allow = json!({"roles": [{"arns": ["arn:aws:iam::*:role/*"], "tags": [{"key": "*"}]}]});
    let of = |selector: Value| {
        policy("p", json!({"namespaceSelector": selector, "allow": allow, "sessionTags": tags}))
    };
    let judged = judge(&role(900), &labels(), &[of(json!({}))]);
    assert_eq!(judged.permission, by_p());
    assert_eq!(
        judged.grants.session_tags.iter().map(|t| t.key.as_str()).collect::<Vec<_>>(),
        ["namespace"]
    );
    let elsewhere = judge(&role(900), &labels(), &[of(json!({"matchLabels": {"team": "b"}}))]);
    assert!(elsewhere.grants.session_tags.is_empty());
    let posing = credential(
        json!({"roles": [{"roleArn": ROLE, "tags": [{"key": "Namespace", "value": "team-b"}]}]}),
    );
    let denial = denied(&posing, &[of(json!({}))]);
    assert!(denial.why.contains("CredentialPolicy p puts namespace on"), "{denial:?}");
    assert!(denial.missing.is_empty(), "no policy makes it right");
}

/// A changed policy re-plans only the resources on which its effect differs from before.
#[test]
fn a_policy_bears_on_those_alone_that_it_says_something_of() {
    let spec =
        |spec: Value| serde_json::from_value::<CredentialPolicySpec>(spec).expect("a policy");
    let of = |selector: Value, allow: Value| {
        spec(json!({"namespaceSelector": selector, "allow": allow}))
    };
    let arns = |list: Value| json!({"roles": [{"arns": list}]});
    let (ours, theirs) =
        (json!({"matchLabels": {"team": "a"}}), json!({"matchLabels": {"team": "b"}}));
    let base = || of(ours.clone(), arns(json!([ROLE])));
    let tagging = |key: &str| {
        let tags = json!({"tags": [{"key": key, "from": "Name"}]});
        spec(json!({"namespaceSelector": ours, "allow": arns(json!([ROLE])), "sessionTags": tags}))
    };
    let nothing = || of(theirs.clone(), json!({}));
    for (name, before, after, touches) in [
        ("nothing changed", base(), base(), false),
        (
            "another role beside it",
            base(),
            of(ours.clone(), arns(json!([ROLE, "arn:aws:iam::1:role/z"]))),
            false,
        ),
        (
            "an unneeded process",
            base(),
            of(ours.clone(), json!({"roles": [{"arns": [ROLE]}], "processes": ["x"]})),
            false,
        ),
        (
            "its role taken out",
            base(),
            of(ours.clone(), arns(json!(["arn:aws:iam::1:role/z"]))),
            true,
        ),
        (
            "its role behind a condition",
            base(),
            of(ours.clone(), json!({"roles": [{"arns": [ROLE], "maxDurationSeconds": 900}]})),
            true,
        ),
        ("selecting others", base(), of(theirs.clone(), arns(json!([ROLE]))), true),
        ("selecting it too", of(theirs.clone(), arns(json!([ROLE]))), base(), true),
        ("changed for others", of(theirs.clone(), arns(json!([ROLE]))), nothing(), false),
        (
            "selecting it without a rule for it",
            nothing(),
            of(ours.clone(), json!({"urls": ["https://x.example.com"]})),
            false,
        ),
        ("tags switched on", base(), tagging("name"), true),
        ("another tag", tagging("name"), tagging("resource"), true),
    ] {
        let object = role(3600);
        let (before, after) =
            (effect(&object, &labels(), &before), effect(&object, &labels(), &after));
        assert_eq!(before != after, touches, "{name}: {before:?} {after:?}");
    }
}

#[test]
fn each_source_that_draws_on_the_administrator_names_the_rule_it_needs() {
    let hsm = json!({"module": "tpm", "tokenLabel": "t", "keyLabel": "k", "pinSecretRef": {"name": "s", "key": "pin"}});
    let iot = |endpoint: &str| json!({"endpoint": endpoint, "roleAlias": "a", "certificateSecretRef": {"name": "c"}});
    let anywhere = |more: Value| {
        let mut source = json!({
            "trustAnchorArn": "t", "profileArn": "p", "roleArn": "r", "certificateSecretRef": {"name": "c"},
        });
        source
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        source
    };
    let mut with_hsm = iot("c1.credentials.iot.eu-west-1.amazonaws.com");
    with_hsm["pkcs11"] = hsm.clone();
    let mut with_ca = iot("c1.credentials.iot.eu-west-1.amazonaws.com");
    with_ca["caBundle"] = "-----BEGIN CERTIFICATE-----".into();
    let mut with_ca_ref = iot("c1.credentials.iot.eu-west-1.amazonaws.com");
    with_ca_ref["caBundleRef"] = json!({"kind": "Secret", "name": "ca"});
    let login = |audience: &str| json!({"provider": "p", "serviceAccountRef": {"name": "app", "audience": audience}});
    let key = json!({"secretRef": {"name": "k"}});
    let token = json!({"name": "s", "key": "k"});
    let web = |more: Value| {
        let mut source = json!({"roleArn": ROLE});
        source
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        source
    };
    let mut rows = vec![
        (json!({"ambient": {}}), Some("spec.allow.roles"), json!({"roles": [{"arns": [ROLE]}]})),
        (json!({"accessKey": key}), None, json!({})),
        (json!({"sessionToken": {"accessKey": key}}), None, json!({})),
        (json!({"federationToken": {"accessKey": key, "policy": "{}"}}), None, json!({})),
        (
            json!({"saml": {"roleArn": ROLE, "principalArn": "p", "assertionSecretRef": token}}),
            None,
            json!({}),
        ),
        (json!({"webIdentity": web(json!({"tokenSecretRef": token}))}), None, json!({})),
        (
            json!({"webIdentity": web(json!({"serviceAccountRef": {"name": "app"}}))}),
            None,
            json!({}),
        ),
        (
            json!({"webIdentity": web(json!({"serviceAccountRef": {"name": "app", "audience": "minio"}}))}),
            Some("spec.allow.audiences"),
            json!({"audiences": ["minio"]}),
        ),
        (
            json!({"container": {"fullUri": "http://169.254.170.2/v2"}}),
            Some("spec.allow.urls"),
            json!({"urls": ["http://169.254.170.2/v2"]}),
        ),
        (
            json!({"instanceMetadata": {}}),
            Some("spec.allow.sources"),
            json!({"sources": ["InstanceMetadata"]}),
        ),
        (
            json!({"custom": {"http": {"url": "https://broker.example.com/v1"}}}),
            Some("spec.allow.urls"),
            json!({"urls": ["https://broker.example.com/v1"]}),
        ),
        (json!({"cognito": {"identityPoolId": "p", "identityId": "i"}}), None, json!({})),
        (
            json!({"cognito": {"identityPoolId": "p", "logins": [login("sts.amazonaws.com")]}}),
            None,
            json!({}),
        ),
    ];
    rows.extend([
        (json!({"iot": iot("c1.credentials.iot.eu-west-1.amazonaws.com")}), None, json!({})),
        (json!({"iot": iot("c1.credentials.iot.cn-north-1.amazonaws.com.cn")}), None, json!({})),
        // Never called: the error names the right endpoint.
        (json!({"iot": iot("c1-ats.iot.eu-west-1.amazonaws.com")}), None, json!({})),
        (
            json!({"iot": iot("c1.credentials.iot.eu-west-1.amazonaws.com.evil.example")}),
            Some("spec.allow.urls"),
            json!({"urls": ["https://c1.credentials.iot.eu-west-1.amazonaws.com.evil.example"]}),
        ),
        (
            json!({"iot": iot("x.credentials.iot.a/b.amazonaws.com")}),
            Some("spec.allow.urls"),
            json!({"urls": ["https://x.credentials.iot.a"]}),
        ),
        (json!({"iot": iot("127.0.0.1:8443")}), Some("spec.allow.urls"), json!({"urls": ["https://127.0.0.1:8443"]})),
        (json!({"iot": with_ca}), Some("spec.allow.caBundles"), json!({"caBundles": true})),
        (json!({"iot": with_ca_ref}), Some("spec.allow.caBundles"), json!({"caBundles": true})),
        (json!({"iot": with_hsm}), Some("spec.allow.pkcs11Tokens"), json!({"pkcs11Tokens": [{"module": "tpm", "tokenLabels": ["t"]}]})),
        (json!({"rolesAnywhere": anywhere(json!({}))}), None, json!({})),
        (
            json!({"rolesAnywhere": anywhere(json!({"endpoint": "https://vpce.example.com"}))}),
            Some("spec.allow.urls"),
            json!({"urls": ["https://vpce.example.com"]}),
        ),
        (
            json!({"rolesAnywhere": anywhere(json!({"caBundle": "-----BEGIN CERTIFICATE-----"}))}),
            Some("spec.allow.caBundles"),
            json!({"caBundles": true}),
        ),
        (
            json!({"rolesAnywhere": anywhere(json!({"caBundleRef": {"name": "ca"}}))}),
            Some("spec.allow.caBundles"),
            json!({"caBundles": true}),
        ),
        (
            json!({"rolesAnywhere": anywhere(json!({"pkcs11": hsm}))}),
            Some("spec.allow.pkcs11Tokens"),
            json!({"pkcs11Tokens": [{"module": "tpm", "tokenLabels": ["t"]}]}),
        ),
        (
            json!({"podIdentity": {"clusterName": "c", "serviceAccountRef": {"name": "app"}}}),
            Some("spec.allow.sources"),
            json!({"sources": ["PodIdentity"]}),
        ),
        (
            json!({"custom": {"process": {"name": "vault"}}}),
            Some("spec.allow.processes"),
            json!({"processes": ["vault"]}),
        ),
        (json!({"custom": {"secret": {"secretRef": {"name": "s"}}}}), None, json!({})),
        (
            json!({"identityCenter": {"accountId": "1", "roleName": "r", "tokenSecretRef": {"name": "s"}}}),
            None,
            json!({}),
        ),
        (
            json!({"cognito": {"identityPoolId": "p", "logins": [login("pool")]}}),
            Some("spec.allow.audiences"),
            json!({"audiences": ["pool"]}),
        ),
    ]);
    let mut seen = BTreeSet::new();
    for (source, rule, allow) in rows {
        let object = credential(json!({"source": source, "roles": [{"roleArn": ROLE}]}));
        let read =
            object.spec.source.as_ref().and_then(Source::kind).expect("a source that is known");
        seen.insert(member_of(read));
        let denied = permission(&object, &[]);
        match (rule, &denied) {
            (None, Permission::NotNeeded) => {}
            (Some(rule), Permission::Denied(denial)) => {
                assert!(denial.why.contains(rule), "{source}: {denial:?}");
                let policy = allowing(json!({}), allow);
                assert_eq!(permission(&object, &[policy]), by_p(), "{source}");
            }
            other => panic!("{source}: {other:?}"),
        }
    }
    let names = MEMBERS.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(seen, names, "each source has a row");
}

/// Every source, as its documentation calls it.
const MEMBERS: [&str; 16] = [
    "ambient",
    "accessKey",
    "webIdentity",
    "saml",
    "sessionToken",
    "federationToken",
    "container",
    "podIdentity",
    "instanceMetadata",
    "identityCenter",
    "iot",
    "rolesAnywhere",
    "cognito",
    "custom.http",
    "custom.secret",
    "custom.process",
];

fn member_of(kind: SourceKind<'_>) -> &'static str {
    match kind {
        SourceKind::Ambient(_) => "ambient",
        SourceKind::AccessKey(_) => "accessKey",
        SourceKind::WebIdentity(_) => "webIdentity",
        SourceKind::Saml(_) => "saml",
        SourceKind::SessionToken(_) => "sessionToken",
        SourceKind::FederationToken(_) => "federationToken",
        SourceKind::Container(_) => "container",
        SourceKind::PodIdentity(_) => "podIdentity",
        SourceKind::InstanceMetadata(_) => "instanceMetadata",
        SourceKind::IdentityCenter(_) => "identityCenter",
        SourceKind::Iot(_) => "iot",
        SourceKind::RolesAnywhere(_) => "rolesAnywhere",
        SourceKind::Cognito(_) => "cognito",
        SourceKind::CustomHttp(_) => "custom.http",
        SourceKind::CustomSecret(_) => "custom.secret",
        SourceKind::CustomProcess(_) => "custom.process",
    }
}

/// The schema that users write against knows no source that the table above does not.
#[test]
fn the_table_s_sources_are_those_of_the_crd() {
    let crd = serde_json::to_value(<RefreshableCredential as kube::CustomResourceExt>::crd())
        .expect("JSON");
    let source = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        ["source"];
    let members = |schema: &Value| {
        schema["properties"].as_object().expect("members").keys().cloned().collect::<Vec<_>>()
    };
    let custom =
        members(&source["properties"]["custom"]).into_iter().map(|name| format!("custom.{name}"));
    let found: BTreeSet<String> =
        members(source).into_iter().filter(|name| name != "custom").chain(custom).collect();
    assert_eq!(found, MEMBERS.into_iter().map(str::to_owned).collect());
}

#[test]
fn endpoints_of_aws_iot_that_give_no_credentials_are_known() {
    for (host, other) in [
        ("c1-ats.iot.eu-west-1.amazonaws.com", true),
        ("c1.iot.eu-west-1.amazonaws.com", true),
        ("c1.ats.iot.cn-north-1.amazonaws.com.cn", true),
        ("iot.us-east-1.amazonaws.com", true),
        ("data.iot-fips.us-east-1.amazonaws.com", true),
        ("c1.jobs.iot.eu-west-1.amazonaws.com", true),
        ("data.iot.eu-west-1.api.aws", true),
        ("c1.credentials.iot.eu-west-1.amazonaws.com", false),
        ("vpce-0a.credentials.iot.eu-west-1.vpce.amazonaws.com", false),
        ("iot.example.com", false),
        ("c1-ats.iot.eu-west-1.amazonaws.com.example.com", false),
        ("lb.eu-west-1.elb.amazonaws.com", false),
        ("127.0.0.1:8443", false),
        ("amazonaws.com", false),
    ] {
        assert_eq!(is_other_iot(host), other, "{host}");
    }
}

#[test]
fn a_denied_bundle_is_named_as_the_specification_names_it() {
    let key = json!({"accessKey": {"secretRef": {"name": "k"}}});
    let iot = |ca: Value| {
        let mut source = json!({"endpoint": "c1.credentials.iot.eu-west-1.amazonaws.com", "roleAlias": "a",
            "certificateSecretRef": {"name": "c"}});
        source
            .as_object_mut()
            .expect("an object")
            .extend(ca.as_object().expect("an object").clone());
        json!({"source": {"iot": source}})
    };
    let (inline, reference) = (
        json!({"caBundle": "-----BEGIN CERTIFICATE-----"}),
        json!({"caBundleRef": {"name": "ca"}}),
    );
    for (spec, field) in [
        (json!({"source": key, "sts": inline}), "spec.sts.caBundle "),
        (json!({"source": key, "sts": reference}), "spec.sts.caBundleRef "),
        (iot(inline.clone()), "spec.source.iot.caBundle "),
        (iot(reference.clone()), "spec.source.iot.caBundleRef "),
    ] {
        let why = denied(&credential(spec), &[]).why;
        assert!(why.contains(&format!("to set {field}for an endpoint of AWS's")), "{why}");
    }
}
