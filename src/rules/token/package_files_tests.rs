use super::*;
use refreshable_api::TokenKind;
use serde_json::json;

const TOKEN: &str = "eyJ2ZXIi.a-b_c~d+e/f==";
const HOST: &str = "team-111122223333.d.codeartifact.eu-west-1.amazonaws.com";

fn of(formats: &[&str], region: &str) -> (CodeArtifactToken, Files) {
    let repositories: Vec<_> =
        formats.iter().map(|f| json!({"format": f, "name": "libs"})).collect();
    let token = json!({
        "domain": "team", "domainOwner": "111122223333", "region": region, "repositories": repositories,
    });
    let token: CodeArtifactToken = serde_json::from_value(token).expect("a token");
    let files = crate::token::files(TokenKind::CodeArtifact(&token), &TOKEN.into());
    (token, files)
}

#[test]
fn without_a_repository_the_token_is_alone() {
    let (_, files) = of(&[], "eu-west-1");
    assert_eq!(files.keys().collect::<Vec<_>>(), ["token"]);
    assert_eq!(files["token"].expose_secret(), TOKEN);
}

#[test]
fn each_format_has_the_files_that_the_api_names() {
    let (token, files) = of(&["Npm", "Pypi", "Maven", "Nuget", "Cargo"], "eu-west-1");
    let mut keys = token.data_keys();
    keys.sort_unstable();
    assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), keys);
    for (key, parts) in [
        (
            ".npmrc",
            vec![
                format!("registry=https://{HOST}/npm/libs/\n"),
                format!("//{HOST}/npm/libs/:_authToken={TOKEN}\n"),
            ],
        ),
        (
            "pip.conf",
            vec![format!(
                "index-url = https://aws:eyJ2ZXIi.a-b_c~d%2Be%2Ff%3D%3D@{HOST}/pypi/libs/simple/\n"
            )],
        ),
        (
            ".pypirc",
            vec![
                format!("repository = https://{HOST}/pypi/libs/\n"),
                format!("username = aws\npassword = {TOKEN}\n"),
            ],
        ),
        (
            "settings.xml",
            vec![
                format!("<password>{TOKEN}</password>"),
                format!("<url>https://{HOST}/maven/libs/</url>"),
            ],
        ),
        (
            "gradle.properties",
            vec![
                format!("codeArtifactUrl=https://{HOST}/maven/libs/\n"),
                format!("codeArtifactPassword={TOKEN}\n"),
            ],
        ),
        (
            "NuGet.Config",
            vec![
                format!(r#"value="https://{HOST}/nuget/libs/v3/index.json""#),
                format!(r#"<add key="ClearTextPassword" value="{TOKEN}" />"#),
            ],
        ),
        ("config.toml", vec![format!("index = \"sparse+https://{HOST}/cargo/libs/\"\n")]),
        ("credentials.toml", vec![format!("token = \"{TOKEN}\"\n")]),
    ] {
        let text = files[key].expose_secret();
        for part in parts {
            assert!(text.contains(&part), "{key} lacks {part}:\n{text}");
        }
    }
}

#[test]
fn hosts_are_of_the_region_s_partition() {
    let (_, files) = of(&["Npm"], "cn-north-1");
    let host = "team-111122223333.d.codeartifact.cn-north-1.amazonaws.com.cn";
    assert!(files[".npmrc"].expose_secret().contains(&format!("https://{host}/npm/libs/")));
}
