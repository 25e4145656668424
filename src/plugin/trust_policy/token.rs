//! Permissions of the session that buys a token, and of those who pull with it.

use super::plan::{Caller, Plan};
use super::statement::Statement;
use refreshable_api::{EcrRegistry, EcrToken, RefreshableCredentialSpec};
use refreshable_rules::partition;

/// Actions by which an image is pulled, as
/// [AWS lists them](https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-pull.html).
const PULL: [&str; 3] =
    ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];

/// Adds the permissions of `buyer`, whose session buys the token that is published.
pub fn allow(spec: &RefreshableCredentialSpec, buyer: &Caller, plan: &mut Plan) {
    if let Some(ecr) = spec.token.as_ref().and_then(|t| t.ecr.as_ref()) {
        allow_ecr(ecr, buyer, plan);
    }
}

fn allow_ecr(ecr: &EcrToken, buyer: &Caller, plan: &mut Plan) {
    if !ecr.registries.is_empty() {
        // It knows no resources.
        plan.allow(buyer, Statement::permission("Token", &["ecr:GetAuthorizationToken"], "*"));
        let all = ecr.registries.iter().map(repositories).collect();
        plan.allow(buyer, Statement::permission("Pull", &PULL, "*").on(all));
        plan.note(
            "statement Pull names every repository of the registries: narrow it to those that are pulled, like repository/team-a/*",
        );
    }
    for registry in ecr.registries.iter().filter(|r| r.account_id != buyer.account()) {
        plan.note(format!(
            "the repositories of account {} are another's: in {} their repository policies must let in {buyer} with the actions of statement Pull",
            registry.account_id, registry.region
        ));
    }
    if ecr.public() {
        let actions = ["ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"];
        plan.allow(buyer, Statement::permission("PublicToken", &actions, "*"));
    }
}

/// The repositories of a registry.
fn repositories(registry: &EcrRegistry) -> String {
    let EcrRegistry { account_id, region, .. } = registry;
    let partition = partition::of_region(region).name;
    format!("arn:{partition}:ecr:{region}:{account_id}:repository/*")
}
