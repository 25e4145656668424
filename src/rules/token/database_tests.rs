use super::*;
use crate::token::files;
use refreshable_api::TokenKind;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

fn rds(more: Value) -> RdsToken {
    let mut token =
        json!({"host": "db.c1.eu-west-1.rds.amazonaws.com", "region": "eu-west-1", "user": "app"});
    let more = more.as_object().expect("an object").clone();
    token.as_object_mut().expect("an object").extend(more);
    serde_json::from_value(token).expect("a token")
}

fn dsql(more: Value) -> DsqlToken {
    let mut token = json!({"host": "abc.dsql.eu-west-1.on.aws", "region": "eu-west-1"});
    let more = more.as_object().expect("an object").clone();
    token.as_object_mut().expect("an object").extend(more);
    serde_json::from_value(token).expect("a token")
}

#[test]
fn what_is_signed_names_the_database_and_its_user() {
    for (token, url) in [
        (
            rds(json!({})),
            "https://db.c1.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=app",
        ),
        (
            rds(json!({"engine": "MySQL", "user": "a@b"})),
            "https://db.c1.eu-west-1.rds.amazonaws.com:3306/?Action=connect&DBUser=a%40b",
        ),
        (
            rds(json!({"host": "DB.example.com", "port": 15432})),
            "https://db.example.com:15432/?Action=connect&DBUser=app",
        ),
    ] {
        let signed = of_rds(&token).expect("it can be signed");
        assert_eq!((signed.url.as_str(), signed.service), (url, "rds-db"));
        assert_eq!((signed.region.as_str(), signed.expires_in), ("eu-west-1", 900));
        assert_eq!(signed.valid, SignedDuration::from_mins(15));
    }
    for (token, action, seconds) in [
        (dsql(json!({})), "DbConnectAdmin", 900),
        (dsql(json!({"user": "admin"})), "DbConnectAdmin", 900),
        (dsql(json!({"user": "app", "durationSeconds": 3600})), "DbConnect", 3600),
    ] {
        let signed = of_dsql(&token).expect("it can be signed");
        let url = format!("https://abc.dsql.eu-west-1.on.aws/?Action={action}");
        assert_eq!((signed.url, signed.service, signed.expires_in), (url, "dsql", seconds));
        assert_eq!(signed.valid, SignedDuration::from_secs(seconds.into()));
    }
}

#[test]
fn what_cannot_be_signed_or_written_is_refused_by_its_field() {
    for (token, field) in [
        (json!({"host": "db/evil"}), "host"),
        (json!({"host": ""}), "host"),
        (json!({"region": "EU"}), "region"),
        (json!({"user": "a b"}), "user"),
        (json!({"user": "a\nhost=evil"}), "user"),
        (json!({"database": "a\nb"}), "database"),
        (json!({"caFile": "/a b"}), "caFile"),
    ] {
        let error = of_rds(&rds(token)).expect_err(field).to_string();
        assert!(error.starts_with(&format!("spec.token.rds.{field}: ")), "{error}");
    }
    let error = of_dsql(&dsql(json!({"user": "a\tb"}))).expect_err("user").to_string();
    assert!(error.starts_with("spec.token.dsql.user: "), "{error}");
}

fn whole(token: &RdsToken, password: &SecretString) -> Files {
    files(TokenKind::Rds(token), password)
}

fn texts(files: Files) -> Vec<(String, String)> {
    files.into_iter().map(|(key, text)| (key, text.expose_secret().to_owned())).collect()
}

fn pairs<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected.map(|(key, text)| (key.to_owned(), text.to_owned())).to_vec()
}

#[test]
fn postgresql_gets_a_service_file_a_password_file_and_variables() {
    let password = SecretString::from("db:5432/?Action=connect&X=%2F\\");
    let token = rds(json!({"user": "a:b", "database": "orders", "caFile": "/etc/rds.pem"}));
    assert_eq!(
        texts(whole(&token, &password)),
        pairs([
            (
                ".pgpass",
                "db.c1.eu-west-1.rds.amazonaws.com:5432:orders:a\\:b:db\\:5432/?Action=connect&X=%2F\\\\\n"
            ),
            ("PGDATABASE", "orders"),
            ("PGHOST", "db.c1.eu-west-1.rds.amazonaws.com"),
            ("PGPASSWORD", password.expose_secret()),
            ("PGPORT", "5432"),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", "/etc/rds.pem"),
            ("PGUSER", "a:b"),
            (
                "pg_service.conf",
                "[default]\nhost=db.c1.eu-west-1.rds.amazonaws.com\nport=5432\nuser=a:b\ndbname=orders\nsslmode=verify-full\nsslrootcert=/etc/rds.pem\n"
            ),
            ("token", password.expose_secret()),
        ])
    );
    let bare = texts(whole(&rds(json!({})), &"p".into()));
    assert!(bare.contains(&(
        ".pgpass".to_owned(),
        "db.c1.eu-west-1.rds.amazonaws.com:5432:*:app:p\n".to_owned()
    )));
    assert!(bare.contains(&("PGSSLMODE".to_owned(), "require".to_owned())), "never in the clear");
    let of_cluster = texts(files(TokenKind::Dsql(&dsql(json!({}))), &"p".into()));
    let service = "[default]\nhost=abc.dsql.eu-west-1.on.aws\nport=5432\nuser=admin\ndbname=postgres\nsslmode=require\n";
    assert!(of_cluster.contains(&("pg_service.conf".to_owned(), service.to_owned())));
}

#[test]
fn mysql_gets_an_option_file() {
    let token = rds(json!({"engine": "MySQL", "user": "a\"b", "caFile": "/etc/rds.pem"}));
    let file = "[client]\nloose-enable-cleartext-plugin\nhost = \"db.c1.eu-west-1.rds.amazonaws.com\"\nport = \"3306\"\nuser = \"a\\\"b\"\nssl-ca = \"/etc/rds.pem\"\nloose-ssl-mode = \"VERIFY_IDENTITY\"\nloose-ssl-verify-server-cert = \"1\"\npassword = \"p\\\\w\"\n";
    let found = texts(whole(&token, &"p\\w".into()));
    assert_eq!(found, pairs([("my.cnf", file), ("token", "p\\w")]));
    let found = texts(whole(&rds(json!({"engine": "MySQL"})), &"p".into()));
    assert!(found[0].1.contains("loose-ssl-mode = \"REQUIRED\"\n"), "{found:?}");
}

#[test]
fn each_key_that_the_api_names_is_written_and_no_other() {
    for token in [
        rds(json!({})),
        rds(json!({"database": "d"})),
        rds(json!({"engine": "MySQL", "database": "d"})),
    ] {
        let mut keys = token.data_keys();
        keys.sort_unstable();
        let files = whole(&token, &"p".into());
        assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), keys);
    }
}
