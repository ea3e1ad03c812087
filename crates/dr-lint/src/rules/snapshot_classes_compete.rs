//! Several `VolumeSnapshotClasses` of a driver are Velero's.

use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on_key};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "snapshot-classes-compete",
    family: Family::Volumes,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "Several VolumeSnapshotClasses of a driver are Velero's.",
    costs: "Which one is taken hangs on the order of a list: snapshots go where nobody looked.",
    proven: "Velero 1.18.1 util/csi/volume_snapshot.go:GetVolumeSnapshotClass takes the first labelled class it meets, whatever the label's value.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/snapshot-classes-compete.md"),
    check,
};

const LABEL: &str = "velero.io/csi-volumesnapshot-class";

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    let label = Path::keys("metadata.labels").key(LABEL);
    let labelled: Vec<_> =
        context.seen(Kind::VolumeSnapshotClass).filter(|class| class.raw.0.within(&label).is_some()).collect();
    if labelled.len() < 2 || !context.velero_chooses_classes() {
        return;
    }
    for class in labelled.iter().filter(|class| !class.context) {
        let driver = class.raw.str_at("/driver");
        let other = labelled
            .iter()
            .find(|other| driver.is_some() && other.raw.str_at("/driver") == driver && other.name() != class.name());
        if let Some(other) = other {
            let message = format!("{} has this label as well, and the same driver", other.name());
            out.push(on_key(class, label.clone(), message).related(other, label.clone(), "the other one"));
        }
    }
}
