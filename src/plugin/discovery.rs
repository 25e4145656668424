//! The cluster as an issuer of tokens: its [OpenID Connect discovery
//! document](https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery)
//! and its keys, and whether AWS can reach an issuer.

use super::cluster::Cluster;
use super::error::{Error, Result};
use serde_json::Value;
use std::net::IpAddr;

/// Path of the discovery document, below the issuer ([OpenID Connect Discovery
/// 1.0](https://openid.net/specs/openid-connect-discovery-1_0.html), 4).
pub(super) const DISCOVERY: &str = ".well-known/openid-configuration";
/// Path of the API server's key set.
pub(super) const KEYS: &str = "openid/v1/jwks";

/// Endings of names that only a private network resolves.
const PRIVATE_ENDINGS: [&str; 9] = [
    ".svc",
    ".local",
    ".internal",
    ".localhost",
    ".lan",
    ".home.arpa",
    ".intranet",
    ".corp",
    ".test",
];

/// The discovery document of the API server.
///
/// # Errors
/// The API server's error; it needs the ClusterRole `system:service-account-issuer-discovery`.
pub(super) async fn document(cluster: &Cluster) -> Result<Value> {
    get(cluster, DISCOVERY).await
}

/// The key set of the API server.
///
/// # Errors
/// As [`document`].
pub(super) async fn keys(cluster: &Cluster) -> Result<Value> {
    get(cluster, KEYS).await
}

async fn get(cluster: &Cluster, path: &str) -> Result<Value> {
    let request = http::Request::get(format!("/{path}")).body(Vec::new());
    let request = request.map_err(|e| Error::failed(e.to_string()))?;
    let client = cluster.client();
    cluster.ask(client.request::<Value>(request)).await
}

/// The identifiers (`kid`, RFC 7517, 4.5) of a key set.
pub(super) fn key_ids(keys: &Value) -> Vec<&str> {
    keys["keys"].as_array().into_iter().flatten().filter_map(|key| key["kid"].as_str()).collect()
}

/// The reason why AWS cannot fetch a URL, judged by the URL alone; `None` if it may.
pub(super) fn unreachable_for_aws(url: &str) -> Option<String> {
    let Some(rest) = url.strip_prefix("https://") else {
        return Some("it is not an https URL".to_owned());
    };
    let uri = format!("https://{rest}").parse::<http::Uri>().ok();
    let Some(host) = uri.as_ref().and_then(http::Uri::host).filter(|h| !h.is_empty()) else {
        return Some("it names no host".to_owned());
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return is_private(address)
            .then(|| format!("{address} is an address of a private network"));
    }
    let private = !host.contains('.') || PRIVATE_ENDINGS.iter().any(|end| host.ends_with(end));
    private.then(|| format!("{host} is a name of a private network"))
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified()
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.is_unspecified()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn private_names_and_addresses_are_told_from_public_ones() {
        for (url, why) in [
            ("https://oidc.example.com", None),
            ("https://oidc.example.com/id/ABC", None),
            ("https://203.0.113.7:6443", None),
            ("https://s3.eu-west-1.amazonaws.com/bucket", None),
            ("http://oidc.example.com", Some("not an https URL")),
            ("kubernetes/serviceaccount", Some("not an https URL")),
            ("https://", Some("names no host")),
            ("https://kubernetes.default.svc.cluster.local", Some("name of a private network")),
            ("https://kubernetes.default.svc", Some("name of a private network")),
            ("https://api.cluster-1.internal:6443", Some("name of a private network")),
            ("https://Kubernetes", Some("kubernetes is a name of a private network")),
            ("https://10.0.0.1:6443", Some("address of a private network")),
            ("https://[fd00::1]:6443", Some("address of a private network")),
            ("https://[::ffff:10.0.0.1]", Some("address of a private network")),
            ("https://127.0.0.1", Some("address of a private network")),
        ] {
            let found = unreachable_for_aws(url);
            match why {
                None => assert_eq!(found, None, "{url}"),
                Some(why) => {
                    assert!(found.as_deref().is_some_and(|f| f.contains(why)), "{url}: {found:?}")
                }
            }
        }
    }

    #[test]
    fn keys_are_known_by_their_identifiers() {
        let keys = json!({"keys": [{"kid": "a"}, {"kty": "RSA"}, {"kid": "b"}]});
        assert_eq!(key_ids(&keys), ["a", "b"]);
        assert!(key_ids(&json!({})).is_empty());
    }
}
