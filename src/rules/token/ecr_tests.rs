use super::*;
use serde_json::json;

fn token(value: Value) -> EcrToken {
    serde_json::from_value(value).expect("a token")
}

fn registry(account: &str, region: &str, hosts: &[&str]) -> Value {
    let mut registry = json!({"accountId": account, "region": region});
    if !hosts.is_empty() {
        registry["hosts"] = json!(hosts);
    }
    registry
}

#[test]
fn each_region_costs_one_call_whatever_registries_are_there() {
    let (a, b) = ("111122223333", "444455556666");
    let token = token(json!({"public": true, "registries": [
        registry(a, "eu-west-1", &[]), registry(a, "us-east-1", &[]), registry(b, "eu-west-1", &[]),
    ]}));
    let calls = calls(&token).expect("calls");
    let all: Vec<_> = calls.iter().map(|c| (c.service, c.region.as_str(), c.hosts.len())).collect();
    assert_eq!(
        all,
        [
            (Service::Private, "eu-west-1", 2),
            (Service::Private, "us-east-1", 1),
            (Service::Public, "us-east-1", 2),
        ]
    );
    assert_eq!(
        calls[0].hosts,
        [
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com",
            "444455556666.dkr.ecr.eu-west-1.amazonaws.com"
        ]
    );
    assert_eq!(calls[2].hosts, PUBLIC_HOSTS);
    assert_eq!(count(&token), 3);
}

#[test]
fn hosts_are_of_the_region_s_partition() {
    let all = ["Standard", "Fips", "DualStack", "DualStackFips"];
    for (region, hosts) in [
        (
            "eu-west-1",
            [
                "1.dkr.ecr.eu-west-1.amazonaws.com",
                "1.dkr.ecr-fips.eu-west-1.amazonaws.com",
                "1.dkr-ecr.eu-west-1.on.aws",
                "1.dkr-ecr-fips.eu-west-1.on.aws",
            ],
        ),
        (
            "cn-north-1",
            [
                "1.dkr.ecr.cn-north-1.amazonaws.com.cn",
                "1.dkr.ecr-fips.cn-north-1.amazonaws.com.cn",
                "1.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
                "1.dkr-ecr-fips.cn-north-1.on.amazonwebservices.com.cn",
            ],
        ),
        (
            "us-gov-west-1",
            [
                "1.dkr.ecr.us-gov-west-1.amazonaws.com",
                "1.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                "1.dkr-ecr.us-gov-west-1.on.aws",
                "1.dkr-ecr-fips.us-gov-west-1.on.aws",
            ],
        ),
    ] {
        let value = registry("000000000001", region, &all);
        let registry: EcrRegistry = serde_json::from_value(value).expect("a registry");
        let found: Vec<String> = super::hosts(&registry).collect();
        assert_eq!(found, hosts.map(|h| format!("00000000000{h}")), "{region}");
    }
}

#[test]
fn a_registry_that_is_no_part_of_a_host_name_is_refused() {
    for (account, region, field) in [
        ("11112222333", "eu-west-1", "accountId"),
        ("11112222333x", "eu-west-1", "accountId"),
        ("111122223333", "", "region"),
        ("111122223333", "eu-west-1.evil.example/", "region"),
        ("111122223333", "EU-WEST-1", "region"),
        ("111122223333", "a@b", "region"),
    ] {
        let token = token(json!({"registries": [registry(account, region, &[])]}));
        let error = calls(&token).expect_err(region).to_string();
        assert!(error.starts_with(&format!("spec.token.ecr.registries.{field}: ")), "{error}");
        assert_eq!(count(&token), 0);
    }
}

#[test]
fn the_password_of_an_answer_is_read() {
    let encoded = STANDARD.encode("AWS:eyJwYXlsb2FkIjoi:x");
    let data = json!({"authorizationToken": encoded, "expiresAt": 1767268800.123, "proxyEndpoint": "https://x"});
    for body in [
        json!({"authorizationData": [data]}),
        json!({"authorizationData": [data, {"authorizationToken": "x"}]}),
        json!({"authorizationData": data}),
        json!({"authorizationData": {"authorizationToken": encoded, "expiresAt": "2026-01-01T12:00:00Z"}}),
    ] {
        let login = read(body.to_string().as_bytes(), None).expect("a login");
        assert_eq!((login.user.as_str(), login.expires_at.as_second()), ("AWS", 1_767_268_800));
        assert_eq!(login.password.expose_secret(), "eyJwYXlsb2FkIjoi:x");
        assert!(!format!("{login:?}").contains("eyJ"), "{login:?}");
    }
}

#[test]
fn an_answer_that_is_none_is_told_without_its_content() {
    let with = |token: &str| {
        json!({"authorizationData": [{"authorizationToken": STANDARD.encode(token), "expiresAt": 1e9}]})
            .to_string()
    };
    let fault_of = |body: &str| {
        let error = read(body.as_bytes(), Some("r-1")).expect_err(body);
        assert_eq!(error.request_id(), Some("r-1"));
        error.to_string()
    };
    for (body, fault) in [
        ("", "not a JSON object with authorizationData"),
        ("<html>s3cr3t", "not a JSON object with authorizationData"),
        (r#"{"authorizationData": "s3cr3t"}"#, "not a JSON object with authorizationData"),
        (r#"{"authorizationData": [7]}"#, "not a JSON object with authorizationData"),
        ("{}", "authorizationData is missing or empty"),
        (r#"{"authorizationData": null}"#, "authorizationData is missing or empty"),
        (r#"{"authorizationData": []}"#, "authorizationData is missing or empty"),
        (r#"{"authorizationData": [{"expiresAt": 1}]}"#, "authorizationToken is missing"),
        (
            r#"{"authorizationData": [{"authorizationToken": "s3cr3t!", "expiresAt": 1}]}"#,
            "user:password",
        ),
        (&with("AWSs3cr3t"), "user:password"),
        (&with(":s3cr3t"), "user:password"),
        (&with("AWS:"), "user:password"),
        (&with("AWS:s3cr3t\ninjected"), "user:password"),
        (r#"{"authorizationData": [{"authorizationToken": "QVdTOnA="}]}"#, "expiresAt is missing"),
        (
            r#"{"authorizationData": [{"authorizationToken": "QVdTOnA=", "expiresAt": "soon"}]}"#,
            "expiresAt is missing",
        ),
    ] {
        let found = fault_of(body);
        assert!(found.contains(fault) && !found.contains("s3cr3t"), "{body}: {found}");
    }
}

/// As botocore makes them, which `cluster::peers::ecr` compares.
#[test]
fn endpoints_are_those_of_the_region() {
    for (service, region, fips, dual_stack, host) in [
        (Service::Private, "eu-west-1", false, false, "api.ecr.eu-west-1.amazonaws.com"),
        (Service::Private, "eu-west-1", false, true, "ecr.eu-west-1.api.aws"),
        (Service::Private, "us-east-1", true, false, "ecr-fips.us-east-1.amazonaws.com"),
        (Service::Private, "us-east-1", true, true, "ecr-fips.us-east-1.api.aws"),
        (Service::Private, "us-gov-west-1", true, false, "ecr-fips.us-gov-west-1.amazonaws.com"),
        (Service::Private, "cn-north-1", false, false, "api.ecr.cn-north-1.amazonaws.com.cn"),
        (
            Service::Private,
            "cn-north-1",
            false,
            true,
            "ecr.cn-north-1.api.amazonwebservices.com.cn",
        ),
        (Service::Private, "eusc-de-east-1", false, false, "api.ecr.eusc-de-east-1.amazonaws.eu"),
        (Service::Public, "us-east-1", false, false, "api.ecr-public.us-east-1.amazonaws.com"),
        (Service::Public, "us-east-1", false, true, "ecr-public.us-east-1.api.aws"),
    ] {
        let found = endpoint(service, region, fips, dual_stack);
        assert_eq!(found, format!("https://{host}"), "{region} {fips} {dual_stack}");
    }
}

proptest::proptest! {
    /// See `source::fuzz_tests`.
    #[test]
    fn fuzz_tests_any_answer(body in "\\PC{0,200}|\\{\"authorizationData\": [\\[\\]{}\":,a-zA-Z0-9]{0,80}\\}") {
        if let Ok(login) = read(body.as_bytes(), None) {
            proptest::prop_assert!(!login.password.expose_secret().is_empty());
        }
    }
}
