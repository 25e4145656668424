//! `new`: from what somebody has to a resource, its policy and its trust policy.
//!
//! | part | contents |
//! | --- | --- |
//! | [`answers`] | the questions |
//! | [`source`] | from the answers to a specification, pure |
//! | [`manifests`] | the objects, and the policies in AWS, pure |

mod answers;
mod manifests;
mod source;

use super::check::{Checker, Severity};
use super::cluster::Cluster;
use super::discovery;
use super::error::{Error, Result};
use super::global::Global;
use super::output;
use super::terminal::visible;
use super::trust_policy::arn::Identity;
use super::trust_policy::facts::Facts;
use answers::{Answers, Question};
use clap::{Args, ValueEnum};
use manifests::Manifests;
use source::Origin;
use std::io::IsTerminal as _;
use std::process::ExitCode;

/// Write a RefreshableCredential, the CredentialPolicy that allows it, and its trust policy, from
/// what you have. Asks for what no flag says, if a person is at the terminal.
#[derive(Args, Debug)]
#[command(after_help = "\
  kubectl refreshable new
  kubectl refreshable new reports -n team-a --from oidc-issuer --service-account reports \\
    --role arn:aws:iam::111122223333:role/reports > reports.yaml
  kubectl refreshable new reports -n team-a --from access-key --secret iam-user \\
    --role arn:aws:iam::111122223333:role/reports | kubectl apply -f -")]
pub struct New {
    /// Name of the resource, and of its Secret.
    name: Option<String>,
    /// The identity that you have already.
    #[arg(long, value_enum)]
    from: Option<Origin>,
    /// ARN of the role; may be repeated, for a chain.
    #[arg(long, value_name = "ARN")]
    role: Vec<String>,
    /// Region of STS.
    #[arg(long)]
    region: Option<String>,
    /// ServiceAccount (oidc-issuer, pod-identity).
    #[arg(long, value_name = "NAME")]
    service_account: Option<String>,
    /// Secret with the certificate, token, assertion or key.
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    /// Trust anchor (x509).
    #[arg(long, value_name = "ARN")]
    trust_anchor: Option<String>,
    /// Profile of IAM Roles Anywhere (x509).
    #[arg(long, value_name = "ARN")]
    profile: Option<String>,
    /// Host of the credential provider (iot).
    #[arg(long, value_name = "HOST")]
    endpoint: Option<String>,
    /// Role alias (iot).
    #[arg(long, value_name = "NAME")]
    role_alias: Option<String>,
    /// Thing (iot).
    #[arg(long, value_name = "NAME")]
    thing: Option<String>,
    /// Account (identity-center).
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Permission set (identity-center).
    #[arg(long, value_name = "NAME")]
    permission_set: Option<String>,
    /// SAML provider in IAM (saml).
    #[arg(long, value_name = "ARN")]
    saml_provider: Option<String>,
    /// Name of the EKS cluster (pod-identity).
    #[arg(long, value_name = "NAME")]
    eks_cluster: Option<String>,
    /// For the trust policy: ARN of the controller's identity, or of the user of the access key.
    #[arg(long, value_name = "ARN", value_parser = str::parse::<Identity>)]
    base_identity: Option<Identity>,
    /// For the trust policy: ARN of the role of iot, pod-identity or instance, if roles follow it.
    #[arg(long, value_name = "ARN", value_parser = str::parse::<Identity>)]
    source_role: Option<Identity>,
    /// For the trust policy: issuer of the tokens. Defaults to the cluster's, if it answers.
    #[arg(long, value_name = "URL")]
    oidc_issuer: Option<String>,
    /// For the trust policy: subject of the token or assertion in the Secret.
    #[arg(long)]
    subject: Option<String>,
    /// For the trust policy: audience of the token in the Secret.
    #[arg(long)]
    audience: Option<String>,
}

impl New {
    /// Runs the command.
    ///
    /// # Errors
    /// If a question stays open, or the answers make a manifest that the API server would reject.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let (from, made) = self.made(global)?;
        judged(&made)?;
        let facts = self.facts(&made, from, global).await;
        let trust = made.trust_policy(&facts);
        output::print(&made.text(&trust).map_err(Error::failed)?)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The manifests, as soon as no question is open.
    fn made(&self, global: &Global) -> Result<(Origin, Manifests)> {
        let mut answers = self.answers(global);
        let from = match self.from {
            Some(from) => from,
            None => chosen(&ask(&answers::FROM, &choices())?)?,
        };
        loop {
            match Manifests::new(from, &answers) {
                Ok(made) => return Ok((from, made)),
                Err(open) => answers.add(open, [ask(open, "")?]),
            }
        }
    }

    fn answers(&self, global: &Global) -> Answers {
        let mut answers = Answers::default();
        answers.add(&answers::ROLE, self.role.clone());
        for (question, value) in [
            (&answers::NAMESPACE, &global.namespace),
            (&answers::NAME, &self.name),
            (&answers::REGION, &self.region),
            (&answers::SERVICE_ACCOUNT, &self.service_account),
            (&answers::SECRET, &self.secret),
            (&answers::TRUST_ANCHOR, &self.trust_anchor),
            (&answers::PROFILE, &self.profile),
            (&answers::ENDPOINT, &self.endpoint),
            (&answers::ROLE_ALIAS, &self.role_alias),
            (&answers::THING, &self.thing),
            (&answers::ACCOUNT, &self.account),
            (&answers::PERMISSION_SET, &self.permission_set),
            (&answers::SAML_PROVIDER, &self.saml_provider),
            (&answers::EKS_CLUSTER, &self.eks_cluster),
        ] {
            answers.add(question, value.clone());
        }
        answers
    }

    async fn facts(&self, made: &Manifests, from: Origin, global: &Global) -> Facts {
        let mut issuer = self.oidc_issuer.clone();
        if from == Origin::OidcIssuer && issuer.is_none() {
            issuer = cluster_issuer(global).await;
        }
        Facts {
            namespace: made.namespace.clone(),
            name: made.name.clone(),
            base_identity: self.base_identity.clone(),
            source_role: self.source_role.clone(),
            oidc_issuer: issuer,
            subject: self.subject.clone(),
            audience: self.audience.clone(),
            ..Facts::default()
        }
    }
}

/// The cluster's issuer; `None` where it cannot be read, or AWS could not reach it.
async fn cluster_issuer(global: &Global) -> Option<String> {
    let cluster = Cluster::of(global).await.ok()?;
    let document = discovery::document(&cluster).await.ok()?;
    let url = document["issuer"].as_str()?;
    discovery::unreachable_for_aws(url).is_none().then(|| url.to_owned())
}

/// Judges the manifests as the API server and the controller do.
fn judged(made: &Manifests) -> Result<()> {
    let checker = Checker::new();
    // The resource first: its fields are what was asked for.
    for object in made.objects().into_iter().rev() {
        let findings = checker.object(&object).unwrap_or_default();
        if let Some(fault) = findings.iter().find(|f| f.severity == Severity::Error) {
            let path = fault.pointer.trim_start_matches('/').replace('/', ".");
            return Err(Error::failed(format!(
                "the generated manifest would be rejected: {path}: {}",
                fault.message
            )));
        }
    }
    made.is_allowed().map_err(Error::failed)
}

/// A line for each source, for the question that chooses one.
fn choices() -> String {
    let line = |from: &Origin| {
        let value = from.to_possible_value()?;
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        Some(format!("  {:17}{help}\n", value.get_name()))
    };
    Origin::value_variants().iter().filter_map(line).collect()
}

fn chosen(answer: &str) -> Result<Origin> {
    Origin::from_str(answer, true).map_err(|_| {
        Error::failed(format!(
            "{:?} is not an identity to start from:\n{}",
            visible(answer),
            choices()
        ))
    })
}

/// Asks a person.
fn ask(question: &Question, more: &str) -> Result<String> {
    let Question { flag, ask, example } = question;
    let flag = match *flag {
        "name" => "the resource's name".to_owned(),
        flag => format!("--{flag}"),
    };
    if !std::io::stdin().is_terminal() {
        return Err(Error::failed(format!("{ask}: give {flag}, like {example}")));
    }
    output::say(&format!("{more}{ask} ({flag}, like {example}):"));
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).map_err(Error::Output)?;
    let answer = line.trim();
    if read == 0 || answer.is_empty() {
        return Err(Error::failed(format!("no answer: give {flag}")));
    }
    Ok(answer.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_listed_and_may_be_typed() {
        let listed = choices();
        assert_eq!(listed.lines().count(), Origin::value_variants().len(), "{listed}");
        for line in listed.lines() {
            let word = line.split_whitespace().next().expect("a word");
            assert!(chosen(word).is_ok(), "{word}");
        }
        let error = chosen("magic").expect_err("not a choice").to_string();
        assert!(
            error.contains("is not an identity to start from") && error.contains("x509"),
            "{error}"
        );
    }
}
