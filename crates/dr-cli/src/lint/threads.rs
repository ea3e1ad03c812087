//! Work that is done side by side: files are read, and rules look at them.

use std::sync::atomic::{AtomicUsize, Ordering};

/// As many as the machine has room for.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Has each number below the first one worked on, the last ones first.
pub(super) fn each(count: usize, threads: usize, work: &(dyn Fn(usize) + Sync)) {
    let left = AtomicUsize::new(count);
    let work = || {
        while let Ok(left) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            work(left - 1);
        }
    };
    std::thread::scope(|scope| {
        (1..threads.min(count)).for_each(|_| {
            scope.spawn(work);
        });
        work();
    });
}

/// What is made of each item, in their order, by as many threads as there is work for: one item costs no thread.
pub(super) fn side_by_side<I: Sync, R: Send>(items: &[I], threads: usize, of: impl Fn(&I) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut made = Vec::new();
        while let Some((at, item)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, items.get(at)?)))
        {
            made.push((at, of(item)));
        }
        made
    };
    let mut made = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(items.len())).map(|_| scope.spawn(work)).collect();
        let mut made = work();
        for other in others {
            match other.join() {
                Ok(more) => made.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        made
    });
    made.sort_unstable_by_key(|(at, _)| *at);
    made.into_iter().map(|(_, made)| made).collect()
}
