//! `kind: Facts`: what was read of a cluster and what was asked of it, without what is secret. A bug report with it
//! becomes a test.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use dr_core::facts::{self, Facts};
use dr_core::{choose, redact};
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::json::VERSION;
use crate::json::file::Wanted;
use crate::report::Failure;

/// What a plan was asked for, beside the facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Asked {
    /// The id that the plan got, or would have got.
    pub(crate) id: String,
    pub(crate) choice: choose::Request,
    pub(crate) objects_missing: bool,
    pub(crate) accept_unproven: bool,
    /// What `dr.yaml` allows to be lost.
    pub(crate) rpo_seconds: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FactsV1<'a> {
    api_version: &'static str,
    kind: &'static str,
    written_by: &'static str,
    asked: &'a Asked,
    facts: Facts,
}

/// The document, redacted.
fn document<'a>(facts: &Facts, asked: &'a Asked) -> FactsV1<'a> {
    FactsV1 {
        api_version: VERSION,
        kind: "Facts",
        written_by: concat!("kubectl-dr ", env!("CARGO_PKG_VERSION")),
        asked,
        facts: redact::facts(facts),
    }
}

/// Writes it where only the user reads it: names and addresses are nobody else's business until they are sent on.
pub(crate) fn write(path: &Path, facts: &Facts, asked: &Asked) -> Result<(), Failure> {
    let doing = || format!("cannot write the facts to {}", path.display());
    let text =
        serde_json::to_string_pretty(&document(facts, asked)).map_err(|error| Failure::failed(doing(), error))?;
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()));
    written.map_err(|error| Failure::failed(doing(), error).with_exit(Exit::Usage))
}

/// Reads saved facts, or says at which place they are none.
pub(crate) fn read(name: &str, text: &str) -> Result<(Facts, Asked), Failure> {
    let again = "save them again: kubectl dr restore plan --ns NAMESPACE --facts-out facts.json";
    let wanted = Wanted { name, kind: "Facts", format: facts::FORMAT, again };
    let opened = wanted.open(text)?;
    let asked = wanted.part(&opened.whole, "/asked")?;
    Ok((opened.inner, asked))
}

#[cfg(test)]
mod tests {
    use dr_core::kind::Kind;
    use dr_core::object::Object;
    use serde_json::{Value, json};

    use super::*;
    use crate::bookstore::{Bookstore, By};
    use crate::restore::plan::{Unchosen, chosen, planned};

    fn asked(choice: choose::Request) -> Asked {
        Asked { id: "k7x2p".into(), choice, objects_missing: false, accept_unproven: true, rpo_seconds: Some(3600) }
    }

    fn saved(facts: &Facts, asked: &Asked) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("facts.json");
        write(&path, facts, asked).unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_plan_from_saved_facts_is_the_plan_from_the_cluster() {
        let mut gone = Bookstore::new(By::Snapshot);
        gone.lose_namespace();
        for bookstore in [Bookstore::new(By::Files), Bookstore::new(By::Snapshot), gone] {
            let asked = asked(bookstore.choice.clone());
            let plan = |facts: &Facts, asked: &Asked| planned(facts, &chosen(facts, asked).unwrap(), asked).unwrap();
            let (facts, again) = read("facts.json", &saved(&bookstore.facts, &asked)).unwrap();
            assert_eq!(again, asked);
            assert_eq!(plan(&facts, &again), plan(&bookstore.facts, &asked));
        }
    }

    #[test]
    fn a_refusal_from_saved_facts_is_the_refusal_from_the_cluster() {
        let mut bookstore = Bookstore::new(By::Files);
        bookstore.set(Kind::Backup, "nightly", "/status/phase", json!("Failed"));
        let asked = asked(bookstore.choice.clone());
        let refused = |facts: &Facts| match chosen(facts, &asked) {
            Err(Unchosen::Refused(failure)) => failure.render(),
            other => panic!("{other:?}"),
        };
        let (facts, _) = read("facts.json", &saved(&bookstore.facts, &asked)).unwrap();
        assert_eq!(refused(&facts), refused(&bookstore.facts));
    }

    /// In every place where a cluster keeps what nobody else may know.
    #[test]
    fn a_planted_secret_is_nowhere_in_the_file() {
        const PLANTED: &str = "correct-horse-battery";
        let mut bookstore = Bookstore::new(By::Files);
        let env =
            json!([{ "name": "PLAIN", "value": PLANTED }, { "name": "PGDATA", "value": "/var/lib/postgresql/data" }]);
        let container = json!({ "name": "x", "env": env, "args": ["--password", PLANTED, "--dsn",
            format!("postgres://shop:{PLANTED}@db/books"), format!("--api-key={PLANTED}")] });
        let applied = json!({ "kubectl.kubernetes.io/last-applied-configuration": format!("{{\"data\":{{\"a\":\"{PLANTED}\"}}}}") });
        bookstore.set(Kind::Deployment, "orders", "/spec/template/spec/containers", json!([container.clone()]));
        bookstore.set(Kind::Deployment, "orders", "/spec/template/spec/initContainers", json!([container.clone()]));
        bookstore.set(Kind::Secret, "postgres", "/metadata/annotations", applied.clone());
        bookstore.set(Kind::Secret, "postgres", "/data", json!({ "password": PLANTED }));
        bookstore.set(
            Kind::Backup,
            "nightly",
            "/spec/hooks",
            json!({ "resources": [{ "pre": [{ "exec": { "command": ["sh", "-c", PLANTED] } }] }] }),
        );
        bookstore.add(
            Kind::ConfigMap,
            json!({ "metadata": { "name": "settings", "namespace": "bookstore" }, "data": { "a": PLANTED } }),
        );
        bookstore.add(
            Kind::CronJob,
            json!({ "metadata": { "name": "c", "namespace": "bookstore", "annotations": applied },
            "spec": { "jobTemplate": { "spec": { "template": { "spec": { "containers": [container] } } } } } }),
        );
        bookstore.add(Kind::Application, json!({ "metadata": { "name": "a", "namespace": "argocd" },
            "spec": { "source": { "helm": { "values": format!("x: {PLANTED}"), "parameters": [{ "name": "p", "value": PLANTED }] } } } }));
        bookstore.add(
            Kind::HelmRelease,
            json!({ "metadata": { "name": "a", "namespace": "flux" }, "spec": { "values": { "x": PLANTED } } }),
        );
        bookstore.add(Kind::Kustomization, json!({ "metadata": { "name": "a", "namespace": "flux" }, "spec": { "postBuild": { "substitute": { "x": PLANTED } } } }));
        bookstore.add(Kind::ScaledObject, json!({ "metadata": { "name": "a", "namespace": "bookstore" }, "spec": { "triggers": [{ "metadata": { "connection": PLANTED } }] } }));
        let of = bookstore.facts.documents.get_mut("nightly").unwrap();
        if let facts::Document::Read(archive) = &mut of.archive {
            let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "stringData": { "x": PLANTED } });
            let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" }, "spec": { "containers": [{ "env": [{ "name": "A", "value": PLANTED }] }] } });
            archive.objects.extend([Object(secret), Object(pod)]);
        }
        let before = serde_json::to_string(&bookstore.facts).unwrap();
        assert_eq!(before.matches(PLANTED).count(), 24, "the test plants less than it thinks");
        let text = saved(&bookstore.facts, &asked(bookstore.choice.clone()));
        let left: Vec<&str> = text.lines().filter(|line| line.contains(PLANTED)).collect();
        assert!(left.is_empty(), "{}", left.join("\n"));
    }

    #[test]
    fn saved_facts_fit_their_schema() {
        let bookstore = Bookstore::new(By::Files);
        crate::json::tests::fits("facts", &document(&bookstore.facts, &asked(bookstore.choice.clone())));
    }

    #[test]
    fn facts_cut_anywhere_are_never_taken_for_facts() {
        let bookstore = Bookstore::new(By::Files);
        let text = saved(&bookstore.facts, &asked(bookstore.choice.clone()));
        for end in (0..text.trim_end().len()).step_by(193) {
            let failure = read("facts.json", &text[..end]).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "cut at {end}");
        }
    }

    #[test]
    fn what_are_no_facts_is_named_with_its_place() {
        let mut newer: Value =
            serde_json::from_str(&saved(&Bookstore::new(By::Files).facts, &asked(choose::Request::default()))).unwrap();
        newer["facts"]["format"] = json!(2);
        let mut unasked = newer.clone();
        unasked["facts"]["format"] = json!(1);
        unasked["asked"] = json!({ "id": "x" });
        let texts = [newer.to_string(), unasked.to_string(), r#"{"apiVersion":"dr/v1","kind":"Plan"}"#.to_owned()];
        let told = texts.iter().map(|text| {
            let failure = read("facts.json", text).unwrap_err();
            let told: Vec<String> = std::iter::once(failure.error.to_string()).chain(failure.causes()).collect();
            format!("{}: {}", failure.exit.code(), told.join(" / "))
        });
        insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @r"
        3: facts.json: at /facts/format: 2 is newer than 1, which this version reads
        2: facts.json: at /asked: this is not as format 1 of Facts has it / missing field `choice`
        2: facts.json: at /kind: this is of kind Plan, not Facts
        ");
    }
}
