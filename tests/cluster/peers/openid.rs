//! A certified OpenID provider (oidc-provider), whose tokens stores verify.

use crate::harness::certificates::Identity;
use crate::harness::process::Process;
use crate::harness::{background, canary, http, ports, programs, scratch};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::time::Duration;

/// A certified OpenID provider, whose `/brief` tokens live for a second.
pub struct OpenId {
    /// Where it listens; the issuer of its tokens.
    pub url: String,
    _process: Process,
}

impl OpenId {
    /// Starts it. Given an identity with an RSA key, it signs with that, and its JWKS names the
    /// certificate.
    pub async fn start(identity: Option<&Identity>) -> Self {
        let folder = background::blocking(programs::node_packages).await;
        let port = ports::free();
        let process =
            Process::builder("oidc-provider", "node", &scratch::subfolder("oidc-provider"))
                .arg(folder.join("issuer.js"))
                .args([&port.to_string(), "1"])
                .args(identity.iter().flat_map(|i| [&i.key_file, &i.certificate_file]))
                .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                .start();
        let url = format!("http://127.0.0.1:{port}");
        crate::harness::eventually(Duration::from_secs(60), "the provider answers", async || {
            process.assert_running();
            http::get(&format!("{url}/.well-known/openid-configuration")).await.map(drop)
        })
        .await;
        Self { url, _process: process }
    }

    /// A machine's token for the audience that `resource` names.
    pub async fn token(&self, resource: &str) -> String {
        let form = [("grant_type", "client_credentials"), ("resource", resource)];
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let login = STANDARD.encode("machine:the-secret-of-the-machine");
        let request = ::http::Request::post(format!("{}/token", self.url))
            .header("authorization", format!("Basic {login}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.into())
            .expect("a request");
        let answer = http::send(request).await.expect("an answer");
        let answer: Value = serde_json::from_slice(answer.body()).expect("JSON");
        let token =
            answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        canary::register(&token);
        token
    }
}
