//! Named points at which the process dies, for the crash tests; nothing without the feature `stop-points`.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    BeforeIntent,
    AfterIntent,
    AfterAct,
    BeforeDone,
}

#[cfg(not(feature = "stop-points"))]
pub(crate) fn at(_point: Point, _step: &str) {}

/// Kills the process, or lets it sleep, when `KUBECTL_DR_STOP` names a part of the step's name and this point:
/// `swap/data:after-intent` or `swap/data:after-act:sleep=30`.
#[cfg(feature = "stop-points")]
pub(crate) fn at(point: Point, step: &str) {
    let Ok(wanted) = std::env::var("KUBECTL_DR_STOP") else { return };
    let mut parts = wanted.split(':');
    let (Some(name), Some(when)) = (parts.next(), parts.next()) else { return };
    let here = match point {
        Point::BeforeIntent => "before-intent",
        Point::AfterIntent => "after-intent",
        Point::AfterAct => "after-act",
        Point::BeforeDone => "before-done",
    };
    if when != here || !step.contains(name) {
        return;
    }
    if let Some(seconds) = parts.next().and_then(|sleep| sleep.strip_prefix("sleep=")?.parse().ok()) {
        // Blocks on purpose: a laptop that sleeps runs none of its tasks.
        sleep_once(std::time::Duration::from_secs(seconds));
        return;
    }
    if rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).is_err() {
        std::process::abort();
    }
}

#[cfg(feature = "stop-points")]
fn sleep_once(time: std::time::Duration) {
    static SLEPT: std::sync::Once = std::sync::Once::new();
    SLEPT.call_once(|| std::thread::sleep(time));
}
