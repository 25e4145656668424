//! IAM Roles Anywhere's CreateSession, signed with a certificate's private key.

use super::ca_bundle::ca_bundle;
use super::{Obtained, Request, Source, device, endpoint, verify};
use crate::aws::call::counted;
use crate::aws::region::Home;
use crate::aws::x509_signature::{self, Signed};
use crate::http::{Call, Way};
use futures::future::BoxFuture;
use jiff::Timestamp;
use refreshable_api::{Arn, CaBundleReference, PrincipalStatus, RolesAnywhereSource};
use refreshable_rules::issuer::json::{self, Wire};
use refreshable_rules::issuer::{IssueError, Issued, Issuer};
use refreshable_rules::policy::Grants;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

const OPERATION: &str = "CreateSession";
const PATH: &str = "/sessions";

/// The response.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    credential_set: Vec<CredentialSet>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialSet {
    assumed_role_user: Option<AssumedRoleUser>,
    credentials: Wire,
    packed_policy_size: Option<i32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssumedRoleUser {
    arn: Option<String>,
    assumed_role_id: Option<String>,
}

impl Source for RolesAnywhereSource {
    fn name(&self) -> &'static str {
        "rolesAnywhere"
    }

    fn secrets(&self) -> Vec<&str> {
        let pin = self.pkcs11.iter().map(|k| k.pin_secret_ref.name.as_str());
        [self.certificate_secret_ref.name.as_str()].into_iter().chain(pin).collect()
    }

    fn ca_bundle_ref(&self) -> Option<&CaBundleReference> {
        self.ca_bundle_ref.as_ref()
    }

    fn rate_limit_key(&self, _namespace: &str) -> String {
        let account = Arn::account_of(&self.trust_anchor_arn).unwrap_or_default();
        format!("rolesanywhere/{account}/{}", region(self))
    }

    fn endpoint(&self) -> Option<String> {
        Some(format!("rolesanywhere/{}", region(self)))
    }

    fn calls(&self) -> u32 {
        1
    }

    /// [CreateSession's quota](https://docs.aws.amazon.com/general/latest/gr/rolesanywhere.html)
    /// for an account in a Region.
    fn issuer_rate_limit(&self) -> Option<u32> {
        Some(10)
    }

    fn home(&self) -> Home<'_> {
        Home::Region(region(self))
    }

    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>> {
        Box::pin(counted(OPERATION, request.sts.meter(), async {
            let issued = create_session(self, request).await?;
            // IAM Roles Anywhere is AWS's, wherever the roles behind it are assumed.
            verify::is_role(&self.role_arn, None, &issued.principal, Issuer::Aws)?;
            Ok(Obtained::Session(Box::new(issued)))
        }))
    }
}

/// Reads the response.
pub(super) fn read(
    body: &[u8],
    date: Option<Timestamp>,
    request_id: Option<&str>,
    now: Timestamp,
) -> Result<Issued, IssueError> {
    let read: Answer = json::within(OPERATION, body)?;
    let set = read.credential_set.into_iter().next().ok_or_else(|| IssueError::InvalidAnswer {
        operation: OPERATION,
        what: "credentialSet is empty".to_owned(),
        request_id: request_id.map(str::to_owned),
    })?;
    let user = set.assumed_role_user;
    let arn = user.as_ref().and_then(|u| u.arn.clone());
    let principal = PrincipalStatus {
        account_id: arn.as_deref().and_then(Arn::account_of),
        arn,
        user_id: user.and_then(|u| u.assumed_role_id),
    };
    let issued = set.credentials.issued(OPERATION, date, now)?;
    Ok(Issued { principal, packed_policy_size: set.packed_policy_size, ..issued })
}

async fn create_session(
    source: &RolesAnywhereSource,
    request: &Request<'_>,
) -> Result<Issued, IssueError> {
    let identity =
        device::identity(&source.certificate_secret_ref.name, source.pkcs11.as_ref(), request)
            .await?;
    let body = body(source);
    let base = base(source, request.sts_spec.use_fips.unwrap_or(false));
    let url = format!("{base}{PATH}");
    let signed = Signed {
        host: base.split_once("://").map_or(base.as_str(), |(_, host)| host),
        path: PATH,
        body: &body,
        region: region(source),
        now: request.now,
    };
    let headers =
        x509_signature::headers(&signed, &identity.certificate, |text| identity.sign_sha256(text))
            .map_err(|detail| IssueError::Unreachable {
                operation: OPERATION,
                endpoint: "the private key".to_owned(),
                detail,
            })?;
    headers.iter().for_each(|(_, value)| request.redactor().protect_signature(value));
    let (inline, reference) = (source.ca_bundle.as_deref(), source.ca_bundle_ref.as_ref());
    let trusted = ca_bundle("spec.source.rolesAnywhere", inline, reference, request.inputs).await?;
    let call = Call {
        operation: OPERATION,
        url: &url,
        way: way(source, request.grants),
        headers: headers.into_iter().map(|(n, v)| (n, SecretString::from(v))).collect(),
        ca_bundle: trusted.as_deref(),
        identity: None,
        timeout_seconds: source.timeout_seconds,
    };
    let http = &request.source_context.http;
    let answer = endpoint::successful(&call, http.send(&call, Some(body)).await?)?;
    read(answer.body.expose_secret(), answer.date, answer.request_id.as_deref(), request.now)
}

fn way(source: &RolesAnywhereSource, grants: &Grants) -> Way {
    source.endpoint.as_ref().map_or(Way::Aws, |endpoint| Way::Named(grants.reach(endpoint)))
}

fn body(source: &RolesAnywhereSource) -> String {
    let mut body = json!({
        "profileArn": source.profile_arn,
        "roleArn": source.role_arn,
        "trustAnchorArn": source.trust_anchor_arn,
    });
    if let Some(seconds) = source.duration_seconds {
        body["durationSeconds"] = seconds.into();
    }
    if let Some(name) = &source.role_session_name {
        body["roleSessionName"] = name.as_str().into();
    }
    body.to_string()
}

fn region(source: &RolesAnywhereSource) -> &str {
    Arn::parse(&source.trust_anchor_arn).map_or("", |arn| arn.region)
}

/// Scheme and host of the endpoint.
fn base(source: &RolesAnywhereSource, fips: bool) -> String {
    if let Some(endpoint) = &source.endpoint {
        return endpoint.trim_end_matches('/').to_owned();
    }
    let service = if fips { "rolesanywhere-fips" } else { "rolesanywhere" };
    let domain = match Arn::parse(&source.trust_anchor_arn) {
        Some(Arn { partition: "aws-cn", .. }) => "amazonaws.com.cn",
        _ => "amazonaws.com",
    };
    format!("https://{service}.{}.{domain}", region(source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_rules::patterns::NetworkScope;

    #[test]
    fn only_aws_s_own_hosts_are_called_by_the_environment_s_proxy() {
        for (endpoint, way) in [
            (None, Way::Aws),
            (Some("https://rolesanywhere.example.com"), Way::Named(NetworkScope::Public)),
            (
                Some("https://rolesanywhere.eu-west-1.amazonaws.com"),
                Way::Named(NetworkScope::Public),
            ),
        ] {
            let arn = |kind: &str| format!("arn:aws:rolesanywhere:eu-west-1:111122223333:{kind}/a");
            let source = json!({
                "trustAnchorArn": arn("trust-anchor"), "profileArn": arn("profile"),
                "roleArn": "arn:aws:iam::111122223333:role/x", "certificateSecretRef": {"name": "device"},
                "endpoint": endpoint,
            });
            let source: RolesAnywhereSource = serde_json::from_value(source).expect("a source");
            assert_eq!(super::way(&source, &Grants::default()), way, "{endpoint:?}");
        }
    }
}
