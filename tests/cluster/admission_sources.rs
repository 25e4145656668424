//! The rules of the sources that stand outside STS, each broken once.

use serde_json::{Value, json};

/// A source of this kind, with the members of `patch` laid over what is right.
fn source(kind: &str, mut right: Value, patch: Value) -> Value {
    let (Value::Object(into), Value::Object(patch)) = (&mut right, patch) else {
        panic!("two objects")
    };
    into.extend(patch);
    json!({"source": {kind: right}})
}

fn iot(patch: Value) -> Value {
    let host = "c1.credentials.iot.eu-west-1.amazonaws.com";
    source(
        "iot",
        json!({"endpoint": host, "roleAlias": "edge", "certificateSecretRef": {"name": "device"}}),
        patch,
    )
}

fn anywhere(patch: Value) -> Value {
    let arn = "arn:aws:rolesanywhere:eu-west-1:111122223333";
    let right = json!({
        "trustAnchorArn": format!("{arn}:trust-anchor/01234567-89ab-cdef-0123-456789abcdef"),
        "profileArn": format!("{arn}:profile/01234567-89ab-cdef-0123-456789abcdef"),
        "roleArn": "arn:aws:iam::111122223333:role/edge", "certificateSecretRef": {"name": "device"},
    });
    source("rolesAnywhere", right, patch)
}

fn center(patch: Value) -> Value {
    let right = json!({"accountId": "111122223333", "roleName": "Reader", "tokenSecretRef": {"name": "sso"}});
    source("identityCenter", right, patch)
}

fn cognito(patch: Value) -> Value {
    let right = json!({
        "identityPoolId": "eu-west-1:01234567-89ab-cdef-0123-456789abcdef",
        "logins": [{"provider": "example.com", "tokenSecretRef": {"name": "token", "key": "token"}}],
    });
    source("cognito", right, patch)
}

fn secret(patch: Value) -> Value {
    let right = json!({"secretRef": {"name": "rotated"}});
    json!({"source": {"custom": source("secret", right, patch)["source"]}})
}

fn http(http: Value) -> Value {
    json!({"source": {"custom": {"http": http}}})
}

fn sts(endpoint: &str) -> Value {
    json!({"roles": [{"roleArn": "arn:aws:iam::111122223333:role/reports"}], "sts": {"endpoint": endpoint}})
}

const NOT_BOTH: &str = "set caBundle or caBundleRef, not both: take one of them out";

/// Specifications that are refused, with a part of the message that says what to write instead.
pub(super) fn wrong() -> Vec<(&'static str, Value, &'static str)> {
    let no_certificate = json!({"caBundle": "this is no certificate"});
    let two_bundles =
        json!({"caBundle": "-----BEGIN CERTIFICATE-----", "caBundleRef": {"name": "company-ca"}});
    let mut two_bundles_of_http = two_bundles.clone();
    two_bundles_of_http["url"] = "https://broker.example.com/keys".into();
    let both = json!([{
        "provider": "example.com", "tokenSecretRef": {"name": "token", "key": "token"},
        "serviceAccountRef": {"name": "app"},
    }]);
    let profile = |patch: Value| {
        let mut profile =
            json!({"name": "a", "roles": [{"roleArn": "arn:aws:iam::111122223333:role/a"}]});
        profile
            .as_object_mut()
            .expect("an object")
            .extend(patch.as_object().expect("an object").clone());
        profile
    };
    let profiles = |patch: Value, more: Value| {
        let mut spec = json!({"profiles": [profile(patch)]});
        spec.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        spec
    };
    let role = |seconds: i32| json!({"roleArn": "arn:aws:iam::111122223333:role/a", "durationSeconds": seconds});
    let many: Vec<Value> = (0..101).map(|n| profile(json!({"name": format!("p{n}")}))).collect();
    vec![
        (
            "a profile without a role",
            profiles(json!({"roles": []}), json!({})),
            "or each profile one of its own",
        ),
        (
            "a profile and profiles",
            profiles(json!({}), json!({"secret": {"profile": "x"}})),
            "profiles have names of their own",
        ),
        (
            "an account for profiles",
            profiles(json!({}), json!({"principal": {"accountId": "111122223333"}})),
            "take principal.accountId out",
        ),
        (
            "a user for a profile",
            profiles(
                json!({"roles": [{"roleArn": "arn:aws:iam::111122223333:user/me"}]}),
                json!({}),
            ),
            "roleArn of a profile must be",
        ),
        (
            "two hours behind a shared role",
            profiles(json!({"roles": [role(7200)]}), json!({"roles": [role(900)]})),
            "a profile's role behind a session is chained",
        ),
        (
            "two hours for a second role",
            profiles(json!({"roles": [role(900), role(7200)]}), json!({})),
            "a profile's second role is chained",
        ),
        (
            "a profile's role behind a federated session",
            profiles(
                json!({}),
                json!({"source": {"federationToken": {"accessKey": {"secretRef": {"name": "key"}}, "policy": "{}"}}}),
            ),
            "no profile can assume a role with it",
        ),
        ("a profile with a slash", profiles(json!({"name": "a/b"}), json!({})), "should match"),
        (
            "a profile twice",
            json!({"profiles": [profile(json!({})), profile(json!({}))]}),
            "Duplicate value",
        ),
        ("more than a hundred profiles", json!({"profiles": many}), "must have at most 100 items"),
        (
            "a role behind a federated session",
            json!({
                "source": {"federationToken": {"accessKey": {"secretRef": {"name": "key"}}, "policy": "{}"}},
                "roles": [{"roleArn": "arn:aws:iam::111122223333:role/reports"}],
            }),
            "no role can follow it",
        ),
        (
            "a URL for a host",
            iot(json!({"endpoint": "https://c1.example.com"})),
            "a host name without scheme and path",
        ),
        (
            "a Vault without a role",
            http(json!({"url": "https://vault.example.com/v1/aws", "format": "Vault"})),
            "https://vault.example.com/v1/aws/sts/reports",
        ),
        (
            "a Vault's other engine",
            http(json!({"url": "https://vault.example.com/v1/secret/data/aws", "format": "Vault"})),
            "url of format Vault must be",
        ),
        (
            "a format that is none",
            http(json!({"url": "https://vault.example.com/", "format": "vault"})),
            "supported values",
        ),
        ("two bundles for IoT", iot(two_bundles.clone()), NOT_BOTH),
        ("two bundles for Roles Anywhere", anywhere(two_bundles.clone()), NOT_BOTH),
        ("two bundles for an endpoint", http(two_bundles_of_http), NOT_BOTH),
        ("two bundles for STS", json!({"roles": [role(900)], "sts": two_bundles}), NOT_BOTH),
        (
            "an IoT CA that is none",
            iot(no_certificate.clone()),
            "caBundle must hold one or more certificates",
        ),
        ("a role alias with a slash", iot(json!({"roleAlias": "a/b"})), "should match"),
        (
            "a trust anchor that is none",
            anywhere(json!({"trustAnchorArn": "arn:aws:iam::111122223333:x"})),
            "trustAnchorArn must be like",
        ),
        (
            "a profile that is none",
            anywhere(json!({"profileArn": "arn:aws:iam::111122223333:xx"})),
            "profileArn must be like",
        ),
        (
            "a user for Roles Anywhere",
            anywhere(json!({"roleArn": "arn:aws:iam::111122223333:user/me"})),
            "roleArn must be the ARN of an IAM role",
        ),
        (
            "an endpoint of another scheme",
            anywhere(json!({"endpoint": "ftp://a.example.com"})),
            "https://rolesanywhere.example.com",
        ),
        (
            "a CA for Roles Anywhere that is none",
            anywhere(no_certificate),
            "caBundle must hold one or more certificates",
        ),
        (
            "an account without its zeros",
            center(json!({"accountId": "1112222333"})),
            "12 digits of an AWS account",
        ),
        (
            "a pool without a Region",
            cognito(json!({"identityPoolId": "pool"})),
            "identityPoolId must be like",
        ),
        (
            "a guest without an identity",
            {
                let mut guest = cognito(json!({}));
                guest["source"]["cognito"].as_object_mut().expect("an object").remove("logins");
                guest
            },
            "set logins, or identityId for a guest",
        ),
        (
            "an identity of another Region",
            cognito(json!({"identityId": "us-east-1:01234567"})),
            "identityId must be of the pool's Region",
        ),
        (
            "a login with two tokens",
            cognito(json!({"logins": both})),
            "a login takes its token from",
        ),
        (
            "two ways to read a Secret",
            secret(json!({"keys": {"processJson": "a", "accessKeyId": "b"}})),
            "take the other keys out",
        ),
        (
            "two expiries",
            secret(json!({"keys": {"expiration": "a"}, "lifetimeSeconds": 3600})),
            "set either it or a key that says so",
        ),
        (
            "a process with a path",
            json!({"source": {"custom": {"process": {"name": "/bin/sh"}}}}),
            "should match",
        ),
        (
            "a line break in an argument",
            json!({"source": {"custom": {"process": {"name": "a", "args": ["a\nb"]}}}}),
            "should match",
        ),
        (
            "profiles too large to keep in memory",
            accounts(100, "x".repeat(2000).as_str()),
            "divide the profiles among several resources",
        ),
        (
            "a chained role of two hours behind a device",
            {
                let mut chained = iot(json!({}));
                chained["roles"] = json!([{"roleArn": "arn:aws:iam::111122223333:role/reports", "durationSeconds": 7200}]);
                chained
            },
            "roles[0].durationSeconds to 3600 or less",
        ),
    ]
}

/// Profiles of as many accounts, each with a session policy that has `name` for its `Sid`, and tags.
fn accounts(count: u32, name: &str) -> Value {
    let account = |n: u32| {
        let tags = [json!({"key": "team", "value": "reports"})];
        json!({"name": format!("account-{n}"), "roles": [{
            "roleArn": format!("arn:aws:iam::{n:012}:role/a"), "policy": format!("{{\"{name}\"}}"), "tags": tags,
        }]})
    };
    let profiles: Vec<Value> = (0..count).map(account).collect();
    json!({"roles": [{"roleArn": "arn:aws:iam::111122223333:role/hub"}], "profiles": profiles})
}

/// Specifications that are taken.
pub(super) fn taken() -> Vec<(&'static str, Value)> {
    let hsm = json!({"pkcs11": {"module": "tpm", "tokenLabel": "t", "keyLabel": "k", "pinSecretRef": {"name": "pin", "key": "pin"}}});
    let account = |n: u32| json!({"name": format!("account-{n}"), "roles": [{"roleArn": format!("arn:aws:iam::{n:012}:role/a")}]});
    let profiles: Vec<Value> = (0..100).map(account).collect();
    vec![
        (
            "a hundred profiles",
            json!({"roles": [{"roleArn": "arn:aws:iam::111122223333:role/hub"}], "profiles": profiles}),
        ),
        ("a hundred profiles with session policies", accounts(100, "x".repeat(500).as_str())),
        ("IoT", iot(json!({"thingName": "sensor", "durationSeconds": 900}))),
        ("IoT with a token", iot(hsm.clone())),
        (
            "IoT by a VPC endpoint",
            iot(json!({"endpoint": "vpce-0a.credentials.iot.eu-west-1.vpce.amazonaws.com"})),
        ),
        ("IoT elsewhere", iot(json!({"endpoint": "iot.example.com"}))),
        ("Roles Anywhere", anywhere(json!({}))),
        (
            "Roles Anywhere by a VPC endpoint",
            anywhere(
                json!({"endpoint": "https://vpce-0a.rolesanywhere.eu-west-1.vpce.amazonaws.com"}),
            ),
        ),
        ("STS by a VPC endpoint", sts("https://vpce-0a.sts.eu-west-1.vpce.amazonaws.com")),
        (
            "a store on an instance",
            sts("https://ec2-192-0-2-1.eu-west-1.compute.amazonaws.com:9000"),
        ),
        (
            "a store behind a load balancer",
            sts("https://s3-store-1234.eu-west-1.elb.amazonaws.com"),
        ),
        ("a store of one's own", sts("https://s3.example.com")),
        (
            "Vault",
            http(
                json!({"url": "https://vault.example.com/v1/team-a/aws/creds/reports", "format": "Vault"}),
            ),
        ),
        (
            "an endpoint of one's own",
            http(json!({"url": "https://broker.example.com/", "format": "Aws"})),
        ),
        ("Roles Anywhere with a token", anywhere(hsm)),
        ("IoT with a bundle", iot(json!({"caBundleRef": {"name": "company-ca"}}))),
        (
            "Roles Anywhere with a bundle",
            anywhere(
                json!({"caBundleRef": {"kind": "Secret", "name": "company-ca", "key": "trust-bundle.pem"}}),
            ),
        ),
        ("Identity Center", center(json!({}))),
        ("Cognito", cognito(json!({}))),
        (
            "Pod Identity",
            json!({"source": {"podIdentity": {"clusterName": "edge", "serviceAccountRef": {"name": "app"}}}}),
        ),
        (
            "a rotated Secret",
            secret(json!({"preset": "VaultSecretsOperator", "lifetimeSeconds": 3600})),
        ),
        (
            "a process",
            json!({"source": {"custom": {"process": {"name": "vault", "args": ["--role", "a b"]}}}}),
        ),
        (
            "two hours behind a user's session",
            json!({
                "source": {"sessionToken": {"accessKey": {"secretRef": {"name": "key"}}}},
                "roles": [{"roleArn": "arn:aws:iam::111122223333:role/reports", "durationSeconds": 7200}],
            }),
        ),
    ]
}
