//! The controller from its start to its end.

use super::call::bounded;
use super::health::Health;
use super::isolation::vital;
use super::lease::Candidate;
use super::metrics_page::MetricsPage;
use super::secure_metrics::{PortError, SecurePort};
use super::{
    Brake, Calls, CertificateError, ClockWatch, Context, EventPublisher, Fence, InputKeys, Memory,
    Metrics, Options, Panics, Replica, View, serve, trust,
};
use crate::clock::{SharedClock, SystemClock};
use aws_config::BehaviorVersion;
use kube::{Client, Config};
use refreshable_issuers::aws::{Caller, Sts, TotpSteps};
use refreshable_issuers::registry::{Registry, RegistryError};
use refreshable_issuers::source::SourceContext;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A watch's connection that is silent for longer is dead: the API server sends a bookmark every
/// minute.
const SILENCE: Duration = Duration::from_secs(150);
/// Pause between two questions whether the API server is there.
const PULSE: Duration = Duration::from_secs(5);

/// Why the controller ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no configuration that says where the API server is.
    #[error("no way to the Kubernetes API: {0}")]
    Configuration(String),
    /// The address to serve on cannot be used.
    #[error("{0} cannot be listened on: {1}")]
    Listen(std::net::SocketAddr, std::io::Error),
    /// A lease needs a namespace.
    #[error(
        "--lease-namespace is needed (or --no-leader-election, where nothing ever runs a second replica)"
    )]
    NoLeaseNamespace,
    /// The timings of the lease do not go together.
    #[error("{0}")]
    LeaseTimings(String),
    /// The lease was lost; another replica may lead.
    #[error("the lease was lost")]
    LeaseLost,
    /// Work under way did not end in time.
    #[error("work under way did not end within {0:?}")]
    Deadline(Duration),
    /// The certificate of the secure port cannot be used.
    #[error("no certificate for /metrics over TLS: {0}")]
    Certificate(CertificateError),
    /// The file of `--registry` cannot be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The operating system refused something.
    #[error(transparent)]
    System(#[from] std::io::Error),
}

/// Runs the controller until it is asked to stop or loses its lease.
///
/// # Errors
/// See [`Error`]. After [`Error::LeaseLost`] the process must end: its view may be stale.
pub async fn run(options: Options) -> Result<(), Error> {
    let stop = stop_signal()?;
    let registry = options.registry.as_deref().map(Registry::read).transpose()?.unwrap_or_default();
    let metrics = Metrics::new();
    let health = Health::default();
    let listener =
        TcpListener::bind(options.listen).await.map_err(|e| Error::Listen(options.listen, e))?;
    let secure = secure_port(&options).await?;
    let client = client().await?;
    let place = match secure {
        Some(port) => serve::Place::Secure(port.serve(client.clone(), metrics.clone())),
        None => serve::Place::Here(Box::new(MetricsPage::new(metrics.clone()))),
    };
    tokio::spawn(vital("serve", serve::serve(listener, place, health.clone())));
    tokio::spawn(vital("pulse", pulse(client.clone(), health.clone(), metrics.clone())));

    if let Some(file) = std::env::var_os(trust::VARIABLE) {
        tokio::spawn(vital("trust", follow_trust(file.into(), stop.clone())));
    }

    let identity = options.identity();
    let (fence, candidate) = candidate(&options, &client, &identity, &metrics)?;
    tracing::info!(version = refreshable_rules::version::long(), identity, "started");
    let replica = Replica {
        identity,
        candidate,
        namespaces: options.watch_namespace.clone(),
        slots: options.concurrency,
        shutdown: Duration::from_secs(options.shutdown_seconds),
        health,
        metrics: metrics.clone(),
    };
    let prepare = async |event_publisher| {
        let mut view = View::new(!options.no_policies, options.prompt_propagation);
        if options.no_cluster_credentials {
            view = view.without_clusters();
        }
        let calls =
            Calls::new(client.clone(), fence, options.settings().api_timeout, metrics.clone());
        let context = Arc::new(
            context(&options, registry, calls, view, metrics.clone(), event_publisher).await,
        );
        metrics.observe(&context, options.namespace_metrics, options.object_metrics);
        context
    };
    replica.run(client.clone(), prepare, std::convert::identity, stop).await
}

/// The secure port, where one is asked for.
async fn secure_port(options: &Options) -> Result<Option<SecurePort>, Error> {
    let Some(address) = options.secure_metrics_listen else { return Ok(None) };
    let folder = options.metrics_certificate_dir.as_deref();
    match SecurePort::bind(address, folder).await {
        Ok(port) => Ok(Some(port)),
        Err(PortError::Certificate(error)) => Err(Error::Certificate(error)),
        Err(PortError::Listen(error)) => Err(Error::Listen(address, error)),
    }
}

/// The Kubernetes client. Its own retries are off: they can block a call for minutes.
async fn client() -> Result<Client, Error> {
    let mut config = Config::infer().await.map_err(|e| Error::Configuration(e.to_string()))?;
    config.default_retry = false;
    config.connect_timeout = Some(PULSE);
    config.read_timeout = Some(SILENCE);
    Client::try_from(config).map_err(|e| Error::Configuration(e.to_string()))
}

fn candidate(
    options: &Options,
    client: &Client,
    identity: &str,
    metrics: &Metrics,
) -> Result<(Fence, Option<Candidate>), Error> {
    if options.no_leader_election {
        return Ok((Fence::open(), None));
    }
    let namespace = options.home().ok_or(Error::NoLeaseNamespace)?;
    let fence =
        Fence::closed(Arc::new(SystemClock), options.lease_timings().map_err(Error::LeaseTimings)?);
    let (client, metrics) = (client.clone(), metrics.clone());
    let candidate =
        Candidate::new(client, &namespace, &options.lease_name, identity, fence.clone(), metrics);
    Ok((fence, Some(candidate)))
}

async fn context(
    options: &Options,
    registry: Registry,
    calls: Calls,
    view: View,
    metrics: Metrics,
    event_publisher: EventPublisher,
) -> Context {
    let settings = options.settings();
    let aws = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    let clock: SharedClock = Arc::new(SystemClock);
    let clocks = ClockWatch::new(&*clock);
    Context {
        calls,
        view,
        memory: Memory::default(),
        panics: Panics::default(),
        brake: Brake::beside(options.home().as_deref(), &options.lease_name),
        input_keys: InputKeys::beside(options.home().as_deref(), &options.lease_name),
        sts: Sts::new(&aws, metrics.clone()),
        ambient: aws.credentials_provider().map(Caller::Ambient),
        totp: TotpSteps::default(),
        source_context: SourceContext::new(aws, registry).in_cluster(options.cluster_name.clone()),
        clock,
        clocks,
        metrics,
        event_publisher,
        settings,
    }
}

/// Asks the API server from time to time whether it is there, and shows that the runtime still
/// turns.
async fn pulse(client: Client, health: Health, metrics: Metrics) {
    loop {
        health.beat();
        if metrics
            .kubernetes("get version", bounded(PULSE, client.apiserver_version()))
            .await
            .is_ok()
        {
            health.heard();
        }
        tokio::time::sleep(PULSE).await;
    }
}

/// Ends the process when it trusts what is trusted no longer.
async fn follow_trust(file: PathBuf, stop: CancellationToken) {
    trust::changed(&file).await;
    let file = file.display();
    tracing::info!(%file, "the certificates to trust have changed: whoever begins anew reads them");
    stop.cancel();
}

fn stop_signal() -> Result<CancellationToken, std::io::Error> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        token.cancel();
    });
    Ok(stop)
}
