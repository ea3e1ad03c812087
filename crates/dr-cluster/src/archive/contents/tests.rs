use std::io::Write as _;

use dr_core::verify::Missing;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::*;

/// A tar of these files, packed.
fn pack(files: &[(&str, Value)]) -> Vec<u8> {
    build(|tar| {
        for (path, content) in files {
            append(tar, path, content.to_string().as_bytes());
        }
    })
}

type Tar = tar::Builder<GzEncoder<Vec<u8>>>;

fn build(fill: impl FnOnce(&mut Tar)) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    fill(&mut tar);
    tar.into_inner().unwrap().finish().unwrap()
}

fn append(tar: &mut Tar, path: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_entry_type(tar::EntryType::Regular);
    tar.append_data(&mut header, path, content).unwrap();
}

/// An entry whose header the library itself would not write.
fn raw(path: &[u8], kind: tar::EntryType, size: u64) -> Vec<u8> {
    build(|tar| {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.set_size(size);
        header.set_entry_type(kind);
        header.set_cksum();
        tar.append(&header, io::repeat(b'a').take(size)).unwrap();
    })
}

fn object(kind: &str, more: &Value) -> Value {
    let mut object = json!({ "apiVersion": "v1", "kind": kind });
    json_patch::merge(&mut object, more);
    object
}

fn shop() -> Vec<(&'static str, Value)> {
    let claim = |name: &str| json!({ "persistentVolumeClaim": { "claimName": name } });
    let web = object(
        "Pod",
        &json!({ "spec": { "volumes": [claim("data"), { "emptyDir": {} }] }, "status": { "phase": "Running" } }),
    );
    let done = object("Pod", &json!({ "spec": { "volumes": [claim("old")] }, "status": { "phase": "Succeeded" } }));
    let upload = json!({ "apiVersion": "velero.io/v2alpha1", "kind": "DataUpload",
                         "metadata": { "labels": { "velero.io/async-operation-id": "op-1" } } });
    vec![
        ("metadata/version", json!("1.1.0")),
        ("resources/pods/namespaces/shop/web.json", web.clone()),
        ("resources/pods/v1-preferredversion/namespaces/shop/web.json", web),
        ("resources/pods/namespaces/shop/done.json", done),
        (
            "resources/persistentvolumeclaims/namespaces/shop/data.json",
            object("PersistentVolumeClaim", &json!({ "status": { "phase": "Bound" } })),
        ),
        ("resources/persistentvolumes/cluster/pv-1.json", object("PersistentVolume", &json!({}))),
        ("resources/datauploads.velero.io/namespaces/velero/b-1.json", upload),
        // What others call spec and status is their own business.
        (
            "resources/odd.example.com/namespaces/shop/one.json",
            object("Odd", &json!({ "spec": 7, "status": ["phase"], "metadata": "x" })),
        ),
    ]
}

fn list(of: &Value) -> Fetched<ItemList> {
    let mut packer = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(of.to_string().as_bytes()).unwrap();
    Fetched::Read(ItemList::new(packer.finish().unwrap()).unwrap())
}

fn whole() -> Value {
    json!({
        "v1/Pod": ["shop/web", "shop/done"], "v1/PersistentVolumeClaim": ["shop/data"], "v1/PersistentVolume": ["pv-1"],
        "velero.io/v2alpha1/DataUpload": ["velero/b-1"], "v1/Odd": ["shop/one"],
    })
}

#[test]
fn every_item_is_counted_once_with_what_a_restore_of_volumes_turns_on() {
    let found = contents(pack(&shop()).as_slice(), &list(&whole())).unwrap();
    assert_eq!(found.items(), 6);
    assert_eq!(found.resources["pods"], 2);
    assert_eq!(found.namespaces, BTreeMap::from([("shop".to_owned(), 4), ("velero".to_owned(), 1)]));
    assert_eq!(
        found.claims,
        [ArchivedClaim { namespace: "shop".into(), name: "data".into(), phase: Some("Bound".into()) }]
    );
    assert_eq!(found.mounted, [Mounted { namespace: "shop".into(), claim: "data".into(), pod: "web".into() }]);
    assert_eq!(found.pods, BTreeSet::from([Contents::pod("shop", "web")]), "one that had ended is not restored");
    assert_eq!(found.moved, ["op-1"]);
    assert_eq!(found.missing, Fetched::Read(Missing::default()));
}

#[test]
fn what_velero_lists_and_the_archive_lacks_is_named() {
    let mut more = whole();
    more["v1/Secret"] = json!(["shop/login"]);
    more["v1/Pod"] = json!(["shop/web", "shop/done", "other/web"]);
    let missing = contents(pack(&shop()).as_slice(), &list(&more)).unwrap().missing;
    let Fetched::Read(Missing { count, mut named }) = missing else { panic!("{missing:?}") };
    named.sort();
    assert_eq!((count, named), (2, vec!["v1/Pod other/web".to_owned(), "v1/Secret shop/login".to_owned()]));
    let found = contents(pack(&shop()).as_slice(), &Fetched::Unread("403".into())).unwrap();
    assert_eq!(found.missing, Fetched::Unread("403".into()));
}

#[test]
fn a_list_of_items_that_is_none_is_an_error() {
    let packed = |text: &str| {
        let mut packer = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    for text in ["", "[]", "{\"v1/Pod\":[1]}", "{\"v1/Pod\":[\"a\"]} more", "{\"v1/Pod\":[\"a\""] {
        assert!(ItemList::new(packed(text)).is_err(), "{text}");
    }
    for text in ["null", "{}", "{\"v1/Pod\":null}"] {
        assert!(ItemList::new(packed(text)).is_ok(), "{text}");
    }
    let whole = packed("{\"v1/Pod\":[\"a\"]}");
    for length in 0..whole.len() {
        assert!(ItemList::new(whole[..length].to_vec()).is_err(), "{length}");
    }
}

#[test]
fn an_archive_cut_short_anywhere_is_damaged() {
    let whole = pack(&shop());
    for length in 0..whole.len() {
        let cut = contents(&whole[..length], &list(&json!({})));
        assert!(matches!(cut, Err(ArchiveError::Damaged(_))), "{length} of {}: {cut:?}", whole.len());
    }
}

#[test]
fn a_bomb_is_stopped_at_its_bound_and_not_unpacked() {
    const BOUND: u64 = 1024 * 1024;
    let bomb = build(|tar| {
        append(tar, "resources/configmaps/namespaces/shop/big.json", &vec![b' '; 8 * 1024 * 1024]);
    });
    let stopped = contents_limited(bomb.as_slice(), &list(&json!({})), BOUND);
    assert!(matches!(stopped, Err(ArchiveError::TooLarge { limit: BOUND })), "{stopped:?}");
    let one = build(|tar| {
        let mut header = tar::Header::new_gnu();
        header.set_path("resources/configmaps/namespaces/shop/big.json").unwrap();
        header.set_size(65 * 1024 * 1024);
        header.set_cksum();
        tar.append(&header, io::empty()).unwrap();
    });
    let stopped = contents(one.as_slice(), &list(&json!({})));
    assert!(matches!(stopped, Err(ArchiveError::ItemTooLarge { .. })), "{stopped:?}");
}

#[track_caller]
fn hostile(archive: &[u8], says: &str) {
    for error in [contents(archive, &list(&json!({}))).unwrap_err(), super::super::read(archive, "shop").unwrap_err()] {
        assert_eq!(error.to_string(), format!("the archive holds {says}: Velero makes none such"));
    }
}

#[test]
fn paths_that_lead_out_of_the_archive_links_and_devices_are_refused() {
    use tar::EntryType;
    hostile(&raw(b"../../etc/passwd", EntryType::Regular, 1), "\"../../etc/passwd\", which leads out of it");
    hostile(&raw(b"/etc/passwd", EntryType::Regular, 1), "\"/etc/passwd\", which leads out of it");
    hostile(
        &raw(b"resources\\..\\..\\x", EntryType::Regular, 1),
        "\"resources\\\\..\\\\..\\\\x\", which leads out of it",
    );
    hostile(&raw(b"a\x1b[31m", EntryType::Regular, 1), "\"a\\u{1b}[31m\", which has control characters in its name");
    hostile(&raw(b"resources/link", EntryType::Symlink, 0), "\"resources/link\", which is no file");
    hostile(&raw(b"resources/link", EntryType::Link, 0), "\"resources/link\", which is no file");
    hostile(&raw(b"resources/null", EntryType::Char, 0), "\"resources/null\", which is no file");
    hostile(&raw(b"././@LongLink", EntryType::GNULongName, 1 << 20), "\"a file\", which has a name without end");
    hostile(&raw(b"pax", EntryType::XHeader, 1 << 20), "\"a file\", which has a name without end");
    // A folder is none.
    assert_eq!(contents(raw(b"resources/", EntryType::Directory, 0).as_slice(), &list(&json!({}))).unwrap().items(), 0);
}

#[test]
fn names_too_long_for_a_header_are_read_as_gnu_and_pax_write_them() {
    let name = "n".repeat(180);
    let path = format!("resources/configmaps/namespaces/shop/{name}.json");
    let content = object("ConfigMap", &json!({})).to_string();
    let gnu = build(|tar| append(tar, &path, content.as_bytes()));
    let pax = build(|tar| {
        tar.append_pax_extensions([("mtime", "1.5".as_bytes()), ("path", path.as_bytes())]).unwrap();
        append(tar, "short", content.as_bytes());
    });
    for archive in [gnu, pax] {
        let listed = list(&json!({ "v1/ConfigMap": [format!("shop/{name}")] }));
        let found = contents(archive.as_slice(), &listed).unwrap();
        assert_eq!((found.items(), found.missing), (1, Fetched::Read(Missing::default())));
        assert_eq!(super::super::read(archive.as_slice(), "shop").unwrap().items, [format!("configmaps/shop/{name}")]);
    }
}

#[test]
fn an_item_whose_version_or_kind_a_plugin_took_away_is_there_all_the_same() {
    let files = [
        ("resources/volumesnapshots.snapshot.storage.k8s.io/namespaces/shop/one.json", json!({ "spec": {} })),
        ("resources/odd.example.com/cluster/two.json", json!({ "apiVersion": "example.com/v1beta1", "kind": "Odd" })),
    ];
    let listed = json!({ "snapshot.storage.k8s.io/v1/VolumeSnapshot": ["shop/one"], "example.com/v1/Odd": ["two"] });
    let found = contents(pack(&files).as_slice(), &list(&listed)).unwrap();
    assert_eq!((found.items(), found.missing), (2, Fetched::Read(Missing::default())));
    let other = json!({ "other.com/v1/Odd": ["two"], "example.com/v1/Even": ["two"] });
    let found = contents(pack(&files).as_slice(), &list(&other)).unwrap();
    assert!(matches!(found.missing, Fetched::Read(Missing { count: 2, .. })), "{:?}", found.missing);
}

#[test]
fn an_item_too_large_to_be_read_at_once_is_parsed_as_it_comes() {
    let content = |end: &str| format!("{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"}}{}{end}", " ".repeat(1 << 20));
    let archive = |end: &str| {
        let content = content(end);
        build(|tar| append(tar, "resources/configmaps/namespaces/shop/big.json", content.as_bytes()))
    };
    assert_eq!(contents(archive("").as_slice(), &list(&json!({}))).unwrap().items(), 1);
    let error = contents(archive("x").as_slice(), &list(&json!({}))).unwrap_err();
    assert!(matches!(error, ArchiveError::NoObject { .. }), "{error}");
    let whole = archive("");
    let cut = contents(&whole[..whole.len() / 2], &list(&json!({}))).unwrap_err();
    assert!(matches!(cut, ArchiveError::Damaged(_)), "{cut}");
}

#[test]
fn an_item_that_is_no_object_is_named() {
    let broken = build(|tar| append(tar, "resources/secrets/namespaces/shop/login.json", b"{\"apiVersion\":\"v1\""));
    let error = contents(broken.as_slice(), &list(&json!({}))).unwrap_err();
    assert!(error.to_string().starts_with("secrets/shop/login in the archive is no object: "), "{error}");
}
