//! The servers a node runs, built from the Go modules under `tests/servers/`.
//!
//! Each folder there holds `go.mod`, `go.sum` and `tools.go`; the imports of `tools.go` are what is built, the comment
//! behind an import is the executable's name, and a line `// ldflags:` holds the linker's flags. The executables live
//! in the cache under a key made of those three files, so a second run, or another checkout, builds nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

use crate::cache::{self, Cache};
use crate::{cmd, packages};

/// Seconds that a cold build takes on two cores, for the announcement only.
const EXPECTED: [(&str, u64); 11] = [
    ("coredns", 95),
    ("csi-attacher", 70),
    ("csi-provisioner", 110),
    ("etcd", 40),
    ("external-snapshotter", 150),
    ("krew", 15),
    ("kubernetes", 310),
    ("velero", 190),
    ("velero-1.17", 190),
    ("velero-plugin-for-aws", 120),
    ("versitygw", 50),
];
const GO_FLAGS: &str = "-buildvcs=false -trimpath -mod=readonly";
/// The module whose source holds the custom resource definitions of volume snapshots.
const SNAPSHOT_CRDS: &str = "github.com/kubernetes-csi/external-snapshotter/client/v8";

/// The executables by name, and the folder of the snapshot CRDs.
pub(crate) struct Servers {
    files: BTreeMap<String, PathBuf>,
    crds: PathBuf,
}

/// One folder of `tests/servers/`.
struct Module {
    name: String,
    dir: PathBuf,
    /// Where the executables go; exists only when all of them are built.
    built: PathBuf,
    ldflags: String,
    /// Import path and executable.
    packages: Vec<(String, String)>,
}

impl Servers {
    /// Builds what is not in the cache yet.
    pub(crate) fn build(cache: &Cache, velero: Option<&str>) -> Result<Self> {
        let modules = modules(cache, velero)?;
        let _lock = cache::lock(&cache.locks(), "servers")?;
        let missing: Vec<&Module> = modules.iter().filter(|module| !module.built.is_dir()).collect();
        if missing.is_empty() {
            println!("servers: all {} modules are built ({})", modules.len(), cache.servers().display());
        } else {
            if packages::find("go").is_none() {
                bail!(
                    "building the servers needs Go 1.26 or newer on the PATH; `--servers DIR` takes ready-made ones, and `cargo xtask test --no-live` works without"
                );
            }
            let seconds: u64 = missing.iter().map(|module| expected(&module.name)).sum();
            println!(
                "servers: {} of {} modules to build, about {} minutes on 2 cores when Go's build cache is cold",
                missing.len(),
                modules.len(),
                seconds.div_ceil(60)
            );
            for (at, module) in missing.iter().enumerate() {
                let began = Instant::now();
                println!("  [{}/{}] {} (about {} s)", at + 1, missing.len(), module.name, expected(&module.name));
                module.build().with_context(|| format!("build {}", module.name))?;
                println!(
                    "  [{}/{}] {} built in {:.0} s",
                    at + 1,
                    missing.len(),
                    module.name,
                    began.elapsed().as_secs_f64()
                );
            }
        }
        let mut files = BTreeMap::new();
        let mut crds = None;
        for module in &modules {
            for (_, executable) in &module.packages {
                files.insert(executable.clone(), module.built.join("bin").join(executable));
            }
            let here = module.built.join("crd");
            crds = crds.or_else(|| here.is_dir().then_some(here));
        }
        Ok(Self { files, crds: crds.context("no module of tests/servers brings the snapshot CRDs")? })
    }

    /// Takes ready-made executables: all of them in `dir`, the snapshot CRDs in `dir/crd`.
    pub(crate) fn ready_made(dir: &Path) -> Result<Self> {
        let dir = dir.canonicalize().with_context(|| format!("find the folder of servers {}", dir.display()))?;
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(&dir).with_context(|| format!("list {}", dir.display()))? {
            let entry = entry?;
            if entry.path().is_file() {
                files.insert(entry.file_name().to_string_lossy().into_owned(), entry.path());
            }
        }
        let crds = dir.join("crd");
        Ok(Self { files, crds })
    }

    /// The path of one executable.
    pub(crate) fn file(&self, name: &str) -> Result<&Path> {
        self.files
            .get(name)
            .map(PathBuf::as_path)
            .with_context(|| format!("the server {name} is not among those built or given"))
    }

    pub(crate) fn files(&self) -> &BTreeMap<String, PathBuf> {
        &self.files
    }

    pub(crate) fn crds(&self) -> &Path {
        &self.crds
    }

    /// What distinguishes these builds of `names` from others: for the names of things made from them.
    pub(crate) fn stamp(&self, names: &[&str]) -> Result<String> {
        let mut text = String::new();
        for name in names {
            let path = self.file(name)?;
            let meta = fs::metadata(path).with_context(|| format!("look at {}", path.display()))?;
            let age = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
            let _ = writeln!(text, "{} {} {age}", path.display(), meta.len());
        }
        Ok(text)
    }
}

fn expected(name: &str) -> u64 {
    EXPECTED.iter().find(|(known, _)| *known == name).map_or(180, |(_, seconds)| *seconds)
}

fn modules(cache: &Cache, velero: Option<&str>) -> Result<Vec<Module>> {
    let root = cache::checkout()?.join("tests/servers");
    let mut modules = Vec::new();
    let mut veleros = Vec::new();
    for entry in fs::read_dir(&root).with_context(|| format!("list {}", root.display()))? {
        let dir = entry?.path();
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !dir.join("go.mod").is_file() {
            continue;
        }
        // `velero` is the default version; `velero-1.17` and the like are others to choose from.
        let other_velero =
            name.strip_prefix("velero-").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if name == "velero" || other_velero {
            veleros.push((velero_version(&dir)?, Module::read(cache, name, dir)?));
        } else {
            modules.push(Module::read(cache, name, dir)?);
        }
    }
    let known: Vec<String> = veleros.iter().map(|(version, _)| version.clone()).collect();
    let chosen = veleros.into_iter().find(|(version, module)| match velero {
        None => module.name == "velero",
        Some(wanted) => {
            let wanted = wanted.trim_start_matches('v');
            version == wanted || version.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
        }
    });
    let Some((_, module)) = chosen else {
        bail!(
            "no module under tests/servers builds Velero {}; there are: {}",
            velero.unwrap_or("(default)"),
            known.join(", ")
        );
    };
    modules.push(module);
    // What everything else waits for comes first.
    modules.sort_by_key(|module| (!matches!(module.name.as_str(), "kubernetes" | "etcd"), module.name.clone()));
    Ok(modules)
}

fn velero_version(dir: &Path) -> Result<String> {
    let text = fs::read_to_string(dir.join("go.mod"))?;
    let line = text
        .lines()
        .find_map(|line| line.trim().trim_start_matches("require ").strip_prefix("github.com/vmware-tanzu/velero v"));
    let version = line.and_then(|rest| rest.split_whitespace().next());
    Ok(version.with_context(|| format!("{} does not require Velero", dir.join("go.mod").display()))?.to_owned())
}

/// The import path and the executable's name of a line `_ "PATH" // NAME`.
fn import(line: &str) -> Option<(String, String)> {
    let (path, rest) = line.trim().strip_prefix("_ \"")?.split_once('"')?;
    let executable = rest.trim().strip_prefix("//")?;
    Some((path.to_owned(), executable.trim().to_owned()))
}

impl Module {
    fn read(cache: &Cache, name: String, dir: PathBuf) -> Result<Self> {
        let read = |file: &str| fs::read(dir.join(file)).with_context(|| format!("read {}", dir.join(file).display()));
        let (gomod, gosum, tools) = (read("go.mod")?, read("go.sum")?, read("tools.go")?);
        let key = cache::key(&[&gomod, &gosum, &tools, GO_FLAGS.as_bytes()]);
        let tools = String::from_utf8_lossy(&tools).into_owned();
        let ldflags = tools.lines().find_map(|line| line.strip_prefix("// ldflags: ")).unwrap_or_default().to_owned();
        let packages = tools.lines().filter_map(import).collect();
        let built = cache.servers().join(format!("{name}-{key}"));
        Ok(Self { name, dir, built, ldflags, packages })
    }

    fn go(&self) -> Command {
        let mut go = Command::new("nice");
        go.args(["-n", "5", "go"])
            .current_dir(&self.dir)
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", GO_FLAGS)
            .env("GOWORK", "off");
        go
    }

    /// Builds into a folder beside the final one and renames it, so that half a build is never taken for a whole one.
    fn build(&self) -> Result<()> {
        let half = self.built.with_extension("half");
        let _ = fs::remove_dir_all(&half);
        fs::create_dir_all(half.join("bin")).with_context(|| format!("create {}", half.display()))?;
        for (package, executable) in &self.packages {
            cmd::output(
                self.go()
                    .args(["build", "-ldflags", &self.ldflags, "-o"])
                    .arg(half.join("bin").join(executable))
                    .arg(package),
            )?;
        }
        if self.name == "external-snapshotter" {
            let source = cmd::output(self.go().args(["list", "-m", "-f", "{{.Dir}}", SNAPSHOT_CRDS]))?;
            let source = Path::new(source.trim()).join("config/crd");
            fs::create_dir(half.join("crd"))?;
            for entry in fs::read_dir(&source).with_context(|| format!("list {}", source.display()))? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with("snapshot.storage.k8s.io_") {
                    fs::write(half.join("crd").join(entry.file_name()), fs::read(entry.path())?)?;
                }
            }
        }
        fs::rename(&half, &self.built).with_context(|| format!("rename to {}", self.built.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_with_a_comment_names_an_executable() {
        let found = import("\t_ \"go.etcd.io/etcd/server/v3\"    // etcd");
        assert_eq!(found, Some(("go.etcd.io/etcd/server/v3".to_owned(), "etcd".to_owned())));
        assert_eq!(import("package tools"), None);
    }

    #[test]
    fn every_committed_module_builds_something_and_has_sums() {
        for entry in fs::read_dir(cache::checkout().unwrap().join("tests/servers")).unwrap() {
            let dir = entry.unwrap().path();
            let tools = fs::read_to_string(dir.join("tools.go")).unwrap();
            assert!(tools.lines().any(|line| import(line).is_some()), "{}", dir.display());
            assert!(dir.join("go.sum").is_file(), "{}", dir.display());
        }
    }
}
