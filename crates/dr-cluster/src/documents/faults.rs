//! What an object store, and a Velero before it, may do wrong, on a connection of its own.

use std::io::Write as _;
use std::net::Ipv4Addr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::fake::Fake;

const REQUESTS: &str = "/apis/velero.io/v1/namespaces/velero/downloadrequests";

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn archive(files: &[&str]) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for path in files {
        let content = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "noise": noise() } }).to_string();
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_entry_type(tar::EntryType::Regular);
        tar.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// What does not pack well.
fn noise() -> String {
    (0_u32..20_000).map(|number| char::from(b'a' + u8::try_from((number * number / 7) % 26).unwrap())).collect()
}

/// Answers one connection with these bytes after the head, and closes it.
async fn store(status: &'static str, length: usize, body: Vec<u8>) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/document?X-Amz-Signature=planted", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4096];
        let _ = stream.read(&mut head).await.unwrap();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let _ = stream.shutdown().await;
    });
    url
}

/// Velero's part: it processes the request once it sees it.
fn velero(fake: &Fake, url: String) {
    let fake = fake.clone();
    tokio::spawn(async move {
        let path = format!("{REQUESTS}/question");
        loop {
            if let Some(mut request) = fake.get(&path) {
                request["status"] = json!({ "phase": "Processed", "downloadURL": url });
                fake.put(&path, request);
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

async fn contents(fake: &Fake) -> Result<Contents, FetchError> {
    let documents = Documents::new(&fake.connection(), "velero");
    documents.contents("b", Fetched::Unread("not asked for".into()), Arc::default(), "question").await
}

/// What came of an archive that the store answers so, with the requests that are left.
async fn answered(status: &'static str, length: usize, body: Vec<u8>) -> Result<Contents, FetchError> {
    let fake = Fake::default();
    velero(&fake, store(status, length, body).await);
    let found = contents(&fake).await;
    assert_eq!(fake.get(&format!("{REQUESTS}/question")), None::<Value>, "the DownloadRequest is left");
    found
}

#[tokio::test]
async fn an_archive_that_comes_whole_is_counted() {
    let body = archive(&["resources/configmaps/namespaces/shop/one.json"]);
    assert_eq!(answered("200 OK", body.len(), body).await.unwrap().items(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_download_request_that_velero_never_answers_ends_after_half_a_minute_and_is_removed() {
    let fake = Fake::default();
    let began = Instant::now();
    let error = contents(&fake).await.unwrap_err();
    assert_eq!(error.to_string(), "Velero did not answer the DownloadRequest within 30 s: does its server run?");
    assert!(!error.is_final());
    assert!(began.elapsed() < Duration::from_secs(32), "{:?}", began.elapsed());
    assert_eq!(fake.get(&format!("{REQUESTS}/question")), None, "the DownloadRequest is left");
}

#[tokio::test]
async fn a_signed_url_that_is_refused_tells_the_code_and_no_signature() {
    let body = b"<Error><Code>AccessDenied</Code><Signature>planted</Signature></Error>".to_vec();
    let error = answered("403 Forbidden", body.len(), body).await.unwrap_err();
    assert_eq!(error.to_string(), "the object store answers 403 (AccessDenied)");
    assert!(!error.is_final(), "another signature may be accepted");
}

#[tokio::test]
async fn a_document_that_is_not_there_is_no_use_asking_for_again() {
    let error = answered("404 Not Found", 0, Vec::new()).await.unwrap_err();
    assert!(matches!(error, FetchError::NotInStore) && error.is_final(), "{error}");
}

#[tokio::test]
async fn an_archive_cut_in_the_store_and_a_connection_that_breaks_are_told_apart() {
    let whole = archive(&["resources/configmaps/namespaces/shop/one.json"]);
    let half = whole[..whole.len() / 2].to_vec();
    let cut = answered("200 OK", half.len(), half.clone()).await.unwrap_err();
    assert!(matches!(cut, FetchError::Archive(ArchiveError::Damaged(_))) && cut.is_final(), "{cut}");
    let broken = answered("200 OK", whole.len(), half).await.unwrap_err();
    assert!(matches!(broken, FetchError::Broken(_)) && !broken.is_final(), "{broken}");
}

#[tokio::test]
async fn a_path_that_leads_out_of_the_archive_is_the_archives_fault() {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    let path = b"resources/../../etc/passwd";
    header.as_old_mut().name[..path.len()].copy_from_slice(path);
    header.set_size(0);
    header.set_cksum();
    tar.append(&header, std::io::empty()).unwrap();
    let body = packed(&tar.into_inner().unwrap());
    let error = answered("200 OK", body.len(), body).await.unwrap_err();
    assert!(matches!(error, FetchError::Archive(ArchiveError::Hostile { .. })) && error.is_final(), "{error}");
}

#[test]
fn a_document_that_unpacks_without_end_is_too_large() {
    let bomb = packed(&vec![b' '; 9 * 1024 * 1024]);
    assert!(matches!(unpack_within(&bomb, 8 * 1024 * 1024), Err(FetchError::TooLarge)));
}
