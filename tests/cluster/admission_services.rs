//! Tokens of other services than registries: what is refused, and what is taken.

use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::111122223333:role/team-a/app";

/// A specification with a token of this kind, which has `patch` beside what it needs.
fn of(kind: &str, patch: Value) -> Value {
    let mut token = match kind {
        "codeArtifact" => {
            json!({"domain": "team", "domainOwner": "111122223333", "region": "eu-west-1"})
        }
        "rds" => json!({"host": "db.example.com", "region": "eu-west-1", "user": "app"}),
        "dsql" => json!({"host": "abc.dsql.eu-west-1.on.aws", "region": "eu-west-1"}),
        "elastiCache" => json!({"cacheName": "sessions", "region": "eu-west-1", "user": "app"}),
        "msk" => json!({"region": "eu-west-1"}),
        "eks" => json!({"clusterName": "prod", "region": "eu-west-1"}),
        _ => json!({"audiences": ["api://AzureADTokenExchange"]}),
    };
    let patch = patch.as_object().expect("an object").clone();
    token.as_object_mut().expect("an object").extend(patch);
    json!({"roles": [{"roleArn": ROLE}], "token": {kind: token}})
}

fn in_template(mut spec: Value) -> Value {
    spec["secret"] = json!({"template": {"a": "{{ accessKeyId }}"}});
    spec
}

fn libs(format: &str, name: &str) -> Value {
    json!({"format": format, "name": name})
}

/// Specifications that are refused, with a part of the message that says what to write instead.
pub(super) fn wrong() -> Vec<(&'static str, Value, &'static str)> {
    let mut two = of("rds", json!({}));
    two["token"]["eks"] = json!({"clusterName": "prod", "region": "eu-west-1"});
    let mut beside = of("rds", json!({}));
    beside["secret"] = json!({"formats": ["Environment"]});
    let zone = || json!({"region": "eu-west-1a"});
    let must_be = "must be the code of an AWS Region";
    vec![
        (
            "two tokens",
            two,
            "exactly one of ecr, codeArtifact, rds, dsql, elastiCache, msk, eks, webIdentity",
        ),
        (
            "a password beside files",
            beside,
            "take formats, keys, profile, region, mountPath and template",
        ),
        ("a domain in a zone", of("codeArtifact", zone()), must_be),
        ("a database in a zone", of("rds", zone()), must_be),
        ("a DSQL cluster in a zone", of("dsql", zone()), must_be),
        ("a cluster in a zone", of("eks", zone()), must_be),
        ("a cache in a zone", of("elastiCache", zone()), must_be),
        ("Kafka in a zone", of("msk", zone()), must_be),
        ("a cache by its host", of("elastiCache", json!({"cacheName": "a.b"})), "should match"),
        (
            "a template under a key that is none",
            json!({"roles": [{"roleArn": ROLE}], "secret": {"template": {"a/b": "x"}}}),
            "keys of template are data keys of the Secret",
        ),
        (
            "a template as long as a book",
            json!({"roles": [{"roleArn": ROLE}], "secret": {"template": {"a": "x".repeat(8193)}}}),
            "8192",
        ),
        ("a token in a template", in_template(of("rds", json!({}))), "mountPath and template out"),
        (
            "a token of packages for five minutes",
            of("codeArtifact", json!({"durationSeconds": 300})),
            "must be between 900 and 43200, or 0",
        ),
        (
            "two repositories of a format",
            of("codeArtifact", json!({"repositories": [libs("Npm", "a-b"), libs("Npm", "c-d")]})),
            "Duplicate value",
        ),
        (
            "a format of none",
            of("codeArtifact", json!({"repositories": [libs("Gem", "libs")]})),
            "supported values",
        ),
        (
            "a repository with a quote",
            of("codeArtifact", json!({"repositories": [libs("Npm", "a\"b")]})),
            "should match",
        ),
        ("a URL for a host", of("rds", json!({"host": "https://db"})), "should match"),
        ("a host with its port", of("rds", json!({"host": "db:5432"})), "should match"),
        ("a port beyond all", of("rds", json!({"port": 65536})), "65535"),
        ("a user on two lines", of("rds", json!({"user": "a\nb"})), "should match"),
        ("a database of none", of("rds", json!({"engine": "Oracle"})), "supported values"),
        ("certificates without a path", of("rds", json!({"caFile": "rds.pem"})), "should match"),
        ("two days", of("dsql", json!({"durationSeconds": 172_800})), "129600"),
        ("a server in the clear", of("eks", json!({"server": "http://api"})), "should match"),
        (
            "certificates of no server",
            of("eks", json!({"certificateAuthorityData": "LS0t"})),
            "certificateAuthorityData is of a server: name that, too",
        ),
        ("no audience", of("webIdentity", json!({"audiences": []})), "at least 1 items"),
        (
            "an unsigned token",
            of("webIdentity", json!({"signingAlgorithm": "none"})),
            "supported values",
        ),
        ("a token for a day", of("webIdentity", json!({"durationSeconds": 86_400})), "3600"),
    ]
}

/// Specifications that are taken.
pub(super) fn taken() -> Vec<(&'static str, Value)> {
    let all = ["Npm", "Pypi", "Maven", "Nuget", "Cargo"].map(|format| libs(format, "libs"));
    let mut argo_cd = of("eks", json!({"server": "https://0A.gr7.eu-west-1.eks.amazonaws.com"}));
    argo_cd["secret"] = json!({"labels": {"argocd.argoproj.io/secret-type": "cluster"}});
    vec![
        ("packages of each format", of("codeArtifact", json!({"repositories": all}))),
        ("half a day", of("codeArtifact", json!({"durationSeconds": 43_200}))),
        ("a database", of("rds", json!({}))),
        (
            "all of a database",
            of(
                "rds",
                json!({"engine": "MySQL", "port": 3307, "database": "orders", "caFile": "/etc/rds.pem"}),
            ),
        ),
        ("an administrator of DSQL", of("dsql", json!({}))),
        ("a user of DSQL", of("dsql", json!({"user": "app", "durationSeconds": 3600}))),
        ("a cache", of("elastiCache", json!({"serverless": true}))),
        ("Kafka", of("msk", json!({}))),
        (
            "templates",
            json!({"roles": [{"roleArn": ROLE}], "secret": {"template": {"core-site.xml": "{{ accessKeyId }}", ".s3cfg": ""}}}),
        ),
        ("a cluster", of("eks", json!({}))),
        ("a cluster of Argo CD", argo_cd),
        ("a token for Azure", of("webIdentity", json!({}))),
        (
            "a token for two",
            of(
                "webIdentity",
                json!({
                    "audiences": ["a", "b"], "signingAlgorithm": "ES384", "durationSeconds": 60,
                    "tags": [{"key": "team", "value": "a"}],
                }),
            ),
        ),
    ]
}
