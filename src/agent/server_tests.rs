use super::*;
use std::io::ErrorKind;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
/// Longer than anything here takes, so that a failure is one and no hang.
const SOON: Duration = Duration::from_secs(20);

/// A body that notifies when it is dropped.
struct Kept(Vec<u8>, Arc<Notify>);

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.1.notify_one();
    }
}

/// A server whose responses have these bodies.
async fn serving(limits: Limits, body: impl Fn() -> Bytes + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
    let address = listener.local_addr().expect("an address");
    let answer = move |_: &Parts| Response::new(Full::new(body()));
    tokio::spawn(serve(listener, limits, answer, std::future::pending(), Duration::ZERO));
    address
}

fn short() -> Bytes {
    Bytes::from_static(b"xx")
}

fn limits() -> Limits {
    Limits { connections: 8, patience: Duration::from_millis(300), keep_alive: false }
}

async fn connected(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("connected")
}

/// Reads until the other side closes: what came.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    match timeout(SOON, stream.read_to_end(&mut all)).await.expect("the connection is closed") {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => String::from_utf8_lossy(&all).into_owned(),
    }
}

async fn answered(address: SocketAddr) -> String {
    let mut stream = connected(address).await;
    stream.write_all(REQUEST).await.expect("sent");
    rest(&mut stream).await
}

#[tokio::test]
async fn who_holds_many_connections_keeps_out_nobody() {
    let limits = Limits { patience: SOON * 10, ..limits() };
    let address = serving(limits, short).await;
    let mut held = Vec::new();
    for _ in 0..limits.connections * 3 {
        let mut stream = connected(address).await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: ").await.expect("sent");
        held.push(stream);
        assert!(answered(address).await.ends_with("xx"), "with {} connections open", held.len());
    }
    let oldest = held.first_mut().expect("one of them");
    assert_eq!(rest(oldest).await, "", "the oldest one was closed");
}

#[tokio::test]
async fn a_head_has_an_end_in_time_and_in_size() {
    let address = serving(limits(), short).await;
    let mut slow = connected(address).await;
    slow.write_all(b"GET / HTTP/1.1\r\nhost: ").await.expect("sent");
    rest(&mut slow).await;

    let mut large = connected(address).await;
    let head = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(LARGEST_HEAD));
    // It may be closed before all is sent.
    drop(large.write_all(head.as_bytes()).await);
    let said = rest(&mut large).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431 "), "{said}");
    assert!(answered(address).await.ends_with("xx"));
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_not_kept() {
    let gone = Arc::new(Notify::new());
    let told = gone.clone();
    // More than the kernel buffers for a connection that is not read.
    let body = move || Bytes::from_owner(Kept(vec![b'x'; 64 << 20], told.clone()));
    let address = serving(limits(), body).await;
    let mut slow = connected(address).await;
    slow.write_all(REQUEST).await.expect("sent");
    timeout(SOON, gone.notified()).await.expect("it is dropped without having been read");
}

#[tokio::test]
async fn a_connection_may_be_kept_but_not_idle_for_long() {
    let address = serving(Limits { keep_alive: true, ..limits() }, short).await;
    let mut kept = connected(address).await;
    for _ in 0..3 {
        kept.write_all(REQUEST).await.expect("sent");
        let mut part = [0; 1024];
        let length =
            timeout(SOON, kept.read(&mut part)).await.expect("in time").expect("an answer");
        assert!(part[..length].ends_with(b"xx"));
    }
    assert_eq!(rest(&mut kept).await, "", "closed, as nothing more was asked");
    let once = serving(limits(), short).await;
    assert!(answered(once).await.contains("connection: close"));
}

#[tokio::test]
async fn a_handshake_has_an_end_in_time_and_holds_up_no_other() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
    let address = listener.local_addr().expect("an address");
    let slow = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let first = slow.clone();
    let handshake = move |stream: TcpStream| {
        let hangs = first.swap(false, std::sync::atomic::Ordering::Relaxed);
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok(stream)
        }
    };
    let answer = |_: Parts| async { Response::new(Full::new(short())) };
    let for_ever = std::future::pending();
    tokio::spawn(serve_over(listener, limits(), handshake, answer, for_ever, Duration::ZERO));
    let mut held = connected(address).await;
    held.write_all(REQUEST).await.expect("sent");
    assert!(answered(address).await.ends_with("xx"), "while the handshake of another hangs");
    assert_eq!(rest(&mut held).await, "", "its time is over");
}
