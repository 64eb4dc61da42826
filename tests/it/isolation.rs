//! What is somebody's is nobody else's: every route of the API, as nobody and
//! as a stranger. A route that is not listed here fails.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::people::{PASSWORD, Person, nobody};

/// A word that only the owner's things hold.
const CANARY: &str = "zanzibar";

/// Routes that show nothing of anybody's and need no credential.
const OPEN: &[&str] = &[
    "GET /health/live",
    "GET /health/ready",
    "GET /api/v1/auth/options",
    "POST /api/v1/auth/guest",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/logout",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/register",
];
/// Faces whose errors are plain text.
const PLAIN: &str = "/api/chat";

/// One of everything that an account can have.
struct Estate {
    owner: Person,
    collection: String,
    document: String,
    revision: String,
    conversation: String,
    question: String,
    answer: String,
    approval: String,
    artifact: String,
    key: String,
    member: String,
    /// Of OpenAI's face.
    response: String,
    file: String,
    batch: String,
}

impl Estate {
    async fn of(app: &TestApp, owner: Person) -> Self {
        let text = format!("The word of {} is {CANARY}. The pump of {CANARY} holds 4 bar.", owner.name);
        let (collection, document) = owner.collection_with(CANARY, CANARY, &text).await;
        let found = owner.get(&format!("/api/v1/documents/{document}")).await.json();
        let begun = owner.post("/api/v1/conversations", &json!({ "title": CANARY })).await.json();
        let conversation = begun["id"].as_str().unwrap().to_owned();
        let messages = format!("/api/v1/conversations/{conversation}/messages");
        let answer =
            owner.post(&messages, &json!({ "content": format!("What does the pump of {CANARY} hold?") })).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let answer = answer.json();
        let key = owner.post("/api/v1/api-keys", &json!({ "name": CANARY, "scopes": ["read"] })).await.json();
        let member = Person::new(app, &format!("member-of-{}", owner.name)).await;
        let members = format!("/api/v1/collections/{collection}/members");
        let admitted = owner.post(&members, &json!({ "name": member.name, "role": "reader" })).await;
        assert_eq!(admitted.status, StatusCode::OK, "{}", admitted.text());
        member.accept(&collection).await;
        let text = |value: &Value| value.as_str().expect("an id").to_owned();
        let mut estate = Self {
            collection,
            document,
            revision: text(&found["revision_id"]),
            conversation,
            question: text(&answer["parent_id"]),
            answer: text(&answer["id"]),
            approval: String::new(),
            artifact: String::new(),
            key: text(&key["id"]),
            member: member.id,
            response: String::new(),
            file: String::new(),
            batch: String::new(),
            owner,
        };
        estate.made_by_a_model(app).await;
        estate.made_by_openais_clients(app).await;
        estate
    }

    /// What else would need a model that calls tools.
    async fn made_by_a_model(&mut self, app: &TestApp) {
        let id = || uuid::Uuid::now_v7();
        let (owner, conversation, answer): (uuid::Uuid, uuid::Uuid, uuid::Uuid) =
            (self.owner.id.parse().unwrap(), self.conversation.parse().unwrap(), self.answer.parse().unwrap());
        let (artifact, approval) = (id(), id());
        sqlx::query(
            "with made as (
                 insert into artifacts (id, owner_id, conversation_id, kind, title, created_at, updated_at)
                 values ($1, $2, $3, 'text', $5, now(), now())
             ), version as (
                 insert into artifact_versions (artifact_id, version, owner_id, message_id, content, created_at)
                 values ($1, 1, $2, $4, $5, now())
             )
             insert into approvals
                 (id, owner_id, message_id, call_id, tool, arguments, sha256, state, expires_at, created_at)
             values ($6, $2, $4, 'call', 'tool', '{}', '\\x00', 'waiting', now() + interval '1 hour', now())",
        )
        .bind(artifact)
        .bind(owner)
        .bind(conversation)
        .bind(answer)
        .bind(CANARY)
        .bind(approval)
        .execute(&app.db)
        .await
        .unwrap();
        (self.artifact, self.approval) = (artifact.to_string(), approval.to_string());
    }

    /// A response, a file, and a batch of it in the collection.
    async fn made_by_openais_clients(&mut self, app: &TestApp) {
        let text = |reply: crate::harness::Reply| {
            assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
            reply.json()["id"].as_str().expect("an id").to_owned()
        };
        let asked =
            json!({ "model": format!("kb/{CANARY}"), "input": format!("What does the pump of {CANARY} hold?") });
        self.response = text(self.owner.post("/v1/responses", &asked).await);
        let form = format!(
            "--x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n--x\r\n\
             content-disposition: form-data; name=\"file\"; filename=\"{CANARY}.txt\"\r\n\r\n{CANARY}\r\n--x--\r\n"
        );
        let upload = crate::harness::request("POST", "/v1/files")
            .header("authorization", format!("Bearer {}", self.owner.access))
            .header("content-type", "multipart/form-data; boundary=x");
        self.file = text(crate::people::whole(&app.doors(), upload.body(form.into()).unwrap()).await);
        let batches = format!("/v1/vector_stores/vs_{}/file_batches", self.collection);
        self.batch = text(self.owner.post(&batches, &json!({ "file_ids": [self.file] })).await);
        let collection = format!("/api/v1/collections/{}", self.collection);
        crate::canaries::until("file of the batch", async || {
            let progress = self.owner.get(&collection).await.json()["progress"].clone();
            (progress["queued"] == 0 && progress["words"] == 0).then_some(())
        })
        .await;
    }

    /// The path of a route with this estate's ids, and a body that the owner
    /// could send. None for a route that this test does not know.
    fn call(&self, route: &str) -> Option<(String, Value)> {
        let (_, pattern) = route.split_once(' ')?;
        let of_message = format!("/api/v1/conversations/{}/messages/{}", self.conversation, self.answer);
        let of_question = format!("/api/v1/conversations/{}/messages/{}", self.conversation, self.question);
        let below = |base: &str, id: &str| pattern.replace(base, id);
        let path = match pattern {
            "/api/v1/conversations/{id}/messages/{message_id}/approvals/{approval_id}" => {
                format!("{of_message}/approvals/{}", self.approval)
            }
            "/api/v1/conversations/{id}/messages/{message_id}/edit" => format!("{of_question}/edit"),
            _ if pattern.starts_with("/api/v1/conversations/{id}/messages/{message_id}") => {
                pattern.replace("/api/v1/conversations/{id}/messages/{message_id}", &of_message)
            }
            _ if pattern.starts_with("/api/v1/conversations/{id}") => below("{id}", &self.conversation),
            _ if pattern.starts_with("/api/v1/collections/{id}") => {
                below("{id}", &self.collection).replace("{user_id}", &self.member)
            }
            _ if pattern.starts_with("/api/v1/documents/{id}") => below("{id}", &self.document),
            _ if pattern.starts_with("/api/v1/revisions/{id}") => below("{id}", &self.revision),
            _ if pattern.starts_with("/api/v1/artifacts/{id}") => below("{id}", &self.artifact),
            _ if pattern.starts_with("/api/v1/api-keys/{id}") => below("{id}", &self.key),
            _ if pattern.starts_with("/v1/responses/{id}") => below("{id}", &self.response),
            _ if pattern.starts_with("/v1/files/{id}") => below("{id}", &self.file),
            _ if pattern.starts_with("/v1/vector_stores/{id}") => below("{id}", &format!("vs_{}", self.collection))
                .replace("{file_id}", &self.file)
                .replace("{batch_id}", &self.batch),
            // Own conversations' ids are chats' ids too.
            "/api/chat/{id}/stop" => below("{id}", &self.conversation),
            _ => return None,
        };
        let body = match route {
            "PATCH /api/v1/collections/{id}" | "POST /v1/vector_stores/{id}" => json!({ "name": "stolen" }),
            "POST /api/v1/collections/{id}/members" => json!({ "name": "stranger", "role": "writer" }),
            "POST /api/v1/collections/{id}/documents" => json!({ "key": CANARY, "text": "Another text." }),
            "PATCH /api/v1/documents/{id}" | "PATCH /api/v1/conversations/{id}" => json!({ "title": "stolen" }),
            "POST /api/v1/conversations/{id}/messages"
            | "POST /api/v1/conversations/{id}/messages/{message_id}/edit" => json!({ "content": "What is yours?" }),
            "POST /api/v1/conversations/{id}/messages/{message_id}/feedback" => json!({ "vote": "down" }),
            "POST /api/v1/conversations/{id}/messages/{message_id}/approvals/{approval_id}" => {
                json!({ "approve": true })
            }
            "POST /v1/vector_stores/{id}/search" => json!({ "query": CANARY }),
            "POST /v1/vector_stores/{id}/files" => json!({ "file_id": self.file }),
            "POST /v1/vector_stores/{id}/file_batches" => json!({ "file_ids": [self.file] }),
            "POST /v1/vector_stores/{id}/files/{file_id}" => json!({ "attributes": { "stolen": true } }),
            _ if route.starts_with("POST") => json!({}),
            _ => Value::Null,
        };
        Some((path, body))
    }

    /// Everything of the owner's that the database holds, but for when it was
    /// last looked at.
    async fn rows(&self, app: &TestApp) -> Vec<String> {
        let mut rows = Vec::new();
        for table in [
            "collections",
            "collection_members",
            "documents",
            "revisions",
            "conversations",
            "messages",
            "message_feedback",
            "openai_batches",
            "openai_files",
            "openai_responses",
            "artifacts",
            "artifact_versions",
            "approvals",
            "api_keys",
            "jobs",
        ] {
            let query = format!("select t::text from {table} t where owner_id = $1::uuid order by 1");
            let found: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(query))
                .bind(self.owner.id.parse::<uuid::Uuid>().unwrap())
                .fetch_all(&app.db)
                .await
                .unwrap();
            assert!(!found.is_empty() || table == "message_feedback" || table == "jobs", "nothing in {table}");
            rows.extend(found);
        }
        rows
    }
}

/// Routes that take no id: a stranger is answered, with what is the stranger's.
const OWN: &[&str] = &[
    "GET /api/chat/{id}/stream",
    "GET /api/v1/api-keys",
    "GET /api/v1/collections",
    "GET /api/v1/conversations",
    "GET /api/v1/conversations/search",
    "GET /api/v1/documents",
    "GET /api/v1/invitations",
    "GET /api/v1/me",
    "GET /api/v1/models",
    "GET /api/v1/usage",
    "GET /v1/files",
    "GET /v1/models",
    "GET /v1/models/{id}",
    "GET /v1/vector_stores",
    "PATCH /api/v1/me",
    "POST /api/chat",
    "POST /api/v1/api-keys",
    "POST /api/v1/collections",
    "POST /api/v1/conversations",
    "POST /api/v1/search",
    "POST /api/{user_id}/chat",
    "POST /v1/chat/completions",
    "POST /v1/embeddings",
    "POST /v1/files",
    "POST /v1/responses",
    "POST /v1/vector_stores",
];

/// What routes without ids are asked with.
fn question(route: &str) -> (String, Value) {
    let path = route.split_once(' ').unwrap().1.replace("{id}", &uuid::Uuid::now_v7().to_string());
    match route {
        "GET /api/v1/conversations/search" => (format!("{path}?q={CANARY}"), Value::Null),
        "POST /api/v1/search" => (path, json!({ "query": format!("the word {CANARY}") })),
        "PATCH /api/v1/me" => (path, json!({ "password": { "current": PASSWORD, "new": PASSWORD } })),
        "POST /api/v1/api-keys" => (path, json!({ "name": "mine", "scopes": ["read"] })),
        "POST /api/v1/collections" => (path, json!({ "name": "mine" })),
        _ if route.starts_with("POST") || route.starts_with("PATCH") => (path, json!({})),
        _ => (path, Value::Null),
    }
}

fn routes(description: &Value) -> BTreeSet<String> {
    let paths = description["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect()
}

fn is_admins(route: &str) -> bool {
    let pattern = route.split_once(' ').unwrap().1;
    ["/api/v1/admin", "/api/v1/schedules", "/metrics"].iter().any(|above| pattern.starts_with(above))
}

#[tokio::test]
async fn nobody_gets_past_the_door_of_any_route() {
    let app = TestApp::start().await;
    let estate = Estate::of(&app, Person::new(&app, "owner").await).await;
    let description = app.get("/openapi.json").await.json();
    let all = routes(&description);
    for route in &all {
        let (method, pattern) = route.split_once(' ').unwrap();
        let (path, body) = estate.call(route).unwrap_or_else(|| question(route));
        let reply = nobody(&app, method, &path, &body).await;
        let open = description["paths"][pattern][method.to_lowercase()]["security"] == json!([{}])
            || description["paths"][pattern][method.to_lowercase()]["security"] == json!([]);
        let listed = OPEN.contains(&route.as_str());
        if pattern.starts_with("/health") || open {
            assert!(listed, "{route} is open and is not listed here");
        } else {
            assert!(!listed, "{route} is listed as open and is not");
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{route}");
            if !pattern.starts_with(PLAIN) && !pattern.starts_with("/v1/") {
                assert_eq!(reply.code(), "unauthorized:credential", "{route}");
            }
        }
        assert!(!reply.text().contains(CANARY), "{route}: {}", reply.text());
    }
    for trick in tricks(&estate) {
        let reply = nobody(&app, "GET", &trick, &Value::Null).await;
        let kept = [StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND, StatusCode::BAD_REQUEST];
        assert!(kept.contains(&reply.status), "{trick}: {}", reply.status);
        assert!(!reply.text().contains(CANARY), "{trick}");
    }
    app.stop().await;
}

/// Spellings of a path that have opened doors elsewhere.
fn tricks(estate: &Estate) -> Vec<String> {
    let id = &estate.document;
    let mut tricks: Vec<String> = [
        "//api/v1/documents",
        "/api//v1/documents",
        "/api/v1//documents",
        "/api/v1/documents/",
        "/api/v1/documents//",
        "/API/V1/DOCUMENTS",
        "/Api/v1/documents",
        "/api/v1/documents;",
        "/api/v1/documents;a=b",
        "/api/v1/documents.json",
        "/api/v1/documents.",
        "/api/v1/documents%20",
        "/api/v1/documents%00",
        "/api/v1/documents%2f",
        "/api/v1%2fdocuments",
        "/api%2fv1%2fdocuments",
        "/%61pi/v1/documents",
        "/api/v1/./documents",
        "/api/v1/x/../documents",
        "/health/../api/v1/documents",
        "/health/live/../../api/v1/documents",
        "/health/live%2f..%2f..%2fapi/v1/documents",
        "/docs/../api/v1/documents",
        "/docs/..%2fapi/v1/documents",
        "/api/v1/auth/../documents",
        "/api/v1/auth/login/../../documents",
        "/api/v1/documents?token=x",
        "/api/v1/documents?access_token=x",
        "/api/v1/documents?api_key=x",
        "/api/v1/documents#x",
    ]
    .map(str::to_owned)
    .into();
    tricks.extend([format!("/api/v1/documents/{id}/"), format!("/api/v1/documents/{id}%2foriginal")]);
    tricks.extend([format!("/api/v1/documents/{}", id.to_uppercase()), format!("/api/v1/documents/{id};/original")]);
    tricks.iter().map(|trick| trick.split('#').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_stranger_finds_nothing_and_changes_nothing() {
    let app = TestApp::start().await;
    let owners = [Person::new(&app, "first").await, Person::new(&app, "second").await];
    let mut estates = Vec::new();
    for owner in owners {
        estates.push(Estate::of(&app, owner).await);
    }
    let stranger = Person::new(&app, "stranger").await;
    let all = routes(&app.get("/openapi.json").await.json());
    let mut checks = 0;
    for route in &all {
        let (method, _) = route.split_once(' ').unwrap();
        for estate in &estates {
            // The stranger, and the other owner.
            let others = estates.iter().map(|other| &other.owner).filter(|other| other.id != estate.owner.id);
            for other in others.chain([&stranger]) {
                checks += 1;
                let Some((path, body)) = estate.call(route) else {
                    as_a_stranger(other, estate, route).await;
                    continue;
                };
                let reply = other.send(method, &path, &body).await;
                assert_eq!(reply.status, StatusCode::NOT_FOUND, "{route}: {}", reply.text());
                assert!(!reply.text().contains(CANARY), "{route}: {}", reply.text());
            }
        }
    }
    assert!(checks >= 200, "{checks}");
    app.stop().await;
}

/// A route without ids shows the caller's own, or is an administrator's.
async fn as_a_stranger(other: &Person, estate: &Estate, route: &str) {
    let (method, _) = route.split_once(' ').unwrap();
    if OPEN.contains(&route) {
        return;
    }
    let (path, body) = question(route);
    let reply = other.send(method, &path, &body).await;
    if is_admins(route) {
        assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, "forbidden:scope".into()), "{route}");
        return;
    }
    assert!(OWN.contains(&route), "{route} is new: say here whose things it shows");
    for foreign in [&estate.collection, &estate.document, &estate.conversation, &estate.key] {
        assert!(!reply.text().contains(foreign.as_str()), "{route}: {}", reply.text());
    }
}

#[tokio::test]
async fn what_a_stranger_tried_left_no_trace() {
    let app = TestApp::start().await;
    let estate = Estate::of(&app, Person::new(&app, "owner").await).await;
    let stranger = Person::new(&app, "stranger").await;
    let before = estate.rows(&app).await;
    for route in routes(&app.get("/openapi.json").await.json()) {
        if let Some((path, body)) = estate.call(&route) {
            let method = route.split_once(' ').unwrap().0;
            assert_eq!(stranger.send(method, &path, &body).await.status, StatusCode::NOT_FOUND, "{route}");
        }
    }
    assert_eq!(estate.rows(&app).await, before);
    // The owner still reaches all of it.
    for path in [
        format!("/api/v1/documents/{}/original", estate.document),
        format!("/api/v1/conversations/{}", estate.conversation),
        format!("/api/v1/artifacts/{}", estate.artifact),
    ] {
        assert_eq!(estate.owner.get(&path).await.status, StatusCode::OK, "{path}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_query_that_forgets_its_owner_finds_the_callers_own_rows_only() {
    use footnote_ingest::rights::{as_owner, as_system};
    use footnote_ingest::scope::Scope;
    let app = TestApp::start().await;
    let estate = Estate::of(&app, Person::new(&app, "owner").await).await;
    let stranger = Person::new(&app, "stranger").await;
    let guarded = &app.service.app.db;
    let scope = |id: &str| Scope::stored(footnote::ids::UserId(id.parse().unwrap()));
    for table in [
        "originals",
        "collections",
        "collection_members",
        "documents",
        "revisions",
        "chunks",
        "conversations",
        "messages",
        "message_events",
        "openai_files",
        "openai_responses",
        "artifacts",
        "artifact_versions",
        "approvals",
        "api_keys",
        "model_calls",
    ] {
        let count = async || {
            let query = format!("select count(*) from {table}");
            sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(query)).fetch_one(guarded).await.unwrap()
        };
        assert_eq!(count().await, 0, "{table} without rights");
        assert_eq!(as_owner(scope(&stranger.id), count()).await, 0, "{table} for a stranger");
        if table != "model_calls" {
            assert!(as_owner(scope(&estate.owner.id), count()).await > 0, "{table} for its owner");
            assert!(as_system(count()).await > 0, "{table} for the service");
        }
    }
    // Nor can it write what is not its own, or make itself an administrator.
    let steal = sqlx::query("update documents set title = 'stolen'").execute(guarded);
    assert_eq!(as_owner(scope(&stranger.id), steal).await.unwrap().rows_affected(), 0);
    let rise = sqlx::query("update users set role = 'admin'").execute(guarded);
    assert!(as_owner(scope(&stranger.id), rise).await.is_err());
    let plant =
        sqlx::query("insert into collections (id, owner_id, name, created_at) values ($1, $2, 'planted', now())")
            .bind(uuid::Uuid::now_v7())
            .bind(estate.owner.id.parse::<uuid::Uuid>().unwrap())
            .execute(guarded);
    assert!(as_owner(scope(&stranger.id), plant).await.is_err());
    // Nor make itself a member, as if the collection were its own.
    let enter = sqlx::query(
        "insert into collection_members (collection_id, owner_id, user_id, role, created_at, accepted_at)
         values ($1, $2, $2, 'writer', now(), now())",
    )
    .bind(estate.collection.parse::<uuid::Uuid>().unwrap())
    .bind(stranger.id.parse::<uuid::Uuid>().unwrap())
    .execute(guarded);
    assert!(as_owner(scope(&stranger.id), enter).await.is_err());
    // A member reads the chunks, and changes none.
    let counted = sqlx::query_scalar::<_, i64>("select count(*) from chunks").fetch_one(guarded);
    assert!(as_owner(scope(&estate.member), counted).await.unwrap() > 0);
    for change in ["update chunks set ordinal = ordinal + 1", "delete from chunks", "delete from generation_revisions"]
    {
        let changed = as_owner(scope(&estate.member), sqlx::query(change).execute(guarded)).await.unwrap();
        assert_eq!(changed.rows_affected(), 0, "{change}");
    }
    app.stop().await;
}

#[tokio::test]
async fn every_table_has_the_second_lock() {
    let app = TestApp::start().await;
    let open: Vec<String> = sqlx::query_scalar(
        "select c.relname::text
         from pg_class c
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relname <> '_sqlx_migrations'
           and not (c.relrowsecurity and exists (select from pg_policy p where p.polrelid = c.oid))",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    // Nobody but the service reads sign-ins at all.
    let reads = "select has_table_privilege('footnote_app', 'sessions', 'select')";
    let reads: bool = sqlx::query_scalar(reads).fetch_one(&app.db).await.unwrap();
    assert_eq!((open, reads), (vec!["sessions".to_owned()], false));
    app.stop().await;
}
