//! The published credentials as the environment variables that every AWS SDK reads.

use super::published::Published;
use crate::rules::timing::down_to_second;
use secrecy::{ExposeSecret as _, SecretString};

/// Variables that would lead an SDK to other credentials than these, or to a profile that need not exist.
pub const MISLEADING: [&str; 5] =
    ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION", "AWS_CREDENTIAL_FILE"];

/// The variables in the order in which they are shown. A Region only where one is known.
pub fn of(published: &Published) -> Vec<(&'static str, SecretString)> {
    let session = &published.issued.session;
    let mut variables = vec![
        ("AWS_ACCESS_KEY_ID", SecretString::from(session.key.id.as_str())),
        ("AWS_SECRET_ACCESS_KEY", session.key.secret.clone()),
    ];
    variables.extend(session.key.token.clone().map(|token| ("AWS_SESSION_TOKEN", token)));
    let expiration = down_to_second(session.expiration).to_string();
    variables.push(("AWS_CREDENTIAL_EXPIRATION", expiration.into()));
    if let Some(region) = &published.region {
        variables.push(("AWS_REGION", region.as_str().into()));
        variables.push(("AWS_DEFAULT_REGION", region.as_str().into()));
    }
    variables
}

/// A language that sets variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// `export NAME='value';` for sh, bash, zsh and their kin.
    Sh,
    /// `set -gx NAME 'value';`
    Fish,
    /// `$Env:NAME = 'value'`
    Powershell,
    /// `NAME=value`, for `docker run --env-file` and dotenv.
    Dotenv,
    /// One JSON object.
    Json,
}

impl Language {
    /// A text in this language that sets the variables.
    pub fn write(self, variables: &[(&'static str, SecretString)]) -> SecretString {
        if self == Self::Json {
            let object: serde_json::Map<String, serde_json::Value> =
                variables.iter().map(|(name, value)| ((*name).to_owned(), value.expose_secret().into())).collect();
            return SecretString::from(format!("{:#}\n", serde_json::Value::Object(object)));
        }
        let lines: Vec<String> = variables.iter().map(|(name, value)| self.line(name, value.expose_secret())).collect();
        SecretString::from(lines.concat())
    }

    /// A semicolon ends each line of a shell: in `eval $(…)` without quotes the line breaks become spaces.
    fn line(self, name: &str, value: &str) -> String {
        match self {
            Self::Sh => format!("export {name}='{}';\n", value.replace('\'', r"'\''")),
            Self::Fish => format!("set -gx {name} '{}';\n", value.replace('\\', r"\\").replace('\'', r"\'")),
            Self::Powershell => format!("$Env:{name} = '{}'\n", value.replace('\'', "''")),
            Self::Dotenv | Self::Json => format!("{name}={value}\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_in_each_language() {
        let variables = [("A", SecretString::from(r"it's\")), ("B", SecretString::from("x/y+z="))];
        let text = |language: Language| language.write(&variables).expose_secret().to_owned();
        assert_eq!(text(Language::Sh), "export A='it'\\''s\\';\nexport B='x/y+z=';\n");
        assert_eq!(text(Language::Fish), "set -gx A 'it\\'s\\\\';\nset -gx B 'x/y+z=';\n");
        assert_eq!(text(Language::Powershell), "$Env:A = 'it''s\\'\n$Env:B = 'x/y+z='\n");
        assert_eq!(text(Language::Dotenv), "A=it's\\\nB=x/y+z=\n");
        assert_eq!(text(Language::Json), "{\n  \"A\": \"it's\\\\\",\n  \"B\": \"x/y+z=\"\n}\n");
    }
}
