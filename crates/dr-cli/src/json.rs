//! What programs read: versioned copies of our values, so that a new field is a compile error until somebody places it.
//!
//! Every kind has a schema in `docs/schema/`; a test holds the outputs to them.

pub(crate) mod backup;
pub(crate) mod closing;
pub(crate) mod coverage;
pub(crate) mod error;
pub(crate) mod facts;
pub(crate) mod file;
pub(crate) mod list;
pub(crate) mod plan;
pub(crate) mod recovery;
pub(crate) mod schedule;
pub(crate) mod status;
pub(crate) mod verify;

/// `apiVersion` of everything written here.
pub(crate) const VERSION: &str = "dr/v1";

#[cfg(test)]
pub(crate) mod tests {
    use jiff::SignedDuration;
    use serde::Serialize;
    use serde_json::Value;

    use crate::backup::result::{BackupResult, Fingerprinted, Kept, Method, VolumeResult};
    use crate::glue::Record;
    use crate::report::Failure;
    use crate::samples::{self, Diary};

    /// Holds an output to its schema in `docs/schema`.
    #[track_caller]
    pub(crate) fn fits(schema: &str, output: &impl Serialize) {
        let path = format!("{}/../../docs/schema/{schema}.json", env!("CARGO_MANIFEST_DIR"));
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        jsonschema::meta::validate(&schema).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let output = serde_json::to_value(output).unwrap();
        let faults: Vec<String> =
            validator.iter_errors(&output).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    #[test]
    fn a_plan_fits_its_schema_and_is_read_back_as_it_was() {
        let plan = samples::plan();
        let output = super::plan::PlanV1::from(&plan);
        fits("plan", &output);
        let text = serde_json::to_string(&output).unwrap();
        assert_eq!(super::plan::read("plan.json", &text).unwrap(), plan);
    }

    #[test]
    fn whatever_the_planner_plans_fits_the_schema_of_a_plan() {
        use crate::bookstore::{Bookstore, By};
        let mut gone = Bookstore::new(By::Snapshot);
        gone.lose_namespace();
        let mut lost = Bookstore::new(By::Files);
        lost.remove(dr_core::kind::Kind::PersistentVolumeClaim, "data-postgres-0");
        for bookstore in [Bookstore::new(By::Files), Bookstore::new(By::Snapshot), gone, lost] {
            fits("plan", &super::plan::PlanV1::from(&bookstore.plan()));
        }
    }

    #[test]
    fn a_plan_cut_anywhere_is_never_taken_for_a_plan() {
        let plan = samples::plan();
        let text = serde_json::to_string_pretty(&super::plan::PlanV1::from(&plan)).unwrap();
        for end in (0..text.len()).step_by(97) {
            let failure = super::plan::read("plan.json", &text[..end]).unwrap_err();
            assert_eq!(failure.exit, crate::exit::Exit::Usage, "cut at {end}");
        }
    }

    #[test]
    fn every_stage_of_a_run_fits_its_schema() {
        let staged = samples::fingerprint(&[("shop.public.books", 1)]);
        let open = Diary::new().up_to("verify/data-postgres-0/read", None, &staged).story();
        let failed = Diary::new().up_to("confirm", None, &staged).failed("quiesce/postgres", "forbidden").story();
        let declined = Diary::new()
            .up_to("verify/data-postgres-0/read", Some(&staged), &staged)
            .failed("confirm", "declined: nothing is gained")
            .turned(dr_run::journal::Turn::Declined, "nothing is gained")
            .story();
        for story in [Diary::new().story(), open, failed, declined, samples::restored()] {
            fits("run-status", &super::status::RunStatusV1::from(&story));
        }
    }

    #[test]
    fn a_list_of_runs_fits_its_schema() {
        let record = |outcome| Record {
            id: "q4ws2tze".into(),
            namespace: "shop".into(),
            backup: "nightly-2".into(),
            made: samples::MADE,
            outcome,
            closed: false,
        };
        let records = [record(None), record(Some("restored")), record(Some("rolled-back"))];
        fits("run-list", &super::list::RunListV1::from(records.as_slice()));
    }

    #[test]
    fn a_closing_fits_its_schema_before_and_after() {
        let kept = dr_run::finalize::KeptVolume {
            volume: "pvc-old".into(),
            claim: "data".into(),
            holds: "before the restore".into(),
            fate: dr_run::finalize::Fate::HeldBy("shop/rescued".to_owned()),
        };
        let todo = dr_run::finalize::Closing { steps: samples::plan().steps().cloned().collect(), kept: vec![kept] };
        for left in [None, Some(&[][..]), Some(&["give back: forbidden".to_owned()][..])] {
            fits("closing", &super::closing::ClosingV1::new("q4ws2tze", "shop", &todo, left));
        }
    }

    #[test]
    fn what_carrying_on_would_do_fits_the_schema_of_a_status() {
        let story = samples::restored();
        let ahead = story.ahead_with(Some((dr_run::journal::Direction::Back, dr_run::journal::Turn::UndoRequested)));
        fits("run-status", &super::status::RunStatusV1::from(&story).with_next(ahead.unwrap().todo));
    }

    #[test]
    fn a_backup_plan_fits_its_schema() {
        let volume = |claim: &str, objection: Option<&str>| crate::backup::preflight::Volume {
            claim: claim.into(),
            method: Method::FileSystem,
            driver: None,
            reader: None,
            engine: None,
            opted_in: false,
            objection: objection.map(str::to_owned),
        };
        let volumes = [volume("data", None), volume("cache", Some("no running pod mounts it"))];
        let warnings = ["claim cache stays out".to_owned()];
        fits("backup-plan", &super::backup::BackupPlanV1::new("shop-1", "shop", "default", &volumes, &warnings));
    }

    #[test]
    fn a_backup_result_fits_its_schema() {
        let volume = |kept, fingerprint| VolumeResult {
            claim: "data".into(),
            method: Method::CsiSnapshot,
            kept,
            engine: Some("postgres".into()),
            fingerprint,
        };
        let result = BackupResult {
            backup: "shop-1".into(),
            namespace: "shop".into(),
            phase: "Completed".into(),
            took: SignedDuration::from_millis(7_100),
            volumes: vec![
                volume(Kept::Yes { because: "there".into(), bytes: Some(5) }, Fingerprinted::BeforeAndAfter),
                volume(Kept::No { because: "skipped".into() }, Fingerprinted::No("none".into())),
            ],
            warnings: vec!["claim cache stays out".into()],
        };
        fits("backup-result", &super::backup::BackupResultV1::from(&result));
    }

    #[test]
    fn a_coverage_fits_its_schema_and_so_does_the_answer_for_one_object() {
        let covered = crate::backup::covered::tests::covered();
        fits("coverage", &super::coverage::CoverageV1::from(&covered));
        let claim = dr_core::select::ItemRef::new("persistentvolumeclaims", Some("shop"), "data");
        let one = serde_json::to_value(super::coverage::CoverageV1::of_item(&covered, &claim)).unwrap();
        fits("coverage", &one);
        assert_eq!(one["judged"][0]["volumes"].as_array().unwrap().len(), 1);
        assert_eq!(one["judged"][0]["items"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn a_status_of_backups_fits_its_schema_whatever_is_known() {
        let answer = crate::backup::status::tests::answer();
        fits("backup-status", &super::recovery::BackupStatusV1::from(&answer));
    }

    #[test]
    fn a_verification_fits_its_schema_whatever_was_found() {
        let answer = crate::backup::verify::tests::answer();
        fits("backup-verification", &super::verify::BackupVerificationV1::from(&answer));
    }

    #[test]
    fn an_error_fits_its_schema_with_and_without_a_hint() {
        fits("error", &super::error::ErrorV1::from(&Failure::usage("what is this")));
        let refusal = dr_core::refusal::Refusal::one("claim data", "it was skipped", "--leave data");
        fits("error", &super::error::ErrorV1::from(&Failure::from_refusal("cannot restore", refusal).hint("look")));
    }
}
