//! A provider of embeddings that counts: what was paid for is not paid for
//! again, though the worker is killed and the provider refuses for a while.
//!
//! `FOOTNOTE_SOAK_DOCUMENTS` sets how many documents there are (120 unless set),
//! `FOOTNOTE_KILLS` how often the worker is killed (3 unless set),
//! `FOOTNOTE_KILL_AFTER_MS` how long it lives, and `FOOTNOTE_OUTAGE_SECONDS` how
//! long the provider refuses everything (3 unless set).

use std::time::Duration;

use footnote::client::Client;
use serde_json::{Value, json};

use crate::canaries::{purged, settled};
use crate::command::{Footnote, parsed, write};
use crate::counting::{Counting, Faults};
use crate::harness::folder;
use crate::random::number;

/// Requests under way at once and texts in each: what one kill can waste.
const UNDER_WAY: usize = 4 * 128;

fn report(n: u64) -> String {
    format!("Report {n} of the plant.\n\nThe gauge {n} shows {} bar.\n", n % 7)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_paid_for_is_not_paid_for_again() {
    let documents = number("FOOTNOTE_SOAK_DOCUMENTS", 120);
    let kills = number("FOOTNOTE_KILLS", 3);
    let life = Duration::from_millis(number("FOOTNOTE_KILL_AFTER_MS", 1_500));
    let faults = Faults { first: true, every: Some(5), ..Faults::default() };
    let provider = Counting::start(faults).await;
    let environment = provider.environment();

    let counted = tokio::task::spawn_blocking(move || {
        let (footnote, files) = (Footnote::new(), folder());
        for n in 0..documents {
            write(files.path(), &format!("report-{n}.txt"), report(n));
        }
        let path = files.path().to_str().unwrap();
        let command = |arguments: &[&str]| {
            let mut command = footnote.command(arguments);
            command.envs(environment.clone());
            command
        };
        for _ in 0..kills {
            let mut child = command(&["ingest", path, "--quiet"]).spawn().unwrap();
            std::thread::sleep(life);
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let report = parsed(&command(&["ingest", path, "--json"]).output().unwrap());
        assert_eq!(report["failed"], json!([]), "{report}");
        let drift = parsed(&command(&["doctor", "--json"]).output().unwrap());
        for finding in ["missing", "orphaned", "without_vector"] {
            assert_eq!(drift[finding], 0, "{drift}");
        }
        let listed = parsed(&command(&["collections", "--json"]).output().unwrap());
        assert_eq!(listed["collections"][0]["documents"], documents, "{listed}");
        report["chunks"].as_u64().unwrap()
    });
    let chunks = usize::try_from(counted.await.unwrap()).unwrap();

    let (paid, twice, refused) = provider.read(|ledger| (ledger.texts(), ledger.twice(), ledger.refused));
    eprintln!("{chunks} chunks, {paid} texts paid for, {twice} of them twice, {refused} refusals");
    assert_eq!(paid, chunks);
    // An answer that was under way when the worker died never arrived.
    assert!(twice <= UNDER_WAY * usize::try_from(kills).unwrap(), "{twice} texts were paid for twice");
    assert!(refused > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_refuses_for_a_while_is_waited_for_and_paid_once() {
    let documents = number("FOOTNOTE_SOAK_DOCUMENTS", 600);
    let length = Duration::from_secs(number("FOOTNOTE_OUTAGE_SECONDS", 3));
    let after = usize::try_from(documents / 3).unwrap();
    let provider = Counting::start(Faults { outage: Some((after, length)), ..Faults::default() }).await;
    let footnote = Footnote::new();
    let server = footnote.serve_with(provider.environment());
    let client = Client::new(server.transport());
    let made: Value = client.post("/api/v1/collections", &json!({ "name": "reports" })).await.unwrap();
    let collection = made["id"].as_str().unwrap();
    for n in 0..documents {
        let path = format!("/api/v1/collections/{collection}/documents");
        let body = json!({ "key": format!("report-{n}.txt"), "text": report(n) });
        let _: Value = client.post(&path, &body).await.unwrap();
    }
    settled(&client, collection).await;
    let drift = purged(&client).await;
    let (paid, twice, refused) = provider.read(|ledger| (ledger.texts(), ledger.twice(), ledger.refused));
    eprintln!("{documents} documents, {paid} texts paid for, {twice} twice, {refused} requests refused meanwhile");
    assert_eq!((drift["chunks"].as_u64(), paid, twice), (Some(documents), usize::try_from(documents).unwrap(), 0));
    assert!(refused > 0);
    assert_eq!(server.stop(), Some(0));
}
