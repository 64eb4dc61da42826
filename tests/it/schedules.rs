//! Schedules: each tick once, whoever watches; after a pause once for all.

use std::time::Duration;

use axum::http::StatusCode;
use footnote::startup::{Role, Service};
use footnote::storage::schedules;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, PgPool};

use crate::command::{Footnote, write};
use crate::harness::{TestApp, folder};
use crate::people::Person;

/// How long something may take that is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no {what}"))
}

async fn schedule(app: &TestApp, name: &str, cron: &str, action: &Value) -> String {
    let made = app.post("/api/v1/schedules", &json!({ "name": name, "cron": cron, "action": action })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    format!("/api/v1/schedules/{}", made.json()["id"].as_str().unwrap())
}

/// All runs, the ticks that they are for, and those that are done.
async fn runs(db: &PgPool) -> (i64, i64, i64) {
    sqlx::query_as(
        "select count(*), count(distinct (schedule_id, tick)), count(*) filter (where state = 'done') \
         from schedule_runs",
    )
    .fetch_one(db)
    .await
    .unwrap()
}

/// The run of a schedule that was done first.
async fn done(app: &TestApp, path: &str) -> Value {
    until("run that is done", async || {
        let runs = app.get(path).await.json()["runs"].as_array().unwrap().clone();
        assert!(runs.iter().all(|run| run["state"] != "failed"), "{runs:?}");
        runs.into_iter().rev().find(|run| run["state"] == "done")
    })
    .await
}

#[tokio::test]
async fn two_services_on_one_database_run_each_tick_once() {
    let app = TestApp::start().await;
    let settings = footnote::config::Settings { data_dir: app.settings.data_dir.join("2"), ..app.settings.clone() };
    let second = Service::start(settings, Role::Server).await.expect("a second service starts");
    schedule(&app, "often", "* * * * * *", &json!("purge")).await;
    let db = &app.db;
    let enough = async |least| until("ticks", async || Some(runs(db).await).filter(|runs| runs.2 >= least)).await;
    let (rows, ticks, _) = enough(4).await;
    assert_eq!(rows, ticks);
    // Whoever of them watched, it goes on.
    let (.., before) = runs(db).await;
    second.stop().await;
    let (rows, ticks, _) = enough(before + 2).await;
    assert_eq!(rows, ticks);
    let outside: i64 =
        sqlx::query_scalar("select count(*) from schedule_runs where tick <> date_trunc('second', tick)")
            .fetch_one(db)
            .await
            .unwrap();
    assert_eq!(outside, 0, "a tick is what the schedule says, not when it was noticed");
    app.stop().await;
}

#[tokio::test]
async fn of_many_that_fire_at_once_one_does() {
    let app = TestApp::start().await;
    let path = schedule(&app, "yearly", "0 0 1 1 *", &json!("check")).await;
    let db = app.db.clone();
    sqlx::query("update schedules set next_run_at = now() - interval '1 second'").execute(&db).await.unwrap();
    let id = path.rsplit('/').next().unwrap().parse().unwrap();
    let fire = || async {
        let mut tx = db.begin().await.unwrap();
        let fired = schedules::fire(&mut tx, id, footnote::schedules::next).await.unwrap();
        tx.commit().await.unwrap();
        i64::from(fired)
    };
    let fired = tokio::join!(fire(), fire(), fire(), fire(), fire(), fire());
    let fired = fired.0 + fired.1 + fired.2 + fired.3 + fired.4 + fired.5;
    // The service watches too, and may have been the first.
    assert!(fired <= 1, "{fired} fired");
    let run = done(&app, &path).await;
    assert_eq!(run["outcome"]["missing"], 0, "{run}");
    assert_eq!(runs(&db).await, (1, 1, 1));
    app.stop().await;
}

#[tokio::test]
async fn ticks_missed_while_the_service_was_down_are_one_run() {
    let app = TestApp::start().await;
    let path = schedule(&app, "yearly", "0 0 1 1 *", &json!("purge")).await;
    let app = app
        .restarted_after(async |settings| {
            let url = settings.database_url.as_ref().unwrap().expose_secret();
            let mut db = PgConnection::connect(url).await.unwrap();
            let missed = "update schedules set next_run_at = date_trunc('year', now()) - interval '3 years'";
            sqlx::query(missed).execute(&mut db).await.unwrap();
        })
        .await;
    let run = done(&app, &path).await;
    let schedule = app.get(&path).await.json();
    assert_eq!(run["tick"], schedule["last_tick"], "{schedule}");
    let is_ahead: bool =
        sqlx::query_scalar("select bool_and(next_run_at > now()) from schedules").fetch_one(&app.db).await.unwrap();
    assert!(is_ahead, "{schedule}");
    assert_eq!(runs(&app.db).await, (1, 1, 1));
    app.stop().await;
}

#[tokio::test]
async fn a_sync_takes_in_what_changed_and_deletes_what_is_gone() {
    let files = folder();
    let root = files.path().canonicalize().unwrap();
    write(&root, "pumps/p4.txt", "The pump P4 holds 4 bar.");
    write(&root, "valves.txt", "The valve opens in 3 s.");
    let app = TestApp::with(|settings| settings.sync_roots = vec![root.clone()]).await;
    let collection = app.collection("synced").await;
    let other = app.text(&collection, "by-hand.txt", "Uploaded by hand.").await;
    // Of its name by chance.
    app.text(&collection, "files/by-hand.txt", "Uploaded by hand as well.").await;
    let sync = json!({ "sync": { "collection": collection, "inputs": [root], "prune": true } });
    let path = schedule(&app, "files", "* * * * * *", &sync).await;
    let run = done(&app, &path).await;
    assert_eq!((&run["outcome"]["added"], &run["outcome"]["failed"]), (&json!(2), &json!(0)), "{run}");

    // What somebody noted is not lost when the file changes.
    let noted = json!({ "meta": { "department": "support" } });
    let pump = app.get(&format!("/api/v1/documents?collection={collection}")).await.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["key"] == "files/pumps/p4.txt")
        .map(|item| format!("/api/v1/documents/{}", item["id"].as_str().unwrap()))
        .unwrap();
    assert_eq!(app.send("PATCH", &pump, &noted).await.status, StatusCode::OK);
    write(&root, "pumps/p4.txt", "The pump P4 holds 5 bar.");
    until("changed pump", async || {
        let runs = app.get(&path).await.json()["runs"].as_array()?.clone();
        runs.iter().any(|run| run["outcome"]["changed"] == 1).then_some(())
    })
    .await;
    assert_eq!(app.get(&pump).await.json()["meta"], noted["meta"]);

    std::fs::remove_file(root.join("valves.txt")).unwrap();
    let documents = format!("/api/v1/documents?collection={collection}");
    let keys = until("end of the valve", async || {
        let documents = app.get(&documents).await.json();
        let mut keys: Vec<String> =
            documents["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap().into()).collect();
        keys.sort();
        (!keys.contains(&"files/valves.txt".to_owned())).then_some(keys)
    })
    .await;
    assert_eq!(keys, ["by-hand.txt", "files/by-hand.txt", "files/pumps/p4.txt"], "what was not synced stays: {other}");

    // Nothing is left at all: the folder may not be mounted.
    std::fs::remove_dir_all(root.join("pumps")).unwrap();
    let before = runs(&app.db).await.2;
    until("two more runs", async || (runs(&app.db).await.2 >= before + 2).then_some(())).await;
    assert_eq!(app.get(&documents).await.json()["items"].as_array().unwrap().len(), 3);
    assert_eq!(app.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(app.get(&path).await.status, StatusCode::NOT_FOUND);
    app.stop().await;
}

#[tokio::test]
async fn a_sync_into_a_shared_collection_needs_a_writer_and_is_the_owners() {
    let files = folder();
    let root = files.path().canonicalize().unwrap();
    write(&root, "p4.txt", "The pump P4 holds 4 bar.");
    let app = TestApp::with(|settings| settings.sync_roots = vec![root.clone()]).await;
    let owner = Person::new(&app, "owner").await;
    let (collection, _) = owner.collection_with("manuals", "own.txt", "The valve opens in 3 s.").await;
    let admit = async |role: &str| {
        let members = format!("/api/v1/collections/{collection}/members");
        let admitted = owner.post(&members, &json!({ "name": "admin", "role": role })).await;
        assert_eq!(admitted.status, StatusCode::OK, "{}", admitted.text());
    };
    admit("reader").await;
    let accepted = app.post(&format!("/api/v1/collections/{collection}/accept"), &json!(null)).await;
    assert_eq!(accepted.status, StatusCode::NO_CONTENT, "{}", accepted.text());
    let sync = json!({ "sync": { "collection": collection, "inputs": [root], "prune": true } });
    let wanted = json!({ "name": "files", "cron": "* * * * * *", "action": sync });
    let refused = app.post("/api/v1/schedules", &wanted).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::FORBIDDEN, "forbidden:collection".into()));

    admit("writer").await;
    let path = schedule(&app, "files", "* * * * * *", &sync).await;
    let run = done(&app, &path).await;
    assert_eq!(run["outcome"]["added"], 1, "{run}");
    let others: i64 = sqlx::query_scalar("select count(*) from documents where owner_id <> $1::uuid")
        .bind(&owner.id)
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert_eq!(others, 0);
    // Who may only read from now on writes no more.
    admit("reader").await;
    let failed = until("run that fails", async || {
        let runs = app.get(&path).await.json()["runs"].as_array().unwrap().clone();
        runs.into_iter().find(|run| run["state"] == "failed")
    })
    .await;
    assert!(failed.to_string().contains("writer"), "{failed}");
    app.stop().await;
}

#[tokio::test]
async fn a_schedule_that_could_never_run_is_refused_with_what_is_wrong() {
    let app = TestApp::start().await;
    let collection = app.collection("c").await;
    let sync = |inputs: &str| json!({ "sync": { "collection": collection, "inputs": [inputs] } });
    let nowhere = json!({ "sync": { "collection": uuid::Uuid::new_v4(), "inputs": ["/srv"] } });
    let cases = [
        (json!({ "name": "a", "cron": "often", "action": "purge" }), 422, "unprocessable:cron"),
        (json!({ "name": "a", "cron": "0 3 30 2 *", "action": "purge" }), 422, "unprocessable:cron"),
        (
            json!({ "name": "a", "cron": "0 3 * * *", "time_zone": "Mars", "action": "purge" }),
            422,
            "unprocessable:time_zone",
        ),
        (json!({ "name": "a/b", "cron": "0 3 * * *", "action": "purge" }), 422, "unprocessable:name"),
        (json!({ "name": "a", "cron": "0 3 * * *", "action": "explode" }), 422, "unprocessable:body"),
        (json!({ "name": "a", "cron": "0 3 * * *", "action": sync("/etc") }), 422, "unprocessable:inputs"),
        (json!({ "name": "a", "cron": "0 3 * * *", "action": nowhere }), 404, "not_found:collection"),
    ];
    for (schedule, status, code) in cases {
        let refused = app.post("/api/v1/schedules", &schedule).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (status, code), "{schedule}");
    }
    schedule(&app, "a", "0 3 * * *", &json!("purge")).await;
    let again = app.post("/api/v1/schedules", &json!({ "name": "a", "cron": "0 3 * * *", "action": "check" })).await;
    assert_eq!(again.code(), "conflict:schedule");
    app.stop().await;
}

#[test]
fn schedules_are_added_listed_and_removed_by_name() {
    let footnote = Footnote::new();
    let arguments = ["schedules", "add", "nightly", "0 3 * * *", "--time-zone", "Europe/Zurich", "purge"];
    let made = footnote.json(&arguments);
    assert_eq!((&made["cron"], &made["action"]), (&json!("0 0 3 * * *"), &json!("purge")), "{made}");
    let listed = footnote.json(&["schedules"]);
    assert_eq!(listed["schedules"][0]["time_zone"], "Europe/Zurich", "{listed}");
    assert!(footnote.run(&["schedules", "remove", "nightly"]).status.success());
    assert_eq!(footnote.json(&["schedules", "list"])["schedules"], json!([]));
    assert_eq!(footnote.run(&["schedules", "remove", "nightly"]).status.code(), Some(2));
}
