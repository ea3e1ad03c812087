//! How far reading has come, for whoever tells a person. Only counted here; what is said of it, and when, is not ours.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Copies count together.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    kinds: AtomicUsize,
    read: AtomicUsize,
    objects: AtomicUsize,
    held_up: Mutex<Vec<String>>,
}

/// At one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Far {
    /// Lists to read, as far as is known.
    pub kinds: usize,
    /// Of these, read to their end.
    pub read: usize,
    pub objects: usize,
    /// Why a request is sent again, and when.
    pub held_up: Option<String>,
}

impl Tally {
    pub fn far(&self) -> Far {
        let Counts { kinds, read, objects, held_up } = &*self.0;
        Far {
            kinds: kinds.load(Ordering::Relaxed),
            read: read.load(Ordering::Relaxed),
            objects: objects.load(Ordering::Relaxed),
            held_up: held_up.lock().unwrap_or_else(PoisonError::into_inner).first().cloned(),
        }
    }

    /// A new reading begins.
    pub(crate) fn begin(&self, kinds: usize) {
        self.0.read.store(0, Ordering::Relaxed);
        self.0.objects.store(0, Ordering::Relaxed);
        self.0.kinds.store(kinds, Ordering::Relaxed);
    }

    pub(crate) fn page(&self, objects: usize) {
        self.0.objects.fetch_add(objects, Ordering::Relaxed);
    }

    /// A list that has to be read anew.
    pub(crate) fn unread(&self, objects: usize) {
        self.0.objects.fetch_sub(objects, Ordering::Relaxed);
    }

    pub(crate) fn kind(&self) {
        self.0.read.fetch_add(1, Ordering::Relaxed);
    }

    /// Until what is given back is dropped.
    pub(crate) fn held_up(&self, because: String) -> HeldUp {
        self.0.held_up.lock().unwrap_or_else(PoisonError::into_inner).push(because.clone());
        HeldUp { tally: self.clone(), because }
    }
}

pub(crate) struct HeldUp {
    tally: Tally,
    because: String,
}

impl Drop for HeldUp {
    fn drop(&mut self) {
        let mut all = self.tally.0.held_up.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = all.iter().position(|because| *because == self.because) {
            all.remove(at);
        }
    }
}
