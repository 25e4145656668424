//! Where user-chosen names may lead: in a network namespace with a name server that lies, servers
//! at addresses of every kind, and proxies in the environment. Whoever gets past the guard is
//! answered there, and seen.

use crate::harness::certificates::Authority;
use crate::harness::cluster;
use refreshable_api::{Role, StsSpec};
use refreshable_issuers::aws::sts::RoleCall;
use refreshable_issuers::aws::{Caller, Meter, Sts};
use refreshable_issuers::http::{self, Call, Transport as _};
use refreshable_rules::issuer::{AccessKey, IssueError};
use refreshable_rules::patterns::NetworkScope;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

/// Addresses that the namespace has, besides loopback's: a public one, private ones, a metadata
/// service, and loopback in NAT64's clothes.
const PREPARE: &str = "ip link set lo up \
    && ip address add 198.51.100.10/32 dev lo && ip address add 10.9.8.7/32 dev lo \
    && ip address add 169.254.169.254/32 dev lo && ip -6 address add fd12::1/128 dev lo nodad \
    && ip -6 address add 64:ff9b::7f00:1/128 dev lo nodad \
    && printf 'nameserver 127.0.0.1\\noptions timeout:1 attempts:1\\n' >\"$1\" && mount --bind \"$1\" /etc/resolv.conf \
    && shift && exec \"$@\"";

/// The proxy of the environment. It resolves names itself, so it is for AWS's own hosts and for no
/// other.
const PROXY: &str = "http://127.0.0.1:3128";

#[tokio::test]
async fn names_lead_nowhere_that_was_not_checked() {
    let resolv = crate::harness::scratch::subfolder("reach").join("resolv.conf");
    let output = tokio::process::Command::new("unshare")
        .args(["--map-root-user", "--net", "--mount", "sh", "-c", PREPARE, "sh"])
        .arg(resolv)
        .arg(std::env::current_exe().expect("this program"))
        .args(["cluster::reach::inside_the_namespace", "--exact", "--ignored", "--nocapture"])
        .envs(
            ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
                .map(|n| (n, PROXY)),
        )
        .envs(
            ["NO_PROXY", "no_proxy"]
                .map(|name| (name, "169.254.0.0/16,.eu-central-1.amazonaws.com")),
        )
        .output()
        .await
        .expect("unshare starts");
    let said = [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// The call that a way out is used for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// A source's call by HTTP.
    Http,
    /// AssumeRole at `spec.sts.endpoint`.
    Sts,
}

#[tokio::test]
#[ignore = "runs in the namespace that the test above makes"]
async fn inside_the_namespace() {
    cluster::install_crypto();
    let names = Names::serve().await;
    let called = serve(8080).await;
    let proxied = serve(3128).await;
    for way in [Way::Http, Way::Sts] {
        for (name, reach, expected) in [
            ("public.test", NetworkScope::Public, Ok("198.51.100.10")),
            // Of two addresses the one that may be called is.
            ("both.test", NetworkScope::Public, Ok("198.51.100.10")),
            ("private.test", NetworkScope::Private, Ok("10.9.8.7")),
            ("private.test", NetworkScope::Public, Err("leads only to private addresses")),
            ("unique.test", NetworkScope::Private, Ok("fd12::1")),
            ("unique.test", NetworkScope::Public, Err("leads only to private addresses")),
            ("home.test", NetworkScope::Private, Err("may not be called")),
            ("home6.test", NetworkScope::Private, Err("may not be called")),
            ("any.test", NetworkScope::Private, Err("may not be called")),
            ("link.test", NetworkScope::Private, Err("may not be called")),
            ("mapped.test", NetworkScope::Private, Err("may not be called")),
            ("nat64.test", NetworkScope::Private, Err("may not be called")),
        ] {
            let result = call(way, &format!("http://{name}:8080"), reach).await;
            let connections = called.take();
            match expected {
                Ok(address) => {
                    assert!(result.is_ok(), "{way:?} {name}: {:?}", result.err());
                    assert_eq!(
                        connections,
                        [address.parse::<IpAddr>().expect("an address")],
                        "{way:?} {name}"
                    );
                }
                Err(words) => {
                    let error = result
                        .err()
                        .unwrap_or_else(|| panic!("{way:?} {name}: an answer"))
                        .to_string();
                    assert!(error.contains(words), "{way:?} {name}: {error}");
                    assert_eq!(connections, [] as [IpAddr; 0], "{way:?} {name} was called");
                }
            }
        }

        // A name that leads home as soon as it has been checked: it is looked up once, and what was
        // found is called.
        names.forget();
        call(way, "http://rebind.test:8080", NetworkScope::Public)
            .await
            .expect("an answer of the public address");
        assert_eq!(names.asked("rebind.test"), 1, "{way:?}");
        let first = called.take();
        assert_eq!(first, [IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10))], "{way:?}");
        let error = call(way, "http://rebind.test:8080", NetworkScope::Private)
            .await
            .expect_err("it leads home by now");
        assert!(error.to_string().contains("may not be called"), "{way:?}: {error}");
        assert_eq!(called.take(), [] as [IpAddr; 0], "{way:?}");

        // A redirect is not followed.
        let error = call(way, "http://public.test:8080/redirect", NetworkScope::Private)
            .await
            .expect_err("a redirect");
        let connections = called.take();
        assert!(!connections.is_empty(), "{way:?} {error}: the public address was called");
        assert!(connections.iter().all(|a| !a.is_loopback()), "{way:?} {error}: {connections:?}");

        // An address is called as it stands: a policy has written it out.
        call(way, "http://10.9.8.7:8080", NetworkScope::Public).await.expect("an answer");
        call(way, "http://[fd12::1]:8080", NetworkScope::Public).await.expect("an answer");
        called.take();
    }
    assert_eq!(proxied.take(), [] as [IpAddr; 0], "a proxy of the environment was called");

    let tunnel = |host: &str| [format!("CONNECT {host}.eu-west-1.amazonaws.com:443 HTTP/1.1")];
    aws_by_http("https://rolesanywhere.eu-west-1.amazonaws.com")
        .await
        .expect_err("the proxy opens no tunnel");
    assert_eq!(proxied.asked(), tunnel("rolesanywhere"), "Roles Anywhere, and IoT");
    for ca_bundle in [None, Some(ca())] {
        aws_by_sts("eu-west-1", ca_bundle.clone()).await.expect_err("the proxy opens no tunnel");
        assert_eq!(proxied.asked(), tunnel("sts"), "STS, trusting {ca_bundle:?}");
    }
    aws_by_http("https://rolesanywhere.eu-central-1.amazonaws.com")
        .await
        .expect_err("there is no such host here");
    aws_by_sts("eu-central-1", None).await.expect_err("nor this");
    assert_eq!(proxied.asked(), [] as [String; 0], "what NO_PROXY names is called directly");
}

struct NoMeter;

impl Meter for NoMeter {
    fn issuer_call(
        &self,
        _: &'static str,
        _: Option<refreshable_rules::retry::Class>,
        _: Duration,
    ) {
    }
}

async fn call(way: Way, url: &str, reach: NetworkScope) -> Result<(), IssueError> {
    match way {
        Way::Http => get(url, http::Way::Named(reach)).await,
        Way::Sts => {
            assume(StsSpec { endpoint: Some(url.to_owned()), ..StsSpec::default() }, reach).await
        }
    }
}

async fn aws_by_http(url: &str) -> Result<(), IssueError> {
    get(url, http::Way::Aws).await
}

async fn aws_by_sts(region: &str, ca_bundle: Option<String>) -> Result<(), IssueError> {
    assume(
        StsSpec { region: Some(region.to_owned()), ca_bundle, ..StsSpec::default() },
        NetworkScope::Public,
    )
    .await
}

fn ca() -> String {
    Authority::new(&crate::harness::scratch::subfolder("reach")).certificate()
}

async fn get(url: &str, way: http::Way) -> Result<(), IssueError> {
    let (headers, timeout_seconds) = (Vec::new(), Some(5));
    let call = Call {
        operation: "Get",
        url,
        way,
        headers,
        ca_bundle: None,
        identity: None,
        timeout_seconds,
    };
    http::Guarded.send(&call, None).await.map(drop)
}

/// As the controller does it, which takes the SDK's client from the default configuration.
async fn assume(spec: StsSpec, reach: NetworkScope) -> Result<(), IssueError> {
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::v2026_01_12()).await;
    let sts = Sts::new(&config, NoMeter).reaching(reach);
    let role = Role { role_arn: "arn:aws:iam::111122223333:role/x".into(), ..Role::default() };
    let call = RoleCall { role: &role, session_name: "x", external_id: None, token_code: None };
    let key = AccessKey { id: "AKIAEXAMPLE".into(), secret: "secret".into(), token: None };
    let spec = StsSpec { timeout_seconds: Some(5), ..spec };
    sts.assume_role(call, &Caller::Key(key), &spec, jiff::Timestamp::now()).await.map(drop)
}

const SESSION: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
    <Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
    <SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser>\
    <Arn>arn:aws:sts::111122223333:assumed-role/x/x</Arn><AssumedRoleId>A:x</AssumedRoleId></AssumedRoleUser>\
    </AssumeRoleResult></AssumeRoleResponse>";

/// A server: at which addresses it was called, and with which first lines.
#[derive(Clone, Default)]
struct Served {
    called: Arc<Mutex<Vec<IpAddr>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Served {
    /// The addresses that were called since this was last asked.
    fn take(&self) -> Vec<IpAddr> {
        self.asked();
        std::mem::take(&mut *self.called.lock().expect("a list"))
    }

    /// The first lines of what was asked since this was last asked.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("a list"))
    }
}

/// Answers everybody at every address.
async fn serve(port: u16) -> Served {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
        .await
        .expect("every address of the namespace");
    let served = Served::default();
    let server = served.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let local = stream.local_addr().expect("an address").ip().to_canonical();
            server.called.lock().expect("a list").push(local);
            let lines = server.asked.clone();
            tokio::spawn(async move {
                let mut head = [0; 8192];
                let length = stream.read(&mut head).await.unwrap_or_default();
                let asked = String::from_utf8_lossy(&head[..length]).into_owned();
                lines.lock().expect("a list").extend(asked.lines().next().map(str::to_owned));
                let answer = if asked.starts_with("CONNECT") {
                    "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                        .to_owned()
                } else if asked.contains(" /redirect") {
                    "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:8080/\r\nContent-Length: 0\r\n\
                     Connection: close\r\n\r\n"
                        .to_owned()
                } else {
                    let body = if asked.starts_with("POST") { SESSION } else { "{}" };
                    format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    )
                };
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    served
}

/// A name server, and how often each name was asked for.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<BTreeMap<String, usize>>>);

impl Names {
    async fn serve() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:53").await.expect("the namespace's port");
        let names = Self::default();
        let counting = names.clone();
        tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                if let Some(answer) = counting.answer(&query[..length]) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        names
    }

    fn asked(&self, name: &str) -> usize {
        self.0.lock().expect("a map").get(name).copied().unwrap_or_default()
    }

    fn forget(&self) {
        self.0.lock().expect("a map").clear();
    }

    /// RFC 1035, as much of it as a stub resolver asks for.
    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let (mut labels, mut at) = (Vec::new(), 12);
        while *query.get(at)? != 0 {
            let length = usize::from(query[at]);
            labels
                .push(String::from_utf8_lossy(query.get(at + 1..at + 1 + length)?).to_lowercase());
            at += 1 + length;
        }
        let kind = u16::from_be_bytes([*query.get(at + 1)?, *query.get(at + 2)?]);
        let question = query.get(12..at + 5)?;
        let name = labels.join(".");
        let addresses = self.addresses(&name, kind);
        let mut answer = query[..2].to_vec();
        // A response, recursion available; one question, so many answers.
        answer.extend([0x81, 0x80, 0, 1, 0, u8::try_from(addresses.len()).ok()?, 0, 0, 0, 0]);
        answer.extend(question);
        for address in addresses {
            let bytes = match address {
                IpAddr::V4(v4) => v4.octets().to_vec(),
                IpAddr::V6(v6) => v6.octets().to_vec(),
            };
            // The name again (a pointer to the question), the kind, class IN, no time to live.
            answer.extend([0xc0, 12]);
            answer.extend(kind.to_be_bytes());
            answer.extend([0, 1, 0, 0, 0, 0, 0, u8::try_from(bytes.len()).ok()?]);
            answer.extend(bytes);
        }
        Some(answer)
    }

    fn addresses(&self, name: &str, kind: u16) -> Vec<IpAddr> {
        const A: u16 = 1;
        const AAAA: u16 = 28;
        let before = self.asked(name);
        if kind == A {
            *self.0.lock().expect("a map").entry(name.to_owned()).or_default() += 1;
        }
        let list: &[&str] = match (name, kind) {
            ("public.test", A) => &["198.51.100.10"],
            ("both.test", A) => &["127.0.0.1", "198.51.100.10", "10.9.8.7"],
            ("private.test", A) => &["10.9.8.7"],
            ("home.test", A) => &["127.0.0.1"],
            ("any.test", A) => &["0.0.0.0"],
            ("link.test", A) => &["169.254.169.254"],
            ("rebind.test", A) if before == 0 => &["198.51.100.10"],
            ("rebind.test", A) => &["127.0.0.1"],
            ("home6.test", AAAA) => &["::1"],
            ("unique.test", AAAA) => &["fd12::1"],
            ("mapped.test", AAAA) => &["::ffff:127.0.0.1"],
            ("nat64.test", AAAA) => &["64:ff9b::7f00:1"],
            _ => &[],
        };
        list.iter().map(|a| a.parse().expect("an address")).collect()
    }
}
