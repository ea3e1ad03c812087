//! Rules about Schedules.

use std::time::Duration;

use dr_live::until;

use super::truth::{On, Rule, Truths, name, said, text, velero, written};

const SCHEDULES: &str = "schedules.velero.io";

fn schedule(cron: &str, more: &str) -> String {
    velero("Schedule", &format!("schedule: {cron}\n{more}template: {{includedNamespaces: [@ns@], ttl: 720h}}"))
}

pub(super) fn rules(truths: &mut Truths<'_, '_>) {
    let (wrong, right) = (schedule("0 25 * * *", ""), schedule("0 23 1 1 *", ""));
    truths.rule(&Rule { id: "cron-invalid", beside: "", wrong: &wrong, right: &right }, |on| {
        on.apply();
        let phase = until("Velero has looked at the schedule", 60, || {
            let found = on.node().get(&[SCHEDULES, on.name, "-n", "velero"]);
            Some(text(&found, "/status/phase").to_owned()).filter(|phase| !phase.is_empty())
        });
        format!("the Schedule is {phase}")
    });
    let healthy = schedule("0 23 1 1 *", "").replace("@name@", "truth-healthy");
    let wrong = schedule("0 23 1 1 *", "").replace("720h", "30d");
    let right = schedule("0 23 1 1 *", "");
    let rule = Rule { id: "unreadable-duration", beside: "", wrong: &wrong, right: &right };
    truths.rule(&rule, |on| {
        on.apply();
        on.node().apply(&healthy.replace("@ns@", on.namespace()));
        // It takes a healthy one within a second or two, and within some more once it can read them again.
        let taken =
            || text(&on.node().get(&[SCHEDULES, "truth-healthy", "-n", "velero"]), "/status/phase") == "Enabled";
        let works = (0..40).any(|_| {
            std::thread::sleep(Duration::from_secs(1));
            taken()
        });
        on.node().kubectl(&["delete", SCHEDULES, "truth-healthy", "-n", "velero"]);
        format!("a Schedule that was made after it {}", if works { "is Enabled" } else { "is never looked at" })
    });
    by_the_minute(truths);
}

/// Velero looks for what is due once a minute: all of them wait for it together.
fn by_the_minute(truths: &mut Truths<'_, '_>) {
    let every_minute = "'* * * * *'";
    let long = "truth-a-schedule-whose-name-is-longer-than-a-label-of-kubernetes-may-be";
    let cases = [
        ("cron-never-fires", [schedule("0 0 30 2 *", ""), schedule("0 0 28 2 *", "")]),
        ("schedule-paused", [schedule(every_minute, "paused: true\n"), schedule(every_minute, "")]),
        ("schedule-name-too-long", [schedule(every_minute, "").replace("@name@", long), schedule(every_minute, "")]),
    ];
    let shop = truths.shop;
    truths.otherwise("what is due by the minute", || {
        let nothing = written(shop, "truth-nothing", "");
        let mut made = Vec::new();
        for (id, texts) in &cases {
            for (which, text_of) in ["wrong", "right"].into_iter().zip(texts) {
                let name = name(id, which);
                let manifest = written(shop, &name, text_of);
                let found = said(shop.node, &manifest, &nothing);
                assert_eq!(found.iter().any(|found| found == id), which == "wrong", "{name}: lint says {found:?}");
                On { shop, manifest: &manifest, name: &name }.apply();
                let called = if text_of.contains(long) { long.to_owned() } else { name };
                made.push((called, manifest));
            }
        }
        std::thread::sleep(Duration::from_secs(140));
        let backups = shop.node.get(&["backups.velero.io", "-n", "velero"]);
        let backups = backups["items"].as_array().cloned().unwrap_or_default();
        let mut seen = made.iter().map(|(called, manifest)| {
            let of_it = |backup| text(backup, "/metadata/name").starts_with(&format!("{called}-2"));
            let some = backups.iter().any(of_it);
            shop.node.kubectl(&["delete", "-f", &manifest.to_string_lossy()]);
            if some { "backups are made within minutes" } else { "no backup is made" }.to_owned()
        });
        let mut next = || seen.next().expect("one for each manifest");
        cases.iter().map(|(id, _)| (*id, [next(), next()])).collect()
    });
}
