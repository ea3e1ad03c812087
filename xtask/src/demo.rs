//! `cargo xtask demo`: a bookstore loses its data in three ways and gets it back, every command typed through kubectl.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::cache::{self, Cache};
use crate::node::{self, Node};
use crate::{cmd, dist};

const NAMESPACE: &str = "bookstore";
const TRANSCRIPT: &str = "docs/evidence/demo.txt";

pub(crate) struct Options {
    /// Use the cluster that kubectl points at.
    pub(crate) on_current: bool,
    /// Write the transcript below `docs/evidence`.
    pub(crate) record: bool,
}

/// Where commands are typed, and what was said so far.
struct Stage {
    kubectl: PathBuf,
    path: String,
    kubeconfig: Option<PathBuf>,
    home: PathBuf,
    transcript: String,
    rows: Vec<(String, String, String, f64)>,
}

pub(crate) fn demo(options: &Options) -> Result<ExitCode> {
    let root = cache::checkout()?;
    println!("building the four executables");
    cmd::output(Command::new("cargo").args(["build", "--locked", "--bins"]).current_dir(&root))?;
    let mut stage = stage(options, &root)?;
    play(&mut stage, &root)?;
    if options.record {
        let file = root.join(TRANSCRIPT);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        }
        fs::write(&file, &stage.transcript).with_context(|| format!("write {}", file.display()))?;
        println!("written: {TRANSCRIPT}");
    }
    Ok(ExitCode::SUCCESS)
}

fn stage(options: &Options, root: &Path) -> Result<Stage> {
    let executables = dist::target(root)?.join("debug");
    let given = std::env::var("PATH").unwrap_or_default();
    if options.on_current {
        let home = std::env::var_os("HOME").map(PathBuf::from).context("HOME is not set")?;
        let path = format!("{}:{given}", executables.display());
        return Ok(Stage {
            kubectl: "kubectl".into(),
            path,
            kubeconfig: None,
            home,
            transcript: String::new(),
            rows: Vec::new(),
        });
    }
    let name = node::DEFAULT_NAME.to_owned();
    node::up::up(&node::up::Options { name: name.clone(), plane: false, velero: None, servers: None })?;
    let node = Node::open(&Cache::open()?, &name)?;
    let bin = node.path("bin");
    Ok(Stage {
        kubectl: bin.join("kubectl"),
        path: format!("{}:{}:{given}", executables.display(), bin.display()),
        kubeconfig: Some(node.kubeconfig()),
        home: node.path("home"),
        transcript: String::new(),
        rows: Vec::new(),
    })
}

impl Stage {
    fn kubectl(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.args(args).env("PATH", &self.path).env("HOME", &self.home).env("NO_COLOR", "1").stdin(Stdio::null());
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        command
    }

    fn say(&mut self, text: &str) {
        println!("{text}");
        let _ = writeln!(self.transcript, "{text}");
    }

    /// Types a command, shows it with what it says; its time.
    fn types(&mut self, args: &[&str]) -> Result<f64> {
        self.say(&format!("\n$ kubectl {}", args.join(" ")));
        let began = Instant::now();
        let out = self.kubectl(args).output().context("start kubectl")?;
        for stream in [&out.stderr, &out.stdout] {
            self.say(String::from_utf8_lossy(stream).trim_end());
        }
        if !out.status.success() {
            bail!("`kubectl {}` ended with {}", args.join(" "), out.status);
        }
        Ok(began.elapsed().as_secs_f64())
    }

    fn sql(&self, sql: &str) -> Result<String> {
        let psql = "psql -h 127.0.0.1 -U $POSTGRES_USER -d $POSTGRES_DB -XAtq -v ON_ERROR_STOP=1 -c \"$0\"";
        let args = ["exec", "-n", NAMESPACE, "postgres-0", "-c", "postgres", "--", "sh", "-c", psql, sql];
        Ok(cmd::output(&mut self.kubectl(&args))?.trim().to_owned())
    }

    /// Rows and checksum of the table nobody writes; what is wrong when it cannot be read.
    fn books(&self) -> String {
        let sql = "select count(*) || ' rows, ' || md5(string_agg(b::text, ';' order by id)) from books b";
        self.sql(sql).unwrap_or_else(|_| "not there".to_owned())
    }

    fn wait(&self, what: &str, seconds: u64, mut there: impl FnMut(&Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while !there(self) {
            if Instant::now() > deadline {
                bail!("{what}: not within {seconds} s");
            }
            thread::sleep(Duration::from_millis(500));
        }
        Ok(())
    }

    fn lost_and_restored(&mut self, loss: &str) -> Result<()> {
        let damaged = self.books();
        self.say(&format!("\nbooks now: {damaged}"));
        let took = self.types(&["dr", "restore", "--ns", NAMESPACE, "--yes"])?;
        self.wait("the database answers", 120, |stage| stage.sql("select 1").is_ok())?;
        let restored = self.books();
        self.say(&format!("\nbooks now: {restored}"));
        self.rows.push((loss.to_owned(), damaged, restored, took));
        Ok(())
    }
}

fn play(stage: &mut Stage, root: &Path) -> Result<()> {
    let manifest = root.join("tests/live/manifests/bookstore.yaml");
    let text = fs::read_to_string(&manifest).with_context(|| format!("read {}", manifest.display()))?;
    let text = text
        .replace("@namespace@", NAMESPACE)
        .replace("@class@", "csi-wffc")
        .replace("@pod-annotations@", "{backup.velero.io/backup-volumes: data}")
        .replace("@padding@", "20000")
        .replace("@password@", "only-for-the-demo");
    if cmd::output(&mut stage.kubectl(&["get", "namespace", NAMESPACE])).is_ok() {
        bail!("the namespace {NAMESPACE} exists already: kubectl delete namespace {NAMESPACE}");
    }
    cmd::feed(&mut stage.kubectl(&["apply", "-f", "-"]), text.as_bytes())?;
    let opened = |stage: &Stage| stage.sql("select count(*) > 3 from orders").is_ok_and(|answer| answer == "t");
    stage.wait("the bookstore is open", 180, opened)?;
    stage.say("A bookstore is open: PostgreSQL on a CSI volume, one order a second.");
    stage.types(&["get", "pods,pvc", "-n", NAMESPACE])?;
    let before = stage.books();
    stage.say(&format!("\nbooks: {before}"));
    stage.types(&["dr", "backup", "--ns", NAMESPACE])?;

    stage.say("\n--- DROP TABLE");
    stage.sql("drop table books cascade")?;
    stage.lost_and_restored("DROP TABLE")?;
    stage.types(&["dr", "restore", "undo", "--ns", NAMESPACE, "--yes"])?;
    let undone = stage.books();
    stage.say(&format!("\nbooks now: {undone}"));
    stage.types(&["dr", "restore", "redo", "--ns", NAMESPACE, "--yes"])?;
    let again = stage.books();
    stage.say(&format!("\nbooks now: {again}"));

    stage.say("\n--- the claim is deleted; the StatefulSet makes an empty one");
    cmd::output(&mut stage.kubectl(&["delete", "pvc", "data-postgres-0", "-n", NAMESPACE, "--wait=false"]))?;
    cmd::output(&mut stage.kubectl(&["delete", "pod", "postgres-0", "-n", NAMESPACE]))?;
    let empty = |stage: &Stage| stage.sql("select to_regclass('orders') is null").is_ok_and(|answer| answer == "t");
    stage.wait("an empty database", 180, empty)?;
    stage.lost_and_restored("claim deleted")?;

    stage.say("\n--- the namespace is deleted");
    cmd::output(&mut stage.kubectl(&["delete", "namespace", NAMESPACE, "--timeout=180s"]))?;
    stage.lost_and_restored("namespace deleted")?;

    stage.say(&format!("\nbooks before: {before}\n"));
    for (loss, lost, restored, took) in stage.rows.clone() {
        let same = if restored == before { "equal" } else { "DIFFERENT" };
        stage.say(&format!("{loss:<18} lost: {lost:<10.10}  restored: {same}  in {took:.1} s"));
    }
    if stage.rows.iter().any(|(_, _, restored, _)| *restored != before) || undone == before || again != before {
        bail!("what came back is not what was there");
    }
    Ok(())
}
