//! `cargo xtask dist`: the archive of the four executables and the manifest by which krew installs it.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use flate2::{Compression, GzBuilder};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::cache;

const EXECUTABLES: [&str; 4] = ["kubectl-dr", "kubectl-dr-backup", "kubectl-dr-lint", "kubectl-dr-restore"];
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];
/// What a person is willing to download for a plugin, per executable.
const MOST_BYTES: u64 = 10 << 20;
const TEMPLATE: &str = "krew/dr.yaml.in";
const MANIFEST: &str = "krew/dr.yaml";

/// What was made.
pub(crate) struct Dist {
    pub(crate) archive: PathBuf,
    pub(crate) manifest: PathBuf,
    /// Each executable and its bytes.
    pub(crate) sizes: Vec<(&'static str, u64)>,
}

/// How much of the machine the build may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Whole,
    /// What others leave over.
    Background,
}

/// Builds, packs and describes. `base` is the address the archive will be downloaded from, without its name.
pub(crate) fn dist(base: Option<&str>, pace: Pace) -> Result<Dist> {
    let root = cache::checkout()?;
    let target = target(&root)?;
    build(&root, pace)?;
    let made = target.join("dist");
    let mut contents = Vec::new();
    let mut sizes = Vec::new();
    for name in EXECUTABLES {
        let path = made.join(name);
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let size = bytes.len() as u64;
        println!("{:>9.1} MiB  {name}", mebibytes(size));
        if size > MOST_BYTES {
            bail!("{name} has {:.1} MiB, more than the {:.0} it may have", mebibytes(size), mebibytes(MOST_BYTES));
        }
        sizes.push((name, size));
        contents.push((name, 0o755, bytes));
    }
    for name in LICENCES {
        let bytes = fs::read(root.join(name)).with_context(|| format!("read {name}"))?;
        contents.push((name, 0o644, bytes));
    }
    let packed = pack(&contents)?;
    let (os, arch) = platform()?;
    let name = format!("kubectl-dr-{os}-{arch}.tar.gz");
    let archive = made.join(&name);
    save(&archive, &packed)?;
    let sum = Sha256::digest(&packed).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let uri = base.map_or_else(|| name.clone(), |base| format!("{}/{name}", base.trim_end_matches('/')));
    let template = fs::read_to_string(root.join(TEMPLATE)).with_context(|| format!("read {TEMPLATE}"))?;
    let values = [("version", env!("CARGO_PKG_VERSION")), ("os", os), ("arch", arch), ("uri", &uri), ("sha256", &sum)];
    let manifest = root.join(MANIFEST);
    save(&manifest, fill(&template, &values)?.as_bytes())?;
    println!("{:>9.1} MiB  {}", mebibytes(packed.len() as u64), archive.display());
    println!("sha256 {sum}, in {}", manifest.display());
    Ok(Dist { archive, manifest, sizes })
}

/// Copies the four executables from one folder to another, which it returns.
pub(crate) fn copied(from: &Path, to: &Path) -> Result<PathBuf> {
    fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    for name in EXECUTABLES {
        // One that runs still is not written over, but replaced.
        let (source, place) = (from.join(name), to.join(name));
        if place.exists() {
            fs::remove_file(&place).with_context(|| format!("remove {}", place.display()))?;
        }
        fs::copy(&source, &place).with_context(|| format!("copy {}", source.display()))?;
    }
    Ok(to.to_path_buf())
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}

/// The names krew and Go have for this machine.
fn platform() -> Result<(&'static str, &'static str)> {
    let os = match env::consts::OS {
        "linux" => "linux",
        "macos" => "darwin",
        other => bail!("no archive is made on {other}"),
    };
    let arch = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => bail!("no archive is made for {other}"),
    };
    Ok((os, arch))
}

fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// Where cargo puts what it builds.
pub(crate) fn target(root: &Path) -> Result<PathBuf> {
    let mut command = Command::new(cargo());
    command.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(root);
    let metadata: Value = serde_json::from_str(&crate::cmd::output(&mut command)?).context("read cargo's metadata")?;
    let target = metadata.get("target_directory").and_then(Value::as_str);
    Ok(PathBuf::from(target.context("cargo's metadata names no target directory")?))
}

fn build(root: &Path, pace: Pace) -> Result<()> {
    // The paths of this machine would otherwise stand in every panic message, and no two machines build the same.
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let mut flags = vec![remap(root, ".")];
    flags.extend(home.map(|home| remap(&home, "cargo")));
    let mut command = match pace {
        Pace::Whole => Command::new(cargo()),
        Pace::Background => {
            let mut nice = Command::new("nice");
            nice.args(["-n", "19"]).arg(cargo());
            nice
        }
    };
    let status = command
        .args(["build", "--locked", "--profile", "dist", "--bins"])
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .current_dir(root)
        .stdin(Stdio::null())
        .status()
        .context("start cargo build")?;
    if !status.success() {
        bail!("cargo build --profile dist ended with {status}");
    }
    Ok(())
}

fn remap(from: &Path, to: &str) -> String {
    format!("--remap-path-prefix={}={to}", from.display())
}

/// The same bytes for the same contents: no time, no owner, in order of the names.
fn pack(contents: &[(&str, u32, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut sorted: Vec<_> = contents.iter().collect();
    sorted.sort_by_key(|(name, _, _)| *name);
    let mut archive = tar::Builder::new(Vec::new());
    for (name, mode, bytes) in sorted {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        archive.append_data(&mut header, name, bytes.as_slice()).with_context(|| format!("pack {name}"))?;
    }
    let plain = archive.into_inner().context("end the archive")?;
    let mut packed = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    packed.write_all(&plain).context("compress the archive")?;
    packed.finish().context("compress the archive")
}

fn fill(template: &str, values: &[(&str, &str)]) -> Result<String> {
    let filled =
        values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value));
    match filled.find("{{") {
        Some(at) => bail!("{TEMPLATE} asks for something nobody gives: {}", filled.get(at..at + 20).unwrap_or("{{")),
        None => Ok(filled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_in_another_order_make_the_same_archive() {
        let one = [("b", 0o755, vec![1, 2, 3]), ("a", 0o644, vec![4])];
        let other = [("a", 0o644, vec![4]), ("b", 0o755, vec![1, 2, 3])];
        assert_eq!(pack(&one).unwrap(), pack(&other).unwrap());
    }

    #[test]
    fn a_template_that_asks_for_more_than_there_is_makes_no_manifest() {
        assert_eq!(fill("v{{version}}", &[("version", "1.2.3")]).unwrap(), "v1.2.3");
        assert!(fill("v{{version}} {{date}}", &[("version", "1.2.3")]).is_err());
    }

    #[test]
    fn the_committed_template_is_filled_whole() {
        let template = fs::read_to_string(cache::checkout().unwrap().join(TEMPLATE)).unwrap();
        let values = [("version", "1.2.3"), ("os", "linux"), ("arch", "amd64"), ("uri", "x.tar.gz"), ("sha256", "00")];
        let manifest: serde_yaml::Value = serde_yaml::from_str(&fill(&template, &values).unwrap()).unwrap();
        assert_eq!(manifest["spec"]["platforms"][0]["bin"], "kubectl-dr");
        assert_eq!(manifest["metadata"]["name"], "dr");
    }
}
