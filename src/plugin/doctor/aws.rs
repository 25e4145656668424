//! Checks of the way to AWS: the cluster as an issuer of tokens, and STS.

use super::check::Check;
use super::cluster::apart;
use super::facts::{Issuer, Known, Sts};
use crate::discovery::{key_ids, unreachable_for_aws};

const ISSUER: &str = "docs/sources/webIdentity.md";

/// Judges the cluster's issuer: whether AWS can trust tokens of its ServiceAccounts (source
/// `webIdentity`). Everything else works without, so that a fault is a warning.
pub fn issuer(found: &Issuer) -> Check {
    const NAME: &str = "issuer";
    let advice =
        "For source webIdentity, publish the issuer's documents: kubectl refreshable issuer";
    let document = match &found.document {
        Ok(document) => document,
        Err(why) => return Check::not_checked(NAME, format!("discovery document: {why}")),
    };
    let Some(url) = document["issuer"].as_str() else {
        return Check::warning(NAME, "the discovery document names no issuer", advice, ISSUER);
    };
    if let Some(why) = unreachable_for_aws(url) {
        return Check::warning(
            NAME,
            format!("AWS cannot reach issuer {url}: {why}"),
            advice,
            ISSUER,
        );
    }
    let own = match &found.keys {
        Ok(keys) => key_ids(keys),
        Err(why) => return Check::not_checked(NAME, format!("{url}: its keys: {why}")),
    };
    let published = match &found.published {
        None => return Check::not_checked(NAME, format!("{url} was not fetched")),
        Some(Err(why)) => {
            return Check::warning(
                NAME,
                format!("the documents of issuer {url} cannot be fetched from here: {why}"),
                advice,
                ISSUER,
            );
        }
        Some(Ok(published)) => published,
    };
    if published.issuer != url {
        return Check::failure(
            NAME,
            format!("the document at {url} names issuer {}", published.issuer),
            "Publish a document whose issuer is the claim iss of tokens, character by character",
            ISSUER,
        );
    }
    if let Some(missing) = own.iter().find(|k| !published.key_ids.iter().any(|p| p == *k)) {
        return Check::failure(
            NAME,
            format!("issuer {url} does not publish key {missing} of the API server"),
            "Publish the API server's present keys: kubectl refreshable issuer writes them",
            ISSUER,
        );
    }
    Check::ok(NAME, format!("issuer {url} publishes the API server's {} keys", own.len()))
}

/// Judges the way to STS from where this program runs, which the controller's may differ from.
pub fn sts(found: &Sts) -> Vec<Check> {
    const DNS: &str = "sts-dns";
    const STS: &str = "sts";
    const NOTE: &str =
        "if Pods have another way than this machine, look at the controller's log instead";
    let page = "docs/install.md#network";
    let mut checks = Vec::new();
    match &found.addresses {
        None => checks.push(Check::not_checked(DNS, "a proxy resolves it (HTTPS_PROXY)")),
        Some(Ok(list)) => checks.push(Check::ok(
            DNS,
            format!("{} resolves from here to {}", found.endpoint, list.join(", ")),
        )),
        Some(Err(why)) => checks.push(Check::warning(
            DNS,
            format!("{} does not resolve from here: {why}", found.endpoint),
            format!("Check DNS; {NOTE}"),
            page,
        )),
    }
    checks.push(match &found.answer {
        Err(why) => Check::warning(
            STS,
            format!("{} does not answer from here: {why}", found.endpoint),
            format!("Check proxy, firewall and VPC endpoint; {NOTE}"),
            page,
        ),
        Ok((status, _)) if *status >= 500 => Check::warning(
            STS,
            format!("{} answers from here with HTTP {status}", found.endpoint),
            format!("Check the proxy, and AWS's health page; {NOTE}"),
            page,
        ),
        Ok((_, ahead)) => ahead
            .and_then(|ahead| apart(STS, "STS", "this machine", ahead))
            .unwrap_or_else(|| Check::ok(STS, format!("{} answers from here", found.endpoint))),
    });
    checks
}

/// URL of the STS of a Region, in the partition that the Region's name belongs to ([service
/// endpoints](https://docs.aws.amazon.com/general/latest/gr/sts.html)).
pub fn endpoint(region: &str) -> String {
    let suffix = match region.split('-').next() {
        Some("cn") => "amazonaws.com.cn",
        Some("eusc") => "amazonaws.eu",
        _ => "amazonaws.com",
    };
    format!("https://sts.{region}.{suffix}")
}

/// Host and port of a URL, to be resolved.
///
/// # Errors
/// That it is not a URL with a host.
pub fn host(url: &str) -> Known<(String, u16)> {
    let uri: http::Uri = url.parse().map_err(|_| format!("{url} is not a URL"))?;
    let host = uri.host().ok_or_else(|| format!("{url} names no host"))?;
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
    Ok((host.trim_matches(['[', ']']).to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict::{self, Failure, NotChecked, Warning};
    use super::super::facts::Published;
    use super::*;
    use jiff::SignedDuration;
    use serde_json::json;

    fn judged(check: &Check, verdict: Verdict, words: &str) {
        assert_eq!(check.verdict, verdict, "{check:?}");
        assert!(check.message.contains(words), "{words:?} is not in {check:?}");
    }

    fn public(change: impl FnOnce(&mut Issuer)) -> Check {
        let url = "https://oidc.example.com";
        let published = Published { issuer: url.into(), key_ids: vec!["old".into(), "a".into()] };
        let mut found = Issuer {
            document: Ok(json!({"issuer": url})),
            keys: Ok(json!({"keys": [{"kid": "a"}]})),
            published: Some(Ok(published)),
        };
        change(&mut found);
        issuer(&found)
    }

    #[test]
    fn an_issuer_must_publish_the_keys_of_the_api_server() {
        judged(&public(|_| {}), Verdict::Ok, "publishes the API server's 1 keys");
        judged(&public(|f| f.document = Err("forbidden".into())), NotChecked, "forbidden");
        judged(&public(|f| f.document = Ok(json!({}))), Warning, "names no issuer");
        let inside = json!({"issuer": "https://kubernetes.default.svc.cluster.local"});
        judged(
            &public(|f| f.document = Ok(inside)),
            Warning,
            "AWS cannot reach issuer https://kub",
        );
        judged(&public(|f| f.keys = Err("forbidden".into())), NotChecked, "its keys: forbidden");
        judged(&public(|f| f.published = None), NotChecked, "not fetched");
        judged(&public(|f| f.published = Some(Err("no route".into()))), Warning, "here: no route");
        let other = |issuer: &str, ids: &[&str]| {
            let key_ids = ids.iter().map(ToString::to_string).collect();
            Some(Ok(Published { issuer: issuer.into(), key_ids }))
        };
        let slash = other("https://oidc.example.com/", &["a"]);
        judged(&public(|f| f.published = slash), Failure, "names issuer https://oidc.example.com/");
        let stale = other("https://oidc.example.com", &["old"]);
        judged(&public(|f| f.published = stale), Failure, "does not publish key a");
    }

    #[test]
    fn sts_is_looked_at_from_here() {
        let of = |addresses: Option<Known<Vec<String>>>, answer| {
            sts(&Sts { endpoint: "https://sts.example.com".into(), addresses, answer })
        };
        let there = || Some(Ok(vec!["192.0.2.1".to_owned()]));
        let well = of(there(), Ok((403, Some(SignedDuration::from_secs(1)))));
        judged(&well[0], Verdict::Ok, "resolves from here to 192.0.2.1");
        judged(&well[1], Verdict::Ok, "https://sts.example.com answers from here");
        judged(&of(None, Ok((403, None)))[0], NotChecked, "HTTPS_PROXY");
        let nowhere = of(Some(Err("no such host".into())), Err("no such host".into()));
        judged(&nowhere[0], Warning, "does not resolve from here: no such host");
        judged(&nowhere[1], Warning, "does not answer from here: no such host");
        judged(&of(there(), Ok((502, None)))[1], Warning, "HTTP 502");
        let late = of(there(), Ok((403, Some(SignedDuration::from_mins(7)))));
        judged(&late[1], Failure, "the clock of STS is 7m ahead of that of this machine");
    }

    #[test]
    fn endpoints_follow_the_partition() {
        assert_eq!(endpoint("eu-west-1"), "https://sts.eu-west-1.amazonaws.com");
        assert_eq!(endpoint("cn-north-1"), "https://sts.cn-north-1.amazonaws.com.cn");
        assert_eq!(host("http://127.0.0.1:4566/x"), Ok(("127.0.0.1".to_owned(), 4566)));
        assert_eq!(host("https://[::1]"), Ok(("::1".to_owned(), 443)));
        assert!(host("nonsense/").is_err());
    }
}
