//! A gate between a program and a server, which can be closed: the one sees the other as gone, and
//! nobody else does.

use super::{place, ports};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// A gate. It ends when dropped, with every connection through it.
pub struct Gate {
    address: String,
    open: watch::Sender<bool>,
    server: AbortHandle,
}

impl Gate {
    /// An open gate before this address (`host:port`).
    pub async fn before(upstream: &str) -> Self {
        let address = format!("{}:{}", place::address(), ports::free());
        let listener = TcpListener::bind(&address).await.expect("an address to listen on");
        let (open, state) = watch::channel(true);
        let server = tokio::spawn(serve(listener, upstream.to_owned(), state)).abort_handle();
        Self { address, open, server }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Cuts every connection; further ones are closed at once.
    pub fn close(&self) {
        self.open.send_replace(false);
    }

    /// Lets connections through again.
    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, upstream: String, state: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((mut near, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let (upstream, mut state) = (upstream.clone(), state.clone());
        connections.spawn(async move {
            let through = async {
                let mut far = TcpStream::connect(&upstream).await?;
                copy_bidirectional(&mut near, &mut far).await
            };
            tokio::select! {
                _ = state.wait_for(|open| !open) => {}
                _ = through => {}
            }
        });
    }
}
