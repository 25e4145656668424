//! A long-lived access key of an IAM user, read from a Secret. Never published itself.

use super::{Obtained, Request, Source};
use crate::aws::Caller;
use crate::aws::region::Home;
use futures::future::BoxFuture;
use refreshable_api::AccessKeySource;
use refreshable_rules::issuer::{AccessKey, IssueError};
use secrecy::ExposeSecret as _;

impl Source for AccessKeySource {
    fn name(&self) -> &'static str {
        "accessKey"
    }

    fn secrets(&self) -> Vec<&str> {
        vec![&self.secret_ref.name]
    }

    fn rate_limit_key(&self, namespace: &str) -> String {
        format!("secret/{namespace}/{}", self.secret_ref.name)
    }

    fn calls(&self) -> u32 {
        0
    }

    fn home(&self) -> Home<'_> {
        Home::Unknown
    }

    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>> {
        Box::pin(async { Ok(Obtained::Caller(read(self, request).await?)) })
    }
}

/// Reads the key from its Secret.
pub(super) async fn read(
    source: &AccessKeySource,
    request: &Request<'_>,
) -> Result<Caller, IssueError> {
    let secret = request.inputs.secret(&source.secret_ref.name).await?;
    let id = secret.text(&source.access_key_id_key)?;
    let id = id.expose_secret();
    // Stores let their users choose names; the id must still fit into a signature's scope.
    let valid = match &request.sts_spec.endpoint {
        None => {
            (16..=128).contains(&id.len())
                && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        }
        Some(_) => {
            (3..=128).contains(&id.len())
                && id.chars().all(|c| c.is_ascii_graphic() && !"/,=".contains(c))
        }
    };
    if !valid {
        return Err(IssueError::InputInvalid {
            kind: "Secret",
            name: source.secret_ref.name.clone(),
            key: source.access_key_id_key.clone(),
            what: "this is not an access key id: it has 16 to 128 letters and digits, like AKIAIOSFODNN7EXAMPLE".to_owned(),
        });
    }
    Ok(Caller::Key(AccessKey {
        id: id.to_owned(),
        secret: secret.text(&source.secret_access_key_key)?,
        token: None,
    }))
}
