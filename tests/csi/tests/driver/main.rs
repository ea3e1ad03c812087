//! The driver over its real sockets, as the sidecars and the kubelet talk to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod faults;
mod node;
mod running;
mod snapshots;
mod start;
mod volumes;

#[allow(clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
mod csi {
    tonic::include_proto!("csi.v1");
}

#[allow(clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
mod registration {
    tonic::include_proto!("pluginregistration");
}
