//! Permissions of the session that buys a token, and of those who use it.

use super::plan::{Caller, Plan};
use super::statement::Statement;
use refreshable_api::{
    CodeArtifactToken, DsqlToken, EcrRegistry, EcrToken, EksToken, ElastiCacheToken, MskToken,
    RdsToken, RefreshableCredentialSpec, TokenKind, TokenSpec,
};
use refreshable_rules::partition;

/// Actions by which an image is pulled, as
/// [AWS lists them](https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-pull.html).
const PULL: [&str; 3] =
    ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];

/// Adds the permissions of `buyer`, whose session buys the token that is published.
pub fn allow(spec: &RefreshableCredentialSpec, buyer: &Caller, plan: &mut Plan) {
    match spec.token.as_ref().and_then(TokenSpec::kind) {
        Some(TokenKind::Ecr(token)) => allow_ecr(token, buyer, plan),
        Some(TokenKind::CodeArtifact(token)) => allow_code_artifact(token, buyer, plan),
        Some(TokenKind::Rds(token)) => allow_rds(token, buyer, plan),
        Some(TokenKind::Dsql(token)) => allow_dsql(token, buyer, plan),
        Some(TokenKind::ElastiCache(token)) => allow_cache(token, buyer, plan),
        Some(TokenKind::Msk(token)) => allow_kafka(token, buyer, plan),
        Some(TokenKind::Eks(token)) => allow_eks(token, buyer, plan),
        Some(TokenKind::WebIdentity(token)) => {
            let tagged = token.tags.as_ref().is_some_and(|tags| !tags.is_empty());
            let actions = ["sts:GetWebIdentityToken", "sts:TagGetWebIdentityToken"];
            let actions = if tagged { &actions[..] } else { &actions[..1] };
            plan.allow(buyer, Statement::permission("Token", actions, "*"));
            plan.note(format!(
                "outbound identity federation must be enabled in account {}: aws iam enable-outbound-web-identity-federation",
                buyer.account()
            ));
        }
        None => {}
    }
}

fn allow_code_artifact(token: &CodeArtifactToken, buyer: &Caller, plan: &mut Plan) {
    let CodeArtifactToken { domain, domain_owner, region, .. } = token;
    let arn = |kind: &str| {
        format!(
            "arn:{}:codeartifact:{region}:{domain_owner}:{kind}/{domain}",
            partition::of_region(region).name
        )
    };
    let actions = ["codeartifact:GetAuthorizationToken"];
    plan.allow(buyer, Statement::permission("Token", &actions, arn("domain")));
    plan.allow(buyer, Statement::permission("Bearer", &["sts:GetServiceBearerToken"], "*"));
    let all = token.repositories.iter();
    let all: Vec<_> = all.map(|r| format!("{}/{}", arn("repository"), r.name)).collect();
    if !all.is_empty() {
        let actions = ["codeartifact:ReadFromRepository"];
        plan.allow(buyer, Statement::permission("Read", &actions, "*").on(all));
    }
    if *domain_owner != buyer.account() {
        plan.note(format!(
            "domain {domain} is another account's: the policies of the domain and of its repositories must let in {buyer}"
        ));
    }
}

fn allow_rds(token: &RdsToken, buyer: &Caller, plan: &mut Plan) {
    let RdsToken { region, user, .. } = token;
    let (partition, account) = (partition::of_region(region).name, buyer.account());
    let users = format!("arn:{partition}:rds-db:{region}:{account}:dbuser:*/{user}");
    plan.allow(buyer, Statement::permission("Connect", &["rds-db:connect"], &users));
    plan.note(
        "statement Connect names the user of every database: put the database's resource id (DbiResourceId, DbClusterResourceId) in place of the asterisk",
    );
}

fn allow_dsql(token: &DsqlToken, buyer: &Caller, plan: &mut Plan) {
    let admin = token.user() == DsqlToken::ADMIN;
    let action = if admin { "dsql:DbConnectAdmin" } else { "dsql:DbConnect" };
    let (region, account) = (&token.region, buyer.account());
    // The first label of the host is the cluster's id.
    let id = token.host.split('.').next().unwrap_or_default();
    let cluster =
        format!("arn:{}:dsql:{region}:{account}:cluster/{id}", partition::of_region(region).name);
    plan.allow(buyer, Statement::permission("Connect", &[action], &cluster));
    if !admin {
        plan.note(format!(
            "in the cluster, run as admin: AWS IAM GRANT {} TO '{buyer}'",
            token.user()
        ));
    }
}

fn allow_cache(token: &ElastiCacheToken, buyer: &Caller, plan: &mut Plan) {
    let ElastiCacheToken { cache_name, region, user, .. } = token;
    let cache = if token.serverless() { "serverlesscache" } else { "replicationgroup" };
    let (partition, account) = (partition::of_region(region).name, buyer.account());
    let arn = |kind: &str, name: &str| {
        format!("arn:{partition}:elasticache:{region}:{account}:{kind}:{name}")
    };
    let both = vec![arn(cache, &cache_name.to_ascii_lowercase()), arn("user", user)];
    plan.allow(buyer, Statement::permission("Connect", &["elasticache:Connect"], "*").on(both));
}

fn allow_kafka(token: &MskToken, buyer: &Caller, plan: &mut Plan) {
    let (region, account) = (&token.region, buyer.account());
    let clusters =
        format!("arn:{}:kafka:{region}:{account}:cluster/*", partition::of_region(region).name);
    plan.allow(buyer, Statement::permission("Connect", &["kafka-cluster:Connect"], &clusters));
    plan.note(
        "statement Connect names every cluster of the account, and lets no client read or write: name the cluster, and add the actions on its topics and groups (kafka-cluster:ReadData, kafka-cluster:WriteData and others)",
    );
}

fn allow_eks(token: &EksToken, buyer: &Caller, plan: &mut Plan) {
    let EksToken { cluster_name, region, .. } = token;
    plan.note(format!(
        "the token needs no permission in IAM. What it may do, an access entry of the cluster says: aws eks create-access-entry --cluster-name {cluster_name} --region {region} --principal-arn {buyer}"
    ));
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
