//! Gathers facts from outside the cluster, from where this program runs: the public issuer, STS.

use super::super::cluster::Cluster;
use super::super::discovery::{self, DISCOVERY, key_ids, unreachable_for_aws};
use super::super::error::words;
use super::aws;
use super::facts::{Issuer, Known, Published, Sts};
use jiff::Timestamp;
use refreshable_issuers::http::{Answer, Call, Guarded, Transport as _, Way};
use refreshable_rules::issuer::IssueError;
use secrecy::ExposeSecret as _;
use serde_json::Value;

/// Time limit for one call, in seconds.
const PATIENCE: i32 = 10;
/// A call that needs no credentials to be answered: with an error, which is an answer.
const QUESTION: &str = "Action=GetCallerIdentity&Version=2011-06-15";

/// The cluster's issuer, and what its public URL serves.
pub(super) async fn issuer(cluster: &Cluster) -> Issuer {
    let document = discovery::document(cluster).await.map_err(|e| words(&e));
    let keys = discovery::keys(cluster).await.map_err(|e| words(&e));
    let url = document.as_ref().ok().and_then(|d| d["issuer"].as_str());
    let published = match url.filter(|url| unreachable_for_aws(url).is_none()) {
        Some(url) => Some(published(url).await),
        None => None,
    };
    Issuer { document, keys, published }
}

async fn published(issuer: &str) -> Known<Published> {
    let document = document(&format!("{}/{DISCOVERY}", issuer.trim_end_matches('/'))).await?;
    let text = |name: &str| {
        document[name].as_str().map(str::to_owned).ok_or(format!("the document has no {name}"))
    };
    let keys = self::document(&text("jwks_uri")?).await?;
    let key_ids = key_ids(&keys).into_iter().map(str::to_owned).collect();
    Ok(Published { issuer: text("issuer")?, key_ids })
}

async fn document(url: &str) -> Known<Value> {
    let answer = Guarded.send(&call("GetDocument", url), None).await.map_err(why)?;
    let Answer { status, body, .. } = answer;
    if status != 200 {
        return Err(format!("{url}: HTTP {status}"));
    }
    serde_json::from_slice(body.expose_secret()).map_err(|e| format!("{url}: {e}"))
}

fn call<'a>(operation: &'static str, url: &'a str) -> Call<'a> {
    Call {
        operation,
        url,
        way: Way::Aws,
        headers: Vec::new(),
        ca_bundle: None,
        identity: None,
        timeout_seconds: Some(PATIENCE),
    }
}

/// STS at this URL.
pub(super) async fn sts(endpoint: String) -> Sts {
    let proxy = ["HTTPS_PROXY", "https_proxy"]
        .into_iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let addresses = match proxy {
        true => None,
        false => Some(addresses(&endpoint).await),
    };
    let mut call = call("GetCallerIdentity", &endpoint);
    let form = "application/x-www-form-urlencoded".to_owned().into();
    call.headers = vec![("Content-Type".to_owned(), form)];
    let answer = Guarded.send(&call, Some(QUESTION.to_owned())).await;
    let ahead = |answer: &Answer| answer.date.map(|d| d.duration_since(Timestamp::now()));
    let answer = answer.map(|a| (a.status, ahead(&a))).map_err(why);
    Sts { endpoint, addresses, answer }
}

/// The reason alone, where the endpoint is named beside it.
fn why(error: IssueError) -> String {
    match error {
        IssueError::Unreachable { detail, .. } => detail,
        other => other.to_string(),
    }
}

async fn addresses(endpoint: &str) -> Known<Vec<String>> {
    let (host, port) = aws::host(endpoint)?;
    let found = tokio::net::lookup_host((host, port)).await.map_err(|e| e.to_string())?;
    let mut list: Vec<String> = found.map(|a| a.ip().to_string()).collect();
    list.dedup();
    if list.is_empty() { Err("no address".to_owned()) } else { Ok(list) }
}
