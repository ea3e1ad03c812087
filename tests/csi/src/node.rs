//! The node's side: a volume's folder is bound to where the kubelet wants it.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::StatVfsMountFlags;
use tonic::{Request, Response, Status};

use crate::call::{blocking, logged, required};
use crate::proto::csi::node_server::Node;
use crate::proto::csi::node_service_capability::{Rpc, Type, rpc};
use crate::proto::csi::volume_capability::AccessType;
use crate::proto::csi::volume_usage::Unit;
use crate::proto::csi::{
    NodeGetCapabilitiesRequest, NodeGetCapabilitiesResponse, NodeGetInfoRequest, NodeGetInfoResponse,
    NodeGetVolumeStatsRequest, NodeGetVolumeStatsResponse, NodePublishVolumeRequest, NodePublishVolumeResponse,
    NodeServiceCapability, NodeUnpublishVolumeRequest, NodeUnpublishVolumeResponse, VolumeUsage,
};
use crate::store::Store;
use crate::{copy, mounts};

pub(crate) struct NodeService {
    store: Arc<Store>,
    node_id: String,
    attach_required: bool,
}

impl NodeService {
    pub(crate) fn new(store: Arc<Store>, node_id: &str, attach_required: bool) -> Self {
        Self { store, node_id: node_id.to_owned(), attach_required }
    }
}

#[tonic::async_trait]
impl Node for NodeService {
    async fn node_publish_volume(
        &self,
        request: Request<NodePublishVolumeRequest>,
    ) -> Result<Response<NodePublishVolumeResponse>, Status> {
        let request = request.into_inner();
        let about = format!("{} {}", request.volume_id, request.target_path);
        let store = Arc::clone(&self.store);
        let attach_to = self.attach_required.then(|| self.node_id.clone());
        logged("NodePublishVolume", &about, blocking(move || publish(&store, &request, attach_to.as_deref()))).await
    }

    async fn node_unpublish_volume(
        &self,
        request: Request<NodeUnpublishVolumeRequest>,
    ) -> Result<Response<NodeUnpublishVolumeResponse>, Status> {
        let NodeUnpublishVolumeRequest { volume_id, target_path } = request.into_inner();
        let about = format!("{volume_id} {target_path}");
        let work = move || {
            required("volume_id", &volume_id)?;
            let target = Path::new(required("target_path", &target_path)?);
            mounts::unbind(target).map_err(|error| failed("unmount", target, &error))?;
            // Not the contents: what is in there after the unmount is nobody's to delete.
            match std::fs::remove_dir(target) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", target, &error)),
                Ok(()) | Err(_) => Ok(NodeUnpublishVolumeResponse {}),
            }
        };
        logged("NodeUnpublishVolume", &about, blocking(work)).await
    }

    async fn node_get_volume_stats(
        &self,
        request: Request<NodeGetVolumeStatsRequest>,
    ) -> Result<Response<NodeGetVolumeStatsResponse>, Status> {
        let NodeGetVolumeStatsRequest { volume_id, volume_path } = request.into_inner();
        let about = format!("{volume_id} {volume_path}");
        let store = Arc::clone(&self.store);
        logged("NodeGetVolumeStats", &about, blocking(move || stats(&store, &volume_id, &volume_path))).await
    }

    async fn node_get_capabilities(
        &self,
        _request: Request<NodeGetCapabilitiesRequest>,
    ) -> Result<Response<NodeGetCapabilitiesResponse>, Status> {
        let stats = Rpc { r#type: rpc::Type::GetVolumeStats.into() };
        let capabilities = vec![NodeServiceCapability { r#type: Some(Type::Rpc(stats)) }];
        let answer = NodeGetCapabilitiesResponse { capabilities };
        logged("NodeGetCapabilities", &self.node_id, async { Ok(answer) }).await
    }

    async fn node_get_info(
        &self,
        _request: Request<NodeGetInfoRequest>,
    ) -> Result<Response<NodeGetInfoResponse>, Status> {
        let answer = NodeGetInfoResponse { node_id: self.node_id.clone() };
        logged("NodeGetInfo", &self.node_id, async { Ok(answer) }).await
    }
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> Status {
    Status::internal(format!("cannot {doing} {}: {error}", path.display()))
}

fn publish(
    store: &Store,
    request: &NodePublishVolumeRequest,
    attach_to: Option<&str>,
) -> Result<NodePublishVolumeResponse, Status> {
    let volume = store.volume(required("volume_id", &request.volume_id)?)?;
    let target = PathBuf::from(required("target_path", &request.target_path)?);
    let capability =
        request.volume_capability.as_ref().ok_or_else(|| Status::invalid_argument("volume_capability is missing"))?;
    let Some(AccessType::Mount(mount)) = &capability.access_type else {
        return Err(Status::invalid_argument("only mounted volumes are offered, no block devices"));
    };
    let readonly = request.readonly || mount.mount_flags.iter().any(|flag| flag == "ro");
    if let Some(node) = attach_to
        && !volume.attached.contains_key(node)
    {
        return Err(Status::failed_precondition(format!("volume {} is not attached to {node}", volume.id)));
    }
    let source = store.volume_dir(&volume.id);
    let own_mount = mounts::is_mount_point(&source).map_err(|error| failed("look at", &source, &error))?;
    if volume.room_bytes.is_some() && !own_mount {
        return Err(Status::failed_precondition(format!("volume {} was in memory, which is gone", volume.id)));
    }

    std::fs::create_dir_all(&target).map_err(|error| failed("create", &target, &error))?;
    let same = same_folder(&source, &target).map_err(|error| failed("compare", &target, &error))?;
    if !same {
        mounts::bind(&source, &target, readonly).map_err(|error| failed("bind to", &target, &error))?;
        return Ok(NodePublishVolumeResponse {});
    }
    let now = rustix::fs::statvfs(&target).map_err(|error| failed("look at", &target, &error.into()))?;
    if now.f_flag.contains(StatVfsMountFlags::RDONLY) == readonly {
        Ok(NodePublishVolumeResponse {})
    } else {
        Err(Status::already_exists(format!("{} is mounted, but not as asked", target.display())))
    }
}

fn same_folder(one: &Path, other: &Path) -> io::Result<bool> {
    let identity = |facts: Metadata| (facts.dev(), facts.ino());
    Ok(identity(std::fs::metadata(one)?) == identity(std::fs::metadata(other)?))
}

/// A volume's size is not enforced, so what is left of it is reckoned; in memory it is measured.
fn stats(store: &Store, volume_id: &str, volume_path: &str) -> Result<NodeGetVolumeStatsResponse, Status> {
    let volume = store.volume(required("volume_id", volume_id)?)?;
    let path = Path::new(required("volume_path", volume_path)?);
    let dir = store.volume_dir(&volume.id);
    if !same_folder(&dir, path).map_err(|error| Status::not_found(format!("{volume_path}: {error}")))? {
        return Err(Status::not_found(format!("volume {volume_id} is not mounted at {volume_path}")));
    }
    let used = copy::usage(&dir).map_err(|error| failed("measure", &dir, &error))?;
    let used_bytes = signed(used.bytes)?;
    let (total, available) = if volume.room_bytes.is_some() {
        let now = rustix::fs::statvfs(&dir).map_err(|error| failed("measure", &dir, &error.into()))?;
        (signed(now.f_blocks * now.f_frsize)?, signed(now.f_bavail * now.f_frsize)?)
    } else {
        (volume.capacity_bytes, volume.capacity_bytes.saturating_sub(used_bytes).max(0))
    };
    let bytes = VolumeUsage { available, total, used: used_bytes, unit: Unit::Bytes.into() };
    Ok(NodeGetVolumeStatsResponse { usage: vec![bytes] })
}

fn signed(count: u64) -> Result<i64, Status> {
    i64::try_from(count).map_err(|error| Status::internal(format!("{count}: {error}")))
}
