//! A private image registry that lets in one login: of the
//! [distribution protocol](https://github.com/opencontainers/distribution-spec/blob/main/spec.md)
//! the part by which images are pulled.

use super::images::Image;
use crate::harness::{background, place, ports, scratch};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// A running registry. It ends when dropped.
pub struct Registry {
    url: String,
    shared: Arc<Shared>,
    server: AbortHandle,
}

struct Shared {
    /// Content by digest, with its media type.
    content: BTreeMap<String, (String, Bytes)>,
    /// The digest of the image's manifest.
    manifest: String,
    authorization: String,
    refused: AtomicUsize,
    served: Mutex<Vec<String>>,
}

impl Registry {
    /// A registry that serves `image`, under any name, to whoever shows this login.
    pub async fn start(image: &Image, user: &str, password: &str) -> Self {
        let (archive, manifest) = (image.archive.clone(), image.digest.clone());
        let content = background::blocking(move || unpack(&archive)).await;
        assert!(content.contains_key(&manifest), "{manifest}: {:?}", content.keys());
        let authorization = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let (refused, served) = (AtomicUsize::default(), Mutex::default());
        let shared = Arc::new(Shared { content, manifest, authorization, refused, served });
        let port = ports::free();
        let listener = TcpListener::bind((place::address(), port)).await.expect("a free port");
        let listener = listener.into_std().expect("a listener");
        let server = background::runtime().spawn(accept(listener, shared.clone())).abort_handle();
        Self { url: format!("http://{}:{port}", place::address()), shared, server }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many requests without the login were refused.
    pub fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Paths that were served.
    pub fn served(&self) -> Vec<String> {
        self.shared.served.lock().expect("no panic inside").clone()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The blobs of an OCI layout, by digest. A manifest says its own media type.
fn unpack(archive: &Path) -> BTreeMap<String, (String, Bytes)> {
    let folder = scratch::subfolder("registry");
    let status = Command::new("tar")
        .args(["--extract", "--file"])
        .arg(archive)
        .arg("--directory")
        .arg(&folder)
        .status()
        .expect("tar starts");
    assert!(status.success(), "{}", archive.display());
    let blobs = std::fs::read_dir(folder.join("blobs/sha256")).expect("blobs");
    let blobs = blobs.map(|entry| entry.expect("an entry").path());
    let one = |path: std::path::PathBuf| {
        let bytes = std::fs::read(&path).expect("a blob");
        let read: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let kind = read["mediaType"].as_str().unwrap_or("application/octet-stream").to_owned();
        let digest = path.file_name().expect("a name").to_string_lossy().into_owned();
        (format!("sha256:{digest}"), (kind, Bytes::from(bytes)))
    };
    blobs.map(one).collect()
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let shared = shared.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer(&request, &shared);
                async move { Ok::<_, hyper::Error>(answer) }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(request: &Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let empty = |status: StatusCode| {
        let answer = Response::builder().status(status);
        answer.header("www-authenticate", "Basic realm=\"registry\"").body(Full::default())
    };
    let shown = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if shown != Some(shared.authorization.as_str()) {
        shared.refused.fetch_add(1, Ordering::Relaxed);
        return empty(StatusCode::UNAUTHORIZED).expect("an answer");
    }
    let path = request.uri().path();
    let last = path.rsplit('/').next().unwrap_or_default();
    let digest = if path.contains("/manifests/") && !last.starts_with("sha256:") {
        &shared.manifest
    } else {
        last
    };
    let Some((kind, bytes)) = shared.content.get(digest) else {
        let status = if path == "/v2/" { StatusCode::OK } else { StatusCode::NOT_FOUND };
        return empty(status).expect("an answer");
    };
    shared.served.lock().expect("no panic inside").push(path.to_owned());
    let body = if request.method() == "HEAD" { Bytes::new() } else { bytes.clone() };
    Response::builder()
        .header("content-type", kind)
        .header("content-length", bytes.len())
        .header("docker-content-digest", digest)
        .body(Full::new(body))
        .expect("an answer")
}
