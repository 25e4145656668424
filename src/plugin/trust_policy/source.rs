//! The roles and callers that each source needs before the chain of `spec.roles`.

use super::arn::Identity;
use super::facts::{Facts, Missing};
use super::plan::{Caller, Plan, Provider, Session};
use super::statement::Statement;
use refreshable_api::{
    AccessKeySource, AmbientSource, CognitoSource, FederationTokenSource, IdentityCenterSource,
    IotSource, PodIdentitySource, RefreshableCredentialSpec, RolesAnywhereSource, SamlSource,
    ServiceAccountReference, SourceKind, WebIdentitySource,
};
use refreshable_rules::session_name::{default_session_name, default_user_name};
use refreshable_rules::session_tags::OF_POD_IDENTITY;
use serde_json::json;

type Begun = Result<Option<Session>, Missing>;

/// Adds the source's needs to the plan, and returns the session that the chain starts from, if
/// there is one.
pub fn begin(
    spec: &RefreshableCredentialSpec,
    facts: &Facts,
    followed: bool,
    plan: &mut Plan,
) -> Begun {
    let source = spec.source();
    let unknown = || {
        Missing::new("one in spec.source", "the resource names no source that this version knows")
    };
    match source.kind().ok_or_else(unknown)? {
        SourceKind::Ambient(AmbientSource {}) => {
            let base = facts.base("the identity that the controller runs under")?;
            Ok(Some(Session::of(Caller::Identity(base.clone()))))
        }
        SourceKind::WebIdentity(web) => web_identity(web, facts, plan),
        SourceKind::Saml(saml) => self::saml(saml, facts, plan),
        SourceKind::AccessKey(key) => user(key, facts, plan),
        SourceKind::SessionToken(session) => {
            plan.note("GetSessionToken needs no permission: every IAM user may call it for itself");
            if !followed {
                return Ok(None);
            }
            let mfa = session.serial_number.is_some();
            Ok(user(&session.access_key, facts, plan)?.map(|s| Session { mfa, ..s }))
        }
        SourceKind::FederationToken(federation) => federation_token(federation, facts, plan),
        SourceKind::PodIdentity(pod) => pod_identity(pod, spec, facts, followed, plan),
        SourceKind::IdentityCenter(center) => Ok(Some(identity_center(center, spec, plan))),
        SourceKind::Iot(iot) => self::iot(iot, facts, plan),
        SourceKind::RolesAnywhere(anywhere) => roles_anywhere(anywhere, facts, plan),
        SourceKind::Cognito(cognito) => self::cognito(cognito, facts, followed, plan),
        SourceKind::Container(_) => given("container", "the endpoint", facts, followed, plan),
        SourceKind::InstanceMetadata(_) => {
            given("instanceMetadata", "the instance", facts, followed, plan)
        }
        SourceKind::CustomHttp(_) | SourceKind::CustomSecret(_) | SourceKind::CustomProcess(_) => {
            given("custom", "whoever gives the credentials", facts, followed, plan)
        }
    }
}

fn user(key: &AccessKeySource, facts: &Facts, _: &mut Plan) -> Begun {
    let who = format!("the IAM user whose key Secret {} holds", key.secret_ref.name);
    Ok(Some(Session::of(Caller::Identity(facts.base(&who)?.clone()))))
}

/// A source with a role that is set up elsewhere.
fn given(source: &str, whose: &str, facts: &Facts, followed: bool, plan: &mut Plan) -> Begun {
    if !followed {
        plan.note(format!(
            "source {source} takes what {whose} has: its role is set up there, and no trust policy names this resource"
        ));
        return Ok(None);
    }
    let role = facts.source_role.clone().or_else(|| facts.base_identity.clone());
    let role = role.map_or_else(|| facts.given_role(source).cloned(), Ok)?;
    Ok(Some(Session::of(Caller::Identity(role))))
}

fn web_identity(web: &WebIdentitySource, facts: &Facts, plan: &mut Plan) -> Begun {
    let role = role_of(&web.role_arn)?;
    if let Some(provider) = &web.provider_id {
        return oauth(provider, web, &role, facts, plan);
    }
    let (subject, audience) = match &web.service_account_ref {
        Some(account) => subject_of(account, facts),
        None => {
            let which = "webIdentity takes its token from a Secret, which is not read";
            let subject = facts.subject.clone();
            let audience = facts.audience.clone();
            (
                subject.ok_or_else(|| Missing::new("--subject <claim sub of the token>", which))?,
                audience
                    .ok_or_else(|| Missing::new("--audience <claim aud of the token>", which))?,
            )
        }
    };
    let issuer = facts.oidc_issuer.as_deref();
    let issuer = issuer.ok_or_else(|| {
        Missing::new(
            "--oidc-issuer <URL>",
            "the trust policy names the issuer of the token (claim iss)",
        )
    })?;
    // IAM names a provider by its URL without the scheme.
    let host = issuer.trim_start_matches("https://").trim_end_matches('/');
    let arn = role.beside("iam", "", &format!("oidc-provider/{host}"));
    let statement = Statement::trust(
        "WebIdentity",
        json!({"Federated": arn}),
        &["sts:AssumeRoleWithWebIdentity"],
    )
    .when("StringEquals", format!("{host}:aud"), audience.clone())
    .when("StringEquals", format!("{host}:sub"), subject);
    plan.trust(&role, vec![statement], web.duration_seconds);
    plan.providers.push(Provider { arn, url: format!("https://{host}"), audience });
    plan.note(format!(
        "account {} needs an IAM OpenID Connect provider for https://{host}; AWS must be able to read its discovery document and keys over the internet",
        role.account
    ));
    Ok(Some(Session::of(Caller::Identity(role))))
}

fn subject_of(account: &ServiceAccountReference, facts: &Facts) -> (String, String) {
    (
        format!("system:serviceaccount:{}:{}", facts.namespace, account.name),
        account.audience.clone(),
    )
}

/// Login with Amazon and Facebook, whose access tokens are no OpenID Connect.
fn oauth(
    provider: &str,
    web: &WebIdentitySource,
    role: &Identity,
    facts: &Facts,
    plan: &mut Plan,
) -> Begun {
    let user = if provider == "graph.facebook.com" { "id" } else { "user_id" };
    let why = "webIdentity takes an OAuth 2.0 token from a Secret, which is not read";
    let subject = facts
        .subject
        .clone()
        .ok_or_else(|| Missing::new("--subject <user id at the provider>", why))?;
    let app = facts
        .audience
        .clone()
        .ok_or_else(|| Missing::new("--audience <app id at the provider>", why))?;
    let statement = Statement::trust(
        "WebIdentity",
        json!({"Federated": provider}),
        &["sts:AssumeRoleWithWebIdentity"],
    )
    .when("StringEquals", format!("{provider}:app_id"), app)
    .when("StringEquals", format!("{provider}:{user}"), subject);
    plan.trust(role, vec![statement], web.duration_seconds);
    Ok(Some(Session::of(Caller::Identity(role.clone()))))
}

fn saml(saml: &SamlSource, facts: &Facts, plan: &mut Plan) -> Begun {
    let role = role_of(&saml.role_arn)?;
    let audience = match role.partition.as_str() {
        "aws-cn" => "https://signin.amazonaws.cn/saml",
        "aws-us-gov" => "https://signin.amazonaws-us-gov.com/saml",
        _ => "https://signin.aws.amazon.com/saml",
    };
    if facts.subject.is_none() {
        plan.note(
            "every subject of the SAML provider is let in: give --subject <NameID of the assertion> to let in one",
        );
    }
    let statement = Statement::trust(
        "Saml",
        json!({"Federated": saml.principal_arn}),
        &["sts:AssumeRoleWithSAML"],
    )
    .when("StringEquals", "SAML:aud", audience)
    .when_some("StringEquals", "SAML:sub", facts.subject.clone());
    plan.note("assertions with session tags or a source identity also need sts:TagSession and sts:SetSourceIdentity");
    plan.trust(&role, vec![statement], saml.duration_seconds);
    Ok(Some(Session::of(Caller::Identity(role))))
}

fn federation_token(federation: &FederationTokenSource, facts: &Facts, plan: &mut Plan) -> Begun {
    let who =
        format!("the IAM user whose key Secret {} holds", federation.access_key.secret_ref.name);
    let base = facts.base(&who)?;
    let default = default_user_name(&default_session_name(&facts.namespace, &facts.name));
    let name = federation.name.as_deref().unwrap_or(&default);
    let tags = federation.tags.as_deref().unwrap_or_default();
    let mut actions = vec!["sts:GetFederationToken"];
    actions.extend((!tags.is_empty()).then_some("sts:TagSession"));
    let mut statement = Statement::permission(
        "Federate",
        &actions,
        base.beside("sts", "", &format!("federated-user/{name}")),
    );
    for tag in tags {
        statement = statement.when(
            "StringEquals",
            format!("aws:RequestTag/{}", tag.key),
            tag.value.clone(),
        );
    }
    plan.allow(&Caller::Identity(base.clone()), statement);
    plan.note("a federated user has no role: what it may do is what both its session policy and the IAM user's own policies allow");
    Ok(None)
}

fn pod_identity(
    pod: &PodIdentitySource,
    spec: &RefreshableCredentialSpec,
    facts: &Facts,
    followed: bool,
    plan: &mut Plan,
) -> Begun {
    let role = facts.given_role("podIdentity")?.clone();
    let account = &pod.service_account_ref.name;
    let known = [
        ("eks-cluster-name", pod.cluster_name.as_str()),
        ("kubernetes-namespace", facts.namespace.as_str()),
        ("kubernetes-service-account", account.as_str()),
    ];
    let service = json!({"Service": "pods.eks.amazonaws.com"});
    let mut statement =
        Statement::trust("PodIdentity", service, &["sts:AssumeRole", "sts:TagSession"]);
    for (tag, value) in known {
        statement = statement.when("StringEquals", format!("aws:RequestTag/{tag}"), value);
    }
    plan.trust(&role, vec![statement], None);
    let region = pod
        .region
        .as_deref()
        .or(spec.sts.as_ref().and_then(|s| s.region.as_deref()))
        .unwrap_or("*");
    match &facts.base_identity {
        Some(base) => {
            let cluster = base.beside("eks", region, &format!("cluster/{}", pod.cluster_name));
            let actions = ["eks-auth:AssumeRoleForPodIdentity"];
            plan.allow(&Caller::Identity(base.clone()), Statement::permission("PodIdentity", &actions, cluster));
        }
        None => plan.note("the identity that the controller runs under needs eks-auth:AssumeRoleForPodIdentity on the cluster: give --base-identity to have that policy printed"),
    }
    plan.note(format!(
        "EKS must associate the ServiceAccount with the role: aws eks create-pod-identity-association --cluster-name {} --namespace {} --service-account {account} --role-arn {role}",
        pod.cluster_name, facts.namespace
    ));
    if !followed {
        return Ok(None);
    }
    let value = |tag: &str| known.iter().find(|(t, _)| *t == tag).map(|(_, v)| (*v).to_owned());
    let tags = OF_POD_IDENTITY.iter().map(|t| ((*t).to_owned(), value(t))).collect();
    Ok(Some(Session { tags, ..Session::of(Caller::Identity(role)) }))
}

fn identity_center(
    center: &IdentityCenterSource,
    spec: &RefreshableCredentialSpec,
    plan: &mut Plan,
) -> Session {
    plan.note(format!(
        "Identity Center itself makes the role of permission set {} and its trust policy; assign the set to whoever signs in",
        center.role_name
    ));
    // An access portal serves the accounts of one partition, which is the roles' partition.
    let roles = spec.roles.iter().chain(spec.profiles.iter().flatten().flat_map(|p| &p.roles));
    let partition =
        roles.filter_map(|r| r.role_arn.parse::<Identity>().ok()).map(|r| r.partition).next();
    Session::of(Caller::PermissionSet {
        partition: partition.unwrap_or_else(|| "aws".to_owned()),
        account: center.account_id.clone(),
        name: center.role_name.clone(),
    })
}

fn iot(iot: &IotSource, facts: &Facts, plan: &mut Plan) -> Begun {
    let role = facts.given_role("iot")?.clone();
    // The second label of AWS's own hosts but one is the Region.
    let region =
        iot.endpoint.split('.').nth(3).filter(|_| iot.endpoint.contains(".credentials.iot."));
    let alias = role.beside("iot", region.unwrap_or("*"), &format!("rolealias/{}", iot.role_alias));
    let statement = Statement::trust(
        "Iot",
        json!({"Service": "credentials.iot.amazonaws.com"}),
        &["sts:AssumeRole"],
    )
    .when("StringEquals", "aws:SourceAccount", role.account.clone())
    .when(
        if region.is_some() { "ArnEquals" } else { "ArnLike" },
        "aws:SourceArn",
        alias.clone(),
    );
    plan.trust(&role, vec![statement], iot.duration_seconds);
    let certificate = Caller::Certificate {
        account: role.account.clone(),
        secret: iot.certificate_secret_ref.name.clone(),
    };
    plan.allow(
        &certificate,
        Statement::permission("Iot", &["iot:AssumeRoleWithCertificate"], alias),
    );
    plan.note("attach the certificate's policy with aws iot create-policy and attach-policy; it alone says which certificate may use the role alias");
    Ok(Some(Session::of(Caller::Identity(role))))
}

fn roles_anywhere(anywhere: &RolesAnywhereSource, facts: &Facts, plan: &mut Plan) -> Begun {
    let role = role_of(&anywhere.role_arn)?;
    let certificate =
        facts.certificate.as_ref().filter(|c| !c.tags.is_empty()).ok_or_else(|| {
            let why = format!(
                "the trust policy names the subject of the certificate in Secret {}",
                anywhere.certificate_secret_ref.name
            );
            Missing::new("--certificate <PEM file>", why)
        })?;
    let actions = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"];
    let mut statement = Statement::trust(
        "RolesAnywhere",
        json!({"Service": "rolesanywhere.amazonaws.com"}),
        &actions,
    )
    .when("ArnEquals", "aws:SourceArn", anywhere.trust_anchor_arn.clone());
    for (tag, value) in &certificate.tags {
        statement =
            statement.when("StringEquals", format!("aws:PrincipalTag/{tag}"), value.clone());
    }
    plan.trust(&role, vec![statement], anywhere.duration_seconds);
    plan.note(format!(
        "profile {} must list role {role}; the certificate needs no permission of its own",
        anywhere.profile_arn
    ));
    // Its sessions carry a source identity that AWS takes from the certificate.
    Ok(Some(Session { source_identity: Some(None), ..Session::of(Caller::Identity(role)) }))
}

fn cognito(cognito: &CognitoSource, facts: &Facts, followed: bool, plan: &mut Plan) -> Begun {
    let named = cognito.custom_role_arn.as_deref().map(role_of).transpose()?;
    let role = named.map_or_else(|| facts.given_role("cognito").cloned(), Ok)?;
    let region = cognito.identity_pool_id.split(':').next().unwrap_or_default();
    let host = if region.starts_with("cn-") {
        format!("cognito-identity.{region}.amazonaws.com.cn")
    } else if region.starts_with("us-gov-") {
        "cognito-identity-us-gov.amazonaws.com".to_owned()
    } else {
        "cognito-identity.amazonaws.com".to_owned()
    };
    let proof = if cognito.logins.is_some() { "authenticated" } else { "unauthenticated" };
    let statement =
        Statement::trust("Cognito", json!({"Federated": host}), &["sts:AssumeRoleWithWebIdentity"])
            .when("StringEquals", format!("{host}:aud"), cognito.identity_pool_id.clone())
            .when_some("StringEquals", &format!("{host}:sub"), cognito.identity_id.clone())
            .when("ForAnyValue:StringLike", format!("{host}:amr"), proof);
    plan.trust(&role, vec![statement], None);
    if cognito.identity_id.is_none() {
        plan.note(
            "every identity of the pool is let in: name identityId in the resource to let in one",
        );
    }
    plan.note(format!(
        "identity pool {} must give its {proof} identities the role {role}",
        cognito.identity_pool_id
    ));
    Ok(followed.then(|| Session::of(Caller::Identity(role))))
}

fn role_of(arn: &str) -> Result<Identity, Missing> {
    arn.parse().map_err(|why: String| Missing {
        why: format!(
            "{why}. With another STS than AWS's, its own documentation says whom a role lets in"
        ),
        flag: "a role of AWS's",
    })
}
