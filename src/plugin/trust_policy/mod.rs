//! `trust-policy`: the trust policies of a resource's roles, and the permissions of their callers.
//!
//! | part | contents |
//! | --- | --- |
//! | [`chain`] | the chain of roles, pure |
//! | [`plan`] | the setup in AWS |
//! | [`source`] | roles and callers of each source, pure |
//! | [`token`] | permissions of the session that buys a token, pure |
//! | [`facts`] | facts outside the resource |
//! | [`arn`], [`statement`] | names and policies of IAM |
//! | [`certificate`] | the subject of a certificate |
//! | [`terraform`] (in [`hcl`]), [`cloudformation`] | the other forms of output |

pub mod arn;
mod certificate;
mod chain;
mod cloudformation;
pub mod facts;
pub(super) mod hcl;
pub mod plan;
mod source;
mod statement;
mod terraform;
mod token;

use super::cluster::{Cluster, bare_name, object_name};
use super::discovery;
use super::error::{Error, Result, words};
use super::global::Global;
use super::manifest;
use super::output;
use super::policies;
use super::terminal::visible;
use arn::Identity;
pub use chain::plan as plan_of;
use clap::{Args, ValueEnum};
use facts::Facts;
use kube::ResourceExt;
use refreshable_api::{FailureStatus, RefreshableCredential, RefreshableCredentialSpec, Tag};
use refreshable_rules::session_name::default_session_name;
use refreshable_rules::session_tags;
use std::path::PathBuf;
use std::process::ExitCode;

/// Print the IAM policies that let in exactly this resource: each role's trust policy, and the
/// caller's permissions.
#[derive(Args, Debug)]
#[command(after_help = "\
  kubectl refreshable trust-policy -n team-a reports --base-identity arn:aws:iam::111122223333:role/refreshable
  kubectl refreshable trust-policy -f reports.yaml -n team-a --oidc-issuer https://oidc.example.com
  kubectl refreshable trust-policy -n team-a reports | jq '.roles[0].trustPolicy' > trust.json
  aws iam update-assume-role-policy --role-name reports --policy-document file://trust.json")]
pub struct TrustPolicy {
    /// Name of a RefreshableCredential of the cluster.
    #[arg(required_unless_present = "filename", conflicts_with = "filename")]
    name: Option<String>,
    /// File with the resource, instead of one of the cluster's; - for standard input.
    #[arg(short, long, value_name = "FILE")]
    filename: Option<PathBuf>,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Form::Json)]
    output: Form,
    /// ARN of the first caller: the role or user that the controller runs under, or the user of the
    /// access key. Defaults to the caller that a denial in the resource's status names.
    #[arg(long, value_name = "ARN", value_parser = str::parse::<Identity>)]
    base_identity: Option<Identity>,
    /// ARN of the source's role, if the resource does not name it (podIdentity, iot, cognito, ...).
    #[arg(long, value_name = "ARN", value_parser = str::parse::<Identity>)]
    source_role: Option<Identity>,
    /// Issuer of the token. Defaults to the cluster's, from its discovery document.
    #[arg(long, value_name = "URL", value_parser = issuer)]
    oidc_issuer: Option<String>,
    /// Subject of a token or assertion in a Secret.
    #[arg(long)]
    subject: Option<String>,
    /// Audience of a token in a Secret.
    #[arg(long)]
    audience: Option<String>,
    /// External id in a Secret.
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// PEM file with the certificate of source rolesAnywhere. Defaults to tls.crt of its Secret.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Session tag that a CredentialPolicy puts on the chain; may be repeated. Defaults to those of
    /// the cluster's policies, where you may read them.
    #[arg(long, value_name = "KEY=VALUE", value_parser = tag)]
    session_tag: Vec<Tag>,
    /// The cluster's name, as the controller was told it, where a CredentialPolicy puts it on as a
    /// session tag.
    #[arg(long, value_name = "NAME")]
    cluster_name: Option<String>,
    /// Only what belongs to this account.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// JSON: the policies themselves.
    Json,
    /// Terraform configuration.
    Terraform,
    /// CloudFormation templates, one for each account.
    Cloudformation,
}

impl TrustPolicy {
    /// Runs the command.
    ///
    /// # Errors
    /// If the resource cannot be read, or a fact is missing.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let cluster = match &self.filename {
            None => Some(Cluster::of(global).await?),
            Some(_) => None,
        };
        let object = match (&cluster, &self.name, &self.filename) {
            (Some(cluster), Some(name), _) => cluster.credential(bare_name(name)).await?,
            (_, _, Some(file)) => from_file(file, global)?,
            _ => return Err(Error::failed("name a RefreshableCredential, or give a file with -f")),
        };
        let mut facts = self.facts(&object, cluster.as_ref(), global).await?;
        let note = match &cluster {
            Some(cluster) if facts.session_tags.is_empty() => {
                self.policies_tags(cluster, &object, &mut facts).await?
            }
            _ => None,
        };
        let mut plan = chain::plan(&object.spec, &facts)
            .map_err(|missing| Error::failed(missing.to_string()))?;
        plan.notes.extend(note);
        if let Some(account) = &self.account {
            plan = plan.only(account);
        }
        let policy_name =
            format!("refreshable-{}", default_session_name(&facts.namespace, &facts.name));
        let text = match self.output {
            Form::Json => Ok(output::to_json(&plan.to_value())),
            Form::Terraform => terraform::write(&plan, &policy_name),
            Form::Cloudformation => cloudformation::write(&plan, &policy_name),
        };
        output::print(&text.map_err(Error::failed)?)?;
        if self.output == Form::Json {
            for note in &plan.notes {
                output::say(&format!("note: {}", visible(note)));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The session tags that the cluster's policies put on the chain; or a note that they cannot be
    /// known.
    async fn policies_tags(
        &self,
        cluster: &Cluster,
        object: &RefreshableCredential,
        facts: &mut Facts,
    ) -> Result<Option<String>> {
        if first_role(&object.spec).is_none() {
            return Ok(None);
        }
        let grants = match policies::judged(cluster, object).await {
            Ok(judgement) => judgement.grants,
            Err(error) if error.is_forbidden() => {
                return Ok(Some(format!(
                    "whether a CredentialPolicy puts session tags on the chain is not known ({}): give them with --session-tag",
                    words(&error)
                )));
            }
            Err(error) => return Err(error),
        };
        let tags =
            session_tags::resolve(&grants.session_tags, object, self.cluster_name.as_deref());
        facts.session_tags = tags.map_err(|_| {
            Error::failed(
                "a CredentialPolicy puts the cluster's name on the chain as a session tag: give --cluster-name <NAME>, as the controller was told it (clusterName in the chart)",
            )
        })?;
        Ok(None)
    }

    async fn facts(
        &self,
        object: &RefreshableCredential,
        cluster: Option<&Cluster>,
        global: &Global,
    ) -> Result<Facts> {
        let namespace = object.namespace().or_else(|| global.namespace.clone());
        let namespace = namespace
            .ok_or_else(|| Error::failed("the file names no namespace: give one with -n"))?;
        let mut facts = Facts {
            namespace,
            name: object.name_any(),
            base_identity: self.base_identity.clone().or_else(|| denied_caller(object)),
            source_role: self.source_role.clone(),
            oidc_issuer: self.oidc_issuer.clone(),
            subject: self.subject.clone(),
            audience: self.audience.clone(),
            external_id: self.external_id.clone(),
            certificate: None,
            session_tags: self.session_tag.clone(),
        };
        let source = object.spec.source();
        let account = source.web_identity.as_ref().is_some_and(|w| w.service_account_ref.is_some());
        if account && facts.oidc_issuer.is_none() {
            facts.oidc_issuer = Some(cluster_issuer(cluster, global).await?);
        }
        if let Some(file) = &self.certificate {
            let unusable = |what: String| Error::failed(format!("{}: {what}", file.display()));
            let pem = std::fs::read(file).map_err(|e| unusable(e.to_string()))?;
            facts.certificate = Some(certificate::read(&pem).map_err(unusable)?);
        } else if let (Some(anywhere), Some(cluster)) = (&source.roles_anywhere, cluster) {
            facts.certificate =
                Some(certificate_of(&anywhere.certificate_secret_ref.name, cluster).await?);
        }
        Ok(facts)
    }
}

/// The issuer of the cluster's ServiceAccount tokens.
async fn cluster_issuer(cluster: Option<&Cluster>, global: &Global) -> Result<String> {
    let advice = "give --oidc-issuer <URL>: the API server's flag --service-account-issuer";
    let own;
    let cluster = match cluster {
        Some(cluster) => cluster,
        None => {
            own = Cluster::of(global)
                .await
                .map_err(|e| Error::failed(format!("{} ({advice})", words(&e))))?;
            &own
        }
    };
    let answer = discovery::document(cluster).await.map_err(|e| {
        Error::failed(format!("the cluster's issuer cannot be read: {} ({advice})", words(&e)))
    })?;
    let found = answer["issuer"].as_str().unwrap_or_default();
    issuer(found).map_err(|_| {
        Error::failed(format!(
            "the cluster's issuer {found:?} is not an https URL, so that AWS cannot read its keys ({advice})"
        ))
    })
}

/// The certificate of a Secret. Its private key is transferred with it, and is dropped here.
async fn certificate_of(secret: &str, cluster: &Cluster) -> Result<facts::Certificate> {
    let advice = "give the certificate with --certificate <PEM file>";
    let api = cluster.api::<k8s_openapi::api::core::v1::Secret>();
    let found = cluster.ask(api.get(object_name(secret)?)).await;
    let mut found = found.map_err(|e| Error::failed(format!("{}: {advice}", words(&e))))?;
    let data = found.data.as_mut().and_then(|d| d.remove("tls.crt"));
    let pem =
        data.ok_or_else(|| Error::failed(format!("Secret {secret} has no tls.crt: {advice}")))?;
    certificate::read(&pem.0)
        .map_err(|what| Error::failed(format!("Secret {secret}, key tls.crt: {what}")))
}

/// The one RefreshableCredential of a file.
fn from_file(file: &std::path::Path, global: &Global) -> Result<RefreshableCredential> {
    let texts = super::check::read_files(std::slice::from_ref(&file.to_path_buf()), false)
        .map_err(Error::failed)?;
    let mut found = Vec::new();
    for (name, text) in &texts {
        let documents = manifest::read(text)
            .map_err(|e| Error::failed(format!("{name}:{}: {}", e.place.line, e.what)))?;
        for document in documents.into_iter().filter(|d| d.value["kind"] == "RefreshableCredential")
        {
            let read = serde_json::from_value::<RefreshableCredential>(document.value);
            found.push(read.map_err(|e| {
                Error::failed(format!(
                    "{name}: {e}: kubectl refreshable check -f {name} says what is wrong"
                ))
            })?);
        }
    }
    if let (Some(asked), Some(own)) =
        (&global.namespace, found.first().and_then(ResourceExt::namespace))
        && *asked != own
    {
        return Err(Error::failed(format!("the file is of namespace {own}, not of {asked}")));
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Error::failed(format!(
            "{}: there is no RefreshableCredential in it",
            file.display()
        ))),
        n => Err(Error::failed(format!(
            "{}: there are {n} RefreshableCredentials in it: give one",
            file.display()
        ))),
    }
}

/// Caller of the chain's first call, which AWS named when it denied the call.
fn denied_caller(object: &RefreshableCredential) -> Option<Identity> {
    let FailureStatus { message, .. } = object.status.as_ref()?.failures.as_ref()?;
    let first = first_role(&object.spec)?;
    let (_, after) = message.split_once(&format!("AssumeRole of {first}: AccessDenied: User: "))?;
    let (caller, _) = after.split_once(" is not authorized to perform: sts:")?;
    caller.parse().ok()
}

fn first_role(spec: &RefreshableCredentialSpec) -> Option<&str> {
    let profiles = spec.profiles.iter().flatten().flat_map(|p| &p.roles);
    spec.roles.iter().chain(profiles).map(|r| r.role_arn.as_str()).next()
}

/// A session tag on the command line.
fn tag(text: &str) -> std::result::Result<Tag, String> {
    let (key, value) =
        text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("write it like team=a")?;
    Ok(Tag { key: key.to_owned(), value: value.to_owned() })
}

/// An issuer as AWS takes it.
fn issuer(text: &str) -> std::result::Result<String, String> {
    let rest =
        text.strip_prefix("https://").filter(|r| !r.is_empty() && !r.contains([' ', '?', '#']));
    let rest = rest.ok_or_else(|| {
        format!("{text:?} is not an issuer: write its URL, like https://oidc.example.com/id/ABC")
    })?;
    Ok(format!("https://{}", rest.trim_end_matches('/')))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
