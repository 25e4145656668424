//! HTTP clients for STS with more than the SDK's own client has: other certificates to trust, and a
//! guard.
//!
//! An STS that a specification names is guarded like [`crate::http`]'s calls: by the address after
//! resolution, without a proxy, without redirects, with a limit on the response.

use crate::http::{self, LARGEST_BODY};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, TlsContext, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;
use refreshable_rules::patterns::NetworkScope;

/// A client for AWS's own endpoints whose peers are trusted by `trust`: as the SDK's own, it goes
/// by the proxy that the environment names (`HTTPS_PROXY`, `NO_PROXY`).
pub(super) fn own(trust: TlsContext) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(trust.clone())
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.build()
    })
}

/// A client whose hosts are within `reach` and whose peers are trusted by `trust`.
pub(super) fn named(trust: TlsContext, reach: NetworkScope) -> SharedHttpClient {
    let inner = Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(trust)
        .build_with_resolver(Resolver(reach));
    SharedHttpClient::new(Capped(inner))
}

/// Resolves each name once; the connection goes to the resolved address.
#[derive(Clone, Copy, Debug)]
struct Resolver(NetworkScope);

impl ResolveDns for Resolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(
            async move { http::resolve(name, self.0).await.map_err(ResolveDnsError::new) },
        )
    }
}

/// A client whose responses end at [`LARGEST_BODY`].
#[derive(Debug)]
struct Capped(SharedHttpClient);

impl HttpClient for Capped {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(CappedConnector(self.0.http_connector(settings, components)))
    }
}

#[derive(Debug)]
struct CappedConnector(SharedHttpConnector);

impl HttpConnector for CappedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await?;
            Ok(answer.map(|body| SdkBody::from_body_1_x(Limited::new(body, LARGEST_BODY))))
        })
    }
}
