//! Accounts: how they are made, what their keys do, and how they end.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::people::{PASSWORD, Person, nobody};
use crate::scripted::{Script, Scripted};
use crate::sign_ins::refresh;

/// Within which a credential's end must be felt everywhere.
const SOON: Duration = Duration::from_secs(5);

/// An answer that takes longer than a test.
fn slow_words() -> Script {
    Script::SaysSlowly((0..1200).map(|n| format!("word {n} ")).collect(), Duration::from_millis(50))
}

#[tokio::test]
async fn nobody_comes_in_without_an_account_and_nobody_makes_one_unasked() {
    let app = TestApp::start().await;
    let reply = nobody(&app, "GET", "/api/v1/collections", &Value::Null).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::UNAUTHORIZED, "unauthorized:credential".into()));
    assert_eq!(reply.headers["www-authenticate"], "Bearer");
    let options = nobody(&app, "GET", "/api/v1/auth/options", &Value::Null).await.json();
    assert_eq!(options, json!({ "registration": false, "guests": false }));
    let account = json!({ "name": "ada", "password": PASSWORD });
    let reply = nobody(&app, "POST", "/api/v1/auth/register", &account).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, "forbidden:registration".into()));
    let reply = nobody(&app, "POST", "/api/v1/auth/guest", &json!({})).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, "forbidden:guests".into()));
    app.stop().await;
}

#[tokio::test]
async fn a_guest_goes_with_its_sign_in_and_nobody_else_does() {
    use footnote_ingest::rights::as_system;
    let app = TestApp::with(|settings| settings.guests = true).await;
    let ada = Person::new(&app, "ada").await;
    let mut guests = Vec::new();
    for _ in 0..3 {
        guests.push(Person::of(&app, &nobody(&app, "POST", "/api/v1/auth/guest", &json!({})).await.json()));
    }
    let [gone, here, new] = &guests[..] else { panic!("three guests") };
    gone.collection_with("notes", "a.txt", "The pump holds 4 bar.").await;
    for person in [gone, here, &ada] {
        let long_ago = "update users set created_at = now() - interval '2 days' where id = $1::uuid";
        sqlx::query(long_ago).bind(&person.id).execute(&app.db).await.unwrap();
    }
    for person in [gone, new, &ada] {
        let ended = "delete from sessions where owner_id = $1::uuid";
        sqlx::query(ended).bind(&person.id).execute(&app.db).await.unwrap();
    }
    let deleted = as_system(footnote::accounts::delete_idle_guests(&app.service.app)).await.unwrap();
    let left: Vec<String> =
        sqlx::query_scalar("select id::text from users order by id").fetch_all(&app.db).await.unwrap();
    assert_eq!((deleted, left.contains(&gone.id)), (1, false));
    assert!([here, new, &ada].iter().all(|person| left.contains(&person.id)), "{left:?}");
    let documents: i64 = sqlx::query_scalar("select count(*) from documents").fetch_one(&app.db).await.unwrap();
    assert_eq!(documents, 0);
    app.stop().await;
}

#[tokio::test]
async fn of_two_administrators_who_delete_each_other_one_remains_with_all_that_is_theirs() {
    let app = TestApp::start().await;
    let (ada, eve) = (Person::with_role(&app, "ada", "admin").await, Person::with_role(&app, "eve", "admin").await);
    for admin in [&ada, &eve] {
        admin.collection_with("notes", "a.txt", "The pump holds 4 bar.").await;
    }
    sqlx::query("update users set role = 'user' where name = 'admin'").execute(&app.db).await.unwrap();
    let path = |person: &Person| format!("/api/v1/admin/users/{}", person.id);
    let (of_ada, of_eve) = (path(&ada), path(&eve));
    let (first, second) = tokio::join!(ada.delete(&of_eve), eve.delete(&of_ada));
    let outcome = [first.status, second.status];
    assert_eq!(outcome.iter().filter(|status| **status == StatusCode::NO_CONTENT).count(), 1, "{outcome:?}");
    let left: Vec<(String, i64)> = sqlx::query_as(
        "select u.name, (select count(*) from documents d where d.owner_id = u.id and d.deleted_at is null)
         from users u where u.role = 'admin'",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    assert_eq!(left.iter().map(|(_, documents)| *documents).collect::<Vec<_>>(), [1], "{left:?}");
    app.stop().await;
}

#[tokio::test]
async fn a_key_that_another_process_signs_with_is_read_when_it_is_first_seen() {
    use std::os::unix::fs::PermissionsExt;
    let app = TestApp::start().await;
    let ada = Person::new(&app, "ada").await;
    let path = app.settings.keyring_path();
    // As another process does, when the key is old.
    let mut stored: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    stored["keys"][0]["made_at"] = json!("2020-01-01T00:00:00Z");
    std::fs::write(&path, stored.to_string()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let load = footnote::credentials::password::Load::default();
    let passwords = footnote::credentials::Passwords::new(load);
    let operator = app.service.app.credentials.operator().owner();
    let other = footnote::credentials::Credentials::open(&app.settings, passwords, operator).unwrap();
    let header = |token: &str| token.split('.').next().unwrap().to_owned();
    let session = "select id::text from sessions where owner_id = $1::uuid";
    let session: String = sqlx::query_scalar(session).bind(&ada.id).fetch_one(&app.db).await.unwrap();
    let user = footnote::ids::UserId(ada.id.parse().unwrap());
    let found = footnote::storage::users::find(&app.service.app.db, user);
    let found = footnote_ingest::rights::as_system(found).await.unwrap().unwrap();
    let token = other.access(&found, session.parse().unwrap()).unwrap();
    let token = secrecy::ExposeSecret::expose_secret(&token).to_owned();
    assert_ne!(header(&token), header(&ada.access), "another key");
    assert_eq!(ada.showing(&token).get("/api/v1/me").await.status, StatusCode::OK);
    // The one before still verifies.
    assert_eq!(ada.get("/api/v1/me").await.status, StatusCode::OK);
    app.stop().await;
}

#[tokio::test]
async fn a_guest_becomes_an_account_and_keeps_everything() {
    let app = TestApp::with(|settings| (settings.guests, settings.registration) = (true, true)).await;
    let reply = nobody(&app, "POST", "/api/v1/auth/guest", &json!({})).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text());
    let guest = Person::of(&app, &reply.json());
    assert_eq!(guest.get("/api/v1/me").await.json()["kind"], "guest");
    let (collection, _) = guest.collection_with("notes", "a.txt", "The pump holds 4 bar.").await;
    let account = json!({ "name": "grace", "password": PASSWORD });
    let settled = guest.post("/api/v1/auth/register", &account).await;
    assert_eq!(settled.status, StatusCode::CREATED, "{}", settled.text());
    let grace = Person::of(&app, &settled.json());
    assert_eq!((grace.id.as_str(), grace.name.as_str()), (guest.id.as_str(), "grace"));
    assert_eq!(grace.get(&format!("/api/v1/collections/{collection}")).await.json()["documents"], 1);
    assert_eq!(grace.get("/api/v1/me").await.json()["kind"], "regular");
    app.stop().await;
}

#[tokio::test]
async fn a_guest_has_quotas_of_its_own_until_it_registers() {
    let app = TestApp::with(|settings| {
        (settings.guests, settings.registration) = (true, true);
        (settings.quota.guest_documents, settings.quota.documents) = (1, 2);
    })
    .await;
    let guest = Person::of(&app, &nobody(&app, "POST", "/api/v1/auth/guest", &json!({})).await.json());
    let (collection, _) = guest.collection_with("notes", "a.txt", "The pump holds 4 bar.").await;
    let path = format!("/api/v1/collections/{collection}/documents");
    let more = |key: &str| json!({ "key": key, "text": "The valve opens at 3 bar." });
    let refused = guest.post(&path, &more("b.txt")).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::FORBIDDEN, "quota_exceeded:documents".into()));
    assert!(refused.text().contains("FOOTNOTE_QUOTA_GUEST_DOCUMENTS"), "{}", refused.text());
    let account = json!({ "name": "grace", "password": PASSWORD });
    let grace = Person::of(&app, &guest.post("/api/v1/auth/register", &account).await.json());
    assert_eq!(grace.post(&path, &more("b.txt")).await.status, StatusCode::ACCEPTED);
    let refused = grace.post(&path, &more("c.txt")).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::FORBIDDEN, "quota_exceeded:documents".into()));
    assert!(refused.text().contains("FOOTNOTE_QUOTA_DOCUMENTS"), "{}", refused.text());
    app.stop().await;
}

#[tokio::test]
async fn a_key_does_what_it_was_made_for() {
    let app = TestApp::start().await;
    let ada = Person::new(&app, "ada").await;
    let make = async |scopes: &[&str]| {
        let made = ada.post("/api/v1/api-keys", &json!({ "name": "bot", "scopes": scopes })).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        made.json()
    };
    let reading = make(&["read"]).await;
    let bot = ada.showing(reading["key"].as_str().unwrap());
    assert_eq!(bot.get("/api/v1/collections").await.status, StatusCode::OK);
    assert_eq!(bot.post("/api/v1/search", &json!({ "query": "pump" })).await.status, StatusCode::OK);
    for (method, path, body) in [
        ("POST", "/api/v1/collections", json!({ "name": "x" })),
        ("POST", "/api/v1/conversations", json!({})),
        ("POST", "/api/v1/api-keys", json!({ "name": "more", "scopes": ["write"] })),
        ("GET", "/api/v1/admin/users", Value::Null),
    ] {
        let reply = bot.send(method, path, &body).await;
        assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, "forbidden:scope".into()), "{method} {path}");
    }
    let writing = ada.showing(make(&["write", "ask"]).await["key"].as_str().unwrap());
    assert_eq!(writing.post("/api/v1/collections", &json!({ "name": "x" })).await.status, StatusCode::CREATED);
    assert_eq!(writing.post("/api/v1/conversations", &json!({})).await.status, StatusCode::CREATED);
    // An administrator's key is no administrator's for somebody who is none.
    let admin = ada.showing(make(&["admin", "read"]).await["key"].as_str().unwrap());
    assert_eq!(admin.get("/api/v1/admin/users").await.status, StatusCode::FORBIDDEN);
    // It is shown once, listed without its secret, and ends.
    let listed = ada.get("/api/v1/api-keys").await;
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 3);
    assert!(!listed.text().contains(reading["key"].as_str().unwrap()));
    let path = format!("/api/v1/api-keys/{}", reading["id"].as_str().unwrap());
    assert_eq!(ada.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(bot.get("/api/v1/collections").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ada.delete(&path).await.status, StatusCode::NOT_FOUND);
    for bad in [
        json!({ "name": "", "scopes": ["read"] }),
        json!({ "name": "a", "scopes": [] }),
        json!({ "name": "a", "scopes": ["all"] }),
        json!({ "name": "a", "scopes": ["read"], "expires_in_days": 0 }),
    ] {
        assert_eq!(ada.post("/api/v1/api-keys", &bad).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    app.stop().await;
}

#[tokio::test]
async fn an_account_that_is_disabled_is_out_everywhere_with_its_open_streams() {
    let provider = Scripted::start(slow_words()).await;
    let app = TestApp::with(|settings| provider.configure(settings)).await;
    let ada = Person::new(&app, "ada").await;
    let key = ada.post("/api/v1/api-keys", &json!({ "name": "bot", "scopes": ["read", "ask"] })).await.json();
    let bot = ada.showing(key["key"].as_str().unwrap());
    ada.collection_with("notes", "a.txt", "The pump holds 4 bar.").await;
    let messages = ada.conversation().await;
    let asking = tokio::spawn({
        let (ada, messages) = (ada.clone(), messages.clone());
        async move { ada.post(&messages, &json!({ "content": "What does the pump hold?", "stream": true })).await }
    });
    let answer = crate::canaries::until("answer", async || {
        let items = ada.get(&messages).await.json();
        items["items"]
            .as_array()?
            .iter()
            .find(|m| m["role"] == "assistant")
            .map(|m| m["id"].as_str().unwrap().to_owned())
    })
    .await;
    let mut followed = bot.open(&format!("{messages}/{answer}/stream")).await.into_body().into_data_stream();
    assert!(followed.next().await.is_some());
    let disabled = Instant::now();
    let path = format!("/api/v1/admin/users/{}", ada.id);
    assert_eq!(app.send("PATCH", &path, &json!({ "disabled": true })).await.json()["disabled"], true);
    tokio::time::timeout(SOON, asking).await.expect("the asker's stream ends").unwrap();
    let rest = tokio::time::timeout(SOON.saturating_sub(disabled.elapsed()), async {
        while followed.next().await.is_some() {}
    });
    rest.await.expect("the follower's stream ends");
    for ended in [&ada, &bot] {
        assert_eq!(ended.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(refresh(&app, &ada.refresh).await.status, StatusCode::UNAUTHORIZED);
    let login = json!({ "name": "ada", "password": PASSWORD });
    let refused = nobody(&app, "POST", "/api/v1/auth/login", &login).await;
    assert_eq!(refused.json()["error"]["message"], "the name or the password is wrong");
    app.stop().await;
}

#[tokio::test]
async fn administrators_see_to_accounts_and_one_always_remains() {
    let app = TestApp::start().await;
    let ada = Person::with_role(&app, "ada", "admin").await;
    let bob = Person::new(&app, "bob").await;
    assert_eq!(bob.get("/api/v1/admin/users").await.code(), "forbidden:scope");
    let users = ada.get("/api/v1/admin/users").await.json();
    let names: Vec<&str> = users["items"].as_array().unwrap().iter().map(|u| u["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["admin", "ada", "bob"]);
    // The operator and ada: one of them may go.
    let operator = users["items"][0]["id"].as_str().unwrap();
    let demote = json!({ "role": "user" });
    let path = |id: &str| format!("/api/v1/admin/users/{id}");
    assert_eq!(ada.send("PATCH", &path(operator), &demote).await.status, StatusCode::OK);
    assert_eq!(ada.send("PATCH", &path(&ada.id), &demote).await.code(), "conflict:account");
    assert_eq!(ada.delete(&path(&ada.id)).await.code(), "conflict:account");
    // With an account goes all that it has.
    let (_, document) = bob.collection_with("notes", "a.txt", "The pump holds 4 bar.").await;
    assert_eq!(ada.delete(&path(&bob.id)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(bob.get(&format!("/api/v1/documents/{document}")).await.status, StatusCode::UNAUTHORIZED);
    let left: i64 = sqlx::query_scalar("select count(*) from revisions").fetch_one(&app.db).await.unwrap();
    assert_eq!(left, 0);
    crate::canaries::until("emptied index", async || {
        let points = app.service.app.corpus.live().index.info().await.unwrap().points;
        (points == 0).then_some(())
    })
    .await;
    app.stop().await;
}
