use super::*;
use kube::ResourceExt as _;
use parking_lot::Mutex;
use refreshable_api::names;
use serde_json::json;

fn secret(namespace: &str, name: &str, version: u32) -> SecretMeta {
    unlike(namespace, name, version, "u")
}

fn unlike(namespace: &str, name: &str, version: u32, uid: &str) -> SecretMeta {
    let metadata = json!({"namespace": namespace, "name": name, "resourceVersion": version.to_string(),
        "uid": format!("{name}-{uid}"), "annotations": {names::OWNER_NAME_ANNOTATION: name}});
    serde_json::from_value(json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}))
        .expect("metadata")
}

fn version(secret: &SecretMeta) -> String {
    secret.metadata.resource_version.clone().unwrap_or_default()
}

/// A feed of Secrets whose changes are noted: name, version before, version after.
struct Bench {
    feed: Feed<SecretMeta>,
    store: Store<SecretMeta>,
    noted: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn watching(namespaces: &[&str]) -> Self {
        let store = Store::default();
        let noted = Arc::<Mutex<Vec<String>>>::default();
        let (notes, shown) = (noted.clone(), store.clone());
        let namespaces: Vec<String> = namespaces.iter().map(|n| (*n).to_owned()).collect();
        let feed =
            Feed::new(&store, &Place::of(&namespaces), move |changes: &[Change<SecretMeta>]| {
                for change in changes {
                    let one = change.sides().next().expect("one of both");
                    let (before, after) = (
                        change.before.as_deref().map(version),
                        change.after.as_deref().map(version),
                    );
                    let seen = shown.get(&name_of(one)).map(|s| version(&s));
                    assert_eq!(seen, after, "the view shows a change before anything is touched");
                    let say = |v: Option<String>| v.unwrap_or("-".to_owned());
                    notes.lock().push(format!("{} {}>{}", one.name_any(), say(before), say(after)));
                }
                changes.iter().filter_map(|c| c.sides().next()).map(name_of).collect()
            });
        Self { feed, store, noted }
    }

    fn take(&mut self, place: &Place, event: Event<SecretMeta>) -> Vec<String> {
        let touched = self.feed.take(place, event);
        let mut noted = std::mem::take(&mut *self.noted.lock());
        noted.sort();
        assert_eq!(touched.len(), noted.len());
        noted
    }

    /// A whole list: what changed at its end. Nothing does before.
    fn list(&mut self, place: &Place, listed: &[(&str, u32)]) -> Vec<String> {
        assert!(self.take(place, Event::Init).is_empty());
        self.listed(place, listed);
        self.take(place, Event::InitDone)
    }

    fn listed(&mut self, place: &Place, listed: &[(&str, u32)]) {
        let namespace = match place {
            Place::Everywhere => "a",
            Place::Namespace(name) => name,
        };
        for (name, version) in listed {
            let before = self.shown();
            assert!(
                self.take(place, Event::InitApply(secret(namespace, name, *version))).is_empty(),
                "{name}: early"
            );
            assert_eq!(self.shown(), before, "{name}: a list that is not complete is not shown");
        }
    }

    fn shown(&self) -> Vec<String> {
        let mut shown: Vec<String> =
            self.store.all().map(|s| format!("{} {}", s.name_any(), version(&s))).collect();
        shown.sort();
        shown
    }
}

fn namespace(name: &str) -> Place {
    Place::Namespace(name.to_owned())
}

#[test]
fn a_list_changes_what_differs_and_only_at_its_end() {
    // The same mechanism with and without namespaces.
    for namespaces in [&[] as &[&str], &["a"]] {
        let mut bench = Bench::watching(namespaces);
        let place = bench.feed.places().first().expect("a place").clone();
        assert_eq!(
            bench.list(&place, &[("x", 1), ("y", 2), ("z", 3)]),
            ["x ->1", "y ->2", "z ->3"]
        );
        assert_eq!(
            bench.take(&place, Event::Apply(secret("a", "x", 4))),
            ["x 4>4"],
            "nothing else changed: the object as it was is not opened"
        );
        assert_eq!(bench.take(&place, Event::Delete(secret("a", "z", 5))), ["z 5>-"]);
        assert!(
            bench.list(&place, &[("x", 4), ("y", 2)]).is_empty(),
            "a list of the same changes nothing"
        );
        let gap = bench.list(&place, &[("x", 7), ("new", 8)]);
        assert_eq!(
            gap,
            ["new ->8", "x 4>7", "y 2>-"],
            "what was changed, made and deleted in a gap"
        );
        assert_eq!(bench.shown(), ["new 8", "x 7"]);
    }
}

#[tokio::test]
async fn who_waits_for_the_first_lists_is_woken_by_the_last_of_them() {
    let mut bench = Bench::watching(&["a", "b"]);
    let store = bench.store.clone();
    let waiter = tokio::spawn(async move { store.ready().await });
    tokio::task::yield_now().await;
    bench.list(&namespace("a"), &[("x", 1)]);
    assert!(!waiter.is_finished());
    bench.list(&namespace("b"), &[]);
    let woken = tokio::time::timeout(std::time::Duration::from_secs(20), waiter).await;
    assert!(woken.is_ok_and(|w| w.is_ok()));
}

#[test]
fn what_disappeared_is_computed_for_each_namespace() {
    let mut bench = Bench::watching(&["a", "b"]);
    let (a, b) = (namespace("a"), namespace("b"));
    assert_eq!(bench.list(&a, &[("xa", 1), ("ya", 2)]), ["xa ->1", "ya ->2"]);
    // A watch that is ahead of another's first list loses nothing to it.
    assert_eq!(bench.take(&a, Event::Apply(secret("a", "za", 3))), ["za ->3"]);
    assert!(!bench.store.is_ready(), "b has not been listed yet");
    assert_eq!(bench.list(&b, &[("xb", 4)]), ["xb ->4"]);
    assert!(bench.store.is_ready());
    assert_eq!(bench.shown(), ["xa 1", "xb 4", "ya 2", "za 3"]);

    assert_eq!(bench.list(&a, &[("xa", 1), ("za", 3)]), ["ya 2>-"]);
    assert_eq!(bench.shown(), ["xa 1", "xb 4", "za 3"], "a list of a says nothing of b");
    assert_eq!(bench.list(&b, &[]), ["xb 4>-"]);
    assert_eq!(bench.list(&a, &[("za", 5)]), ["xa 1>-", "za 3>5"]);
    assert_eq!(bench.shown(), ["za 5"]);
}

#[test]
fn lists_of_several_namespaces_run_side_by_side() {
    let mut bench = Bench::watching(&["a", "b"]);
    let (a, b) = (namespace("a"), namespace("b"));
    bench.list(&a, &[("xa", 1)]);
    bench.list(&b, &[("xb", 2)]);
    assert!(bench.take(&a, Event::Init).is_empty() && bench.take(&b, Event::Init).is_empty());
    bench.listed(&a, &[("ya", 3)]);
    bench.listed(&b, &[("yb", 4)]);
    assert_eq!(bench.take(&b, Event::InitDone), ["xb 2>-", "yb ->4"]);
    assert_eq!(bench.take(&b, Event::Apply(secret("b", "yb", 5))), ["yb 5>5"]);
    assert_eq!(bench.take(&a, Event::InitDone), ["xa 1>-", "ya ->3"]);
    assert_eq!(bench.shown(), ["ya 3", "yb 5"]);
}

#[test]
fn what_a_change_is_judged_by_is_seen_as_it_was() {
    let everywhere = Place::Everywhere;
    let mut bench = Bench::watching(&[]);
    bench.list(&everywhere, &[("x", 1)]);
    assert_eq!(
        bench.take(&everywhere, Event::Apply(unlike("a", "x", 2, "other"))),
        ["x 1>2"],
        "another object of the name"
    );
    let mut given_away = unlike("a", "x", 3, "other");
    given_away.annotations_mut().insert(names::OWNER_NAME_ANNOTATION.into(), "y".into());
    assert_eq!(bench.take(&everywhere, Event::Apply(given_away)), ["x 2>3"], "another owner");
}

#[test]
fn a_list_that_breaks_off_changes_nothing_and_the_next_one_begins_anew() {
    for namespaces in [&[] as &[&str], &["a", "b"]] {
        let mut bench = Bench::watching(namespaces);
        let place = bench.feed.places().first().expect("a place").clone();
        bench.list(&place, &[("x", 1), ("y", 2)]);
        if let [_, second] = namespaces {
            bench.list(&namespace(second), &[("other", 9)]);
        }
        assert!(bench.take(&place, Event::Init).is_empty());
        bench.listed(&place, &[("x", 3), ("gone-again", 4)]);
        let changed = bench.list(&place, &[("x", 3)]);
        assert_eq!(changed, ["x 1>3", "y 2>-"], "what only the broken list held is not there");
    }
}

#[test]
fn a_first_list_that_breaks_off_is_none() {
    let mut bench = Bench::watching(&[]);
    assert!(bench.take(&Place::Everywhere, Event::Init).is_empty());
    bench.listed(&Place::Everywhere, &[("x", 1)]);
    assert!(!bench.store.is_ready());
    assert_eq!(bench.list(&Place::Everywhere, &[("y", 2)]), ["y ->2"]);
    assert!(bench.store.is_ready());
    assert_eq!(bench.shown(), ["y 2"]);
}

#[test]
fn another_object_of_the_same_name_is_one_that_went_and_one_that_came() {
    let before = Arc::new(unlike("a", "x", 1, "u"));
    let later = Arc::new(unlike("a", "x", 2, "u"));
    let other = Arc::new(unlike("a", "x", 3, "v"));
    let gone = |before: Option<&Arc<SecretMeta>>, after: Option<&Arc<SecretMeta>>| {
        let change = Change { before: before.cloned(), after: after.cloned() };
        change.gone().map(version)
    };
    assert_eq!(gone(None, Some(&before)), None);
    assert_eq!(gone(Some(&before), Some(&later)), None);
    assert_eq!(gone(Some(&later), Some(&other)).as_deref(), Some("2"));
    assert_eq!(gone(Some(&other), None).as_deref(), Some("3"));
}
