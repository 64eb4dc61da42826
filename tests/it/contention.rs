//! Callers change documents while workers have them in hand: each caller is
//! answered, and the database has no deadlock to break.
//!
//! `FOOTNOTE_CHANGES` sets how many changes there are (400 unless set).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use footnote::client::{Client, ClientError, query_value};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;

use crate::counting::{Counting, Faults};
use crate::harness::TestApp;
use crate::random::{Random, number};

/// Who changes them at once.
const CALLERS: u64 = 6;
/// Documents, few enough to meet.
const KEYS: u64 = 12;

/// One change of one document, or of all of them.
async fn change(client: &Client, collection: &str, random: &mut Random) -> Result<(), ClientError> {
    let (n, word) = (random.below(KEYS), random.word());
    let upload = format!("/api/v1/collections/{collection}/documents");
    let key = format!("report-{n}.txt");
    match random.below(20) {
        0..9 => client.post(&upload, &json!({ "key": key, "text": format!("Report {word}.").repeat(40) })).await,
        9 => client.post("/api/v1/admin/jobs/cancel", &json!({})).await,
        10 => client.post("/api/v1/admin/jobs/retry", &json!({})).await,
        die => {
            let path = format!("/api/v1/documents?collection={collection}&key={}", query_value(&key));
            let Some(found) = client.all::<Value>(&path).await?.pop() else { return Ok(()) };
            let path = format!("/api/v1/documents/{}", found["id"].as_str().unwrap());
            match die {
                11..18 => client.patch(&path, &json!({ "title": word })).await,
                _ => return client.delete(&path).await,
            }
        }
    }
    .map(|_: Value| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_and_workers_at_the_same_documents_do_not_lock_each_other_out() {
    let changes = number("FOOTNOTE_CHANGES", 400);
    let mut random = Random::seeded();
    let provider = Counting::start(Faults::default()).await;
    let app = TestApp::with(|settings| {
        settings.embedding_base_url = Some(provider.url.clone());
        settings.embedding_model = Some("counting".into());
    })
    .await;
    let client = Client::new(app.transport());
    let collection = app.collection("shared").await;
    let missed = Arc::new(AtomicU64::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (client, collection, mut random) = (client.clone(), collection.clone(), random.branch());
        let missed = Arc::clone(&missed);
        callers.spawn(async move {
            for _ in 0..changes / CALLERS {
                match change(&client, &collection, &mut random).await {
                    Ok(()) => {}
                    // Another caller deleted it first.
                    Err(ClientError::Refused { status: 404, .. }) => {
                        missed.fetch_add(1, Ordering::AcqRel);
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    app.settled(&collection).await;
    drop(client);
    let mut deadlocks = -1;
    let app = app
        .restarted_after(async |settings| {
            // What a connection counted is known when it has ended.
            let mut db = PgConnection::connect(settings.database_url.as_ref().unwrap().expose_secret()).await.unwrap();
            let query = "select deadlocks from pg_stat_database where datname = current_database()";
            deadlocks = sqlx::query_scalar::<_, i64>(query).fetch_one(&mut db).await.unwrap();
        })
        .await;
    eprintln!(
        "{changes} changes by {CALLERS} callers, {} of what was gone; {deadlocks} deadlocks",
        missed.load(Ordering::Acquire)
    );
    assert_eq!(deadlocks, 0);
    app.stop().await;
}
