use super::*;
use refreshable_api::TokenKind;

fn token(more: Value) -> EksToken {
    let mut token = json!({"clusterName": "prod", "region": "eu-west-1"});
    let more = more.as_object().expect("an object").clone();
    token.as_object_mut().expect("an object").extend(more);
    serde_json::from_value(token).expect("a token")
}

fn whole(token: &EksToken, bearer: &str) -> Files {
    crate::token::files(TokenKind::Eks(token), &bearer.into())
}

#[test]
fn the_call_is_signed_for_the_cluster_and_its_region() {
    let signed = presigned(&token(json!({}))).expect("it can be signed");
    let url = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15";
    assert_eq!((signed.url.as_str(), signed.service), (url, "sts"));
    assert_eq!(signed.headers, [("x-k8s-aws-id", "prod".to_owned())]);
    assert_eq!((signed.expires_in, signed.valid), (60, SignedDuration::from_mins(15)));
    let china = presigned(&token(json!({"region": "cn-north-1"}))).expect("it can be signed");
    assert!(china.url.starts_with("https://sts.cn-north-1.amazonaws.com.cn/?"), "{}", china.url);
    for (wrong, field) in [
        (json!({"region": "eu/west"}), "region"),
        (json!({"clusterName": "a\r\nx: y"}), "clusterName"),
        (json!({"server": "https://a b"}), "server"),
    ] {
        let error = presigned(&token(wrong)).expect_err(field).to_string();
        assert!(error.starts_with(&format!("spec.token.eks.{field}: ")), "{error}");
    }
}

#[test]
fn a_bearer_token_is_the_signed_url_in_base64_without_padding() {
    let bearer = bearer(&"https://x/?a=b~".into());
    assert_eq!(bearer.expose_secret(), "k8s-aws-v1.aHR0cHM6Ly94Lz9hPWJ-");
}

#[test]
fn a_server_gets_a_kubeconfig_and_a_cluster_of_argo_cd() {
    let alone = whole(&token(json!({})), "b");
    assert_eq!(alone.keys().collect::<Vec<_>>(), ["token"]);

    let of = |more: Value| {
        let token = token(more);
        let files = whole(&token, "k8s-aws-v1.b");
        let mut keys = token.data_keys();
        keys.sort_unstable();
        assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), keys);
        let read =
            |key: &str| serde_json::from_str::<Value>(files[key].expose_secret()).expect("JSON");
        (read("kubeconfig"), read("config"), files["server"].expose_secret().to_owned())
    };
    let server = "https://0A.gr7.eu-west-1.eks.amazonaws.com";
    let (kubeconfig, config, named) =
        of(json!({"server": server, "certificateAuthorityData": "LS0t"}));
    let cluster = json!({"server": server, "certificate-authority-data": "LS0t"});
    assert_eq!(kubeconfig["clusters"], json!([{"name": "prod", "cluster": cluster}]));
    let user = json!({"tokenFile": "token", "token": "k8s-aws-v1.b"});
    assert_eq!(kubeconfig["users"], json!([{"name": "prod", "user": user}]));
    assert_eq!(kubeconfig["current-context"], "prod");
    assert_eq!(named, server);
    let tls = json!({"insecure": false, "caData": "LS0t"});
    assert_eq!(config, json!({"bearerToken": "k8s-aws-v1.b", "tlsClientConfig": tls}));
    let (kubeconfig, config, _) = of(json!({"server": server}));
    assert_eq!(kubeconfig["clusters"][0]["cluster"], json!({"server": server}));
    assert_eq!(config["tlsClientConfig"], json!({"insecure": false}));
}
