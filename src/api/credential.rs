//! RefreshableCredential: which credentials to obtain, and where to publish them.

use super::{
    Format, ProfileSpec, RefreshableCredentialStatus, RestartTarget, Role, SecretSpec, Source,
    StsSpec, TokenSpec,
};
use kube::{CustomResource, KubeSchema, ResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// AWS temporary credentials, kept fresh in a Secret.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[kube(
    group = "refreshable.dev",
    version = "v1alpha1",
    kind = "RefreshableCredential",
    plural = "refreshablecredentials",
    shortname = "rcred",
    category = "refreshable",
    namespaced,
    derive = "PartialEq",
    derive = "Default",
    doc = "AWS temporary credentials that are kept fresh in a Secret.",
    status = "RefreshableCredentialStatus",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Expires",
        type_ = "string",
        format = "date-time",
        json_path = ".status.expiration"
    ),
    printcolumn(
        name = "Refresh",
        type_ = "string",
        format = "date-time",
        json_path = ".status.nextRefreshTime"
    ),
    printcolumn(name = "Secret", type_ = "string", json_path = ".status.secret.name"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Principal",
        type_ = "string",
        priority = 1,
        json_path = ".status.principal.arn"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.source) && !has(self.source.ambient) && !has(self.source.accessKey)) || (has(self.roles) && size(self.roles) > 0) || (has(self.profiles) && self.profiles.all(p, has(p.roles) && size(p.roles) > 0))").message("roles must name at least one role (or each profile one of its own): the controller's own identity and long-lived access keys are never published themselves, only what they can assume"),
    validation = Rule::new("(has(self.sts) && has(self.sts.endpoint)) || !has(self.roles) || self.roles.all(r, r.roleArn.matches('^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+$'))").message("roleArn must be the ARN of an IAM role, like arn:aws:iam::111122223333:role/team-a/reports (other ARNs only with sts.endpoint)"),
    validation = Rule::new("(has(self.sts) && has(self.sts.endpoint)) || !has(self.source) || !has(self.source.webIdentity) || self.source.webIdentity.roleArn.matches('^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+$')").message("source.webIdentity.roleArn must be the ARN of an IAM role, like arn:aws:iam::111122223333:role/team-a/reports (other ARNs only with sts.endpoint)"),
    validation = Rule::new("!has(self.roles) || [1, 2, 3, 4].all(i, i >= size(self.roles) || !has(self.roles[i].durationSeconds) || self.roles[i].durationSeconds <= 3600)").message("a role assumed with the credentials of another role lives at most 3600 seconds (AWS's limit for role chaining): set durationSeconds of the second and later roles to 3600 or less"),
    validation = Rule::new("!has(self.profiles) || !has(self.secret) || !(has(self.secret.profile) || (has(self.secret.formats) && 'Environment' in self.secret.formats))").message("profiles have names of their own and no environment variables: take secret.profile and format Environment out"),
    validation = Rule::new("!has(self.profiles) || !has(self.principal) || !has(self.principal.accountId)").message("profiles belong to many accounts, which their roles name: take principal.accountId out"),
    validation = Rule::new("!has(self.profiles) || (has(self.sts) && has(self.sts.endpoint)) || self.profiles.all(p, !has(p.roles) || p.roles.all(r, r.roleArn.matches('^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+$')))").message("roleArn of a profile must be the ARN of an IAM role, like arn:aws:iam::111122223333:role/team-a/reports (other ARNs only with sts.endpoint)"),
    validation = Rule::new("!has(self.profiles) || ((!has(self.source) || has(self.source.ambient) || has(self.source.accessKey) || has(self.source.sessionToken)) && (!has(self.roles) || size(self.roles) == 0)) || self.profiles.all(p, !has(p.roles) || p.roles.all(r, !has(r.durationSeconds) || r.durationSeconds <= 3600))").message("a profile's role behind a session is chained and lives at most 3600 seconds: set its durationSeconds to 3600 or less, or leave it out"),
    validation = Rule::new("!has(self.profiles) || self.profiles.all(p, !has(p.roles) || size(p.roles) < 2 || !has(p.roles[1].durationSeconds) || p.roles[1].durationSeconds <= 3600)").message("a profile's second role is chained and lives at most 3600 seconds: set its durationSeconds to 3600 or less, or leave it out"),
    // What the controller keeps of all tenants' resources has to fit into its memory.
    validation = Rule::new("!has(self.profiles) || self.profiles.map(p, !has(p.roles) ? 0 : p.roles.map(r, size(r.roleArn) + (has(r.externalId) ? size(r.externalId) : 0) + (has(r.policy) ? size(r.policy) : 0) + (has(r.policyArns) ? r.policyArns.map(a, size(a.arn)).sum() : 0) + (has(r.tags) ? r.tags.map(t, size(t.key) + size(t.value)).sum() : 0) + (has(r.transitiveTagKeys) ? r.transitiveTagKeys.map(k, size(k)).sum() : 0) + (has(r.providedContexts) ? r.providedContexts.map(c, size(c.providerArn) + size(c.contextAssertion)).sum() : 0)).sum()).sum() <= 65536").message("the roles of all profiles have together more than 65536 characters (ARNs, session policies, tags): put session policies into managed policies (policyArns), or divide the profiles among several resources"),
    validation = Rule::new("!has(self.profiles) || !has(self.source) || !has(self.source.federationToken) || self.profiles.all(p, !has(p.roles) || size(p.roles) == 0)").message("a federated session may not call STS, so no profile can assume a role with it: take its roles out"),
    validation = Rule::new("!has(self.token) || !has(self.profiles)").message("a token is bought by one session: take profiles out, or make a resource for each account"),
    validation = Rule::new("!has(self.token) || !has(self.secret) || !(has(self.secret.formats) || has(self.secret.keys) || has(self.secret.profile) || has(self.secret.region) || has(self.secret.mountPath) || has(self.secret.template))").message("with token the Secret holds no AWS credentials, but the token and its files: take formats, keys, profile, region, mountPath and template out of spec.secret"),
    validation = Rule::new("!has(self.token) || !has(self.secret) || !has(self.secret.adopt) || !self.secret.adopt").message("a token is published in a Secret of its own type: take secret.adopt out, and choose a secret.name that is free"),
    validation = Rule::new("!has(self.token) || !has(self.token.ecr) || !has(self.token.ecr.mergeFrom) || !has(self.secret) || !has(self.secret.name) || self.token.ecr.mergeFrom.name != self.secret.name").message("token.ecr.mergeFrom names the Secret that is published: name another one, with the registries that are not Amazon ECR's"),
    validation = Rule::new("!has(self.secret) || !has(self.secret.type) || self.secret.type != 'kubernetes.io/dockerconfigjson' || (has(self.token) ? has(self.token.ecr) : (has(self.secret.template) && '.dockerconfigjson' in self.secret.template))").message("type kubernetes.io/dockerconfigjson needs the data key .dockerconfigjson: write it with secret.template, or take token.ecr, whose Secret has this type without secret.type"),
    validation = Rule::new("!has(self.secret) || !has(self.secret.type) || self.secret.type != 'kubernetes.io/basic-auth' || (has(self.token) ? has(self.token.elastiCache) : ((has(self.secret.template) && ('username' in self.secret.template || 'password' in self.secret.template)) || (has(self.secret.formats) && 'Environment' in self.secret.formats && has(self.secret.keys) && [self.secret.keys.accessKeyId, self.secret.keys.secretAccessKey, self.secret.keys.sessionToken].exists(k, k in ['username', 'password']))))").message("type kubernetes.io/basic-auth needs the data key username or password: write them with secret.template, or with format Environment name secret.keys.accessKeyId and secretAccessKey so"),
    validation = Rule::new("!has(self.source) || !has(self.source.federationToken) || !has(self.roles) || size(self.roles) == 0").message("a federated session may not call STS, so no role can follow it: take roles out, or start from source accessKey or sessionToken"),
    validation = Rule::new("!has(self.source) || has(self.source.ambient) || has(self.source.accessKey) || has(self.source.sessionToken) || !has(self.roles) || size(self.roles) == 0 || !has(self.roles[0].durationSeconds) || self.roles[0].durationSeconds <= 3600").message("a role assumed with the session of a source is chained and lives at most 3600 seconds: set roles[0].durationSeconds to 3600 or less, or leave it out")
)]
pub struct RefreshableCredentialSpec {
    /// Where the first credentials come from. Defaults to `{ambient: {}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Roles to assume in order, each with the credentials of the one before. The last one's
    /// credentials are published.
    #[schemars(length(max = 5))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// Profiles for many accounts in one Secret, instead of `secret.profile`: each assumes its own
    /// roles with the credentials of the source and of `roles`, which are obtained once for all of
    /// them.
    #[schemars(length(min = 1, max = 100), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profiles: Option<Vec<ProfileSpec>>,
    /// How STS is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sts: Option<StsSpec>,
    /// When the credentials are renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<RefreshSpec>,
    /// Publish a token that the credentials buy, instead of the credentials. The session is dropped
    /// after that; each renewal obtains another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenSpec>,
    /// The Secret that the credentials are published in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretSpec>,
    /// Publish only credentials of this principal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalSpec>,
    /// Workloads of the namespace to restart after each rotation, for programs that read their
    /// credentials only at start.
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["kind", "name"]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restart: Vec<RestartTarget>,
    /// Stop renewing. Published credentials stay until they expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// When credentials are renewed.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.before) || self.before.matches('^([0-9]+(h|m|s))+$') && duration(self.before) >= duration('1m') && duration(self.before) <= duration('36h')").message("before must be a duration between 1m and 36h, for example 25m or 1h30m")
)]
pub struct RefreshSpec {
    /// Renew when this much of the lifetime is left, at most half of it. Defaults to a third of the
    /// lifetime, at least 20 minutes, at most half.
    #[schemars(with = "Option<String>", length(max = 32))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// The principal that the credentials must belong to.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.verify) && self.verify == 'Never' && (has(self.accountId) || has(self.arn)))").message("verify: Never cannot be combined with accountId or arn, which need the check: take one of them out")
)]
pub struct PrincipalSpec {
    /// The AWS account that they must belong to.
    #[schemars(regex(pattern = r"^[0-9]{12}$"), length(max = 12))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// Pattern that the principal's ARN must match; `*` stands for any characters, `?` for one.
    #[schemars(length(min = 1, max = 2048))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// Whether the principal is checked. Defaults to `Auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<VerifyPrincipal>,
}

/// Whether the principal is checked before publishing.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum VerifyPrincipal {
    /// From the issuer's response where it names the principal, else with GetCallerIdentity.
    #[default]
    Auto,
    /// Not checked, for issuers that cannot name the principal.
    Never,
}

impl RefreshableCredential {
    /// Name of the published Secret: `spec.secret.name`, else the resource's own.
    pub fn secret_name(&self) -> String {
        self.spec.secret.as_ref().and_then(|s| s.name.clone()).unwrap_or_else(|| self.name_any())
    }

    /// The value of the annotation that asks for a refresh now.
    pub fn requested_at(&self) -> Option<&str> {
        self.annotations().get(super::names::REQUESTED_AT_ANNOTATION).map(String::as_str)
    }
}

impl RefreshableCredentialSpec {
    /// The source, with the default filled in.
    pub fn source(&self) -> Source {
        self.source.clone().unwrap_or_else(Source::ambient)
    }

    /// The shape of the Secret, with the defaults filled in.
    pub fn secret(&self) -> SecretSpec {
        self.secret.clone().unwrap_or_default()
    }

    /// Names of the data keys that are written.
    pub fn data_keys(&self) -> Vec<String> {
        let mut written = self.format_keys();
        written.extend(self.secret.iter().flat_map(SecretSpec::template_keys));
        written
    }

    /// Names of the data keys that are written without a template: with profiles, one process JSON
    /// for each.
    ///
    /// ```
    /// use refreshable_api::{ProfileSpec, RefreshableCredentialSpec};
    ///
    /// let profile = |name: &str| ProfileSpec { name: name.to_owned(), ..ProfileSpec::default() };
    /// let spec = RefreshableCredentialSpec {
    ///     profiles: Some(vec![profile("dev"), profile("prod")]),
    ///     ..RefreshableCredentialSpec::default()
    /// };
    /// assert_eq!(spec.format_keys(), ["credentials", "config", "dev.json", "prod.json"]);
    /// ```
    pub fn format_keys(&self) -> Vec<String> {
        if let Some(token) = &self.token {
            return token.data_keys().into_iter().map(str::to_owned).collect();
        }
        let secret = self.secret();
        let Some(profiles) = &self.profiles else { return secret.data_keys() };
        let keys = secret.keys.clone().unwrap_or_default();
        let whole = [Format::Credentials, Format::Config].into_iter().filter(|f| secret.writes(*f));
        let mut written: Vec<String> = whole.flat_map(|f| keys.of(f)).map(str::to_owned).collect();
        if secret.writes(Format::ProcessJson) {
            written.extend(profiles.iter().map(|p| format!("{}.json", p.name)));
        }
        written
    }

    /// Type of the Secret, which Kubernetes lets no one change: another type is another Secret.
    ///
    /// ```
    /// use refreshable_api::{EcrToken, RefreshableCredentialSpec, SecretSpec, TokenSpec};
    ///
    /// let mut spec = RefreshableCredentialSpec::default();
    /// assert_eq!(spec.secret_type(), "refreshable.dev/aws-credentials");
    /// let ecr = Some(EcrToken::default());
    /// spec.token = Some(TokenSpec { ecr, ..TokenSpec::default() });
    /// assert_eq!(spec.secret_type(), "kubernetes.io/dockerconfigjson");
    /// spec.secret = Some(SecretSpec { type_: Some("Opaque".to_owned()), ..SecretSpec::default() });
    /// assert_eq!(spec.secret_type(), "Opaque");
    /// ```
    pub fn secret_type(&self) -> &str {
        let default = self.token.as_ref().map_or(super::names::SECRET_TYPE, TokenSpec::secret_type);
        self.secret.as_ref().and_then(|secret| secret.type_.as_deref()).unwrap_or(default)
    }

    /// Whether renewal is suspended.
    pub fn suspended(&self) -> bool {
        self.suspend.unwrap_or(false)
    }
}
