//! An archive is counted in memory that does not grow with it. In a process of its own, whose memory is nobody else's.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use dr_cluster::archive::contents;
use dr_core::verify::Fetched;

/// Of each item, unpacked.
const ITEM: usize = 1024 * 1024;
/// Above what the process had before.
const MOST_KIB: u64 = 64 * 1024;

struct Sent(SyncSender<Vec<u8>>);

impl Write for Sent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Received {
    pieces: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Received {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            self.piece = self.pieces.recv().unwrap_or_default();
            self.at = 0;
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// Packs an archive of so many items and unpacks it as it comes; nobody holds it whole.
fn archive_of(items: u64) -> Received {
    let (sender, pieces) = sync_channel(4);
    std::thread::spawn(move || {
        let mut content = br#"{"apiVersion":"v1","kind":"ConfigMap"}"#.to_vec();
        content.resize(ITEM, b' ');
        let packer = flate2::write::GzEncoder::new(Sent(sender), flate2::Compression::none());
        let mut tar = tar::Builder::new(packer);
        for number in 0..items {
            let mut header = tar::Header::new_gnu();
            header.set_size(ITEM as u64);
            header.set_entry_type(tar::EntryType::Regular);
            let path = format!("resources/configmaps/namespaces/shop/c{number}.json");
            tar.append_data(&mut header, path, content.as_slice()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap();
    });
    Received { pieces, piece: Vec::new(), at: 0 }
}

/// An archive of empty objects under these paths, packed as it is read.
fn archive_at(paths: impl Iterator<Item = String> + Send + 'static) -> Received {
    let (sender, pieces) = sync_channel(4);
    std::thread::spawn(move || {
        let sent = io::BufWriter::with_capacity(64 * 1024, Sent(sender));
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(sent, flate2::Compression::none()));
        for path in paths {
            let mut header = tar::Header::new_gnu();
            header.set_size(2);
            header.set_entry_type(tar::EntryType::Regular);
            // Nobody reads on once it is refused.
            if tar.append_data(&mut header, path, b"{}".as_slice()).is_err() {
                return;
            }
        }
        let _refused = tar.into_inner().and_then(flate2::write::GzEncoder::finish).and_then(|mut sent| sent.flush());
    });
    Received { pieces, piece: Vec::new(), at: 0 }
}

#[track_caller]
fn refused(paths: impl Iterator<Item = String> + Send + 'static, because: &str) {
    let before = peak();
    let error = contents(archive_at(paths), &Fetched::Unread("not asked for".into())).unwrap_err().to_string();
    assert!(error.contains(because), "{error}");
    if let (Some(before), Some(after)) = (before, peak()) {
        assert!(after < before + MOST_KIB, "{before} KiB before, {after} KiB at most");
    }
}

#[test]
fn names_longer_than_kubernetes_allows_are_not_kept_but_refused() {
    let because = "has a longer name in its path than Kubernetes allows";
    let long = |length: usize| "a".repeat(length);
    for (resource, namespace, name, fits) in [
        (317, 63, 253, true),
        (318, 63, 253, false),
        (317, 64, 253, false),
        (317, 63, 254, false),
        (317, 0, 253, true),
        (317, 0, 254, false),
    ] {
        let (resource, name) = (long(resource), long(name));
        let path = match namespace {
            0 => format!("resources/{resource}/cluster/{name}.json"),
            _ => format!("resources/{resource}/namespaces/{}/{name}.json", long(namespace)),
        };
        if fits {
            let found = contents(archive_at([path].into_iter()), &Fetched::Unread(String::new())).unwrap();
            assert_eq!(found.items(), 1);
        } else {
            refused([path].into_iter(), because);
        }
    }
    // Twice as much as the memory allowed.
    let paths = |folder: fn(String) -> String| {
        (0..2200).map(move |number| folder(format!("{number}{}", "a".repeat(60 * 1024))))
    };
    refused(paths(|name| format!("resources/{name}/cluster/x.json")), because);
    refused(paths(|name| format!("resources/pods/namespaces/{name}/x.json")), because);
    refused(paths(|name| format!("metadata/{name}")), because);
}

#[test]
fn more_resources_or_namespaces_than_any_cluster_has_are_refused() {
    let because = "is of one more resource or namespace than any cluster has";
    refused((0..=10_000).map(|number| format!("resources/r{number}.example.com/cluster/x.json")), because);
    refused((0..=100_000).map(|number| format!("resources/configmaps/namespaces/n{number}/x.json")), because);
}

/// The most this process has ever held, in KiB; none where the system does not tell.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn counted_in_bounds(items: u64) {
    let before = peak();
    let found = contents(archive_of(items), &Fetched::Unread("not asked for".into())).unwrap();
    assert_eq!(found.items(), items);
    assert!(found.bytes > items * ITEM as u64, "{} bytes", found.bytes);
    if let (Some(before), Some(after)) = (before, peak()) {
        assert!(after < before + MOST_KIB, "{before} KiB before, {after} KiB at most");
    }
}

#[test]
fn an_archive_half_again_as_large_as_the_memory_allowed_is_counted() {
    counted_in_bounds(96);
}

#[test]
#[ignore = "long: minutes without optimization"]
fn an_archive_of_two_gigabytes_is_counted_in_64_mib() {
    counted_in_bounds(2048);
}
