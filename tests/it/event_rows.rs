//! The events of an answer go with its message, and come with none that is not
//! there.

use std::time::Duration;

use footnote::ids::MessageId;
use footnote::storage::events::{self, Event};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::harness::TestApp;
use crate::reading::{asked, assert_whole, frames, numbered, question, replayed, said, talking};
use crate::scripted::Script;

async fn count(db: &PgPool, message: Uuid) -> i64 {
    let counted = sqlx::query_scalar("select count(*) from message_events where message_id = $1");
    counted.bind(message).fetch_one(db).await.unwrap()
}

/// Asks in a conversation of its own; the paths of both, and the answer.
async fn answered(app: &TestApp) -> (String, Uuid) {
    let messages = app.conversation().await;
    let told = app.events(&messages, &json!({ "content": "What is a valve?", "stream": true })).await;
    let started: &Value = &told.first().expect("it begins").data;
    (messages.trim_end_matches("/messages").to_owned(), started["message_id"].as_str().unwrap().parse().unwrap())
}

/// An answer that has ended goes on.
async fn go_on(db: &PgPool, message: Uuid) {
    sqlx::query("update messages set status = 'running' where id = $1").bind(message).execute(db).await.unwrap();
}

fn event(seq: i32) -> Event {
    Event { seq, name: "text.delta".into(), data: json!({ "text": "word " }) }
}

#[tokio::test]
async fn events_go_with_their_message_and_no_others() {
    let app = TestApp::start().await;
    let (gone, of_gone) = answered(&app).await;
    let (_, of_kept) = answered(&app).await;
    let kept = count(&app.db, of_kept).await;
    assert!(count(&app.db, of_gone).await > 0 && kept > 0);
    assert_eq!(app.delete(&gone).await.status, 204);
    assert_eq!((count(&app.db, of_gone).await, count(&app.db, of_kept).await), (0, kept));
    app.stop().await;
}

#[tokio::test]
async fn a_message_that_is_not_there_gets_no_events() {
    let app = TestApp::start().await;
    let (_, message) = answered(&app).await;
    go_on(&app.db, message).await;
    let (before, message, nobodys) = (count(&app.db, message).await, MessageId(message), MessageId::new());
    let next = i32::try_from(before).unwrap() + 1;
    let (here, there) = (event(next), event(1));
    // All or none.
    assert!(events::append_all(&app.db, &[(message, &here), (nobodys, &there)]).await.is_err());
    assert!(events::append(&app.db, nobodys, &[there]).await.is_err());
    assert_eq!((count(&app.db, message.0).await, count(&app.db, nobodys.0).await), (before, 0));
    events::append_all(&app.db, &[(message, &here)]).await.unwrap();
    events::append(&app.db, message, &[event(next + 1)]).await.unwrap();
    assert_eq!(count(&app.db, message.0).await, before + 2);
    // A number that is taken is an error, and so is one that leaves a gap.
    assert!(events::append(&app.db, message, &[here]).await.is_err());
    let late = event(next + 3);
    assert!(events::append(&app.db, message, std::slice::from_ref(&late)).await.is_err());
    assert!(events::append_all(&app.db, &[(message, &late)]).await.is_err());
    assert_eq!(count(&app.db, message.0).await, before + 2);
    app.stop().await;
}

#[tokio::test]
async fn nothing_comes_behind_the_end_of_an_answer() {
    let app = TestApp::start().await;
    let (_, message) = answered(&app).await;
    let before = count(&app.db, message).await;
    let (message, late) = (MessageId(message), event(i32::try_from(before).unwrap() + 1));
    assert!(events::append(&app.db, message, std::slice::from_ref(&late)).await.is_err());
    assert!(events::append_all(&app.db, &[(message, &late)]).await.is_err());
    assert_eq!(count(&app.db, message.0).await, before);
    app.stop().await;
}

#[tokio::test]
async fn who_writes_events_of_a_message_that_is_being_deleted_waits_and_is_refused() {
    let app = TestApp::start().await;
    let (_, message) = answered(&app).await;
    go_on(&app.db, message).await;
    let mut deleting = app.db.begin().await.unwrap();
    sqlx::query("delete from messages where id = $1").bind(message).execute(&mut *deleting).await.unwrap();
    let (db, next) = (app.db.clone(), i32::try_from(count(&app.db, message).await).unwrap() + 1);
    let writing = tokio::spawn(async move {
        let last = event(next);
        events::append_all(&db, &[(MessageId(message), &last)]).await
    });
    let waits = "select exists (select from pg_locks where not granted)";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&app.db).await.unwrap() {
        assert!(!writing.is_finished(), "it did not wait");
        tokio::task::yield_now().await;
    }
    deleting.commit().await.unwrap();
    assert!(writing.await.unwrap().is_err());
    assert_eq!(count(&app.db, message).await, 0);
    app.stop().await;
}

/// How often all events were read, by whatever this connection did.
async fn scans(connection: &mut PgConnection) -> i64 {
    sqlx::query("select pg_stat_force_next_flush()").execute(&mut *connection).await.unwrap();
    let scans = "select seq_scan from pg_stat_user_tables where relname = 'message_events'";
    sqlx::query_scalar(scans).fetch_one(&mut *connection).await.unwrap()
}

#[tokio::test]
async fn however_many_events_there_are_no_others_are_read_to_append_some() {
    let app = TestApp::start().await;
    // Postgres plans for events of which it knows nothing, as when many come in.
    sqlx::query("alter table message_events set (autovacuum_enabled = off)").execute(&app.db).await.unwrap();
    let (_, one) = answered(&app).await;
    let (_, other) = answered(&app).await;
    go_on(&app.db, one).await;
    go_on(&app.db, other).await;
    let mut connection = app.db.acquire().await.unwrap();
    let mut at = [count(&app.db, one).await, count(&app.db, other).await].map(|count| i32::try_from(count).unwrap());
    let before = scans(&mut connection).await;
    // More than those after which Postgres plans anew for any values.
    for _ in 0..20 {
        at = at.map(|at| at + 1);
        let next = at.map(event);
        let both = [(MessageId(one), &next[0]), (MessageId(other), &next[1])];
        events::append_all(&mut *connection, &both).await.unwrap();
        at[0] += 1;
        events::append(&mut *connection, MessageId(one), &[event(at[0])]).await.unwrap();
    }
    assert_eq!(scans(&mut connection).await, before);
    drop(connection);
    app.stop().await;
}

/// Takes the last `many` events away, but never the first, as long as the end is not
/// there, which is on the disk with all before it. Returns how many went.
///
/// No one is writing meanwhile: a breakdown ends every statement, and one that looked
/// before this and wrote after it would leave a hole.
async fn lose_last(db: &PgPool, many: i32) -> u64 {
    let mut losing = db.begin().await.unwrap();
    let alone = "lock table message_events in share row exclusive mode";
    sqlx::query(alone).execute(&mut *losing).await.unwrap();
    let running = "select id from messages where status = 'running'";
    let running: Option<Uuid> = sqlx::query_scalar(running).fetch_optional(&mut *losing).await.unwrap();
    let last = "delete from message_events where message_id = $1 and seq >
                greatest(1, (select max(seq) from message_events where message_id = $1) - $2)";
    let lost = sqlx::query(last).bind(running).bind(many).execute(&mut *losing).await.unwrap().rows_affected();
    losing.commit().await.unwrap();
    lost
}

/// A database that breaks down loses the last that was said, which was not waited for
/// until it was on the disk; the service and its answer go on.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_the_database_loses_are_stored_again() {
    let words = numbered(1, 200).remove(0);
    let slowly = Script::SaysSlowly(words.clone(), Duration::from_millis(10));
    let (app, _provider) = talking(slowly, |_| {}).await;
    let (mut reading, path) = asked(&app, &question(0)).await;
    let (mut lost, mut more) = (0, 1);
    while reading.more().await {
        let heard = i32::try_from(frames(&reading.bytes).len()).unwrap();
        if heard < more * 20 {
            continue;
        }
        more += 1;
        lost += lose_last(&app.db, more).await;
    }
    assert!(lost > 20, "{lost}");
    let read = frames(&reading.bytes);
    assert_whole(&read, "message.completed");
    assert_eq!(said(&read), words.concat());
    assert!(frames(&replayed(&app, &path).await) == read, "what is stored is what was shown");
    app.stop().await;
}
