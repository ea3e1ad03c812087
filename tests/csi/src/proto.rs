//! The wire: what the build script generates from `proto/`.

#[allow(clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
pub(crate) mod csi {
    tonic::include_proto!("csi.v1");
}

#[allow(clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
pub(crate) mod registration {
    tonic::include_proto!("pluginregistration");
}
