//! STS, called directly: one shared client, with the settings of each call on top.
//!
//! aws-config's ready-made providers are used only for the controller's own identity: they hide
//! error codes and lack most of AssumeRole's parameters. The SDK's retries are off, because the
//! whole process shares their budget, and one tenant could starve others.

mod answer;
mod assume_role;
mod caller_identity;
mod federation_token;
mod outbound;
mod saml;
mod session_token;
mod web_identity;

pub use assume_role::RoleCall;
pub use federation_token::FederationCall;
pub use outbound::OutboundCall;
pub use saml::SamlCall;
pub use session_token::SessionCall;
pub use web_identity::WebIdentityCall;

use super::ask::Ask;
use super::call::{DateSeen, Meter, TIMEOUT, timeouts};
use super::client;
use super::region::{self, Home};
use crate::aws::sent::Sent;
use crate::certificate::authorities;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::config::{
    BehaviorVersion, Credentials, IdentityCache, Region, SharedHttpClient, retry::RetryConfig,
};
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use jiff::Timestamp;
use parking_lot::Mutex;
use refreshable_api::{PolicyDescriptor, StsSpec, Tag as TagSpec};
use refreshable_rules::issuer::{AccessKey, IssueError, Issuer, Redactor};
use refreshable_rules::patterns::NetworkScope;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Credentials that sign a call.
#[derive(Clone, Debug)]
pub enum Caller {
    /// A key, of a user or of a session.
    Key(AccessKey),
    /// The controller's own identity.
    Ambient(SharedCredentialsProvider),
}

/// STS, with every endpoint that specifications may name.
#[derive(Clone)]
pub struct Sts {
    client: aws_sdk_sts::Client,
    meter: Arc<dyn Meter>,
    /// The controller's own Region, or the Region of the source.
    own_region: Option<String>,
    /// The Region in an input of the source, read during the attempt; it overrides `own_region`.
    learned_region: Arc<OnceLock<String>>,
    /// Network scope of `spec.sts.endpoint`.
    reach: NetworkScope,
    clients: Arc<Mutex<HashMap<Peer, SharedHttpClient>>>,
    /// Secrets that the attempt sent through this STS.
    redactor: Redactor,
}

/// Key of a cached HTTP client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Peer {
    /// The certificates to trust; absent for the system's.
    ca_bundle: Option<String>,
    /// Network scope of an endpoint that a specification names.
    named: Option<NetworkScope>,
}

impl std::fmt::Debug for Sts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sts").field("own_region", &self.own_region).finish_non_exhaustive()
    }
}

/// Longest list of HTTP clients kept.
const MOST_CLIENTS: usize = 64;

impl Sts {
    /// STS as `config` (aws-config's) describes it: Region, `AWS_ENDPOINT_URL_STS`, proxies, HTTP
    /// client, time source.
    pub fn new(config: &aws_types::SdkConfig, meter: impl Meter + 'static) -> Self {
        let own = aws_sdk_sts::config::Builder::from(config)
            .behavior_version(BehaviorVersion::v2026_01_12())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(TIMEOUT))
            .build();
        Self {
            client: aws_sdk_sts::Client::from_conf(own),
            meter: Arc::new(meter),
            own_region: config.region().map(|r| r.as_ref().to_owned()),
            learned_region: Arc::default(),
            reach: NetworkScope::default(),
            clients: Arc::default(),
            redactor: Redactor::default(),
        }
    }

    /// The same STS for one attempt, with this network scope for the specification's endpoint.
    #[must_use]
    pub fn reaching(&self, reach: NetworkScope) -> Self {
        Self { reach, redactor: Redactor::default(), ..self.clone() }
    }

    /// Secrets that the attempt sent.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The same STS for one attempt of a source whose credentials belong to `home`.
    #[must_use]
    pub fn at(&self, home: Home<'_>) -> Self {
        let own_region = home.region(self.own_region.as_deref());
        Self { own_region, learned_region: Arc::default(), ..self.clone() }
    }

    /// Records the Region of the source's credentials, where only an input names it.
    pub(crate) fn learn_region(&self, region: &str) {
        // One attempt reads the input once; the first value counts.
        let _ = self.learned_region.set(region.to_owned());
    }

    /// Counts calls to issuers.
    pub fn meter(&self) -> &dyn Meter {
        self.meter.as_ref()
    }

    /// The Region that is called for a role.
    pub fn region(&self, spec: &StsSpec, role_arn: Option<&str>) -> String {
        let own = self.learned_region.get().or(self.own_region.as_ref());
        region::choose(spec.region.as_deref(), own.map(String::as_str), role_arn)
    }

    /// Settings of one call, on top of the shared configuration.
    fn config(
        &self,
        spec: &StsSpec,
        role_arn: Option<&str>,
        caller: Option<&Caller>,
        date: &DateSeen,
    ) -> Result<aws_sdk_sts::config::Builder, IssueError> {
        let mut config = aws_sdk_sts::config::Config::builder()
            .region(Region::new(self.region(spec, role_arn)))
            .interceptor(date.clone())
            .interceptor(Sent(self.redactor.clone()));
        if let Some(Caller::Key(key)) = caller {
            self.redactor.protect_key(key);
        }
        config = match caller {
            Some(Caller::Key(key)) => config
                .credentials_provider(credentials(key))
                .identity_cache(IdentityCache::no_cache()),
            Some(Caller::Ambient(provider)) => config.credentials_provider(provider.clone()),
            None => config.identity_cache(IdentityCache::no_cache()),
        };
        if let Some(url) = &spec.endpoint {
            config = config.endpoint_url(url);
        }
        if let Some(fips) = spec.use_fips {
            config = config.use_fips(fips);
        }
        if let Some(dual_stack) = spec.use_dualstack {
            config = config.use_dual_stack(dual_stack);
        }
        if let Some(seconds) = spec.timeout_seconds.and_then(|s| u64::try_from(s).ok()) {
            config = config.timeout_config(timeouts(Duration::from_secs(seconds)));
        }
        if spec.endpoint.is_some() || spec.ca_bundle.is_some() {
            config = config.http_client(self.client_for(spec)?);
        }
        Ok(config)
    }

    /// An HTTP client that trusts only the specification's certificates, and is guarded where the
    /// specification names the endpoint. It is cached, because a client holds its connections.
    fn client_for(&self, spec: &StsSpec) -> Result<SharedHttpClient, IssueError> {
        let peer = Peer {
            ca_bundle: spec.ca_bundle.clone(),
            named: spec.endpoint.as_ref().map(|_| self.reach),
        };
        let mut clients = self.clients.lock();
        if let Some(client) = clients.get(&peer) {
            return Ok(client.clone());
        }
        let trust =
            peer.ca_bundle.as_deref().map_or_else(|| Ok(TlsContext::default()), trusting)?;
        let client = match peer.named {
            Some(reach) => client::named(trust, reach),
            None => client::own(trust),
        };
        if clients.len() >= MOST_CLIENTS {
            clients.clear();
        }
        clients.insert(peer, client.clone());
        Ok(client)
    }

    /// How the errors and the metrics of a call name it. Calls for a role go to the Region of
    /// `role_arn`.
    fn ask<'a>(
        &self,
        operation: &'static str,
        subject: &'a str,
        role_arn: Option<&str>,
        spec: &StsSpec,
        now: Timestamp,
    ) -> Ask<'a> {
        let endpoint = spec
            .endpoint
            .clone()
            .unwrap_or_else(|| format!("STS in {}", self.region(spec, role_arn)));
        Ask { operation, subject, endpoint, issuer: issuer_of(spec), now }
    }
}

/// Domains of AWS's own endpoints, including those of a VPC.
const AWS_DOMAINS: [&str; 3] = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"];

/// The kind of server that responds as STS: AWS, or the store whose endpoint the specification
/// names.
pub(crate) fn issuer_of(spec: &StsSpec) -> Issuer {
    let Some(url) = &spec.endpoint else { return Issuer::Aws };
    let host = url
        .parse::<::http::Uri>()
        .ok()
        .and_then(|u| u.host().map(str::to_ascii_lowercase))
        .unwrap_or_default();
    if AWS_DOMAINS.iter().any(|domain| host.ends_with(domain)) {
        Issuer::Aws
    } else {
        Issuer::Store
    }
}

/// Trust in only the certificates of `pem`.
fn trusting(pem: &str) -> Result<TlsContext, IssueError> {
    let invalid =
        |what: String| IssueError::Specification { field: "spec.sts.caBundle".to_owned(), what };
    let certificates = authorities(pem.as_bytes()).map_err(invalid)?;
    TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_pem_certificate(certificates.as_bytes()))
        .build()
        .map_err(|e| invalid(e.to_string()))
}

/// The key, as the SDK takes it.
pub(crate) fn credentials(key: &AccessKey) -> Credentials {
    Credentials::new(
        &key.id,
        key.secret.expose_secret(),
        key.token.as_ref().map(|t| t.expose_secret().to_owned()),
        None,
        "refreshable",
    )
}

fn exposed(secret: Option<&SecretString>) -> Option<String> {
    secret.map(|s| s.expose_secret().to_owned())
}

fn policy_arns(list: Option<&[PolicyDescriptor]>) -> Option<Vec<PolicyDescriptorType>> {
    list.map(|l| l.iter().map(|p| PolicyDescriptorType::builder().arn(&p.arn).build()).collect())
}

fn tags(list: Option<&[TagSpec]>) -> Result<Option<Vec<Tag>>, IssueError> {
    let build = |t: &TagSpec| {
        Tag::builder().key(&t.key).value(&t.value).build().map_err(|e| IssueError::Specification {
            field: "tags".to_owned(),
            what: e.to_string(),
        })
    };
    list.map(|tags| tags.iter().map(build).collect()).transpose()
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
