//! Amazon ECR's GetAuthorizationToken: which calls to make, where, and what they answer.

use super::field;
use crate::expiry;
use crate::issuer::{IssueError, is_word};
use crate::partition;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use refreshable_api::{EcrHost, EcrRegistry, EcrToken};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The operation, of ECR and of ECR Public.
pub const OPERATION: &str = "GetAuthorizationToken";
/// Body of the request: `registryIds` is deprecated, since a token serves each registry that the
/// principal may use.
pub const BODY: &str = "{}";
/// Host names of ECR Public.
pub const PUBLIC_HOSTS: [&str; 2] = ["public.ecr.aws", "ecr-public.aws.com"];
/// Where ECR Public gives tokens, wherever its images are pulled.
const PUBLIC_REGION: &str = "us-east-1";

/// One call, and the hosts that its password is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCall {
    /// The service.
    pub service: Service,
    /// The Region that is called.
    pub region: String,
    /// Host names of registries.
    pub hosts: Vec<String>,
}

/// The service that gives a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Amazon ECR.
    Private,
    /// Amazon ECR Public.
    Public,
}

impl Service {
    /// Name of the service in signatures.
    pub fn signing_name(self) -> &'static str {
        match self {
            Self::Private => "ecr",
            Self::Public => "ecr-public",
        }
    }

    /// AWS's id of the service, of which `AWS_ENDPOINT_URL_<id>` is made.
    pub fn id(self) -> &'static str {
        match self {
            Self::Private => "ECR",
            Self::Public => "ECR PUBLIC",
        }
    }

    /// Value of `X-Amz-Target`.
    pub fn target(self) -> &'static str {
        match self {
            Self::Private => "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
            Self::Public => "SpencerFrontendService.GetAuthorizationToken",
        }
    }
}

/// The calls for `token`: one for each Region, and one for ECR Public.
///
/// # Errors
/// [`IssueError::Specification`] for an account or a Region that cannot stand in a host name: an
/// object that was stored before the CRD said so may hold any text.
pub fn calls(token: &EcrToken) -> Result<Vec<TokenCall>, IssueError> {
    let mut by_region: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for registry in &token.registries {
        checked(registry)?;
        by_region.entry(&registry.region).or_default().extend(hosts(registry));
    }
    let private = by_region.into_iter().map(|(region, hosts)| TokenCall {
        service: Service::Private,
        region: region.to_owned(),
        hosts,
    });
    let public = token.public().then(|| TokenCall {
        service: Service::Public,
        region: PUBLIC_REGION.to_owned(),
        hosts: PUBLIC_HOSTS.map(str::to_owned).to_vec(),
    });
    Ok(private.chain(public).collect())
}

/// How many calls that are.
pub fn count(token: &EcrToken) -> u32 {
    calls(token).map_or(0, |calls| u32::try_from(calls.len()).unwrap_or(u32::MAX))
}

fn checked(registry: &EcrRegistry) -> Result<(), IssueError> {
    field::account("ecr.registries.accountId", &registry.account_id)?;
    field::region("ecr.registries.region", &registry.region)
}

/// Host names of a registry, as [AWS gives
/// them](https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-requests.html).
fn hosts(registry: &EcrRegistry) -> impl Iterator<Item = String> {
    let EcrRegistry { account_id: account, region, .. } = registry;
    let partition = partition::of_region(region);
    let dual_stack = partition.dual_stack.replacen("api.", "on.", 1);
    registry.hosts().iter().map(move |kind| match kind {
        EcrHost::Standard => format!("{account}.dkr.ecr.{region}.{}", partition.domain),
        EcrHost::Fips => format!("{account}.dkr.ecr-fips.{region}.{}", partition.domain),
        EcrHost::DualStack => format!("{account}.dkr-ecr.{region}.{dual_stack}"),
        EcrHost::DualStackFips => format!("{account}.dkr-ecr-fips.{region}.{dual_stack}"),
    })
}

/// URL of the service's endpoint, as [AWS lists
/// them](https://docs.aws.amazon.com/general/latest/gr/ecr.html).
pub fn endpoint(service: Service, region: &str, fips: bool, dual_stack: bool) -> String {
    let partition = partition::of_region(region);
    let domain = if dual_stack { partition.dual_stack } else { partition.domain };
    let host = match (service, fips, dual_stack) {
        (Service::Private, false, false) => "api.ecr",
        (Service::Private, false, true) => "ecr",
        (Service::Private, true, _) => "ecr-fips",
        (Service::Public, false, false) => "api.ecr-public",
        (Service::Public, false, true) => "ecr-public",
        // AWS has none: the name is the one that its SDKs make.
        (Service::Public, true, _) => "api.ecr-public-fips",
    };
    format!("https://{host}.{region}.{domain}")
}

/// User and password of registries. `Debug` shows neither.
pub struct Login {
    /// The user, `AWS`.
    pub user: String,
    /// The password.
    pub password: SecretString,
    /// When the registries stop taking it.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// The response. ECR's holds a list with one element for each registry that was asked for, ECR
/// Public's an object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    authorization_data: Option<Listed>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Listed {
    Many(Vec<Data>),
    One(Data),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    authorization_token: Option<SecretString>,
    expires_at: Option<Value>,
}

/// Reads the body of a response.
///
/// # Errors
/// [`IssueError::InvalidAnswer`], naming the member that is missing or wrong and never its value.
pub fn read(body: &[u8], request_id: Option<&str>) -> Result<Login, IssueError> {
    let invalid = |what: &str| IssueError::InvalidAnswer {
        operation: OPERATION,
        what: what.to_owned(),
        request_id: request_id.map(str::to_owned),
    };
    // serde's message could quote the body.
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|_| invalid("it is not a JSON object with authorizationData"))?;
    let data = match answer.authorization_data {
        Some(Listed::Many(many)) => many.into_iter().next(),
        Some(Listed::One(one)) => Some(one),
        None => None,
    };
    let data = data.ok_or_else(|| invalid("authorizationData is missing or empty"))?;
    let token = data.authorization_token.ok_or_else(|| invalid("authorizationToken is missing"))?;
    let pair = STANDARD.decode(token.expose_secret().trim()).ok();
    let pair = pair.and_then(|bytes| String::from_utf8(bytes).ok()).map(SecretString::from);
    let wrong = || invalid("authorizationToken is not user:password in base64");
    let pair = pair.ok_or_else(wrong)?;
    let (user, password) = pair.expose_secret().split_once(':').ok_or_else(wrong)?;
    if !is_word(user) || !is_word(password) {
        return Err(wrong());
    }
    let expires_at = data.expires_at.as_ref().and_then(expiry::from_json);
    Ok(Login {
        user: user.to_owned(),
        password: SecretString::from(password),
        expires_at: expires_at.ok_or_else(|| invalid("expiresAt is missing or cannot be read"))?,
    })
}

#[cfg(test)]
#[path = "ecr_tests.rs"]
mod tests;
