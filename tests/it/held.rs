//! What callers are held to, by whichever door they come: tokens of the day, and
//! what their credential is good for.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::conversing::{Conversing, MODEL, Reply as Says};
use crate::harness::{Reply, TestApp, request};
use crate::people::{PASSWORD, Person, nobody, whole};
use crate::talk::{MANUAL, PRESSURE, Talk};

/// An id that nothing has.
const NOTHING: &str = "0190a000-0000-7000-8000-000000000000";

/// A key of somebody's, shown in the place of a sign-in.
async fn key(person: &Person, scopes: &[&str]) -> Person {
    let made = person.post("/api/v1/api-keys", &json!({ "name": "bot", "scopes": scopes })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    person.showing(made.json()["key"].as_str().unwrap())
}

fn assert_lacks(reply: &Reply, what: &str) {
    assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, "forbidden:scope".into()), "{what}");
}

#[tokio::test]
async fn a_call_that_is_passed_on_counts_against_the_tokens_of_the_day() {
    let says = |_: &Value| Says::says("Yes.").used(100, 0, 9);
    let talk = Talk::with(Conversing::start(says).await, |settings| settings.limits.tokens = 200).await;
    let chat = json!({ "model": MODEL, "messages": [{ "role": "user", "content": "Well?" }], "max_tokens": 50 });
    for n in 0..2 {
        let reply = talk.app.post("/v1/chat/completions", &chat).await;
        assert_eq!(reply.status, StatusCode::OK, "{n}: {}", reply.text());
    }
    let asked = talk.model.bodies(crate::conversing::Task::Answer).len();
    let response = json!({ "model": MODEL, "input": "Well?" });
    for (path, body) in [("/v1/chat/completions", chat), ("/v1/responses", response)] {
        let reply = talk.app.post(path, &body).await;
        assert_eq!(reply.json()["error"]["code"], "insufficient_quota", "{path}: {}", reply.text());
    }
    assert_eq!(talk.model.bodies(crate::conversing::Task::Answer).len(), asked, "the model is not asked");
    talk.stop().await;
}

#[tokio::test]
async fn more_tokens_than_a_model_has_room_for_are_refused_before_it_is_asked() {
    let talk = Talk::start(Conversing::start(|_: &Value| Says::says("Yes.")).await).await;
    let most = u32::MAX;
    let messages = json!([{ "role": "user", "content": "Well?" }]);
    for (path, body, param) in [
        (
            "/v1/chat/completions",
            json!({ "model": MODEL, "messages": messages, "max_tokens": most }),
            "max_completion_tokens",
        ),
        ("/v1/responses", json!({ "model": MODEL, "input": "Well?", "max_output_tokens": most }), "max_output_tokens"),
    ] {
        let reply = talk.app.post(path, &body).await;
        assert_eq!((reply.status, &reply.json()["error"]["param"]), (StatusCode::BAD_REQUEST, &json!(param)), "{path}");
    }
    let reply = talk.app.post(&talk.messages, &json!({ "content": "Well?", "max_tokens": most })).await;
    assert_eq!(
        (reply.status, reply.code()),
        (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable:max_tokens".into()),
        "{}",
        reply.text()
    );
    assert!(talk.model.bodies(crate::conversing::Task::Answer).is_empty());
    talk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_by_mcp_counts_against_the_key_that_it_came_with() {
    let says = |_: &Value| Says::says("The pump P4 is rated for 4 bar.").used(100, 0, 9);
    let talk = Talk::with(Conversing::start(says).await, |settings| settings.limits.key_tokens = 100).await;
    let ada = Person::new(&talk.app, "ada").await;
    ada.collection_with("main", "p4.txt", MANUAL).await;
    let bot = key(&ada, &["read", "ask"]).await;
    let ask = async |id: u32| {
        let params = json!({ "name": "ask", "arguments": { "question": format!("{PRESSURE} ({id})") } });
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        let request = request("POST", "/mcp")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .header("authorization", format!("Bearer {}", bot.access));
        let reply = whole(&talk.app.doors(), request.body(Body::from(message.to_string())).unwrap()).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        reply.json()["result"].clone()
    };
    let first = ask(1).await;
    assert_ne!(first["isError"], true, "{first}");
    let second = ask(2).await;
    assert_eq!(second["isError"], true, "{second}");
    assert!(second["content"][0]["text"].as_str().unwrap().contains("tokens"), "{second}");
    // Its owner's own limit is another.
    let own = ada.post(&ada.conversation().await, &json!({ "content": PRESSURE })).await;
    assert_eq!(own.status, StatusCode::OK, "{}", own.text());
    talk.stop().await;
}

#[tokio::test]
async fn no_key_says_who_else_sees_a_collection_or_signs_anybody_out() {
    let app = TestApp::start().await;
    let (ada, _) = (Person::new(&app, "ada").await, Person::new(&app, "eve").await);
    let made = ada.post("/api/v1/collections", &json!({ "name": "main" })).await.json();
    let members = format!("/api/v1/collections/{}/members", made["id"].as_str().unwrap());
    let bot = key(&ada, &["read", "ask", "write"]).await;
    assert_lacks(&bot.post(&members, &json!({ "name": "eve", "role": "reader" })).await, "admit");
    assert_lacks(&bot.delete(&format!("{members}/{NOTHING}")).await, "remove");
    assert_eq!(bot.get(&members).await.status, StatusCode::OK);
    assert_lacks(&bot.post("/api/v1/auth/logout", &json!({ "everywhere": true })).await, "logout");
    assert_eq!(ada.get("/api/v1/me").await.status, StatusCode::OK);
    let embed = json!({ "model": "any", "input": "Herons" });
    let reading = key(&ada, &["read"]).await;
    assert_eq!(reading.post("/v1/embeddings", &embed).await.status, StatusCode::FORBIDDEN);
    assert_eq!(bot.post("/v1/embeddings", &embed).await.status, StatusCode::NOT_FOUND);
    app.stop().await;
}

#[tokio::test]
async fn a_call_that_writes_is_allowed_by_a_key_that_writes() {
    let app = TestApp::start().await;
    let ada = Person::new(&app, "ada").await;
    let path = format!("{}/{NOTHING}/approvals/{NOTHING}", ada.conversation().await);
    let asking = key(&ada, &["read", "ask"]).await;
    assert_lacks(&asking.post(&path, &json!({ "approve": true })).await, "allow");
    assert_eq!(asking.post(&path, &json!({ "approve": false })).await.status, StatusCode::NOT_FOUND);
    let writing = key(&ada, &["ask", "write"]).await;
    assert_eq!(writing.post(&path, &json!({ "approve": true })).await.status, StatusCode::NOT_FOUND);
    app.stop().await;
}

#[tokio::test]
async fn no_key_becomes_the_account_that_it_belongs_to() {
    let app = TestApp::with(|settings| (settings.registration, settings.guests) = (true, true)).await;
    let guest = nobody(&app, "POST", "/api/v1/auth/guest", &json!({})).await;
    let guest = Person::of(&app, &guest.json());
    let account = json!({ "name": "grace", "password": PASSWORD });
    let bot = key(&guest, &["read", "ask", "write"]).await;
    assert_lacks(&bot.post("/api/v1/auth/register", &account).await, "settle");
    assert_eq!(guest.get("/api/v1/me").await.json()["kind"], "guest");

    let root = Person::with_role(&app, "root", "admin").await;
    let other = Person::new(&app, "ada").await;
    let bot = key(&root, &["admin", "read"]).await;
    let password = json!({ "password": "another long password" });
    let own = format!("/api/v1/admin/users/{}", root.id);
    assert_lacks(&bot.send("PATCH", &own, &password).await, "own password");
    Person::signs_in(&app, "root", PASSWORD).await;
    let others = format!("/api/v1/admin/users/{}", other.id);
    assert_eq!(bot.send("PATCH", &others, &password).await.status, StatusCode::OK);
    app.stop().await;
}

#[tokio::test]
async fn a_password_is_guessed_no_faster_where_it_is_changed() {
    let app = TestApp::start().await;
    let ada = Person::new(&app, "ada").await;
    let change = async |current: &str| {
        let password = json!({ "current": current, "new": "another long password" });
        ada.send("PATCH", "/api/v1/me", &json!({ "password": password })).await.status
    };
    for n in 0..10 {
        assert_eq!(change("wrong password").await, StatusCode::FORBIDDEN, "{n}");
    }
    assert_eq!(change("wrong password").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(change(PASSWORD).await, StatusCode::TOO_MANY_REQUESTS, "the right one is not told apart");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_once_are_no_more_guesses() {
    let app = TestApp::start().await;
    Person::new(&app, "ada").await;
    let mut guesses = JoinSet::new();
    for n in 0..50 {
        let doors = app.doors();
        guesses.spawn(async move {
            let body = json!({ "name": "ada", "password": format!("a wrong one {n}") }).to_string();
            let request = request("POST", "/api/v1/auth/login").header("content-type", "application/json");
            whole(&doors, request.body(body.into()).unwrap()).await.status
        });
    }
    let replies = guesses.join_all().await;
    let count = |status| replies.iter().filter(|reply| **reply == status).count();
    assert_eq!((count(StatusCode::UNAUTHORIZED), count(StatusCode::TOO_MANY_REQUESTS)), (10, 40), "{replies:?}");
    app.stop().await;
}

/// A request from an address, with this credential if any.
async fn from(app: &TestApp, address: &str, credential: Option<&str>) -> Reply {
    let mut request = request("GET", "/api/v1/collections");
    if let Some(credential) = credential {
        request = request.header("authorization", format!("Bearer {credential}"));
    }
    let mut request = request.body(Body::empty()).unwrap();
    let peer: std::net::SocketAddr = format!("{address}:4000").parse().unwrap();
    request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
    whole(&app.doors(), request).await
}

#[tokio::test]
async fn keys_that_are_made_up_are_looked_up_a_few_times_only() {
    let app = TestApp::start().await;
    let ada = Person::new(&app, "ada").await;
    let (used, unused) = (key(&ada, &["read"]).await.access, key(&ada, &["read"]).await.access);
    assert_eq!(from(&app, "192.0.2.1", Some(&used)).await.status, StatusCode::OK);
    let made_up = |n: usize| format!("fn_{n:022}_{}", "a".repeat(43));
    for n in 0..30 {
        assert_eq!(from(&app, "192.0.2.1", Some(&made_up(n))).await.status, StatusCode::UNAUTHORIZED, "{n}");
    }
    for unknown in [made_up(30), unused.clone()] {
        let reply = from(&app, "192.0.2.1", Some(&unknown)).await;
        assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{}", reply.text());
        assert!(reply.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    }
    assert_eq!(from(&app, "192.0.2.1", Some(&used)).await.status, StatusCode::OK, "one that was good stays good");
    assert_eq!(from(&app, "192.0.2.1", Some(&ada.access)).await.status, StatusCode::OK, "a token proves itself");
    assert_eq!(from(&app, "192.0.2.2", Some(&unused)).await.status, StatusCode::OK, "elsewhere");
    app.stop().await;
}

#[tokio::test]
async fn who_has_no_good_credential_is_held_to_the_limits_of_guests() {
    let app = TestApp::with(|settings| settings.limits.guest_address_requests = 4).await;
    for (n, credential) in [None, Some("not-a-token"), None, Some("fn_x")].into_iter().enumerate() {
        assert_eq!(from(&app, "192.0.2.1", credential).await.status, StatusCode::UNAUTHORIZED, "{n}");
    }
    for credential in [None, Some("not-a-token")] {
        let reply = from(&app, "192.0.2.1", credential).await;
        assert_eq!((reply.status, reply.code()), (StatusCode::TOO_MANY_REQUESTS, "rate_limited:requests".into()));
    }
    assert_eq!(from(&app, "192.0.2.2", None).await.status, StatusCode::UNAUTHORIZED);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_ends_with_its_credential() {
    let app = TestApp::start().await;
    let ada = Person::new(&app, "ada").await;
    let made = ada.post("/api/v1/collections", &json!({ "name": "main" })).await.json();
    let collection = made["id"].as_str().unwrap();
    let made = ada.post("/api/v1/api-keys", &json!({ "name": "bot", "scopes": ["write"] })).await.json();
    let head = |name: &str| {
        format!(
            "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{name} tells of herons."
        )
    };
    let (send, parts) = tokio::sync::mpsc::unbounded_channel::<String>();
    let form =
        futures::stream::unfold(parts, async |mut parts| Some((Ok::<_, std::io::Error>(parts.recv().await?), parts)));
    let upload = request("POST", &format!("/api/v1/collections/{collection}/documents"))
        .header("content-type", "multipart/form-data; boundary=x")
        .header("authorization", format!("Bearer {}", made["key"].as_str().unwrap()))
        .body(Body::from_stream(Box::pin(form)))
        .unwrap();
    let doors = app.doors();
    let uploading = tokio::spawn(async move { whole(&doors, upload).await });
    // The first file has ended where the second begins.
    send.send(format!("{}\r\n{}", head("a.txt"), head("b.txt"))).unwrap();
    let documents = format!("/api/v1/documents?collection={collection}");
    let count = async || ada.get(&documents).await.json()["items"].as_array().unwrap().len();
    crate::canaries::until("the first file", async || (count().await == 1).then_some(())).await;
    let ended = ada.delete(&format!("/api/v1/api-keys/{}", made["id"].as_str().unwrap())).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    send.send("\r\n--x--\r\n".to_owned()).unwrap();
    drop(send);
    let reply = uploading.await.unwrap();
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{}", reply.text());
    assert_eq!(count().await, 1);
    app.stop().await;
}

#[tokio::test]
async fn a_form_with_much_that_nobody_knows_is_refused() {
    let app = TestApp::start().await;
    let form = |field: &str, bytes: usize, times: usize| {
        let part = format!("--x\r\ncontent-disposition: form-data; name=\"{field}\"\r\n\r\n{}\r\n", "a".repeat(bytes));
        let request = request("POST", "/v1/files").header("content-type", "multipart/form-data; boundary=x");
        request.body(Body::from(format!("{}--x--\r\n", part.repeat(times)))).unwrap()
    };
    assert_eq!(app.request(form("other", 70_000, 1)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(app.request(form("other", 30_000, 3)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(app.request(form("purpose", 10, 33)).await.status, StatusCode::BAD_REQUEST);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_in_the_background_is_made_to_its_end_though_nobody_listens() {
    let slow = |_: &Value| Says::says("The pump holds. ".repeat(20)).slowly(std::time::Duration::from_millis(100));
    let talk = Talk::with(Conversing::start(slow).await, |settings| settings.abandoned_after = 1).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let body = json!({ "model": "kb/main", "input": PRESSURE, "background": true });
    let begun = talk.post("/v1/responses", &body).await;
    assert_eq!(begun["status"], "in_progress");
    let path = format!("/v1/responses/{}", begun["id"].as_str().unwrap());
    let status = async || talk.app.get(&path).await.json()["status"].as_str().unwrap().to_owned();
    let ended = async || Some(status().await).filter(|status| status != "in_progress");
    assert_eq!(crate::canaries::until("end of the response", ended).await, "completed");
    talk.stop().await;
}
