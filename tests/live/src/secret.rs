//! A password that every shop has, and where it must not appear.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::Shop;

/// What every shop's password begins with: looked for where it must not appear.
const PLANTED: &str = "planted-n0t-for-l0gs-";
/// The same in base64, as a Secret holds it; the last letters depend on what follows.
const PLANTED_IN_BASE64: &str = "cGxhbnRlZC1uMHQtZm9yLWwwZ3Mt";

/// A token in the clear in the database's pod template, as too many have it; the pods themselves hold it, of course.
pub(crate) const LITERAL: &str = "literal-n0t-for-l0gs";

/// Whether a text holds the password of any shop, or the token.
pub(crate) fn tells_a_secret(text: &str) -> bool {
    text.contains(LITERAL) || tells_a_password(text)
}

fn tells_a_password(text: &str) -> bool {
    text.contains(PLANTED) || text.contains(PLANTED_IN_BASE64)
}

pub(crate) fn password(namespace: &str) -> String {
    format!("{PLANTED}{namespace}")
}

impl Shop<'_> {
    /// No object of the cluster but the Secrets themselves holds the password, compressed plans and journals included,
    /// and nothing that commands left in their home does. What they print is looked through as they end.
    pub fn tells_no_secret(&self) {
        let node = self.node;
        for kinds in [
            "configmaps,events,leases.coordination.k8s.io",
            "backups.velero.io,restores.velero.io,downloadrequests.velero.io,podvolumerestores.velero.io",
            "persistentvolumeclaims,namespaces,persistentvolumes",
        ] {
            let text = node.kubectl(&["get", kinds, "-A", "-o", "json"]);
            assert!(!tells_a_secret(&text), "a secret is in {kinds}: {}", around(&text));
        }
        let pods = node.kubectl(&["get", "pods", "-A", "-o", "json"]);
        assert!(!tells_a_password(&pods), "a password is in pods: {}", around(&pods));
        let plans = node.get(&["configmaps", "-A", "-l", "kubectl-dr/operation"]);
        let mut read = 0;
        for piece in plans["items"].as_array().into_iter().flatten() {
            for data in piece["binaryData"].as_object().into_iter().flat_map(|data| data.values()) {
                let text = unpacked(data.as_str().unwrap_or_default());
                assert!(!tells_a_secret(&text), "a secret is in {}: {}", piece["metadata"]["name"], around(&text));
                read += 1;
            }
        }
        assert!(read > 0, "no plan was found to be looked through: {plans}");
        let wanted = format!("{PLANTED}|{PLANTED_IN_BASE64}|{LITERAL}");
        let grep = Command::new("grep").args(["-rlE", &wanted]).arg(node.home()).output().expect("grep");
        let found = String::from_utf8_lossy(&grep.stdout).into_owned();
        let told: Vec<&str> = found.lines().filter(|path| !path.ends_with("/manifest.yaml")).collect();
        assert!(told.is_empty(), "a password is in {told:?}");
    }
}

/// The text around what must not be there.
fn around(text: &str) -> String {
    let at = [PLANTED, PLANTED_IN_BASE64, LITERAL].iter().find_map(|secret| text.find(secret)).unwrap_or(0);
    text.chars().skip(at.saturating_sub(200)).take(400).collect()
}

/// Base64 of gzip, or what it is when it is not.
fn unpacked(base64: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", "base64 -d | gzip -dc"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("start gzip");
    let mut stdin = child.stdin.take().expect("a pipe");
    let text = base64.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let out = child.wait_with_output().expect("gzip's output");
    drop(writer.join());
    String::from_utf8_lossy(&out.stdout).into_owned()
}
