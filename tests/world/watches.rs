//! Lists and watches of the simulated API server: pages, versions that have grown too old, events
//! late, lost or of a broken connection, and each connection's end.

use super::choices;
use super::history::{Connection, Kind, Link, Log, Shown};
use super::state::{Shared, State};
use http::Response;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use jiff::{SignedDuration, Timestamp};
use refreshable_api::names;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::time::Duration;

/// After a lost event, everything is listed anew so much later: before a watch that has brought
/// nothing is given up.
const NOTICED_AFTER: SignedDuration = SignedDuration::from_mins(3);

/// An answer of the API server.
pub type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The objects that a list or a watch asks for.
#[derive(Clone, Debug)]
pub struct Question {
    instance: usize,
    kind: Kind,
    /// One namespace, or all.
    namespace: Option<String>,
    labels: Vec<(String, String)>,
    /// The one name that is asked for.
    name: Option<String>,
    partial: bool,
    limit: usize,
    page: Option<u64>,
    /// The version to watch from, for so many seconds.
    watch: Option<(u64, u64)>,
}

impl Question {
    /// The question of a controller's watch, if this is one.
    pub fn of(
        instance: usize,
        path: &[&str],
        parameter: impl Fn(&str) -> String,
        partial: bool,
    ) -> Option<Self> {
        let (namespace, plural) = match path {
            ["api", "v1", "namespaces", namespace, plural]
            | ["apis", _, _, "namespaces", namespace, plural] => {
                (Some((*namespace).to_owned()), *plural)
            }
            ["api", "v1", plural] | ["apis", _, _, plural] => (None, *plural),
            _ => return None,
        };
        let kind = Kind::of(plural)?;
        let number = |name: &str| parameter(name).parse().ok();
        let labels: Vec<(String, String)> = parameter("labelSelector")
            .split(',')
            .filter_map(|one| one.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        // The reconciler's own list of a namespace's Secrets has no selector.
        if kind == Kind::Secret && labels.is_empty() {
            return None;
        }
        let name = parameter("fieldSelector").strip_prefix("metadata.name=").map(str::to_owned);
        let watch = (parameter("watch") == "true").then(|| {
            let seconds = number("timeoutSeconds").expect("an end that the server knows");
            (number("resourceVersion").expect("a version to watch from"), seconds)
        });
        let limit = number("limit").unwrap_or(u64::MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Some(Self {
            instance,
            kind,
            namespace,
            labels,
            name,
            partial,
            limit,
            page: number("continue"),
            watch,
        })
    }

    fn matches(&self, shown: &Shown) -> bool {
        shown.kind == self.kind
            && self.namespace.as_ref().is_none_or(|n| *n == shown.namespace)
            && self.name.as_ref().is_none_or(|n| *n == shown.name)
            && self.labels.iter().all(|(name, value)| shown.labels.get(name) == Some(value))
    }

    /// The answer, which takes its time.
    pub async fn answer(self, world: &Shared) -> Answer {
        assert!(
            self.partial == (self.kind == Kind::Secret || self.kind == Kind::Namespace)
                || self.kind == Kind::ConfigMap,
            "data of Secrets are never watched: {self:?}"
        );
        match self.watch {
            Some((version, seconds)) => self.watch(world, version, seconds),
            None => {
                let (page, delay) = {
                    let mut state = world.lock();
                    (self.page(&mut state), delay(&mut state, self.instance))
                };
                tokio::time::sleep(Duration::try_from(delay).expect("a delay")).await;
                page
            }
        }
    }

    /// One page of a list, as of when it was begun.
    fn page(&self, state: &mut State) -> Answer {
        let version = state.version;
        let gone = state.links[&self.instance].keeps_the_gone;
        let log = &mut state.log;
        let mut items = match self.page {
            Some(page) => match log.pages.remove(&page) {
                Some(items) => items,
                None => return gone_away(),
            },
            None => {
                let mut items: VecDeque<_> =
                    log.shown.values().filter(|s| self.matches(s)).cloned().collect();
                if gone && self.kind == Kind::Secret {
                    let before = log.changes.iter().filter(|c| c.after.is_none());
                    items.extend(
                        before.filter_map(|c| c.before.clone()).filter(|s| self.matches(s)),
                    );
                }
                items
            }
        };
        let rest = items.split_off(items.len().min(self.limit));
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if !rest.is_empty() {
            log.opened += 1;
            metadata["continue"] = log.opened.to_string().into();
            log.pages.insert(log.opened, rest);
        }
        let (version, kind) = match self.partial {
            true => ("meta.k8s.io/v1", "PartialObjectMetadataList"),
            false => ("v1", "List"),
        };
        let items: Vec<&str> = items.iter().map(|s| &*s.json).collect();
        let body = format!(
            r#"{{"apiVersion":"{version}","kind":"{kind}","metadata":{metadata},"items":[{}]}}"#,
            items.join(",")
        );
        Response::new(whole(body))
    }

    fn watch(self, world: &Shared, from: u64, seconds: u64) -> Answer {
        let (id, random, ends) = {
            let mut state = world.lock();
            let (seed, now) = (state.random.u64(..), state.now());
            let ends = now + SignedDuration::from_secs(seconds.cast_signed());
            let log = &mut state.log;
            log.opened += 1;
            let own = (names::MANAGED_BY_LABEL.to_owned(), names::MANAGED_BY.to_owned());
            let connection = Connection {
                instance: self.instance,
                kind: self.kind,
                place: self.namespace.clone(),
                has_lost: false,
                sees_secrets: self.kind == Kind::Secret && self.labels.contains(&own),
                ends_at: None,
                silent: false,
                lies: Vec::new(),
            };
            let id = log.opened;
            let owed = log.owed.remove(&connection.identity());
            let ends_at = owed.then_some(now);
            log.connections.insert(id, Connection { ends_at, ..connection });
            (id, fastrand::Rng::with_seed(seed), ends)
        };
        let open = Open { world: world.clone(), id };
        let watch = Watch {
            open,
            question: self,
            seen: from,
            told: from,
            on_its_way: VecDeque::new(),
            ends,
            random,
        };
        let lines = futures::stream::unfold(Some(watch), |watch| async {
            let mut watch = watch?;
            let (line, goes_on) = watch.next().await?;
            Some((Ok::<_, Infallible>(Frame::data(line)), goes_on.then_some(watch)))
        });
        Response::new(StreamBody::new(lines).boxed_unsync())
    }
}

/// How long an answer or an event takes to this instance.
fn delay(state: &mut State, instance: usize) -> SignedDuration {
    let longest = state.links[&instance].longest_delay;
    choices::delay(&mut state.choices, &mut state.random, longest)
}

/// The connection of a watch, until it is dropped.
struct Open {
    world: Shared,
    id: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        // A panic that holds the state is told already.
        if let Some(mut state) = self.world.try_lock() {
            let gone = state.log.connections.remove(&self.id).filter(|c| c.has_lost);
            state.log.owed.extend(gone.map(|c| c.identity()));
        }
    }
}

/// One watch, as the API server has it.
struct Watch {
    open: Open,
    question: Question,
    /// The version of the last change that it has looked at.
    seen: u64,
    /// The version of the last bookmark.
    told: u64,
    /// Events with their versions and times of arrival, in their order.
    on_its_way: VecDeque<(Timestamp, Bytes)>,
    ends: Timestamp,
    random: fastrand::Rng,
}

/// The next thing that a watch does.
enum Step {
    Line(Bytes),
    /// The last line.
    LastLine(Bytes),
    End,
    WaitUntil(Timestamp),
}

impl Watch {
    /// The next line, and whether others follow.
    async fn next(&mut self) -> Option<(Bytes, bool)> {
        let world = self.open.world.clone();
        let changed = world.lock().changed.clone();
        loop {
            let told = changed.notified();
            let (step, now) = {
                let mut state = world.lock();
                (self.step(&mut state), state.now())
            };
            match step {
                Step::Line(line) => return Some((line, true)),
                Step::LastLine(line) => return Some((line, false)),
                Step::End => return None,
                Step::WaitUntil(then) => {
                    let wait = Duration::try_from(then.duration_since(now)).unwrap_or_default();
                    tokio::select! {
                        biased;
                        () = told => {}
                        () = tokio::time::sleep(wait.max(Duration::from_micros(1))) => {}
                    }
                }
            }
        }
    }

    fn step(&mut self, state: &mut State) -> Step {
        let now = state.now();
        let link = state.links[&self.question.instance];
        let compacted = state.log.compacted;
        let connection = state.log.connections.get_mut(&self.open.id).expect("it is open");
        if let Some(lie) = connection.lies.pop() {
            return Step::Line(line("DELETED", &lie));
        }
        if connection.ends_at.is_some_and(|at| at <= now) || self.seen < compacted {
            connection.has_lost = false;
            return Step::LastLine(too_old());
        }
        let (silent, mut wake) = (connection.silent, connection.ends_at.unwrap_or(self.ends));
        if !silent {
            let lost = self.look(state, link);
            let connection = state.log.connections.get_mut(&self.open.id).expect("it is open");
            if lost {
                connection.has_lost = true;
                wake = *connection.ends_at.get_or_insert(now + NOTICED_AFTER);
            }
            match self.on_its_way.front() {
                Some((at, _)) if *at <= now => {
                    return Step::Line(self.on_its_way.pop_front().expect("there is one").1);
                }
                Some((at, _)) => wake = wake.min(*at),
                // What was lost would stay so if it went on from here.
                None if connection.ends_at.is_some() => {}
                None if self.ends <= now && self.told < self.seen => {
                    // So that the next watch begins from here.
                    self.told = self.seen;
                    return Step::Line(bookmark(self.seen));
                }
                None if self.ends <= now => return Step::End,
                None => wake = self.ends,
            }
        }
        Step::WaitUntil(wake)
    }

    /// Takes the changes since the last look on their way. Whether one of them is lost.
    fn look(&mut self, state: &mut State, link: Link) -> bool {
        let State { log: Log { changes, .. }, auditor, choices, .. } = state;
        let mut lost = false;
        for change in changes.range(changes.partition_point(|c| c.version <= self.seen)..) {
            self.seen = change.version;
            let [before, after] = [&change.before, &change.after]
                .map(|side| side.as_ref().filter(|shown| self.question.matches(shown)));
            let (shown, kind, json) = match (before, after) {
                (None, None) => continue,
                (None, Some(after)) => (after, "ADDED", after.json.clone()),
                (Some(_), Some(after)) => (after, "MODIFIED", after.json.clone()),
                // With the version of its end, as the API server has it.
                (Some(before), None) => (before, "DELETED", at_version(before, change.version)),
            };
            let line = line(kind, &json);
            if link.loses_events > 0 && self.random.u32(0..1000) < link.loses_events {
                lost = true;
                continue;
            }
            let delay = choices::delay(choices, &mut self.random, link.longest_delay);
            // One watch keeps its order.
            let at = change.at + delay;
            let at = self.on_its_way.back().map_or(at, |(last, _)| at.max(*last));
            // What was shown before a connection broke may be shown again after it.
            if link.repeats_events > 0 && self.random.u32(0..1000) < link.repeats_events {
                self.on_its_way.push_back((at, line.clone()));
            }
            auditor.note(change.at, &Arriving { kind, shown, version: change.version, at });
            self.on_its_way.push_back((at, line));
        }
        lost
    }
}

/// An event on its way to a watch, in words.
struct Arriving<'a> {
    kind: &'a str,
    shown: &'a Shown,
    version: u64,
    at: Timestamp,
}

impl Display for Arriving<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { kind, shown, version, at } = self;
        let (what, namespace, name) = (shown.kind, &shown.namespace, &shown.name);
        write!(f, "{what:?} {namespace}/{name} {kind} at version {version}, shown at {at:.3}")
    }
}

fn at_version(shown: &Shown, version: u64) -> Arc<str> {
    let mut object: Value = serde_json::from_str(&shown.json).expect("JSON");
    object["metadata"]["resourceVersion"] = version.to_string().into();
    object.to_string().into()
}

fn line(kind: &str, object: &str) -> Bytes {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n").into()
}

fn bookmark(version: u64) -> Bytes {
    let metadata = json!({"resourceVersion": version.to_string()});
    line("BOOKMARK", &json!({"apiVersion": "v1", "kind": "Any", "metadata": metadata}).to_string())
}

fn expired() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "too old resource version", "reason": "Expired", "code": 410})
}

fn too_old() -> Bytes {
    line("ERROR", &expired().to_string())
}

fn gone_away() -> Answer {
    let body = whole(expired().to_string());
    Response::builder().status(410).body(body).expect("a response")
}

/// A body that is there at once.
pub fn whole(text: String) -> UnsyncBoxBody<Bytes, Infallible> {
    Full::new(text.into()).boxed_unsync()
}
