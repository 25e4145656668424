//! Questions whose answers make a resource, and the answers so far.

use std::collections::BTreeMap;

/// A question: a flag answers it, or a person at the terminal.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    /// The flag without its dashes.
    pub flag: &'static str,
    /// The question.
    pub ask: &'static str,
    /// An example of an answer.
    pub example: &'static str,
}

impl Question {
    const fn new(flag: &'static str, ask: &'static str, example: &'static str) -> Self {
        Self { flag, ask, example }
    }
}

/// The source.
pub const FROM: Question =
    Question::new("from", "Which identity do you have already?", "oidc-issuer");
/// The resource's namespace.
pub const NAMESPACE: Question =
    Question::new("namespace", "Which namespace are the Pods in?", "team-a");
/// The resource's name.
pub const NAME: Question =
    Question::new("name", "Name of the resource and of its Secret", "reports");
/// The roles, in order.
pub const ROLE: Question = Question::new(
    "role",
    "ARN of the role that the Pods are to have",
    "arn:aws:iam::111122223333:role/team-a/reports",
);
/// The Region.
pub const REGION: Question = Question::new("region", "Region", "eu-west-1");
/// The ServiceAccount.
pub const SERVICE_ACCOUNT: Question =
    Question::new("service-account", "ServiceAccount whose tokens AWS is to trust", "reports");
/// The Secret with what the source takes.
pub const SECRET: Question =
    Question::new("secret", "Secret with the certificate, token, assertion or key", "workload-tls");
/// Of IAM Roles Anywhere.
pub const TRUST_ANCHOR: Question = Question::new(
    "trust-anchor",
    "ARN of the trust anchor of IAM Roles Anywhere",
    "arn:aws:rolesanywhere:eu-west-1:111122223333:trust-anchor/01234567-89ab-cdef-0123-456789abcdef",
);
/// Of IAM Roles Anywhere.
pub const PROFILE: Question = Question::new(
    "profile",
    "ARN of the profile of IAM Roles Anywhere",
    "arn:aws:rolesanywhere:eu-west-1:111122223333:profile/01234567-89ab-cdef-0123-456789abcdef",
);
/// Of AWS IoT.
pub const ENDPOINT: Question = Question::new(
    "endpoint",
    "Host of the credential provider of AWS IoT",
    "c1a2b3c4d5e6f7.credentials.iot.eu-west-1.amazonaws.com",
);
/// Of AWS IoT.
pub const ROLE_ALIAS: Question =
    Question::new("role-alias", "Role alias of AWS IoT", "edge-uploader");
/// Of AWS IoT.
pub const THING: Question = Question::new("thing", "Thing of AWS IoT", "sensor-17");
/// Of IAM Identity Center.
pub const ACCOUNT: Question =
    Question::new("account", "Account of the permission set", "111122223333");
/// Of IAM Identity Center.
pub const PERMISSION_SET: Question =
    Question::new("permission-set", "Permission set of IAM Identity Center", "ReadOnly");
/// Of SAML.
pub const SAML_PROVIDER: Question = Question::new(
    "saml-provider",
    "ARN of the SAML provider in IAM",
    "arn:aws:iam::111122223333:saml-provider/idp",
);
/// Of EKS Pod Identity.
pub const EKS_CLUSTER: Question =
    Question::new("eks-cluster", "Name of the EKS cluster", "production");

/// The answers so far, by the questions' flags.
#[derive(Clone, Debug, Default)]
pub struct Answers(BTreeMap<&'static str, Vec<String>>);

impl Answers {
    /// Adds the answers to a question.
    pub fn add(&mut self, question: &Question, values: impl IntoIterator<Item = String>) {
        let values: Vec<String> = values.into_iter().filter(|v| !v.is_empty()).collect();
        if !values.is_empty() {
            self.0.entry(question.flag).or_default().extend(values);
        }
    }

    /// All answers to a question, of which there is at least one.
    ///
    /// # Errors
    /// The question, which is still open.
    pub fn all<'a>(
        &'a self,
        question: &'static Question,
    ) -> Result<&'a [String], &'static Question> {
        self.0.get(question.flag).map(Vec::as_slice).ok_or(question)
    }

    /// The answer to a question.
    ///
    /// # Errors
    /// The question, which is still open.
    pub fn one<'a>(&'a self, question: &'static Question) -> Result<&'a str, &'static Question> {
        self.all(question).map(|values| values[0].as_str())
    }

    /// The answer to a question that may stay open.
    pub fn optional(&self, question: &'static Question) -> Option<&str> {
        self.one(question).ok()
    }
}
