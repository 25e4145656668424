use super::*;

fn findings(yaml: &str) -> String {
    let mut report = Report::default();
    Checker::new().file("f.yaml", yaml, &mut report);
    report.text()
}

fn spec(yaml: &str) -> String {
    let indented = yaml.lines().map(|l| format!("  {l}\n")).collect::<String>();
    let head = "apiVersion: refreshable.dev/v1alpha1\nkind: RefreshableCredential\nmetadata:\n  name: a\nspec:\n";
    findings(&format!("{head}{indented}"))
}

#[test]
fn what_is_wrong_is_said_with_line_field_and_what_to_write() {
    let arn = "roleArn: arn:aws:iam::111122223333:role/x";
    for (yaml, line) in [
        (
            format!("roles:\n- {arn}\n  durationSecond: 900"),
            "f.yaml:8:5: error: RefreshableCredential/a: spec.roles[0].durationSecond: there is no such field: did you mean durationSeconds?",
        ),
        (
            format!("{arn}\nroles:\n- {arn}"),
            "spec.roleArn: there is no such field: it belongs to spec.roles[].roleArn",
        ),
        (
            format!("roles:\n- {arn}\n  externalId: 1234"),
            "f.yaml:8:5: error: RefreshableCredential/a: spec.roles[0].externalId: must be text, and 1234 without quotes is none: write \"1234\"",
        ),
        (
            format!("roles:\n- {arn}\n  durationSeconds: 899"),
            "spec.roles[0].durationSeconds: must be at least 900, is 899",
        ),
        (format!("roles:\n- {arn}\n  durationSeconds: '900'"), "must be a whole number, not text"),
        (
            format!("roles:\n  {arn}"),
            "spec.roles: must be a list, not a map: begin each of its entries with a dash",
        ),
        (
            format!("roles:\n- {arn}\nsecret:\n  formats: [Environmnt]"),
            "\"Environmnt\" is none of Credentials, Config, ProcessJson, Environment: did you mean Environment?",
        ),
        (
            format!("roles:\n- {arn}\n  tags: [{{key: a, value: x}}, {{key: a, value: y}}]"),
            "spec.roles[0].tags[1]: has the same key as spec.roles[0].tags[0]",
        ),
        (
            "roles:\n- externalId: 4f2a".to_owned(),
            "spec.roles[0].roleArn: is missing: ARN of the role to assume",
        ),
        (format!("roles:\n- {arn}\n  roleSessionName: a b"), "\"a b\" does not match"),
        (
            "source: {ambient: {}}".to_owned(),
            "f.yaml:5:1: error: RefreshableCredential/a: spec: roles must name at least one role",
        ),
        (
            format!(
                "roles:\n- {arn}\n  externalId: ab\n  externalIdSecretRef: {{name: s, key: k}}"
            ),
            "spec.roles[0]: set externalId or externalIdSecretRef, not both",
        ),
        (
            format!(
                "roles:\n- {arn}\nsts:\n  caBundle: '-----BEGIN CERTIFICATE-----'\n  caBundleRef: {{name: ca}}"
            ),
            "spec.sts: set caBundle or caBundleRef, not both: take one of them out",
        ),
        (
            format!("roles:\n- {arn}\nsts: {{caBundleRef: {{kind: configmap, name: ca}}}}"),
            "spec.sts.caBundleRef.kind: \"configmap\" is none of ConfigMap, Secret: did you mean ConfigMap?",
        ),
        (format!("roles:\n- {arn}\nrefresh: {{before: 99999999999999999h}}"), "spec.refresh: "),
    ] {
        let said = spec(&yaml);
        assert!(said.contains(line), "{yaml}\n{said}");
    }
}

#[test]
fn what_is_right_is_valid() {
    let yaml = "roles:\n- roleArn: arn:aws:iam::111122223333:role/x\n  policy: null\nsts: {region: eu-west-1}";
    assert_eq!(spec(yaml), "f.yaml: RefreshableCredential/a: valid\n");
}

#[test]
fn kinds_and_lists_are_told_apart() {
    assert_eq!(findings("apiVersion: v1\nkind: Pod\n"), "");
    assert!(findings("kind: Pod\n").contains("apiVersion: is missing"));
    assert!(
        findings("apiVersion: refreshable.dev/v1\nkind: RefreshableCredential\n")
            .contains("there is no version v1")
    );
    assert!(
        findings("apiVersion: refreshable.dev/v1alpha1\nkind: RefreshableCredentials\n")
            .contains("did you mean RefreshableCredential?")
    );
    assert!(
        findings("apiVersion: v1\nkind: CredentialPolicy\n")
            .contains("write refreshable.dev/v1alpha1")
    );
    let item = "{apiVersion: refreshable.dev/v1alpha1, kind: CredentialPolicy, metadata: {name: a}, spec: {allow: {}}}";
    let list = findings(&format!("apiVersion: v1\nkind: List\nitems:\n- {item}\n"));
    assert!(
        list.contains("f.yaml:4:") && list.contains("spec.namespaceSelector: is missing"),
        "{list}"
    );
    assert!(
        findings("a: [").starts_with("f.yaml:")
            && findings("a: [").contains("neither YAML nor JSON")
    );
    assert!(findings("- a\n").contains("is not an object"));
}

#[test]
fn what_stands_in_a_file_steers_no_terminal_and_adds_no_line() {
    let said = findings(
        "apiVersion: refreshable.dev/v1alpha1\nkind: RefreshableCredential\nmetadata:\n  name: \"a\\nf.yaml: RefreshableCredential/b: valid\\e]52;c;eA==\\a\"\nspec:\n  \"x\\u202E\": 1\n  roles: []\n",
    );
    assert!(said.contains("^[]52;c;eA==^G") && said.contains("<U+202E>"), "{said:?}");
    assert!(!said.contains(|c: char| c != '\n' && crate::terminal::steers(c)), "{said:?}");
    assert!(said.lines().all(|l| l.starts_with("f.yaml:") && l.contains(": error: ")), "{said}");
}

#[test]
fn warnings_are_no_errors() {
    let yaml = "roles:\n- roleArn: arn:aws:iam::111122223333:role/x\nsuspend: true\nsuspend: false";
    let said = spec(yaml);
    assert!(
        said.contains("warning: RefreshableCredential/a: spec.suspend: is given twice")
            && said.contains("valid"),
        "{said}"
    );
}

#[test]
fn a_policy_s_patterns_that_match_nothing_or_too_much_are_warned_of() {
    let policy = |allow: &str| {
        let indented = allow.lines().map(|l| format!("    {l}\n")).collect::<String>();
        findings(&format!(
            "apiVersion: refreshable.dev/v1alpha1\nkind: CredentialPolicy\nmetadata:\n  name: p\nspec:\n  \
             namespaceSelector: {{}}\n  allow:\n{indented}"
        ))
    };
    let store = "endpoints: [https://rgw.example.com]\n";
    let roles = |arn: &str| format!("roles:\n- arns: ['{arn}']");
    for (allow, lines) in [
        (
            roles("arn:aws:iam::111122223333:role/{namespace}-*"),
            vec![
                "f.yaml:9:14: warning: CredentialPolicy/p: spec.allow.roles[0].arns[0]: does not keep namespaces apart: the wildcard",
            ],
        ),
        (
            roles("arn:aws:iam::111122223333:user/x"),
            vec![
                "spec.allow.roles[0].arns[0]: can match nothing, unless another CredentialPolicy allows an STS of another kind: the last part of a role's ARN begins with role/",
            ],
        ),
        (roles("arn:role"), vec!["spec.allow.roles[0].arns[0]: can match nothing: an ARN has six"]),
        (format!("{store}{}", roles("arn:aws:iam::tenant:role/x")), vec![]),
        (
            "urls: ['https://a.example.com/v1/*', 'https://{namespace}-*.example.com']".to_owned(),
            vec![
                "spec.allow.urls[0]: can match nothing: a path has no wildcards",
                "spec.allow.urls[1]: does not keep namespaces apart",
            ],
        ),
        (roles("arn:aws:iam::111122223333:role/{namespace}/*"), vec![]),
    ] {
        let text = policy(&allow);
        assert_eq!(text.matches(": warning: ").count(), lines.len(), "{allow}\n{text}");
        for line in lines {
            assert!(text.contains(line), "{line}\n{text}");
        }
        // A warning is none of the API server's: the policy is valid.
        assert!(text.ends_with("f.yaml: CredentialPolicy/p: valid\n"), "{text}");
    }
}
