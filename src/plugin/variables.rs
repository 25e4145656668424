//! The published credentials as the environment variables that every AWS SDK reads, and as text in
//! the languages that set variables.

use super::error::{Error, Result};
use super::output;
use super::published::Published;
use super::terminal::steers;
use refreshable_rules::timing::down_to_second;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

/// Variables that would make an SDK use other credentials, or a profile that may not exist.
///
/// Which of them win over the keys differs from SDK to SDK ([the
/// variables](https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html)): a profile
/// does in those of JavaScript and .NET, a web identity in .NET's, `AWS_SECURITY_TOKEN` in
/// botocore, a Bedrock token at Bedrock in all.
pub const MISLEADING: [&str; 12] = [
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_BEARER_TOKEN_BEDROCK",
];
/// Variables that belong to a key: a leftover of another key's would be sent with this one.
const OF_THE_KEY: [&str; 2] = ["AWS_SESSION_TOKEN", "AWS_ACCOUNT_ID"];

/// Changes to an environment.
#[derive(Debug)]
pub struct Variables {
    /// Variables that are set, in the order in which they are shown. A Region only where one is
    /// known.
    pub set: Vec<(&'static str, SecretString)>,
    /// Variables to unset.
    pub unset: Vec<&'static str>,
}

impl Variables {
    /// The variables for these credentials.
    ///
    /// # Errors
    /// Where a value is none that an environment can hold on one line.
    pub fn new(published: &Published) -> Result<Self> {
        let session = &published.issued.session;
        let mut set = vec![
            ("AWS_ACCESS_KEY_ID", SecretString::from(session.key.id.as_str())),
            ("AWS_SECRET_ACCESS_KEY", session.key.secret.clone()),
        ];
        set.extend(session.key.token.clone().map(|token| ("AWS_SESSION_TOKEN", token)));
        let expiration = down_to_second(session.expiration).to_string();
        set.push(("AWS_CREDENTIAL_EXPIRATION", expiration.into()));
        // Of another store's account an SDK would make an endpoint that does not exist.
        let account = published.issued.principal.account_id.as_deref();
        if let Some(account) =
            account.filter(|a| a.len() == 12 && a.bytes().all(|b| b.is_ascii_digit()))
        {
            set.push(("AWS_ACCOUNT_ID", account.into()));
        }
        if let Some(region) = published.region.as_deref() {
            check_region(region)?;
            set.push(("AWS_REGION", region.into()));
            set.push(("AWS_DEFAULT_REGION", region.into()));
        }
        for (name, value) in &set {
            if value.expose_secret().contains(steers) {
                return Err(Error::failed(format!(
                    "the published value of {name} holds a line break or another control character, which no AWS credentials have: find out who writes the Secret, and request new ones with kubectl refreshable refresh"
                )));
            }
        }
        let missing = OF_THE_KEY.into_iter().filter(|name| set.iter().all(|(n, _)| n != name));
        let unset = MISLEADING.into_iter().chain(missing).collect();
        Ok(Self { set, unset })
    }
}

/// A Region becomes part of host names and of lines, and a writer of the Secret could inject more.
fn check_region(region: &str) -> Result<()> {
    if (1..=64).contains(&region.len())
        && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        return Ok(());
    }
    Err(Error::failed(format!(
        "the published Region {region:?} is no Region's name: correct spec.secret.region or spec.sts.region, or find out who writes the Secret"
    )))
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
    /// `NAME=value` without quotes, as `docker run --env-file` and every dotenv library read it
    /// alike.
    Dotenv,
    /// One JSON object.
    Json,
}

impl Language {
    /// A text in this language that sets the variables, and unsets those that would win over them
    /// where the language can.
    ///
    /// # Errors
    /// Where the language cannot hold a value.
    pub fn write(self, variables: &Variables) -> Result<SecretString> {
        if self == Self::Json {
            let member = |(name, value): &(&str, SecretString)| {
                ((*name).to_owned(), value.expose_secret().into())
            };
            let object: Map<String, Value> = variables.set.iter().map(member).collect();
            return Ok(output::to_json(&Value::Object(object)).into());
        }
        let mut whole = self.unset(&variables.unset);
        for (name, value) in &variables.set {
            whole.push_str(&self.line(name, value.expose_secret())?);
        }
        Ok(whole.into())
    }

    /// Which of the variables that should be unset are set in this environment and stay so, because
    /// the language has no way to unset them. An empty value is none: botocore looks for a profile
    /// of that name.
    pub fn left_over(
        self,
        variables: &Variables,
        is_set: impl Fn(&str) -> bool,
    ) -> Vec<&'static str> {
        match self {
            Self::Sh | Self::Fish | Self::Powershell => Vec::new(),
            Self::Dotenv | Self::Json => {
                variables.unset.iter().copied().filter(|name| is_set(name)).collect()
            }
        }
    }

    /// A semicolon ends each line of a shell: in `eval $(…)` without quotes the line breaks become
    /// spaces.
    fn unset(self, names: &[&str]) -> String {
        let each = |line: &dyn Fn(&str) -> String| names.iter().map(|name| line(name)).collect();
        match self {
            Self::Sh => format!("unset {};\n", names.join(" ")),
            // It hides a universal variable, which must not be erased for all other shells, and is
            // not exported.
            Self::Fish => each(&|name| format!("set -gu {name};\n")),
            // Takes the variable away in every version; an empty text does so in some.
            Self::Powershell => each(&|name| format!("$Env:{name} = $null\n")),
            Self::Dotenv | Self::Json => String::new(),
        }
    }

    fn line(self, name: &str, value: &str) -> Result<String> {
        Ok(match self {
            Self::Sh => format!("export {name}='{}';\n", value.replace('\'', r"'\''")),
            Self::Fish => {
                format!("set -gx {name} '{}';\n", value.replace('\\', r"\\").replace('\'', r"\'"))
            }
            Self::Powershell => format!("$Env:{name} = {}\n", powershell(value)),
            Self::Dotenv | Self::Json if value.chars().all(is_plain) => format!("{name}={value}\n"),
            Self::Dotenv | Self::Json => {
                return Err(Error::failed(format!(
                    "the value of {name} has a character (a quote, #, $, a backslash, a blank, or one outside ASCII) that programs read differently in such a file: take another --output"
                )));
            }
        })
    }
}

/// Whether every reader of dotenv files takes this character for itself, without quotes around the
/// value.
fn is_plain(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '\'' | '"' | '`' | '#' | '$' | '\\')
}

/// An expression of PowerShell, in ASCII. Its lexer takes U+2018 to U+201B for single quotes, too;
/// and a console of another encoding than UTF-8 can make such a character of the bytes of any other
/// outside ASCII.
fn powershell(value: &str) -> String {
    let mut whole = String::from("'");
    let mut units = [0; 2];
    for c in value.chars() {
        match c {
            '\'' => whole.push_str("''"),
            c if c.is_ascii() => whole.push(c),
            c => {
                for unit in c.encode_utf16(&mut units) {
                    whole.push_str(&format!("' + [char]0x{unit:04x} + '"));
                }
            }
        }
    }
    whole.push('\'');
    whole
}

#[cfg(test)]
#[path = "variables_tests.rs"]
mod tests;
