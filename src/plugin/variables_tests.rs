//! Values that would mean something in the language that they are written in; and shells that
//! really read them.

use super::super::published;
use super::*;
use proptest::prelude::*;
use std::process::Command;

/// These values, and one variable that is unset.
fn variables(values: &[(&'static str, &str)]) -> Variables {
    let set = values.iter().map(|(name, value)| (*name, SecretString::from(*value))).collect();
    Variables { set, unset: vec!["AWS_PROFILE"] }
}

fn written(language: Language, value: &str) -> Result<String> {
    let text = language.write(&variables(&[("X", value)]))?.expose_secret().trim_end().to_owned();
    // Behind the variable that is unset.
    Ok(if language == Language::Json {
        text
    } else {
        text.lines().last().unwrap_or_default().to_owned()
    })
}

#[test]
fn values_are_quoted_in_each_language() {
    for (value, sh, fish, powershell, json) in [
        ("x/y+z=", "export X='x/y+z=';", "set -gx X 'x/y+z=';", "$Env:X = 'x/y+z='", r#""x/y+z=""#),
        ("it's", r"export X='it'\''s';", r"set -gx X 'it\'s';", "$Env:X = 'it''s'", r#""it's""#),
        (r"a\", r"export X='a\';", r"set -gx X 'a\\';", r"$Env:X = 'a\'", r#""a\\""#),
        (
            "$(id)`id`",
            "export X='$(id)`id`';",
            "set -gx X '$(id)`id`';",
            "$Env:X = '$(id)`id`'",
            r#""$(id)`id`""#,
        ),
        (
            "a\"#;&|",
            "export X='a\"#;&|';",
            "set -gx X 'a\"#;&|';",
            "$Env:X = 'a\"#;&|'",
            r##""a\"#;&|""##,
        ),
        (
            "a\u{2019}; id #",
            "export X='a\u{2019}; id #';",
            "set -gx X 'a\u{2019}; id #';",
            "$Env:X = 'a' + [char]0x2019 + '; id #'",
            "\"a\u{2019}; id #\"",
        ),
        (
            "\u{2018}\u{201a}\u{201b}\u{1f511}",
            "export X='\u{2018}\u{201a}\u{201b}\u{1f511}';",
            "set -gx X '\u{2018}\u{201a}\u{201b}\u{1f511}';",
            "$Env:X = '' + [char]0x2018 + '' + [char]0x201a + '' + [char]0x201b + '' + [char]0xd83d + '' + [char]0xdd11 + ''",
            "\"\u{2018}\u{201a}\u{201b}\u{1f511}\"",
        ),
    ] {
        let text = |language| written(language, value).expect("it can be written");
        assert_eq!(text(Language::Sh), sh);
        assert_eq!(text(Language::Fish), fish);
        assert_eq!(text(Language::Powershell), powershell);
        assert_eq!(text(Language::Json), format!("{{\n  \"X\": {json}\n}}"));
    }
}

#[test]
fn dotenv_holds_what_all_its_readers_take_alike() {
    assert_eq!(written(Language::Dotenv, "IQoJb3/y+z==").expect("plain"), "X=IQoJb3/y+z==");
    for value in ["it's", "a\"b", "a`b", "a#b", "a$b", "a\\nb", "x y", "\u{2019}", "ä", "\u{a0}"] {
        let error = written(Language::Dotenv, value).expect_err(value).to_string();
        assert!(
            error.contains("the value of X has a character") && error.contains("--output"),
            "{error}"
        );
        assert!(!error.contains(value), "the value is never shown: {error}");
    }
}

#[test]
fn what_would_win_is_unset_in_every_language_that_can() {
    let variables = variables(&[("A", "b")]);
    let text =
        |language: Language| language.write(&variables).expect("text").expose_secret().to_owned();
    assert_eq!(text(Language::Sh), "unset AWS_PROFILE;\nexport A='b';\n");
    assert_eq!(text(Language::Fish), "set -gu AWS_PROFILE;\nset -gx A 'b';\n");
    assert_eq!(text(Language::Powershell), "$Env:AWS_PROFILE = $null\n$Env:A = 'b'\n");
    assert_eq!(text(Language::Dotenv), "A=b\n");
    for language in [Language::Sh, Language::Fish, Language::Powershell] {
        assert!(language.left_over(&variables, |_| true).is_empty());
    }
    for language in [Language::Dotenv, Language::Json] {
        assert_eq!(language.left_over(&variables, |name| name == "AWS_PROFILE"), ["AWS_PROFILE"]);
        assert!(
            language.left_over(&variables, |_| false).is_empty(),
            "nothing is set that would win"
        );
    }
}

#[test]
fn the_page_names_what_is_unset() {
    let page = include_str!("../../docs/plugin.md");
    for name in MISLEADING {
        let family = name.starts_with("AWS_CONTAINER_") && page.contains("`AWS_CONTAINER_*`");
        assert!(family || page.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn what_goes_with_a_key_is_set_or_unset_with_it() {
    let mut published = published::tests::example();
    let of = |published: &Published| {
        let variables = Variables::new(published).expect("variables");
        let set: Vec<&str> = variables.set.iter().map(|(name, _)| *name).collect();
        (set.join(" "), variables.unset)
    };
    let (set, unset) = of(&published);
    assert_eq!(
        set,
        "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_CREDENTIAL_EXPIRATION AWS_ACCOUNT_ID AWS_REGION AWS_DEFAULT_REGION"
    );
    assert_eq!(unset, MISLEADING);
    // The account of another store than AWS.
    published.issued.principal.account_id = Some("tenant".into());
    published.issued.session.key.token = None;
    published.region = None;
    let (set, unset) = of(&published);
    assert_eq!(set, "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_CREDENTIAL_EXPIRATION");
    assert_eq!(unset, [&MISLEADING[..], &OF_THE_KEY].concat());
}

#[test]
fn line_breaks_and_control_characters_are_refused() {
    for region in [
        "eu-west-1\nexport PATH=/tmp",
        "eu-west-1\r",
        "",
        "eu west",
        "a\u{2028}b",
        "eu-west-1'",
        &"x".repeat(65),
    ] {
        let published =
            Published { region: Some(region.to_owned()), ..published::tests::example() };
        let error = Variables::new(&published).expect_err(region).to_string();
        assert!(error.contains("is no Region's name") && error.lines().count() == 1, "{error:?}");
    }
    for token in ["a\nb", "a\u{1b}]0;x\u{7}", "a\u{85}b", "a\u{2028}b", "a\u{202e}b", "a\0"] {
        let mut published = published::tests::example();
        published.issued.session.key.token = Some(token.into());
        let error = Variables::new(&published).expect_err("no token").to_string();
        assert!(
            error.contains("AWS_SESSION_TOKEN holds a line break") && !error.contains(token),
            "{error:?}"
        );
    }
}

/// Values of X and AWS_PROFILE in a shell that has read this value.
fn through(shell: &str, script: &str, value: &str) -> String {
    let text = Language::Sh.write(&variables(&[("X", value)])).expect("sh holds every value");
    let output = Command::new(shell)
        .args(["-c", script, shell, text.expose_secret()])
        .env("AWS_PROFILE", "another")
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Value of the expression in PowerShell's lexer: strings in any of five quotes, a doubled one
/// being itself, and `[char]`.
fn read_by_powershell(expression: &str) -> String {
    let is_quote = |c: char| matches!(c, '\'' | '\u{2018}'..='\u{201b}');
    let mut units = Vec::new();
    let mut rest = expression;
    loop {
        if let Some(hex) = rest.strip_prefix("[char]0x") {
            units.push(u16::from_str_radix(&hex[..4], 16).expect("a code"));
            rest = &hex[4..];
        } else {
            let mut chars = rest.char_indices().skip(1).peekable();
            assert!(rest.starts_with(is_quote), "{rest}");
            rest = loop {
                let (at, c) = chars.next().expect("the string ends");
                let end = &rest[at + c.len_utf8()..];
                match (is_quote(c), end.starts_with(is_quote)) {
                    (true, false) => break end,
                    (true, true) => drop(chars.next()),
                    (false, _) => {}
                }
                units.extend(c.encode_utf16(&mut [0; 2]).iter());
            };
        }
        match rest.strip_prefix(" + ") {
            Some(next) => rest = next,
            None if rest.is_empty() => return String::from_utf16(&units).expect("text"),
            None => panic!("code runs behind the string: {rest}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn shells_get_every_value_back(value in r#"([!-~]|['"\\$`#;&|*?!~ ]|[ -~]|[\u{2018}-\u{201b}]|\PC){0,60}"#) {
        prop_assume!(!value.contains(steers));
        let script = r#"eval "$1"; printf '%s|%s' "$X" "${AWS_PROFILE-unset}""#;
        for shell in ["sh", "bash"] {
            prop_assert_eq!(through(shell, script, &value), format!("{value}|unset"));
        }
        let powershell = powershell(&value);
        prop_assert!(powershell.is_ascii());
        prop_assert_eq!(read_by_powershell(&powershell), value.clone());
        let json: Value = serde_json::from_str(&written(Language::Json, &value).expect("JSON")).expect("JSON");
        prop_assert_eq!(json["X"].as_str(), Some(value.as_str()));
    }
}
