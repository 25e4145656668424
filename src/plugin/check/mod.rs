//! `check`: would the API server take these files? The CRDs' own rules, without a cluster.
//!
//! | part | contents |
//! | --- | --- |
//! | [`schema`] | the CRDs as they are applied |
//! | [`structure`] | types, members, limits, lists that are maps or sets |
//! | [`rules`] | the CEL rules |
//! | [`patterns`] | a policy's patterns that match nothing, or too much |
//! | [`templates`] | templates of data keys |
//! | [`metadata`] | names, labels, annotations |
//! | [`files`] | files, folders and standard input |
//! | [`made`] | what a ClusterRefreshableCredential makes |
//! | [`withdrawals`] | withdrawals that a change of policies would cause |
//! | [`finding`] | findings, and their output |

mod files;
mod finding;
mod made;
mod metadata;
mod patterns;
mod rules;
mod schema;
mod structure;
mod templates;
mod withdrawals;

pub use files::read as read_files;
pub use finding::{Finding, Severity};
pub use schema::Kind;

use super::cluster::Cluster;
use super::error::{Error, Result};
use super::global::Global;
use super::manifest::{self, Document};
use super::output::{self, Format};
use super::terminal::visible;
use clap::Args;
use finding::Located;
use refreshable_api::{GROUP, VERSION};
use rules::Rules;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use structure::Structure;
use withdrawals::Change;

/// Exit code where something is wrong with an object.
const INVALID: u8 = 1;
/// Exit code where nothing was to be checked, or a file cannot be read.
const USAGE: u8 = 2;

/// Check files before they are applied: would the API server take them, and what would they
/// withdraw?
#[derive(Args, Debug)]
#[command(after_help = "\
With -f no cluster is asked. Objects of other kinds are left out.
Exit code: 0 where every object is valid and nothing is withdrawn, 1 otherwise, 2 where there is nothing to check.

  kubectl refreshable check -f reports.yaml
  kubectl refreshable check -R -f deploy/
  kustomize build . | kubectl refreshable check -f -
  kubectl refreshable check --policy team-a.yaml
  kubectl refreshable check --remove team-a")]
pub struct Check {
    /// File, folder (of its .yaml, .yml and .json files), or - for standard input; may be repeated.
    #[arg(short, long, required_unless_present_any = ["policy", "remove"], value_name = "FILE", value_delimiter = ',')]
    filename: Vec<PathBuf>,
    /// File with CredentialPolicies: which published Secrets would be withdrawn if it was applied
    /// to this cluster?
    #[arg(long, conflicts_with = "filename", value_name = "FILE", value_delimiter = ',')]
    policy: Vec<PathBuf>,
    /// CredentialPolicy of this cluster: which would be if it was deleted? Together with --policy,
    /// one change.
    #[arg(long, conflicts_with = "filename", value_name = "NAME", value_delimiter = ',')]
    remove: Vec<String>,
    /// Also the folders in folders.
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Form of the output.
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

impl Check {
    /// Runs the command.
    ///
    /// # Errors
    /// Where the output cannot be written.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        if self.filename.is_empty() {
            return self.withdrawals(global).await;
        }
        let texts = match files::read(&self.filename, self.recursive) {
            Ok(texts) => texts,
            Err(what) => {
                output::say(&format!("error: {}", visible(&what)));
                return Ok(ExitCode::from(USAGE));
            }
        };
        let checker = Checker::new();
        let mut report = Report::default();
        for (file, text) in &texts {
            checker.file(file, text, &mut report);
        }
        match self.output {
            Some(format) => output::print(&format.write(&report.to_value())?)?,
            None => output::show(&report.text())?,
        }
        output::say(&report.summary());
        Ok(match (report.errors(), report.objects.len()) {
            (0, 0) => ExitCode::from(USAGE),
            (0, _) => ExitCode::SUCCESS,
            _ => ExitCode::from(INVALID),
        })
    }
}

impl Check {
    async fn withdrawals(self, global: &Global) -> Result<ExitCode> {
        let texts = files::read(&self.policy, self.recursive)
            .map_err(|what| Error::failed(visible(&what)))?;
        let change = Change::read(&texts, self.remove)?;
        let (withdrawn, census) = change.ask(&Cluster::of(global).await?).await?;
        withdrawals::show(&withdrawn, &census, self.output)?;
        Ok(if withdrawn.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(INVALID) })
    }
}

/// The kinds' rules, ready to check with.
pub struct Checker {
    kinds: Vec<(Kind, Structure, Rules, Value)>,
    metadata: Structure,
}

impl Default for Checker {
    fn default() -> Self {
        Self::new()
    }
}

impl Checker {
    /// Reads the rules out of the CRDs.
    pub fn new() -> Self {
        let kinds = Kind::ALL.map(|kind| {
            (kind, Structure::of(schema::whole(&kind.schema())), Rules::of(kind), kind.schema())
        });
        Self { kinds: kinds.into(), metadata: Structure::of(schema::metadata()) }
    }

    /// Faults of an object; `None` for a kind of another project.
    pub fn object(&self, object: &Value) -> Option<Vec<Finding>> {
        let word = |name: &str| object.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
        let (Some(version), Some(name)) = (word("apiVersion"), word("kind")) else {
            return Some(missing_kind(object));
        };
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        if group != GROUP {
            return foreign_group(group, name);
        }
        let known = self.kinds.iter().map(|(k, ..)| k.name());
        let Some((kind, structure, rules, schema)) =
            self.kinds.iter().find(|(k, ..)| k.name() == name)
        else {
            let near = structure::nearest(name, known).unwrap_or(Kind::Credential.name());
            return Some(vec![Finding::error(
                "/kind",
                format!("{GROUP} has no kind {name}: did you mean {near}?"),
            )]);
        };
        if version != VERSION {
            return Some(vec![Finding::error(
                "/apiVersion",
                format!("there is no version {version}: write {GROUP}/{VERSION}"),
            )]);
        }
        let mut findings = metadata::check(&self.metadata, object);
        let mut bare = object.clone();
        schema::prune_nulls(&mut bare, schema);
        bare = kube_cel::apply_defaults(schema, &bare);
        // The status is not applied from a file, but its fields must exist.
        let unknown_or_ours = |f: &Finding| {
            !f.pointer.starts_with("/status/") || f.message.starts_with(structure::UNKNOWN)
        };
        let structural: Vec<Finding> =
            structure.check(&bare).into_iter().filter(unknown_or_ours).collect();
        // A missing value or one of the wrong type leaves the rules nothing to judge; an unfitting
        // text does not.
        let sound = structural.iter().all(|f| f.message.contains(structure::MISMATCH));
        findings.extend(structural);
        if sound {
            if let Value::Object(members) = &mut bare {
                members.remove("status");
            }
            findings.extend(rules.check(&bare));
            match kind {
                Kind::Policy => findings.extend(patterns::check(&bare)),
                Kind::Credential => findings.extend(templates::check(&bare)),
                // A text that holds the placeholder is judged by the result, as the API server does.
                Kind::Cluster if findings.iter().all(|f| f.severity != Severity::Error) => {
                    findings.extend(made::check(self, &bare));
                }
                Kind::Cluster => {}
            }
        }
        Some(findings)
    }

    fn file(&self, file: &str, text: &str, report: &mut Report) {
        match manifest::read(text) {
            Ok(documents) => documents.iter().for_each(|d| self.document(file, d, report)),
            Err(error) => {
                let finding =
                    Finding::error("", format!("this is neither YAML nor JSON: {}", error.what));
                report.findings.push(Located::new(file, Some(error.place), "", &finding));
            }
        }
    }

    fn document(&self, file: &str, document: &Document, report: &mut Report) {
        let object = &document.value;
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        let version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let ours = version.starts_with(&format!("{GROUP}/"));
        if let Some(items) = object.get("items").and_then(Value::as_array)
            && kind.ends_with("List")
            && (version == "v1" || ours)
        {
            let parts = (0..items.len()).filter_map(|n| document.part(&format!("/items/{n}")));
            parts.for_each(|part| self.document(file, &part, report));
            return;
        }
        let Some(mut findings) = self.object(object) else {
            report.left_out += 1;
            return;
        };
        let repeated = document.repeated.iter();
        findings
            .extend(repeated.map(|p| Finding::warning(p, "is given twice: the last one counts")));
        if object.get("status").is_some_and(|s| !s.is_null()) && ours {
            findings.push(Finding::warning(
                "/status",
                "belongs to the controller and is left out where a file is applied",
            ));
        }
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("<no name>");
        let shown = format!("{}/{name}", if kind.is_empty() { "<no kind>" } else { kind });
        let valid = findings.iter().all(|f| f.severity != Severity::Error);
        report.objects.push((file.to_owned(), shown.clone(), valid));
        let mut located: Vec<Located> = findings
            .iter()
            .map(|f| Located::new(file, document.place(&f.pointer), &shown, f))
            .collect();
        located.sort_by_key(|f| (f.line, f.column));
        report.findings.extend(located);
    }
}

fn missing_kind(object: &Value) -> Vec<Finding> {
    if !object.is_object() {
        return vec![Finding::error(
            "",
            "is not an object: it must begin with apiVersion and kind",
        )];
    }
    let missing = |name: &str| object.get(name).and_then(Value::as_str).is_none_or(str::is_empty);
    let text = format!(
        "is missing: write apiVersion: {GROUP}/{VERSION} and kind: {}",
        Kind::Credential.name()
    );
    ["apiVersion", "kind"]
        .into_iter()
        .filter(|n| missing(n))
        .map(|n| Finding::error(format!("/{n}"), text.clone()))
        .collect()
}

/// Another group's object is another's to check, unless it was meant to be ours.
fn foreign_group(group: &str, kind: &str) -> Option<Vec<Finding>> {
    let meant = Kind::ALL.iter().any(|k| k.name() == kind);
    meant.then(|| {
        let what = format!(
            "kind {kind} is not of {}: write {GROUP}/{VERSION}",
            if group.is_empty() { "v1" } else { group }
        );
        vec![Finding::error("/apiVersion", what)]
    })
}

/// Result of a check.
#[derive(Default)]
struct Report {
    /// File, object, and whether it is valid.
    objects: Vec<(String, String, bool)>,
    findings: Vec<Located>,
    left_out: usize,
}

impl Report {
    fn errors(&self) -> usize {
        self.findings.iter().filter(|f| f.severity == Severity::Error).count()
    }

    fn text(&self) -> String {
        let findings = self.findings.iter().map(Located::line);
        let valid = self
            .objects
            .iter()
            .filter(|o| o.2)
            .map(|(file, object, _)| format!("{file}: {object}: valid"));
        findings
            .chain(valid)
            .fold(String::new(), |whole, line| format!("{whole}{}\n", visible(&line)))
    }

    fn to_value(&self) -> Value {
        let object = |(file, object, valid): &(String, String, bool)| json!({"file": file, "object": object, "valid": valid});
        json!({
            "valid": self.errors() == 0 && !self.objects.is_empty(),
            "objects": self.objects.iter().map(object).collect::<Vec<_>>(),
            "findings": self.findings,
        })
    }

    fn summary(&self) -> String {
        let (checked, errors) = (self.objects.len(), self.errors());
        let left_out = match self.left_out {
            0 => String::new(),
            n => format!("; {} of other kinds left out", objects(n)),
        };
        let warnings = match self.findings.len() - errors {
            0 => String::new(),
            1 => ", 1 warning".to_owned(),
            n => format!(", {n} warnings"),
        };
        if checked == 0 && errors == 0 {
            return format!(
                "error: no RefreshableCredential, ClusterRefreshableCredential or CredentialPolicy in these files{left_out}"
            );
        }
        format!(
            "{} checked, {errors} error{}{warnings}{left_out}",
            objects(checked),
            if errors == 1 { "" } else { "s" }
        )
    }
}

fn objects(number: usize) -> String {
    if number == 1 { "1 object".to_owned() } else { format!("{number} objects") }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
