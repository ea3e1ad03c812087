//! Container images made by hand, without a registry: a file tree, a configuration and the names under which the
//! runtime finds it, packed the way `docker save` does. They are kept in the cache and imported into each node.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Node, postgres};
use crate::cache::{self, Cache};
use crate::servers::Servers;
use crate::{cmd, packages};

/// Changed when the recipes here change, so that archives made by older ones are not taken.
const RECIPE: &str = "1";
const USUAL_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(crate) const PAUSE: &str = "registry.k8s.io/pause:3.10";

/// The versions that images and manifests name.
pub(crate) struct Versions {
    pub(crate) kubernetes: String,
    pub(crate) etcd: String,
    pub(crate) velero: String,
}

impl Versions {
    pub(crate) fn ask(servers: &Servers) -> Result<Self> {
        let ask = |name: &str, args: &[&str]| -> Result<String> {
            cmd::output(
                Command::new(servers.file(name)?).args(args).env("HOME", "/nonexistent").env_remove("KUBECONFIG"),
            )
        };
        let version = |text: &str| -> Result<String> {
            let word = text
                .split_whitespace()
                .find(|word| word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()));
            Ok(word.context("the program names no version")?.to_owned())
        };
        Ok(Self {
            kubernetes: version(&ask("kubeadm", &["version", "-o", "short"])?)?,
            etcd: version(&ask("etcd", &["--version"])?)?,
            velero: version(&ask("velero", &["version", "--client-only"])?)?,
        })
    }

    pub(crate) fn velero_image(&self) -> String {
        format!("docker.io/velero/velero:{}", self.velero)
    }
}

pub(crate) const PLUGIN_IMAGE: &str = "docker.io/velero/velero-plugin-for-aws:local";
pub(crate) const S3_IMAGE: &str = "docker.io/versity/versitygw:local";
pub(crate) const DNS_IMAGE: &str = "docker.io/coredns/coredns:local";

/// Which images a step needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before the control plane can start.
    ControlPlane,
    /// Any time later.
    Rest,
}

/// Makes the tree of an image below a folder.
type Tree = Box<dyn Fn(&Path) -> Result<()> + Send + Sync>;

pub(crate) struct Image {
    name: &'static str,
    pub(crate) stage: Stage,
    references: Vec<String>,
    config: Value,
    stamp: String,
    tree: Tree,
}

/// All images of a node.
pub(crate) fn all(servers: &Servers, versions: &Versions) -> Result<Vec<Image>> {
    let mut images = Vec::new();
    for name in ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
        images.push(of_servers(
            servers,
            name,
            Stage::ControlPlane,
            &format!("registry.k8s.io/{name}:{}", versions.kubernetes),
            &[name],
            json!({}),
        )?);
    }
    let etcd = format!("registry.k8s.io/etcd:{}", versions.etcd);
    images.push(of_servers(servers, "etcd", Stage::ControlPlane, &etcd, &["etcd", "etcdctl", "etcdutl"], json!({}))?);
    images.push(of_servers(
        servers,
        "coredns",
        Stage::Rest,
        DNS_IMAGE,
        &["coredns"],
        json!({"Entrypoint": ["/usr/local/bin/coredns"]}),
    )?);
    images.push(of_servers(
        servers,
        "versitygw",
        Stage::Rest,
        S3_IMAGE,
        &["versitygw"],
        json!({"Entrypoint": ["/usr/local/bin/versitygw"]}),
    )?);
    images.push(velero(servers, versions)?);
    images.push(plugin(servers)?);
    images.push(Image {
        name: "pause",
        stage: Stage::ControlPlane,
        references: vec![PAUSE.to_owned()],
        config: json!({"Entrypoint": ["/bin/busybox", "sleep", "2147483647"]}),
        stamp: String::new(),
        tree: Box::new(|root| busybox(root, false)),
    });
    images.push(Image {
        name: "busybox",
        stage: Stage::Rest,
        references: ["1.35", "latest"].iter().map(|tag| format!("docker.io/library/busybox:{tag}")).collect(),
        config: json!({"Cmd": ["sh"]}),
        stamp: String::new(),
        tree: Box::new(|root| busybox(root, true)),
    });
    images.push(Image {
        name: "postgres",
        stage: Stage::Rest,
        references: vec!["docker.io/library/postgres:15".to_owned()],
        config: postgres::config(),
        stamp: postgres::stamp()?,
        tree: Box::new(postgres::tree),
    });
    Ok(images)
}

fn of_servers(
    servers: &Servers,
    name: &'static str,
    stage: Stage,
    reference: &str,
    programs: &[&str],
    config: Value,
) -> Result<Image> {
    let files: Vec<PathBuf> =
        programs.iter().map(|program| Ok(servers.file(program)?.to_path_buf())).collect::<Result<_>>()?;
    let tree = move |root: &Path| {
        folders(root)?;
        files.iter().try_for_each(|file| copy_into(file, &root.join("usr/local/bin")))
    };
    Ok(Image {
        name,
        stage,
        references: vec![reference.to_owned()],
        config,
        stamp: servers.stamp(programs)?,
        tree: Box::new(tree),
    })
}

/// Velero's image: its helpers lie beside it in `/`, and it runs as the user cnb, whose home it writes to.
fn velero(servers: &Servers, versions: &Versions) -> Result<Image> {
    let programs = ["velero", "velero-helper", "velero-restore-helper"];
    let files: Vec<PathBuf> =
        programs.iter().map(|program| Ok(servers.file(program)?.to_path_buf())).collect::<Result<_>>()?;
    let tree = move |root: &Path| {
        folders(root)?;
        files.iter().try_for_each(|file| copy_into(file, root))?;
        fs::create_dir_all(root.join("home/cnb"))?;
        chown(root.join("home/cnb"), Some(1002), Some(1000))?;
        fs::write(
            root.join("etc/passwd"),
            "root:x:0:0:root:/root:/sbin/nologin\ncnb:x:1002:1000::/home/cnb:/sbin/nologin\n",
        )?;
        fs::write(root.join("etc/group"), "root:x:0:\ncnb:x:1000:\n")?;
        Ok(())
    };
    Ok(Image {
        name: "velero",
        stage: Stage::Rest,
        references: vec![versions.velero_image()],
        config: json!({"Entrypoint": ["/velero"], "User": "1002:1000"}),
        stamp: servers.stamp(&programs)?,
        tree: Box::new(tree),
    })
}

/// The plugin's image copies the plugin into the volume that Velero reads plugins from.
fn plugin(servers: &Servers) -> Result<Image> {
    let file = servers.file("velero-plugin-for-aws")?.to_path_buf();
    let tree = move |root: &Path| {
        busybox(root, true)?;
        fs::create_dir(root.join("plugins"))?;
        copy_into(&file, &root.join("plugins"))
    };
    Ok(Image {
        name: "velero-plugin-for-aws",
        stage: Stage::Rest,
        references: vec![PLUGIN_IMAGE.to_owned()],
        config: json!({"Entrypoint": ["/bin/sh", "-c", "cp /plugins/* /target/"]}),
        stamp: servers.stamp(&["velero-plugin-for-aws"])?,
        tree: Box::new(tree),
    })
}

fn folders(root: &Path) -> Result<()> {
    for below in ["etc", "usr/local/bin", "tmp", "var/run"] {
        fs::create_dir_all(root.join(below))?;
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    Ok(())
}

fn copy_into(file: &Path, dir: &Path) -> Result<()> {
    let name = file.file_name().context("a program without a name")?;
    fs::copy(file, dir.join(name)).with_context(|| format!("copy {}", file.display()))?;
    Ok(())
}

/// Debian's static busybox, with a link per applet if asked. Its `wget` and `nslookup` crash, the rest works.
fn busybox(root: &Path, applets: bool) -> Result<()> {
    let program = packages::find("busybox").context("busybox is not installed")?;
    folders(root)?;
    fs::create_dir_all(root.join("bin"))?;
    fs::copy(&program, root.join("bin/busybox"))?;
    if applets {
        fs::write(
            root.join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
        )?;
        fs::write(root.join("etc/group"), "root:x:0:\nnobody:x:65534:\n")?;
        for applet in cmd::output(Command::new(&program).arg("--list"))?.lines().filter(|applet| *applet != "busybox") {
            symlink("busybox", root.join("bin").join(applet))?;
        }
    }
    Ok(())
}

impl Image {
    fn archive(&self, cache: &Cache) -> PathBuf {
        let config = self.config.to_string();
        let key = cache::key(&[
            RECIPE.as_bytes(),
            self.stamp.as_bytes(),
            config.as_bytes(),
            self.references.join(" ").as_bytes(),
        ]);
        cache.images().join(format!("{}-{key}.tar", self.name))
    }

    /// The archive of this image, made if the cache does not hold it. The caller holds the lock of the cache.
    pub(crate) fn make(&self, cache: &Cache) -> Result<PathBuf> {
        let archive = self.archive(cache);
        if archive.is_file() {
            return Ok(archive);
        }
        let half = archive.with_extension("half");
        let _ = fs::remove_dir_all(&half);
        let (root, pack) = (half.join("root"), half.join("pack"));
        fs::create_dir_all(&root)?;
        fs::create_dir_all(&pack)?;
        (self.tree)(&root).with_context(|| format!("make the files of the image {}", self.name))?;
        self.pack(&root, &pack)?;
        fs::rename(pack.join("image.tar"), &archive)?;
        fs::remove_dir_all(&half).with_context(|| format!("remove {}", half.display()))?;
        Ok(archive)
    }

    fn pack(&self, root: &Path, pack: &Path) -> Result<()> {
        let tar = |dir: &Path, out: &str, what: &[&str]| {
            cmd::output(
                Command::new("tar").arg("-C").arg(dir).args(["--numeric-owner", "-cf"]).arg(pack.join(out)).args(what),
            )
        };
        tar(root, "layer.tar", &["."])?;
        let sum = cmd::output(Command::new("sha256sum").arg(pack.join("layer.tar")))?;
        let layer = sum.split_whitespace().next().context("sha256sum printed no sum")?;
        let mut config = self.config.clone();
        if let Some(config) = config.as_object_mut() {
            config.entry("Env").or_insert_with(|| json!([USUAL_PATH]));
            config.entry("WorkingDir").or_insert_with(|| json!("/"));
        }
        let whole = json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer}")]},
        });
        fs::write(pack.join("config.json"), whole.to_string())?;
        let manifest = json!([{"Config": "config.json", "RepoTags": self.references, "Layers": ["layer.tar"]}]);
        fs::write(pack.join("manifest.json"), manifest.to_string())?;
        tar(pack, "image.tar", &["manifest.json", "config.json", "layer.tar"])?;
        Ok(())
    }
}

/// The names of the images in a node's runtime.
pub(crate) fn present(node: &Node) -> Result<String> {
    cmd::output(node.enter()?.args(["ctr", "-n", "k8s.io", "images", "ls", "-q"]))
}

impl Image {
    /// Imports the image unless the node has it under all of its names.
    pub(crate) fn import(&self, node: &Node, archive: &Path, present: &str) -> Result<()> {
        if self.references.iter().all(|reference| present.lines().any(|line| line == reference)) {
            return Ok(());
        }
        cmd::output(node.enter()?.args(["ctr", "-n", "k8s.io", "images", "import"]).arg(archive))
            .with_context(|| format!("import the image {}", self.name))?;
        Ok(())
    }
}
