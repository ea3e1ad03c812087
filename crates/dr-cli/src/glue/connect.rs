//! Which cluster a command speaks to, and where Velero is in it.

use std::collections::{BTreeMap, BTreeSet};

use dr_cluster::api_error::ApiErrorKind;
use dr_cluster::connect::{ConnectError, ConnectFlags, Connection};
use dr_cluster::observe;
use dr_core::kind::Kind;
use dr_run::condition::{Listing, Query};
use tokio::time::Instant;

use super::{FIRST, PATIENCE, Session};
use crate::exit::Exit;
use crate::flags::{self, Flags};
use crate::interrupt::Interrupt;
use crate::report::Failure;

/// Resolves the flags as kubectl does, and finds Velero.
pub(crate) async fn connect(flags: &Flags) -> Result<Session, Failure> {
    session(connection(flags).await?, flags).await
}

pub(super) async fn connection(flags: &Flags) -> Result<Connection, Failure> {
    Connection::connect(connect_flags(flags)).await.map_err(not_connected)
}

pub(super) async fn session(connection: Connection, flags: &Flags) -> Result<Session, Failure> {
    let named = flags.velero_namespace.clone();
    let mut session =
        Session { connection, velero_namespace: String::new(), interrupt: Interrupt::default(), output: flags.output };
    session.velero_namespace = match named {
        Some(name) => name,
        None => find_velero(&session).await?,
    };
    Ok(session)
}

fn connect_flags(flags: &Flags) -> ConnectFlags {
    let flags::Connection {
        context,
        cluster,
        user,
        kubeconfig,
        as_user,
        as_groups,
        as_uid,
        request_timeout,
        server,
        token,
        certificate_authority,
        insecure_skip_tls_verify,
    } = flags.connection.clone();
    ConnectFlags {
        kubeconfig,
        context,
        cluster,
        user,
        server,
        token,
        certificate_authority,
        insecure_skip_tls_verify: insecure_skip_tls_verify.then_some(true),
        as_user,
        as_groups,
        as_uid,
        request_timeout,
        namespace: flags.namespace.clone(),
    }
}

fn not_connected(error: ConnectError) -> Failure {
    let (exit, hint) = match &error {
        ConnectError::NoContext { .. } => (Exit::Refused, "kubectl config get-contexts"),
        ConnectError::NoCurrentContext { .. } => (Exit::Refused, "name one with --context"),
        ConnectError::NoCluster { .. } => (Exit::Refused, "kubectl config get-clusters"),
        ConnectError::NoUser { .. } => (Exit::Refused, "kubectl config get-users"),
        ConnectError::NoKubeconfig => (Exit::Refused, "name one with --kubeconfig or KUBECONFIG"),
        ConnectError::Unreadable(_) | ConnectError::Client(_) => (Exit::Refused, "kubectl config view"),
    };
    Failure::failed("cannot connect to a cluster", error).with_exit(exit).hint(hint)
}

/// The one namespace that has backup storage locations.
async fn find_velero(session: &Session) -> Result<String, Failure> {
    let connection = &session.connection;
    let listing = Listing { kind: Kind::BackupStorageLocation, namespace: None, labels: BTreeMap::new() };
    let queries = BTreeSet::from([Query::List(listing.clone())]);
    let mut seen = observe::observe(connection, &queries, Instant::now() + FIRST).await;
    // A server that asks to wait is there.
    if seen.as_ref().is_err_and(|error| error.cause.code == Some(429)) {
        seen = session.told(observe::observe(connection, &queries, Instant::now() + PATIENCE)).await;
    }
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) if error.cause.kind == ApiErrorKind::Forbidden && error.cause.code == Some(403) => {
            let message = "our rights do not reach far enough to find Velero";
            return Err(Failure::refused(message).hint("name its namespace: --velero-namespace velero"));
        }
        Err(error) => {
            let doing = format!("cannot reach {}", connection.server);
            return Err(
                Failure::failed(doing, error.cause).hint("does kubectl get namespaces work with the same flags?")
            );
        }
    };
    let locations = seen.list(&listing).map_err(|error| Failure::failed("cannot find Velero", error))?;
    let namespaces: BTreeSet<&str> = locations.iter().filter_map(|location| location.namespace()).collect();
    let mut names = namespaces.iter();
    match (names.next(), names.next()) {
        (Some(only), None) => Ok((*only).to_owned()),
        (None, _) => {
            let message =
                format!("there is no Velero in {} (no BackupStorageLocation in any namespace)", connection.server);
            Err(Failure::refused(message).hint("is this the right context? kubectl config current-context"))
        }
        (Some(_), Some(_)) => {
            let all = namespaces.into_iter().collect::<Vec<_>>().join(", ");
            let message = format!("there is more than one Velero, in namespaces {all}");
            Err(Failure::refused(message).hint("choose one with --velero-namespace"))
        }
    }
}
