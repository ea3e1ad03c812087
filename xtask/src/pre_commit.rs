//! pre-commit from `PyPI`, in an environment of its own in the cache: what the tests of the hooks run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cache::{self, Cache};
use crate::{cmd, packages};

const REQUIREMENTS: &str = "tests/pre-commit/requirements.txt";

/// The program, installed if it is not there yet. One environment per list of packages and Python.
pub(crate) fn install(cache: &Cache) -> Result<PathBuf> {
    let Some(python) = packages::find("python3") else { bail!("python3 is not on the PATH") };
    let requirements = cache::checkout()?.join(REQUIREMENTS);
    let wanted = fs::read(&requirements).with_context(|| format!("read {REQUIREMENTS}"))?;
    let version = cmd::output(Command::new(&python).arg("--version")).context("ask Python for its version")?;
    let key = cache::key(&[&wanted, version.as_bytes(), python.as_os_str().as_encoded_bytes()]);
    let folder = cache.root().join("pre-commit").join(key);
    let (program, done) = (folder.join("bin/pre-commit"), folder.join("done"));
    let _lock = cache::lock(&cache.locks(), "pre-commit")?;
    if done.is_file() {
        return Ok(program);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("remove what is half there: {}", folder.display()))?;
    }
    println!("installing pre-commit into {}", folder.display());
    let make = || cmd::output(Command::new(&python).args(["-m", "venv"]).arg(&folder));
    if make().is_err() {
        // Debian has the part of Python that makes environments in a package of its own.
        packages::apt(&["python3-venv"]).context("get python3-venv, without which Python makes no environment")?;
        make().context("make an environment of Python")?;
    }
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"]).arg(&requirements);
    cmd::output(&mut pip).with_context(|| format!("install what {REQUIREMENTS} lists"))?;
    cmd::output(Command::new(&program).arg("--version")).context("ask pre-commit for its version")?;
    fs::write(&done, b"").with_context(|| format!("write {}", done.display()))?;
    Ok(program)
}
