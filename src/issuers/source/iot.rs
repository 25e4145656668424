//! AWS IoT's credential provider: mutual TLS with a device's certificate.

use super::ca_bundle::ca_bundle;
use super::{Obtained, Request, Source, device, endpoint};
use crate::aws::region::Home;
use crate::http::{Call, Way};
use futures::future::BoxFuture;
use jiff::Timestamp;
use refreshable_api::{CaBundleReference, IotSource, is_path_segment};
use refreshable_rules::issuer::json::{self, Wire};
use refreshable_rules::issuer::{IssueError, Issued};
use refreshable_rules::policy::{Grants, is_aws_iot, is_other_iot, region_of_aws_iot};
use secrecy::SecretString;
use serde::Deserialize;

/// Names the thing, for policies that name its attributes.
const THING_NAME: &str = "x-amzn-iot-thingname";
/// Requests a shorter session than the role alias's.
const DURATION: &str = "x-amzn-iot-credential-duration-seconds";

/// The response.
#[derive(Deserialize)]
struct Answer {
    credentials: Wire,
}

impl Source for IotSource {
    fn name(&self) -> &'static str {
        "iot"
    }

    fn secrets(&self) -> Vec<&str> {
        let pin = self.pkcs11.iter().map(|k| k.pin_secret_ref.name.as_str());
        [self.certificate_secret_ref.name.as_str()].into_iter().chain(pin).collect()
    }

    fn ca_bundle_ref(&self) -> Option<&CaBundleReference> {
        self.ca_bundle_ref.as_ref()
    }

    fn rate_limit_key(&self, namespace: &str) -> String {
        format!("url/{namespace}/{}", self.endpoint)
    }

    fn endpoint(&self) -> Option<String> {
        Some(self.endpoint.clone())
    }

    fn calls(&self) -> u32 {
        1
    }

    fn home(&self) -> Home<'_> {
        region_of_aws_iot(&self.endpoint).map_or(Home::Unknown, Home::Region)
    }

    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>> {
        Box::pin(async {
            if is_other_iot(&self.endpoint) {
                return Err(IssueError::Specification {
                    field: "spec.source.iot.endpoint".to_owned(),
                    what: format!(
                        "{} is an endpoint of AWS IoT, but not its credential provider, whose host is like c1a2b3.credentials.iot.eu-west-1.amazonaws.com: `aws iot describe-endpoint --endpoint-type iot:CredentialProvider` prints it",
                        self.endpoint
                    ),
                });
            }
            let identity =
                device::identity(&self.certificate_secret_ref.name, self.pkcs11.as_ref(), request)
                    .await?;
            let identity = device::for_tls(&identity);
            let mut headers = Vec::new();
            if let Some(thing) = &self.thing_name {
                headers.push((THING_NAME.to_owned(), SecretString::from(thing.clone())));
            }
            if let Some(seconds) = self.duration_seconds {
                headers.push((DURATION.to_owned(), SecretString::from(seconds.to_string())));
            }
            if !is_path_segment(&self.role_alias) {
                return Err(IssueError::Specification {
                    field: "spec.source.iot.roleAlias".to_owned(),
                    what: format!(
                        "{:?} is not a role alias: write its name alone",
                        self.role_alias
                    ),
                });
            }
            let url = credentials_url(self);
            let (inline, reference) = (self.ca_bundle.as_deref(), self.ca_bundle_ref.as_ref());
            let trusted = ca_bundle("spec.source.iot", inline, reference, request.inputs).await?;
            let call = Call {
                operation: "AssumeRoleWithCertificate",
                url: &url,
                way: way(self, request.grants),
                headers,
                ca_bundle: trusted.as_deref(),
                identity: Some(&identity),
                timeout_seconds: self.timeout_seconds,
            };
            endpoint::get_with(&call, request, |operation, body, date| {
                read(operation, body, date, request.now)
            })
            .await
        })
    }
}

/// Reads the response.
pub(super) fn read(
    operation: &'static str,
    body: &[u8],
    date: Option<Timestamp>,
    now: Timestamp,
) -> Result<Issued, IssueError> {
    json::within::<Answer>(operation, body)?.credentials.issued(operation, date, now)
}

fn way(source: &IotSource, grants: &Grants) -> Way {
    if is_aws_iot(&source.endpoint) { Way::Aws } else { Way::Named(grants.reach(&source.url())) }
}

/// Where the credentials are.
fn credentials_url(source: &IotSource) -> String {
    format!("{}role-aliases/{}/credentials", source.url(), source.role_alias)
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_rules::patterns::NetworkScope;
    use serde_json::json;

    #[test]
    fn only_aws_s_own_hosts_are_called_by_the_environment_s_proxy() {
        for (endpoint, way) in [
            ("c1.credentials.iot.eu-west-1.amazonaws.com", Way::Aws),
            ("c1.credentials.iot.cn-north-1.amazonaws.com.cn", Way::Aws),
            ("iot.example.com", Way::Named(NetworkScope::Public)),
            (
                "c1.credentials.iot.eu-west-1.amazonaws.com.example.com",
                Way::Named(NetworkScope::Public),
            ),
        ] {
            let source = json!({"endpoint": endpoint, "roleAlias": "edge", "certificateSecretRef": {"name": "device"}});
            let source: IotSource = serde_json::from_value(source).expect("a source");
            assert_eq!(super::way(&source, &Grants::default()), way, "{endpoint}");
        }
    }
}
