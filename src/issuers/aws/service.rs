//! Calls to services of AWS of which one operation is needed: their own SDKs would bring fifty
//! others along, so the request is made here and signed by the SDK's signer.

use super::sts::credentials;
use crate::http::{self, Answer, Call, Way};
use crate::source::SourceContext;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use jiff::Timestamp;
use refreshable_api::StsSpec;
use refreshable_rules::issuer::{AccessKey, AwsError, IssueError, Issuer, Redactor};
use refreshable_rules::token::presigned::Presigned;
use secrecy::SecretString;
use std::time::{Duration, SystemTime};

/// A POST to a service.
pub(crate) struct ServiceCall<'a> {
    /// Name of the operation, for errors and metrics.
    pub(crate) operation: &'static str,
    /// AWS's id of the service, of which `AWS_ENDPOINT_URL_<id>` is made.
    pub(crate) id: &'static str,
    /// Name of the service in signatures.
    pub(crate) signing_name: &'static str,
    /// The Region that is called.
    pub(crate) region: &'a str,
    /// AWS's own endpoint, where FIPS is wanted, and where dual stack.
    pub(crate) endpoint: &'a (dyn Fn(bool, bool) -> String + Sync),
    /// Path and query, from the first slash on.
    pub(crate) path: String,
    /// Headers but those of the signature.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: &'static str,
}

/// By which means, and on what terms, a call is made.
#[derive(Clone, Copy)]
pub(crate) struct Means<'a> {
    /// The session that signs.
    pub(crate) key: &'a AccessKey,
    /// Carrier of the call, and its settings.
    pub(crate) context: &'a SourceContext,
    /// How AWS is reached: FIPS and dual-stack endpoints, certificates to trust on the way, and the
    /// time limit.
    pub(crate) spec: &'a StsSpec,
    /// Secrets that errors must not contain.
    pub(crate) redactor: &'a Redactor,
    /// The time of the attempt.
    pub(crate) now: Timestamp,
}

impl ServiceCall<'_> {
    /// Makes the call.
    ///
    /// # Errors
    /// AWS's error, or why the call failed.
    pub(crate) async fn send(self, means: Means<'_>) -> Result<Answer, IssueError> {
        let Means { key, context, spec, redactor, now } = means;
        let url = format!("{}{}", self.base(&context.aws, spec), self.path);
        let mut headers = self.headers.clone();
        headers.extend(self.signature(&url, key, now).map_err(unsigned)?);
        redactor.protect_key(key);
        let authorization = headers.iter().filter(|(name, _)| name == "authorization");
        authorization.for_each(|(_, value)| redactor.protect_signature(value));
        let request = Call {
            operation: self.operation,
            url: &url,
            way: Way::Aws,
            headers: headers.into_iter().map(|(n, v)| (n, SecretString::from(v))).collect(),
            ca_bundle: spec.ca_bundle.as_deref().filter(|_| spec.endpoint.is_none()),
            identity: None,
            timeout_seconds: spec.timeout_seconds,
        };
        let answer = context.http.send(&request, Some(self.body.to_owned())).await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let subject = format!("{} in {}", self.id, self.region);
        Err(of_aws(http::http_error(self.operation, &subject, &answer)))
    }

    /// The endpoint that the controller's environment names (`AWS_ENDPOINT_URL_<id>`,
    /// `AWS_ENDPOINT_URL`), as SDKs take it; else AWS's own.
    fn base(&self, config: &SdkConfig, spec: &StsSpec) -> String {
        let key = ServiceConfigKey::builder()
            .service_id(self.id)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build();
        let of_service = config.service_config().zip(key.ok()).and_then(|(c, k)| c.load_config(k));
        let named = of_service.or_else(|| config.endpoint_url().map(str::to_owned));
        let fips = spec.use_fips.or(config.use_fips()).unwrap_or(false);
        let dual_stack = spec.use_dualstack.or(config.use_dual_stack()).unwrap_or(false);
        named.map_or_else(
            || (self.endpoint)(fips, dual_stack),
            |url| url.trim_end_matches('/').to_owned(),
        )
    }

    /// The headers that sign the request.
    fn signature(
        &self,
        url: &str,
        key: &AccessKey,
        now: Timestamp,
    ) -> Result<Vec<(String, String)>, String> {
        let identity = credentials(key).into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.signing_name)
            .time(SystemTime::from(now))
            .settings(SigningSettings::default())
            .build()
            .map_err(|e| e.to_string())?;
        let named = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let body = SignableBody::Bytes(self.body.as_bytes());
        let request = SignableRequest::new("POST", url, named, body).map_err(|e| e.to_string())?;
        let (instructions, _) =
            sign(request, &parameters.into()).map_err(|e| e.to_string())?.into_parts();
        Ok(instructions.headers().map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
    }
}

/// The URL of `request`, signed by `key` at `now`.
///
/// # Errors
/// [`IssueError::Specification`] for a URL that cannot be signed.
pub(crate) fn presign(
    request: &Presigned,
    key: &AccessKey,
    now: Timestamp,
) -> Result<SecretString, IssueError> {
    signed_url(request, key, now).map_err(unsigned)
}

fn signed_url(
    request: &Presigned,
    key: &AccessKey,
    now: Timestamp,
) -> Result<SecretString, String> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(request.expires_in.into()));
    let identity = credentials(key).into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(&request.region)
        .name(request.service)
        .time(SystemTime::from(now))
        .settings(settings)
        .build()
        .map_err(|e| e.to_string())?;
    let headers = request.headers.iter().map(|(name, value)| (*name, value.as_str()));
    let signable = SignableRequest::new("GET", &request.url, headers, SignableBody::Bytes(&[]))
        .map_err(|e| e.to_string())?;
    let (instructions, _) =
        sign(signable, &parameters.into()).map_err(|e| e.to_string())?.into_parts();
    let mut signed =
        ::http::Request::builder().uri(&request.url).body(()).map_err(|e| e.to_string())?;
    instructions.apply_to_request_http1x(&mut signed);
    Ok(signed.uri().to_string().into())
}

fn unsigned(what: String) -> IssueError {
    IssueError::Specification { field: "spec.token".to_owned(), what }
}

/// An error of AWS's own. Its JSON may name the namespace of a code before a `#`.
fn of_aws(error: IssueError) -> IssueError {
    let IssueError::Refused { operation, subject, error } = error else { return error };
    let code = error.code.rsplit('#').next().unwrap_or_default().to_owned();
    let error = AwsError { code, issuer: Issuer::Aws, ..error };
    IssueError::Refused { operation, subject, error }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
