//! AssumeRoleWithSAML with an assertion that something else keeps fresh in a Secret.

use super::{Obtained, Request, Source, verify};
use crate::aws::region::Home;
use crate::aws::sts::{SamlCall, issuer_of};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use refreshable_api::{Arn, SamlSource};
use refreshable_rules::issuer::IssueError;
use secrecy::{ExposeSecret as _, SecretString};

/// Longest assertion in base64 that STS takes.
const LONGEST_ASSERTION: usize = 100_000;

impl Source for SamlSource {
    fn name(&self) -> &'static str {
        "saml"
    }

    fn secrets(&self) -> Vec<&str> {
        vec![&self.assertion_secret_ref.name]
    }

    fn rate_limit_key(&self, namespace: &str) -> String {
        // These calls are not signed: the namespace that names the role makes them.
        let account = Arn::account_of(&self.role_arn).unwrap_or_default();
        format!("account/{account}/{namespace}")
    }

    fn calls(&self) -> u32 {
        1
    }

    fn home(&self) -> Home<'_> {
        Home::PartitionOf(&self.role_arn)
    }

    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>> {
        Box::pin(async {
            let assertion = assertion(self, request).await?;
            request.protect(&assertion);
            let call = SamlCall { source: self, assertion: &assertion };
            let issued =
                request.sts.assume_role_with_saml(call, request.sts_spec, request.now).await?;
            verify::is_role(&self.role_arn, None, &issued.principal, issuer_of(request.sts_spec))?;
            Ok(Obtained::Session(Box::new(issued)))
        })
    }
}

/// The assertion in base64; XML in the Secret is encoded.
async fn assertion(source: &SamlSource, request: &Request<'_>) -> Result<SecretString, IssueError> {
    let reference = &source.assertion_secret_ref;
    let invalid = |what: String| IssueError::InputInvalid {
        kind: "Secret",
        name: reference.name.clone(),
        key: reference.key.clone(),
        what,
    };
    let secret = request.inputs.secret(&reference.name).await?;
    let bytes = secret.bytes(&reference.key)?.trim_ascii();
    let encoded = if bytes.starts_with(b"<") {
        STANDARD.encode(bytes)
    } else {
        let compact: Vec<u8> = bytes.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
        let text =
            String::from_utf8(compact).map_err(|_| invalid("the value is not text".to_owned()))?;
        let xml = STANDARD.decode(&text).ok().filter(|x| x.trim_ascii_start().starts_with(b"<"));
        xml.ok_or_else(|| {
            invalid("this is not a SAML response: it must be its XML, or that in base64".to_owned())
        })?;
        text
    };
    let encoded = SecretString::from(encoded);
    if encoded.expose_secret().len() > LONGEST_ASSERTION {
        return Err(invalid(format!(
            "the assertion is longer than the {LONGEST_ASSERTION} characters that STS takes"
        )));
    }
    Ok(encoded)
}
