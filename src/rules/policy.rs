//! What the administrator's policies allow a resource. Denied unless allowed; policies add up.

use crate::api::{Allow, CredentialPolicy, NodeSource, RefreshableCredential, ServiceAccountReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt as _;
use kube::core::{Selector, SelectorExt as _};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Whether a resource may have what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// It draws on nothing of the administrator's.
    NotNeeded,
    /// These policies allow it.
    Allowed(Vec<String>),
    /// No policy allows it; what a user reads.
    Denied(String),
}

/// Judges `object`, which lies in a namespace with labels `namespace_labels`, by `policies`.
pub fn judge(
    object: &RefreshableCredential,
    namespace_labels: &BTreeMap<String, String>,
    policies: &[impl AsRef<CredentialPolicy>],
) -> Permission {
    let needs = needs(object);
    if needs.is_empty() {
        return Permission::NotNeeded;
    }
    let namespace = object.namespace().unwrap_or_default();
    let applying: Vec<&CredentialPolicy> =
        policies.iter().map(AsRef::as_ref).filter(|p| selects(&p.spec.namespace_selector, namespace_labels)).collect();
    let mut by = Vec::new();
    for need in &needs {
        match applying.iter().find(|p| need.met_by(&p.spec.allow)) {
            Some(policy) => by.push(policy.name_any()),
            None => return Permission::Denied(need.advice(&namespace, applying.len())),
        }
    }
    by.sort();
    by.dedup();
    Permission::Allowed(by)
}

/// Whether a resource draws on anything of the administrator's.
pub fn needs_permission(object: &RefreshableCredential) -> bool {
    !needs(object).is_empty()
}

/// Something of the administrator's that a resource draws on.
#[derive(Debug)]
enum Need<'a> {
    /// To assume this role in a chain that starts from the controller's identity.
    Role { arn: &'a str, seconds: i32 },
    /// To call this endpoint.
    Endpoint(&'a str),
    /// To have ServiceAccount tokens of this audience.
    Audience(&'a str),
    /// To call this URL.
    Url(Cow<'a, str>),
    /// To run the program of that name.
    Process(&'a str),
    /// To load the PKCS#11 module of that name.
    Module(&'a str),
    /// To draw on the controller's machine.
    Node(NodeSource),
}

/// What AWS grants where `durationSeconds` is left out.
const DEFAULT_DURATION_SECONDS: i32 = 3600;

fn needs(object: &RefreshableCredential) -> Vec<Need<'_>> {
    let spec = &object.spec;
    let mut needs = Vec::new();
    if spec.source.as_ref().is_none_or(|s| s.ambient.is_some()) {
        needs.extend(
            spec.roles.iter().chain(spec.profiles.iter().flatten().flat_map(|p| &p.roles)).map(|r| Need::Role {
                arn: &r.role_arn,
                seconds: r.duration_seconds.unwrap_or(DEFAULT_DURATION_SECONDS),
            }),
        );
    }
    needs.extend(spec.sts.iter().filter_map(|s| s.endpoint.as_deref()).map(Need::Endpoint));
    let Some(source) = &spec.source else { return needs };
    let web = source.web_identity.iter().filter_map(|w| w.service_account_ref.as_ref());
    let logins = source.cognito.iter().flat_map(|c| c.logins.iter().flatten());
    let accounts = web.chain(logins.filter_map(|l| l.service_account_ref.as_ref()));
    let audiences = accounts.map(|a| a.audience.as_str()).filter(|a| *a != ServiceAccountReference::STS_AUDIENCE);
    needs.extend(audiences.map(Need::Audience));
    needs.extend(source.container.as_ref().map(|c| Need::Url(c.full_uri.as_str().into())));
    needs.extend(source.instance_metadata.as_ref().map(|_| Need::Node(NodeSource::InstanceMetadata)));
    needs.extend(source.pod_identity.as_ref().map(|_| Need::Node(NodeSource::PodIdentity)));
    let iot = source.iot.as_ref().filter(|i| !is_aws_iot(&i.endpoint));
    needs.extend(iot.map(|i| Need::Url(format!("https://{}/", i.endpoint).into())));
    let anywhere = source.roles_anywhere.as_ref();
    needs.extend(anywhere.and_then(|r| r.endpoint.as_deref()).map(|e| Need::Url(e.into())));
    let keys = [source.iot.as_ref().and_then(|i| i.pkcs11.as_ref()), anywhere.and_then(|r| r.pkcs11.as_ref())];
    needs.extend(keys.into_iter().flatten().map(|k| Need::Module(&k.module)));
    let Some(custom) = &source.custom else { return needs };
    needs.extend(custom.http.as_ref().map(|h| Need::Url(h.url.as_str().into())));
    needs.extend(custom.process.as_ref().map(|p| Need::Process(&p.name)));
    needs
}

/// Whether a host is one of AWS IoT's own credential providers.
fn is_aws_iot(host: &str) -> bool {
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    ["amazonaws.com", "amazonaws.com.cn"]
        .iter()
        .any(|domain| wildcard_matches(&format!("*.credentials.iot.*.{domain}"), host, label))
}

impl Need<'_> {
    fn met_by(&self, allow: &Allow) -> bool {
        match self {
            Self::Role { arn, seconds } => allow.roles.iter().any(|grant| {
                grant.max_duration_seconds.is_none_or(|most| *seconds <= most)
                    && grant.arns.iter().any(|pattern| arn_matches(pattern, arn))
            }),
            Self::Endpoint(url) => allow.endpoints.iter().any(|pattern| url_matches(pattern, url)),
            Self::Url(url) => allow.urls.iter().any(|pattern| url_matches(pattern, url)),
            Self::Node(source) => allow.sources.contains(source),
            Self::Process(name) => allow.processes.iter().any(|p| p == name),
            Self::Module(name) => allow.pkcs11_modules.iter().any(|m| m == name),
            Self::Audience(audience) => allow.audiences.iter().any(|a| a == audience),
        }
    }

    fn advice(&self, namespace: &str, applying: usize) -> String {
        let (what, rule) = match self {
            Self::Role { arn, seconds } => (
                format!("to assume {arn} for {seconds} s from the controller's own identity"),
                format!("spec.allow.roles: [{{arns: [\"{arn}\"]}}]"),
            ),
            Self::Endpoint(url) => {
                (format!("to call the STS endpoint {url}"), format!("spec.allow.endpoints: [\"{url}\"]"))
            }
            Self::Url(url) => (format!("to call {url}"), format!("spec.allow.urls: [\"{url}\"]")),
            Self::Node(source) => {
                (format!("the controller's own {source:?}"), format!("spec.allow.sources: [{source:?}]"))
            }
            Self::Process(name) => {
                (format!("to run the process {name}"), format!("spec.allow.processes: [\"{name}\"]"))
            }
            Self::Module(name) => {
                (format!("to use the PKCS#11 module {name}"), format!("spec.allow.pkcs11Modules: [\"{name}\"]"))
            }
            Self::Audience(audience) => (
                format!("ServiceAccount tokens with audience {audience}"),
                format!("spec.allow.audiences: [\"{audience}\"]"),
            ),
        };
        format!(
            "no CredentialPolicy allows namespace {namespace} {what} ({applying} select this namespace). \
             An administrator can allow it by a CredentialPolicy with {rule}"
        )
    }
}

/// Whether a label selector selects these labels. One that cannot be read selects nothing.
fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let readable = selector.match_expressions.iter().flatten().all(|e| {
        let values = e.values.as_ref().is_some_and(|v| !v.is_empty());
        match e.operator.as_str() {
            "In" | "NotIn" => values,
            "Exists" | "DoesNotExist" => !values,
            _ => false,
        }
    });
    let Ok(selector) = Selector::try_from(selector.clone()) else { return false };
    readable && selector.matches(labels)
}

/// Matches an ARN part by part: a wildcard never crosses a colon, so `arn:aws:iam::*:role/x` cannot be
/// stretched over the account. The last part (the resource) may hold colons of its own.
pub fn arn_matches(pattern: &str, arn: &str) -> bool {
    const PARTS: usize = 6;
    let pattern: Vec<_> = pattern.splitn(PARTS, ':').collect();
    let arn: Vec<_> = arn.splitn(PARTS, ':').collect();
    pattern.len() == PARTS
        && arn.len() == PARTS
        && pattern.iter().zip(&arn).all(|(p, a)| wildcard_matches(p, a, |_| true))
}

/// Matches a URL: scheme, host and port must agree, where a `*` in the pattern's host stands for
/// characters other than the dot; the path must be the pattern's or lie below it.
fn url_matches(pattern: &str, url: &str) -> bool {
    let (Some((p_scheme, p_rest)), Some((u_scheme, u_rest))) = (pattern.split_once("://"), url.split_once("://"))
    else {
        return false;
    };
    let (p_host, p_path) = p_rest.split_once('/').unwrap_or((p_rest, ""));
    let (u_host, u_path) = u_rest.split_once('/').unwrap_or((u_rest, ""));
    let p_path = p_path.trim_end_matches('/');
    let plain_host = !u_host.is_empty() && !u_host.contains(['@', '?', '#', '\\', '%']);
    let plain_path = !u_path.contains(['?', '#', '\\', '%']) && !u_path.split('/').any(|s| s == "..");
    let below =
        p_path.is_empty() || u_path == p_path || u_path.strip_prefix(p_path).is_some_and(|r| r.starts_with('/'));
    // An address is allowed where it is written out, never by a wildcard.
    let literal = !is_address(u_host) || p_host.eq_ignore_ascii_case(u_host);
    p_scheme == u_scheme
        && literal
        && plain_host
        && plain_path
        && below
        && wildcard_matches(&p_host.to_ascii_lowercase(), &u_host.to_ascii_lowercase(), |c| c != '.')
}

/// Whether a URL's host (with its port) is an IP address, in any form that a URL parser takes for one.
fn is_address(host: &str) -> bool {
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.chars().all(|c| c.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let number = last.chars().all(|c| c.is_ascii_digit()) || last.to_ascii_lowercase().starts_with("0x");
    name.starts_with('[') || number
}

/// Matches `text` against a pattern in which `*` stands for any run of characters that `may` allows
/// and `?` for one of them. Linear in the product of the lengths, so no pattern can stall it.
pub fn wildcard_matches(pattern: &str, text: &str, may: impl Fn(char) -> bool) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut reach = vec![false; text.len() + 1];
    reach[0] = true;
    for p in pattern.chars() {
        let mut next = vec![false; text.len() + 1];
        if p == '*' {
            next[0] = reach[0];
            for i in 0..text.len() {
                next[i + 1] = reach[i + 1] || (next[i] && may(text[i]));
            }
        } else {
            for i in 0..text.len() {
                next[i + 1] = reach[i] && (p == text[i] || (p == '?' && may(text[i])));
            }
        }
        reach = next;
    }
    reach[text.len()]
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
