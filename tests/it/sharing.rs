//! Collections that are shared: what readers and writers may do, and that it
//! ends when it is taken back.

use axum::http::StatusCode;
use serde_json::json;

use crate::harness::TestApp;
use crate::people::Person;

const FACT: &str = "The pump of Zanzibar is rated for a pressure of 4 bar.";

struct Shared {
    app: TestApp,
    owner: Person,
    other: Person,
    collection: String,
    document: String,
}

impl Shared {
    async fn with(role: &str) -> Self {
        let app = TestApp::start().await;
        let (owner, other) = (Person::new(&app, "owner").await, Person::new(&app, "other").await);
        let (collection, document) = owner.collection_with("manuals", "pump.txt", FACT).await;
        let shared = Self { app, owner, other, collection, document };
        shared.admit(role).await;
        shared.other.accept(&shared.collection).await;
        shared
    }

    fn members(&self) -> String {
        format!("/api/v1/collections/{}/members", self.collection)
    }

    async fn admit(&self, role: &str) {
        let admitted = self.owner.post(&self.members(), &json!({ "name": "OTHER", "role": role })).await;
        assert_eq!(admitted.status, StatusCode::OK, "{}", admitted.text());
        assert_eq!((&admitted.json()["name"], &admitted.json()["role"]), (&json!("other"), &json!(role)));
    }

    /// The text of a revision, as somebody reads it.
    async fn text_of(&self, person: &Person, revision: &str) -> StatusCode {
        person.get(&format!("/api/v1/revisions/{revision}/text?start=0&end=10")).await.status
    }

    /// The document's present revision.
    async fn revision(&self) -> String {
        let found = self.owner.get(&format!("/api/v1/documents/{}", self.document)).await.json();
        found["revision_id"].as_str().unwrap().to_owned()
    }

    async fn found(&self, person: &Person) -> bool {
        let found = person.post("/api/v1/search", &json!({ "query": "pressure of the pump" })).await.json();
        found["passages"].as_array().unwrap().iter().any(|passage| passage["document_id"] == self.document.as_str())
    }
}

#[tokio::test]
async fn a_reader_searches_asks_and_reads_and_changes_nothing() {
    let shared = Shared::with("reader").await;
    let Shared { owner, other, collection, document, .. } = &shared;
    assert!(shared.found(other).await);
    // Who may read it sees how well it fits, as its owner does.
    for mode in ["hybrid", "dense", "sparse"] {
        let search = json!({ "query": "pressure of the pump", "mode": mode });
        let [mine, theirs] = [owner.post("/api/v1/search", &search).await, other.post("/api/v1/search", &search).await];
        assert_eq!(theirs.json()["passages"], mine.json()["passages"], "{mode}");
        assert!(mode == "dense" || mine.json()["passages"][0]["scores"]["sparse"].is_number(), "{}", mine.text());
    }
    let listed = other.get("/api/v1/collections").await.json();
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["role"]), (&json!(collection), &json!("reader")));
    let detail = other.get(&format!("/api/v1/collections/{collection}")).await.json();
    assert_eq!((&detail["progress"]["done"], &detail["documents"]), (&json!(1), &json!(1)));
    let documents = other.get("/api/v1/documents?collection=manuals").await.json();
    assert_eq!(documents["items"][0]["id"], document.as_str());
    let found = other.get(&format!("/api/v1/documents/{document}")).await.json();
    let original = other.get(&format!("/api/v1/documents/{document}/original")).await;
    assert_eq!(original.text(), FACT);
    // An answer cites it, and the citation can be read.
    let messages = other.conversation().await;
    let answer =
        other.post(&messages, &json!({ "content": "What is the pressure of the pump of Zanzibar?" })).await.json();
    let citation =
        answer["parts"].as_array().unwrap().iter().find(|part| part["type"] == "citation").expect("a citation");
    let citation = &citation["citation"];
    let text = format!(
        "/api/v1/revisions/{}/text?start={}&end={}",
        citation["revision_id"].as_str().unwrap(),
        citation["start"],
        citation["end"]
    );
    assert_eq!(other.get(&text).await.json()["text"], citation["quote"]);
    assert_eq!(found["revision_id"], citation["revision_id"]);
    for (method, path, body) in [
        ("PATCH", format!("/api/v1/collections/{collection}"), json!({ "name": "mine" })),
        ("DELETE", format!("/api/v1/collections/{collection}"), json!(null)),
        ("POST", format!("/api/v1/collections/{collection}/documents"), json!({ "key": "a", "text": "b" })),
        ("PATCH", format!("/api/v1/documents/{document}"), json!({ "title": "mine" })),
        ("DELETE", format!("/api/v1/documents/{document}"), json!(null)),
        ("GET", shared.members(), json!(null)),
        ("POST", shared.members(), json!({ "name": "other", "role": "writer" })),
    ] {
        let reply = other.send(method, &path, &body).await;
        assert_eq!(
            (reply.status, reply.code()),
            (StatusCode::FORBIDDEN, "forbidden:collection".into()),
            "{method} {path}"
        );
    }
    assert_eq!(owner.get(&format!("/api/v1/documents/{document}")).await.json(), found);
    shared.app.stop().await;
}

#[tokio::test]
async fn a_writer_adds_and_deletes_in_the_owners_stead() {
    let shared = Shared::with("writer").await;
    let Shared { owner, other, collection, document, .. } = &shared;
    let added = other.upload(collection, "valve.txt", "The valve opens at 6 bar.").await;
    assert_eq!(owner.get(&format!("/api/v1/documents/{added}")).await.json()["key"], "valve.txt");
    let renamed = other.send("PATCH", &format!("/api/v1/documents/{added}"), &json!({ "title": "Valve" })).await;
    assert_eq!((renamed.status, &renamed.json()["title"]), (StatusCode::OK, &json!("Valve")));
    assert_eq!(other.delete(&format!("/api/v1/documents/{document}")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(owner.get(&format!("/api/v1/documents/{document}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(other.delete(&format!("/api/v1/collections/{collection}")).await.status, StatusCode::FORBIDDEN);
    // What was added is the owner's: it stays when the writer is gone.
    let path = format!("/api/v1/admin/users/{}", other.id);
    assert_eq!(shared.app.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(owner.get(&format!("/api/v1/documents/{added}")).await.status, StatusCode::OK);
    shared.app.stop().await;
}

#[tokio::test]
async fn what_is_taken_back_is_gone_at_once() {
    let shared = Shared::with("reader").await;
    let Shared { owner, other, collection, document, .. } = &shared;
    let question = json!({ "content": "What is the pressure of the pump of Zanzibar?" });
    let messages = other.conversation().await;
    let first = other.post(&messages, &question).await.json();
    assert_eq!(first["grounded"], true, "{first}");
    let listed = owner.get(&shared.members()).await.json();
    assert_eq!(listed["items"][0]["user_id"], other.id.as_str());
    let path = format!("{}/{}", shared.members(), other.id);
    assert_eq!(owner.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert!(!shared.found(other).await);
    for path in [
        format!("/api/v1/collections/{collection}"),
        format!("/api/v1/documents/{document}"),
        format!("/api/v1/documents/{document}/original"),
        format!("/api/v1/documents?collection={collection}"),
    ] {
        assert_eq!(other.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    // Not from an answer that was given before, either.
    let again = other.post(&other.conversation().await, &question).await.json();
    assert_eq!(again["grounded"], false, "{again}");
    shared.app.stop().await;
}

#[tokio::test]
async fn a_member_leaves_by_itself_and_cannot_let_others_in() {
    let shared = Shared::with("writer").await;
    let third = Person::new(&shared.app, "third").await;
    let own = format!("{}/{}", shared.members(), shared.other.id);
    let of_third = format!("{}/{}", shared.members(), third.id);
    assert_eq!(shared.other.delete(&of_third).await.status, StatusCode::NOT_FOUND);
    assert_eq!(third.delete(&own).await.status, StatusCode::NOT_FOUND);
    assert_eq!(shared.other.delete(&own).await.status, StatusCode::NO_CONTENT);
    assert!(!shared.found(&shared.other).await);
    for (name, code) in [("nobody", "not_found:account"), ("owner", "unprocessable:name")] {
        let reply = shared.owner.post(&shared.members(), &json!({ "name": name, "role": "reader" })).await;
        assert_eq!(reply.code(), code);
    }
    let reply = shared.owner.post(&shared.members(), &json!({ "name": "other", "role": "owner" })).await;
    assert_eq!(reply.code(), "unprocessable:role");
    shared.app.stop().await;
}

#[tokio::test]
async fn nobody_gets_documents_into_the_answers_of_somebody_who_has_not_accepted() {
    let app = TestApp::start().await;
    let (owner, other) = (Person::new(&app, "owner").await, Person::new(&app, "other").await);
    let (collection, document) = owner.collection_with("manuals", "pump.txt", FACT).await;
    let shared = Shared { app, owner, other, collection, document };
    let Shared { owner, other, collection, document, .. } = &shared;
    let none = other.post(&format!("/api/v1/collections/{collection}/accept"), &json!(null)).await;
    assert_eq!((none.status, none.code()), (StatusCode::NOT_FOUND, "not_found:invitation".into()));
    shared.admit("writer").await;
    let revision = shared.revision().await;

    let invited = other.get("/api/v1/invitations").await.json();
    assert_eq!(
        invited["items"],
        json!([{ "collection_id": collection, "name": "manuals", "owner": "owner", "role": "writer" }])
    );
    assert_eq!(owner.get("/api/v1/invitations").await.json()["items"], json!([]));
    assert!(owner.get(&shared.members()).await.json()["items"][0]["accepted_at"].is_null());
    assert!(!shared.found(other).await);
    assert_eq!(other.get("/api/v1/collections").await.json()["items"], json!([]));
    assert_eq!(shared.text_of(other, &revision).await, StatusCode::NOT_FOUND);
    for path in [
        format!("/api/v1/collections/{collection}"),
        format!("/api/v1/documents/{document}"),
        format!("/api/v1/documents/{document}/original"),
        "/api/v1/documents?collection=manuals".to_owned(),
    ] {
        assert_eq!(other.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let upload = format!("/api/v1/collections/{collection}/documents");
    let refused = other.post(&upload, &json!({ "key": "a", "text": "b" })).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    let question = json!({ "content": "What is the pressure of the pump of Zanzibar?" });
    assert_eq!(other.post(&other.conversation().await, &question).await.json()["grounded"], false);

    // A key of the invited cannot accept, whatever it may do else.
    let key = json!({ "name": "bot", "scopes": ["read", "ask", "write"] });
    let key = other.post("/api/v1/api-keys", &key).await.json()["key"].as_str().unwrap().to_owned();
    let by_key = other.showing(&key).post(&format!("/api/v1/collections/{collection}/accept"), &json!(null)).await;
    assert_eq!(by_key.status, StatusCode::FORBIDDEN);

    other.accept(collection).await;
    assert!(shared.found(other).await);
    assert_eq!(other.get("/api/v1/invitations").await.json()["items"], json!([]));
    // Another role needs no other answer.
    shared.admit("reader").await;
    assert!(shared.found(other).await);
    shared.app.stop().await;
}

#[tokio::test]
async fn of_two_collections_of_one_name_that_are_shared_the_one_shared_first_is_meant() {
    use footnote_ingest::rights::as_system;
    use footnote_ingest::store::collections;
    let app = TestApp::start().await;
    let (early, late) = (Person::new(&app, "early").await, Person::new(&app, "late").await);
    let reader = Person::new(&app, "reader").await;
    // The elder one is shared later.
    let (elder, _) = late.collection_with("manuals", "a.txt", FACT).await;
    let (younger, _) = early.collection_with("manuals", "b.txt", FACT).await;
    for (owner, collection) in [(&early, &younger), (&late, &elder)] {
        let members = format!("/api/v1/collections/{collection}/members");
        let admitted = owner.post(&members, &json!({ "name": "reader", "role": "reader" })).await;
        assert_eq!(admitted.status, StatusCode::OK, "{}", admitted.text());
        reader.accept(collection).await;
    }
    let scope = footnote_ingest::scope::Scope::stored(footnote::ids::UserId(reader.id.parse().unwrap()));
    let found = as_system(collections::find_by_name(&app.service.app.db, scope, "manuals")).await.unwrap();
    assert_eq!(found.unwrap().to_string(), younger);
    app.stop().await;
}

#[tokio::test]
async fn what_was_replaced_before_somebody_was_let_in_stays_the_owners() {
    let app = TestApp::start().await;
    let (owner, other) = (Person::new(&app, "owner").await, Person::new(&app, "other").await);
    let (collection, document) = owner.collection_with("manuals", "pump.txt", FACT).await;
    let shared = Shared { app, owner, other, collection, document };
    let Shared { owner, other, collection, .. } = &shared;
    let secret = shared.revision().await;
    owner.upload(collection, "pump.txt", "The pump of Zanzibar is rated for 5 bar.").await;
    let first = shared.revision().await;
    assert_ne!(secret, first);
    shared.admit("reader").await;
    other.accept(collection).await;
    assert_eq!(shared.text_of(other, &secret).await, StatusCode::NOT_FOUND);
    assert_eq!(shared.text_of(owner, &secret).await, StatusCode::OK);
    // What came after stays readable, so that citations hold.
    owner.upload(collection, "pump.txt", "The pump of Zanzibar is rated for 6 bar.").await;
    let second = shared.revision().await;
    owner.upload(collection, "pump.txt", "The pump of Zanzibar is rated for 7 bar.").await;
    assert_eq!(shared.text_of(other, &second).await, StatusCode::OK);
    shared.app.stop().await;
}
