//! Digests that show whether the published credentials still match the specification.

use refreshable_api::{ProfileSpec, RefreshSpec, RefreshableCredentialSpec, SecretSpec};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Digest of everything in a specification that decides which credentials are obtained and how they
/// are written. The time of renewal, suspension, and actions after a rotation are not part of it:
/// changing them costs no issuer call.
///
/// Absent members are not serialized, so a new optional member leaves the digests of existing
/// specifications as they are, and an upgrade costs no issuer call.
pub fn of_request(spec: &RefreshableCredentialSpec) -> String {
    let mut asked = RefreshableCredentialSpec {
        refresh: None::<RefreshSpec>,
        suspend: None,
        restart: Vec::new(),
        ..spec.clone()
    };
    if let Some(secret) = &mut asked.secret
        && secret.propagation.take().is_some()
        && *secret == SecretSpec::default()
    {
        asked.secret = None;
    }
    // A tree of strings and numbers always serializes.
    short_digest(&serde_json::to_vec(&asked).unwrap_or_default())
}

/// Digest of everything that decides whose credentials one profile gets: another profile's change
/// leaves it as it is.
pub fn of_profile(spec: &RefreshableCredentialSpec, profile: &ProfileSpec) -> String {
    short_digest(
        &serde_json::to_vec(&(&spec.source, &spec.roles, &spec.sts, &profile.roles))
            .unwrap_or_default(),
    )
}

/// Digest of one attempt: the request and the annotation that triggered it. Only the attempt that
/// failed waits for its pause; a different one is made at once. [`super::inputs`] covers the data
/// that was read.
pub fn of_attempt(request: &str, requested_at: Option<&str>) -> String {
    let text = serde_json::to_vec(&(request, requested_at)).unwrap_or_default();
    short_digest(&text)
}

/// Digest of what a template makes.
pub fn of_template(made: &Value) -> String {
    short_digest(&serde_json::to_vec(made).unwrap_or_default())
}

/// SHA-256 over a Secret's data, keys in order, each name and value preceded by its length.
pub fn of_data<'a>(data: impl IntoIterator<Item = (&'a String, &'a [u8])>) -> String {
    let ordered: BTreeMap<_, _> = data.into_iter().collect();
    let mut hash = Sha256::new();
    for (key, value) in ordered {
        for part in [key.as_bytes(), value] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    hex::encode(hash.finalize())
}

fn short_digest(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use refreshable_api::{Propagation, RestartTarget, Role, WorkloadKind};
    use serde_json::{Value, json};

    fn spec(arn: &str) -> RefreshableCredentialSpec {
        RefreshableCredentialSpec {
            roles: vec![Role { role_arn: arn.into(), ..Role::default() }],
            ..RefreshableCredentialSpec::default()
        }
    }

    #[test]
    fn what_is_asked_for_changes_the_digest_and_when_does_not() {
        let a = spec("arn:aws:iam::111122223333:role/a");
        assert_ne!(of_request(&a), of_request(&spec("arn:aws:iam::111122223333:role/b")));
        let mut later = a.clone();
        later.suspend = Some(true);
        later.refresh = Some(RefreshSpec { before: Some("25m".into()) });
        later.restart =
            vec![RestartTarget { kind: WorkloadKind::Deployment, name: "reports".into() }];
        later.secret =
            Some(SecretSpec { propagation: Some(Propagation::Prompt), ..SecretSpec::default() });
        assert_eq!(of_request(&a), of_request(&later));
    }

    #[test]
    fn the_digest_of_a_known_specification_never_changes() {
        // An upgrade that changed it would cost an issuer call for every object of every cluster.
        let a = spec("arn:aws:iam::111122223333:role/a");
        assert_eq!(of_request(&a), "202fe4066525182a018642d3d18f8daa");
        let device =
            json!({"certificateSecretRef": {"name": "c"}, "caBundle": "x", "timeoutSeconds": 5});
        let with = |mut source: Value| {
            source
                .as_object_mut()
                .expect("an object")
                .extend(device.as_object().expect("an object").clone());
            source
        };
        for (spec, digest) in [
            (
                json!({"sts": {"region": "eu-west-1", "caBundle": "x", "timeoutSeconds": 5}}),
                "04ab206535f32cc42bd58a7cb9fa41a3",
            ),
            (
                json!({"source": {"iot": with(json!({"endpoint": "e", "roleAlias": "a"}))}}),
                "32d8ba0a956ca63de7fee99ca59f7cd0",
            ),
            (
                json!({"source": {"rolesAnywhere": with(json!({"trustAnchorArn": "t", "profileArn": "p", "roleArn": "r"}))}}),
                "5f34a2709da476978bc24d915a1854da",
            ),
            (
                json!({"source": {"custom": {"http": {"url": "u", "caBundle": "x", "timeoutSeconds": 5}}}}),
                "792a03d360b4f1b443f1e74fbb9407f9",
            ),
        ] {
            let spec: RefreshableCredentialSpec =
                serde_json::from_value(spec.clone()).expect("a specification");
            assert_eq!(of_request(&spec), digest, "{spec:?}");
        }
    }

    #[test]
    fn a_least_size_of_the_token_belongs_to_the_request_where_one_is_set() {
        let key = json!({"secretRef": {"name": "k"}});
        let role = "arn:aws:iam::111122223333:role/a";
        let token = json!({"name": "t", "key": "token"});
        let spec = |kind: &str, fields: &Value| match kind {
            "roles" => json!({"roles": [fields]}),
            _ => json!({"source": {kind: fields}}),
        };
        for (kind, mut fields) in [
            ("roles", json!({"roleArn": role})),
            ("webIdentity", json!({"roleArn": role, "tokenSecretRef": token})),
            ("saml", json!({"roleArn": role, "principalArn": "p", "assertionSecretRef": token})),
            ("sessionToken", json!({"accessKey": key})),
            ("federationToken", json!({"accessKey": key, "policy": "{}"})),
        ] {
            let read = |fields: &Value| -> RefreshableCredentialSpec {
                serde_json::from_value(spec(kind, fields)).expect("a specification")
            };
            let without = read(&fields);
            let text = serde_json::to_string(&without).expect("JSON");
            assert!(!text.contains("minimumSessionTokenSize"), "an upgrade issues nothing: {text}");
            fields["minimumSessionTokenSize"] = 4096.into();
            assert_ne!(of_request(&without), of_request(&read(&fields)), "{kind}");
        }
    }

    #[test]
    fn a_token_and_the_secret_merged_into_it_belong_to_the_request() {
        let of = |more: Value| {
            let mut spec = json!({"roles": [{"roleArn": "arn:aws:iam::111122223333:role/a"}]});
            spec.as_object_mut()
                .expect("an object")
                .extend(more.as_object().expect("an object").clone());
            of_request(&serde_json::from_value(spec).expect("a specification"))
        };
        let all = [
            of(json!({})),
            of(json!({"token": {"ecr": {"public": true}}})),
            of(json!({"token": {"ecr": {"public": true, "mergeFrom": {"name": "a"}}}})),
            of(json!({"token": {"ecr": {"public": true, "mergeFrom": {"name": "b"}}}})),
        ];
        assert_eq!(all[0], "202fe4066525182a018642d3d18f8daa", "an upgrade issues nothing");
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn where_a_bundle_is_read_belongs_to_the_request() {
        let of = |sts: Value| {
            let spec: RefreshableCredentialSpec =
                serde_json::from_value(json!({ "sts": sts })).expect("a spec");
            of_request(&spec)
        };
        let all = [
            of(json!({})),
            of(json!({"caBundleRef": {"name": "ca"}})),
            of(json!({"caBundleRef": {"name": "other"}})),
            of(json!({"caBundleRef": {"name": "ca", "key": "trust-bundle.pem"}})),
            of(json!({"caBundleRef": {"name": "ca", "kind": "Secret"}})),
        ];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn data_is_digested_without_ambiguity() {
        let digest = |pairs: &[(&str, &str)]| {
            let owned: Vec<(String, Vec<u8>)> =
                pairs.iter().map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec())).collect();
            of_data(owned.iter().map(|(k, v)| (k, v.as_slice())))
        };
        assert_eq!(digest(&[("a", "1"), ("b", "2")]), digest(&[("b", "2"), ("a", "1")]));
        assert_ne!(digest(&[("a", "1b2")]), digest(&[("a", "1"), ("b", "2")]));
        assert_ne!(digest(&[("ab", "1")]), digest(&[("a", "b1")]));
    }

    #[test]
    fn an_attempt_is_told_by_request_and_wish() {
        let all = [of_attempt("r", None), of_attempt("r", Some("x")), of_attempt("q", None)];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
