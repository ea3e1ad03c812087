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
