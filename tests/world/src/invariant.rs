//! What must hold after every single act, whoever crashed or slept before it.

use std::collections::BTreeMap;

use dr_core::kind::Kind;
use dr_core::object::Key;

use crate::controllers::kubelet::writes;
use crate::volume::{Content, Origin};
use crate::world::World;

/// What was there when the restore began.
#[derive(Debug, Clone)]
pub struct Watch {
    pub namespace: String,
    pub staging: String,
    /// By handle, with the persistent volume's name.
    pub originals: BTreeMap<String, (String, Content)>,
    /// By claim, what the backup holds.
    pub saved: BTreeMap<String, Content>,
}

impl Watch {
    /// The first thing that is not as it must be. Before the switch was touched the staged copy is scratch.
    pub fn check(&self, world: &World, switch_touched: bool) -> Result<(), String> {
        Self::no_volume_has_two_claims(world)?;
        self.nothing_is_destroyed(world, switch_touched)?;
        self.no_writer_loses_its_volume(world)?;
        self.one_volume_is_complete(world, switch_touched)
    }

    fn no_volume_has_two_claims(world: &World) -> Result<(), String> {
        let mut held: BTreeMap<&str, &Key> = BTreeMap::new();
        for (key, claim) in world.of(Kind::PersistentVolumeClaim) {
            if let Some(volume) = claim.str_at("/spec/volumeName")
                && let Some(other) = held.insert(volume, key)
            {
                return Err(format!("{volume} is claimed by {other} and by {key}"));
            }
        }
        Ok(())
    }

    fn nothing_is_destroyed(&self, world: &World, switch_touched: bool) -> Result<(), String> {
        for (handle, volume) in &world.destroyed {
            let scratch = volume.made_for.starts_with(&format!("{}/", self.staging));
            if !scratch || switch_touched {
                return Err(format!("{handle}, made for {}, is destroyed", volume.made_for));
            }
        }
        for (volume, _) in self.originals.values() {
            if world.get(&Key::cluster(Kind::PersistentVolume, volume)).is_none_or(|volume| volume.is_terminating()) {
                return Err(format!("the persistent volume {volume} is deleted"));
            }
        }
        Ok(())
    }

    fn no_writer_loses_its_volume(&self, world: &World) -> Result<(), String> {
        for (key, pod) in world.of(Kind::Pod).filter(|(_, pod)| writes(pod)) {
            let Some(mounts) = pod.uid().and_then(|uid| world.mounts.get(uid)) else { continue };
            if key.namespace.as_deref() == Some(&self.staging) && !mounts.is_empty() {
                return Err(format!("the application itself runs as {key} on a staged volume"));
            }
            for mount in mounts {
                let claim =
                    world.find(Kind::PersistentVolumeClaim, key.namespace.as_deref().unwrap_or(""), &mount.claim);
                let Some(claim) = claim.filter(|claim| claim.uid() == Some(&mount.claim_uid)) else {
                    return Err(format!("{key} is running and its claim {} is gone", mount.claim));
                };
                if claim.is_terminating() {
                    return Err(format!("{key} is running and its claim {} is being deleted", mount.claim));
                }
                let volume = world.get(&Key::cluster(Kind::PersistentVolume, &mount.persistent_volume));
                let held = volume.and_then(|volume| volume.str_at("/spec/claimRef/uid"));
                if held != Some(&mount.claim_uid) || claim.str_at("/spec/volumeName") != Some(&mount.persistent_volume)
                {
                    return Err(format!("{key} is running and {} is bound elsewhere", mount.claim));
                }
                let Some(disk) = world.volumes.get(&mount.handle) else {
                    return Err(format!("{key} is running and its disk {} is gone", mount.handle));
                };
                if !matches!(disk.origin, Origin::Original | Origin::Restored) {
                    return Err(format!("{key} runs on a volume that is {:?}", disk.origin));
                }
            }
        }
        Ok(())
    }

    fn one_volume_is_complete(&self, world: &World, switch_touched: bool) -> Result<(), String> {
        for (handle, (volume, content)) in &self.originals {
            let found = world.volumes.get(handle).map(|disk| &disk.content);
            if found.is_none_or(|found| found.facts < content.facts || found.identity != content.identity) {
                return Err(format!("{volume} has lost what it held when the restore began"));
            }
        }
        if switch_touched {
            for (claim, content) in &self.saved {
                let made_for = format!("{}/{claim}", self.staging);
                let whole = world.volumes.values().any(|disk| {
                    disk.made_for == made_for
                        && disk.origin == Origin::Restored
                        && disk.content.identity == content.identity
                        && disk.content.facts >= content.facts
                });
                if !whole {
                    return Err(format!("the restored volume of {claim} is not whole"));
                }
            }
        }
        Ok(())
    }

    /// At the end the digests are compared too: every original is what it was, with more written after it.
    pub fn check_content(&self, world: &World) -> Result<(), String> {
        for (handle, (volume, content)) in &self.originals {
            if !world.volumes.get(handle).is_some_and(|disk| disk.content.extends(content)) {
                return Err(format!("{volume} holds something else than before"));
            }
        }
        Ok(())
    }
}
