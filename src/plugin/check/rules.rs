//! The CEL rules of the CRDs, evaluated as the API server evaluates them.

use super::finding::Finding;
use super::schema::Kind;
use kube_cel::{CompiledSchema, ErrorKind, Validator, compile_schema};
use serde_json::Value;

/// URLs with a host that [`net/url.ParseRequestURI`](https://pkg.go.dev/net/url#ParseRequestURI)
/// accepts, on which Kubernetes' `isURL` is built: printable characters; no percent sign in the
/// host except before a byte outside ASCII; digits for a port; in the path percent signs only
/// before two hexadecimal digits.
const GO_URL: &str = concat!(
    r"^[A-Za-z][A-Za-z0-9+.-]*://",
    r"([A-Za-z0-9._~!$&\x27()*+,;=:%-]*@)?",
    r"(\[[0-9A-Fa-f:.]+(%25[A-Za-z0-9._~-]+)?\]|([A-Za-z0-9._~!$&\x27()*+,;=<>\x22-]|[^\x00-\x7f]|%[89A-Fa-f][0-9A-Fa-f])*)",
    r"(:[0-9]*)?",
    r"(/([^\x00-\x1f\x7f%?]|%[0-9A-Fa-f][0-9A-Fa-f])*)?",
    r"(\?[^\x00-\x1f\x7f]*)?$",
);

/// The rules of one kind.
pub struct Rules {
    compiled: CompiledSchema,
    validator: Validator,
}

impl Rules {
    /// Reads them out of the kind's schema.
    pub fn of(kind: Kind) -> Self {
        let mut schema = kind.schema();
        say_urls_as_go_does(&mut schema);
        Self { compiled: compile_schema(&schema), validator: Validator::new() }
    }

    /// The rules that an object breaks. It must be structurally right.
    pub fn check(&self, object: &Value) -> Vec<Finding> {
        let Err(errors) = self.validator.validate_compiled(&self.compiled, object, None) else {
            return Vec::new();
        };
        errors
            .into_vec()
            .into_iter()
            .map(|error| {
                let message = match error.kind {
                    ErrorKind::ValidationFailure => error.message,
                    // For example an invalid duration: the API server refuses it too, with its own
                    // message.
                    _ => format!("{} (the rule {} cannot be evaluated)", error.message, error.rule),
                };
                Finding::error(pointer(&error.field_path), message)
            })
            .collect()
    }
}

/// The JSON pointer of a path like `spec.roles[0]`.
pub(super) fn pointer(path: &str) -> String {
    let parts = path.split(['.', '[']).map(|p| p.trim_end_matches(']')).filter(|p| !p.is_empty());
    parts.fold(String::new(), |whole, part| format!("{whole}/{part}"))
}

/// Replaces `isURL`, which libraries of other languages implement differently, with [`GO_URL`].
fn say_urls_as_go_does(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for rule in members
                .get_mut("x-kubernetes-validations")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                if let Some(Value::String(text)) = rule.get_mut("rule") {
                    *text = without_is_url(text);
                }
            }
            members.values_mut().for_each(say_urls_as_go_does);
        }
        Value::Array(list) => list.iter_mut().for_each(say_urls_as_go_does),
        _ => {}
    }
}

fn without_is_url(rule: &str) -> String {
    let Some((before, rest)) = rule.split_once("isURL(") else { return rule.to_owned() };
    let Some((argument, after)) = rest.split_once(')') else { return rule.to_owned() };
    let pattern = GO_URL.replace('\\', "\\\\");
    format!("{before}({argument}).matches('{pattern}'){}", without_is_url(after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_api::Header;
    use serde_json::json;

    #[test]
    fn urls_are_go_s() {
        let rules = Rules::of(Kind::Credential);
        let refused = |endpoint: &str| {
            let object = json!({"spec": {"roles": [{"roleArn": "arn:minio:iam:::role/abcdef123456"}], "sts": {"endpoint": endpoint}}});
            let findings = rules.check(&object);
            assert!(
                findings.iter().all(|f| f.message.contains("endpoint must be a URL")),
                "{findings:?}"
            );
            !findings.is_empty()
        };
        for right in [
            "https://sts.example.com",
            "http://127.0.0.1:9000",
            "https://[::1]:80/x",
            "https://a:99999",
            "https://user@host/path?query",
            "https://a/%20",
            "https://",
        ] {
            assert!(!refused(right), "{right}");
        }
        for wrong in [
            "sts.example.com",
            "https://a b",
            "https://a:port",
            "https://ex%41mple.com",
            "https://a/%zz",
            "ftp://a",
        ] {
            assert!(refused(wrong), "{wrong}");
        }
    }

    /// The API server's rule and the controller's list name the same headers.
    #[test]
    fn headers_that_speak_for_a_proxy_are_refused_in_any_case() {
        let rules = Rules::of(Kind::Credential);
        let refused = |name: &str| {
            let header = json!({"name": name, "valueSecretRef": {"name": "h", "key": "v"}});
            let object = json!({"spec": {"source": {"custom": {"http": {
                "url": "https://broker.example.com/v1", "headers": [header],
            }}}}});
            let findings = rules.check(&object);
            assert!(findings.iter().all(|f| f.message.contains("take it out")), "{findings:?}");
            !findings.is_empty()
        };
        for name in Header::RESERVED.into_iter().chain(["X-Forwarded-For", "x-forwarded-x"]) {
            let reserved = |name: &str| {
                let value = json!({"name": name, "valueSecretRef": {"name": "h", "key": "v"}});
                serde_json::from_value::<Header>(value).expect("a header").is_reserved()
            };
            for name in [name.to_owned(), name.to_ascii_uppercase()] {
                assert!(refused(&name) && reserved(&name), "{name}");
            }
        }
        for name in ["Authorization", "X-Vault-Token", "X-Forwardedfor", "X-Request-Id"] {
            assert!(!refused(name), "{name}");
        }
    }

    /// A rule that this program cannot evaluate would refuse what the API server takes.
    #[test]
    fn every_rule_can_be_evaluated() {
        fn texts(schema: &Value, found: &mut Vec<String>) {
            match schema {
                Value::Object(members) => {
                    let rules = members.get("x-kubernetes-validations").and_then(Value::as_array);
                    found.extend(
                        rules
                            .into_iter()
                            .flatten()
                            .filter_map(|r| r["rule"].as_str().map(str::to_owned)),
                    );
                    members.values().for_each(|m| texts(m, found));
                }
                Value::Array(list) => list.iter().for_each(|m| texts(m, found)),
                _ => {}
            }
        }
        for kind in Kind::ALL {
            let mut rules = Vec::new();
            texts(&kind.schema(), &mut rules);
            assert!(!rules.is_empty());
            for rule in rules {
                let rule = without_is_url(&rule);
                assert!(kube_cel::cel::Program::compile(&rule).is_ok(), "{rule}");
                assert!(!rule.contains("isURL"), "{rule}");
            }
        }
    }

    #[test]
    fn paths_are_pointers() {
        assert_eq!(pointer("spec.profiles[3].roles[0]"), "/spec/profiles/3/roles/0");
    }
}
