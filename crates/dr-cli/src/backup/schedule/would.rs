//! The Schedule that would be written now, beside the one that is there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dr_core::cron::{Cron, Gaps};
use dr_core::drift;
use dr_core::engine::quoted;
use dr_core::facts::Facts;
use dr_core::go_duration::GoDuration;
use dr_core::kind::Kind;
use dr_core::object::{Key, Object, string_map};
use dr_core::recovery::{self, Limit, Velero};
use dr_core::refusal::Refusal;
use dr_core::select::Policies;
use dr_core::timetable::{self, Advice, Clock, Planned};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::WishArgs;
use crate::backup::coverage;
use crate::backup::preflight::{self, Volume};
use crate::backup::spec::{self, Wanted};
use crate::config;
use crate::exit::Exit;
use crate::flags::Flags;
use crate::glue::{self, Session};
use crate::report::Failure;

/// What Velero keeps a backup for where neither it nor the server says (`pkg/cmd/server/config/config.go:
/// defaultBackupTTL` at v1.18.3).
const TTL: SignedDuration = SignedDuration::from_hours(720);

/// Everything about one Schedule.
pub(crate) struct Would {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) velero: String,
    pub(crate) taken: Timestamp,
    pub(crate) context: String,
    pub(crate) server: String,
    pub(crate) location: String,
    pub(crate) volumes: Vec<Volume>,
    /// As it would be.
    pub(crate) object: Value,
    /// As it is, without what the server notes down; none where there is none yet.
    pub(crate) live: Option<Value>,
    pub(crate) resource_version: Option<String>,
    /// The ConfigMap with resource policies that it names, as it would be.
    pub(crate) policy: Option<Policy>,
    pub(crate) cron: String,
    pub(crate) ttl: SignedDuration,
    pub(crate) gaps: Option<Gaps>,
    pub(crate) warnings: Vec<Advice>,
}

pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) object: Value,
    /// As it is; none where there is no such ConfigMap.
    pub(crate) live: Option<Object>,
}

impl Policy {
    pub(crate) fn data(&self) -> BTreeMap<String, String> {
        string_map(self.object.pointer("/data"))
    }

    pub(crate) fn live_data(&self) -> Option<BTreeMap<String, String>> {
        self.live.as_ref().map(|live| string_map(live.at("/data")))
    }

    pub(crate) fn differs(&self) -> bool {
        self.live_data() != Some(self.data())
    }

    /// Refuses where another one's stands under the name.
    fn check(&self, namespace: &str) -> Result<(), Refusal> {
        let foreign = self.live.as_ref().is_some_and(|live| live.label(spec::NAMESPACE) != Some(namespace));
        if foreign {
            let because = "it is there already and is not that of a schedule of this namespace";
            return Err(Refusal::one(format!("ConfigMap {}", self.name), because, "give another --name"));
        }
        Ok(())
    }
}

/// Reads a cron expression as a command line's.
pub(crate) fn timetable(text: &str) -> Result<(Cron, TimeZone), Failure> {
    let read = timetable::read(text, &Clock::utc(), &glue::zone);
    read.map_err(|error| Failure::usage(error.to_string()).hint("such as --cron '0 1 * * *'"))
}

impl Would {
    pub(crate) fn key(&self) -> Key {
        Key::namespaced(Kind::Schedule, &self.velero, &self.name)
    }

    /// How a command that takes something back begins: it names the cluster, wherever it is typed.
    pub(crate) fn kubectl(&self, flags: &Flags) -> String {
        let mut command = "kubectl".to_owned();
        if let Some(file) = &flags.connection.kubeconfig {
            let _ = write!(command, " --kubeconfig {}", quoted(&file.to_string_lossy()));
        }
        if !self.context.is_empty() {
            let _ = write!(command, " --context {}", quoted(&self.context));
        }
        format!("{command} -n {}", self.velero)
    }

    /// Why the Schedule that is there is not this namespace's to write: others would lose their backups.
    pub(crate) fn foreign(&self) -> Option<String> {
        let live = self.live.as_ref()?;
        let label = live.pointer("/metadata/labels/kubectl-dr~1namespace").and_then(Value::as_str);
        if let Some(other) = label.filter(|label| *label != self.namespace) {
            return Some(format!("it is that of namespace {other}"));
        }
        let included = live.pointer("/spec/template/includedNamespaces").and_then(Value::as_array);
        let included: Vec<&str> = included.into_iter().flatten().filter_map(Value::as_str).collect();
        match included.as_slice() {
            [only] if *only == self.namespace => None,
            [] | ["*"] => Some("it backs every namespace up".to_owned()),
            many => Some(format!("it backs up {}", many.join(", "))),
        }
    }

    /// How it ends where the Schedule, once it is as it would be, is known to give less than everything back.
    pub(crate) fn shortfall(&self) -> Option<Exit> {
        let told = |about: &str| self.warnings.iter().any(|warning| warning.about == about);
        match (told("stopped") || told("cron"), told("coverage")) {
            (true, _) => Some(Exit::Failed),
            (false, true) => Some(Exit::Partly),
            (false, false) => None,
        }
    }

    /// Something would be written.
    pub(crate) fn drifts(&self) -> bool {
        self.live.as_ref() != Some(&self.object) || self.policy.as_ref().is_some_and(Policy::differs)
    }
}

/// Reads the namespace and decides what its Schedule should be. `cron`: of the command line.
pub(crate) async fn would(
    session: &Session,
    namespace: &str,
    cron: Option<&str>,
    wish: &WishArgs,
    rpo: Option<Limit>,
) -> Result<Would, Failure> {
    let doing = || format!("cannot tell what the schedule of namespace {namespace} should be");
    let refused = |refusal: Refusal| Failure::from_refusal(doing(), refusal);
    let facts = session.capture(namespace).await?;
    let live = live(&facts, wish.name.as_deref()).map_err(refused)?;
    let name = match (&wish.name, live) {
        (Some(name), _) => name.clone(),
        (None, Some(live)) => live.name().to_owned(),
        (None, None) => namespace.to_owned(),
    };
    // Velero labels each backup by it (`pkg/controller/schedule_controller.go:getBackup` at v1.18.3), and makes none where
    // it does not fit.
    if name.len() > 63 {
        return Err(Failure::usage(format!("{name} is too long for a Schedule: a label holds 63 characters")));
    }
    let at = |pointer: &str| live.and_then(|live| live.str_at(pointer));
    let location = wish.storage_location.as_deref().or(at("/spec/template/storageLocation"));
    let location = preflight::location(&facts, location).map_err(refused)?;
    let volumes = preflight::volumes(&facts, wish.way.wish()).map_err(refused)?;
    let mut objections = preflight::objections(&volumes).map_err(refused)?;
    objections.extend(preflight::doubts(&volumes));
    let velero = session.velero_namespace().to_owned();
    let config = crate::config::find()?;
    let hooks = config.hooks(namespace);
    preflight::hooks(&facts, hooks).map_err(refused)?;
    let wanted =
        Wanted { name: &name, namespace, velero_namespace: &velero, location: &location, ttl: wish.ttl, hooks };
    let mut ours = spec::schedule(&wanted, &volumes, cron);
    // One that follows Velero's default goes on to do so.
    if live.is_some()
        && wish.storage_location.is_none()
        && let Some(template) = ours.pointer_mut("/spec/template").and_then(Value::as_object_mut)
    {
        template.remove("storageLocation");
    }
    let bare = live.map(|live| drift::bare(&live.0));
    let mut object = bare.as_ref().map_or_else(|| ours.clone(), |live| drift::overlay(live, &ours));
    if spec::policy(&wanted, &volumes).is_none() {
        without_our_policy(&mut object, &name);
    }
    let policy = match spec::policy(&wanted, &volumes) {
        None => None,
        Some(object) => {
            let name = spec::policy_name(&name);
            let live = session.velero_object(Kind::ConfigMap, &name).await?;
            let policy = Policy { name, object, live };
            policy.check(namespace).map_err(refused)?;
            Some(policy)
        }
    };
    let mut would = Would {
        taken: facts.taken,
        context: facts.context.clone(),
        server: facts.server.clone(),
        namespace: namespace.to_owned(),
        location,
        resource_version: live.and_then(|live| live.resource_version()).map(str::to_owned),
        cron: text(&object, "/spec/schedule").to_owned(),
        ttl: ttl(&facts, &object),
        name,
        velero,
        volumes,
        object,
        live: bare,
        policy,
        gaps: None,
        warnings: objections.into_iter().map(|says| Advice { about: "volume", says }).collect(),
    };
    judge(session, &facts, &mut would, wish, rpo).await?;
    Ok(would)
}

/// Policies of an earlier time, when volumes were taken in both ways, would leave volumes out now.
fn without_our_policy(schedule: &mut Value, name: &str) {
    if text(schedule, "/spec/template/resourcePolicy/name") == spec::policy_name(name)
        && let Some(template) = schedule.pointer_mut("/spec/template").and_then(Value::as_object_mut)
    {
        template.remove("resourcePolicy");
    }
}

/// The Schedule that is asked about: by its name, by our label, or the one that has the namespace's name.
fn live<'a>(facts: &'a Facts, name: Option<&str>) -> Result<Option<&'a Object>, Refusal> {
    let all: Vec<&Object> = facts.of(Kind::Schedule, &facts.velero_namespace)?.collect();
    let named = |name: &str| all.iter().find(|schedule| schedule.name() == name).copied();
    if let Some(name) = name {
        return Ok(named(name));
    }
    let namespace = facts.namespace.as_str();
    let ours: Vec<&Object> =
        all.iter().filter(|schedule| schedule.label(spec::NAMESPACE) == Some(namespace)).copied().collect();
    match ours.as_slice() {
        [] => Ok(named(namespace)),
        [only] => Ok(Some(only)),
        [..] => {
            let all: Vec<&str> = ours.iter().map(|schedule| schedule.name()).collect();
            let because = format!("it has several schedules: {}", all.join(", "));
            Err(Refusal::one(format!("namespace {namespace}"), because, "name one with --name"))
        }
    }
}

async fn judge(
    session: &Session,
    facts: &Facts,
    would: &mut Would,
    wish: &WishArgs,
    rpo: Option<Limit>,
) -> Result<(), Failure> {
    let failed = |unread| Failure::from_refusal("cannot judge the schedule", Refusal::from(unread));
    let object = Object(would.object.clone());
    if let Some(idle) = dr_core::schedule::unreadable(&object) {
        would.warnings.push(Advice { about: "stopped", says: format!("{}; {}", idle.says, idle.fix) });
    }
    match timetable::read(&would.cron, &Clock::of(facts, &glue::zone), &glue::zone) {
        Err(error) => would.warnings.push(Advice { about: "cron", says: error.to_string() }),
        Ok((cron, zone)) => {
            let (name, ttl) = (would.name.clone(), would.ttl);
            let planned = Planned { name: &name, cron: &cron, zone: &zone, ttl, rpo: rpo.as_ref() };
            would.gaps = cron.gaps_in(facts.taken, &zone);
            would.warnings.extend(timetable::advise(facts, &planned, &glue::zone).map_err(failed)?);
        }
    }
    if object.bool_at("/spec/paused") == Some(true) {
        would.warnings.push(Advice { about: "paused", says: "it is paused and makes no backups".to_owned() });
    }
    let velero = velero(session, facts, would, &object, wish).await;
    let leave = config::find()?.left(&would.namespace);
    if let Err(why) = recovery::takes(facts, &velero, &object, &leave).map_err(failed)? {
        would.warnings.push(Advice { about: "coverage", says: why });
    }
    Ok(())
}

/// With the policies that would be written in the place of those that are.
async fn velero(session: &Session, facts: &Facts, would: &Would, object: &Object, wish: &WishArgs) -> Velero {
    let server = recovery::server(facts, wish.velero_version);
    let mut policies = BTreeMap::new();
    let named = dr_core::select::Backup::of(object).ok();
    let named = named.and_then(|backup| backup.spec.policy_name().map(str::to_owned));
    let global = server.as_ref().ok().and_then(|server| server.global_policies_name.clone());
    for name in named.into_iter().chain(global) {
        let read = match &would.policy {
            Some(policy) if policy.name == name => Ok(Some(policy.data())),
            Some(_) | None => session.velero_config(&name).await,
        };
        policies.insert(name, read.map_or(Policies::NotRead, coverage::policies));
    }
    Velero { server, policies }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// How long a backup of it is kept.
fn ttl(facts: &Facts, object: &Value) -> SignedDuration {
    let own = GoDuration::parse(text(object, "/spec/template/ttl")).ok().filter(|ttl| ttl.0 > 0);
    let flag =
        || facts.of(Kind::Deployment, &facts.velero_namespace).into_iter().flatten().find_map(timetable::server_ttl);
    own.or_else(flag).map_or(TTL, |ttl| SignedDuration::from_secs(ttl.seconds()))
}
