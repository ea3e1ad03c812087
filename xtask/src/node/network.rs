//! The addresses of a node. Each node has a number; subnets, link names and addresses follow from it, so that several
//! nodes run side by side. All of them lie in 198.18.0.0/15, which RFC 2544 keeps for tests on one machine.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::cmd;

/// How many nodes can run side by side: one /30 each in 198.18.255.0/24.
const NODES: u8 = 63;

#[derive(Clone, Copy)]
pub(crate) struct Network {
    index: u8,
}

impl Network {
    /// The smallest number that no node of this cache and no link of this machine uses. The caller holds the lock.
    pub(crate) fn choose(nodes: &Path) -> Result<Self> {
        let taken: Vec<u8> = fs::read_dir(nodes)
            .with_context(|| format!("list {}", nodes.display()))?
            .filter_map(|entry| Self::read(&entry.ok()?.path()).ok())
            .map(|network| network.index)
            .collect();
        (0..NODES)
            .map(|index| Self { index })
            .find(|network| !taken.contains(&network.index) && !network.link_exists())
            .with_context(|| format!("all {NODES} places for nodes are taken"))
    }

    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("index");
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let index = text.trim().parse().with_context(|| format!("{} holds no number", path.display()))?;
        if index >= NODES {
            bail!("{} holds {index}, which is no node's number", path.display());
        }
        Ok(Self { index })
    }

    pub(crate) fn index(self) -> u8 {
        self.index
    }

    /// The end of the veth pair on the machine.
    pub(crate) fn host_link(self) -> String {
        format!("dr{}h", self.index)
    }

    /// The other end before it is renamed to `eth0` inside.
    pub(crate) fn node_link(self) -> String {
        format!("dr{}n", self.index)
    }

    pub(crate) fn host_address(self) -> String {
        format!("198.18.255.{}", self.index * 4 + 1)
    }

    /// The node's own address; the API server listens there.
    pub(crate) fn node_address(self) -> String {
        format!("198.18.255.{}", self.index * 4 + 2)
    }

    pub(crate) fn pod_subnet(self) -> String {
        format!("198.18.{}.0/24", self.index)
    }

    pub(crate) fn service_subnet(self) -> String {
        format!("198.19.{}.0/24", self.index)
    }

    pub(crate) fn dns_address(self) -> String {
        format!("198.19.{}.10", self.index)
    }

    fn link_exists(self) -> bool {
        Path::new("/sys/class/net").join(self.host_link()).exists()
    }

    /// Makes the veth pair and gives one end to the network namespace of `pid`.
    pub(crate) fn connect(self, pid: u32) -> Result<()> {
        if self.link_exists() {
            self.disconnect()?;
        }
        let (host, node) = (self.host_link(), self.node_link());
        let pid = pid.to_string();
        cmd::run("ip", &["link", "add", &host, "type", "veth", "peer", "name", &node, "netns", &pid])?;
        cmd::run("ip", &["addr", "add", &format!("{}/30", self.host_address()), "dev", &host])?;
        cmd::run("ip", &["link", "set", &host, "up"])?;
        Ok(())
    }

    pub(crate) fn disconnect(self) -> Result<()> {
        if !self.link_exists() {
            return Ok(());
        }
        // The kernel removes the pair by itself some time after the other end's namespace has ended.
        match cmd::run("ip", &["link", "del", &self.host_link()]) {
            Err(error) if self.link_exists() => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Inside the node: names and addresses. Only the node's own subnets have routes, nothing leads elsewhere.
    pub(crate) fn configure(self) -> Result<()> {
        cmd::run("ip", &["link", "set", "lo", "up"])?;
        cmd::run("ip", &["link", "set", &self.node_link(), "name", "eth0"])?;
        cmd::run("ip", &["addr", "add", &format!("{}/30", self.node_address()), "dev", "eth0"])?;
        cmd::run("ip", &["link", "set", "eth0", "up"])?;
        cmd::run("ip", &["route", "add", &self.service_subnet(), "dev", "eth0", "src", &self.node_address()])?;
        cmd::run("ip", &["route", "add", "unreachable", "default"])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_nodes_share_an_address_or_a_link() {
        let mut seen = BTreeSet::new();
        for index in 0..NODES {
            let network = Network { index };
            for name in [
                network.host_link(),
                network.node_link(),
                network.host_address(),
                network.node_address(),
                network.pod_subnet(),
                network.service_subnet(),
            ] {
                assert!(name.len() <= 15 || name.contains('.'), "{name} is too long for a link");
                assert!(seen.insert(name.clone()), "{name} is used twice");
            }
        }
    }
}
