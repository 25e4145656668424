//! Asks a running sidecar for its health, for probes: an image without a shell has no other program
//! for that.

use super::Probe;
use super::health::{HEALTHZ, READYZ};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// A probe that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(2);
/// Longest response that is read, in bytes.
const LONGEST: u64 = 4 * 1024;

/// Failure of a probe.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// It does not respond.
    #[error("{0} does not answer: {1}")]
    Silent(SocketAddr, io::Error),
    /// It responds that it is not ready.
    #[error("{0}")]
    Says(String),
}

/// Asks the sidecar that serves on `listen`.
///
/// # Errors
/// [`NotReady`].
pub fn probe(listen: SocketAddr, which: Probe) -> Result<(), NotReady> {
    let address = SocketAddr::new(reachable(listen.ip()), listen.port());
    let path = match which {
        Probe::Healthz => HEALTHZ,
        Probe::Readyz => READYZ,
    };
    let answer = ask(address, path).map_err(|error| NotReady::Silent(address, error))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split_whitespace().nth(1) {
        Some("200") => Ok(()),
        _ => Err(NotReady::Says(if body.is_empty() {
            head.to_owned()
        } else {
            body.trim_end().to_owned()
        })),
    }
}

/// A sidecar on every address is called on loopback.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn judged(answer: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a call");
            let mut asked = [0; 1024];
            let length = stream.read(&mut asked).expect("a request");
            stream.write_all(answer.as_bytes()).expect("answered");
            String::from_utf8_lossy(&asked[..length]).into_owned()
        });
        let judged = probe(address, Probe::Readyz).map_err(|e| e.to_string());
        let asked = server.join().expect("a server");
        assert!(
            asked.starts_with("GET /readyz HTTP/1.1\r\n")
                && asked.contains(&format!("Host: {address}\r\n"))
        );
        judged
    }

    #[test]
    fn only_200_is_ready() {
        assert_eq!(judged("HTTP/1.1 200 OK\r\n\r\nok\n"), Ok(()));
        assert_eq!(
            judged("HTTP/1.1 503 Service Unavailable\r\n\r\nexpired\n"),
            Err("expired".to_owned())
        );
        assert_eq!(judged(""), Err(String::new()), "it ends without an answer");
        assert_eq!(
            judged("HTTP/1.1 404 Not Found\r\n\r\n"),
            Err("HTTP/1.1 404 Not Found".to_owned())
        );
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = taken.local_addr().expect("an address");
        drop(taken);
        assert!(matches!(probe(address, Probe::Healthz), Err(NotReady::Silent(..))));
    }

    #[test]
    fn every_address_means_loopback() {
        assert_eq!(
            reachable("0.0.0.0".parse().expect("ip")),
            "127.0.0.1".parse::<IpAddr>().expect("ip")
        );
        assert_eq!(reachable("::".parse().expect("ip")), "::1".parse::<IpAddr>().expect("ip"));
        assert_eq!(
            reachable("10.0.0.1".parse().expect("ip")),
            "10.0.0.1".parse::<IpAddr>().expect("ip")
        );
    }
}
