use super::*;
use crate::aws::ecr::service_call;
use refreshable_rules::retry::Class;
use refreshable_rules::token::ecr::{self, OPERATION, TokenCall};
use secrecy::ExposeSecret as _;

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
        let error = of_aws(http::http_error(OPERATION, "ECR in eu-west-1", &answer(body, header)));
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
        (&none, None, None, "https://api.ecr.us-east-1.amazonaws.com"),
        (&none, fips, None, "https://ecr-fips.us-east-1.amazonaws.com"),
        (&none, None, dual, "https://ecr.us-east-1.api.aws"),
        (&none, fips, dual, "https://ecr-fips.us-east-1.api.aws"),
        (&fips_by_environment, None, None, "https://ecr-fips.us-east-1.amazonaws.com"),
        (&fips_by_environment, Some(false), None, "https://api.ecr.us-east-1.amazonaws.com"),
        (&named, fips, dual, "http://localhost:4566"),
    ] {
        let spec = StsSpec { use_fips, use_dualstack, ..StsSpec::default() };
        let endpoint = |fips, dual| ecr::endpoint(call.service, &call.region, fips, dual);
        let base = service_call(&call, &endpoint).base(config, &spec);
        assert_eq!(base, url, "{use_fips:?} {use_dualstack:?}");
    }
}

/// As botocore's `SigV4QueryAuth` signs the same requests at that time.
#[test]
fn a_url_is_signed_as_botocore_signs_it() {
    let key = AccessKey {
        id: "ASIAEXAMPLE".to_owned(),
        secret: "secret".into(),
        token: Some("to/ken+=".into()),
    };
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    let cluster = ("x-k8s-aws-id", "prod".to_owned());
    for (url, service, expires_in, headers, signature) in [
        (
            "https://db.c1.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=a%40b",
            "rds-db",
            900,
            vec![],
            "f7e435f843997743d4637971b397ccad7dbf43d4203055dd7d13294eed8cbf98",
        ),
        (
            "https://abc.dsql.eu-west-1.on.aws/?Action=DbConnectAdmin",
            "dsql",
            900,
            vec![],
            "d5d1657ea36944473bd4ad5d4605ffdc98015022ec96dfe00b44d00b8a0e1436",
        ),
        (
            "http://sessions/?Action=connect&User=app",
            "elasticache",
            900,
            vec![],
            "1605b8198d8655130ca07065377e038e234f114dca41c00c4677321c467f7777",
        ),
        (
            "http://sessions/?Action=connect&ResourceType=ServerlessCache&User=app",
            "elasticache",
            900,
            vec![],
            "8b49f5afeb34f725352b14e345c7c7eb01a69891c55057927ff4ea0eb2ef9791",
        ),
        (
            "https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect",
            "kafka-cluster",
            900,
            vec![],
            "185121af565b1c82e40d4e292e11244f41e953a7a4215e6feb8aa228749a69ad",
        ),
        (
            "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
            "sts",
            60,
            vec![cluster],
            "c0fedfcf8fa722a7a8b03f6adcda8beb401c29f32853936a5ec9e9752cbe93bc",
        ),
    ] {
        let request = Presigned {
            url: url.to_owned(),
            headers,
            service,
            region: "eu-west-1".to_owned(),
            expires_in,
            valid: jiff::SignedDuration::from_mins(15),
        };
        let signed = presign(&request, &key, now).expect("it is signed");
        let text = signed.expose_secret();
        assert!(text.starts_with(&format!("{url}&X-Amz-")), "{text}");
        let query = text.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let found: std::collections::BTreeMap<_, _> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        assert_eq!(found["X-Amz-Signature"], signature, "{text}");
        assert_eq!(found["X-Amz-Security-Token"], "to/ken+=");
        assert_eq!(found["X-Amz-Expires"], expires_in.to_string());
    }
}
