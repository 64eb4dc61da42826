//! Somebody who has one of everything: what strangers must not find.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::people::Person;

/// A word that only the owner's things hold.
pub const CANARY: &str = "zanzibar";

/// One of everything that an account can have.
pub struct Estate {
    pub owner: Person,
    pub collection: String,
    pub document: String,
    pub revision: String,
    pub conversation: String,
    pub question: String,
    pub answer: String,
    pub approval: String,
    pub artifact: String,
    pub key: String,
    pub member: String,
    /// Of OpenAI's face.
    pub response: String,
    pub file: String,
    pub batch: String,
}

impl Estate {
    pub async fn of(app: &TestApp, owner: Person) -> Self {
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
    pub fn call(&self, route: &str) -> Option<(String, Value)> {
        let (_, pattern) = route.split_once(' ')?;
        let of_message = format!("/api/v1/conversations/{}/messages/{}", self.conversation, self.answer);
        let of_question = format!("/api/v1/conversations/{}/messages/{}", self.conversation, self.question);
        let below = |base: &str, id: &str| pattern.replace(base, id);
        let path = match pattern {
            "/api/v1/conversations/{id}/messages/{message_id}/approvals/{approval_id}" => {
                format!("{of_message}/approvals/{}", self.approval)
            }
            "/api/v1/conversations/{id}/messages/{message_id}/edit" => format!("{of_question}/edit"),
            _ if pattern.starts_with("/api/v1/conversations/{id}/messages/{message_id}") => pattern
                .replace("/api/v1/conversations/{id}/messages/{message_id}", &of_message)
                .replace("{number}", "1"),
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
    pub async fn rows(&self, app: &TestApp) -> Vec<String> {
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
