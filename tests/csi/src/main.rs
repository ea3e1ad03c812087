//! A CSI driver for tests: a volume is a directory, a snapshot is a copy of one, and a fault is a file.
//!
//! It answers the real sidecars and the real kubelet over their sockets. What it does not do: enforce a volume's
//! size (except under the fault `full-volume`), stage, expand, or keep anything safe. Not for real data.

mod call;
mod controller;
mod copy;
mod faults;
mod freeze;
mod identity;
mod mounts;
mod node;
mod proto;
mod registration;
mod store;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{ArgAction, Parser};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tracing_subscriber::EnvFilter;

use crate::controller::ControllerService;
use crate::faults::Faults;
use crate::identity::IdentityService;
use crate::node::NodeService;
use crate::proto::csi::controller_server::ControllerServer;
use crate::proto::csi::identity_server::IdentityServer;
use crate::proto::csi::node_server::NodeServer;
use crate::proto::registration::registration_server::RegistrationServer;
use crate::registration::RegistrationService;
use crate::store::Store;

/// How long a call may go on after SIGTERM. A detach that hangs must not keep the driver alive.
const GRACE: Duration = Duration::from_secs(2);

/// A CSI driver for tests: volumes are directories, snapshots are copies, faults are files.
#[derive(Debug, Parser)]
#[command(name = "dr-csi", version)]
#[expect(clippy::doc_markdown, reason = "these comments are the text of --help")]
struct Flags {
    /// Where to serve Identity, Controller and Node: unix:///path/csi.sock
    #[arg(long, value_parser = socket_path)]
    endpoint: PathBuf,
    /// The name that StorageClasses and VolumeSnapshotClasses use
    #[arg(long)]
    driver_name: String,
    /// The Kubernetes node this runs on
    #[arg(long)]
    node_id: String,
    /// Where volumes and snapshots are kept
    #[arg(long)]
    state_dir: PathBuf,
    /// The kubelet's plugins_registry; without it, nothing is registered
    #[arg(long)]
    registration_dir: Option<PathBuf>,
    /// Whether a volume must be attached before it is mounted, as in the CSIDriver object
    #[arg(long, action = ArgAction::Set)]
    attach_required: bool,
    /// Whether ListSnapshots is offered
    #[arg(long, action = ArgAction::Set)]
    list_snapshots: bool,
    /// Where the files lie that switch faults on
    #[arg(long)]
    faults_dir: PathBuf,
}

fn socket_path(endpoint: &str) -> Result<PathBuf, String> {
    match endpoint.strip_prefix("unix://") {
        Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
        Some(_) | None => Err("an endpoint is unix:// and an absolute path".to_owned()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let level = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env()?;
    tracing_subscriber::fmt().with_env_filter(level).with_writer(std::io::stderr).with_ansi(false).init();
    serve(flags).await
}

async fn serve(flags: Flags) -> anyhow::Result<()> {
    let store = Arc::new(Store::open(&flags.state_dir)?);
    let faults = Faults::new(flags.faults_dir);
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let (stop, stopped) = watch::channel(false);

    let controller =
        ControllerService::new(Arc::clone(&store), faults, &flags.node_id, flags.attach_required, flags.list_snapshots);
    let node = NodeService::new(store, &flags.node_id, flags.attach_required);
    let csi_socket = Socket::bind(flags.endpoint.clone())?;
    let csi = Server::builder()
        .add_service(IdentityServer::new(IdentityService::new(&flags.driver_name)))
        .add_service(ControllerServer::new(controller))
        .add_service(NodeServer::new(node))
        .serve_with_incoming_shutdown(csi_socket.listen()?, until(stopped.clone()));

    // The kubelet calls NodeGetInfo as soon as it sees this socket, so it comes second.
    let registration_socket = match &flags.registration_dir {
        Some(dir) => Some(Socket::bind(registration::socket(dir, &flags.driver_name))?),
        None => None,
    };
    let registration = async {
        let Some(socket) = &registration_socket else { return anyhow::Ok(()) };
        let service = RegistrationService::new(&flags.driver_name, &flags.endpoint);
        let server = Server::builder().add_service(RegistrationServer::new(service));
        server.serve_with_incoming_shutdown(socket.listen()?, until(stopped)).await?;
        Ok(())
    };

    tracing::info!("{} serves {}", flags.driver_name, flags.endpoint.display());
    let both = async { tokio::try_join!(async { csi.await.context("cannot serve the CSI socket") }, registration) };
    let mut both = std::pin::pin!(both);
    let mut ended = tokio::select! {
        ended = &mut both => Some(ended),
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    if ended.is_none() {
        stop.send_replace(true);
        ended = tokio::time::timeout(GRACE, both).await.ok();
    }
    if let Some(ended) = ended {
        ended?;
    }
    tracing::info!("{} has ended", flags.driver_name);
    Ok(())
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a reason to stop as well.
    drop(stopped.wait_for(|stop| *stop).await);
}

/// A listening unix socket whose file goes when it goes.
struct Socket {
    path: PathBuf,
    listener: std::os::unix::net::UnixListener,
}

impl Socket {
    fn bind(path: PathBuf) -> anyhow::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        }
        remove_stale(&path)?;
        let listener = std::os::unix::net::UnixListener::bind(&path)
            .with_context(|| format!("cannot listen on {}", path.display()))?;
        listener.set_nonblocking(true)?;
        Ok(Self { path, listener })
    }

    fn listen(&self) -> anyhow::Result<UnixListenerStream> {
        Ok(UnixListenerStream::new(UnixListener::from_std(self.listener.try_clone()?)?))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Removes what a killed driver left behind; a socket that still answers belongs to a living one.
fn remove_stale(path: &Path) -> anyhow::Result<()> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        bail!("another driver answers on {}", path.display());
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove the old {}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
