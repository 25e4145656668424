//! Gathers the facts of the cluster, each alone: one that cannot be had leaves the others.

use super::super::check::Kind;
use super::super::cluster::Cluster;
use super::super::error::{Error, Result, words};
use super::super::version::CONTROLLER;
use super::facts::{Controller, Definition, Fence, Held, Known, Replica, Right};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
    SubjectAccessReviewSpec,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, PostParams};
use kube::client::Body;
use refreshable_api::{RefreshableCredential, names};
use serde_json::Value;

/// Rights of an installation: verb, group, resource, and whether in one namespace.
const RIGHTS: [(&str, &str, &str, bool); 17] = [
    ("create", "apiextensions.k8s.io", "customresourcedefinitions", false),
    ("patch", "apiextensions.k8s.io", "customresourcedefinitions", false),
    ("create", "rbac.authorization.k8s.io", "clusterroles", false),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings", false),
    ("create", "admissionregistration.k8s.io", "validatingadmissionpolicies", false),
    ("create", "admissionregistration.k8s.io", "validatingadmissionpolicybindings", false),
    ("create", "", "namespaces", false),
    // Only a right that one holds can be granted, and these are the widest of the controller's.
    ("delete", "", "secrets", false),
    ("create", "", "serviceaccounts/token", false),
    ("create", "rbac.authorization.k8s.io", "roles", true),
    ("create", "rbac.authorization.k8s.io", "rolebindings", true),
    ("create", "", "serviceaccounts", true),
    ("create", "", "services", true),
    ("create", "apps", "deployments", true),
    ("create", "policy", "poddisruptionbudgets", true),
    // helm keeps its release in one.
    ("create", "", "secrets", true),
    ("create", "", "configmaps", true),
];

/// Kinds that a controller may patch where its chart says so, and the ending of the name of the
/// policy that bounds that.
const FENCED: [(&str, &str, &str); 3] = [
    ("apps", "deployments", "workloads"),
    ("", "pods", "pods"),
    ("refreshable.dev", "refreshablecredentials", "credentials"),
];

fn known<T>(result: Result<T>) -> Known<T> {
    result.map_err(|error| words(&error))
}

/// The API server's answer to `/version`, and how far its clock is ahead of this machine's.
pub(super) async fn version(cluster: &Cluster) -> (Known<Value>, Known<SignedDuration>) {
    let asked = Timestamp::now();
    let (status, date, body) = match get(cluster, "/version").await {
        Ok(answer) => answer,
        Err(error) => {
            let why = words(&error);
            return (Err(why.clone()), Err(why));
        }
    };
    // The answer was dated between both.
    let middle = asked + Timestamp::now().duration_since(asked) / 2;
    let ahead = date
        .as_deref()
        .and_then(|d| jiff::fmt::rfc2822::parse(d).ok())
        .map(|date| date.timestamp().duration_since(middle))
        .ok_or_else(|| "the API server's answer has no Date".to_owned());
    if status != 200 {
        return (Err(format!("/version: HTTP {status}: {body}")), ahead);
    }
    (serde_json::from_str(&body).map_err(|e| format!("/version: {e}")), ahead)
}

/// Status, header `Date` and body of a GET.
async fn get(cluster: &Cluster, path: &str) -> Result<(u16, Option<String>, String)> {
    let request = http::Request::get(path).body(Body::empty());
    let request = request.map_err(|e| Error::failed(e.to_string()))?;
    let client = cluster.client();
    cluster
        .ask(async {
            let answer = client.send(request).await?;
            let date = answer.headers().get(http::header::DATE);
            let date = date.and_then(|d| d.to_str().ok()).map(str::to_owned);
            let status = answer.status().as_u16();
            let body = answer.into_body().collect_bytes().await?;
            Ok((status, date, String::from_utf8_lossy(&body).into_owned()))
        })
        .await
}

/// Asks for each right of an installation into the commands' namespace.
pub(super) async fn rights(cluster: &Cluster) -> Known<Vec<Right>> {
    let api = cluster.everywhere::<SelfSubjectAccessReview>();
    let mut found = Vec::new();
    for (verb, group, resource, within) in RIGHTS {
        let (kind, part) = resource.split_once('/').unwrap_or((resource, ""));
        let text = |t: &str| Some(t.to_owned()).filter(|t| !t.is_empty());
        let attributes = ResourceAttributes {
            verb: text(verb),
            group: text(group),
            resource: text(kind),
            subresource: text(part),
            namespace: within.then(|| cluster.namespace().to_owned()),
            ..ResourceAttributes::default()
        };
        let spec = SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let parameters = PostParams::default();
        let answer = known(cluster.ask(api.create(&parameters, &review)).await)?;
        let group = if group.is_empty() { String::new() } else { format!(".{group}") };
        let place = if within { format!(" in {}", cluster.namespace()) } else { String::new() };
        found.push(Right {
            what: format!("{verb} {resource}{group}{place}"),
            allowed: answer.status.is_some_and(|s| s.allowed),
        });
    }
    Ok(found)
}

/// The CRDs.
pub(super) async fn definitions(cluster: &Cluster) -> Vec<Definition> {
    let api = cluster.everywhere::<CustomResourceDefinition>();
    let mut definitions = Vec::new();
    for kind in Kind::ALL {
        let own = kind.definition();
        let name = own["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let found = known(cluster.ask(api.get_opt(&name)).await).and_then(|found| {
            found.map(|c| serde_json::to_value(c).map_err(|e| e.to_string())).transpose()
        });
        definitions.push(Definition { own, found });
    }
    definitions
}

/// The controller's Deployments, in all namespaces or, for want of that right, in the commands'
/// own.
pub(super) async fn controllers(cluster: &Cluster) -> Known<Vec<Controller>> {
    let found = match cluster.list(&cluster.everywhere::<Deployment>(), Some(CONTROLLER)).await {
        Err(error) if error.is_forbidden() => {
            cluster.list(&cluster.api::<Deployment>(), Some(CONTROLLER)).await
        }
        other => other,
    };
    known(found).map(|list| list.items.iter().map(Controller::of).collect())
}

/// All admission policies and bindings, and what these controllers may change.
pub(super) async fn fence(cluster: &Cluster, controllers: &[Controller]) -> Known<Fence> {
    let policies = cluster.everywhere::<ValidatingAdmissionPolicy>();
    let policies = known(cluster.list(&policies, None).await)?;
    let bindings = cluster.everywhere::<ValidatingAdmissionPolicyBinding>();
    let bindings = known(cluster.list(&bindings, None).await)?;
    let policies = policies.items.into_iter().map(|policy| {
        let conditions = policy.spec.iter().flat_map(|s| s.match_conditions.iter().flatten());
        let conditions = conditions.map(|c| c.expression.clone()).collect();
        (policy.name_any(), conditions)
    });
    let bindings = bindings.items.into_iter().filter_map(|binding| {
        let spec = binding.spec?;
        Some((spec.policy_name?, spec.validation_actions.unwrap_or_default()))
    });
    let mut fence =
        Fence { policies: policies.collect(), bindings: bindings.collect(), ..Fence::default() };
    for controller in controllers {
        for (group, resource, end) in FENCED {
            match may_patch(cluster, controller, group, resource).await {
                Ok(true) => fence.reach.push((controller.full_name(), end)),
                Ok(false) => {}
                Err(why) => fence.unknown = Some(why),
            }
        }
    }
    Ok(fence)
}

/// Whether RBAC lets the controller's ServiceAccount patch what it watches of a kind.
async fn may_patch(
    cluster: &Cluster,
    controller: &Controller,
    group: &str,
    resource: &str,
) -> Known<bool> {
    let attributes = ResourceAttributes {
        verb: Some("patch".to_owned()),
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        namespace: controller.within.clone(),
        ..ResourceAttributes::default()
    };
    let spec = SubjectAccessReviewSpec {
        resource_attributes: Some(attributes),
        user: Some(controller.user()),
        ..SubjectAccessReviewSpec::default()
    };
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let api = cluster.everywhere::<SubjectAccessReview>();
    let answer = known(cluster.ask(api.create(&PostParams::default(), &review)).await)?;
    Ok(answer.status.is_some_and(|s| s.allowed))
}

/// The Lease of a controller.
pub(super) async fn lease(cluster: &Cluster, controller: &Controller) -> Known<Option<Held>> {
    let Some(name) = &controller.lease else { return Ok(None) };
    let api: Api<Lease> = Api::namespaced(cluster.client(), &controller.namespace);
    let found = known(cluster.ask(api.get_opt(name)).await)?;
    Ok(found.and_then(|l| l.spec).map(|spec| Held {
        holder: spec.holder_identity,
        renewed: spec.renew_time.map(|t| t.0),
        duration: spec.lease_duration_seconds.map(|s| SignedDuration::from_secs(s.into())),
    }))
}

/// The answers of a controller's Pods, through the API server's proxy, which needs the right to
/// `get` `pods/proxy`.
pub(super) async fn replicas(cluster: &Cluster, controller: &Controller) -> Known<Vec<Replica>> {
    let api: Api<Pod> = Api::namespaced(cluster.client(), &controller.namespace);
    let pods = known(cluster.list(&api, Some(&controller.selector)).await)?;
    let mut replicas = Vec::new();
    for pod in pods.items.iter().filter(|p| p.metadata.deletion_timestamp.is_none()) {
        let name = pod.name_any();
        let base = format!(
            "/api/v1/namespaces/{}/pods/{name}:{}/proxy",
            controller.namespace, controller.port
        );
        let ready = known(get(cluster, &format!("{base}/readyz")).await)
            .and_then(|(status, _, body)| answered(status, &body));
        let metrics = known(get(cluster, &format!("{base}/metrics")).await)
            .and_then(|(status, _, body)| answered(status, &body)?.map(|()| body));
        replicas.push(Replica { pod: name, ready, metrics });
    }
    Ok(replicas)
}

/// Tells the Pod's own answer from one of the API server, which is a Status.
fn answered(status: u16, body: &str) -> Known<std::result::Result<(), String>> {
    match serde_json::from_str::<Value>(body) {
        Ok(own) if own["kind"] == "Status" => {
            Err(own["message"].as_str().unwrap_or("no message").to_owned())
        }
        _ if status == 200 => Ok(Ok(())),
        _ => Ok(Err(body.trim().to_owned())),
    }
}

/// All resources, or those of the commands' namespace for want of that right.
pub(super) async fn credentials(cluster: &Cluster) -> Known<Vec<RefreshableCredential>> {
    let everywhere = cluster.everywhere::<RefreshableCredential>();
    let found = match cluster.list(&everywhere, None).await {
        Err(error) if error.is_forbidden() => {
            cluster.list(&cluster.api::<RefreshableCredential>(), None).await
        }
        other => other,
    };
    known(found).map(|list| list.items)
}

/// By how much issuers' clocks were ahead, as the controller noted on what it published. Secrets
/// are listed by their metadata alone.
pub(super) async fn issuer_clocks(cluster: &Cluster) -> Known<Vec<(String, SignedDuration)>> {
    let selector = format!("{}={}", names::MANAGED_BY_LABEL, names::MANAGED_BY);
    let parameters = ListParams::default().labels(&selector);
    let api = cluster.everywhere::<Secret>();
    let list = known(cluster.ask(api.list_metadata(&parameters)).await)?;
    let noted = list.items.iter().filter_map(|secret| {
        let seconds = secret.annotations().get(names::CLOCK_ANNOTATION)?.parse().ok()?;
        let name = format!("{}/{}", secret.namespace().unwrap_or_default(), secret.name_any());
        Some((name, SignedDuration::from_secs(seconds)))
    });
    Ok(noted.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pod_s_answers_are_told_from_the_api_server_s() {
        assert_eq!(answered(200, "ok\n"), Ok(Ok(())));
        assert_eq!(answered(503, "shutting down\n"), Ok(Err("shutting down".to_owned())));
        let status = r#"{"kind": "Status", "code": 403, "message": "pods is forbidden"}"#;
        assert_eq!(answered(403, status), Err("pods is forbidden".to_owned()));
        assert_eq!(answered(503, r#"{"kind": "Status"}"#), Err("no message".to_owned()));
    }
}
