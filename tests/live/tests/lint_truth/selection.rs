//! Rules about what a backup selects.

use dr_live::backups;

use super::seen::data;
use super::truth::{Rule, Truths, all, backup, text};

const LABELLED: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: truth-labelled, labels: {velero.io/exclude-from-backup: \"true\"}}";
const PLAIN: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: truth-labelled}";

pub(super) fn rules(truths: &mut Truths<'_, '_>) {
    filters(truths);
    objects(truths);
}

/// What is judged by the data in the backup.
fn filters(truths: &mut Truths<'_, '_>) {
    let whole = "includedNamespaces: [@ns@]\n";
    let of = |id: &str, wrong: &str, right: &str, truths: &mut Truths<'_, '_>| {
        let (wrong, right) = (backup(wrong), backup(&format!("{whole}{right}")));
        truths.rule(&Rule { id, beside: "", wrong: &wrong, right: &right }, data);
    };
    of("bad-namespace-pattern", "includedNamespaces: ['@ns@,books']", "", truths);
    let labels = "{matchLabels: {app: postgres}}";
    let either = format!("{whole}labelSelector: {labels}\norLabelSelectors: [{labels}]");
    of("two-kinds-of-selectors", &either, &format!("orLabelSelectors: [{labels}]"), truths);
    of("empty-label-selector", &format!("{whole}labelSelector: {{}}"), "", truths);
    let values = |values: &str| format!("labelSelector: {{matchExpressions: [{{key: app, operator: In{values}}}]}}");
    of("invalid-label-selector", &format!("{whole}{}", values("")), &values(", values: [postgres]"), truths);
    let old = "excludedResources: [events]\n";
    let both = format!("{whole}{old}excludedNamespaceScopedResources: [leases]");
    of("old-and-new-filters", &both, old, truths);
    let listed = "includedResources: [pods, persistentvolumeclaims, persistentvolumes]\n";
    of("filters-that-overlap", &format!("{whole}{listed}excludedResources: [pods]"), listed, truths);
}

/// What is judged by the objects in the backup.
fn objects(truths: &mut Truths<'_, '_>) {
    let spec = backup("includedNamespaces: [truth-labelled]");
    let (wrong, right) = (all(&[LABELLED, &spec]), all(&[PLAIN, &spec]));
    let rule = Rule { id: "excluded-namespace-is-included", beside: "", wrong: &wrong, right: &right };
    truths.rule(&rule, |on| match text(&on.backed_up(), "/status/phase") {
        "Completed" => "Completed".to_owned(),
        phase => format!("{phase}: nothing is backed up"),
    });
    let spec = backup("includedNamespaces: [@ns@]\nincludedResources: [configmaps]");
    let map = |value: &str| {
        let labels = format!("{{velero.io/exclude-from-backup: \"{value}\"}}");
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: truth-private, namespace: @ns@, labels: {labels}}}\ndata: {{a: b}}"
        )
    };
    let (wrong, right) = (all(&[&map("yes"), &spec]), all(&[&map("true"), &spec]));
    let rule = Rule { id: "exclude-label-without-effect", beside: "", wrong: &wrong, right: &right };
    truths.rule(&rule, |on| {
        on.backed_up();
        let there = on.archived("configmaps/namespaces/@ns@/truth-private");
        format!("the ConfigMap {} in the archive", if there { "is" } else { "is not" })
    });
    let secret = |on: &super::truth::On<'_>| {
        on.backed_up();
        let there = on.archived("secrets/namespaces/@ns@/postgres");
        let told =
            if there { "everything is in the archive, Secrets included" } else { "what is named is in the archive" };
        told.to_owned()
    };
    let wrong = backup("includedNamespaces: [@ns@]\nincludedNamespaceScopedResources: [persistentvolumes]");
    let right = backup("includedNamespaces: [@ns@]\nincludedNamespaceScopedResources: [persistentvolumeclaims]");
    truths.rule(&Rule { id: "resource-in-wrong-scope", beside: "", wrong: &wrong, right: &right }, secret);
    let wrong = backup("includedNamespaces: [@ns@]\nincludedResources: [volumesnapshots.snapshot.storage.k8s.io]");
    let right = backup("includedNamespaces: [@ns@]\nincludedResources: [persistentvolumeclaims, persistentvolumes]");
    truths.rule(&Rule { id: "snapshot-objects-included", beside: "", wrong: &wrong, right: &right }, secret);
    let wrong = backup("includedNamespaces: ['*']\nsnapshotVolumes: false");
    let right = backup("includedNamespaces: ['*']\nsnapshotVolumes: false\nincludeClusterResources: true");
    truths.rule(&Rule { id: "cluster-resources-left-out", beside: "", wrong: &wrong, right: &right }, |on| {
        on.backed_up();
        let there = on.archived("storageclasses.storage.k8s.io/cluster/csi-wffc");
        // Of every namespace there is: what comes after it on this node would find itself in it.
        backups::removed(on.node(), on.name);
        format!("the StorageClasses {} in the archive", if there { "are" } else { "are not" })
    });
}
