//! Passwords of caches of Amazon ElastiCache
//! ([IAM authentication](https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html)).

use super::field;
use super::presigned::{Presigned, query};
use crate::issuer::IssueError;
use crate::render::Files;
use jiff::SignedDuration;
use refreshable_api::ElastiCacheToken;
use secrecy::SecretString;

/// How long a cache takes a password for new connections, in seconds.
const SECONDS: u32 = 900;

/// The request to sign.
///
/// # Errors
/// [`IssueError::Specification`] for what cannot stand in a URL or in a file.
pub(super) fn presigned(token: &ElastiCacheToken) -> Result<Presigned, IssueError> {
    field::name("elastiCache.cacheName", &token.cache_name)?;
    field::region("elastiCache.region", &token.region)?;
    field::name("elastiCache.user", &token.user)?;
    let mut parameters = vec![("Action", "connect")];
    if token.serverless() {
        parameters.push(("ResourceType", "ServerlessCache"));
    }
    parameters.push(("User", &token.user));
    Ok(Presigned {
        // AWS keeps the names of caches in small letters.
        url: format!("http://{}/?{}", token.cache_name.to_ascii_lowercase(), query(&parameters)),
        headers: Vec::new(),
        service: "elasticache",
        region: token.region.clone(),
        expires_in: SECONDS,
        valid: SignedDuration::from_secs(SECONDS.into()),
    })
}

/// User and password of a cache, beside the token.
pub(super) fn files(token: &ElastiCacheToken, password: &SecretString) -> Files {
    Files::from([
        (ElastiCacheToken::USERNAME.to_owned(), token.user.as_str().into()),
        (ElastiCacheToken::VARIABLE.to_owned(), password.clone()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_api::TokenKind;
    use secrecy::ExposeSecret as _;

    fn token(serverless: Option<bool>) -> ElastiCacheToken {
        ElastiCacheToken {
            cache_name: "Sessions".to_owned(),
            region: "eu-west-1".to_owned(),
            user: "app".to_owned(),
            serverless,
        }
    }

    #[test]
    fn the_cache_is_named_and_not_its_host() {
        for (serverless, url) in [
            (None, "http://sessions/?Action=connect&User=app"),
            (Some(true), "http://sessions/?Action=connect&ResourceType=ServerlessCache&User=app"),
        ] {
            let signed = presigned(&token(serverless)).expect("it can be signed");
            assert_eq!((signed.url.as_str(), signed.service), (url, "elasticache"));
            assert_eq!((signed.expires_in, signed.region.as_str()), (900, "eu-west-1"));
        }
        let wrong = ElastiCacheToken { cache_name: "a.b/c".to_owned(), ..token(None) };
        let error = presigned(&wrong).expect_err("a path").to_string();
        assert!(error.starts_with("spec.token.elastiCache.cacheName: "), "{error}");
    }

    #[test]
    fn user_and_password_are_beside_the_token() {
        let token = token(None);
        let files = crate::token::files(TokenKind::ElastiCache(&token), &"sessions/?a=b".into());
        let texts: Vec<_> = files.iter().map(|(k, v)| (k.as_str(), v.expose_secret())).collect();
        let expected =
            [("REDISCLI_AUTH", "sessions/?a=b"), ("token", "sessions/?a=b"), ("username", "app")];
        assert_eq!(texts, expected);
    }
}
