//! What a backup is judged against: what the manifests have in the namespaces it names.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of a test")]

use dr_lint::{Input, Settings};

/// A database in a namespace; without a name none is written.
fn database(namespace: &str) -> String {
    let namespace = if namespace.is_empty() { String::new() } else { format!(", namespace: {namespace}") };
    format!(
        "\
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db{namespace}, labels: {{tier: data}}}}
spec:
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec: {{containers: [{{name: db, image: 'postgres:17', volumeMounts: [{{name: data, mountPath: /d}}]}}]}}
  volumeClaimTemplates: [{{metadata: {{name: data}}, spec: {{accessModes: [ReadWriteOnce]}}}}]
"
    )
}

/// A Backup that takes the `StatefulSet`s of namespaces and misses their claims.
fn backup(name: &str, namespaces: &str) -> String {
    format!(
        "apiVersion: velero.io/v1\nkind: Backup\nmetadata: {{name: {name}, namespace: velero}}\nspec:\n  \
         includedNamespaces: [{namespaces}]\n  labelSelector: {{matchLabels: {{tier: data}}}}\n"
    )
}

/// The claims that each Backup is said to miss.
fn missed(documents: &[String]) -> Vec<(String, String)> {
    let mut input = Input::default();
    input.add("f.yaml", documents.join("---\n").as_bytes(), false);
    let findings = dr_lint::judge(&input, &Settings::default()).findings;
    let left_out = findings.iter().filter(|finding| finding.rule == "volume-left-out");
    let mut found: Vec<_> = left_out
        .map(|finding| (input.objects[finding.object.unwrap()].name().to_owned(), finding.subject.clone()))
        .collect();
    found.sort();
    found
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(backup, claim)| ((*backup).to_owned(), (*claim).to_owned())).collect()
}

#[test]
fn each_backup_is_held_against_its_own_namespaces_however_many_there_are() {
    let names: Vec<String> = (10..40).map(|at| format!("app-{at}")).collect();
    let databases = names.iter().map(|name| database(name));
    let backups = names.iter().map(|name| backup(name, name));
    let documents: Vec<String> = databases.chain(backups).collect();
    let wanted = names.iter().map(|name| (name.clone(), format!("{name}/data-db-0")));
    assert_eq!(missed(&documents), wanted.collect::<Vec<_>>());
}

#[test]
fn several_namespaces_all_of_them_and_none_that_is_not_named() {
    let documents = [database("a"), database("b"), database("c"), backup("some", "a, c")];
    assert_eq!(missed(&documents), pairs(&[("some", "a/data-db-0"), ("some", "c/data-db-0")]));
    let documents = [database("a"), database("b"), backup("all", "'*'")];
    assert_eq!(missed(&documents), pairs(&[("all", "a/data-db-0"), ("all", "b/data-db-0")]));
    assert_eq!(missed(&[database("a"), backup("other", "b")]), []);
}

#[test]
fn what_names_no_namespace_is_where_kubectl_would_put_it() {
    assert_eq!(missed(&[database(""), backup("here", "default")]), pairs(&[("here", "default/data-db-0")]));
}
