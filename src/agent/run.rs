//! From the flags to the end of the process.

use super::held::Held;
use super::notes::Notes;
use super::page::Pages;
use super::{Options, serve, token};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Why the sidecar cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can be reached from other machines, and no flag allows that.
    #[error(
        "{0} can be reached by others than this Pod: choose a loopback address such as 127.0.0.1:9911, or say --allow-non-loopback"
    )]
    NotLoopback(SocketAddr),
    /// No flag says which callers may be served.
    #[error(
        "say who may be served: --token-file <file> (and --create-token where nothing else writes it), or --without-token"
    )]
    NoToken,
    /// The token cannot be written.
    #[error(
        "the token's file {path} cannot be written ({source}): its folder must be a writable volume, such as an emptyDir, that the Pod's containers share"
    )]
    Token {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error(
        "{address} cannot be listened on ({source}): is it taken? choose another one with --listen"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The process cannot learn when to stop.
    #[error("signals cannot be received: {0}")]
    Signals(io::Error),
}

/// Serves until the process is asked to stop (SIGTERM or SIGINT).
///
/// # Errors
/// [`StartError`].
pub async fn run(options: Options) -> Result<(), StartError> {
    // First of all: as process 1 it would not end by a signal that it does not handle.
    let mut term = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
    let stop = async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stops");
    };

    let address = options.listen;
    if !address.ip().is_loopback() && !options.allow_non_loopback {
        return Err(StartError::NotLoopback(address));
    }
    match &options.token_file {
        None if !options.without_token => return Err(StartError::NoToken),
        None => tracing::warn!(
            "no token configured: any client that reaches this address gets credentials"
        ),
        Some(path) if options.create_token => {
            token::create(path)
                .map_err(|source| StartError::Token { path: path.clone(), source })?;
        }
        Some(_) => {}
    }
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen { address, source })?;
    let served = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;
    tracing::info!(listen = %served, file = %options.credentials.display(), "serves");
    let grace = options.shutdown();
    let pages = Pages {
        served,
        credentials: options.credentials,
        token: options.token_file,
        now: jiff::Timestamp::now,
        notes: Notes::default(),
        held: Held::default(),
    };
    serve::serve(listener, pages, stop, grace).await;
    Ok(())
}
