//! Retrieval is private: users ask for each other's documents in every way there
//! is, and find none of them.
//!
//! Each document holds a word by which others know it, and a secret, which no
//! question holds. `FOOTNOTE_PRIVATE_USERS` (5 unless set; 50 in `make soak`) each
//! have `FOOTNOTE_PRIVATE_DOCUMENTS` (6 unless set; 200), and ask together
//! `FOOTNOTE_PRIVATE_QUERIES` (60 unless set; 10,000).

use std::collections::HashMap;

use axum::body::Body;
use axum::http::StatusCode;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::canaries::{MODES, until};
use crate::conversing::{Conversing, Task};
use crate::counting::{Counting, Faults};
use crate::fences::prompt;
use crate::harness::{Reply, TestApp, request};
use crate::people::{Person, whole};
use crate::random::Random;
use crate::reading::amount;
use crate::talk::puppet;

/// Requests at once.
const AT_ONCE: usize = 4;
/// Ways of asking.
const WAYS: u64 = 22;

/// A document, as others know it and as it is.
struct Document {
    id: String,
    revision: String,
    /// Stands in its key, title and text.
    lure: String,
}

/// Somebody with documents.
struct Holder {
    person: Person,
    collection: String,
    /// The collection's name, which nobody else's has.
    name: String,
    documents: Vec<Document>,
}

/// Everybody, and whose each secret is.
struct World {
    app: TestApp,
    model: Conversing,
    holders: Vec<Holder>,
    secrets: HashMap<String, usize>,
}

/// What was seen where it must not be.
#[derive(Debug, Default)]
struct Seen {
    foreign: usize,
    own: usize,
    answered: usize,
}

impl World {
    async fn new(random: &mut Random) -> Self {
        let model = Conversing::start(puppet).await;
        let embedder = Counting::start(Faults::default()).await;
        let app = TestApp::with(|settings| {
            model.configure(settings);
            settings.embedding_base_url = Some(embedder.url.clone());
            settings.embedding_model = Some("counting".into());
            settings.rewrite_questions = false;
        })
        .await;
        let (mut holders, mut secrets) = (Vec::new(), HashMap::new());
        for n in 0..amount("FOOTNOTE_PRIVATE_USERS", 5) {
            let person = Person::new(&app, &format!("user-{n}")).await;
            let name = random.word();
            let made = person.post("/api/v1/collections", &json!({ "name": name })).await;
            let collection = made.json()["id"].as_str().expect("a collection").to_owned();
            let mut documents = Vec::new();
            for _ in 0..amount("FOOTNOTE_PRIVATE_DOCUMENTS", 6) {
                let (lure, secret) = (random.word(), random.word());
                let text = format!("The key of the locker {lure} is {secret}. Locker {lure} opens with {secret}.");
                let body = json!({ "key": format!("{lure}.txt"), "title": lure, "text": text });
                let taken = person.post(&format!("/api/v1/collections/{collection}/documents"), &body).await;
                assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text());
                let id = taken.json()["documents"][0]["id"].as_str().expect("a document").to_owned();
                secrets.insert(secret, n);
                documents.push(Document { id, revision: String::new(), lure });
            }
            holders.push(Holder { person, collection, name, documents });
        }
        let mut world = Self { app, model, holders, secrets };
        world.settled().await;
        world
    }

    /// Waits until all can be found, and notes the revisions.
    async fn settled(&mut self) {
        for holder in &mut self.holders {
            let path = format!("/api/v1/collections/{}", holder.collection);
            until("end of the queue", async || {
                let progress = holder.person.get(&path).await.json()["progress"].clone();
                assert_eq!(progress["failed"], 0, "{progress}");
                (progress["queued"] == 0 && progress["words"] == 0).then_some(())
            })
            .await;
            for document in &mut holder.documents {
                let found = holder.person.get(&format!("/api/v1/documents/{}", document.id)).await.json();
                found["revision_id"].as_str().expect("a revision").clone_into(&mut document.revision);
            }
        }
    }

    /// Counts the secrets in what somebody was given.
    fn look(&self, who: usize, text: &str, seen: &mut Seen) {
        for word in text.split(|char: char| !char.is_ascii_alphabetic()) {
            match self.secrets.get(word) {
                Some(owner) if *owner == who => seen.own += 1,
                Some(owner) => {
                    seen.foreign += 1;
                    eprintln!("user {who} sees a secret of user {owner} in {text}");
                }
                None => {}
            }
        }
    }

    /// Somebody asks for a document of somebody else's in one of the ways.
    async fn asks(&self, who: usize, of: usize, document: usize, way: u64) -> Reply {
        let (asker, holder) = (&self.holders[who].person, &self.holders[of]);
        let (collection, name) = (&holder.collection, &holder.name);
        let Document { id, revision, lure } = &holder.documents[document];
        let question = format!("What is the key of the locker {lure}?");
        let search = async |extra: Value| {
            let mut body = json!({ "query": question, "limit": 200 });
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            asker.post("/api/v1/search", &body).await
        };
        let ask = async |content: &str, extra: Value| {
            let mut body = json!({ "content": content });
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            asker.post(&asker.conversation().await, &body).await
        };
        // Read by the model, and by whoever looks at what it was sent.
        let call = |tool: &str, arguments: &Value| format!("ASKER {who} END\nCALL {tool} {arguments}\nSAY Done.");
        match way {
            0..3 => search(json!({ "mode": MODES[usize::try_from(way).unwrap()] })).await,
            3 => search(json!({ "collections": [collection] })).await,
            4 => search(json!({ "collections": [name] })).await,
            5 => search(json!({ "filter": { "owner_id": holder.person.id } })).await,
            6 => search(json!({ "filter": { "collection_id": [collection], "owner": { "gte": 0 } } })).await,
            7 => search(json!({ "owner_id": holder.person.id, "user_id": holder.person.id })).await,
            8 => asker.get(&format!("/api/v1/documents/{id}")).await,
            9 => asker.get(&format!("/api/v1/documents/{id}/original")).await,
            10 => asker.get(&format!("/api/v1/revisions/{revision}/text")).await,
            11 => asker.get(&format!("/api/v1/documents?collection={collection}&limit=200")).await,
            12 => asker.get(&format!("/api/v1/conversations/search?q={lure}")).await,
            13 => ask(&format!("ASKER {who} END\n{question}"), json!({})).await,
            14 => ask(&question, json!({ "collections": [collection] })).await,
            15 => {
                let wanted = json!({ "query": question, "collections": [collection], "owner_id": holder.person.id });
                ask(&call("search_documents", &wanted), json!({ "filter": { "owner_id": holder.person.id } })).await
            }
            16 => ask(&call("search_documents", &json!({ "query": question })), json!({})).await,
            17 => ask(&call("get_document", &json!({ "document": id, "start": 0 })), json!({})).await,
            18 => {
                let store = format!("/v1/vector_stores/vs_{collection}/search");
                asker.post(&store, &json!({ "query": question })).await
            }
            19 => {
                let messages = json!([{ "role": "user", "content": question }]);
                asker
                    .post("/v1/chat/completions", &json!({ "model": format!("kb/{name}"), "messages": messages }))
                    .await
            }
            20 => self.calls(asker, "search", &json!({ "query": question, "collection": collection })).await,
            _ => self.calls(asker, "fetch", &json!({ "id": format!("{revision}:0-200") })).await,
        }
    }

    /// Calls a tool of the MCP server.
    async fn calls(&self, asker: &Person, tool: &str, arguments: &Value) -> Reply {
        let params = json!({ "name": tool, "arguments": arguments });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let request = request("POST", "/mcp")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .header("authorization", format!("Bearer {}", asker.access));
        whole(&self.app.doors(), request.body(Body::from(message.to_string())).unwrap()).await
    }

    /// Looks into what the model was sent: sources and results of tools.
    fn look_at_model(&self, seen: &mut Seen) -> usize {
        let bodies = self.model.bodies(Task::Answer);
        for body in &bodies {
            let prompt = prompt(body);
            let Some((_, after)) = prompt.rsplit_once("ASKER ") else { continue };
            let who = after.split_once(" END").expect("an end").0.parse().expect("a number");
            self.look(who, &body.to_string(), seen);
        }
        bodies.len()
    }

    /// Looks into all that is kept of answers.
    async fn look_at_rows(&self, seen: &mut Seen) {
        for (who, holder) in self.holders.iter().enumerate() {
            let rows: Vec<String> = sqlx::query_scalar(
                "select t::text from messages t where owner_id = $1::uuid
                 union all select e::text from message_events e join messages m on m.id = e.message_id
                     where m.owner_id = $1::uuid
                 union all select c::text from model_calls c where owner_id = $1::uuid
                 union all select r::text from openai_responses r where owner_id = $1::uuid",
            )
            .bind(&holder.person.id)
            .fetch_all(&self.app.db)
            .await
            .unwrap();
            for row in &rows {
                self.look(who, row, seen);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_finds_anything_of_others_however_they_ask() {
    let mut random = Random::seeded();
    let world = World::new(&mut random).await;
    let users = world.holders.len();
    assert!(users > 1);
    let queries = amount("FOOTNOTE_PRIVATE_QUERIES", 60);
    let plan: Vec<_> = (0..queries)
        .map(|n| {
            let who = random.index(users);
            let of = (who + 1 + random.index(users - 1)) % users;
            (who, of, random.index(world.holders[of].documents.len()), n as u64 % WAYS)
        })
        .collect();
    let (shared, mut seen) = (&world, Seen::default());
    let replies = stream::iter(plan)
        .map(|(who, of, document, way)| async move { (who, of, way, shared.asks(who, of, document, way).await) });
    let mut replies = replies.buffer_unordered(AT_ONCE).boxed();
    while let Some((who, of, way, reply)) = replies.next().await {
        assert!(!reply.status.is_server_error(), "way {way}: {} {}", reply.status, reply.text());
        seen.answered += usize::from(reply.status.is_success());
        world.look(who, &reply.text(), &mut seen);
        // Nor by anything else than the secret that stands in it.
        if (3..5).contains(&way) || (8..12).contains(&way) || way == 14 || way == 18 {
            assert_eq!(reply.status, StatusCode::NOT_FOUND, "way {way} of {who} to {of}: {}", reply.text());
        }
    }
    drop(replies);
    let asked = world.look_at_model(&mut seen);
    world.look_at_rows(&mut seen).await;
    let figures = world.app.get("/metrics").await;
    world.look(usize::MAX, &figures.text(), &mut seen);
    assert!(asked > 0 && seen.answered > 0, "{asked} {seen:?}");
    eprintln!(
        "{} of {queries} queries were answered; {} secrets of others seen, {} of one's own",
        seen.answered, seen.foreign, seen.own
    );
    assert_eq!(seen.foreign, 0);
    // Whoever looks for the own finds it, so that what is looked for can be seen.
    for (who, holder) in world.holders.iter().enumerate() {
        let mut own = Seen::default();
        let lure = &holder.documents[0].lure;
        let found = holder.person.post("/api/v1/search", &json!({ "query": lure, "mode": "sparse" })).await;
        world.look(who, &found.text(), &mut own);
        assert!(own.own > 0, "{}", found.text());
    }
    assert!(seen.own > 0, "sources and results of tools were looked at");
    world.app.stop().await;
}
