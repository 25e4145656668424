//! `render`: the Secret that would be published, with made-up values, without a cluster.

use super::check::read_files;
use super::error::{Error, Result};
use super::global::Global;
use super::manifest::{self, Document};
use super::output::{self, Format};
use super::terminal::visible;
use clap::Args;
use jiff::Timestamp;
use kube::ResourceExt as _;
use refreshable_api::{GROUP, RefreshableCredential};
use refreshable_rules::render::{Files, sample_files};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Print the Secrets that the resources in files would be published in, with made-up values.
#[derive(Args, Debug)]
#[command(after_help = "\
No cluster is asked. Objects of other kinds are left out.

  kubectl refreshable render -f reports.yaml
  kubectl refreshable render -f reports.yaml --key core-site.xml
  kustomize build . | kubectl refreshable render -f -")]
pub struct Render {
    /// File, folder (of its .yaml, .yml and .json files), or - for standard input; may be repeated.
    #[arg(short, long, required = true, value_name = "FILE", value_delimiter = ',')]
    filename: Vec<PathBuf>,
    /// Also the folders in folders.
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Print the text under this data key alone.
    #[arg(long, value_name = "KEY", conflicts_with = "output")]
    key: Option<String>,
    /// Form of the output. Defaults to yaml.
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

impl Render {
    /// Runs the command.
    ///
    /// # Errors
    /// Where a file cannot be read, a template has a fault, or nothing was to be rendered.
    pub async fn run(self, _: &Global) -> Result<ExitCode> {
        let texts = read_files(&self.filename, self.recursive)
            .map_err(|what| Error::failed(visible(&what)))?;
        let mut objects = Vec::new();
        for (file, text) in &texts {
            objects.extend(resources(file, text)?);
        }
        if objects.is_empty() {
            return Err(Error::failed("there is no RefreshableCredential in these files"));
        }
        let now = Timestamp::now();
        let mut written = Vec::new();
        for object in &objects {
            let files = sample_files(object, now)
                .map_err(|error| Error::failed(format!("{}: {error}", object.name_any())))?;
            written.push(self.one(object, &files)?);
        }
        let between = if self.key.is_some() { "" } else { "---\n" };
        output::print(&written.join(between))?;
        Ok(ExitCode::SUCCESS)
    }

    fn one(&self, object: &RefreshableCredential, files: &Files) -> Result<String> {
        match &self.key {
            None => self.output.unwrap_or(Format::Yaml).write(&secret(object, files)),
            Some(key) => {
                files.get(key).map(|text| text.expose_secret().to_owned()).ok_or_else(|| {
                    let all: Vec<&str> = files.keys().map(String::as_str).collect();
                    Error::failed(format!(
                        "data key {key:?} is not written, but {}",
                        all.join(", ")
                    ))
                })
            }
        }
    }
}

/// The Secret, whose data can be read.
fn secret(object: &RefreshableCredential, files: &Files) -> Value {
    let data: serde_json::Map<String, Value> =
        files.iter().map(|(key, text)| (key.clone(), text.expose_secret().into())).collect();
    let spec = object.spec.secret();
    let mut metadata = json!({"name": object.secret_name()});
    let more = [
        ("namespace", object.namespace().map(Value::from)),
        ("labels", spec.labels.map(|labels| json!(labels))),
        ("annotations", spec.annotations.map(|annotations| json!(annotations))),
    ];
    for (name, value) in more.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        metadata[name] = value;
    }
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": metadata,
        "type": object.spec.secret_type(), "stringData": data,
    })
}

/// The resources in a file, also in lists.
fn resources(file: &str, text: &str) -> Result<Vec<RefreshableCredential>> {
    let documents =
        manifest::read(text).map_err(|e| Error::failed(visible(&format!("{file}: {}", e.what))))?;
    let mut found = Vec::new();
    for document in &documents {
        for value in each(document) {
            let named =
                |member: &str| value.get(member).and_then(Value::as_str).unwrap_or_default();
            let ours = named("apiVersion").starts_with(&format!("{GROUP}/"));
            if !ours || named("kind") != "RefreshableCredential" {
                continue;
            }
            found.push(serde_json::from_value(value.clone()).map_err(|e| {
                let what = format!("{file}: {e}; `kubectl refreshable check -f {file}` tells more");
                Error::failed(visible(&what))
            })?);
        }
    }
    Ok(found)
}

fn each(document: &Document) -> Vec<&Value> {
    let items = document.value.get("items").and_then(Value::as_array);
    items.map_or_else(|| vec![&document.value], |items| items.iter().collect())
}
