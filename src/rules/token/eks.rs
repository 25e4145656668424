//! Bearer tokens of EKS clusters: the URL of a signed GetCallerIdentity, as
//! [aws-iam-authenticator](https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster)
//! defines it.

use super::field;
use super::presigned::{Presigned, query};
use crate::issuer::IssueError;
use crate::partition;
use crate::render::Files;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use refreshable_api::{EksToken, TokenSpec};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

/// How every token begins.
const PREFIX: &str = "k8s-aws-v1.";
/// The header that names the cluster, so that a token is of use at that one alone.
const CLUSTER: &str = "x-k8s-aws-id";
/// `X-Amz-Expires`, as AWS's own clients set it. Clusters do not look at it.
const EXPIRES: u32 = 60;
/// How long clusters take a token.
const VALID: SignedDuration = SignedDuration::from_mins(15);

/// The request to sign.
///
/// # Errors
/// [`IssueError::Specification`] for what cannot stand in a host name or a file.
pub(super) fn presigned(token: &EksToken) -> Result<Presigned, IssueError> {
    field::region("eks.region", &token.region)?;
    field::name("eks.clusterName", &token.cluster_name)?;
    token.server.iter().try_for_each(|server| field::word("eks.server", server))?;
    let (region, domain) = (&token.region, partition::of_region(&token.region).domain);
    let parameters = query(&[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")]);
    Ok(Presigned {
        url: format!("https://sts.{region}.{domain}/?{parameters}"),
        headers: vec![(CLUSTER, token.cluster_name.clone())],
        service: "sts",
        region: region.clone(),
        expires_in: EXPIRES,
        valid: VALID,
    })
}

/// The bearer token of a signed URL.
pub(super) fn bearer(signed: &SecretString) -> SecretString {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(signed.expose_secret())).into()
}

/// The files for a cluster, beside the token.
pub(super) fn files(token: &EksToken, bearer: &SecretString) -> Files {
    let Some(server) = &token.server else { return Files::new() };
    Files::from([
        ("kubeconfig".to_owned(), kubeconfig(token, server, bearer)),
        ("name".to_owned(), token.cluster_name.as_str().into()),
        ("server".to_owned(), server.as_str().into()),
        ("config".to_owned(), argo_cd(token, bearer)),
    ])
}

/// A [kubeconfig](https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/), as JSON, which is
/// YAML. client-go reads the file beside it again and again; others take the token in it.
fn kubeconfig(token: &EksToken, server: &str, bearer: &SecretString) -> SecretString {
    let name = &token.cluster_name;
    let mut cluster = json!({"server": server});
    if let Some(authorities) = &token.certificate_authority_data {
        cluster["certificate-authority-data"] = authorities.as_str().into();
    }
    let user = json!({"tokenFile": TokenSpec::DATA_KEY, "token": bearer.expose_secret()});
    let named = |member: &str, value: Value| json!([{"name": name, member: value}]);
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": named("cluster", cluster),
        "users": named("user", user),
        "contexts": named("context", json!({"cluster": name, "user": name})),
        "current-context": name,
    })
    .to_string()
    .into()
}

/// The member `config` of a [cluster
/// Secret](https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#clusters).
fn argo_cd(token: &EksToken, bearer: &SecretString) -> SecretString {
    let mut tls = json!({"insecure": false});
    if let Some(authorities) = &token.certificate_authority_data {
        tls["caData"] = authorities.as_str().into();
    }
    json!({"bearerToken": bearer.expose_secret(), "tlsClientConfig": tls}).to_string().into()
}

#[cfg(test)]
#[path = "eks_tests.rs"]
mod tests;
