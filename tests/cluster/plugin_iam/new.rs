//! `new` writes manifests that `check` finds valid, and that the API server takes.

use super::super::plugin::{User, program};
use super::super::stage::Stage;
use crate::harness::scratch;

const ROLE: &str = "arn:aws:iam::111122223333:role/team-a/reports";

/// Flags of several sources, beside the role where there is one.
const SOURCES: [&[&str]; 6] = [
    &["--from", "controller", "--role", ROLE],
    &[
        "--from",
        "oidc-issuer",
        "--role",
        ROLE,
        "--service-account",
        "reports",
        "--region",
        "eu-west-1",
    ],
    &["--from", "access-key", "--role", ROLE, "--secret", "iam-user"],
    &[
        "--from",
        "x509",
        "--role",
        ROLE,
        "--secret",
        "workload-tls",
        "--trust-anchor",
        "arn:aws:rolesanywhere:eu-west-1:111122223333:trust-anchor/01234567-89ab-cdef-0123-456789abcdef",
        "--profile",
        "arn:aws:rolesanywhere:eu-west-1:111122223333:profile/01234567-89ab-cdef-0123-456789abcdef",
    ],
    &[
        "--from",
        "iot",
        "--endpoint",
        "c1a2b3c4d5e6f7.credentials.iot.eu-west-1.amazonaws.com",
        "--role-alias",
        "edge-uploader",
        "--thing",
        "sensor-17",
        "--secret",
        "sensor-17-tls",
    ],
    &[
        "--from",
        "identity-center",
        "--account",
        "111122223333",
        "--permission-set",
        "ReadOnly",
        "--secret",
        "sso",
    ],
];

#[tokio::test]
async fn the_api_server_takes_what_is_written() {
    let stage = Stage::without_controller().await;
    let user = User::administrator(&stage);
    let namespace = stage.namespace.name.as_str();
    let folder = scratch::subfolder("new");
    for flags in SOURCES {
        let arguments = [&["new", "reports", "-n", namespace], flags].concat();
        let text = user.run(&arguments).await.clean();
        let file = scratch::write(folder.join("new.yaml"), &text).display().to_string();
        let checked = user.run(&["check", "-f", &file]).await;
        assert_eq!(checked.code, 0, "{}{}\n{text}", checked.output, checked.errors);
        let apply = ["apply", "--dry-run=server", "--validate=strict", "--filename", &file];
        let taken = stage.cluster.kubectl(&apply).await;
        assert!(taken.contains("refreshablecredential.refreshable.dev/reports created"), "{taken}");
    }

    let trusted = [
        SOURCES[0],
        &["-n", namespace, "--base-identity", "arn:aws:iam::111122223333:user/controller"],
    ];
    let text = user.run(&[&["new", "reports"], &trusted.concat()[..]].concat()).await.clean();
    let own: String =
        text.lines().filter_map(|l| l.strip_prefix("# ")).map(|l| format!("{l}\n")).collect();
    let begin = own.find('{').expect("a trust policy in comments");
    let printed: serde_json::Value = serde_json::from_str(&own[begin..]).expect("JSON");
    let file = scratch::write(folder.join("new.yaml"), &text).display().to_string();
    let base = "arn:aws:iam::111122223333:user/controller";
    let asked = user.run(&["trust-policy", "-f", &file, "--base-identity", base]).await.clean();
    assert_eq!(printed, serde_json::from_str::<serde_json::Value>(&asked).expect("JSON"));

    // A person at a terminal is asked, in this order.
    let answers = format!("access-key\\n{namespace}\\nreports\\n{ROLE}\\niam-user\\n");
    let asked = format!(
        "printf '{answers}' | script --quiet --return --command '{} new' /dev/null",
        program()
    );
    let screen = user.shell(&asked).await.clean();
    for words in
        ["Which identity do you have already?", "--secret, like", "kind: RefreshableCredential"]
    {
        assert!(screen.contains(words), "{words}\n{screen}");
    }

    let open = user.run(&["new", "reports", "-n", namespace, "--from", "saml"]).await.failed();
    assert!(open.contains("give --role, like arn:aws:iam::"), "{open}");
    let wrong = ["new", "reports", "-n", namespace, "--from", "controller", "--role", "reports"];
    let wrong = user.run(&wrong).await.failed();
    assert!(wrong.contains("the generated manifest would be rejected: spec.roles.0"), "{wrong}");
}
