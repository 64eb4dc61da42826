//! Scanned documents with a program that reads them, as an operator sets it up.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::request::Builder;
use footnote::client::Client;
use serde_json::{Value, json};

use crate::canaries::until;
use crate::command::Footnote;
use crate::harness::{TestApp, folder, request};
use crate::people::{Person, whole};

/// A command that recognises text as `script` does.
fn command(folder: &Path, script: &str) -> String {
    let program = folder.join("recognise");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{} --image {{input}}", program.display())
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The upload of a scan, with something behind it that makes it another file.
fn scan(collection: &str, name: &str, behind: &str) -> (Builder, Body) {
    let scan = std::fs::read(fixture("broken/scanned.pdf")).unwrap();
    let mut body =
        format!("--XX\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n").into_bytes();
    body.extend(scan);
    body.extend(behind.as_bytes());
    body.extend(b"\r\n--XX--\r\n");
    let upload = request("POST", &format!("/api/v1/collections/{collection}/documents"));
    (upload.header("content-type", "multipart/form-data; boundary=XX"), Body::from(body))
}

async fn upload(app: &TestApp, collection: &str, name: &str, behind: &str) {
    let (upload, body) = scan(collection, name, behind);
    let taken = app.request(upload.body(body).unwrap()).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text());
}

async fn upload_as(person: &Person, collection: &str, name: &str, behind: &str) {
    let (upload, body) = scan(collection, name, behind);
    let upload = upload.header("authorization", format!("Bearer {}", person.access));
    let taken = whole(&person.doors, upload.body(body).unwrap()).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text());
}

#[tokio::test]
async fn a_scan_is_found_by_what_the_operators_program_reads_in_it() {
    let folder = folder();
    let recognise = command(folder.path(), "test -s \"$2\" && echo 'The pump P4 holds a pressure of 4 bar.'");
    let app = TestApp::with(|settings| settings.ocr_command = Some(recognise)).await;
    let collection = app.collection("scans").await;
    upload(&app, &collection, "scan.pdf", "").await;
    app.settled(&collection).await;

    let found = app.post("/api/v1/search", &json!({ "query": "pressure of the pump", "limit": 1 })).await.json();
    let passage = &found["passages"][0];
    assert_eq!((passage["key"].as_str(), passage["page"].as_u64()), (Some("scan.pdf"), Some(1)), "{found}");
    app.stop().await;
}

#[tokio::test]
async fn whose_scans_take_long_holds_nobody_else_up() {
    let folder = folder();
    let end = folder.path().join("end");
    let script = format!("until test -e {}; do sleep 0.1; done; echo 'The heron eats fish.'", end.display());
    let recognise = command(folder.path(), &script);
    let app = TestApp::with(|settings| settings.ocr_command = Some(recognise)).await;
    let bob = Person::new(&app, "bob").await;
    let scans = app.collection("scans").await;
    for n in 0..12 {
        upload(&app, &scans, &format!("{n}.pdf"), &format!("\n% {n}\n")).await;
    }
    // Each is done before this returns.
    let (collection, _) = bob.collection_with("notes", "pump.txt", "The pump holds 4 bar.").await;
    bob.upload(&collection, "gauge.txt", "The gauge shows 3 bar.").await;
    let progress = app.get(&format!("/api/v1/collections/{scans}")).await.json()["progress"].clone();
    assert_eq!(progress["queued"], 12, "{progress}");

    std::fs::write(&end, "").unwrap();
    app.settled(&scans).await;
    let progress = app.get(&format!("/api/v1/collections/{scans}")).await.json()["progress"].clone();
    assert_eq!((&progress["done"], &progress["failed"]), (&json!(12), &json!(0)), "{progress}");
    app.stop().await;
}

#[tokio::test]
async fn beside_scans_that_take_long_small_files_are_read_many_at_a_time() {
    let folder = folder();
    let end = folder.path().join("end");
    let script = format!("until test -e {}; do sleep 0.1; done; echo 'The heron eats fish.'", end.display());
    let recognise = command(folder.path(), &script);
    let app = TestApp::with(|settings| settings.ocr_command = Some(recognise)).await;
    let collection = app.collection("main").await;
    // One less than one owner may have at once.
    let scans = 2 * std::thread::available_parallelism().unwrap().get() - 1;
    for n in 0..scans {
        upload(&app, &collection, &format!("{n}.pdf"), &format!("\n% {n}\n")).await;
    }
    let running = "select count(*) from jobs where state = 'running' and step = 'read'";
    let one = async |query| sqlx::query_scalar::<_, i64>(query).fetch_one(&app.db).await.unwrap();
    until("scans", async || (one(running).await == i64::try_from(scans).unwrap()).then_some(())).await;
    let before = one("select last_value from job_fences").await;
    let notes: Vec<Value> =
        (0..200).map(|n| json!({ "key": format!("{n}.txt"), "text": format!("Gauge {n}.") })).collect();
    let path = format!("/api/v1/collections/{collection}/documents");
    for note in &notes {
        assert_eq!(app.post(&path, note).await.status, StatusCode::ACCEPTED);
    }
    let done = "select count(*) from documents where stage = 'done'";
    until("notes", async || (one(done).await == 200).then_some(())).await;
    // To read and to embed each; those that were claimed in vain are few.
    let claimed = one("select last_value from job_fences").await - before;
    assert!(claimed < 800, "{claimed} claims");

    std::fs::write(&end, "").unwrap();
    app.settled(&collection).await;
    app.stop().await;
}

#[tokio::test]
async fn who_has_all_lanes_holds_up_nobody_who_has_none() {
    let folder = folder();
    let end = folder.path().join("end");
    let script = format!("until test -e {}; do sleep 0.1; done; echo 'The heron eats fish.'", end.display());
    let recognise = command(folder.path(), &script);
    let app = TestApp::with(|settings| settings.ocr_command = Some(recognise)).await;
    // As many owners as it takes: also the lanes that are for who comes later are taken.
    let lanes = 8 * std::thread::available_parallelism().unwrap().get();
    for n in 0..lanes {
        let other = Person::new(&app, &format!("reader{n}")).await;
        let collection = other.collection("scans").await;
        upload_as(&other, &collection, "scan.pdf", &format!("\n% {n}\n")).await;
    }
    let running = "select count(*) from jobs where state = 'running' and step = 'read'";
    let lanes = i64::try_from(lanes).unwrap();
    let count = async || sqlx::query_scalar::<_, i64>(running).fetch_one(&app.db).await.unwrap();
    until("full lanes", async || (count().await >= lanes).then_some(())).await;
    let bob = Person::new(&app, "bob").await;
    // It is done before this returns.
    bob.collection_with("notes", "pump.txt", "The pump holds 4 bar.").await;
    std::fs::write(&end, "").unwrap();
    until("scans", async || (count().await == 0).then_some(())).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_took_long_to_read_is_not_read_again_when_storing_it_failed() {
    let folder = folder();
    let numbers = folder.path().join("numbers");
    let recognise = command(folder.path(), &format!("echo $$ >> {}; echo 'The heron eats fish.'", numbers.display()));
    let footnote = Footnote::new();
    let faults = "stored=1*return(error)->1*return(panic)->1*return(error)".to_owned();
    let server = footnote.serve_with([("OCR_COMMAND", recognise), ("FAILPOINTS", faults)]);
    let report = footnote.json(&["ingest", &fixture("broken/scanned.pdf").display().to_string()]);
    assert_eq!((&report["added"], &report["failed"]), (&json!(1), &json!([])), "{report}");
    let found = footnote.json(&["search", "what the heron eats"]);
    assert_eq!(found["passages"][0]["key"], "scanned.pdf", "{found}");
    assert_eq!(std::fs::read_to_string(&numbers).unwrap().lines().count(), 1);
    assert_eq!(server.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_waits_until_this_machine_has_room_for_its_pictures() {
    let (footnote, folder) = (Footnote::new(), folder());
    let temporary = folder.path().join("temporary");
    let recognise = command(folder.path(), "echo 'The heron eats fish.'");
    let server = footnote.serve_with([("OCR_COMMAND", recognise), ("TMPDIR", temporary.to_str().unwrap().to_owned())]);
    let scan = fixture("broken/scanned.pdf").display().to_string();
    let mut ingest = footnote.command(&["ingest", &scan, "--quiet"]).spawn().unwrap();
    let client = Client::new(server.transport());
    let waiting = until("scan that waits", async || {
        let jobs: Value = client.get("/api/v1/admin/jobs").await.unwrap();
        jobs["items"].as_array().unwrap().iter().find(|job| job["failure_code"] == "busy").cloned()
    })
    .await;
    assert_eq!((&waiting["state"], &waiting["attempts"]), (&json!("waiting"), &json!(0)), "{waiting}");
    std::fs::create_dir(&temporary).unwrap();
    assert!(ingest.wait().unwrap().success());
    let found = footnote.json(&["search", "what the heron eats"]);
    assert_eq!(found["passages"][0]["key"], "scanned.pdf", "{found}");
    assert_eq!(server.stop(), Some(0));
}

/// The processes whose numbers stand in a file, as far as they are alive.
fn alive(numbers: &Path) -> usize {
    let numbers = std::fs::read_to_string(numbers).unwrap_or_default();
    numbers.lines().filter(|number| Path::new("/proc").join(number).exists()).count()
}

#[tokio::test]
async fn of_a_scan_that_is_replaced_the_older_is_read_no_longer() {
    let folder = folder();
    let (end, numbers) = (folder.path().join("end"), folder.path().join("numbers"));
    let script = format!(
        "echo $$ >> {}; until test -e {}; do sleep 0.1; done; echo 'The heron eats fish.'",
        numbers.display(),
        end.display()
    );
    let recognise = command(folder.path(), &script);
    let app = TestApp::with(|settings| settings.ocr_command = Some(recognise)).await;
    let scans = app.collection("scans").await;
    let begun = || std::fs::read_to_string(&numbers).map_or(0, |numbers| numbers.lines().count());
    for n in 0..3 {
        upload(&app, &scans, "scan.pdf", &format!("\n% {n}\n")).await;
        until("newer reading", async || (begun() == n + 1 && alive(&numbers) == 1).then_some(())).await;
    }
    std::fs::write(&end, "").unwrap();
    app.settled(&scans).await;
    let progress = app.get(&format!("/api/v1/collections/{scans}")).await.json()["progress"].clone();
    assert_eq!((&progress["done"], &progress["failed"]), (&json!(1), &json!(0)), "{progress}");
    app.stop().await;
}
