//! Work that is done side by side: files are read, and rules look at them.

use std::sync::atomic::{AtomicUsize, Ordering};

/// As many as the machine has room for.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Has each number below the first one worked on, the last ones first; where there are many, a few that follow each other
/// by one thread, which are often about the same.
pub(super) fn each(count: usize, threads: usize, work: &(dyn Fn(usize) + Sync)) {
    let together = (count / 1000).clamp(1, 16);
    let left = AtomicUsize::new(count);
    let work = || {
        let take = |left: usize| (left > 0).then(|| left.saturating_sub(together));
        while let Ok(left) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            (left.saturating_sub(together)..left).rev().for_each(work);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_worked_on_once_by_however_many_threads_and_the_last_ones_are_begun_first() {
        for count in [0, 1, 7, 999, 5_003, 40_000] {
            for threads in [1, 3] {
                let times: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                let order = std::sync::Mutex::new(Vec::new());
                each(count, threads, &|at| {
                    times[at].fetch_add(1, Ordering::Relaxed);
                    order.lock().unwrap().push(at);
                });
                assert!(times.iter().all(|times| times.load(Ordering::Relaxed) == 1), "{count} by {threads}");
                let order = order.into_inner().unwrap();
                assert!(threads > 1 || order.iter().copied().eq((0..count).rev()));
            }
        }
    }
}
