//! What a run has shown, item by item and volume by volume.

use super::blocks::{Run, Volume};
use super::cluster::{Item, VolumeRefs};
use super::reason::{Place, Reason, Rule};
use super::relations::{self, CLAIMS, PODS, VOLUMES};
use super::{Capture, ItemVerdict, Phase, Selection, Shown, Verdict, VolumeRef, VolumeVerdict, fix, native, pods};

impl Run<'_> {
    /// Why an item is in the backup.
    fn chain(&self, number: usize, depth: usize) -> Vec<Reason> {
        match self.brought.get(&number) {
            Some((by, reason)) if depth < 16 => {
                let mut chain = self.chain(*by, depth + 1);
                chain.push(reason.clone());
                chain
            }
            _ => self.collected.chains.get(&number).cloned().unwrap_or_default(),
        }
    }

    fn verdict(&self, number: usize, item: &Item) -> ItemVerdict {
        let verdict = |verdict, chain| ItemVerdict {
            item: item.reference.clone(),
            verdict,
            by_accident: verdict == Verdict::Included && self.brought.contains_key(&number),
            chain,
        };
        if let Some(reason) = self.failed.get(&number) {
            let mut chain = self.chain(number, 0);
            chain.push(reason.clone());
            return verdict(Verdict::Excluded, chain);
        }
        if self.archived.contains(&number) {
            return verdict(Verdict::Included, self.chain(number, 0));
        }
        let missed = || self.collected.chains.get(&number).cloned().unwrap_or_default();
        verdict(Verdict::Excluded, self.left_out.get(&number).cloned().unwrap_or_else(missed))
    }

    pub(super) fn finish(mut self) -> Selection {
        let verdicts: Vec<ItemVerdict> =
            self.cluster.items().enumerate().map(|(number, item)| self.verdict(number, item)).collect();
        let volumes = std::mem::take(&mut self.volumes);
        let volumes = volumes.into_iter().map(|(volume, state)| self.volume_verdict(&volume, state, &verdicts));
        let volumes: Vec<VolumeVerdict> = volumes.collect();
        let failed = !self.failed.is_empty() || !self.collected.errors.is_empty();
        let mut assumed = self.cluster.assumptions();
        assumed.extend(self.request.unread.iter().cloned());
        assumed.extend(self.assumed);
        Selection {
            phase: if failed { Phase::PartiallyFailed } else { Phase::Completed },
            refused: Vec::new(),
            errors: self.collected.errors,
            assumed,
            items: verdicts,
            volumes,
        }
    }

    /// Why a claim whose data is captured is not on the backup's list of volumes.
    fn unlisted(&self, volume: &VolumeRef, verdicts: &[ItemVerdict]) -> Option<Reason> {
        let claim = self.cluster.find(CLAIMS, Some(&volume.namespace), volume.claim.as_deref()?)?;
        let bound = relations::bound_to(self.cluster.item(claim)?)?;
        let number = self.cluster.find(VOLUMES, None, bound)?;
        let judged = verdicts.get(number).filter(|judged| judged.verdict == Verdict::Excluded)?;
        let place = judged.chain.last().map_or(Place::Velero, |reason| reason.place.clone());
        let says =
            format!("its data is taken, but {} is not in the backup, so its list of volumes has no entry", judged.item);
        Some(Reason::new(Rule::VolumeUnlisted, place, says))
    }

    fn volume_verdict(&self, volume: &VolumeRef, state: Volume, verdicts: &[ItemVerdict]) -> VolumeVerdict {
        let verdict = |capture: Capture, chain: Vec<Reason>, shown| {
            let fix = if capture.is_captured() { None } else { chain.iter().rev().find_map(fix::fix) };
            let (volume, copied_again) = (volume.clone(), Vec::new());
            VolumeVerdict { volume, capture, copied_again, chain, unlisted: None, shown, fix }
        };
        if let Some((capture, chain)) = state.capture {
            let unlisted = if capture.is_captured() { self.unlisted(volume, verdicts) } else { None };
            let fix = unlisted.as_ref().and_then(fix::fix);
            let copied_again = state.copies;
            return VolumeVerdict { copied_again, unlisted, fix, ..verdict(capture, chain, Shown::Silent) };
        }
        let shown = state.skips.iter().map(|(_, shown)| *shown).max();
        let mut chain: Vec<Reason> = state.skips.into_iter().map(|(reason, _)| reason).collect();
        let of = |number: usize| verdicts.get(number);
        match (&volume.claim, &volume.pod) {
            (Some(claim), _) => {
                if let Some(item) = self.cluster.find(CLAIMS, Some(&volume.namespace), claim).and_then(of) {
                    if item.verdict == Verdict::Excluded {
                        chain.extend(item.chain.iter().filter(|r| !chain.contains(r)).cloned().collect::<Vec<_>>());
                    } else {
                        chain.extend(native::not_asked(self, &volume.namespace, claim, verdicts));
                    }
                }
                let pods = relations::mounting(self.cluster, &volume.namespace, claim);
                let mut missing = Vec::new();
                for (pod, mounted) in pods {
                    let number = self.cluster.find(PODS, Some(&volume.namespace), &pod.reference.name);
                    let Some(judged) = number.and_then(of) else {
                        continue;
                    };
                    if judged.verdict == Verdict::Excluded && pods::wants_copy(self, pod, mounted) {
                        let place = Place::object(&pod.reference, "metadata");
                        let says = format!("{} would copy it and is not in the backup", pod.reference);
                        missing.push(Reason::new(Rule::PodNotInBackup, place, says));
                        missing.extend(judged.chain.last().cloned());
                    }
                }
                chain.extend(missing.into_iter().filter(|r| !chain.contains(r)).collect::<Vec<_>>());
                let decided = chain.iter().any(|reason| reason.rule == Rule::PolicyMatched);
                if relations::mounting(self.cluster, &volume.namespace, claim).next().is_none()
                    && (decided || (self.request.copies_by_default.0 && self.request.policies.is_none()))
                {
                    let claim = VolumeRefs::claim(&volume.namespace, claim);
                    let says = format!("no pod mounts {claim}, so there is nothing its files could be copied from");
                    chain.push(Reason::new(Rule::NoPodMounts, Place::object(&claim, "metadata.name"), says));
                }
            }
            (None, Some((pod, _))) => {
                if let Some(item) = self.cluster.find(PODS, Some(&volume.namespace), pod).and_then(of)
                    && item.verdict == Verdict::Excluded
                {
                    chain.extend(item.chain.clone());
                }
            }
            (None, None) => {}
        }
        let unread = [CLAIMS, PODS, VOLUMES].into_iter().find_map(|kind| Some((kind, self.cluster.unread(kind)?)));
        if let Some((kind, why)) = unread.filter(|_| chain.iter().all(|reason| reason.rule == Rule::NotCsi)) {
            let says = format!("{kind} were not read: {why}");
            chain.push(Reason::new(Rule::NotRead, Place::Velero, says));
            return verdict(Capture::Unknown, chain, Shown::Silent);
        }
        if chain.iter().any(|reason| reason.rule == Rule::NotRead) {
            return verdict(Capture::Unknown, chain, Shown::Silent);
        }
        let failed = chain.iter().any(|reason| reason.rule == Rule::SelectorUnusable);
        let shown = if failed { Shown::Error } else { shown.unwrap_or(Shown::Silent) };
        verdict(Capture::None, chain, shown)
    }
}
