//! Types of the Secret that a specification asks for: what is refused, and what is taken.

use super::admission::{api, refusal_of_change};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::111122223333:role/team-a/reports";
const BASIC_AUTH: &str = "kubernetes.io/basic-auth";
const DOCKER_CONFIG: &str = "kubernetes.io/dockerconfigjson";

/// A specification with this Secret.
fn secret(secret: Value) -> Value {
    json!({"roles": [{"roleArn": ROLE}], "secret": secret})
}

fn of_type(kind: &str) -> Value {
    secret(json!({"type": kind}))
}

fn token(token: Value, kind: &str) -> Value {
    json!({"roles": [{"roleArn": ROLE}], "token": token, "secret": {"type": kind}})
}

fn cache() -> Value {
    json!({"elastiCache": {"cacheName": "sessions", "region": "eu-west-1", "user": "app"}})
}

fn database() -> Value {
    json!({"rds": {"host": "db.example.com", "region": "eu-west-1", "user": "app"}})
}

fn images() -> Value {
    json!({"ecr": {"public": true}})
}

/// Specifications that are refused, with a part of the message that says what to write instead.
pub(super) fn wrong() -> Vec<(&'static str, Value, &'static str)> {
    let own = "choose Opaque, kubernetes.io/basic-auth, kubernetes.io/dockerconfigjson, or a type of another domain";
    let form = "type must be Opaque, or a domain and a name";
    let basic = "needs the data key username or password";
    let docker = "needs the data key .dockerconfigjson";
    vec![
        ("a token of a ServiceAccount", of_type("kubernetes.io/service-account-token"), own),
        ("a token of a node", of_type("bootstrap.kubernetes.io/token"), own),
        ("a certificate", of_type("kubernetes.io/tls"), own),
        ("a later type of Kubernetes", of_type("new.kubernetes.io/anything"), own),
        (
            "the controller's key",
            of_type("refreshable.dev/input-key"),
            "only refreshable.dev/aws-credentials can be chosen",
        ),
        ("a type without a domain", of_type("aws"), form),
        ("a small letter", of_type("opaque"), form),
        ("a domain without a name", of_type("example.com/"), form),
        ("a user name without one", of_type(BASIC_AUTH), basic),
        (
            "a user name in no format that is written",
            secret(json!({"type": BASIC_AUTH, "keys": {"accessKeyId": "username"}})),
            basic,
        ),
        ("a user name of a database", token(database(), BASIC_AUTH), basic),
        ("logins without any", of_type(DOCKER_CONFIG), docker),
        (
            "logins under another key",
            secret(json!({"type": DOCKER_CONFIG, "template": {"config.json": "{}"}})),
            docker,
        ),
        ("logins of a database", token(database(), DOCKER_CONFIG), docker),
        (
            "a type of an adopted Secret",
            secret(json!({"type": "Opaque", "adopt": true})),
            "an adopted Secret keeps its type: take type or adopt out",
        ),
    ]
}

/// Specifications that are taken.
pub(super) fn taken() -> Vec<(&'static str, Value)> {
    let template = json!({"username": "{{ accessKeyId }}", "password": "{{ secretAccessKey }}"});
    let renamed = json!({"accessKeyId": "username", "secretAccessKey": "password"});
    vec![
        ("Opaque", of_type("Opaque")),
        ("our own type", of_type("refreshable.dev/aws-credentials")),
        ("a type of another domain", of_type("example.com/aws.v1")),
        ("a domain that ends alike", of_type("notkubernetes.io/token")),
        ("a user name and a password", secret(json!({"type": BASIC_AUTH, "template": template}))),
        (
            "keys that are called so",
            secret(json!({"type": BASIC_AUTH, "formats": ["Environment"], "keys": renamed})),
        ),
        ("the user of a cache", token(cache(), BASIC_AUTH)),
        ("logins", secret(json!({"type": DOCKER_CONFIG, "template": {".dockerconfigjson": "{}"}}))),
        ("logins of Amazon ECR", token(images(), DOCKER_CONFIG)),
        ("a token in another type", token(database(), "Opaque")),
        ("no adoption", secret(json!({"type": "Opaque", "adopt": false}))),
    ]
}

#[tokio::test]
async fn every_change_of_the_type_is_taken() {
    let api = api("RefreshableCredential", "refreshablecredentials").await;
    let files = json!({"roles": [{"roleArn": ROLE}]});
    let of = |token: Value| json!({"roles": [{"roleArn": ROLE}], "token": token});
    for (old, new) in [
        (files.clone(), of_type("Opaque")),
        (of_type("example.com/aws"), files.clone()),
        (files.clone(), of(images())),
        (of(images()), of(database())),
        (of(database()), files),
    ] {
        assert_eq!(refusal_of_change(&api, &old, &new).await, None, "{old} to {new}");
    }
}
