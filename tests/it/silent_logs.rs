//! The log of the started program at its most talkative: nothing in it is a
//! secret or somebody's text, and no line in it was written by a caller.

use std::fs::File;
use std::path::Path;

use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::canaries::until;
use crate::command::Footnote;
use crate::counting::{Counting, Faults};
use crate::random::Random;
use crate::scripted::{Script, Scripted, pieces};

/// What a forged line would begin with.
const FORGED: &str = "2026-01-01T00:00:00.000000Z  INFO forged";

/// Words that nothing but one thing holds.
struct Words {
    /// A password, and one that was not taken.
    passwords: [String; 3],
    /// The key of the provider.
    provider: String,
    document: String,
    question: String,
}

/// Somebody who uses the service over its socket.
struct Visitor {
    http: Client,
    url: String,
    token: String,
    /// All that came back.
    heard: Vec<String>,
    /// What was given to the visitor to keep to itself.
    given: Vec<String>,
}

impl Visitor {
    async fn sends(&mut self, request: RequestBuilder) -> (StatusCode, Value) {
        let reply = request.send().await.expect("a reply");
        let (status, text) = (reply.status(), reply.text().await.expect("a whole reply"));
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        if !status.is_success() {
            self.heard.push(text);
        }
        (status, json)
    }

    async fn posts(&mut self, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.http.post(format!("{}{path}", self.url)).json(body);
        // Before there is a sign-in, nothing is shown.
        let request = if self.token.is_empty() { request } else { request.bearer_auth(&self.token) };
        self.sends(request).await
    }

    async fn gets(&mut self, path: &str) -> (StatusCode, Value) {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        self.sends(request).await
    }

    /// Keeps the tokens of a sign-in.
    fn takes(&mut self, session: &Value) {
        let token = |name: &str| session[name].as_str().unwrap_or_else(|| panic!("no {name}: {session}")).to_owned();
        self.token = token("access_token");
        self.given.extend([token("access_token"), token("refresh_token")]);
    }
}

/// Signs up and in, wrongly too, goes on with it, and makes a key.
async fn comes_in(visitor: &mut Visitor, words: &Words) {
    let account = |password: &str| json!({ "name": "ada", "password": password });
    let [right, wrong, _] = &words.passwords;
    let (status, session) = visitor.posts("/api/v1/auth/register", &account(right)).await;
    assert_eq!(status, StatusCode::CREATED, "{session}");
    visitor.takes(&session);
    assert_eq!(visitor.posts("/api/v1/auth/login", &account(wrong)).await.0, StatusCode::UNAUTHORIZED);
    let forged = json!({ "name": format!("ada\r\n{FORGED}"), "password": wrong });
    assert_eq!(visitor.posts("/api/v1/auth/login", &forged).await.0, StatusCode::UNAUTHORIZED);
    let (_, session) = visitor.posts("/api/v1/auth/login", &account(right)).await;
    visitor.takes(&session);
    let again = json!({ "refresh_token": session["refresh_token"] });
    let (_, session) = visitor.posts("/api/v1/auth/refresh", &again).await;
    visitor.takes(&session);
    let key = json!({ "name": format!("bot\r\n{FORGED}"), "scopes": ["read", "ask", "write"] });
    let (status, made) = visitor.posts("/api/v1/api-keys", &key).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    visitor.given.push(made["key"].as_str().expect("a key").to_owned());
    // With one letter more it is no key, and still not to be told.
    let bad = format!("{}x", visitor.given.last().expect("a key"));
    let request = visitor.http.get(format!("{}/api/v1/me", visitor.url)).bearer_auth(bad);
    assert_eq!(visitor.sends(request).await.0, StatusCode::UNAUTHORIZED);
    let change = json!({ "password": { "current": wrong, "new": wrong } });
    let request = visitor.http.patch(format!("{}/api/v1/me", visitor.url)).bearer_auth(&visitor.token).json(&change);
    assert_eq!(visitor.sends(request).await.0, StatusCode::FORBIDDEN);
}

/// Uploads texts in several formats, some of which are broken.
async fn brings(visitor: &mut Visitor, words: &Words) {
    let name = format!("notes\r\n{FORGED}");
    let (status, made) = visitor.posts("/api/v1/collections", &json!({ "name": name })).await;
    assert!(status.is_success() || status.is_client_error(), "{made}");
    let (_, made) = visitor.posts("/api/v1/collections", &json!({ "name": "main" })).await;
    let collection = made["id"].as_str().expect("a collection").to_owned();
    let path = format!("/api/v1/collections/{collection}/documents");
    let text = format!("The pump {} holds 4 bar.", words.document);
    let body = json!({ "key": format!("a\r\n{FORGED}"), "title": words.document, "text": text });
    visitor.posts(&path, &body).await;
    assert_eq!(visitor.posts(&path, &json!({ "key": "b", "text": text })).await.0, StatusCode::ACCEPTED);
    for (file, bytes) in [
        ("page.html", format!("<html><body><h1>{text}</h1><table><p>{text}</b></i>{text}</body>")),
        ("notes.md", format!("# {text}\n\n- {text}\n\n```rust\nfn a() {{ {text}\n```\n")),
        ("rows.csv", format!("a,b\n\"{text},{text}\n")),
        ("data.json", format!("{{\"a\": \"{text}\"")),
        ("broken.pdf", format!("%PDF-1.7\n1 0 obj\n({text})\nendobj\n")),
        ("broken.docx", format!("PK\u{3}\u{4}{text}")),
    ] {
        let part = Part::bytes(bytes.into_bytes()).file_name(file);
        let form = Form::new().part("file", part);
        let request = visitor.http.post(format!("{}{path}", visitor.url)).bearer_auth(&visitor.token).multipart(form);
        visitor.sends(request).await;
    }
    let path = format!("/api/v1/collections/{collection}");
    until("end of the queue", async || {
        let (_, found) = visitor.gets(&path).await;
        (found["progress"]["queued"] == 0 && found["progress"]["words"] == 0).then_some(())
    })
    .await;
}

/// Searches and asks at every face, wrongly too.
async fn asks(visitor: &mut Visitor, words: &Words) {
    let question = format!("What does the pump {} hold?", words.question);
    let forged = format!("{question}\r\n{FORGED}");
    for query in [&question, &forged] {
        for mode in crate::canaries::MODES {
            visitor.posts("/api/v1/search", &json!({ "query": query, "mode": mode })).await;
        }
        visitor.posts("/api/v1/search", &json!({ "query": query, "collections": [query] })).await;
        visitor.posts("/api/v1/search", &json!({ "query": query, "filter": { "a": query } })).await;
        visitor.posts("/api/v1/search", &json!({ (query.as_str()): query })).await;
        let (_, begun) = visitor.posts("/api/v1/conversations", &json!({ "title": query })).await;
        let messages = format!("/api/v1/conversations/{}/messages", begun["id"].as_str().expect("a conversation"));
        visitor.posts(&messages, &json!({ "content": query })).await;
        visitor.posts(&messages, &json!({ "content": query, "stream": true })).await;
        visitor.posts(&messages, &json!({ "content": query, "model": query })).await;
        let said = json!([{ "role": "user", "content": query }]);
        visitor.posts("/v1/chat/completions", &json!({ "model": "kb/main", "messages": said })).await;
        visitor.posts("/v1/chat/completions", &json!({ "model": "scripted", "messages": said })).await;
        visitor.posts("/v1/responses", &json!({ "model": "kb/main", "input": query })).await;
        visitor.posts("/v1/embeddings", &json!({ "model": "any", "input": query })).await;
        let part = json!([{ "type": "text", "text": query }]);
        let message = json!({ "id": "u", "role": "user", "parts": part });
        visitor.posts("/api/chat", &json!({ "id": "chat", "message": message })).await;
        for tool in ["search", "ask", "fetch", query] {
            let arguments = json!({ "query": query, "question": query, "id": query });
            let arguments = match tool {
                "search" => json!({ "query": query }),
                "ask" => json!({ "question": query }),
                _ => arguments,
            };
            let params = json!({ "name": tool, "arguments": arguments });
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
            let request = visitor.http.post(format!("{}/mcp", visitor.url)).bearer_auth(&visitor.token);
            let request = request.header("accept", "application/json, text/event-stream");
            visitor.sends(request.header("mcp-protocol-version", "2025-11-25").json(&body)).await;
        }
        let encoded = crate::described::encoded(query);
        visitor.gets(&format!("/api/v1/conversations/search?q={encoded}")).await;
        visitor.gets(&format!("/api/v1/documents?collection={encoded}")).await;
        visitor.gets(&format!("/api/v1/documents/{encoded}")).await;
        visitor.gets(&format!("/{encoded}")).await;
        let broken = visitor.http.post(format!("{}/api/v1/search", visitor.url)).bearer_auth(&visitor.token);
        let broken = broken.header("content-type", "application/json").body(format!("{{\"query\": \"{query}"));
        visitor.sends(broken).await;
    }
}

/// What files called logs below a folder hold.
fn logs(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            logs(&path, all);
        } else if path.extension().is_some_and(|ending| ending == "log") {
            all.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()));
        }
    }
}

/// A day of the program with a provider, and what its log must not hold.
async fn day(script: impl Fn(&Words) -> Script) {
    let mut random = Random::seeded();
    let mut word = || random.word();
    let words = Words {
        passwords: std::array::from_fn(|_| format!("password-{}", word())),
        provider: format!("sk-{}", word()),
        document: word(),
        question: word(),
    };
    let (provider, embedder) = (Scripted::start(script(&words)).await, Counting::start(Faults::default()).await);
    let footnote = Footnote::new();
    let log = footnote.data.path().join("stderr");
    let environment = [
        ("RUST_LOG", "trace".to_owned()),
        ("OPENAI_BASE_URL", provider.url.clone()),
        ("OPENAI_API_KEY", words.provider.clone()),
        ("FOOTNOTE_MODEL", "scripted".to_owned()),
        ("FOOTNOTE_REGISTRATION", "true".to_owned()),
        ("FOOTNOTE_ADMIN_PASSWORD", words.passwords[2].clone()),
    ];
    let server =
        footnote.serve_telling(environment.into_iter().chain(embedder.environment()), File::create(&log).unwrap());
    let http = Client::builder().no_proxy().build().unwrap();
    let (token, given) = (String::new(), vec![server.token.clone()]);
    let mut visitor = Visitor { http, url: server.url.clone(), token, heard: vec![], given };
    comes_in(&mut visitor, &words).await;
    brings(&mut visitor, &words).await;
    asks(&mut visitor, &words).await;
    let figures = server.client().get(format!("{}/metrics", server.url)).send().await.unwrap().text().await.unwrap();
    assert!(figures.contains("footnote_"), "{figures}");
    assert_eq!(server.stop(), Some(0));

    let mut told = std::fs::read_to_string(&log).unwrap();
    assert!(told.contains("DEBUG") && told.contains("answered"), "it is talkative: {told}");
    let forged: Vec<&str> = told.lines().filter(|line| line.trim_start().starts_with(FORGED)).collect();
    assert!(forged.is_empty() && !told.contains('\r'), "{forged:?}");
    logs(footnote.data.path(), &mut told);
    let secrets: Vec<&String> = words.passwords.iter().chain([&words.provider]).chain(&visitor.given).collect();
    let texts = [&words.document, &words.question];
    let mut hits = Vec::new();
    for secret in secrets.iter().copied().chain(texts) {
        hits.extend(told.lines().chain(figures.lines()).filter(|line| line.contains(secret.as_str())));
    }
    let errors = visitor.heard.iter().filter(|body| secrets.iter().any(|secret| body.contains(secret.as_str())));
    let errors: Vec<&String> = errors.collect();
    eprintln!(
        "{} lines of log, {} errors: {} hits in the log and the figures, {} in errors",
        told.lines().count(),
        visitor.heard.len(),
        hits.len(),
        errors.len()
    );
    hits.truncate(20);
    assert!(hits.is_empty(), "{}", hits.join("\n"));
    assert!(errors.is_empty(), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_good_day_holds_no_secret_and_no_text() {
    day(|_| Script::Says(pieces("The pump holds 4 bar."))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_day_without_a_provider_holds_no_secret_and_no_text() {
    day(|words| {
        let said = format!("Incorrect API key provided: {}\r\n{FORGED} {}", words.provider, words.question);
        Script::Refuses(401, json!({ "error": { "message": said, "code": "invalid_api_key" } }))
    })
    .await;
}

#[tokio::test]
async fn what_the_database_says_of_rows_and_values_is_not_for_the_log() {
    let app = crate::harness::TestApp::start().await;
    sqlx::query("create table odd (word text unique)").execute(&app.db).await.unwrap();
    let insert = "insert into odd values ('canary')";
    sqlx::query(insert).execute(&app.db).await.unwrap();
    for (query, code) in [(insert, "23505"), ("select 'canary'::int", "22P02"), ("select canary", "42703")] {
        let error = sqlx::query(query).execute(&app.db).await.unwrap_err();
        assert!(format!("{error:?}").contains("canary"), "{error:?}");
        let told = footnote::error::Error::from(error).silent();
        assert!(told.contains(code), "{told}");
        // What the program itself wrote is no secret.
        assert!(!told.contains("canary") || code == "42703", "{told}");
    }
    app.stop().await;
}
