//! What changes the world besides us, one controller a file.

pub mod kubelet;
pub mod lifetime;
pub mod storage;
pub mod velero;
pub mod workload;

use crate::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    Claims,
    Volumes,
    Provisioner,
    Protection,
    Snapshots,
    Garbage,
    Namespaces,
    StatefulSets,
    Deployments,
    CronJobs,
    Jobs,
    Autoscalers,
    Kubelet,
    Velero,
    NodeAgent,
}

impl Controller {
    pub const ALL: [Self; 15] = [
        Self::Claims,
        Self::Volumes,
        Self::Provisioner,
        Self::Protection,
        Self::Snapshots,
        Self::Garbage,
        Self::Namespaces,
        Self::StatefulSets,
        Self::Deployments,
        Self::CronJobs,
        Self::Jobs,
        Self::Autoscalers,
        Self::Kubelet,
        Self::Velero,
        Self::NodeAgent,
    ];

    /// Whether it may do something although no object has changed.
    pub fn watches_the_clock(self) -> bool {
        matches!(self, Self::Claims | Self::CronJobs | Self::Kubelet)
    }

    pub fn step(self, world: &mut World) {
        match self {
            Self::Claims => storage::claims(world),
            Self::Volumes => storage::volumes(world),
            Self::Provisioner => storage::provision(world),
            Self::Protection => storage::protection(world),
            Self::Snapshots => storage::snapshots(world),
            Self::Garbage => lifetime::garbage(world),
            Self::Namespaces => lifetime::namespaces(world),
            Self::StatefulSets => workload::stateful_sets(world),
            Self::Deployments => workload::deployments(world),
            Self::CronJobs => workload::cron_jobs(world),
            Self::Jobs => workload::jobs(world),
            Self::Autoscalers => workload::autoscalers(world),
            Self::Kubelet => kubelet::step(world),
            Self::Velero => velero::restores(world),
            Self::NodeAgent => velero::node_agent(world),
        }
    }
}
