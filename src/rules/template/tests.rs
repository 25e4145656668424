use super::*;
use crate::fixtures::credential;
use jiff::Timestamp;
use refreshable_api::PrincipalStatus;
use serde_json::{Value, json};

fn values(profile: &str, id: &str) -> Values {
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    let key = crate::issuer::AccessKey {
        id: id.to_owned(),
        secret: "s3<c&r\"e't\\/+=".into(),
        token: Some("to/ken+==".into()),
    };
    let expiration = at("2026-01-01T01:00:00.5Z");
    let issued = crate::issuer::Issued {
        session: crate::issuer::Session::checked(key, expiration).expect("a session"),
        lifetime: crate::issuer::Lifetime { issued_at: at("2026-01-01T00:00:00Z"), expiration },
        principal: PrincipalStatus {
            arn: Some("arn:aws:sts::111122223333:assumed-role/reports/team-a.reports".to_owned()),
            ..PrincipalStatus::default()
        },
        packed_policy_size: None,
        token: Default::default(),
        warning: None,
    };
    Values::of(&issued, profile, "eu-west-1")
}

fn written(text: &str) -> Result<String, Fault> {
    let one = values("default", "ASIAEXAMPLE");
    let template = Template::read(text)?;
    template.render(&one, std::slice::from_ref(&one)).map(|t| t.expose_secret().to_owned())
}

#[test]
fn a_template_is_its_text_with_values_in_the_spelling_of_each_format() {
    for (text, expected) in [
        ("", ""),
        ("plain\n", "plain\n"),
        ("plain", "plain"),
        ("a\n\n", "a\n\n"),
        ("{{ accessKeyId }}\n", "ASIAEXAMPLE\n"),
        ("{{accessKeyId}}", "ASIAEXAMPLE"),
        ("{{ secretAccessKey }}", r#"s3<c&r"e't\/+="#),
        ("{{ secretAccessKey | base64 }}", "czM8YyZyImUndFwvKz0="),
        ("{{ secretAccessKey | json }}", r#""s3<c&r\"e't\\/+=""#),
        ("{{ secretAccessKey | yaml }}", r#""s3<c&r\"e't\\/+=""#),
        ("{{ secretAccessKey | ini }}", r#"s3<c&r"e't\/+="#),
        ("{{ secretAccessKey | uri }}", "s3%3Cc%26r%22e%27t%5C%2F%2B%3D"),
        ("{{ secretAccessKey | shell }}", r#"'s3<c&r"e'\''t\/+='"#),
        ("{{ secretAccessKey | xml }}", r"s3&lt;c&amp;r&quot;e&apos;t\/+="),
        ("{{ secretAccessKey | properties }}", r#"s3<c&r"e't\\/+="#),
        ("{{ sessionToken | uri | json }}", r#""to%2Fken%2B%3D%3D""#),
        ("{{ expiration }} {{ expirationSeconds }}", "2026-01-01T01:00:00Z 1767229200"),
        ("{{ issuedAt }} {{ region }} {{ profile }}", "2026-01-01T00:00:00Z eu-west-1 default"),
        (
            "{{ accountId }} {{ principalArn }}",
            "111122223333 arn:aws:sts::111122223333:assumed-role/reports/team-a.reports",
        ),
        ("a{# not written #}b", "ab"),
        ("a  {{- region -}}  b", "aeu-west-1b"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        (
            "{% for profile in profiles %}\n[{{ profile.profile }}]\n{% endfor %}\nend\n",
            "[default]\nend\n",
        ),
    ] {
        assert_eq!(written(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn a_loop_is_written_for_each_profile() {
    let each = [values("dev", "ASIADEV"), values("prod", "ASIAPROD")];
    let text = "{{ region }}\n{% for p in profiles %}\n  {{ p.profile }}={{ p.accessKeyId }} {{ region }}\n{% endfor %}\n";
    let template = Template::read(text).expect("a template");
    let found = template.render(&Values::shared("eu-west-1"), &each).expect("text");
    assert_eq!(
        found.expose_secret(),
        "eu-west-1\n  dev=ASIADEV eu-west-1\n  prod=ASIAPROD eu-west-1\n"
    );
    let alone = Template::read("a\n{{ accessKeyId }}").expect("a template");
    let Err(fault) = alone.render(&Values::shared("eu-west-1"), &each) else {
        panic!("whose key is meant?")
    };
    assert_eq!(fault.line, 2);
    assert!(fault.what.starts_with("accessKeyId is not known"), "{}", fault.what);
}

#[test]
fn whatever_else_jinja_has_is_refused_with_its_line() {
    for (text, line, what) in [
        ("{{ accessKey }}", 1, "accessKey is none of accessKeyId, secretAccessKey"),
        ("a\nb {{ secretAccessKey | upper }}", 2, "upper is none of the filters base64, json"),
        ("{{ secretAccessKey | json(1) }}", 1, "json is none of the filters"),
        ("{{ 1 + 1 }}", 1, "a template has {{ name }}"),
        ("{{ accessKeyId ~ accessKeyId }}", 1, "a template has {{ name }}"),
        ("{{ accessKeyId[0] }}", 1, "a template has {{ name }}"),
        ("{{ 'text' }}", 1, "a template has {{ name }}"),
        ("{{ range(9) }}", 1, "a template has {{ name }}"),
        ("\n\n{% set x = accessKeyId %}", 3, "a template has {{ name }}"),
        ("{% if region %}x{% endif %}", 1, "a template has {{ name }}"),
        ("{% for p in region %}x{% endfor %}", 1, "a loop goes through profiles"),
        ("{% for p in profiles if p.region %}x{% endfor %}", 1, "a loop goes through profiles"),
        ("{% for p in profiles %}x{% else %}y{% endfor %}", 1, "has no other loop and no else"),
        (
            "{% for p in profiles %}{% for q in profiles %}x{% endfor %}{% endfor %}",
            1,
            "has no other loop and no else",
        ),
        ("{{ p.accessKeyId }}", 1, "p is not the variable of a loop around it"),
        ("{% for p in profiles %}{{ q.region }}{% endfor %}", 1, "q is not the variable"),
        ("{% for p in profiles %}{{ p.secret }}{% endfor %}", 1, "secret is none of accessKeyId"),
        ("{% include 'x' %}", 1, "a template has {{ name }}"),
        ("x\n{{ accessKeyId", 2, "a template has {{ name }}"),
        ("{% for p in profiles %}", 1, "a template has {{ name }}"),
    ] {
        let fault = Template::read(text).err().unwrap_or_else(|| panic!("{text} was read"));
        assert_eq!(fault.line, line, "{text}: {}", fault.what);
        assert!(fault.what.contains(what), "{text}: {}", fault.what);
    }
}

#[test]
fn a_value_without_a_spelling_and_a_text_without_end_are_told_without_a_secret() {
    let broken = "a\nsecret";
    let error = Filter::Ini.apply(&broken.into()).map(|_| ()).expect_err("a line break");
    assert!(!error.contains("secret"), "{error}");
    assert!(Filter::Xml.apply(&"\u{1}".into()).is_err());
    let many = vec![values("p", "ASIAEXAMPLE"); 100];
    let long = format!("{{% for p in profiles %}}{}{{% endfor %}}", "x".repeat(4000));
    let fault = Template::read(&long).and_then(|t| t.render(&many[0], &many)).map(|_| ());
    let what = fault.expect_err("it is too long").what;
    assert!(what.contains("longer than 262144 bytes"), "{what}");
}

fn spec(value: Value) -> refreshable_api::RefreshableCredentialSpec {
    let role = json!({"roleArn": "arn:aws:iam::111122223333:role/reports"});
    let mut whole = json!({"roles": [role]});
    whole["secret"] = value;
    credential(whole).spec
}

#[test]
fn a_key_that_a_format_writes_is_taken() {
    let free = spec(json!({"template": {"core-site.xml": "{{ accessKeyId }}"}}));
    checked(&free).expect("no fault");
    assert_eq!(free.data_keys().last().map(String::as_str), Some("core-site.xml"));
    let taken = spec(json!({"template": {"config": "x"}}));
    let error = checked(&taken).expect_err("it is taken").to_string();
    assert!(
        error.starts_with("spec.secret.template, key config, line 1: a format writes this key"),
        "{error}"
    );
    checked(&spec(json!({"formats": ["Environment"], "template": {"config": "x"}}))).expect("free");
}

/// The examples of the documentation.
#[test]
fn each_example_is_written_as_a_person_read_it() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("template/golden");
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).expect("a file");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|e| e != "template") {
            continue;
        }
        let one = values("default", "ASIAEXAMPLE");
        let two = [values("dev", "ASIADEV"), values("prod", "ASIAPROD")];
        let many = path.file_stem().is_some_and(|stem| stem == "many.conf");
        let profiles = if many { &two[..] } else { std::slice::from_ref(&one) };
        let found = Template::read(&read(path.clone())).and_then(|t| t.render(&one, profiles));
        let found = found.unwrap_or_else(|f| panic!("{}: {}", path.display(), f.what));
        let expected = read(path.with_extension("expected"));
        assert_eq!(found.expose_secret(), expected, "{}", path.display());
        count += 1;
    }
    assert!(count >= 6, "{count} examples");
}

proptest::proptest! {
    /// See `source::fuzz_tests`.
    #[test]
    fn fuzz_tests_any_template(text in "(\\PC{0,40}|\\{\\{ ?[a-zA-Z.|~ ]{0,20} ?\\}\\}|\\{% [a-z =]{0,30} %\\}){0,6}") {
        if let Ok(template) = Template::read(&text) {
            let one = values("default", "ASIAEXAMPLE");
            let _ = template.render(&one, std::slice::from_ref(&one));
        }
    }
}
