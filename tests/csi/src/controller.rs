//! The controller's side: volumes, snapshots and attachments, as the sidecars ask for them.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Request, Response, Status};

use crate::call::{blocking, logged, required};
use crate::faults::{Fault, Faults};
use crate::proto::csi::controller_server::Controller;
use crate::proto::csi::controller_service_capability::{Rpc, Type, rpc};
use crate::proto::csi::validate_volume_capabilities_response::Confirmed;
use crate::proto::csi::volume_capability::access_mode::Mode;
use crate::proto::csi::volume_capability::{AccessMode, AccessType};
use crate::proto::csi::volume_content_source::{self, SnapshotSource, VolumeSource};
use crate::proto::csi::{
    ControllerGetCapabilitiesRequest, ControllerGetCapabilitiesResponse, ControllerPublishVolumeRequest,
    ControllerPublishVolumeResponse, ControllerServiceCapability, ControllerUnpublishVolumeRequest,
    ControllerUnpublishVolumeResponse, CreateSnapshotRequest, CreateSnapshotResponse, CreateVolumeRequest,
    CreateVolumeResponse, DeleteSnapshotRequest, DeleteSnapshotResponse, DeleteVolumeRequest, DeleteVolumeResponse,
    ListSnapshotsRequest, ListSnapshotsResponse, ListVolumesRequest, ListVolumesResponse,
    ValidateVolumeCapabilitiesRequest, ValidateVolumeCapabilitiesResponse, VolumeCapability, VolumeContentSource,
    list_snapshots_response, list_volumes_response,
};
use crate::proto::csi::{Snapshot as WireSnapshot, Volume as WireVolume};
use crate::store::{NewVolume, Snapshot, Source, Store, Volume};

/// How often a detach that hangs looks whether it may go on.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

pub(crate) struct ControllerService {
    store: Arc<Store>,
    faults: Faults,
    node_id: String,
    attach_required: bool,
    list_snapshots: bool,
}

impl ControllerService {
    pub(crate) fn new(
        store: Arc<Store>,
        faults: Faults,
        node_id: &str,
        attach_required: bool,
        list_snapshots: bool,
    ) -> Self {
        Self { store, faults, node_id: node_id.to_owned(), attach_required, list_snapshots }
    }
}

fn offers(offered: bool, call: &str) -> Result<(), Status> {
    if offered { Ok(()) } else { Err(Status::unimplemented(format!("{call} is switched off"))) }
}

#[tonic::async_trait]
impl Controller for ControllerService {
    async fn create_volume(
        &self,
        request: Request<CreateVolumeRequest>,
    ) -> Result<Response<CreateVolumeResponse>, Status> {
        let request = request.into_inner();
        let about = request.name.clone();
        let (store, faults) = (Arc::clone(&self.store), self.faults.clone());
        let work = move || {
            let new = new_volume(&request, &faults)?;
            let volume = store.create_volume(&new)?;
            Ok(CreateVolumeResponse { volume: Some(wire_volume(volume)) })
        };
        logged("CreateVolume", &about, blocking(work)).await
    }

    async fn delete_volume(
        &self,
        request: Request<DeleteVolumeRequest>,
    ) -> Result<Response<DeleteVolumeResponse>, Status> {
        let DeleteVolumeRequest { volume_id } = request.into_inner();
        let about = volume_id.clone();
        let store = Arc::clone(&self.store);
        let work = move || {
            store.delete_volume(required("volume_id", &volume_id)?)?;
            Ok(DeleteVolumeResponse {})
        };
        logged("DeleteVolume", &about, blocking(work)).await
    }

    async fn controller_publish_volume(
        &self,
        request: Request<ControllerPublishVolumeRequest>,
    ) -> Result<Response<ControllerPublishVolumeResponse>, Status> {
        let ControllerPublishVolumeRequest { volume_id, node_id, volume_capability, readonly } = request.into_inner();
        let about = format!("{volume_id} {node_id}");
        let call = async {
            offers(self.attach_required, "attaching")?;
            required("volume_id", &volume_id)?;
            let capability =
                volume_capability.ok_or_else(|| Status::invalid_argument("volume_capability is missing"))?;
            if required("node_id", &node_id)? != self.node_id {
                return Err(Status::not_found(format!("there is no node {node_id}")));
            }
            self.store.attach(&volume_id, &node_id, readonly, is_for_many_nodes(&capability))?;
            Ok(ControllerPublishVolumeResponse::default())
        };
        logged("ControllerPublishVolume", &about, call).await
    }

    async fn controller_unpublish_volume(
        &self,
        request: Request<ControllerUnpublishVolumeRequest>,
    ) -> Result<Response<ControllerUnpublishVolumeResponse>, Status> {
        let ControllerUnpublishVolumeRequest { volume_id, node_id } = request.into_inner();
        let about = format!("{volume_id} {node_id}");
        let call = async {
            offers(self.attach_required, "detaching")?;
            required("volume_id", &volume_id)?;
            while self.faults.is_on(Fault::HangDetach)? {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            self.store.detach(&volume_id, (!node_id.is_empty()).then_some(node_id.as_str()))?;
            Ok(ControllerUnpublishVolumeResponse {})
        };
        logged("ControllerUnpublishVolume", &about, call).await
    }

    async fn validate_volume_capabilities(
        &self,
        request: Request<ValidateVolumeCapabilitiesRequest>,
    ) -> Result<Response<ValidateVolumeCapabilitiesResponse>, Status> {
        let ValidateVolumeCapabilitiesRequest { volume_id, volume_capabilities } = request.into_inner();
        let call = async {
            self.store.volume(required("volume_id", &volume_id)?)?;
            let (confirmed, message) = match check_capabilities(&volume_capabilities) {
                Ok(()) => (Some(Confirmed { volume_capabilities }), String::new()),
                Err(status) => (None, status.message().to_owned()),
            };
            Ok(ValidateVolumeCapabilitiesResponse { confirmed, message })
        };
        logged("ValidateVolumeCapabilities", &volume_id, call).await
    }

    async fn list_volumes(
        &self,
        request: Request<ListVolumesRequest>,
    ) -> Result<Response<ListVolumesResponse>, Status> {
        let ListVolumesRequest { max_entries, starting_token } = request.into_inner();
        let call = async {
            let (page, next_token) =
                page(self.store.volumes(), |volume| &volume.id, "vol-", max_entries, &starting_token)?;
            let entry = |volume: Volume| {
                let published_node_ids = volume.attached.keys().cloned().collect();
                let status = list_volumes_response::VolumeStatus { published_node_ids };
                list_volumes_response::Entry { volume: Some(wire_volume(volume)), status: Some(status) }
            };
            Ok(ListVolumesResponse { entries: page.into_iter().map(entry).collect(), next_token })
        };
        logged("ListVolumes", &starting_token, call).await
    }

    async fn controller_get_capabilities(
        &self,
        _request: Request<ControllerGetCapabilitiesRequest>,
    ) -> Result<Response<ControllerGetCapabilitiesResponse>, Status> {
        let mut offered = vec![
            rpc::Type::CreateDeleteVolume,
            rpc::Type::ListVolumes,
            rpc::Type::CreateDeleteSnapshot,
            rpc::Type::CloneVolume,
        ];
        offered.extend(self.attach_required.then_some(rpc::Type::PublishUnpublishVolume));
        offered.extend(self.list_snapshots.then_some(rpc::Type::ListSnapshots));
        let capability =
            |offer: rpc::Type| ControllerServiceCapability { r#type: Some(Type::Rpc(Rpc { r#type: offer.into() })) };
        let answer = ControllerGetCapabilitiesResponse { capabilities: offered.into_iter().map(capability).collect() };
        logged("ControllerGetCapabilities", &self.node_id, async { Ok(answer) }).await
    }

    async fn create_snapshot(
        &self,
        request: Request<CreateSnapshotRequest>,
    ) -> Result<Response<CreateSnapshotResponse>, Status> {
        let CreateSnapshotRequest { source_volume_id, name } = request.into_inner();
        let about = format!("{name} {source_volume_id}");
        let (store, faults) = (Arc::clone(&self.store), self.faults.clone());
        let work = move || {
            let source = required("source_volume_id", &source_volume_id)?;
            let snapshot = store.create_snapshot(required("name", &name)?, source, faults.slow_snapshot()?)?;
            Ok(CreateSnapshotResponse { snapshot: Some(wire_snapshot(snapshot)) })
        };
        logged("CreateSnapshot", &about, blocking(work)).await
    }

    async fn delete_snapshot(
        &self,
        request: Request<DeleteSnapshotRequest>,
    ) -> Result<Response<DeleteSnapshotResponse>, Status> {
        let DeleteSnapshotRequest { snapshot_id } = request.into_inner();
        let about = snapshot_id.clone();
        let store = Arc::clone(&self.store);
        let work = move || {
            store.delete_snapshot(required("snapshot_id", &snapshot_id)?)?;
            Ok(DeleteSnapshotResponse {})
        };
        logged("DeleteSnapshot", &about, blocking(work)).await
    }

    async fn list_snapshots(
        &self,
        request: Request<ListSnapshotsRequest>,
    ) -> Result<Response<ListSnapshotsResponse>, Status> {
        let ListSnapshotsRequest { max_entries, starting_token, source_volume_id, snapshot_id } = request.into_inner();
        let about = [snapshot_id.as_str(), &source_volume_id, &starting_token].join(" ");
        let call = async {
            offers(self.list_snapshots, "ListSnapshots")?;
            let mut snapshots = if self.faults.is_on(Fault::LostSnapshots)? { vec![] } else { self.store.snapshots() };
            snapshots.retain(|snapshot| {
                (snapshot_id.is_empty() || snapshot.id == snapshot_id)
                    && (source_volume_id.is_empty() || snapshot.source_volume == source_volume_id)
            });
            let (page, next_token) = page(snapshots, |snapshot| &snapshot.id, "snap-", max_entries, &starting_token)?;
            let entry = |snapshot| list_snapshots_response::Entry { snapshot: Some(wire_snapshot(snapshot)) };
            Ok(ListSnapshotsResponse { entries: page.into_iter().map(entry).collect(), next_token })
        };
        logged("ListSnapshots", about.trim(), call).await
    }
}

/// What is to be made, with the faults that are on now.
fn new_volume(request: &CreateVolumeRequest, faults: &Faults) -> Result<NewVolume, Status> {
    let name = required("name", &request.name)?.to_owned();
    check_capabilities(&request.volume_capabilities)?;
    let (required_bytes, limit_bytes) =
        request.capacity_range.as_ref().map_or((0, 0), |range| (range.required_bytes, range.limit_bytes));
    if required_bytes < 0 || limit_bytes < 0 || (limit_bytes > 0 && limit_bytes < required_bytes) {
        return Err(Status::invalid_argument(format!("no size is at least {required_bytes}, at most {limit_bytes}")));
    }
    let source = match &request.volume_content_source {
        None => None,
        Some(VolumeContentSource { r#type: Some(source) }) => Some(match source {
            volume_content_source::Type::Snapshot(snapshot) => Source::Snapshot(snapshot.snapshot_id.clone()),
            volume_content_source::Type::Volume(volume) => Source::Volume(volume.volume_id.clone()),
        }),
        Some(VolumeContentSource { r#type: None }) => {
            return Err(Status::invalid_argument("the content source is neither a snapshot nor a volume"));
        }
    };
    if let Some(text) = faults.text(Fault::FailCreate)? {
        return Err(Status::resource_exhausted(text));
    }
    let mut leave_empty = false;
    if let Some(Source::Snapshot(id)) = &source {
        if let Some(text) = faults.text(Fault::FailCreateFromSnapshot)? {
            return Err(Status::resource_exhausted(text));
        }
        if faults.is_on(Fault::LostSnapshots)? {
            return Err(Status::not_found(format!("there is no snapshot {id}")));
        }
        leave_empty = faults.is_on(Fault::EmptyFromSnapshot)?;
    }
    Ok(NewVolume { name, required_bytes, limit_bytes, source, room_bytes: faults.full_volume()?, leave_empty })
}

fn check_capabilities(capabilities: &[VolumeCapability]) -> Result<(), Status> {
    if capabilities.is_empty() {
        return Err(Status::invalid_argument("volume_capabilities are missing"));
    }
    for capability in capabilities {
        match &capability.access_type {
            Some(AccessType::Mount(_)) => {}
            Some(AccessType::Block(_)) => return Err(Status::invalid_argument("block devices are not offered")),
            None => return Err(Status::invalid_argument("the access type is missing")),
        }
    }
    Ok(())
}

fn is_for_many_nodes(capability: &VolumeCapability) -> bool {
    match capability.access_mode.as_ref().map(AccessMode::mode) {
        Some(Mode::MultiNodeReaderOnly | Mode::MultiNodeSingleWriter | Mode::MultiNodeMultiWriter) => true,
        Some(Mode::Unknown | Mode::SingleNodeWriter | Mode::SingleNodeReaderOnly) | None => false,
    }
}

/// One page of `all`, which are in the order of their ids, and the token of the next page.
///
/// The token is the last id of the page before, so a page stays right when others come and go in between.
fn page<T>(
    all: Vec<T>,
    id: impl Fn(&T) -> &String,
    prefix: &str,
    max_entries: i32,
    starting_token: &str,
) -> Result<(Vec<T>, String), Status> {
    let most = usize::try_from(max_entries).map_err(|_| Status::invalid_argument("max_entries is negative"))?;
    if !starting_token.is_empty() && !starting_token.starts_with(prefix) {
        return Err(Status::aborted(format!("{starting_token} is not a token of ours")));
    }
    let mut rest: Vec<T> = all.into_iter().filter(|item| id(item).as_str() > starting_token).collect();
    if most == 0 || rest.len() <= most {
        return Ok((rest, String::new()));
    }
    rest.truncate(most);
    let next_token = rest.last().map(|last| id(last).clone()).unwrap_or_default();
    Ok((rest, next_token))
}

fn wire_volume(volume: Volume) -> WireVolume {
    let source = volume.source.map(|source| match source {
        Source::Snapshot(snapshot_id) => volume_content_source::Type::Snapshot(SnapshotSource { snapshot_id }),
        Source::Volume(volume_id) => volume_content_source::Type::Volume(VolumeSource { volume_id }),
    });
    WireVolume {
        capacity_bytes: volume.capacity_bytes,
        volume_id: volume.id,
        volume_context: std::collections::HashMap::new(),
        content_source: source.map(|source| VolumeContentSource { r#type: Some(source) }),
    }
}

fn wire_snapshot(snapshot: Snapshot) -> WireSnapshot {
    let ready_to_use = snapshot.is_ready();
    let created =
        prost_types::Timestamp { seconds: snapshot.created.as_second(), nanos: snapshot.created.subsec_nanosecond() };
    WireSnapshot {
        size_bytes: snapshot.size_bytes,
        snapshot_id: snapshot.id,
        source_volume_id: snapshot.source_volume,
        creation_time: Some(created),
        ready_to_use,
    }
}
