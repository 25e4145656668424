//! AWS, played by ministack: it checks signatures, session tokens, expiry, IAM policies
//! and role trust.
//!
//! Accounts need not be made: whoever signs with a twelve-digit access key id and the root
//! secret is the root user of the account of that number. Everything else in an account
//! (users, roles) is made by its root through IAM's own API.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::eventually::eventually;
use super::process::Process;
use super::{background, canary, cluster, http, place, ports, programs, scratch};

/// The one Region of the bench.
pub const REGION: &str = "eu-west-1";

/// Secret access key of every root user.
const ROOT_SECRET: &str = "the-root-secret-of-every-account";

/// A running ministack. It ends when dropped.
pub struct Issuer {
    process: Process,
    url: String,
}

/// One account of it, as its root user.
#[derive(Clone, Copy)]
pub struct Account<'a> {
    issuer: &'a Issuer,
    /// Twelve digits.
    pub id: &'a str,
}

/// A role to be. Nobody may assume it until somebody is trusted.
pub struct RoleBuilder<'a> {
    account: Account<'a>,
    name: String,
    trust: Vec<Value>,
    external_id: Option<String>,
    tags: Vec<(String, String)>,
    policy: Option<Value>,
}

impl Issuer {
    /// The issuer that all tests of a run share. Tests keep apart by role and account.
    pub async fn shared() -> &'static Issuer {
        static SHARED: OnceCell<Issuer> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// An issuer of one's own.
    pub async fn start() -> Issuer {
        let program = background::blocking(|| programs::python("ministack")).await;
        let port = ports::free();
        let process = Process::builder("ministack", program, &scratch::subfolder("ministack"))
            // It binds every address unless told.
            .env("BIND_HOST", place::address().to_string())
            .env("GATEWAY_PORT", port.to_string())
            // Without it, signatures and expiry are not looked at.
            .env("AUTH", "true")
            .env("AWS_SECRET_ACCESS_KEY", ROOT_SECRET)
            .env("LOG_LEVEL", "WARNING")
            .start();
        let url = format!("http://{}:{port}", place::address());
        eventually(Duration::from_secs(60), "ministack is ready", async || {
            process.assert_running();
            match http::get(&format!("{url}/_ministack/health")).await {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        canary::register(ROOT_SECRET);
        Issuer { process, url }
    }

    /// Where it listens, without a proxy between.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process: to freeze it, for one.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// An account by its number.
    pub fn account<'a>(&'a self, id: &'a str) -> Account<'a> {
        Account { issuer: self, id }
    }
}

/// Sends one signed request in AWS's query protocol to the service at `url`, and gives back the
/// answer's XML.
///
/// # Panics
///
/// Where it is refused, with what the answer says.
pub async fn query(
    url: &str,
    service: &str,
    caller: &Credentials,
    action: &str,
    parameters: &[(&str, &str)],
) -> String {
    let version = if service == "sts" { "2011-06-15" } else { "2010-05-08" };
    let body = form(&[&[("Action", action), ("Version", version)], parameters].concat());
    let mut request = ::http::Request::post(format!("{url}/"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("host", url.trim_start_matches("http://"))
        .body(body.clone().into())
        .expect("a request");
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().expect("ASCII")));
    let uri = request.uri().to_string();
    let signable = SignableRequest::new("POST", uri, headers, SignableBody::Bytes(body.as_bytes()))
        .expect("a request to sign");
    let identity = caller.clone().into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .expect("all that signing needs");
    let (instructions, _) = sign(signable, &parameters.into()).expect("a signature").into_parts();
    instructions.apply_to_request_http1x(&mut request);

    let answer = http::send(request).await.unwrap_or_else(|error| panic!("{action}: {error}"));
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    assert!(answer.status().is_success(), "{action}: {}\n{text}", answer.status());
    text
}

impl<'a> Account<'a> {
    /// The credentials of its root user.
    pub fn root(&self) -> Credentials {
        Credentials::new(self.id, ROOT_SECRET, None, None, "root")
    }

    /// Calls an IAM action as the account's root user, and gives back the answer's XML.
    pub async fn iam(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        query(&self.issuer.url, "iam", &self.root(), action, parameters).await
    }

    /// A role by this name.
    pub fn role(self, name: &str) -> RoleBuilder<'a> {
        RoleBuilder {
            account: self,
            name: name.into(),
            trust: Vec::new(),
            external_id: None,
            tags: Vec::new(),
            policy: None,
        }
    }

    /// A role's ARN, whether it exists or not.
    pub fn role_arn(&self, name: &str) -> String {
        format!("arn:aws:iam::{}:role/{name}", self.id)
    }

    /// Makes a user who may assume any role that trusts the user, and gives its long-lived
    /// access key.
    pub async fn user(&self, name: &str) -> Credentials {
        self.iam("CreateUser", &[("UserName", name)]).await;
        let policy = allow(&["sts:*"]).to_string();
        let parameters =
            [("UserName", name), ("PolicyName", "assume"), ("PolicyDocument", &policy)];
        self.iam("PutUserPolicy", &parameters).await;
        self.access_key(name).await
    }

    /// Makes a user one more access key.
    pub async fn access_key(&self, user: &str) -> Credentials {
        let answer = self.iam("CreateAccessKey", &[("UserName", user)]).await;
        let [id, secret] = ["AccessKeyId", "SecretAccessKey"].map(|name| {
            element(&answer, name)
                .unwrap_or_else(|| panic!("CreateAccessKey: no {name} in the answer"))
        });
        canary::register(&secret);
        Credentials::new(id, secret, None, None, "access key")
    }

    /// A user's ARN.
    pub fn user_arn(&self, name: &str) -> String {
        format!("arn:aws:iam::{}:user/{name}", self.id)
    }
}

impl RoleBuilder<'_> {
    /// Trusts a principal: an ARN, or an account's root user for everybody in the account.
    pub fn trusting(mut self, principal: impl Into<String>) -> Self {
        let action = json!(["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]);
        self.trust.push(json!({ "Effect": "Allow", "Principal": { "AWS": principal.into() }, "Action": action }));
        self
    }

    /// Trusts tokens of an OpenID provider, by its host, for one subject.
    pub fn trusting_web_identity(mut self, provider: &str, subject: &str) -> Self {
        let principal = format!("arn:aws:iam::{}:oidc-provider/{provider}", self.account.id);
        self.trust.push(json!({
            "Effect": "Allow",
            "Principal": { "Federated": principal },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": { format!("{provider}:sub"): subject } },
        }));
        self
    }

    /// Asks an external id of whoever assumes it.
    pub fn external_id(mut self, id: &str) -> Self {
        self.external_id = Some(id.into());
        self
    }

    /// Asks a session tag of whoever assumes it.
    pub fn asking_tag(mut self, key: &str, value: &str) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// Actions that its sessions may call. Defaults to only what STS offers, so that it can be a
    /// link of a chain.
    pub fn allowing(mut self, actions: &[&str]) -> Self {
        self.policy = Some(allow(actions));
        self
    }

    /// Creates it, and gives its ARN.
    pub async fn create(self) -> String {
        let mut trust = self.trust;
        if let Some(id) = self.external_id {
            for statement in &mut trust {
                statement["Condition"]["StringEquals"]["sts:ExternalId"] = json!(id);
            }
        }
        for (key, value) in self.tags {
            for statement in &mut trust {
                statement["Condition"]["StringEquals"][format!("aws:RequestTag/{key}")] =
                    json!(value);
            }
        }
        let trust = document(trust).to_string();
        let parameters = [("RoleName", self.name.as_str()), ("AssumeRolePolicyDocument", &trust)];
        self.account.iam("CreateRole", &parameters).await;
        let policy = self.policy.unwrap_or_else(|| allow(&["sts:*"])).to_string();
        let parameters = [
            ("RoleName", self.name.as_str()),
            ("PolicyName", "allow"),
            ("PolicyDocument", &policy),
        ];
        self.account.iam("PutRolePolicy", &parameters).await;
        self.account.role_arn(&self.name)
    }
}

/// An STS client that calls an endpoint (an issuer's, a proxy's) with these credentials.
/// It tries once: a test that wants a second try makes it.
pub fn sts(endpoint: &str, credentials: Credentials) -> aws_sdk_sts::Client {
    cluster::install_crypto();
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(aws_sdk_sts::config::BehaviorVersion::latest())
        .region(aws_sdk_sts::config::Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(credentials)
        .retry_config(aws_sdk_sts::config::retry::RetryConfig::disabled())
        .build();
    aws_sdk_sts::Client::from_conf(config)
}

/// The text of the first XML element of this name.
pub fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.into())
}

fn allow(actions: &[&str]) -> Value {
    document(vec![json!({ "Effect": "Allow", "Action": actions, "Resource": "*" })])
}

fn document(statements: Vec<Value>) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn form(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}
