//! Request checks: the method, the `Host` header (against DNS rebinding), and the bearer token.
//!
//! Browsers, and programs that can be made to call a URL, reach loopback addresses too. The `Host`
//! header gives away a name that resolves to the address (DNS rebinding), forwarding headers give
//! away a proxy, and neither caller has the token.

use super::refusal::Refusal;
use super::token;
use http::Method;
use http::header::{AUTHORIZATION, FORWARDED, HOST};
use http::request::Parts;
use http::uri::Authority;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// Whether the request may be looked at: its method, where it was sent, and the way that it came.
///
/// # Errors
/// [`Refusal::Method`], [`Refusal::Host`], [`Refusal::Forwarded`].
pub(super) fn admit(asked: &Parts, served: SocketAddr) -> Result<(), Refusal> {
    let mut hosts = asked.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Refusal::Host) };
    let host = host.to_str().map_err(|_| Refusal::Host)?;
    let target = asked.uri.authority().map(Authority::as_str);
    if !is_own(host, served) || target.is_some_and(|t| !is_own(t, served)) {
        return Err(Refusal::Host);
    }
    if asked.headers.contains_key(FORWARDED) || asked.headers.contains_key("x-forwarded-for") {
        return Err(Refusal::Forwarded);
    }
    if asked.method == Method::GET { Ok(()) } else { Err(Refusal::Method) }
}

/// Whether `host` names the served address. The port may be missing: AWS's C library and SDKs on
/// top of it omit it. A literal address cannot be rebound; beyond loopback the caller may know this
/// machine by any of its addresses.
fn is_own(host: &str, served: SocketAddr) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let port_fits = match authority.port_u16() {
        Some(port) => port == served.port() && !host.contains('@'),
        None => authority.host() == host,
    };
    if !port_fits {
        return false;
    }
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    let near = served.ip().is_loopback();
    match name.parse::<IpAddr>() {
        Ok(address) => !near || address == served.ip(),
        Err(_) => (near || served.ip().is_unspecified()) && name.eq_ignore_ascii_case("localhost"),
    }
}

/// Whether the caller knows the token in `file`.
///
/// # Errors
/// [`Refusal::NoToken`], [`Refusal::WrongToken`], [`Refusal::TokenFile`].
pub(super) fn authorize(asked: &Parts, file: &Path) -> Result<(), Refusal> {
    let token = token::read(file)
        .map_err(|why| Refusal::TokenFile { path: file.into(), why: why.to_string() })?;
    let mut sent = asked.headers.get_all(AUTHORIZATION).iter();
    match (sent.next(), sent.next()) {
        (None, _) => Err(Refusal::NoToken),
        (Some(sent), None) if token.is(sent.as_bytes()) => Ok(()),
        _ => Err(Refusal::WrongToken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn asked(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request = headers
            .iter()
            .fold(Request::builder().method(method).uri(uri), |r, (k, v)| r.header(*k, *v));
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn hosts_are_the_address_itself() {
        let table: &[(&str, &[&str], &[&str])] = &[
            (
                "127.0.0.1:9911",
                &["127.0.0.1:9911", "localhost:9911", "LOCALHOST:9911", "127.0.0.1", "localhost"],
                &[
                    "127.0.0.1:80",
                    "127.0.0.1:x",
                    "127.0.0.1:",
                    "user@127.0.0.1",
                    "evil.example",
                    "evil.example:9911",
                    "localhost.evil.example:9911",
                    "127.0.0.1.evil.example:9911",
                    "user@127.0.0.1:9911",
                    "10.0.0.1:9911",
                    "[::1]:9911",
                    "0.0.0.0:9911",
                    "",
                    ":9911",
                    "127.0.0.1:9911 ",
                    "127.1:9911",
                    "2130706433:9911",
                    "localhost.:9911",
                ],
            ),
            (
                "[::1]:9911",
                &["[::1]:9911", "localhost:9911"],
                &["127.0.0.1:9911", "::1", "[::2]:9911"],
            ),
            (
                "0.0.0.0:9911",
                &["10.0.0.1:9911", "127.0.0.1:9911", "localhost:9911"],
                &["evil.example:9911", "10.0.0.1:80"],
            ),
            ("10.0.0.1:9911", &["10.0.0.1:9911"], &["localhost:9911", "evil.example:9911"]),
        ];
        for (served, own, foreign) in table {
            let served = served.parse().expect("an address");
            for host in *own {
                assert_eq!(
                    admit(&asked("GET", "/v1/credentials", &[("host", host)]), served),
                    Ok(()),
                    "{host} {served}"
                );
            }
            for host in *foreign {
                let refused = admit(&asked("GET", "/v1/credentials", &[("host", host)]), served);
                assert_eq!(refused, Err(Refusal::Host), "{host} {served}");
            }
        }
    }

    #[test]
    fn what_else_is_turned_away() {
        let served = "127.0.0.1:9911".parse().expect("an address");
        let host = ("host", "127.0.0.1:9911");
        let table = [
            ("GET", "/", vec![], Refusal::Host),
            ("GET", "/", vec![host, host], Refusal::Host),
            ("GET", "http://evil.example/v1/credentials", vec![host], Refusal::Host),
            ("GET", "/", vec![host, ("x-forwarded-for", "10.0.0.1")], Refusal::Forwarded),
            ("GET", "/", vec![host, ("forwarded", "for=10.0.0.1")], Refusal::Forwarded),
            ("POST", "/", vec![host], Refusal::Method),
            ("HEAD", "/", vec![host], Refusal::Method),
            ("OPTIONS", "/", vec![host], Refusal::Method),
        ];
        for (method, uri, headers, refusal) in table {
            assert_eq!(
                admit(&asked(method, uri, &headers), served),
                Err(refusal),
                "{method} {uri} {headers:?}"
            );
        }
        let absolute = asked("GET", "http://127.0.0.1:9911/v1/credentials", &[host]);
        assert_eq!(admit(&absolute, served), Ok(()));
    }

    #[test]
    fn the_token_is_the_one_in_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        let judge = |headers: &[(&str, &str)]| authorize(&asked("GET", "/", headers), &file);
        assert!(
            matches!(judge(&[("authorization", "x")]), Err(Refusal::TokenFile { .. })),
            "without a file every request is refused"
        );
        for empty in ["", " \n"] {
            std::fs::write(&file, empty).expect("written");
            assert!(
                matches!(judge(&[("authorization", "")]), Err(Refusal::TokenFile { .. })),
                "without a token every request is refused"
            );
        }
        std::fs::write(&file, " the-token \n").expect("written");
        assert_eq!(judge(&[("authorization", "the-token")]), Ok(()));
        assert_eq!(judge(&[]), Err(Refusal::NoToken));
        for wrong in ["", "the-toke", "the-token2", "The-token", "Bearer the-token", "the-tokem"] {
            assert_eq!(judge(&[("authorization", wrong)]), Err(Refusal::WrongToken), "{wrong}");
        }
        let twice = judge(&[("authorization", "the-token"), ("authorization", "the-token")]);
        assert_eq!(twice, Err(Refusal::WrongToken));
        std::fs::write(&file, "another").expect("written");
        assert_eq!(
            judge(&[("authorization", "the-token")]),
            Err(Refusal::WrongToken),
            "it is read anew"
        );
    }
}
