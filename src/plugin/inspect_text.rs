//! How `inspect` looks in a terminal: a pure function of the report and of the time.

use super::consumers::Consumer;
use super::inspect_report::{Allowed, Report};
use super::terminal::{Terminal, Tone};
use super::timeline::{self, Span};
use super::{age, authorization};
use jiff::Timestamp;
use refreshable_api::{FailureStatus, ProfileStatus, time_of};

/// Columns before the values.
const INDENT: usize = 13;

/// The report as text.
pub(super) fn write(report: &Report, now: Timestamp, terminal: &Terminal) -> String {
    let mut page = Page { terminal, text: String::new() };
    let tone = match (report.ready.as_str(), report.reason.as_str()) {
        ("True", "Issued") => Tone::Good,
        ("True", _) | ("Unknown", _) => Tone::Warning,
        _ => Tone::Bad,
    };
    page.line("Name", Tone::Heading, &report.name);
    page.line("Namespace", Tone::Plain, &report.namespace);
    page.line("Ready", tone, &format!("{} ({})", report.ready, report.reason));
    page.line("", Tone::Plain, &report.message);
    if report.suspended {
        page.line("Suspended", Tone::Warning, "spec.suspend is set: nothing is renewed");
    }
    let moment = |time: Option<Timestamp>| {
        time.map_or_else(|| "-".to_owned(), |t| format!("{t} ({})", age::from(now, t)))
    };
    page.line("Issued", Tone::Plain, &moment(report.issued));
    page.line(
        if report.failure.is_some() { "Next try" } else { "Renewal" },
        Tone::Plain,
        &moment(report.renewal),
    );
    let ended = report.expiration.is_some_and(|e| e <= now);
    page.line("Expires", if ended { Tone::Bad } else { Tone::Plain }, &moment(report.expiration));
    if let Some(principal) = &report.principal {
        page.line("Principal", Tone::Plain, principal.arn.as_deref().unwrap_or("-"));
    }
    if let Some(token) = report.session_token {
        let full = token.utilization.map(|u| format!(", {u} % of AWS's limit")).unwrap_or_default();
        page.line("Token", Tone::Plain, &format!("{} bytes{full}", token.size));
    }
    let keys = if report.secret_keys.is_empty() {
        "not published".to_owned()
    } else {
        report.secret_keys.join(", ")
    };
    page.line("Secret", Tone::Plain, &format!("{} ({keys})", report.secret));
    chain(&mut page, report);
    permission(&mut page, &report.permission);
    if !report.profiles.is_empty() {
        page.heading("Profiles");
        report.profiles.iter().for_each(|p| profile(&mut page, p, now));
    }
    if let Some(failure) = &report.failure {
        last_error(&mut page, failure, now);
    }
    used_by(&mut page, &report.consumers, &report.not_visible);
    let span = Span {
        label: String::new(),
        issued: report.issued,
        renewal: report.renewal,
        expiry: report.expiration,
        tone,
    };
    let drawn = timeline::draw(&[span], now, terminal);
    if !drawn.is_empty() {
        page.text = format!("{}\n{drawn}", page.text);
    }
    page.text
}

struct Page<'a> {
    terminal: &'a Terminal,
    text: String,
}

impl Page<'_> {
    fn line(&mut self, name: &str, tone: Tone, value: &str) {
        let title = if name.is_empty() { String::new() } else { format!("{name}:") };
        self.text.push_str(&format!("{title:INDENT$}{}\n", self.terminal.paint(tone, value)));
    }

    fn heading(&mut self, title: &str) {
        self.text
            .push_str(&format!("\n{}\n", self.terminal.paint(Tone::Heading, &format!("{title}:"))));
    }

    fn item(&mut self, tone: Tone, text: &str) {
        self.text.push_str(&format!("  {}\n", self.terminal.paint(tone, text)));
    }
}

fn chain(page: &mut Page<'_>, report: &Report) {
    page.heading("Chain");
    for (number, step) in report.chain.iter().enumerate() {
        page.item(Tone::Plain, &format!("{}. {}", number + 1, step.step));
        for parameter in &step.parameters {
            page.item(Tone::Plain, &format!("     {}: {}", parameter.name, parameter.value));
        }
    }
}

fn permission(page: &mut Page<'_>, allowed: &Allowed) {
    page.heading("Permission");
    match allowed {
        Allowed::NotNeeded => {
            page.item(Tone::Plain, "not needed: it draws on nothing of the administrator's")
        }
        Allowed::Yes { policies } => {
            page.item(Tone::Good, &format!("allowed by CredentialPolicy {}", policies.join(", ")))
        }
        Allowed::YesSomehow { why } => {
            page.item(Tone::Good, "allowed, as the controller works with it");
            page.item(Tone::Faint, &format!("by which CredentialPolicy you may not see ({why})"));
        }
        Allowed::No { rule } => page.item(Tone::Bad, rule),
        Allowed::Unknown { why } => {
            page.item(
                Tone::Warning,
                &format!(
                    "not known: you may not read the policies, and the status does not say ({why})"
                ),
            );
        }
    }
}

fn profile(page: &mut Page<'_>, profile: &ProfileStatus, now: Timestamp) {
    let expires =
        time_of(&profile.expiration).map_or("nothing published".to_owned(), |t| match t <= now {
            true => format!("expired {}", age::from(now, t)),
            false => format!("expires {}", age::from(now, t)),
        });
    let tone = if profile.message.is_some() { Tone::Warning } else { Tone::Plain };
    page.item(
        tone,
        &format!("{}: {expires}, {}", profile.name, profile.arn.as_deref().unwrap_or("-")),
    );
    if let Some(message) = &profile.message {
        page.item(tone, &format!("  {message}"));
    }
}

fn last_error(page: &mut Page<'_>, failure: &FailureStatus, now: Timestamp) {
    page.heading("Last error");
    page.item(Tone::Bad, &failure.message);
    let attempts = if failure.count == 1 {
        "1 attempt".to_owned()
    } else {
        format!("{} attempts", failure.count)
    };
    page.item(
        Tone::Plain,
        &format!("reason {}, class {}, {attempts}", failure.reason, failure.class),
    );
    if let Some(code) = &failure.code {
        page.item(Tone::Plain, &format!("AWS's error code {code}"));
    }
    if let Some(id) = &failure.request_id {
        page.item(Tone::Plain, &format!("AWS's request id {id}"));
    }
    if let Some(command) = authorization::command(&failure.message) {
        page.item(Tone::Plain, "which policy denied it (AWS keeps this for a day or more):");
        page.item(Tone::Plain, &format!("  {command}"));
    }
    page.item(Tone::Plain, &format!("next try {}", age::from(now, failure.next_try_time.0)));
}

fn used_by(page: &mut Page<'_>, consumers: &[Consumer], not_visible: &[&str]) {
    page.heading("Used by");
    if consumers.is_empty() && not_visible.is_empty() {
        page.item(Tone::Faint, "nothing in this namespace");
    }
    for consumer in consumers {
        let owner = consumer.owner.as_ref().map(|o| format!(" (of {o})")).unwrap_or_default();
        page.item(Tone::Plain, &format!("{}/{}{owner}", consumer.kind, consumer.name));
        for one in &consumer.uses {
            page.item(Tone::Plain, &format!("  {one}"));
        }
    }
    if !not_visible.is_empty() {
        page.item(
            Tone::Faint,
            &format!("not visible to you: objects of kind {}", not_visible.join(", ")),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_api::RefreshableCredential;
    use refreshable_rules::fixtures::{credential, failed, minute, record, reported, with_a_role};
    use refreshable_rules::issuer::{AwsError, IssueError, Issuer};
    use serde_json::json;

    #[test]
    fn what_is_good_at_a_fixed_time() {
        let object = with_a_role();
        let object = reported(object.clone(), &record(&object));
        let consumer = Consumer {
            kind: "Deployment",
            name: "reports".into(),
            uses: vec!["mounted at /aws in container app".into()],
            owner: None,
        };
        let report = Report::of(
            &object,
            Allowed::Yes { policies: vec!["team-a".into()] },
            vec![consumer],
            vec!["Pod"],
        );
        let expected = "\
Name:        x
Namespace:   team-a
Ready:       True (Issued)
             credentials of arn:aws:sts::111122223333:assumed-role/reader/team-a.x are published, valid until 2026-01-01T01:00:00Z
Issued:      2026-01-01T00:00:00Z (10m ago)
Renewal:     2026-01-01T00:38:48Z (in 28m)
Expires:     2026-01-01T01:00:00Z (in 50m)
Principal:   arn:aws:sts::111122223333:assumed-role/reader/team-a.x
Secret:      x (credentials, config, credentials.json)

Chain:
  1. ambient
  2. assumeRole
       roleArn: arn:aws:iam::111122223333:role/reader
       roleSessionName: team-a.x (by default)
       durationSeconds: 3600 (by default)

Permission:
  allowed by CredentialPolicy team-a

Used by:
  Deployment/reports
    mounted at /aws in container app
  not visible to you: objects of kind Pod

   -10m     now                                         +50m
   [========|--------------------------R-------------------]
   [ issued   R renewal   ] expiry   | now
";
        assert_eq!(write(&report, minute(10), &Terminal::plain(60)), expected);
    }

    #[test]
    fn size_of_the_session_token_is_shown_where_the_issuer_told_it() {
        let object = with_a_role();
        let mut object = reported(object.clone(), &record(&object));
        let text = |object: &RefreshableCredential| {
            let report = Report::of(object, Allowed::NotNeeded, vec![], vec![]);
            write(&report, minute(10), &Terminal::plain(60))
        };
        assert!(!text(&object).contains("Token:"));
        let status = object.status.as_mut().expect("a status");
        status.session_token_size = Some(1832);
        assert!(text(&object).contains("\nToken:       1832 bytes\n"));
        let status = object.status.as_mut().expect("a status");
        status.session_token_utilization = Some(44);
        assert!(text(&object).contains("\nToken:       1832 bytes, 44 % of AWS's limit\n"));
    }

    #[test]
    fn what_failed_has_code_request_id_and_advice() {
        let error = IssueError::Refused {
            operation: "AssumeRole",
            subject: "arn:aws:iam::111122223333:role/reader".into(),
            error: AwsError {
                code: "AccessDenied".into(),
                message: "no, by the authorization id: 1a2b3c".into(),
                request_id: Some("4f2a".into()),
                status: 403,
                issuer: Issuer::Aws,
            },
        };
        let object = failed(with_a_role(), &error, None, minute(0));
        let text = write(
            &Report::of(&object, Allowed::NotNeeded, vec![], vec![]),
            minute(0),
            &Terminal::plain(60),
        );
        for part in [
            "Ready:       False (AccessDenied)\n",
            "Issued:      -\n",
            "Secret:      x (not published)\n",
            "\nLast error:\n  AssumeRole of arn:aws:iam::111122223333:role/reader: AccessDenied: no, by the authorization id: 1a2b3c (request 4f2a). ",
            "  reason AccessDenied, class Denied, 1 attempt\n",
            "  AWS's error code AccessDenied\n  AWS's request id 4f2a\n  which policy denied it (AWS keeps this for a day or more):\n",
            "\n    aws iam-toolbox get-request-authorization-details --authorization-id 1a2b3c\n  next try in ",
            error.advice(),
            "nothing in this namespace",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn profiles_are_listed_with_what_failed() {
        let mut object = credential(json!({"profiles": [{"name": "a"}, {"name": "b"}]}));
        object.status = serde_json::from_value(json!({"profiles": [
            {"name": "a", "arn": "arn:a", "expiration": "2026-01-01T01:00:00Z"}, {"name": "b", "message": "denied"},
        ]}))
        .expect("a status");
        let text = write(
            &Report::of(&object, Allowed::NotNeeded, vec![], vec![]),
            minute(0),
            &Terminal::plain(60),
        );
        assert!(
            text.contains(
                "\nProfiles:\n  a: expires in 60m, arn:a\n  b: nothing published, -\n    denied\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn what_stands_in_a_resource_steers_no_terminal() {
        let evil =
            "x\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2J\u{9b}1A\r\u{202e}\nReady:       True (Issued)";
        let mut object =
            failed(with_a_role(), &refreshable_rules::fixtures::unreachable(), None, minute(0));
        let status = object.status.as_mut().expect("a status");
        for condition in &mut status.conditions {
            (condition.reason, condition.message) = (evil.into(), evil.into());
        }
        let failure = status.failures.as_mut().expect("a failure");
        (failure.message, failure.reason) = (evil.into(), evil.into());
        (failure.code, failure.request_id) = (Some(evil.into()), Some(evil.into()));
        object.spec.roles[0].role_arn = evil.into();
        let consumer = Consumer {
            kind: "Pod",
            name: evil.into(),
            uses: vec![evil.into()],
            owner: Some(format!("Job/{evil}")),
        };
        let mut report =
            Report::of(&object, Allowed::No { rule: evil.into() }, vec![consumer], vec![]);
        report.profiles = vec![ProfileStatus {
            name: evil.into(),
            message: Some(evil.into()),
            ..Default::default()
        }];
        for terminal in
            [Terminal::plain(80), Terminal { colour: true, unicode: true, ..Terminal::plain(80) }]
        {
            for allowed in [
                Allowed::No { rule: evil.into() },
                Allowed::Yes { policies: vec![evil.into()] },
                Allowed::YesSomehow { why: evil.into() },
                Allowed::Unknown { why: evil.into() },
            ] {
                report.permission = allowed;
                let text = write(&report, minute(0), &terminal);
                assert_eq!(super::super::terminal::for_people(&text), text);
                assert!(text.matches("x^[]52;c;ZXZpbA==^G^[[2J").count() >= 12, "{text:?}");
                let ready = text.lines().filter(|l| l.starts_with("Ready:"));
                assert_eq!(ready.count(), 1, "no line is made up: {text}");
            }
        }
    }
}
