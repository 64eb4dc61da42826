//! Scanned documents with a program that reads them, as an operator sets it up.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::json;

use crate::harness::{TestApp, folder, request};

#[tokio::test]
async fn a_scan_is_found_by_what_the_operators_program_reads_in_it() {
    let folder = folder();
    let program = folder.path().join("recognise");
    std::fs::write(&program, "#!/bin/sh\ntest -s \"$2\" && echo 'The pump P4 holds a pressure of 4 bar.'\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let command = format!("{} --image {{input}}", program.display());
    let app = TestApp::with(|settings| settings.ocr_command = Some(command)).await;
    let collection = app.collection("scans").await;

    let scan = std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/broken/scanned.pdf")).unwrap();
    let mut body = b"--XX\r\ncontent-disposition: form-data; name=\"file\"; filename=\"scan.pdf\"\r\n\r\n".to_vec();
    body.extend(scan);
    body.extend(b"\r\n--XX--\r\n");
    let upload = request("POST", &format!("/api/v1/collections/{collection}/documents"));
    let upload = upload.header("content-type", "multipart/form-data; boundary=XX").body(Body::from(body)).unwrap();
    let taken = app.request(upload).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text());
    app.settled(&collection).await;

    let found = app.post("/api/v1/search", &json!({ "query": "pressure of the pump", "limit": 1 })).await.json();
    let passage = &found["passages"][0];
    assert_eq!((passage["key"].as_str(), passage["page"].as_u64()), (Some("scan.pdf"), Some(1)), "{found}");
    app.stop().await;
}
