//! Claims, pods that mount them, and classes of snapshots.

use proptest::prelude::*;
use serde_json::Value;

use super::world::labels;

#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) labels: Value,
    pub(crate) volume_labels: Value,
    pub(crate) state: State,
    pub(crate) source: Source,
    /// None for a claim without a class.
    pub(crate) class: Option<&'static str>,
    pub(crate) annotation: Option<&'static str>,
    pub(crate) mode: Mode,
    pub(crate) shared: bool,
    pub(crate) dying: bool,
    pub(crate) grouped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    Filesystem,
    Block,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum State {
    Bound,
    Pending,
    Lost,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    Csi,
    OtherCsi,
    Nfs,
    HostPath,
    Local,
    Ebs,
    Iscsi,
}

#[derive(Debug, Clone)]
pub(crate) struct Pod {
    pub(crate) labels: Value,
    pub(crate) phase: &'static str,
    pub(crate) node: Option<&'static str>,
    /// Claims by their index among those of the namespace; one beyond them does not exist.
    pub(crate) claims: Vec<usize>,
    /// Volumes of other kinds, by the name they have in [`super::super::world`].
    pub(crate) others: Vec<&'static str>,
    pub(crate) mount: Mount,
    pub(crate) opt_in: Option<&'static str>,
    pub(crate) opt_out: Option<&'static str>,
    pub(crate) priority: Option<&'static str>,
    pub(crate) dying: bool,
    /// Its claims may be missing.
    pub(crate) stray: bool,
}

impl Pod {
    /// Keeps to the claims that there are.
    pub(super) fn mounts_of(&mut self, claims: usize) {
        if !self.stray {
            self.claims = self.claims.iter().filter_map(|claim| claim.checked_rem(claims)).collect();
            self.claims.sort_unstable();
            self.claims.dedup();
        }
    }
}

/// Who mounts the volumes of a pod. Claims in block mode are devices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mount {
    Main,
    Init,
    /// An init container that keeps running.
    Sidecar,
    Nobody,
}

/// A VolumeSnapshotClass.
#[derive(Debug, Clone)]
pub(crate) struct Class {
    pub(crate) name: &'static str,
    pub(crate) driver: &'static str,
    pub(crate) labelled: Option<&'static str>,
    pub(crate) default: Option<&'static str>,
}

/// Volumes of a pod that are not of claims; `eph` makes a claim of its own.
const OTHERS: [&str; 10] =
    ["cache", "host", "cert", "conf", "proj", "down", "inline", "share", "default-token-x", "eph"];

pub(super) fn claim() -> impl Strategy<Value = Claim> {
    let state = prop_oneof![20 => Just(State::Bound), 1 => Just(State::Pending), 1 => Just(State::Lost)];
    let source = prop_oneof![
        8 => Just(Source::Csi),
        2 => Just(Source::OtherCsi),
        2 => Just(Source::Nfs),
        1 => Just(Source::HostPath),
        1 => Just(Source::Local),
        1 => Just(Source::Ebs),
        1 => Just(Source::Iscsi),
    ];
    let class =
        prop_oneof![20 => Just(Some("fast")), 1 => Just(Some("gone")), 3 => Just(Some("other")), 1 => Just(None)];
    let annotation = prop::option::weighted(0.15, prop::sample::select(&["second", "SECOND", "third", "missing"][..]));
    let mode = prop_oneof![7 => Just(Mode::Filesystem), 1 => Just(Mode::Block)];
    let flags = (mode, prop::bool::weighted(0.3), prop::bool::weighted(0.04), prop::bool::weighted(0.05));
    ((labels(), labels()), state, source, class, annotation, flags).prop_map(
        |((labels, volume_labels), state, source, class, annotation, (mode, shared, dying, grouped))| Claim {
            labels,
            volume_labels,
            state,
            source,
            class,
            annotation,
            mode,
            shared,
            dying,
            grouped,
        },
    )
}

pub(super) fn pod() -> impl Strategy<Value = Pod> {
    let phase = prop_oneof![9 => Just("Running"), 1 => Just("Pending"), 1 => Just("Succeeded"), 1 => Just("Failed")];
    let node = prop_oneof![9 => Just(Some("node1")), 1 => Just(Some("node2")), 1 => Just(None)];
    let named = &["c0", "c1", "c0,cache", "c0, c1", "nothing", "c2,inline,eph", "cache,host,share", "c0,c1,c2"][..];
    let pick = || prop::option::weighted(0.35, prop::sample::select(named));
    let others = prop::sample::subsequence(OTHERS.to_vec(), 0..=3);
    let claims = prop::collection::vec(0usize..4, 0..3);
    let odd = (prop::bool::weighted(0.04), prop::bool::weighted(0.06));
    let priority = prop::option::weighted(0.2, Just("urgent"));
    let mount = prop_oneof![
        12 => Just(Mount::Main),
        1 => Just(Mount::Init),
        1 => Just(Mount::Sidecar),
        1 => Just(Mount::Nobody)
    ];
    ((labels(), phase, node, claims), (others, mount, pick(), pick(), priority), odd).prop_map(
        |((labels, phase, node, mut claims), (mut others, mount, opt_in, opt_out, priority), (dying, stray))| {
            claims.sort_unstable();
            claims.dedup();
            // Its claim stays Pending, which with CSI is an error of the pod: not in every third pod.
            if others.len() > 1 {
                others.retain(|other| *other != "eph");
            }
            Pod { labels, phase, node, claims, others, mount, opt_in, opt_out, priority, dying, stray }
        },
    )
}

/// What stands of `first` and `second` for one driver, `third` and `other` for the other.
pub(super) fn classes() -> impl Strategy<Value = Vec<Class>> {
    let mark = |weight| prop::option::weighted(weight, prop::sample::select(&["true", "false"][..]));
    let class = move |name: &'static str, driver: &'static str, there, labelled, default| {
        (prop::bool::weighted(there), mark(labelled), mark(default))
            .prop_map(move |(there, labelled, default)| there.then_some(Class { name, driver, labelled, default }))
    };
    (
        class("first", "csi.example.com", 0.9, 0.6, 0.2),
        class("second", "csi.example.com", 0.6, 0.2, 0.3),
        class("third", "other.example.com", 0.5, 0.3, 0.2),
        class("fourth", "other.example.com", 0.3, 0.3, 0.2),
    )
        .prop_map(|(first, second, third, fourth)| [first, second, third, fourth].into_iter().flatten().collect())
}
