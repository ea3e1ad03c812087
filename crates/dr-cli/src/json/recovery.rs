//! `kind: BackupStatus`: how well namespaces could be brought back.

use dr_core::recovery::{Limit, Point, Recovery, Run, Standing, Survives};
use dr_core::verify::{OfNamespace, Verdict};
use jiff::Timestamp;
use serde::Serialize;

use crate::backup::status::Answer;
use crate::exit::Exit;
use crate::json::VERSION;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupStatusV1<'a> {
    api_version: &'static str,
    kind: &'static str,
    taken: Timestamp,
    exit_code: u8,
    exit: Exit,
    items: Vec<ItemV1<'a>>,
    notes: &'a [String],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemV1<'a> {
    namespace: &'a str,
    standing: &'static str,
    because: &'a str,
    point: Option<PointV1<'a>>,
    verified: Option<VerifiedV1<'a>>,
    limit: Option<LimitV1<'a>>,
    next: Option<NextV1<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PointV1<'a> {
    backup: &'a str,
    taken: Timestamp,
    age_seconds: i64,
    claims: usize,
    bytes: Option<u64>,
    survives_loss_of: &'static str,
    passed_over: Vec<PassedOverV1<'a>>,
}

#[derive(Debug, Serialize)]
struct PassedOverV1<'a> {
    backup: &'a str,
    because: &'a str,
}

/// What `backup verify` found last of the point's backup, from this machine.
#[derive(Debug, Serialize)]
struct VerifiedV1<'a> {
    at: Timestamp,
    verdict: Verdict,
    because: &'a str,
}

#[derive(Debug, Serialize)]
struct LimitV1<'a> {
    seconds: i64,
    because: &'a str,
}

#[derive(Debug, Serialize)]
struct NextV1<'a> {
    schedule: &'a str,
    at: Timestamp,
    overdue: bool,
}

impl<'a> From<&'a Answer> for BackupStatusV1<'a> {
    fn from(answer: &'a Answer) -> Self {
        let exit = answer.exit();
        Self {
            api_version: VERSION,
            kind: "BackupStatus",
            taken: answer.taken,
            exit_code: exit.code(),
            exit,
            items: answer.namespaces.iter().map(|one| ItemV1::of(one, answer.verified.get(&one.namespace))).collect(),
            notes: &answer.notes,
        }
    }
}

impl<'a> ItemV1<'a> {
    fn of(one: &'a Recovery, verified: Option<&'a OfNamespace>) -> Self {
        let Recovery { namespace, standing, because, point, limit, next } = one;
        let standing = match standing {
            Standing::Gone => "gone",
            Standing::Nothing => "nothing",
            Standing::Unknown => "unknown",
            Standing::Old => "old",
            Standing::Overdue => "overdue",
            Standing::NoSchedule => "no-schedule",
            Standing::Good => "good",
        };
        Self {
            namespace,
            standing,
            because,
            point: point.as_ref().map(PointV1::from),
            verified: verified.map(|OfNamespace { at, verdict, because, volumes: _ }| VerifiedV1 {
                at: *at,
                verdict: *verdict,
                because,
            }),
            limit: limit.as_ref().map(|Limit { age, because }| LimitV1 { seconds: age.as_secs(), because }),
            next: next.as_ref().map(|Run { schedule, at, overdue }| NextV1 { schedule, at: *at, overdue: *overdue }),
        }
    }
}

impl<'a> From<&'a Point> for PointV1<'a> {
    fn from(point: &'a Point) -> Self {
        let Point { backup, taken, age, claims, bytes, survives, passed_over } = point;
        Self {
            backup,
            taken: *taken,
            age_seconds: age.as_secs(),
            claims: *claims,
            bytes: *bytes,
            survives_loss_of: match survives {
                Survives::Namespace => "namespace",
                Survives::Cluster => "cluster",
            },
            passed_over: passed_over.iter().map(|(backup, because)| PassedOverV1 { backup, because }).collect(),
        }
    }
}
