//! STS, called directly: one shared client, with what differs for a call laid over it.
//!
//! aws-config's ready-made providers are used for the controller's own identity alone: they hide
//! error codes and lack most of AssumeRole's parameters. Retries are the controller's, so the
//! SDK's are off: its retry budget is shared by the whole process, and one tenant could starve others.

use super::error::AwsError;
use super::region;
use crate::api::{PrincipalStatus, Role, StsSpec, WebIdentitySource};
use crate::rules::ownership::account_of;
use crate::source::{AccessKey, IssueError, Issued, Lifetime, Session};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::config::{
    BehaviorVersion, ConfigBag, Credentials, IdentityCache, Intercept, Region, RuntimeComponents, SharedHttpClient,
    interceptors::BeforeDeserializationInterceptorContextRef, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId as _;
use aws_sdk_sts::types::{PolicyDescriptorType, ProvidedContext, Tag};
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Time limit for a call where the specification sets none.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Time limit for making a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Counts calls to issuers.
pub trait Meter: Send + Sync {
    /// An issuer answered, or did not: `outcome` is `success`, or the class of the failure.
    fn issuer_call(&self, operation: &'static str, outcome: &'static str, took: Duration);
}

/// What signs a call.
#[derive(Clone, Debug)]
pub enum Caller {
    /// A key, of a user or of a session.
    Key(AccessKey),
    /// The controller's own identity.
    Ambient(SharedCredentialsProvider),
}

/// AssumeRole, with what does not stand in the specification itself.
#[derive(Clone, Copy)]
pub struct RoleCall<'a> {
    /// The role.
    pub role: &'a Role,
    /// `RoleSessionName`.
    pub session_name: &'a str,
    /// `ExternalId`.
    pub external_id: Option<&'a SecretString>,
    /// `TokenCode`.
    pub token_code: Option<&'a SecretString>,
}

/// AssumeRoleWithWebIdentity, with what does not stand in the specification itself.
#[derive(Clone, Copy)]
pub struct WebIdentity<'a> {
    /// The source.
    pub source: &'a WebIdentitySource,
    /// `WebIdentityToken`.
    pub token: &'a SecretString,
    /// `RoleSessionName` where the source names none.
    pub session_name: &'a str,
}

/// STS, with every endpoint that specifications may name.
#[derive(Clone)]
pub struct Sts {
    client: aws_sdk_sts::Client,
    meter: Arc<dyn Meter>,
    own_region: Option<String>,
    by_ca: Arc<Mutex<HashMap<String, SharedHttpClient>>>,
}

impl std::fmt::Debug for Sts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sts").field("own_region", &self.own_region).finish_non_exhaustive()
    }
}

/// Longest list of HTTP clients kept for CA bundles.
const MOST_CA_CLIENTS: usize = 64;

impl Sts {
    /// STS as `config` (aws-config's) describes it: Region, `AWS_ENDPOINT_URL_STS`, proxies, HTTP client, time source.
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
            by_ca: Arc::default(),
        }
    }

    /// The Region that is called for a role.
    pub fn region(&self, spec: &StsSpec, role_arn: Option<&str>) -> String {
        region::choose(spec.region.as_deref(), self.own_region.as_deref(), role_arn)
    }

    /// [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html).
    ///
    /// # Errors
    /// What the issuer refused, or why it could not be asked.
    pub async fn assume_role(
        &self,
        call: RoleCall<'_>,
        caller: &Caller,
        spec: &StsSpec,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        const OPERATION: &str = "AssumeRole";
        let role = call.role;
        let date = DateSeen::default();
        let config = self.config(spec, Some(&role.role_arn), Some(caller), &date)?;
        let call_to_sts = self
            .client
            .assume_role()
            .role_arn(&role.role_arn)
            .role_session_name(call.session_name)
            .set_duration_seconds(role.duration_seconds)
            .set_external_id(exposed(call.external_id))
            .set_policy(role.policy.clone())
            .set_policy_arns(policy_arns(role.policy_arns.as_deref()))
            .set_tags(tags(role)?)
            .set_transitive_tag_keys(role.transitive_tag_keys.clone())
            .set_source_identity(role.source_identity.clone())
            .set_serial_number(role.serial_number.clone())
            .set_token_code(exposed(call.token_code))
            .set_provided_contexts(contexts(role))
            .customize()
            .config_override(config)
            .send();
        let secrets = [call.external_id, call.token_code];
        let answer =
            self.metered(OPERATION, call_to_sts, |e| self.failed(OPERATION, &role.role_arn, spec, &secrets, e)).await?;
        let request_id = answer.request_id().map(str::to_owned);
        let user = answer.assumed_role_user();
        Ok(Issued {
            lifetime: lifetime(OPERATION, answer.credentials(), request_id.as_deref(), &date, now)?,
            session: session(OPERATION, answer.credentials(), request_id.as_deref())?,
            principal: principal(user.map(|u| u.arn()), user.map(|u| u.assumed_role_id())),
            #[allow(deprecated)]
            packed_policy_size: answer.packed_policy_size(),
        })
    }

    /// [AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html), unsigned.
    ///
    /// # Errors
    /// What the issuer refused, or why it could not be asked.
    pub async fn assume_role_with_web_identity(
        &self,
        call: WebIdentity<'_>,
        spec: &StsSpec,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        const OPERATION: &str = "AssumeRoleWithWebIdentity";
        let source = call.source;
        let date = DateSeen::default();
        let config = self.config(spec, Some(&source.role_arn), None, &date)?;
        let call_to_sts = self
            .client
            .assume_role_with_web_identity()
            .role_arn(&source.role_arn)
            .role_session_name(source.role_session_name.as_deref().unwrap_or(call.session_name))
            .web_identity_token(call.token.expose_secret())
            .set_duration_seconds(source.duration_seconds)
            .set_policy(source.policy.clone())
            .set_policy_arns(policy_arns(source.policy_arns.as_deref()))
            .set_provider_id(source.provider_id.clone())
            .customize()
            .config_override(config)
            .send();
        let secrets = [Some(call.token)];
        let answer = self
            .metered(OPERATION, call_to_sts, |e| self.failed(OPERATION, &source.role_arn, spec, &secrets, e))
            .await?;
        let request_id = answer.request_id().map(str::to_owned);
        let user = answer.assumed_role_user();
        Ok(Issued {
            lifetime: lifetime(OPERATION, answer.credentials(), request_id.as_deref(), &date, now)?,
            session: session(OPERATION, answer.credentials(), request_id.as_deref())?,
            principal: principal(user.map(|u| u.arn()), user.map(|u| u.assumed_role_id())),
            #[allow(deprecated)]
            packed_policy_size: answer.packed_policy_size(),
        })
    }

    /// [GetCallerIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html): whose credentials are these?
    ///
    /// # Errors
    /// What the issuer refused, or why it could not be asked.
    pub async fn get_caller_identity(
        &self,
        caller: &Caller,
        spec: &StsSpec,
        _now: Timestamp,
    ) -> Result<PrincipalStatus, IssueError> {
        const OPERATION: &str = "GetCallerIdentity";
        let date = DateSeen::default();
        let config = self.config(spec, None, Some(caller), &date)?;
        let call_to_sts = self.client.get_caller_identity().customize().config_override(config).send();
        let answer = self.metered(OPERATION, call_to_sts, |e| self.failed(OPERATION, "", spec, &[], e)).await?;
        let mut found = principal(answer.arn(), answer.user_id());
        found.account_id = answer.account().map(str::to_owned).or(found.account_id);
        Ok(found)
    }

    /// What is laid over the shared configuration for one call.
    fn config(
        &self,
        spec: &StsSpec,
        role_arn: Option<&str>,
        caller: Option<&Caller>,
        date: &DateSeen,
    ) -> Result<aws_sdk_sts::config::Builder, IssueError> {
        let mut config = aws_sdk_sts::config::Config::builder()
            .region(Region::new(self.region(spec, role_arn)))
            .interceptor(date.clone());
        config = match caller {
            Some(Caller::Key(key)) => {
                config.credentials_provider(credentials(key)).identity_cache(IdentityCache::no_cache())
            }
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
        if let Some(pem) = &spec.ca_bundle {
            config = config.http_client(self.client_trusting(pem)?);
        }
        Ok(config)
    }

    /// An HTTP client that trusts the certificates of `pem` alone; kept, because a client holds its connections.
    fn client_trusting(&self, pem: &str) -> Result<SharedHttpClient, IssueError> {
        let mut clients = self.by_ca.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(pem) {
            return Ok(client.clone());
        }
        let invalid = |what: String| IssueError::Specification { field: "spec.sts.caBundle".to_owned(), what };
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| invalid(format!("this is no list of certificates in PEM: {e}")))?;
        if certificates.is_empty() {
            return Err(invalid("there is no certificate in it".to_owned()));
        }
        for certificate in certificates {
            rustls::RootCertStore::empty()
                .add(certificate)
                .map_err(|e| invalid(format!("a certificate in it cannot be read: {e}")))?;
        }
        let context = TlsContext::builder()
            .with_trust_store(TrustStore::empty().with_pem_certificate(pem.as_bytes()))
            .build()
            .map_err(|e| invalid(e.to_string()))?;
        let client = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context)
            .build_https();
        if clients.len() >= MOST_CA_CLIENTS {
            clients.clear();
        }
        clients.insert(pem.to_owned(), client.clone());
        Ok(client)
    }

    /// Makes a call and counts it.
    async fn metered<T, E>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, E>>,
        failed: impl FnOnce(E) -> IssueError,
    ) -> Result<T, IssueError> {
        let began = Instant::now();
        let result = call.await.map_err(failed);
        let outcome = result.as_ref().map_or_else(|e| e.class().as_str(), |_| "success");
        self.meter.issuer_call(operation, outcome, began.elapsed());
        result
    }

    fn failed<E>(
        &self,
        operation: &'static str,
        subject: &str,
        spec: &StsSpec,
        secrets: &[Option<&SecretString>],
        error: SdkError<E, HttpResponse>,
    ) -> IssueError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let endpoint = spec.endpoint.clone().unwrap_or_else(|| format!("STS in {}", self.region(spec, Some(subject))));
        let unreachable = |detail: String| IssueError::Unreachable {
            operation,
            endpoint: endpoint.clone(),
            detail: redact(detail, secrets),
        };
        let status = error.raw_response().map(|r| r.status().as_u16());
        let request_id = error.raw_response().and_then(|r| r.request_id()).map(str::to_owned);
        match &error {
            SdkError::TimeoutError(_) => unreachable("no answer in time".to_owned()),
            SdkError::DispatchFailure(e) => match no_identity(&error) {
                Some(detail) => IssueError::NoIdentity { detail },
                None => unreachable(e.as_connector_error().map_or_else(|| chain_of(&error), |c| chain_of(c))),
            },
            SdkError::ConstructionFailure(_) => match no_identity(&error) {
                Some(detail) => IssueError::NoIdentity { detail },
                None => IssueError::Specification { field: "spec".to_owned(), what: redact(chain_of(&error), secrets) },
            },
            SdkError::ServiceError(e) if e.err().code().is_some() => IssueError::Refused {
                operation,
                subject: subject.to_owned(),
                error: AwsError {
                    code: e.err().code().unwrap_or_default().to_owned(),
                    message: redact(e.err().message().unwrap_or_default().to_owned(), secrets),
                    request_id: e.err().meta().request_id().map(str::to_owned).or(request_id),
                    status: status.unwrap_or_default(),
                },
            },
            _ => match status {
                Some(status @ (429 | 500..)) => IssueError::Refused {
                    operation,
                    subject: subject.to_owned(),
                    error: AwsError {
                        code: format!("HTTP {status}"),
                        message: "an answer that is not AWS's".to_owned(),
                        request_id,
                        status,
                    },
                },
                Some(status) => IssueError::InvalidAnswer {
                    operation,
                    what: format!("HTTP {status} with a body that is not STS's"),
                    request_id,
                },
                None => IssueError::InvalidAnswer { operation, what: redact(chain_of(&error), secrets), request_id },
            },
        }
    }
}

fn timeouts(whole: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(whole))
        .operation_attempt_timeout(whole)
        .operation_timeout(whole)
        .build()
}

fn credentials(key: &AccessKey) -> Credentials {
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

fn policy_arns(list: Option<&[crate::api::PolicyDescriptor]>) -> Option<Vec<PolicyDescriptorType>> {
    list.map(|l| l.iter().map(|p| PolicyDescriptorType::builder().arn(&p.arn).build()).collect())
}

fn tags(role: &Role) -> Result<Option<Vec<Tag>>, IssueError> {
    let build = |t: &crate::api::Tag| {
        Tag::builder()
            .key(&t.key)
            .value(&t.value)
            .build()
            .map_err(|e| IssueError::Specification { field: "spec.roles.tags".to_owned(), what: e.to_string() })
    };
    role.tags.as_ref().map(|tags| tags.iter().map(build).collect()).transpose()
}

fn contexts(role: &Role) -> Option<Vec<ProvidedContext>> {
    role.provided_contexts.as_ref().map(|list| {
        list.iter()
            .map(|c| {
                ProvidedContext::builder().provider_arn(&c.provider_arn).context_assertion(&c.context_assertion).build()
            })
            .collect()
    })
}

fn session(
    operation: &'static str,
    given: Option<&aws_sdk_sts::types::Credentials>,
    request_id: Option<&str>,
) -> Result<Session, IssueError> {
    let lacks = |what: &str| IssueError::InvalidAnswer {
        operation,
        what: what.to_owned(),
        request_id: request_id.map(str::to_owned),
    };
    let given = given.ok_or_else(|| lacks("there are no credentials in it"))?;
    for (name, value) in [
        ("AccessKeyId", given.access_key_id()),
        ("SecretAccessKey", given.secret_access_key()),
        ("SessionToken", given.session_token()),
    ] {
        if value.is_empty() {
            return Err(lacks(&format!("{name} is missing or empty")));
        }
        if value.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(lacks(&format!("{name} has white space or control characters in it")));
        }
    }
    Ok(Session {
        key: AccessKey {
            id: given.access_key_id().to_owned(),
            secret: SecretString::from(given.secret_access_key()),
            token: Some(SecretString::from(given.session_token())),
        },
        expiration: expiration(given).ok_or_else(|| lacks("Expiration is missing or cannot be read"))?,
    })
}

fn expiration(given: &aws_sdk_sts::types::Credentials) -> Option<Timestamp> {
    let e = given.expiration();
    Timestamp::new(e.secs(), i32::try_from(e.subsec_nanos()).ok()?).ok().filter(|t| t.as_second() > 0)
}

fn lifetime(
    operation: &'static str,
    given: Option<&aws_sdk_sts::types::Credentials>,
    request_id: Option<&str>,
    date: &DateSeen,
    now: Timestamp,
) -> Result<Lifetime, IssueError> {
    let session = session(operation, given, request_id)?;
    Lifetime::judge(operation, session.expiration, date.get(), now)
}

fn principal(arn: Option<&str>, user_id: Option<&str>) -> PrincipalStatus {
    let arn = arn.filter(|a| !a.is_empty());
    PrincipalStatus {
        account_id: arn.and_then(account_of),
        arn: arn.map(str::to_owned),
        user_id: user_id.filter(|u| !u.is_empty()).map(str::to_owned),
    }
}

/// Takes what was sent in confidence out of a text that came back.
fn redact(mut text: String, secrets: &[Option<&SecretString>]) -> String {
    for secret in secrets.iter().flatten() {
        text = text.replace(secret.expose_secret(), "<redacted>");
    }
    text
}

/// An error with its causes, as one line.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        next = cause.source();
    }
    parts.join(": ")
}

/// Where an error comes from the chain that looks for the controller's own identity, what it says.
fn no_identity(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.is::<aws_credential_types::provider::error::CredentialsError>() {
            return Some(chain_of(cause));
        }
        next = cause.source();
    }
    None
}

/// The `Date` of an answer: what the issuer's clock says.
#[derive(Clone, Debug, Default)]
struct DateSeen(Arc<Mutex<Option<Timestamp>>>);

impl DateSeen {
    fn get(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for DateSeen {
    fn name(&self) -> &'static str {
        "DateSeen"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), aws_sdk_sts::error::BoxError> {
        let date = context.response().headers().get("date").and_then(|d| jiff::fmt::rfc2822::parse(d).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date.map(|z| z.timestamp());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_in_confidence_does_not_come_back() {
        let secret = SecretString::from("4f2a-secret");
        let text = redact("ExternalId 4f2a-secret does not match".to_owned(), &[Some(&secret), None]);
        assert_eq!(text, "ExternalId <redacted> does not match");
    }
}
