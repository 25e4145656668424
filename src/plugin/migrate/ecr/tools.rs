//! Programs that renew passwords of ECR without a script: what their variables and arguments say.

use super::registry;
use super::renewal::{AssumedRole, Renewal, words};
use super::workload::Workload;

/// Reads the workload as one of the programs that are known, if an image is one of theirs.
pub fn read(workload: &mut Workload, renewal: &mut Renewal) {
    let runs = |name: &str| workload.images.iter().any(|image| image.contains(name));
    if runs("k8s-ecr-login-renew") {
        ecr_login_renew(workload, renewal);
    } else if runs("registry-creds") {
        registry_creds(workload, renewal);
    }
}

/// [k8s-ecr-login-renew](https://github.com/nabsul/k8s-ecr-login-renew), which runs in a CronJob.
fn ecr_login_renew(workload: &mut Workload, renewal: &mut Renewal) {
    renewal.found = true;
    let mut take = |name: &str| workload.variables.remove(name);
    let (secret, servers) = (take("DOCKER_SECRET_NAME"), take("DOCKER_REGISTRIES"));
    let namespaces = take("TARGET_NAMESPACE").unwrap_or_else(|| "default".to_owned());
    renewal.add_secret(&secret.unwrap_or_default(), Some(&namespaces));
    for server in words(&servers.unwrap_or_default()) {
        renewal.add_server(server);
    }
}

/// [registry-creds](https://github.com/upmc-enterprises/registry-creds), which runs in a
/// Deployment and writes to all namespaces.
fn registry_creds(workload: &mut Workload, renewal: &mut Renewal) {
    renewal.found = true;
    let mut argument = |name: &str| {
        let at = workload.arguments.iter().position(|a| {
            a.trim_start_matches('-').split('=').next() == Some(name) && a.contains('=')
        })?;
        let whole = workload.arguments.remove(at);
        whole.split_once('=').map(|(_, value)| value.to_owned())
    };
    let secret = argument("aws-secret-name").unwrap_or_else(|| "awsecr-cred".to_owned());
    let region = argument("aws-region");
    let role = argument("aws_assume_role");
    let namespaces = argument("include-namespaces");
    for needless in ["refresh-mins", "token-retry-type", "token-retries", "token-retry-delay"] {
        argument(needless);
    }
    let mut take = |name: &str| workload.variables.remove(name).filter(|v| v != "changeme");
    let region = take("awsregion").or(region).unwrap_or_else(|| "us-east-1".to_owned());
    for account in words(&take("awsaccount").unwrap_or_default()) {
        match registry::private(account, &region, None) {
            Some(found) => registry::add(&mut renewal.registries, found),
            None => renewal.note(format!("{account:?} is not the number of an AWS account")),
        }
    }
    if let Some(arn) = take("aws_assume_role").or(role).filter(|arn| arn.starts_with("arn:")) {
        renewal.roles.push(AssumedRole { arn, ..AssumedRole::default() });
    }
    renewal.add_secret(&secret, namespaces.as_deref());
    if namespaces.is_none() {
        renewal.note(
            "registry-creds writes to every namespace: apply the resource in each whose Pods pull",
        );
    }
    renewal.note("registry-creds patches the ServiceAccount default of each namespace: name the Secret in its imagePullSecrets yourself");
}
