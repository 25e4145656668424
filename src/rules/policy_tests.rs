use super::super::fixtures::credential;
use super::*;
use serde_json::{Value, json};
use std::sync::Arc;

fn policy(name: &str, spec: Value) -> Arc<CredentialPolicy> {
    let object = json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": "CredentialPolicy", "metadata": {"name": name}, "spec": spec});
    Arc::new(serde_json::from_value(object).expect("a policy"))
}

fn labels() -> BTreeMap<String, String> {
    [("team".to_owned(), "a".to_owned())].into()
}

fn role(seconds: i32) -> RefreshableCredential {
    credential(json!({"roles": [{"roleArn": "arn:aws:iam::111122223333:role/team-a/x", "durationSeconds": seconds}]}))
}

fn allowing(selector: Value, allow: Value) -> Arc<CredentialPolicy> {
    policy("p", json!({"namespaceSelector": selector, "allow": allow}))
}

#[test]
fn the_controllers_identity_is_denied_unless_allowed() {
    let arns = |pattern: &str| json!({"roles": [{"arns": [pattern]}]});
    let limited = json!({"roles": [{"arns": ["*:*:*:*:*:*"], "maxDurationSeconds": 3600}]});
    for (name, selector, allow, allowed) in [
        ("everything", json!({}), arns("arn:aws:iam::*:role/*"), true),
        ("this path", json!({"matchLabels": {"team": "a"}}), arns("arn:aws:iam::111122223333:role/team-a/*"), true),
        ("other path", json!({}), arns("arn:aws:iam::111122223333:role/team-b/*"), false),
        ("other account", json!({}), arns("arn:aws:iam::999999999999:role/*"), false),
        ("other namespaces", json!({"matchLabels": {"team": "b"}}), arns("arn:aws:iam::*:role/*"), false),
        ("too long", json!({}), limited, false),
        ("nothing", json!({}), json!({}), false),
    ] {
        let permission = judge(&role(7200), &labels(), &[allowing(selector, allow)]);
        assert_eq!(matches!(permission, Permission::Allowed(_)), allowed, "{name}: {permission:?}");
    }
    assert!(matches!(judge(&role(900), &labels(), &[] as &[Arc<CredentialPolicy>]), Permission::Denied(_)));
}

#[test]
fn a_selector_that_cannot_be_read_selects_nothing() {
    let selector = json!({"matchExpressions": [{"key": "team", "operator": "Like", "values": ["a"]}]});
    let policy = allowing(selector, json!({"roles": [{"arns": ["arn:aws:iam::*:role/*"]}]}));
    assert!(matches!(judge(&role(900), &labels(), &[policy]), Permission::Denied(_)));
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
    let both = [of("second", "444455556666"), of("first", "111122223333")];
    assert_eq!(judge(&chain, &labels(), &both), Permission::Allowed(vec!["first".to_owned(), "second".to_owned()]));
    let Permission::Denied(words) = judge(&chain, &labels(), &both[1..]) else { panic!("one is not enough") };
    assert!(words.contains("spec.allow.roles: [{arns: [\"arn:aws:iam::444455556666:role/spoke\"]}]"), "{words}");
    assert!(words.contains("namespace team-a"), "{words}");
}

#[test]
fn what_is_the_tenants_own_needs_nobody() {
    let own = credential(json!({
        "source": {"webIdentity": {"roleArn": "arn:aws:iam::111122223333:role/y", "serviceAccountRef": {"name": "default"}}},
        "roles": [{"roleArn": "arn:aws:iam::111122223333:role/x"}],
    }));
    assert_eq!(judge(&own, &labels(), &[] as &[Arc<CredentialPolicy>]), Permission::NotNeeded);
}

#[test]
fn endpoints_urls_audiences_and_the_node_are_the_administrators() {
    for (spec, allow) in [
        (json!({"source": {"instanceMetadata": {}}}), json!({"sources": ["InstanceMetadata"]})),
        (
            json!({"source": {"accessKey": {"secretRef": {"name": "k"}}}, "sts": {"endpoint": "https://sts.example.com"}}),
            json!({"endpoints": ["https://sts.example.com"]}),
        ),
        (
            json!({"source": {"custom": {"http": {"url": "https://broker.example.com/v1/keys"}}}}),
            json!({"urls": ["https://broker.example.com/v1"]}),
        ),
        (
            json!({"source": {"webIdentity": {"roleArn": "arn:aws:iam::111122223333:role/y", "serviceAccountRef": {"name": "default", "audience": "minio"}}}}),
            json!({"audiences": ["minio"]}),
        ),
    ] {
        let object = credential(spec);
        let denied = judge(&object, &labels(), &[allowing(json!({}), json!({}))]);
        assert!(matches!(denied, Permission::Denied(_)), "{denied:?}");
        let allowed = judge(&object, &labels(), &[allowing(json!({}), allow)]);
        assert_eq!(allowed, Permission::Allowed(vec!["p".to_owned()]));
    }
}

#[test]
fn a_wildcard_in_an_arn_stays_in_its_part() {
    for (pattern, arn, matches) in [
        ("arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a/b", true),
        ("arn:aws:iam::1:role/a?", "arn:aws:iam::1:role/ab", true),
        ("arn:aws:iam::*:role/x", "arn:aws:iam::1:role/x", true),
        ("arn:aws:iam::*role/x", "arn:aws:iam::1:role/x", false),
        ("*", "arn:aws:iam::1:role/x", false),
        ("arn:aws:iam::1:role/x", "arn:aws:iam::1:role/xy", false),
        ("arn:aws:iam::1*:role/x", "arn:aws:iam::2:role/x", false),
    ] {
        assert_eq!(arn_matches(pattern, arn), matches, "{pattern} {arn}");
    }
}

#[test]
fn a_url_is_matched_by_its_parts() {
    let pattern = "https://*.example.com/v1";
    for (url, matches) in [
        ("https://a.example.com/v1", true),
        ("https://A.EXAMPLE.com/v1/keys", true),
        ("https://a.b.example.com/v1", false),
        ("https://a.example.com/v10", false),
        ("https://a.example.com/v1/../admin", false),
        ("https://a.example.com/v1/%2e%2e/admin", false),
        ("https://a.example.com:8443/v1", false),
        ("http://a.example.com/v1", false),
        ("https://evil.com/.example.com/v1", false),
        ("https://evil.com?.example.com/v1", false),
        ("https://evil.com#.example.com/v1", false),
        ("https://user@a.example.com/v1", false),
        ("https://evil.com\\.example.com/v1", false),
    ] {
        assert_eq!(url_matches(pattern, url), matches, "{url}");
    }
    for address in ["https://10.0.0.1", "https://[::1]", "https://0x7f000001", "https://2130706433", "https://127.1."] {
        assert!(!url_matches("https://*", address) && !url_matches("https://*.*.*.*", address), "{address}");
        assert!(url_matches(address, address), "{address} written out");
    }
}

#[test]
fn no_pattern_stalls_the_matcher() {
    let pattern = "*a".repeat(500);
    assert!(!wildcard_matches(&pattern, &"a".repeat(499), |_| true));
    assert!(wildcard_matches(&pattern, &"a".repeat(600), |_| true));
}

#[test]
fn each_source_that_draws_on_the_administrator_names_the_rule_it_needs() {
    let hsm = json!({"module": "tpm", "tokenLabel": "t", "keyLabel": "k", "pinSecretRef": {"name": "s", "key": "pin"}});
    let iot = |endpoint: &str| json!({"endpoint": endpoint, "roleAlias": "a", "certificateSecretRef": {"name": "c"}});
    let anywhere = |more: Value| {
        let mut source = json!({
            "trustAnchorArn": "t", "profileArn": "p", "roleArn": "r", "certificateSecretRef": {"name": "c"},
        });
        source.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        source
    };
    let mut with_hsm = iot("c1.credentials.iot.eu-west-1.amazonaws.com");
    with_hsm["pkcs11"] = hsm.clone();
    let login = json!({"provider": "p", "serviceAccountRef": {"name": "app", "audience": "pool"}});
    for (source, rule, allow) in [
        (json!({"iot": iot("c1.credentials.iot.eu-west-1.amazonaws.com")}), None, json!({})),
        (json!({"iot": iot("c1.credentials.iot.cn-north-1.amazonaws.com.cn")}), None, json!({})),
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
        (json!({"iot": with_hsm}), Some("spec.allow.pkcs11Modules"), json!({"pkcs11Modules": ["tpm"]})),
        (json!({"rolesAnywhere": anywhere(json!({}))}), None, json!({})),
        (
            json!({"rolesAnywhere": anywhere(json!({"endpoint": "https://vpce.example.com"}))}),
            Some("spec.allow.urls"),
            json!({"urls": ["https://vpce.example.com"]}),
        ),
        (
            json!({"rolesAnywhere": anywhere(json!({"pkcs11": hsm}))}),
            Some("spec.allow.pkcs11Modules"),
            json!({"pkcs11Modules": ["tpm"]}),
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
            json!({"cognito": {"identityPoolId": "p", "logins": [login]}}),
            Some("spec.allow.audiences"),
            json!({"audiences": ["pool"]}),
        ),
    ] {
        let object = credential(json!({"source": source}));
        let nobody = judge(&object, &labels(), &[] as &[Arc<CredentialPolicy>]);
        match (rule, &nobody) {
            (None, Permission::NotNeeded) => {}
            (Some(rule), Permission::Denied(words)) => {
                assert!(words.contains(rule), "{source}: {words}");
                let policy = allowing(json!({}), allow);
                assert_eq!(judge(&object, &labels(), &[policy]), Permission::Allowed(vec!["p".into()]), "{source}");
            }
            other => panic!("{source}: {other:?}"),
        }
    }
}
