//! The guarded client against servers that do what they should not.

use super::*;
use crate::rules::retry::Class;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server on loopback that answers `bytes` to whoever calls, and then holds the line for a while if `holds`.
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
        format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn call(url: &str) -> Call<'_> {
    Call { operation: "Get", url, headers: Vec::new(), ca_bundle: None, identity: None, timeout_seconds: Some(1) }
}

#[tokio::test]
async fn what_is_right_comes_back_whole() {
    let url = server(answer("200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT", b"{}"), false).await;
    let answer = get(&call(&url)).await.expect("an answer");
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
        (answer("302 Found\r\nLocation: http://169.254.169.254/", b""), false, "redirects are not followed"),
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
        let Err(error) = get(&call(&url)).await else { panic!("{shown}: an answer") };
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
            Call { ca_bundle: Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"), ..call(url) },
            "certificate",
        ),
        (Call { identity: Some(&pem), ..call(url) }, "certificate"),
        (Call { headers: vec![("X-A".into(), SecretString::from("a\nb"))], ..call(url) }, "X-A"),
    ] {
        let Err(error) = get(&call).await else { panic!("{field}: an answer") };
        assert_eq!(error.class(), Class::Specification, "{field}: {error}");
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[tokio::test]
async fn a_header_s_value_and_the_url_s_query_stay_out_of_errors() {
    let url = server(Vec::new(), false).await;
    let mut call = call(&url);
    call.headers.push(("Authorization".to_owned(), SecretString::from("Bearer s3cr3t")));
    let Err(error) = get(&call).await else { panic!("an answer") };
    assert!(!format!("{error} {error:?} {call:?}").contains("s3cr3t"), "{error:?} {call:?}");
}

/// Chooses the process's one TLS implementation, as the controller's `main` does.
pub(crate) fn install_crypto() {
    // Another test may have been first: there is one, which is all that matters.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
