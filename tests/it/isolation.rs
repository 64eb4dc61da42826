//! What is somebody's is nobody else's: every route of the API, as nobody and
//! as a stranger. A route that is not listed here fails.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::estate::{CANARY, Estate};
use crate::harness::TestApp;
use crate::people::{PASSWORD, Person, nobody};

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
    // Nor put a document of its own into it, for its members to read.
    let slip = sqlx::query(
        "insert into documents (id, owner_id, collection_id, key, title, stage, source_sha256, source_bytes,
                                created_at, updated_at)
         values ($1, $2, $3, 'slipped in', '', 'done', '', 1, now(), now())",
    )
    .bind(uuid::Uuid::now_v7())
    .bind(stranger.id.parse::<uuid::Uuid>().unwrap())
    .bind(estate.collection.parse::<uuid::Uuid>().unwrap())
    .execute(guarded);
    let slipped = as_owner(scope(&stranger.id), slip).await.unwrap_err().to_string();
    assert!(slipped.contains("documents_collection_of_owner"), "{slipped}");
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
