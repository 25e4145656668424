//! Rows of `status`, for its table and its timeline: a pure function of the resource and the time.

use super::age;
use super::output::Table;
use super::terminal::{Tone, visible};
use super::timeline::Span;
use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use refreshable_api::conditions::{READY, Reason};
use refreshable_api::{RefreshableCredential, time_of};
use serde_json::Value;

/// A resource: the API server's JSON, and the part that this version understands.
#[derive(Clone, Debug)]
pub struct Item {
    /// The API server's JSON.
    pub raw: Value,
    namespace: String,
    name: String,
    known: Option<Box<RefreshableCredential>>,
}

/// Which columns a table has.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// A column for the namespace.
    pub namespaces: bool,
    /// More columns.
    pub wide: bool,
}

impl Item {
    /// The resource in an object of the API.
    pub fn of(object: DynamicObject) -> Self {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let raw = serde_json::to_value(object).unwrap_or_default();
        let known = serde_json::from_value(raw.clone()).ok().map(Box::new);
        Self { raw, namespace, name, known }
    }

    /// Namespace and name.
    pub fn key(&self) -> (String, String) {
        (self.namespace.clone(), self.name.clone())
    }

    /// Kind and name, as kubectl takes them, on a line.
    pub fn full_name(&self) -> String {
        format!("refreshablecredential.refreshable.dev/{}\n", visible(&self.name))
    }

    /// The row of the timeline.
    pub fn span(&self, with_namespace: bool, now: Timestamp) -> Span {
        let status = self.known.as_ref().and_then(|c| c.status.as_ref());
        let label = if with_namespace {
            format!("{}/{}", self.namespace, self.name)
        } else {
            self.name.clone()
        };
        let failing = status.and_then(|s| s.failures.as_ref()).map(|f| f.next_try_time.0);
        Span {
            label,
            issued: status.and_then(|s| time_of(&s.last_refresh_time)),
            renewal: failing.or_else(|| status.and_then(|s| time_of(&s.next_refresh_time))),
            expiry: status.and_then(|s| time_of(&s.expiration)),
            tone: self.standing(now).2,
        }
    }

    /// Status and reason of the Ready condition, and their meaning.
    fn standing(&self, now: Timestamp) -> (String, String, Tone) {
        let Some(known) = &self.known else {
            return ("Unknown".into(), "of a newer version".into(), Tone::Warning);
        };
        let status = known.status.as_ref();
        let Some(ready) = status.and_then(|s| s.conditions.iter().find(|c| c.type_ == READY))
        else {
            return ("Unknown".into(), "Pending".into(), Tone::Warning);
        };
        let ended = status.and_then(|s| time_of(&s.expiration)).is_some_and(|e| e <= now);
        let tone = match (ready.status.as_str(), ready.reason.as_str()) {
            ("True", _) if ended => Tone::Bad,
            ("True", reason) if reason == Reason::Issued.as_str() => Tone::Good,
            ("True", _) => Tone::Warning,
            _ => Tone::Bad,
        };
        (ready.status.clone(), ready.reason.clone(), tone)
    }

    fn cells(&self, shape: Shape, now: Timestamp) -> Vec<(Tone, String)> {
        let status = self.known.as_ref().and_then(|c| c.status.as_ref());
        let when =
            |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |t| age::from(now, t));
        let (ready, reason, tone) = self.standing(now);
        let expires = status.and_then(|s| time_of(&s.expiration));
        let failure = status.and_then(|s| s.failures.as_ref());
        let refresh = failure
            .map(|f| f.next_try_time.0)
            .or_else(|| status.and_then(|s| time_of(&s.next_refresh_time)));
        let created = self.known.as_ref().and_then(|c| c.creation_timestamp()).map(|t| t.0);
        let text = |text: Option<&str>| {
            (Tone::Plain, text.filter(|t| !t.is_empty()).unwrap_or("-").to_owned())
        };
        let mut cells = Vec::new();
        if shape.namespaces {
            cells.push((Tone::Plain, self.namespace.clone()));
        }
        cells.extend([
            (Tone::Plain, self.name.clone()),
            (tone, ready),
            (tone, reason),
            (
                if expires.is_some_and(|e| e <= now) { Tone::Bad } else { Tone::Plain },
                when(expires),
            ),
            (if failure.is_some() { Tone::Warning } else { Tone::Plain }, when(refresh)),
            text(status.and_then(|s| s.secret.as_ref()).map(|s| s.name.as_str())),
            (
                Tone::Plain,
                created.map_or_else(|| "-".to_owned(), |t| age::span(now.duration_since(t))),
            ),
        ]);
        if shape.wide {
            cells.push((Tone::Plain, when(status.and_then(|s| time_of(&s.last_refresh_time)))));
            cells.push((Tone::Plain, failure.map_or(0, |f| f.count).to_string()));
            cells.push(text(self.principal().as_deref()));
        }
        cells
    }

    /// Principal of the published credentials: an ARN, or the number of published profiles.
    fn principal(&self) -> Option<String> {
        let status = self.known.as_ref()?.status.as_ref()?;
        if let Some(profiles) = &status.profiles {
            let published = profiles.iter().filter(|p| p.expiration.is_some()).count();
            return Some(format!("{published} of {} profiles", profiles.len()));
        }
        status.principal.as_ref()?.arn.clone()
    }
}

/// The table of these resources.
pub fn table(items: &[&Item], shape: Shape, now: Timestamp) -> Table {
    let mut headings = Vec::new();
    headings.extend(shape.namespaces.then_some("NAMESPACE"));
    headings.extend(["NAME", "READY", "REASON", "EXPIRES", "REFRESH", "SECRET", "AGE"]);
    if shape.wide {
        headings.extend(["ISSUED", "FAILURES", "PRINCIPAL"]);
    }
    let mut table = Table::new(headings);
    for item in items {
        table.row(item.cells(shape, now));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::terminal::Terminal;
    use super::super::timeline;
    use super::*;
    use refreshable_rules::fixtures::{failed, minute, record, reported, unreachable, with_a_role};
    use serde_json::json;

    fn item(mut object: RefreshableCredential, name: &str) -> Item {
        object.metadata.name = Some(name.to_owned());
        object.metadata.creation_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(minute(-60)));
        Item::of(
            serde_json::from_value(serde_json::to_value(object).expect("JSON")).expect("an object"),
        )
    }

    fn items() -> Vec<Item> {
        let object = with_a_role();
        let own = record(&object);
        let good = reported(object.clone(), &own);
        let failing = failed(good.clone(), &unreachable(), Some(&own), minute(41));
        let nothing = failed(object.clone(), &unreachable(), None, minute(41));
        vec![
            item(good, "reports"),
            item(failing, "batch"),
            item(nothing, "payroll"),
            item(object, "new"),
        ]
    }

    #[test]
    fn the_table_at_a_fixed_time() {
        let items = items();
        let all: Vec<&Item> = items.iter().collect();
        let drawn = table(&all, Shape { namespaces: false, wide: false }, minute(41))
            .draw(&Terminal::plain(100), true);
        let expected = "\
NAME      READY     REASON              EXPIRES   REFRESH     SECRET   AGE
reports   True      Issued              in 19m    2m12s ago   x        101m
batch     True      RefreshFailing      in 19m    in 1s       x        101m
payroll   False     IssuerUnavailable   -         in 1s       -        101m
new       Unknown   Pending             -         -           -        101m
";
        assert_eq!(drawn, expected);
    }

    #[test]
    fn the_wide_table_has_namespaces_and_principals() {
        let items = items();
        let drawn = table(&[&items[0]], Shape { namespaces: true, wide: true }, minute(5))
            .draw(&Terminal::plain(200), true);
        let expected = "\
NAMESPACE   NAME      READY   REASON   EXPIRES   REFRESH   SECRET   AGE   ISSUED   FAILURES   PRINCIPAL
team-a      reports   True    Issued   in 55m    in 33m    x        65m   5m ago   0          arn:aws:sts::111122223333:assumed-role/reader/team-a.x
";
        assert_eq!(drawn, expected);
    }

    #[test]
    fn the_timeline_at_a_fixed_time() {
        let items = items();
        let spans: Vec<Span> = items.iter().map(|i| i.span(false, minute(41))).collect();
        let drawn = timeline::draw(&spans, minute(41), &Terminal::plain(71));
        let expected = "          -41m                                     now             +19m
reports   [======================================R=|------------------]
batch     [========================================R------------------]
payroll                                            R
new                                                |
          [ issued   R renewal   ] expiry   | now
";
        assert_eq!(drawn, expected);
        assert_eq!(
            spans.iter().map(|s| s.tone).collect::<Vec<_>>(),
            [Tone::Good, Tone::Warning, Tone::Bad, Tone::Warning]
        );
        assert_eq!(
            items[0].span(true, minute(61)).tone,
            Tone::Bad,
            "it has expired, whatever the status says"
        );
    }

    #[test]
    fn what_stands_in_a_resource_steers_no_terminal() {
        let evil = "x\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2J\u{9b}1A\r\u{202e}\nfake   True";
        let object = with_a_role();
        let mut object =
            serde_json::to_value(reported(object.clone(), &record(&object))).expect("JSON");
        object["metadata"]["name"] = evil.into();
        object["metadata"]["namespace"] = evil.into();
        object["status"]["secret"]["name"] = evil.into();
        object["status"]["principal"]["arn"] = evil.into();
        for condition in object["status"]["conditions"].as_array_mut().expect("conditions") {
            condition["reason"] = evil.into();
            condition["message"] = evil.into();
        }
        let item = Item::of(serde_json::from_value(object).expect("an object"));
        let shape = Shape { namespaces: true, wide: true };
        let terminal = Terminal { colour: true, unicode: true, ..Terminal::plain(400) };
        let drawn = table(&[&item], shape, minute(5)).draw(&terminal, false);
        let timeline = timeline::draw(&[item.span(true, minute(5))], minute(5), &terminal);
        for text in [&drawn, &timeline, &item.full_name()] {
            assert_eq!(super::super::terminal::for_people(text), *text);
            assert!(text.contains("x^[]52;c;ZXZpbA==^G^[[2J"), "{text:?}");
        }
        assert_eq!(
            (drawn.lines().count(), timeline.lines().count(), item.full_name().lines().count()),
            (1, 3, 1)
        );
    }

    #[test]
    fn what_a_newer_version_wrote_is_shown_as_far_as_it_goes() {
        let object = json!({"apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
            "metadata": {"name": "x", "namespace": "n"}, "spec": {"roles": 7}});
        let item = Item::of(serde_json::from_value(object).expect("an object"));
        let drawn = table(&[&item], Shape { namespaces: false, wide: true }, minute(0))
            .draw(&Terminal::plain(200), false);
        assert!(drawn.starts_with("x   Unknown   of a newer version"), "{drawn}");
    }
}
