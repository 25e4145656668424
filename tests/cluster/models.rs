//! AWS's own models of what is called, against the CRD: each parameter and each field of an answer
//! is in the CRD, or in a table with the reason.

use crate::harness::{background, programs, python, scratch};
use std::path::{Path, PathBuf};

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares the models with the CRDs and the table in these files: the number of fields that were
/// compared, and the problems.
async fn compare(crds: &Path, table: &Path) -> (u64, Vec<String>) {
    let models = background::blocking(programs::botocore).await;
    let arguments = [&models, crds, table].map(|p| p.display().to_string());
    let arguments = arguments.each_ref().map(String::as_str);
    let found = python::run("models.py", &arguments, &[]).await;
    let problems = found["problems"].as_array().expect("a list").iter();
    let problems = problems.map(|p| p.as_str().expect("text").to_owned()).collect();
    (found["fields"].as_u64().expect("a number"), problems)
}

#[tokio::test]
async fn each_field_of_aws_is_in_the_crd_or_in_the_table_with_its_reason() {
    let (crds, table) = (file("deploy/base/crds.yaml"), file("tests/python/models.txt"));
    let (fields, problems) = compare(&crds, &table).await;
    assert_eq!(problems, Vec::<String>::new());
    assert!(fields >= 170, "only {fields} fields were compared");
}

#[tokio::test]
async fn a_field_that_is_missing_and_a_row_that_is_untrue_are_found() {
    let crds = file("deploy/base/crds.yaml");
    let table = std::fs::read_to_string(file("tests/python/models.txt")).expect("the table");
    let untrue = [
        "sts AssumeRole request RoleArn | it is in the CRD",
        "sts AssumeRole request NoSuchField | AWS has none",
        "sts NoSuchOperation | AWS has none",
        "rolesanywhere ListProfiles | there is a model",
        "sts GetFederationToken a line without a reason",
    ];
    let mut rows: Vec<&str> = table.lines().collect();
    rows.retain(|row| {
        !row.starts_with("sts * request TokenCode ") && !row.starts_with("sts AssumeRoot ")
    });
    let moved = "sts GetCallerIdentity response Arn = status.principal.arn";
    rows.retain(|row| *row != moved);
    rows.extend(untrue);
    rows.push("sts GetCallerIdentity response Arn = status.principal.name");
    let table = scratch::write(scratch::subfolder("models").join("models.txt"), rows.join("\n"));
    let (_, problems) = compare(&crds, &table).await;
    for problem in [
        "sts AssumeRole request TokenCode: neither in the CRD",
        "sts GetSessionToken request TokenCode: neither in the CRD",
        "sts AssumeRoot: neither called nor in the table",
        "sts AssumeRole request RoleArn: it is spec.roles.roleArn of the CRD",
        "request NoSuchField | AWS has none: no field",
        "sts NoSuchOperation | AWS has none: no field",
        "rolesanywhere ListProfiles: there is a model of it now",
        "a line without a reason: not a row",
        "sts GetCallerIdentity response Arn: the CRD has no status.principal.name",
    ] {
        assert!(problems.iter().any(|p| p.contains(problem)), "{problem}: {problems:#?}");
    }
    assert_eq!(problems.len(), 9, "{problems:#?}");
}
