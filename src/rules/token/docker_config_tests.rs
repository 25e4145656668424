use super::*;
use jiff::Timestamp;

fn login(password: &str) -> Login {
    Login { user: "AWS".into(), password: password.into(), expires_at: Timestamp::UNIX_EPOCH }
}

fn read(text: &str) -> Registries {
    Registries::read(text.as_bytes()).unwrap_or_else(|what| panic!("{text}: {what}"))
}

fn shown(rendered: &Rendered) -> Value {
    serde_json::from_str(rendered.file.expose_secret()).expect("JSON")
}

#[test]
fn each_host_gets_user_password_and_both_in_base64() {
    let logins = [
        (vec!["a.example".to_owned(), "b.example".to_owned()], login("p:1")),
        (vec!["c.example".to_owned()], login("p2")),
    ];
    let rendered = render(&logins, Registries::default());
    let first = json!({"username": "AWS", "password": "p:1", "auth": "QVdTOnA6MQ=="});
    let second = json!({"username": "AWS", "password": "p2", "auth": "QVdTOnAy"});
    let auths = json!({"a.example": first, "b.example": first, "c.example": second});
    assert_eq!(shown(&rendered), json!({"auths": auths}));
    assert!(rendered.replaced.is_empty());
}

#[test]
fn other_registries_are_published_as_they_are() {
    let other = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "dTpw", "email": "e"},
        "quay.io/team": {"username": "u", "password": "p", "more": 1}}, "HttpHeaders": {"a": "b"}}"#;
    let rendered = render(&[(vec!["a.example".to_owned()], login("p"))], read(other));
    let auths = &shown(&rendered)["auths"];
    assert_eq!(auths["https://index.docker.io/v1/"], json!({"auth": "dTpw", "email": "e"}));
    assert_eq!(auths["quay.io/team"], json!({"username": "u", "password": "p", "more": 1}));
    assert_eq!(auths["a.example"]["password"], "p");
    assert_eq!(shown(&rendered).as_object().map(Map::len), Some(1), "nothing else");
}

#[test]
fn of_a_registry_in_both_the_token_wins_however_it_is_spelled() {
    for (registry, replaced) in [
        ("a.example", true),
        ("https://a.example", true),
        ("http://a.example/", true),
        ("A.Example/v2/", true),
        ("a.example/v1", true),
        ("a.example/team", false),
        ("a.example:443", false),
        ("b.example", false),
        ("*.example", false),
    ] {
        let other = json!({"auths": {registry: {"auth": "dTpw"}}}).to_string();
        let rendered = render(&[(vec!["a.example".to_owned()], login("p"))], read(&other));
        let expected: &[&str] = if replaced { &[registry] } else { &[] };
        assert_eq!(rendered.replaced, expected, "{registry}");
        let auths = shown(&rendered)["auths"].as_object().cloned().expect("an object");
        assert_eq!(
            (auths.len(), &auths["a.example"]["password"]),
            (2 - expected.len(), &json!("p"))
        );
    }
}

#[test]
fn what_is_no_docker_config_is_told_without_its_content() {
    for (content, fault) in [
        ("", "not a JSON object"),
        ("s3cr3t", "not a JSON object"),
        (r#"["s3cr3t"]"#, "not a JSON object"),
        (r#"{"auth": {"r.example": {"auth": "s3cr3t"}}}"#, "no object auths"),
        (r#"{"auths": ["s3cr3t"]}"#, "no object auths"),
        (r#"{"auths": {"r.example": "s3cr3t"}}"#, "registry r.example is not an object"),
        (r#"{"auths": {"r.example": {}}}"#, "neither auth nor username and password"),
        (r#"{"auths": {"r.example": {"password": "s3cr3t"}}}"#, "neither auth nor username"),
        (r#"{"auths": {"r.example": {"username": "u", "password": ""}}}"#, "neither auth nor"),
        (r#"{"auths": {"r.example": {"auth": ["s3cr3t"]}}}"#, "auth of registry r.example"),
    ] {
        let Err(what) = Registries::read(content.as_bytes()) else { panic!("{content} was read") };
        assert!(what.contains(fault) && what.contains(r#"{"auths": "#), "{content}: {what}");
        assert!(!what.contains("s3cr3t"), "{what}");
    }
    assert!(Registries::read(b"\xff").is_err());
    assert!(Registries::read(br#"{"auths": {}}"#).is_ok(), "no registry is none too few");
}

#[test]
fn what_is_secret_of_other_registries_is_known() {
    let other = read(
        r#"{"auths": {"a": {"auth": "dTpwYXNzd29yZA==", "username": "u", "email": "e"},
            "b": {"username": "u", "password": "p2", "identitytoken": "t"}}}"#,
    );
    let mut secrets: Vec<String> =
        other.secrets().iter().map(|s| s.expose_secret().to_owned()).collect();
    secrets.sort();
    assert_eq!(secrets, ["dTpwYXNzd29yZA==", "p2", "password", "t"]);
}

proptest::proptest! {
    /// See `source::fuzz_tests`.
    #[test]
    fn fuzz_tests_any_docker_config(content in "\\PC{0,200}|\\{\"auths\": \\{(\"[a-z./:]{0,9}\": [{}\\[\\]a-z0-9\":,]{0,30},?){0,5}\\}\\}") {
        if let Ok(others) = Registries::read(content.as_bytes()) {
            let rendered = render(&[], others);
            proptest::prop_assert!(serde_json::from_str::<Value>(rendered.file.expose_secret()).is_ok());
        }
    }
}
