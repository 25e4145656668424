//! Any HTTP(S) endpoint that responds with container or process JSON, or like Vault's AWS engine.

use super::ca_bundle::ca_bundle;
use super::{Obtained, Request, Source, endpoint};
use crate::aws::region::Home;
use crate::http::{Call, ClientIdentity, Way};
use futures::future::BoxFuture;
use refreshable_api::{CaBundleReference, CustomHttpSource, HttpFormat};
use refreshable_rules::issuer::{IssueError, VAULT, vault};
use secrecy::{ExposeSecret as _, SecretString};

/// Keys of a Secret of type `kubernetes.io/tls`.
const CERTIFICATE: &str = "tls.crt";
const PRIVATE_KEY: &str = "tls.key";

impl Source for CustomHttpSource {
    fn name(&self) -> &'static str {
        "custom.http"
    }

    fn secrets(&self) -> Vec<&str> {
        let headers = self.headers.iter().flatten().map(|h| h.value_secret_ref.name.as_str());
        let certificate = self.client_certificate_secret_ref.iter().map(|r| r.name.as_str());
        headers.chain(certificate).collect()
    }

    fn ca_bundle_ref(&self) -> Option<&CaBundleReference> {
        self.ca_bundle_ref.as_ref()
    }

    fn rate_limit_key(&self, namespace: &str) -> String {
        format!("url/{namespace}/{}", self.url)
    }

    fn endpoint(&self) -> Option<String> {
        Some(endpoint::authority(&self.url))
    }

    fn calls(&self) -> u32 {
        1
    }

    fn home(&self) -> Home<'_> {
        Home::Unknown
    }

    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>> {
        Box::pin(async {
            let mut headers = Vec::new();
            for (at, header) in self.headers.iter().flatten().enumerate() {
                if header.is_reserved() {
                    return Err(IssueError::Specification {
                        field: format!("spec.source.custom.http.headers[{at}]"),
                        what: format!(
                            "header {} is not a resource's to set: take it out",
                            header.name
                        ),
                    });
                }
                let value = request.text(&header.value_secret_ref).await?;
                request.redactor().protect_header(value.expose_secret());
                headers.push((header.name.clone(), value));
            }
            let identity = identity(self, request).await?;
            let (inline, reference) = (self.ca_bundle.as_deref(), self.ca_bundle_ref.as_ref());
            let trusted =
                ca_bundle("spec.source.custom.http", inline, reference, request.inputs).await?;
            let call = Call {
                operation: operation(self),
                url: &self.url,
                way: Way::Named(request.grants.reach(&self.url)),
                headers,
                ca_bundle: trusted.as_deref(),
                identity: identity.as_ref(),
                timeout_seconds: self.timeout_seconds,
            };
            match self.format.unwrap_or_default() {
                HttpFormat::Aws => endpoint::get(&call, request).await,
                HttpFormat::Vault => {
                    endpoint::get_with(&call, request, |operation, body, date| {
                        vault::read(operation, body, date, request.now)
                    })
                    .await
                }
            }
        })
    }
}

fn operation(source: &CustomHttpSource) -> &'static str {
    match source.format.unwrap_or_default() {
        HttpFormat::Aws => "GetCredentials",
        HttpFormat::Vault => VAULT,
    }
}

/// The client's certificate chain and private key, one after the other in PEM.
async fn identity(
    source: &CustomHttpSource,
    request: &Request<'_>,
) -> Result<Option<ClientIdentity>, IssueError> {
    let Some(reference) = &source.client_certificate_secret_ref else { return Ok(None) };
    let secret = request.inputs.secret(&reference.name).await?;
    let (certificate, key) = (secret.pem(CERTIFICATE)?, secret.pem(PRIVATE_KEY)?);
    request.protect(&key);
    let both =
        SecretString::from(format!("{}\n{}", certificate.expose_secret(), key.expose_secret()));
    Ok(Some(ClientIdentity::Pem(both)))
}
