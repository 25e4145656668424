//! Files of package managers, for repositories of AWS CodeArtifact, as
//! [AWS describes them](https://docs.aws.amazon.com/codeartifact/latest/ug/using-generic.html).
//!
//! Names and tokens in them have no character that means anything in any of these languages:
//! [`code_artifact`](super::code_artifact) lets no others through.

use crate::partition;
use crate::render::Files;
use refreshable_api::{CodeArtifactToken, PackageFormat, PackageRepository};
use secrecy::{ExposeSecret as _, SecretString};

/// The user whose password the token is.
const USER: &str = "aws";

/// The files of each repository, beside the token.
pub(super) fn files(token: &CodeArtifactToken, bearer: &SecretString) -> Files {
    let mut files = Files::new();
    let secret = bearer.expose_secret();
    for repository in &token.repositories {
        let host = host(token);
        let texts = match repository.format {
            PackageFormat::Npm => vec![npmrc(&host, repository, secret)],
            PackageFormat::Pypi => {
                vec![pip_conf(&host, repository, secret), pypirc(&host, repository, secret)]
            }
            PackageFormat::Maven => {
                vec![maven(&host, repository, secret), gradle(&host, repository, secret)]
            }
            PackageFormat::Nuget => vec![nuget(&host, repository, secret)],
            PackageFormat::Cargo => {
                vec![cargo_config(&host, repository), cargo_credentials(repository, secret)]
            }
        };
        let keys = repository.format.data_keys().iter().map(|key| (*key).to_owned());
        files.extend(keys.zip(texts.into_iter().map(SecretString::from)));
    }
    files
}

/// Host of the domain's repositories.
fn host(token: &CodeArtifactToken) -> String {
    let CodeArtifactToken { domain, domain_owner, region, .. } = token;
    let suffix = partition::of_region(region).domain;
    format!("{domain}-{domain_owner}.d.codeartifact.{region}.{suffix}")
}

fn npmrc(host: &str, PackageRepository { name, .. }: &PackageRepository, token: &str) -> String {
    format!("registry=https://{host}/npm/{name}/\n//{host}/npm/{name}/:_authToken={token}\n")
}

fn pip_conf(host: &str, PackageRepository { name, .. }: &PackageRepository, token: &str) -> String {
    // In the part of a URL before the @, these four are encoded.
    let password = token.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("[global]\nindex-url = https://{USER}:{password}@{host}/pypi/{name}/simple/\n")
}

fn pypirc(host: &str, PackageRepository { name, .. }: &PackageRepository, token: &str) -> String {
    format!(
        "[distutils]\nindex-servers = codeartifact\n\n[codeartifact]\nrepository = https://{host}/pypi/{name}/\nusername = {USER}\npassword = {token}\n"
    )
}

fn maven(host: &str, PackageRepository { name, .. }: &PackageRepository, token: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0">
  <servers>
    <server><id>codeartifact</id><username>{USER}</username><password>{token}</password></server>
  </servers>
  <mirrors>
    <mirror><id>codeartifact</id><mirrorOf>*</mirrorOf><url>https://{host}/maven/{name}/</url></mirror>
  </mirrors>
</settings>
"#
    )
}

/// [Credentials](https://docs.gradle.org/current/userguide/declaring_repositories.html#sec:handling_credentials)
/// of a repository that a build names `codeArtifact`.
fn gradle(host: &str, PackageRepository { name, .. }: &PackageRepository, token: &str) -> String {
    format!(
        "codeArtifactUrl=https://{host}/maven/{name}/\ncodeArtifactUsername={USER}\ncodeArtifactPassword={token}\n"
    )
}

fn nuget(host: &str, PackageRepository { name, .. }: &PackageRepository, token: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<configuration>
  <packageSources>
    <add key="codeartifact" value="https://{host}/nuget/{name}/v3/index.json" />
  </packageSources>
  <packageSourceCredentials>
    <codeartifact>
      <add key="Username" value="{USER}" />
      <add key="ClearTextPassword" value="{token}" />
    </codeartifact>
  </packageSourceCredentials>
</configuration>
"#
    )
}

fn cargo_config(host: &str, PackageRepository { name, .. }: &PackageRepository) -> String {
    format!(
        r#"[registries.codeartifact]
index = "sparse+https://{host}/cargo/{name}/"
credential-provider = "cargo:token"

[registry]
default = "codeartifact"

[source.crates-io]
replace-with = "codeartifact"
"#
    )
}

fn cargo_credentials(_: &PackageRepository, token: &str) -> String {
    format!("[registries.codeartifact]\ntoken = \"{token}\"\n")
}

#[cfg(test)]
#[path = "package_files_tests.rs"]
mod tests;
