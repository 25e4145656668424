//! The provider in IAM and the documents in a bucket, as commands and as configuration: pure.

use super::super::discovery::{DISCOVERY, KEYS};
use super::super::manifest;
use super::super::trust_policy::hcl::{self, reference, resource, text};
use super::documents::{Documents, IssuerUrl};
use serde_json::{Value, json};

/// Audience of the tokens that the controller requests for AWS.
pub const AUDIENCE: &str = "sts.amazonaws.com";

/// Commands of the AWS CLI. `folder` holds the documents, quoted for a shell.
pub fn commands(url: &IssuerUrl, folder: Option<&str>, bucket: Option<&str>) -> String {
    let mut script = String::new();
    match (folder, bucket) {
        (Some(folder), Some(bucket)) => {
            for path in [DISCOVERY, KEYS] {
                script.push_str(&format!(
                    "aws s3 cp --content-type application/json {} 's3://{bucket}/{}'\n",
                    quoted(&format!("{folder}/{path}")),
                    object(url, path)
                ));
            }
        }
        _ => {
            for path in [DISCOVERY, KEYS] {
                let file = folder.map_or_else(String::new, |f| format!("{f}/{path} "));
                script.push_str(&format!("# Serve {file}at {}/{path}\n", url.as_str()));
            }
        }
    }
    script.push_str(&format!(
        "aws iam create-open-id-connect-provider --url {} --client-id-list {AUDIENCE}\n",
        url.as_str()
    ));
    script
}

/// Terraform configuration (provider hashicorp/aws).
///
/// # Errors
/// Where it cannot be written in HCL.
pub fn terraform(
    url: &IssuerUrl,
    documents: &Documents,
    bucket: Option<&str>,
) -> Result<String, String> {
    let mut blocks = Vec::new();
    let mut before = Vec::new();
    for (label, (path, content)) in ["configuration", "keys"].into_iter().zip(documents.files()) {
        let Some(bucket) = bucket else { continue };
        let attributes = vec![
            ("bucket", text(bucket)),
            ("key", text(&object(url, path))),
            ("content_type", text("application/json")),
            ("content", hcl::encoded(content)?),
        ];
        blocks.push(resource("aws_s3_object", label, attributes)?);
        before.push(reference("aws_s3_object", &[label]));
    }
    let audiences = vec![text(AUDIENCE)];
    let mut attributes =
        vec![("url", text(url.as_str())), ("client_id_list", hcl::Expression::from(audiences))];
    if !before.is_empty() {
        attributes.push(("depends_on", before.into()));
    }
    blocks.push(resource("aws_iam_openid_connect_provider", "cluster", attributes)?);
    Ok(blocks.join("\n"))
}

/// A CloudFormation template. It has no resource for an object of a bucket.
///
/// # Errors
/// Where it cannot be written in YAML.
pub fn cloudformation(url: &IssuerUrl) -> Result<String, String> {
    let properties = json!({"Url": url.as_str(), "ClientIdList": [AUDIENCE]});
    let template = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {"Provider": {"Type": "AWS::IAM::OIDCProvider", "Properties": properties}},
        "Outputs": {"ProviderArn": {"Value": {"Fn::GetAtt": ["Provider", "Arn"]}}},
    });
    manifest::write(&template)
}

/// Everything, for programs.
pub fn to_value(url: &IssuerUrl, documents: &Documents, flags: &[(&str, String)]) -> Value {
    let files: serde_json::Map<String, Value> =
        documents.files().into_iter().map(|(p, v)| (p.to_owned(), v.clone())).collect();
    let flags: Vec<Value> = flags.iter().map(|(n, v)| json!({"name": n, "value": v})).collect();
    json!({
        "issuer": url.as_str(),
        "presentIssuer": documents.present,
        "documents": files,
        "provider": {"url": url.as_str(), "clientIdList": [AUDIENCE]},
        "apiServerFlags": flags,
    })
}

/// Key of an object in the bucket that serves the issuer's URL.
fn object(url: &IssuerUrl, path: &str) -> String {
    match url.path() {
        "" => path.to_owned(),
        prefix => format!("{prefix}/{path}"),
    }
}

/// A word of a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A bucket by its name ([naming
/// rules](https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html)).
///
/// # Errors
/// That the name breaks a rule, and which names S3 takes.
pub fn bucket(name: &str) -> Result<String, String> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
    let ends = !name.starts_with(['-', '.']) && !name.ends_with(['-', '.']);
    if (3..=63).contains(&name.len()) && name.bytes().all(inner) && ends {
        return Ok(name.to_owned());
    }
    Err(format!(
        "{name:?} is not a bucket: write its name alone, 3 to 63 lower-case letters, digits, dots and hyphens"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &str) -> IssuerUrl {
        IssuerUrl::parse(&format!("https://oidc.example.com{path}")).expect("a URL")
    }

    fn documents(url: &IssuerUrl) -> Documents {
        let keys = json!({"keys": [{"kid": "a", "n": "${x}"}]});
        Documents::new(url, &json!({"issuer": "https://old"}), &keys).expect("documents")
    }

    #[test]
    fn commands_upload_both_documents_and_make_the_provider() {
        let script = commands(&url("/c1"), Some("it's here"), Some("bucket"));
        let lines: Vec<&str> = script.lines().collect();
        assert_eq!(
            lines[0],
            r"aws s3 cp --content-type application/json 'it'\''s here/.well-known/openid-configuration' 's3://bucket/c1/.well-known/openid-configuration'"
        );
        assert!(lines[1].ends_with("'s3://bucket/c1/openid/v1/jwks'"), "{script}");
        let provider = "aws iam create-open-id-connect-provider --url https://oidc.example.com/c1 --client-id-list sts.amazonaws.com";
        assert_eq!(lines[2..], [provider]);
        let elsewhere = commands(&url(""), Some("d"), None);
        let served = "# Serve d/openid/v1/jwks at https://oidc.example.com/openid/v1/jwks\n";
        assert!(elsewhere.contains(served) && !elsewhere.contains("s3"), "{elsewhere}");
        let nowhere = commands(&url(""), None, None);
        assert!(nowhere.starts_with("# Serve at https://oidc.example.com/.well"), "{nowhere}");
    }

    #[test]
    fn configuration_is_read_by_its_readers() {
        let url = url("");
        let whole = terraform(&url, &documents(&url), Some("bucket")).expect("HCL");
        let blocks = ::hcl::parse(&whole).map(|body| body.blocks().count());
        assert_eq!(blocks.ok(), Some(3), "{whole}");
        assert!(
            whole.contains("key = \".well-known/openid-configuration\"") && whole.contains("$${x}"),
            "{whole}"
        );
        assert!(
            whole.contains("depends_on = [aws_s3_object.configuration, aws_s3_object.keys]"),
            "{whole}"
        );
        let alone = terraform(&url, &documents(&url), None).expect("HCL");
        assert!(
            !alone.contains("aws_s3_object")
                && alone.contains("client_id_list = [\"sts.amazonaws.com\"]"),
            "{alone}"
        );
        let template = cloudformation(&url).expect("YAML");
        let read: Value = serde_saphyr::from_str(&template).expect("YAML");
        let properties = &read["Resources"]["Provider"]["Properties"];
        assert_eq!(
            *properties,
            json!({"Url": "https://oidc.example.com", "ClientIdList": [AUDIENCE]})
        );
    }

    #[test]
    fn programs_get_all_of_it() {
        let url = url("");
        let value = to_value(&url, &documents(&url), &[("service-account-issuer", "x".to_owned())]);
        assert_eq!(value["documents"][KEYS]["keys"][0]["kid"], "a");
        assert_eq!(value["documents"][DISCOVERY]["issuer"], "https://oidc.example.com");
        assert_eq!(value["presentIssuer"], "https://old");
        assert_eq!(value["apiServerFlags"][0]["name"], "service-account-issuer");
    }

    #[test]
    fn buckets_are_names() {
        assert_eq!(bucket("my-bucket.1"), Ok("my-bucket.1".to_owned()));
        for wrong in ["", "ab", "s3://bucket", "Bucket", "-ab", "ab.", "a'b"] {
            assert!(bucket(wrong).is_err_and(|e| e.contains("is not a bucket")), "{wrong}");
        }
    }
}
