//! `status`: a table of resources, and a timeline of what expires when.

use super::cluster::{Cluster, bare_name, object_name};
use super::error::{Error, Result};
use super::rows::{self, Item};
use super::terminal::Terminal;
use super::{Global, output, timeline};
use clap::{Args, ValueEnum};
use futures::TryStreamExt as _;
use jiff::Timestamp;
use kube::api::{Api, DynamicObject};
use kube::core::ApiResource;
use kube::runtime::{WatchStreamExt as _, watcher};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

/// How often a screen is redrawn without a change: it shows durations.
const TICK: Duration = Duration::from_secs(1);

/// Show the state of RefreshableCredentials: a table, and a timeline from issue over renewal to
/// expiry.
///
///   kubectl refreshable status -A
///   kubectl refreshable status -n team-a reports -w
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Status {
    /// Names of the RefreshableCredentials. Defaults to all of the namespace.
    #[arg(conflicts_with = "all_namespaces")]
    names: Vec<String>,
    /// Of all namespaces.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Those whose labels match.
    #[arg(short = 'l', long, conflicts_with = "names")]
    selector: Option<String>,
    /// Go on and show changes.
    #[arg(short, long)]
    watch: bool,
    /// Form of the output. Defaults to table and timeline.
    #[arg(short, long, value_enum)]
    output: Option<Form>,
    /// Only the table.
    #[arg(long)]
    no_timeline: bool,
    /// The table without headings, and no timeline.
    #[arg(long)]
    no_headers: bool,
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// The resources as JSON.
    Json,
    /// The resources as YAML.
    Yaml,
    /// The table with more columns.
    Wide,
    /// The resources' names.
    Name,
}

type Items = BTreeMap<(String, String), Item>;

impl Status {
    /// Runs the command.
    ///
    /// # Errors
    /// The API server's error.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let cluster = Cluster::of(global).await?;
        if self.watch {
            self.follow(&cluster).await?;
        } else {
            let items = self.get(&cluster).await?;
            if items.is_empty() && !matches!(self.output, Some(Form::Json | Form::Yaml)) {
                let place = if self.all_namespaces {
                    String::new()
                } else {
                    format!(" in {} namespace", cluster.namespace())
                };
                output::say(&format!("No resources found{place}."));
            } else {
                self.write(&self.whole(&items, Timestamp::now(), &Terminal::stdout())?)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn api(&self, cluster: &Cluster) -> Api<DynamicObject> {
        let kind = ApiResource::erase::<refreshable_api::RefreshableCredential>(&());
        match self.all_namespaces {
            true => Api::all_with(cluster.client(), &kind),
            false => Api::namespaced_with(cluster.client(), cluster.namespace(), &kind),
        }
    }

    async fn get(&self, cluster: &Cluster) -> Result<Items> {
        let api = self.api(cluster);
        let found = if self.names.is_empty() {
            cluster.list(&api, self.selector.as_deref()).await?.items
        } else {
            let mut found = Vec::new();
            for name in &self.names {
                found.push(cluster.ask(api.get(object_name(bare_name(name))?)).await?);
            }
            found
        };
        Ok(found.into_iter().map(Item::of).map(|item| (item.key(), item)).collect())
    }

    /// Writes output in the chosen format.
    fn write(&self, text: &str) -> Result<()> {
        match self.output {
            Some(Form::Json | Form::Yaml) => output::print(text),
            None | Some(Form::Wide | Form::Name) => output::show(text),
        }
    }

    /// All of the output at once.
    fn whole(&self, items: &Items, now: Timestamp, terminal: &Terminal) -> Result<String> {
        let list =
            || output::list(items.values().map(|i| i.raw.clone()).collect(), self.names.len() == 1);
        match self.output {
            Some(Form::Json) => Ok(output::to_json(&list())),
            Some(Form::Yaml) => output::to_yaml(&list()),
            Some(Form::Name) => Ok(items.values().map(Item::full_name).collect()),
            None | Some(Form::Wide) => {
                let items: Vec<&Item> = items.values().collect();
                let mut text = self.table(&items, now, terminal, !self.no_headers);
                let spans: Vec<_> =
                    items.iter().map(|i| i.span(self.all_namespaces, now)).collect();
                if !self.no_timeline && !self.no_headers {
                    let drawn = timeline::draw(&spans, now, terminal);
                    if !drawn.is_empty() {
                        text = format!("{text}\n{drawn}");
                    }
                }
                Ok(text)
            }
        }
    }

    fn table(
        &self,
        items: &[&Item],
        now: Timestamp,
        terminal: &Terminal,
        headings: bool,
    ) -> String {
        let shape =
            rows::Shape { namespaces: self.all_namespaces, wide: self.output == Some(Form::Wide) };
        rows::table(items, shape, now).draw(terminal, headings)
    }

    /// Shows the present state, and every change. A screen is redrawn; other outputs get a line for
    /// each change.
    async fn follow(&self, cluster: &Cluster) -> Result<()> {
        let names: Vec<&str> = self.names.iter().map(|n| bare_name(n)).collect();
        if !names.is_empty() {
            self.get(cluster).await?;
        }
        let mut config =
            watcher::Config { label_selector: self.selector.clone(), ..watcher::Config::default() };
        if let [only] = names[..] {
            config = config.fields(&format!("metadata.name={only}"));
        }
        let terminal = Terminal::stdout();
        let screen = terminal.interactive && matches!(self.output, None | Some(Form::Wide));
        let mut events = std::pin::pin!(watcher(self.api(cluster), config).default_backoff());
        let mut tick = tokio::time::interval(TICK);
        let mut items = Items::new();
        let mut headings = !self.no_headers;
        loop {
            let changed = tokio::select! {
                event = events.try_next() => match event.map_err(|e| self.lost(e)) {
                    Ok(Some(event)) => change(&mut items, event, &names),
                    Ok(None) => return Ok(()),
                    Err(Some(error)) => return Err(error),
                    // It is tried again.
                    Err(None) => None,
                },
                _ = tick.tick(), if screen => None,
            };
            if screen {
                let drawn = self.whole(&items, Timestamp::now(), &Terminal::stdout())?;
                output::redraw(&drawn)?;
            } else if let Some(item) = changed {
                self.write(&self.line(&item, &terminal, headings)?)?;
                headings = false;
            }
        }
    }

    /// One change, where lines are added.
    fn line(&self, item: &Item, terminal: &Terminal, headings: bool) -> Result<String> {
        let mut raw = item.raw.clone();
        if let Some(metadata) = raw["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        match self.output {
            Some(Form::Json) => Ok(output::to_json(&raw)),
            Some(Form::Yaml) => Ok(format!("---\n{}", output::to_yaml(&raw)?)),
            Some(Form::Name) => Ok(item.full_name()),
            None | Some(Form::Wide) => {
                Ok(self.table(&[item], Timestamp::now(), terminal, headings))
            }
        }
    }

    /// A refusal ends a watch; whatever else happened to it may pass.
    fn lost(&self, error: watcher::Error) -> Option<Error> {
        match error {
            watcher::Error::InitialListFailed(kube::Error::Api(status))
            | watcher::Error::WatchStartFailed(kube::Error::Api(status))
                if matches!(status.code, 401 | 403 | 404) =>
            {
                let advice =
                    "-w needs the verbs list and watch on refreshablecredentials.refreshable.dev";
                Some(Error::Server { status, advice: advice.to_owned() })
            }
            _ => None,
        }
    }
}

/// Applies an event; returns the item to show.
fn change(items: &mut Items, event: watcher::Event<DynamicObject>, names: &[&str]) -> Option<Item> {
    match event {
        watcher::Event::Init | watcher::Event::InitDone => None,
        watcher::Event::Delete(object) => {
            items.remove(&Item::of(object).key());
            None
        }
        watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
            let item = Item::of(object);
            let (_, name) = item.key();
            if !names.is_empty() && !names.contains(&name.as_str()) {
                return None;
            }
            let before = items.insert(item.key(), item.clone());
            before
                .is_none_or(|b| {
                    b.raw["metadata"]["resourceVersion"] != item.raw["metadata"]["resourceVersion"]
                })
                .then_some(item)
        }
    }
}
