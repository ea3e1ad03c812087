//! A driver that runs for one test, and the requests tests make of it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::csi::controller_client::ControllerClient;
use crate::csi::node_client::NodeClient;
use crate::csi::volume_capability::access_mode::Mode;
use crate::csi::volume_capability::{AccessMode, AccessType, MountVolume};
use crate::csi::volume_content_source::{SnapshotSource, Type, VolumeSource};
use crate::csi::{
    CapacityRange, CreateSnapshotRequest, CreateVolumeRequest, Snapshot, Volume, VolumeCapability, VolumeContentSource,
};

pub(crate) const NAME: &str = "csi.dr.test";
pub(crate) const NODE: &str = "node1";
pub(crate) const MIB: i64 = 1 << 20;

/// The folders and flags of a driver; they outlive its restarts.
pub(crate) struct Home {
    pub(crate) dir: TempDir,
    pub(crate) attach_required: bool,
    pub(crate) list_snapshots: bool,
    /// In a mount namespace of its own, so that no mount reaches this machine.
    pub(crate) own_mounts: bool,
}

impl Home {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("dr_csi_").tempdir().unwrap();
        fs::create_dir(dir.path().join("faults")).unwrap();
        Self { dir, attach_required: true, list_snapshots: true, own_mounts: false }
    }

    /// A home whose driver may mount, or the reason why there is none.
    pub(crate) fn that_mounts() -> Result<Self, &'static str> {
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            return Err("mounting needs root");
        }
        let tried = Command::new("unshare").args(["--mount", "true"]).status();
        if !tried.is_ok_and(|status| status.success()) {
            return Err("no mount namespace of its own can be made here");
        }
        Ok(Self { own_mounts: true, ..Self::new() })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn fault(&self, name: &str, text: &str) {
        fs::write(self.path("faults").join(name), text).unwrap();
    }

    pub(crate) fn no_fault(&self, name: &str) {
        fs::remove_file(self.path("faults").join(name)).unwrap();
    }

    pub(crate) fn volume(&self, volume: &Volume) -> PathBuf {
        self.path("state/volumes").join(&volume.volume_id)
    }

    pub(crate) fn snapshot(&self, snapshot: &Snapshot) -> PathBuf {
        self.path("state/snapshots").join(&snapshot.snapshot_id)
    }

    pub(crate) fn start(&self) -> Driver {
        let binary = env!("CARGO_BIN_EXE_dr-csi");
        let mut command = if self.own_mounts {
            let mut unshare = Command::new("unshare");
            unshare.args(["--mount", "--propagation", "private", binary]);
            unshare
        } else {
            Command::new(binary)
        };
        let child = command
            .arg("--endpoint")
            .arg(format!("unix://{}", self.path("csi.sock").display()))
            .args(["--driver-name", NAME, "--node-id", NODE])
            .arg("--state-dir")
            .arg(self.path("state"))
            .arg("--registration-dir")
            .arg(self.path("plugins_registry"))
            .args(["--attach-required", &self.attach_required.to_string()])
            .args(["--list-snapshots", &self.list_snapshots.to_string()])
            .arg("--faults-dir")
            .arg(self.path("faults"))
            .stderr(fs::File::options().create(true).append(true).open(self.path("log")).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let driver = Driver { child };
        let registered = self.registration_socket();
        wait_for("the driver's sockets", || std::os::unix::net::UnixStream::connect(&registered).is_ok());
        driver
    }

    pub(crate) fn registration_socket(&self) -> PathBuf {
        self.path("plugins_registry").join(format!("{NAME}@reg.sock"))
    }

    pub(crate) fn controller(&self) -> ControllerClient<Channel> {
        ControllerClient::new(channel(&self.path("csi.sock")))
    }

    pub(crate) fn node(&self) -> NodeClient<Channel> {
        NodeClient::new(channel(&self.path("csi.sock")))
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// A volume of one MiB.
    pub(crate) async fn create(&self, name: &str) -> Volume {
        self.try_create(volume_request(name)).await.unwrap()
    }

    pub(crate) async fn try_create(&self, request: CreateVolumeRequest) -> Result<Volume, tonic::Status> {
        Ok(self.controller().create_volume(request).await?.into_inner().volume.unwrap())
    }

    pub(crate) async fn take(&self, name: &str, volume: &Volume) -> Snapshot {
        let request = CreateSnapshotRequest { source_volume_id: volume.volume_id.clone(), name: name.to_owned() };
        self.controller().create_snapshot(request).await.unwrap().into_inner().snapshot.unwrap()
    }
}

pub(crate) struct Driver {
    child: Child,
}

impl Driver {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A path as the driver's own mount namespace shows it.
    pub(crate) fn sees(&self, path: &Path) -> PathBuf {
        let root = format!("/proc/{}/root", self.pid());
        Path::new(&root).join(path.strip_prefix("/").unwrap())
    }

    pub(crate) fn terminate(mut self) -> ExitStatus {
        assert!(Command::new("kill").arg(self.pid().to_string()).status().unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the driver did not end");
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Already gone in the tests that end it themselves.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn channel(socket: &Path) -> Channel {
    Endpoint::try_from(format!("unix://{}", socket.display())).unwrap().connect_lazy()
}

pub(crate) fn volume_request(name: &str) -> CreateVolumeRequest {
    CreateVolumeRequest {
        name: name.to_owned(),
        capacity_range: Some(CapacityRange { required_bytes: MIB, limit_bytes: 0 }),
        volume_capabilities: vec![mounted()],
        volume_content_source: None,
    }
}

pub(crate) fn from_snapshot(name: &str, snapshot: &Snapshot) -> CreateVolumeRequest {
    let source = Type::Snapshot(SnapshotSource { snapshot_id: snapshot.snapshot_id.clone() });
    CreateVolumeRequest {
        volume_content_source: Some(VolumeContentSource { r#type: Some(source) }),
        ..volume_request(name)
    }
}

pub(crate) fn from_volume(name: &str, volume: &Volume) -> CreateVolumeRequest {
    let source = Type::Volume(VolumeSource { volume_id: volume.volume_id.clone() });
    CreateVolumeRequest {
        volume_content_source: Some(VolumeContentSource { r#type: Some(source) }),
        ..volume_request(name)
    }
}

pub(crate) fn mounted() -> VolumeCapability {
    VolumeCapability {
        access_mode: Some(AccessMode { mode: Mode::SingleNodeWriter.into() }),
        access_type: Some(AccessType::Mount(MountVolume::default())),
    }
}

/// The code of a call that must not succeed.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, tonic::Status>) -> Code {
    answer.expect_err("a refusal").code()
}

#[track_caller]
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[expect(clippy::print_stderr, reason = "the reason of a skip belongs into the test's output")]
pub(crate) fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}
