//! Ctrl-C, an API server that dies and a connection that breaks in mid-run: the tool lets go and says how to go on, or
//! it retries.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dr_live::{By, Class, Ended, Fingerprint, Node, Shop, node, until};

/// A shop that has lost its books, and what they were.
fn damaged<'n>(node: &'n Node, namespace: &str) -> (Shop<'n>, Fingerprint) {
    let shop = Shop::open(node, namespace, By::Snapshot, Class::WaitForFirstConsumer, 1);
    let books = shop.table("books");
    shop.back_up();
    shop.drop_books();
    (shop, books)
}

/// Whatever became of it: it is over and says so, or let go, says how to go on, and ends that way.
fn goes_on(shop: &Shop<'_>, ended: Ended, books: &Fingerprint) {
    if ended.code != Some(0) {
        ended.exits(5).says("kubectl dr restore resume");
        shop.node.dr(&["restore", "resume", "--ns", &shop.namespace, "--yes"]).exits(0);
    }
    shop.wait_until_open();
    assert_eq!(shop.table("books"), *books);
    shop.orders_are_gapless();
    assert!(shop.staging().is_empty(), "{:?} was left", shop.staging());
}

fn wait_for_restore_object(shop: &Shop<'_>) {
    until("Velero is given a Restore", 60, || {
        let staging = shop.staging().into_iter().next()?;
        let restores = shop.node.get(&["restores.velero.io", "-n", "velero"]);
        let mut restores = restores["items"].as_array()?.iter();
        restores.find(|restore| restore["spec"]["namespaceMapping"][&shop.namespace] == *staging).map(|_| ())
    });
}

fn wait_until_stopped(shop: &Shop<'_>) {
    until("the database is scaled to 0", 120, || {
        let set = shop.node.try_kubectl(&[
            "get",
            "statefulset",
            "postgres",
            "-n",
            &shop.namespace,
            "-o",
            "jsonpath={.spec.replicas}",
        ]);
        (set.stdout == b"0").then_some(())
    });
}

#[test]
#[ignore = "long: the API server dies in it; not yet green on a loaded machine"]
fn ctrl_c_while_the_data_is_staged_lets_go_and_resume_finishes() {
    let node = node!();
    let (shop, books) = damaged(&node, "live-ctrl-c");
    let running = node.dr_start(&["restore", "--ns", &shop.namespace, "--yes"], &[], node.bin());
    wait_for_restore_object(&shop);
    running.signal("INT");
    let ended = running.ended(30).exits(5).says("kubectl dr restore resume").says("interrupted");
    assert!(!shop.staging().is_empty(), "it was to let go, not to take back");
    assert_eq!(shop.try_count("books"), None, "the shop is as it was\n{}", ended.told());
    goes_on(&shop, ended, &books);
}

#[test]
#[ignore = "long: the API server dies in it; not yet green on a loaded machine"]
fn ctrl_c_while_the_application_stands_still_lets_go_and_undo_starts_it_again() {
    let node = node!();
    let (shop, _) = damaged(&node, "live-ctrl-c-late");
    let old = shop.volume();
    let running = node.dr_start(&["restore", "--ns", &shop.namespace, "--yes"], &[], node.bin());
    wait_until_stopped(&shop);
    running.signal("INT");
    running.ended(30).exits(5).says("kubectl dr restore resume");
    node.dr(&["restore", "undo", "--ns", &shop.namespace, "--yes"]).exits(0);
    shop.wait_until_open();
    assert_eq!(shop.volume(), old);
    assert_eq!(shop.try_count("books"), None);
    assert!(shop.staging().is_empty(), "{:?} was left", shop.staging());
}

/// The process of this node's API server: the one that tells the address of the node's kubeconfig.
fn api_server(node: &Node) -> String {
    let server = node.kubectl(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"]);
    let host = server.trim_start_matches("https://").split(':').next().expect("a host").to_owned();
    let ours = format!("--advertise-address={host}");
    let mut found = fs::read_dir("/proc").expect("/proc").flatten().filter(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        let mut words = line.split('\0');
        words.next().is_some_and(|program| program.ends_with("kube-apiserver")) && words.any(|word| word == ours)
    });
    let entry = found.next().unwrap_or_else(|| panic!("no kube-apiserver with {ours}"));
    entry.file_name().to_string_lossy().into_owned()
}

#[test]
#[ignore = "long: the API server dies in it; not yet green on a loaded machine"]
fn an_api_server_that_dies_during_the_switch_is_waited_for() {
    let node = node!();
    let (shop, books) = damaged(&node, "live-api-dies");
    let running = node.dr_start(&["restore", "--ns", &shop.namespace, "--yes"], &[], node.bin());
    wait_until_stopped(&shop);
    let killed = Command::new("kill").args(["-9", &api_server(&node)]).status();
    assert!(killed.is_ok_and(|status| status.success()), "the API server was not killed");
    let ended = running.ended(300);
    until("the API server answers", 120, || {
        node.try_kubectl(&["get", "--raw", "/readyz"]).status.success().then_some(())
    });
    goes_on(&shop, ended, &books);
}

/// A port in front of the API server whose connections can be broken.
struct Wire {
    port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
    cut: Arc<AtomicBool>,
}

impl Wire {
    fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (open, cut) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (connections, broken) = (Arc::clone(&open), Arc::clone(&cut));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&server);
                let (false, Ok(server)) = (broken.load(Ordering::Relaxed), server) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (mut from, mut to) = (from.try_clone().expect("clone"), to.try_clone().expect("clone"));
                    std::thread::spawn(move || {
                        drop(std::io::copy(&mut from, &mut to));
                        drop(to.shutdown(std::net::Shutdown::Both));
                    });
                }
                connections.lock().expect("the connections").extend([client, server]);
            }
        });
        Self { port, open, cut }
    }

    /// Breaks what is open; new connections are closed at once for this time.
    fn breaks_for(&self, time: Duration) {
        self.cut.store(true, Ordering::Relaxed);
        for stream in self.open.lock().expect("the connections").drain(..) {
            drop(stream.shutdown(std::net::Shutdown::Both));
        }
        std::thread::sleep(time);
        self.cut.store(false, Ordering::Relaxed);
    }
}

#[test]
#[ignore = "long: the API server dies in it; not yet green on a loaded machine"]
fn a_connection_that_breaks_twice_is_made_again() {
    let node = node!();
    let (shop, books) = damaged(&node, "live-wire");
    let kubeconfig = node.kubectl(&["config", "view", "--raw", "-o", "json"]);
    let mut kubeconfig: serde_json::Value = serde_json::from_str(&kubeconfig).expect("a kubeconfig");
    let cluster = &mut kubeconfig["clusters"][0]["cluster"];
    let server = cluster["server"].as_str().expect("a server").trim_start_matches("https://").to_owned();
    let wire = Wire::to(server.clone());
    cluster["server"] = format!("https://127.0.0.1:{}", wire.port).into();
    cluster["tls-server-name"] = server.split(':').next().expect("a host").into();
    let file = node.home().join("through-the-wire");
    fs::write(&file, kubeconfig.to_string()).expect("write a kubeconfig");
    let args = ["restore", "--ns", &shop.namespace, "--yes"];
    let running = node.dr_start(&args, &[("KUBECONFIG", &file.to_string_lossy())], node.bin());
    wait_for_restore_object(&shop);
    wire.breaks_for(Duration::from_secs(3));
    wait_until_stopped(&shop);
    wire.breaks_for(Duration::from_secs(3));
    goes_on(&shop, running.ended(300), &books);
}
