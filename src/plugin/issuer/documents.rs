//! The two documents that AWS reads to check a token, made from those of the API server: pure.

use super::super::discovery::{DISCOVERY, KEYS, key_ids, unreachable_for_aws};
use serde_json::{Value, json};

/// Longest URL of an IAM OpenID Connect provider, in characters
/// ([CreateOpenIDConnectProvider](https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html)).
const LONGEST_URL: usize = 255;
/// Members of a JSON Web Key that are secret (RFC 7518, 6.2.2, 6.3.2 and 6.4).
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public issuer's URL, exactly as the claim `iss` of its tokens has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerUrl(String);

impl IssuerUrl {
    /// Reads a URL. Nothing is normalized, because AWS compares it with `iss` character by
    /// character.
    ///
    /// # Errors
    /// The rule of IAM or OpenID Connect that it breaks, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("{text:?} cannot be an issuer: {why}"));
        if !text.starts_with("https://") {
            return wrong("write a URL that begins with https://, as AWS fetches nothing else");
        }
        if text.contains(['?', '#']) {
            return wrong("write it without a query and without a fragment");
        }
        if text.ends_with('/') {
            return wrong(
                "write it without the slash at its end: the claim iss of tokens, the API server's flag and the provider in IAM must be equal to the last character",
            );
        }
        let Some(uri) = text.parse::<http::Uri>().ok().filter(|u| u.host().is_some()) else {
            return wrong("write a URL like https://oidc.example.com/cluster-1");
        };
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        if authority.contains('@') {
            return wrong("write it without a user");
        }
        if uri.port().is_some() {
            return wrong("write it without a port, which IAM does not take");
        }
        if authority.bytes().any(|b| b.is_ascii_uppercase()) {
            return wrong("write the host in lower case, as IAM does");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/:".contains(c);
        if !text.chars().all(plain) || uri.path().contains("//") {
            return wrong("write letters, digits, - . _ ~ and single slashes");
        }
        if text.len() > LONGEST_URL {
            return wrong(&format!("it is longer than {LONGEST_URL} characters"));
        }
        if let Some(why) = unreachable_for_aws(text) {
            return wrong(&format!("AWS cannot reach it, as {why}"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and path without slashes around them, as IAM names the provider.
    pub fn provider(&self) -> &str {
        self.0.trim_start_matches("https://")
    }

    /// The path without slashes around it; empty for a host alone.
    pub fn path(&self) -> &str {
        self.provider().split_once('/').map_or("", |(_, path)| path)
    }

    /// URL of the key set.
    pub fn keys(&self) -> String {
        format!("{}/{KEYS}", self.0)
    }
}

/// The documents, with the paths that they are served at below the issuer.
#[derive(Clone, Debug, PartialEq)]
pub struct Documents {
    /// The discovery document.
    pub configuration: Value,
    /// The key set, which is the API server's.
    pub keys: Value,
    /// The issuer that the API server puts into tokens now.
    pub present: String,
}

impl Documents {
    /// The documents of `url`, from the API server's.
    ///
    /// # Errors
    /// If the API server's documents lack something, or hold more than public keys.
    pub fn new(url: &IssuerUrl, configuration: &Value, keys: &Value) -> Result<Self, String> {
        let present = configuration["issuer"].as_str();
        let present = present.ok_or("the cluster's discovery document names no issuer")?;
        let list = keys["keys"].as_array().filter(|l| !l.is_empty());
        let list = list.ok_or("the cluster's key set has no keys")?;
        for key in list {
            let secret = SECRET_MEMBERS.iter().find(|m| !key[**m].is_null());
            if let Some(member) = secret {
                return Err(format!(
                    "the cluster's key set has the secret member {member:?}: it is not published"
                ));
            }
        }
        if key_ids(keys).len() != list.len() {
            return Err(
                "a key of the cluster's key set has no kid, by which AWS finds it".to_owned()
            );
        }
        let algorithms = &configuration["id_token_signing_alg_values_supported"];
        let configuration = json!({
            "issuer": url.as_str(),
            "jwks_uri": url.keys(),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported":
                if algorithms.is_array() { algorithms.clone() } else { json!(["RS256"]) },
        });
        Ok(Self { configuration, keys: keys.clone(), present: present.to_owned() })
    }

    /// Both as files: path below the issuer, and content.
    pub fn files(&self) -> [(&'static str, &Value); 2] {
        [(DISCOVERY, &self.configuration), (KEYS, &self.keys)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_taken_as_iam_takes_them() {
        for (text, provider, path) in [
            ("https://oidc.example.com", "oidc.example.com", ""),
            ("https://oidc.example.com/a/b", "oidc.example.com/a/b", "a/b"),
            ("https://b.s3.eu-west-1.amazonaws.com", "b.s3.eu-west-1.amazonaws.com", ""),
        ] {
            let url = IssuerUrl::parse(text).expect(text);
            assert_eq!((url.as_str(), url.provider(), url.path()), (text, provider, path));
            assert_eq!(url.keys(), format!("{text}/openid/v1/jwks"));
        }
        let long = format!("https://oidc.example.com/{}", "a".repeat(231));
        for (text, why) in [
            ("oidc.example.com", "begins with https://"),
            ("http://oidc.example.com", "begins with https://"),
            ("https://oidc.example.com?a=b", "without a query"),
            ("https://oidc.example.com#a", "without a fragment"),
            ("https://oidc.example.com/", "without the slash at its end"),
            ("https://oidc.example.com/a/", "without the slash at its end"),
            ("https://me@oidc.example.com", "without a user"),
            ("https://oidc.example.com:8443", "without a port"),
            ("https://OIDC.example.com", "in lower case"),
            ("https://oidc.example.com/a//b", "single slashes"),
            ("https://oidc.example.com/a'b", "letters, digits"),
            ("https://kubernetes.default.svc", "AWS cannot reach it"),
            ("https://10.0.0.1", "AWS cannot reach it"),
            (&long, "longer than 255"),
        ] {
            let error = IssuerUrl::parse(text).expect_err(text);
            assert!(error.contains(why) && error.contains("cannot be an issuer"), "{error}");
        }
    }

    fn cluster() -> (Value, Value) {
        let configuration = json!({
            "issuer": "https://kubernetes.default.svc", "jwks_uri": "https://10.0.0.1:6443/openid/v1/jwks",
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        (configuration, json!({"keys": [{"kid": "a", "kty": "RSA", "n": "x", "e": "AQAB"}]}))
    }

    #[test]
    fn the_documents_name_the_public_issuer_and_keep_the_keys() {
        let url = IssuerUrl::parse("https://oidc.example.com/c1").expect("a URL");
        let (configuration, keys) = cluster();
        let documents = Documents::new(&url, &configuration, &keys).expect("documents");
        assert_eq!(documents.present, "https://kubernetes.default.svc");
        let [(first, document), (second, published)] = documents.files();
        assert_eq!((first, second), (".well-known/openid-configuration", "openid/v1/jwks"));
        assert_eq!(document["issuer"], "https://oidc.example.com/c1");
        assert_eq!(document["jwks_uri"], "https://oidc.example.com/c1/openid/v1/jwks");
        assert_eq!(document["id_token_signing_alg_values_supported"], json!(["ES256"]));
        assert_eq!(*published, keys);
        let bare = Documents::new(&url, &json!({"issuer": "x"}), &keys).expect("documents");
        assert_eq!(bare.configuration["id_token_signing_alg_values_supported"], json!(["RS256"]));
    }

    #[test]
    fn only_whole_public_key_sets_are_published() {
        let url = IssuerUrl::parse("https://oidc.example.com").expect("a URL");
        let (configuration, _) = cluster();
        let of = |keys: Value| Documents::new(&url, &configuration, &keys).expect_err("refused");
        assert!(of(json!({})).contains("has no keys"));
        assert!(of(json!({"keys": []})).contains("has no keys"));
        assert!(of(json!({"keys": [{"kty": "RSA"}]})).contains("has no kid"));
        let private = of(json!({"keys": [{"kid": "a", "d": "secret"}]}));
        assert!(private.contains("secret member \"d\"") && !private.contains("\"secret\""));
        let error = Documents::new(&url, &json!({}), &json!({})).expect_err("refused");
        assert!(error.contains("names no issuer"), "{error}");
    }
}
