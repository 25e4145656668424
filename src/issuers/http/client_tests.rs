//! The guarded client against misbehaving servers.

use super::*;
use refreshable_rules::retry::Class;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A server on loopback that responds with `bytes` to every caller, and then keeps the connection
/// open for a while if `holds`.
async fn server(bytes: Vec<u8>, holds: bool) -> String {
    install_crypto();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/credentials", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let bytes = bytes.clone();
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(&bytes).await;
                if holds {
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                }
            });
        }
    });
    url
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())
            .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn call(url: &str) -> Call<'_> {
    Call {
        operation: "Get",
        url,
        way: Way::Named(NetworkScope::Public),
        headers: Vec::new(),
        ca_bundle: None,
        identity: None,
        timeout_seconds: Some(1),
    }
}

#[tokio::test]
async fn what_is_right_comes_back_whole() {
    let url = server(answer("200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT", b"{}"), false).await;
    let answer = send(&call(&url), None).await.expect("an answer");
    assert_eq!((answer.status, answer.body.expose_secret()), (200, &b"{}"[..]));
    assert_eq!(answer.date, Some("2026-01-01T00:00:00Z".parse().expect("time")));
}

#[tokio::test]
async fn servers_that_misbehave_are_named_for_what_they_did() {
    let huge = vec![b' '; LARGEST_BODY + 1];
    let chunked: Vec<u8> = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        format!("{:x}\r\n", huge.len()).into_bytes(),
        huge.clone(),
        b"\r\n0\r\n\r\n".to_vec(),
    ]
    .concat();
    for (bytes, holds, words) in [
        (
            answer("302 Found\r\nLocation: http://169.254.169.254/", b""),
            false,
            "redirects are not followed",
        ),
        (answer("200 OK\r\nContent-Encoding: gzip", b"\x1f\x8b"), false, "it is compressed (gzip)"),
        (answer("200 OK", &huge), false, "it is longer than 65536 bytes"),
        (chunked, false, "it is longer than 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{".to_vec(), true, "no answer in time"),
        (Vec::new(), true, "no answer in time"),
        (Vec::new(), false, "cannot be reached"),
        (b"nonsense\r\n\r\n".to_vec(), false, "cannot be reached"),
    ] {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let url = server(bytes, holds).await;
        let Err(error) = send(&call(&url), None).await else { panic!("{shown}: an answer") };
        assert!(error.to_string().contains(words), "{shown}: {error}");
        assert_eq!(error.class(), Class::Transient, "{shown}");
    }
}

#[tokio::test]
async fn what_the_specification_has_wrong_is_named() {
    install_crypto();
    let pem = ClientIdentity::Pem(SecretString::from("no pem"));
    let url = "https://127.0.0.1:1/";
    for (call, field) in [
        (
            Call {
                ca_bundle: Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
                ..call(url)
            },
            "certificate",
        ),
        (Call { identity: Some(&pem), ..call(url) }, "certificate"),
        (Call { headers: vec![("X-A".into(), SecretString::from("a\nb"))], ..call(url) }, "X-A"),
    ] {
        let Err(error) = send(&call, None).await else { panic!("{field}: an answer") };
        assert_eq!(error.class(), Class::Specification, "{field}: {error}");
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[tokio::test]
async fn a_header_s_value_and_the_url_s_query_stay_out_of_errors() {
    // No answer, one that is no HTTP, one that is refused, and a port without a server.
    let [silent, garbage, redirect] = [
        server(Vec::new(), false).await,
        server(b"SSH-2.0\r\n".to_vec(), false).await,
        server(answer("302 Found\r\nLocation: http://169.254.169.254/", b""), false).await,
    ];
    for url in [&silent, &garbage, &redirect, "http://127.0.0.1:1/credentials"] {
        let url = format!("{url}?code=qu3ry&x=y");
        let mut call = call(&url);
        call.headers.push(("Authorization".to_owned(), SecretString::from("Bearer s3cr3t")));
        let Err(error) = send(&call, None).await else { panic!("an answer of {url}") };
        let shown = format!("{error} {error:?} {call:?}");
        assert!(!shown.contains("s3cr3t") && !shown.contains("qu3ry"), "{shown}");
    }
}

/// Reads a request, whose body is as long as it says.
pub(crate) async fn request_of(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut part = [0; 8192];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0_usize) {
                return text;
            }
        }
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return text,
            Ok(read) => request.extend_from_slice(&part[..read]),
        }
    }
}

/// Chooses the process's one TLS implementation, as the controller's `main` does.
pub(crate) fn install_crypto() {
    // Another test may have been first: there is one, which is all that matters.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

const NAME: &str = "c1a2b3.credentials.iot.eu-west-1.amazonaws.com";

/// A certificate with its key, in PEM.
struct Pair {
    certificate: String,
    key: String,
}

/// An authority's certificate, a server's of the name above, and a client's.
fn certificates() -> (String, Pair, Pair) {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"))
        .expect("an authority");
    let made = |names: Vec<String>| {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(names).expect("parameters");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    };
    let (server, client) = (made(vec![NAME.to_owned()]), made(Vec::new()));
    (authority.pem(), server, client)
}

/// A TLS server that accepts only callers that use its name and show a certificate of the
/// authority; its address.
async fn demanding_server(authority: &str, server: &Pair) -> std::net::SocketAddr {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
    use rustls::server::{ResolvesServerCertUsingSni, WebPkiClientVerifier};
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.as_bytes()).expect("a certificate"))
        .expect("an authority");
    let clients = WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier");
    let chain =
        CertificateDer::from_pem_slice(server.certificate.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).expect("a key");
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).expect("a key");
    let mut names = ResolvesServerCertUsingSni::new();
    names.add(NAME, rustls::sign::CertifiedKey::new(vec![chain], key)).expect("a name");
    let config = rustls::ServerConfig::builder()
        .with_client_cert_verifier(clients)
        .with_cert_resolver(Arc::new(names));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&answer("200 OK", b"{}")).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

#[tokio::test]
async fn a_server_is_named_and_shown_the_client_s_certificate() {
    install_crypto();
    let (authority, server, client) = certificates();
    let address = demanding_server(&authority, &server).await;
    let identity =
        ClientIdentity::Pem(SecretString::from(format!("{}\n{}", client.certificate, client.key)));
    let get = async |host: &str, identity: Option<&ClientIdentity>| {
        let url = format!("https://{host}:{}/", address.port());
        let call = Call { ca_bundle: Some(&authority), identity, ..call(&url) };
        // The guard would refuse a name that resolves to loopback.
        let client =
            builder(&call).expect("a builder").resolve(host, address).build().expect("a client");
        client
            .get(&url)
            .send()
            .await
            .map(|answer| answer.status().as_u16())
            .map_err(|e| format!("{e:?}"))
    };
    assert_eq!(get(NAME, Some(&identity)).await, Ok(200));
    for (name, identity, alert, why) in [
        (NAME, None, "CertificateRequired", "without a certificate no client is accepted"),
        (
            "other.example.com",
            Some(&identity),
            "AccessDenied",
            "a server under another name is refused",
        ),
    ] {
        let error = get(name, identity).await.expect_err(why);
        assert!(error.contains(alert), "{why}: {error}");
    }
}
