//! Ctrl-C, an API server that dies and a connection that breaks in mid-run: the tool lets go and says how to go on, or
//! it retries.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dr_live::{As, By, Cases, Class, Ended, Fingerprint, Node, Running, Shop, node, until};

/// A shop whose books are lost anew for each case.
struct Damaged<'n> {
    shop: Shop<'n>,
    books: Fingerprint,
    backup: String,
}

impl Damaged<'_> {
    /// Loses the books and begins to restore them, with these variables.
    fn begin(&self, env: &[(&str, &str)]) -> Running {
        self.shop.wait_until_open();
        self.shop.sql("drop table if exists books cascade");
        let args = ["restore", "--ns", &self.shop.namespace, "--yes", "--from", &self.backup];
        self.shop.node.dr_start(&args, env, self.shop.node.bin())
    }
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
    until("Velero is given a Restore", 180, || {
        let staging = shop.staging().into_iter().next()?;
        let restores = shop.node.get(&["restores.velero.io", "-n", "velero"]);
        let mut restores = restores["items"].as_array()?.iter();
        restores.find(|restore| restore["spec"]["namespaceMapping"][&shop.namespace] == *staging).map(|_| ())
    });
}

fn wait_until_stopped(shop: &Shop<'_>) {
    until("the database is scaled to 0", 300, || {
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
fn whatever_breaks_in_the_middle_it_goes_on_or_says_how_to() {
    let node = node!();
    let shop = Shop::open(&node, "live-broken-off", By::Snapshot, Class::WaitForFirstConsumer, 1);
    let books = shop.table("books");
    let backup = shop.back_up();
    let damaged = Damaged { shop, books, backup };
    let Damaged { shop, books, .. } = &damaged;
    let mut cases = Cases::default();
    cases.case("Ctrl-C while the data is staged lets go, and resume finishes", || {
        let running = damaged.begin(&[]);
        wait_for_restore_object(shop);
        running.signal("INT");
        let ended = running.ended(60).exits(5).says("kubectl dr restore resume").says("interrupted");
        assert!(!shop.staging().is_empty(), "it was to let go, not to take back");
        assert_eq!(shop.try_count("books"), None, "the shop is as it was\n{}", ended.told());
        goes_on(shop, ended, books);
    });
    cases.case("Ctrl-C while the application stands still lets go, and undo starts it again", || {
        let old = shop.volume();
        let running = damaged.begin(&[]);
        wait_until_stopped(shop);
        running.signal("INT");
        running.ended(60).exits(5).says("kubectl dr restore resume");
        node.dr(&["restore", "undo", "--ns", &shop.namespace, "--yes"]).exits(0);
        shop.wait_until_open();
        assert_eq!(shop.volume(), old);
        assert_eq!(shop.try_count("books"), None);
        assert!(shop.staging().is_empty(), "{:?} was left", shop.staging());
    });
    cases.case("an API server that dies during the switch is waited for", || {
        let running = damaged.begin(&[]);
        wait_until_stopped(shop);
        let killed = Command::new("kill").args(["-9", &api_server(&node)]).status();
        assert!(killed.is_ok_and(|status| status.success()), "the API server was not killed");
        let ended = running.ended(600);
        until("the API server answers", 300, || {
            node.try_kubectl(&["get", "--raw", "/readyz"]).status.success().then_some(())
        });
        goes_on(shop, ended, books);
    });
    cases.case("a connection that breaks twice is made again", || {
        let (wire, kubeconfig) = through_a_wire(&node);
        let running = damaged.begin(&[("KUBECONFIG", &kubeconfig)]);
        wait_for_restore_object(shop);
        wire.breaks_for(Duration::from_secs(3));
        wait_until_stopped(shop);
        wire.breaks_for(Duration::from_secs(3));
        goes_on(shop, running.ended(600), books);
    });
}

/// A kubeconfig whose server is reached through a [`Wire`].
fn through_a_wire(node: &Node) -> (Wire, String) {
    let kubeconfig = fs::read_to_string(node.kubeconfig(As::Restore)).expect("a kubeconfig");
    let mut kubeconfig: serde_json::Value = serde_json::from_str(&kubeconfig).expect("a kubeconfig");
    let cluster = &mut kubeconfig["clusters"][0]["cluster"];
    let server = cluster["server"].as_str().expect("a server").trim_start_matches("https://").to_owned();
    let wire = Wire::to(server.clone());
    cluster["server"] = format!("https://127.0.0.1:{}", wire.port).into();
    cluster["tls-server-name"] = server.split(':').next().expect("a host").into();
    let file = node.home().join("through-the-wire");
    fs::write(&file, kubeconfig.to_string()).expect("write a kubeconfig");
    (wire, file.to_string_lossy().into_owned())
}
