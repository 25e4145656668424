//! Grants of the administrator's policies to a resource, with their terms. Denied unless allowed;
//! policies add up.

use super::chain::{is_ambient, steps};
use super::patterns::{
    NetworkScope, PatternContext, arn_matches, can_be_matched, shown_url, url_matches,
    wildcard_matches,
};
use super::{selector, session_tags};
use kube::ResourceExt as _;
use refreshable_api::{
    Allow, AmbientSource, CaBundleReference, CredentialPolicy, CredentialPolicySpec, IotSource,
    NodeSource, Pkcs11Grant, Pkcs11Key, RefreshableCredential, Role, RoleGrant,
    RolesAnywhereSource, ServiceAccountReference, SessionTag, Source, SourceKind, StsSpec,
    TagGrant,
};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Result of the policies for a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Whether the request is allowed.
    pub permission: Permission,
    /// Terms on which it is obtained.
    pub grants: Grants,
}

/// Whether a resource's request is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// It uses nothing that belongs to the administrator.
    NotNeeded,
    /// These policies allow it.
    Allowed(Vec<String>),
    /// No policy allows it.
    Denied(Denial),
}

/// Why a resource's request is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Denial {
    /// Reason, for the user.
    pub why: String,
    /// Members that a policy's `spec.allow` must contain in addition to allow it: an object with
    /// one member for each kind of grant. Empty where no policy can allow it.
    pub missing: Vec<Value>,
}

/// The administrator's terms for obtaining credentials.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants {
    /// Tags that the first role's session gets.
    pub session_tags: Vec<SessionTag>,
    /// Network scope of the URLs that policies allow.
    reach: BTreeMap<String, NetworkScope>,
}

impl Grants {
    /// Network scope of a URL that the resource names.
    pub fn reach(&self, url: &str) -> NetworkScope {
        self.reach.get(url).copied().unwrap_or_default()
    }
}

/// Effect of one policy on one resource: a change of the policy that leaves this unchanged does not
/// affect the resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyEffect {
    /// One for each need of the resource; none at all where the policy meets none.
    verdicts: Vec<Verdict>,
    tags: Vec<SessionTag>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    No,
    /// It would meet the requirement, except for this.
    Nearly(String),
    /// It meets the requirement; for a URL, in this network scope.
    Met(NetworkScope),
}

impl Verdict {
    fn met(&self) -> Option<NetworkScope> {
        match self {
            Self::Met(reach) => Some(*reach),
            Self::No | Self::Nearly(_) => None,
        }
    }

    fn nearly(&self) -> Option<&String> {
        match self {
            Self::Nearly(but) => Some(but),
            Self::No | Self::Met(_) => None,
        }
    }

    /// The better of two verdicts.
    fn or(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Met(a), Self::Met(b)) => Self::Met(*a.max(b)),
            (_, Self::Met(_)) | (Self::No, _) => other,
            _ => self,
        }
    }
}

/// Judges `object`, whose namespace has the labels `namespace_labels`, by `policies`.
pub fn judge(
    object: &RefreshableCredential,
    namespace_labels: &BTreeMap<String, String>,
    policies: &[impl AsRef<CredentialPolicy>],
) -> Judgement {
    let policies = policies.iter().map(AsRef::as_ref);
    let selecting: Vec<&CredentialPolicy> = policies
        .filter(|p| selector::selects(&p.spec.namespace_selector, namespace_labels))
        .collect();
    judge_among(object, &selecting)
}

/// Judges `object` by those policies that select its namespace.
pub fn judge_among(object: &RefreshableCredential, selecting: &[&CredentialPolicy]) -> Judgement {
    let needs = needs(object);
    // By name, so that the same policies always give the same result.
    let mut sorted = selecting.to_vec();
    sorted.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    let effects: Vec<(String, PolicyEffect)> = sorted
        .into_iter()
        .map(|p| (p.name_any(), bear(object, &needs, &p.spec)))
        .filter(|(_, effect)| *effect != PolicyEffect::default())
        .collect();
    let tags =
        session_tags::union(effects.iter().map(|(name, b)| (name.as_str(), b.tags.as_slice())));
    let mut grants = Grants {
        session_tags: tags.iter().map(|(_, tag)| (*tag).clone()).collect(),
        reach: BTreeMap::new(),
    };
    let (mut by, mut unmet) = (BTreeSet::new(), Vec::new());
    for (at, need) in needs.iter().enumerate() {
        let verdicts =
            || effects.iter().filter_map(|(name, effect)| Some((name, effect.verdicts.get(at)?)));
        let met: Vec<(&String, NetworkScope)> =
            verdicts().filter_map(|(name, v)| Some((name, v.met()?))).collect();
        let Some((first, _)) = met.first() else {
            unmet.push((need, verdicts().find_map(|(name, v)| Some((name, v.nearly()?)))));
            continue;
        };
        by.insert((*first).clone());
        if let (Some(url), Some(reach)) = (need.url(), met.iter().map(|(_, reach)| *reach).max()) {
            grants.reach.insert(url.to_owned(), reach);
        }
    }
    let hopeless = unmet.iter().find(|(need, _)| need.is_out_of_question());
    let permission = if let Some(clash) = session_tags::clash(object, &tags) {
        Permission::Denied(Denial { why: clash, missing: Vec::new() })
    } else if needs.is_empty() {
        Permission::NotNeeded
    } else if let Some((need, nearly)) = hopeless.or(unmet.first()) {
        Permission::Denied(denial(object, need, *nearly, unmet.iter().map(|(need, _)| *need)))
    } else {
        Permission::Allowed(by.into_iter().collect())
    };
    Judgement { permission, grants }
}

/// Whether policies bear on a resource at all: it draws on something of the administrator's, or
/// assumes roles.
pub fn concerns(object: &RefreshableCredential) -> bool {
    steps(object).next().is_some() || !needs(object).is_empty()
}

/// Effect of `policy` on `object`, whose namespace has the labels `namespace_labels`.
pub fn effect(
    object: &RefreshableCredential,
    namespace_labels: &BTreeMap<String, String>,
    policy: &CredentialPolicySpec,
) -> PolicyEffect {
    if !selector::selects(&policy.namespace_selector, namespace_labels) {
        return PolicyEffect::default();
    }
    bear(object, &needs(object), policy)
}

/// Effect of a policy that selects the namespace.
fn bear(
    object: &RefreshableCredential,
    needs: &[Requirement<'_>],
    policy: &CredentialPolicySpec,
) -> PolicyEffect {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let whose = PatternContext { namespace: &namespace, name: &name };
    let verdicts: Vec<Verdict> =
        needs.iter().map(|need| need.held_against(&policy.allow, whose)).collect();
    let verdicts = if verdicts.iter().all(|v| *v == Verdict::No) { Vec::new() } else { verdicts };
    PolicyEffect { verdicts, tags: session_tags::for_object(object, policy) }
}

/// Something of the administrator's that a resource draws on.
#[derive(Debug)]
enum Requirement<'a> {
    /// To assume this role in a chain that starts from the controller's identity.
    Role(&'a Role),
    /// To call this endpoint.
    Endpoint(&'a str),
    /// To have ServiceAccount tokens of this audience.
    Audience(&'a str),
    /// To call this URL.
    Url(Cow<'a, str>),
    /// To choose the certificates that are trusted at an endpoint of AWS's, by this field of that
    /// part of the specification.
    CaBundle { part: &'static str, field: &'static str },
    /// To run the program of that name.
    Process(&'a str),
    /// To use a PKCS#11 token, by the module of that name.
    Token { module: &'a str, label: &'a str },
    /// To draw on the controller's machine.
    Node(NodeSource),
}

/// AWS's default where `durationSeconds` is absent.
const DEFAULT_DURATION_SECONDS: i32 = 3600;

/// Requirements of a resource that belong to the administrator. Every type is destructured without
/// `..`, so that a new field does not compile before it is classified here.
fn needs(object: &RefreshableCredential) -> Vec<Requirement<'_>> {
    let spec = &object.spec;
    let mut needs = Vec::new();
    if is_ambient(object) {
        needs.extend(steps(object).map(Requirement::Role));
    }
    if let Some(sts) = &spec.sts {
        let StsSpec {
            endpoint,
            ca_bundle,
            ca_bundle_ref,
            region: _,
            use_fips: _,
            use_dualstack: _,
            timeout_seconds: _,
        } = sts;
        match endpoint {
            Some(endpoint) => needs.push(Requirement::Endpoint(endpoint)),
            None => needs.extend(trust("spec.sts", ca_bundle.as_ref(), ca_bundle_ref.as_ref())),
        }
    }
    if let Some(kind) = spec.source.as_ref().and_then(Source::kind) {
        needs.extend(needs_of_source(kind));
    }
    needs
}

fn needs_of_source(kind: SourceKind<'_>) -> Vec<Requirement<'_>> {
    match kind {
        // Of the controller's own identity each role is a need.
        SourceKind::Ambient(AmbientSource {}) => Vec::new(),
        // The tenant's own, sent to STS or Identity Center: to AWS's endpoint, or to one that is
        // itself a requirement.
        SourceKind::AccessKey(_)
        | SourceKind::Saml(_)
        | SourceKind::SessionToken(_)
        | SourceKind::FederationToken(_)
        | SourceKind::IdentityCenter(_) => Vec::new(),
        SourceKind::WebIdentity(web) => {
            web.service_account_ref.iter().filter_map(audience).collect()
        }
        SourceKind::Cognito(cognito) => {
            let logins = cognito.logins.iter().flatten();
            logins
                .filter_map(|login| login.service_account_ref.as_ref())
                .filter_map(audience)
                .collect()
        }
        SourceKind::Container(container) => {
            vec![Requirement::Url(container.full_uri.as_str().into())]
        }
        SourceKind::InstanceMetadata(_) => vec![Requirement::Node(NodeSource::InstanceMetadata)],
        SourceKind::PodIdentity(_) => vec![Requirement::Node(NodeSource::PodIdentity)],
        SourceKind::Iot(iot) => needs_of_iot(iot),
        SourceKind::RolesAnywhere(anywhere) => needs_of_roles_anywhere(anywhere),
        SourceKind::CustomHttp(http) => vec![Requirement::Url(http.url.as_str().into())],
        // A Secret of the tenant's own.
        SourceKind::CustomSecret(_) => Vec::new(),
        SourceKind::CustomProcess(process) => vec![Requirement::Process(&process.name)],
    }
}

/// Tokens for STS give access only where AWS is configured to trust them; tokens of other audiences
/// may give more.
fn audience(account: &ServiceAccountReference) -> Option<Requirement<'_>> {
    let ServiceAccountReference { name: _, audience } = account;
    (audience != ServiceAccountReference::STS_AUDIENCE).then_some(Requirement::Audience(audience))
}

fn needs_of_iot(iot: &IotSource) -> Vec<Requirement<'_>> {
    let IotSource {
        endpoint,
        ca_bundle,
        ca_bundle_ref,
        pkcs11,
        role_alias: _,
        thing_name: _,
        duration_seconds: _,
        certificate_secret_ref: _,
        timeout_seconds: _,
    } = iot;
    let mut needs = Vec::new();
    match is_aws_iot(endpoint) {
        false => needs.push(Requirement::Url(iot.url().into())),
        true => needs.extend(trust("spec.source.iot", ca_bundle.as_ref(), ca_bundle_ref.as_ref())),
    }
    needs.extend(pkcs11.as_ref().map(token));
    needs
}

fn needs_of_roles_anywhere(anywhere: &RolesAnywhereSource) -> Vec<Requirement<'_>> {
    let RolesAnywhereSource {
        endpoint,
        ca_bundle,
        ca_bundle_ref,
        pkcs11,
        trust_anchor_arn: _,
        profile_arn: _,
        role_arn: _,
        role_session_name: _,
        duration_seconds: _,
        certificate_secret_ref: _,
        timeout_seconds: _,
    } = anywhere;
    let mut needs = Vec::new();
    match endpoint {
        Some(endpoint) => needs.push(Requirement::Url(endpoint.into())),
        None => needs.extend(trust(
            "spec.source.rolesAnywhere",
            ca_bundle.as_ref(),
            ca_bundle_ref.as_ref(),
        )),
    }
    needs.extend(pkcs11.as_ref().map(token));
    needs
}

/// Certificates are trusted in the same way, whether they are in `part` of the specification or in
/// the object that it names.
fn trust(
    part: &'static str,
    inline: Option<&String>,
    reference: Option<&CaBundleReference>,
) -> Option<Requirement<'static>> {
    let field = match (inline, reference) {
        (Some(_), _) => "caBundle",
        (None, Some(_)) => "caBundleRef",
        (None, None) => return None,
    };
    Some(Requirement::CaBundle { part, field })
}

fn token(key: &Pkcs11Key) -> Requirement<'_> {
    // Which keys of the token a namespace may use, its PIN decides.
    let Pkcs11Key { module, token_label, key_label: _, pin_secret_ref: _ } = key;
    Requirement::Token { module, label: token_label }
}

/// Whether a host is one of AWS IoT's own: a credential provider, or another endpoint, which is
/// never called.
pub fn is_aws_iot(host: &str) -> bool {
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let provider = ["amazonaws.com", "amazonaws.com.cn"]
        .iter()
        .any(|domain| wildcard_matches(&format!("*.credentials.iot.*.{domain}"), host, label));
    provider || is_other_iot(host)
}

/// Whether a host is an endpoint of AWS IoT other than the credential provider: its data
/// (`…-ats.iot.…`), jobs or control plane.
pub fn is_other_iot(host: &str) -> bool {
    let domain = ["amazonaws.com", "amazonaws.com.cn", "api.aws"]
        .iter()
        .find_map(|d| host.strip_suffix(&format!(".{d}")));
    let mut labels = domain.unwrap_or_default().rsplit('.');
    let (_region, service, before) = (labels.next(), labels.next(), labels.next());
    matches!(service, Some("iot" | "iot-fips")) && before != Some("credentials")
}

/// The Region of one of AWS IoT's own credential providers: the label behind `credentials.iot`.
pub fn region_of_aws_iot(host: &str) -> Option<&str> {
    let (_, rest) = host.split_once(".credentials.iot.").filter(|_| is_aws_iot(host))?;
    rest.split('.').next()
}

impl Requirement<'_> {
    fn url(&self) -> Option<&str> {
        match self {
            Self::Endpoint(url) => Some(url),
            Self::Url(url) => Some(url),
            _ => None,
        }
    }

    fn held_against(&self, allow: &Allow, whose: PatternContext<'_>) -> Verdict {
        let plain = |met: bool| if met { Verdict::Met(NetworkScope::Private) } else { Verdict::No };
        let urls = |patterns: &[String], url: &str| {
            let widened = allow.private_addresses.unwrap_or(false).then_some(NetworkScope::Private);
            let found = patterns.iter().filter_map(|p| url_matches(&whose.fill(p), url)).max();
            found.map_or(Verdict::No, |reach| Verdict::Met(widened.unwrap_or(reach)))
        };
        match self {
            Self::Role(role) => allow
                .roles
                .iter()
                .map(|grant| role_allowed(grant, role, whose))
                .fold(Verdict::No, Verdict::or),
            Self::Endpoint(url) => urls(&allow.endpoints, url),
            Self::Url(url) => urls(&allow.urls, url),
            Self::CaBundle { .. } => plain(allow.ca_bundles.unwrap_or(false)),
            Self::Node(source) => plain(allow.sources.contains(source)),
            Self::Process(name) => plain(allow.processes.iter().any(|p| p == name)),
            Self::Token { module, label } => {
                let named = |grant: &Pkcs11Grant| {
                    grant.module == *module && one_matches(&grant.token_labels, label, whose)
                };
                let whole = allow.pkcs11_modules.iter().any(|m| m == module);
                plain(whole || allow.pkcs11_tokens.iter().any(named))
            }
            Self::Audience(audience) => plain(allow.audiences.iter().any(|a| a == audience)),
        }
    }

    /// The requirement, as a user reads it after "allows namespace x".
    fn words(&self) -> String {
        match self {
            Self::Role(role) => {
                let seconds = role.duration_seconds.unwrap_or(DEFAULT_DURATION_SECONDS);
                format!(
                    "to assume {} for {seconds} s from the controller's own identity",
                    role.role_arn
                )
            }
            Self::Endpoint(url) => format!("to call the STS endpoint {}", shown_url(url)),
            Self::Url(url) => format!("to call {}", shown_url(url)),
            Self::CaBundle { part, field } => {
                format!("to set {part}.{field} for an endpoint of AWS's")
            }
            Self::Node(source) => format!("the controller's own {source:?}"),
            Self::Process(name) => format!("to run the process {name}"),
            Self::Token { module, label } => {
                format!("to use the PKCS#11 token {label} of module {module}")
            }
            Self::Audience(audience) => format!("ServiceAccount tokens with audience {audience}"),
        }
    }

    /// Whether no policy can ever allow it, whatever it says.
    fn is_out_of_question(&self) -> bool {
        self.url().is_some_and(|url| !can_be_matched(url))
    }

    /// Adds to `allow` what allows it, where anything can.
    fn allow_in(&self, allow: &mut Allow, whose: PatternContext<'_>) {
        if self.is_out_of_question() {
            return;
        }
        match self {
            Self::Role(role) => allow.roles.push(grant_for(role, whose)),
            Self::Endpoint(url) => allow.endpoints.push(shown_url(url).into_owned()),
            Self::Url(url) => allow.urls.push(shown_url(url).into_owned()),
            Self::CaBundle { .. } => allow.ca_bundles = Some(true),
            Self::Node(source) => allow.sources.push(*source),
            Self::Process(name) => allow.processes.push((*name).to_owned()),
            Self::Token { module, label } => allow.pkcs11_tokens.push(Pkcs11Grant {
                module: (*module).to_owned(),
                token_labels: vec![(*label).to_owned()],
            }),
            Self::Audience(audience) => allow.audiences.push((*audience).to_owned()),
        }
    }
}

/// Session names and source identities with this beginning name their namespace. Used where the
/// grant has no pattern.
const OWN: &str = "{namespace}.*";

/// Holds a role against one grant, all of which must hold.
fn role_allowed(grant: &RoleGrant, role: &Role, whose: PatternContext<'_>) -> Verdict {
    if !grant.arns.iter().any(|pattern| arn_matches(&whose.fill(pattern), &role.role_arn)) {
        return Verdict::No;
    }
    match shortfall(grant, role, whose) {
        Some(but) => Verdict::Nearly(but),
        None => Verdict::Met(NetworkScope::Private),
    }
}

/// Why a grant that names the role does not allow it.
fn shortfall(grant: &RoleGrant, role: &Role, whose: PatternContext<'_>) -> Option<String> {
    // No `..`: a new parameter of a role must be allowed here explicitly.
    let Role {
        duration_seconds,
        role_session_name,
        source_identity,
        external_id,
        external_id_secret_ref,
        tags,
        // The ARN was matched before. The others prove or narrow, and open nothing that belongs to
        // another.
        role_arn: _,
        policy: _,
        policy_arns: _,
        transitive_tag_keys: _,
        serial_number: _,
        totp_secret_ref: _,
        provided_contexts: _,
        minimum_session_token_size: _,
    } = role;
    let RoleGrant {
        arns: _,
        max_duration_seconds,
        session_names,
        source_identities,
        external_ids,
        tags: granted_tags,
    } = grant;
    let seconds = duration_seconds.unwrap_or(DEFAULT_DURATION_SECONDS);
    if let Some(most) = max_duration_seconds.filter(|most| seconds > *most) {
        return Some(format!("only for {most} s: set durationSeconds to {most} or less"));
    }
    if let Some(chosen) = role_session_name
        && !one_matches(session_names.as_deref().unwrap_or(&[OWN.to_owned()]), chosen, whose)
    {
        let names = listed(session_names.as_deref(), whose);
        return Some(format!(
            "not with roleSessionName {chosen}: leave it out, or choose one of {names}"
        ));
    }
    if let Some(chosen) = source_identity
        && !one_matches(source_identities.as_deref().unwrap_or(&[OWN.to_owned()]), chosen, whose)
    {
        let names = listed(source_identities.as_deref(), whose);
        return Some(format!(
            "not with sourceIdentity {chosen}: leave it out, or choose one of {names}"
        ));
    }
    if let Some(allowed) = external_ids {
        if external_id_secret_ref.is_some() {
            return Some("only with external ids that it names: set externalId instead of externalIdSecretRef".into());
        }
        if external_id.as_ref().is_some_and(|id| !one_matches(allowed, id, whose)) {
            return Some("not with this externalId".to_owned());
        }
    }
    let tags = tags.as_deref().unwrap_or_default();
    let may = |grant: &TagGrant, key: &str, value: &str| {
        wildcard_matches(&grant.key, key, |_| true)
            && grant.values.as_ref().is_none_or(|values| one_matches(values, value, whose))
    };
    if let Some(tag) = tags.iter().find(|t| !granted_tags.iter().any(|g| may(g, &t.key, &t.value)))
    {
        return Some(format!("not with session tag {}={}", tag.key, tag.value));
    }
    let required = granted_tags.iter().filter(|g| g.required.unwrap_or(false));
    let missing = required.map(|g| &g.key).find(|key| !tags.iter().any(|t| t.key == **key))?;
    Some(format!("only with session tag {missing}: add it to the role's tags"))
}

fn one_matches(patterns: &[String], text: &str, whose: PatternContext<'_>) -> bool {
    patterns.iter().any(|pattern| wildcard_matches(&whose.fill(pattern), text, |_| true))
}

fn listed(patterns: Option<&[String]>, whose: PatternContext<'_>) -> String {
    let filled = |p: &String| whose.fill(p).into_owned();
    patterns.map_or_else(
        || whose.fill(OWN).into_owned(),
        |list| {
            if list.is_empty() {
                "none".to_owned()
            } else {
                list.iter().map(filled).collect::<Vec<_>>().join(", ")
            }
        },
    )
}

/// The narrowest grant that allows `role`.
fn grant_for(role: &Role, whose: PatternContext<'_>) -> RoleGrant {
    let beyond = |chosen: &Option<String>| {
        chosen.clone().filter(|c| !one_matches(&[OWN.to_owned()], c, whose)).map(|name| vec![name])
    };
    let tags = role.tags.iter().flatten();
    RoleGrant {
        arns: vec![role.role_arn.clone()],
        session_names: beyond(&role.role_session_name),
        source_identities: beyond(&role.source_identity),
        tags: tags
            .map(|t| TagGrant {
                key: t.key.clone(),
                values: Some(vec![t.value.clone()]),
                required: None,
            })
            .collect(),
        ..RoleGrant::default()
    }
}

/// Puts into words that `need` is not met, and what would meet it and the `others`.
fn denial<'a>(
    object: &RefreshableCredential,
    need: &Requirement<'_>,
    nearly: Option<(&String, &String)>,
    unmet: impl Iterator<Item = &'a Requirement<'a>>,
) -> Denial {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let whose = PatternContext { namespace: &namespace, name: &name };
    if need.is_out_of_question() {
        return Denial {
            why: format!(
                "no CredentialPolicy can allow namespace {namespace} {}: write the URL without user name, query, fragment and other scripts, and its path without . and .. between slashes, ; \\ and %, which servers read in different ways",
                need.words()
            ),
            missing: Vec::new(),
        };
    }
    let (mut first, mut whole) = (Allow::default(), Allow::default());
    need.allow_in(&mut first, whose);
    unmet.for_each(|need| need.allow_in(&mut whole, whose));
    let but = nearly
        .map(|(policy, but)| format!(" (CredentialPolicy {policy} does, but {but})"))
        .unwrap_or_default();
    let rule = members(&first).into_iter().next();
    let rule =
        rule.map(|(member, value)| format!("spec.allow.{member}: {value}")).unwrap_or_default();
    Denial {
        why: format!(
            "no CredentialPolicy allows namespace {namespace} {}{but}. An administrator can allow it by a CredentialPolicy with {rule}",
            need.words()
        ),
        missing: members(&whole)
            .into_iter()
            .map(|(member, value)| json!({ member: value }))
            .collect(),
    }
}

/// The members that are set.
fn members(allow: &Allow) -> Map<String, Value> {
    // The members of a policy always serialize.
    match serde_json::to_value(allow) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
