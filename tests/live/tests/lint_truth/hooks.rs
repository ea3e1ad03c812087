//! Rules about hooks.

use super::seen::{data, hooks};
use super::truth::{On, Rule, Truths, all, backup, text};
use super::volumes::{deployment, with_the_deployment};

/// A hook in the database's container; what is added to it and to its entry.
fn hook(command: &str, more: &str, entry: &str) -> String {
    backup(&format!(
        "includedNamespaces: [@ns@]\ndefaultVolumesToFsBackup: true\nhooks:\n  resources:\n  - name: truth\n    \
         includedNamespaces: [@ns@]\n    labelSelector: {{matchLabels: {{app: postgres}}}}\n{entry}    pre:\n    - exec:\n        \
         container: postgres\n        command: {command}\n{more}"
    ))
}

fn pod_and_data(on: &On<'_>) -> String {
    let said = data(on);
    let pod = on.archived("pods/namespaces/@ns@/postgres-0");
    format!("{said}; the pod {} in the archive", if pod { "is" } else { "is not" })
}

pub(super) fn rules(truths: &mut Truths<'_, '_>) {
    let fail = "        onError: Fail\n";
    let go_on = "        onError: Continue\n";
    let (wrong, right) = (hook("[\"false\"]", "", ""), hook("[\"false\"]", fail, ""));
    truths.rule(&Rule { id: "hook-error-ignored", beside: "", wrong: &wrong, right: &right }, pod_and_data);
    // The image has no role of the name that psql takes for itself.
    let checkpoint = "[psql, -c, CHECKPOINT]";
    let (wrong, right) = (hook(checkpoint, fail, ""), hook(checkpoint, go_on, ""));
    truths.rule(&Rule { id: "checkpoint-hook-fails-the-pod", beside: "", wrong: &wrong, right: &right }, pod_and_data);
    let wrong = hook("[\"true\"]", fail, "    includedResources: [statefulsets]\n");
    let right = hook("[\"true\"]", fail, "    includedResources: [pods]\n");
    truths.rule(&Rule { id: "hook-without-pods", beside: "", wrong: &wrong, right: &right }, hooks);
    let timeout = format!("{go_on}        timeout: 2m\n");
    let wrong = hook("[pg_dump, -U, $POSTGRES_USER, bookstore, '>', /tmp/truth.sql]", &timeout, "");
    let right = hook("[/bin/sh, -ec, 'pg_dump -U \"$POSTGRES_USER\" bookstore > /tmp/truth.sql']", &timeout, "");
    truths.rule(&Rule { id: "hook-needs-a-shell", beside: "", wrong: &wrong, right: &right }, hooks);
    let slow = "[/bin/sh, -ec, 'pg_dump -U \"$POSTGRES_USER\" bookstore > /tmp/truth.sql; sleep 35']";
    let (wrong, right) = (hook(slow, go_on, ""), hook(slow, &timeout, ""));
    truths.rule(&Rule { id: "hook-cut-off", beside: "", wrong: &wrong, right: &right }, hooks);
    let spec = backup("includedNamespaces: [@ns@]\nincludedResources: [pods]");
    let command = |command: &str| {
        let pods =
            format!("pre.hook.backup.velero.io/command: '{command}', pre.hook.backup.velero.io/on-error: Continue");
        all(&[&deployment("", &pods), &spec])
    };
    let (wrong, right) = (command("/bin/sh -c true"), command("[\"/bin/sh\", \"-c\", \"true\"]"));
    let rule = Rule { id: "hook-annotation-not-json", beside: "", wrong: &wrong, right: &right };
    truths.rule(&rule, |on| with_the_deployment(on, hooks));
    let frozen = |thaw: &str| {
        // A file stands for the filesystem: freezing one wants a privilege that no pod here has.
        let script = "fsfreeze --freeze /scratch || touch /scratch/frozen";
        let exec = |script: &str| {
            format!("{{exec: {{container: sleeper, onError: Continue, command: [/bin/sh, -c, '{script}']}}}}")
        };
        let post = if thaw.is_empty() { String::new() } else { format!("\n    post: [{}]", exec(thaw)) };
        let spec = format!(
            "includedNamespaces: [@ns@]\nincludedResources: [pods]\nhooks:\n  resources:\n  - name: truth\n    \
             labelSelector: {{matchLabels: {{app: truth-sleeper}}}}\n    pre: [{}]{post}",
            exec(script)
        );
        all(&[&deployment("", ""), &backup(&spec)])
    };
    let (wrong, right) = (frozen(""), frozen("fsfreeze --unfreeze /scratch || rm /scratch/frozen"));
    let rule = Rule { id: "freeze-without-thaw", beside: "", wrong: &wrong, right: &right };
    truths.rule(&rule, |on| {
        with_the_deployment(on, |on| {
            let phase = text(&on.backed_up(), "/status/phase").to_owned();
            let look = ["exec", "-n", on.namespace(), "deployment/truth-sleeper", "--", "ls", "/scratch"];
            let frozen = on.node().kubectl(&look).contains("frozen");
            format!(
                "{phase}, and {}",
                if frozen { "what the hook did is not undone" } else { "what the hook did is undone" }
            )
        })
    });
}
