//! Amazon ECR's [GetAuthorizationToken](https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html),
//! and that of [ECR Public](https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/API_GetAuthorizationToken.html).
//!
//! AWS JSON 1.1 without a parameter: ECR's own SDK would bring the other fifty operations along, so
//! the request is made here and signed by the SDK's signer.

use super::sts::credentials;
use crate::http::{self, Call, Way};
use crate::source::SourceContext;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use jiff::Timestamp;
use refreshable_api::StsSpec;
use refreshable_rules::issuer::{AccessKey, AwsError, IssueError, Issuer, Redactor};
use refreshable_rules::token::ecr::{self, BODY, Login, OPERATION, TokenCall};
use secrecy::{ExposeSecret as _, SecretString};
use std::time::SystemTime;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Buys the password of `call`'s registries with the session of `key`. `spec` says how AWS is
/// reached: FIPS and dual-stack endpoints, certificates to trust on the way, and the time limit.
///
/// # Errors
/// AWS's error, or why the call failed.
pub(crate) async fn get_authorization_token(
    call: &TokenCall,
    key: &AccessKey,
    (context, spec): (&SourceContext, &StsSpec),
    redactor: &Redactor,
    now: Timestamp,
) -> Result<Login, IssueError> {
    let url = endpoint(call, &context.aws, spec);
    let mut headers = vec![
        ("content-type".to_owned(), CONTENT_TYPE.to_owned()),
        ("x-amz-target".to_owned(), call.service.target().to_owned()),
    ];
    headers.extend(
        signature(&url, &headers, call, key, now).map_err(|what| IssueError::Specification {
            field: "spec.token.ecr".to_owned(),
            what,
        })?,
    );
    redactor.protect_key(key);
    let authorization = headers.iter().filter(|(name, _)| name == "authorization");
    authorization.for_each(|(_, value)| redactor.protect_signature(value));
    let request = Call {
        operation: OPERATION,
        url: &url,
        way: Way::Aws,
        headers: headers.into_iter().map(|(n, v)| (n, SecretString::from(v))).collect(),
        ca_bundle: spec.ca_bundle.as_deref().filter(|_| spec.endpoint.is_none()),
        identity: None,
        timeout_seconds: spec.timeout_seconds,
    };
    let answer = context.http.send(&request, Some(BODY.to_owned())).await?;
    if !(200..300).contains(&answer.status) {
        let subject = format!("{} in {}", call.service.id(), call.region);
        return Err(of_aws(http::http_error(OPERATION, &subject, &answer)));
    }
    let login = ecr::read(answer.body.expose_secret(), answer.request_id.as_deref())?;
    redactor.protect(login.password.expose_secret());
    Ok(login)
}

/// An error of AWS's own. Its JSON may name the namespace of a code before a `#`.
fn of_aws(error: IssueError) -> IssueError {
    let IssueError::Refused { operation, subject, error } = error else { return error };
    let code = error.code.rsplit('#').next().unwrap_or_default().to_owned();
    let error = AwsError { code, issuer: Issuer::Aws, ..error };
    IssueError::Refused { operation, subject, error }
}

/// The endpoint that the controller's environment names (`AWS_ENDPOINT_URL_ECR`,
/// `AWS_ENDPOINT_URL_ECR_PUBLIC`, `AWS_ENDPOINT_URL`), as SDKs take it; else AWS's own.
fn endpoint(call: &TokenCall, config: &SdkConfig, spec: &StsSpec) -> String {
    let key = ServiceConfigKey::builder()
        .service_id(call.service.id())
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let of_service = config.service_config().zip(key.ok()).and_then(|(c, k)| c.load_config(k));
    let named = of_service.or_else(|| config.endpoint_url().map(str::to_owned));
    let fips = spec.use_fips.or(config.use_fips()).unwrap_or(false);
    let dual_stack = spec.use_dualstack.or(config.use_dual_stack()).unwrap_or(false);
    let base = named.map(|url| url.trim_end_matches('/').to_owned());
    let base = base.unwrap_or_else(|| ecr::endpoint(call.service, &call.region, fips, dual_stack));
    format!("{base}/")
}

/// The headers that sign the request.
fn signature(
    url: &str,
    headers: &[(String, String)],
    call: &TokenCall,
    key: &AccessKey,
    now: Timestamp,
) -> Result<Vec<(String, String)>, String> {
    let identity = credentials(key).into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(&call.region)
        .name(call.service.signing_name())
        .time(SystemTime::from(now))
        .settings(SigningSettings::default())
        .build()
        .map_err(|e| e.to_string())?;
    let named = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let body = SignableBody::Bytes(BODY.as_bytes());
    let request = SignableRequest::new("POST", url, named, body).map_err(|e| e.to_string())?;
    let (instructions, _) =
        sign(request, &parameters.into()).map_err(|e| e.to_string())?.into_parts();
    Ok(instructions.headers().map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_rules::retry::Class;

    #[test]
    fn an_error_is_aws_s_own_and_its_code_has_no_namespace() {
        let answer = |body: &str, header: Option<&str>| http::Answer {
            status: 400,
            body: body.as_bytes().to_vec().into(),
            date: None,
            request_id: Some("r-1".into()),
            error_code: header.map(str::to_owned),
        };
        for (body, header, code, class, advice) in [
            (
                r#"{"__type": "AccessDeniedException", "Message": "not authorized"}"#,
                None,
                "AccessDeniedException",
                Class::Denied,
                "Allow the role ecr:GetAuthorizationToken on resource *",
            ),
            (
                r#"{"__type": "com.amazonaws.ecr#ThrottlingException", "message": "slow"}"#,
                None,
                "ThrottlingException",
                Class::Throttled,
                "retried more slowly",
            ),
            (
                r#"{"message": "The security token included in the request is invalid."}"#,
                Some("UnrecognizedClientException"),
                "UnrecognizedClientException",
                Class::Denied,
                "enabled in the role's account",
            ),
            (
                r#"{"__type": "ExpiredTokenException", "message": "expired"}"#,
                None,
                "ExpiredTokenException",
                Class::Transient,
                "retried automatically",
            ),
        ] {
            let error =
                of_aws(http::http_error(OPERATION, "ECR in eu-west-1", &answer(body, header)));
            assert_eq!((error.code(), error.class()), (Some(code), class), "{body}");
            assert!(error.advice().contains(advice), "{body}: {}", error.advice());
            let text = error.to_string();
            assert!(text.starts_with("GetAuthorizationToken of ECR in eu-west-1: "), "{text}");
            assert!(text.contains("(request r-1)"), "{text}");
        }
    }

    #[test]
    fn fips_and_dual_stack_are_those_of_sts_and_the_administrator_s_url_comes_first() {
        let call = TokenCall {
            service: ecr::Service::Private,
            region: "us-east-1".to_owned(),
            hosts: Vec::new(),
        };
        let (fips, dual) = (Some(true), Some(true));
        let none = SdkConfig::builder().build();
        let fips_by_environment = SdkConfig::builder().use_fips(true).build();
        let named = SdkConfig::builder().endpoint_url("http://localhost:4566/").build();
        for (config, use_fips, use_dualstack, url) in [
            (&none, None, None, "https://api.ecr.us-east-1.amazonaws.com/"),
            (&none, fips, None, "https://ecr-fips.us-east-1.amazonaws.com/"),
            (&none, None, dual, "https://ecr.us-east-1.api.aws/"),
            (&none, fips, dual, "https://ecr-fips.us-east-1.api.aws/"),
            (&fips_by_environment, None, None, "https://ecr-fips.us-east-1.amazonaws.com/"),
            (&fips_by_environment, Some(false), None, "https://api.ecr.us-east-1.amazonaws.com/"),
            (&named, fips, dual, "http://localhost:4566/"),
        ] {
            let spec = StsSpec { use_fips, use_dualstack, ..StsSpec::default() };
            assert_eq!(endpoint(&call, config, &spec), url, "{use_fips:?} {use_dualstack:?}");
        }
    }
}
