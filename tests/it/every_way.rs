//! A limit is the same by whichever way documents come: as a text, in a form of
//! many files, as a file of OpenAI's clients alone or in a batch, from a member
//! who may write, and by a key.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Reply, TestApp, request};
use crate::people::{Person, whole};

/// Documents that an account may have.
const MOST: usize = 2;

async fn form(app: &TestApp, person: &Person, path: &str, files: &[(&str, &str)]) -> Reply {
    let part = |(name, text): &(&str, &str)| {
        format!("--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{text}\r\n")
    };
    let files: String = files.iter().map(part).collect();
    let purpose = match path.starts_with("/v1") {
        true => "--x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n",
        false => "",
    };
    let request = request("POST", path)
        .header("authorization", format!("Bearer {}", person.access))
        .header("content-type", "multipart/form-data; boundary=x");
    whole(&app.doors(), request.body(Body::from(format!("{purpose}{files}--x--\r\n"))).unwrap()).await
}

/// How many documents of an account there are, for the database.
async fn documents(app: &TestApp, person: &Person) -> i64 {
    let query = "select count(*) from documents where owner_id = $1::uuid and deleted_at is null";
    sqlx::query_scalar(query).bind(&person.id).fetch_one(&app.db).await.unwrap()
}

fn assert_refused(way: &str, reply: &Reply) {
    assert!(reply.status.is_client_error(), "{way}: {} {}", reply.status, reply.text());
    let code = reply.json()["error"]["code"].clone();
    let known = [json!("quota_exceeded:documents"), json!("quota_exceeded:files"), json!("insufficient_quota")];
    assert!(known.contains(&code), "{way}: {}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_documents_holds_by_every_way_in() {
    let app = TestApp::with(|settings| settings.quota.documents = MOST as u64).await;
    let (ada, eve) = (Person::new(&app, "ada").await, Person::new(&app, "eve").await);
    let made = ada.post("/api/v1/collections", &json!({ "name": "main" })).await.json();
    let collection = made["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/collections/{collection}/documents");
    // Files of OpenAI's clients are kept apart from documents, and as many.
    let mut files = Vec::new();
    for name in ["a.txt", "b.txt"] {
        let kept = form(&app, &ada, "/v1/files", &[(name, name)]).await;
        assert_eq!(kept.status, StatusCode::OK, "{}", kept.text());
        files.push(kept.json()["id"].as_str().unwrap().to_owned());
    }
    assert_refused("a third file", &form(&app, &ada, "/v1/files", &[("c.txt", "c")]).await);

    let three = [("1.txt", "One."), ("2.txt", "Two."), ("3.txt", "Three.")];
    assert_refused("a form of three", &form(&app, &ada, &path, &three).await);
    assert!(documents(&app, &ada).await <= 2, "{}", documents(&app, &ada).await);
    // Whichever the form left, from here on there are as many as may be.
    let listed = ada.get("/api/v1/documents").await.json();
    let is_there = |key: &str| listed["items"].as_array().unwrap().iter().any(|document| document["key"] == key);
    let (there, others): (Vec<&str>, Vec<&str>) = three.iter().map(|(key, _)| *key).partition(|key| is_there(key));
    for key in there.into_iter().chain(others).take(2) {
        let taken = ada.post(&path, &json!({ "key": key, "text": format!("Text of {key}.") })).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text());
    }
    assert_eq!(documents(&app, &ada).await, 2);

    let members = format!("/api/v1/collections/{collection}/members");
    assert_eq!(ada.post(&members, &json!({ "name": "eve", "role": "writer" })).await.status, StatusCode::OK);
    eve.accept(&collection).await;
    let key = json!({ "name": "bot", "scopes": ["read", "write"] });
    let bot = ada.post("/api/v1/api-keys", &key).await.json()["key"].as_str().unwrap().to_owned();
    let bot = ada.showing(&bot);
    let store = format!("/v1/vector_stores/vs_{collection}");
    let text = json!({ "key": "new", "text": "Something new." });
    let mut ways: Vec<(&str, Reply)> = vec![("a text", ada.post(&path, &text).await)];
    ways.push(("a key", bot.post(&path, &text).await));
    ways.push(("a writer", eve.post(&path, &text).await));
    ways.push(("a form", form(&app, &ada, &path, &[("new.txt", "Something new.")]).await));
    ways.push(("a writer's form", form(&app, &eve, &path, &[("new.txt", "Something new.")]).await));
    ways.push(("a file of a store", ada.post(&format!("{store}/files"), &json!({ "file_id": files[0] })).await));
    ways.push(("a batch", ada.post(&format!("{store}/file_batches"), &json!({ "file_ids": files })).await));
    let of_store = json!({ "name": "another", "file_ids": files });
    let another = ada.post("/v1/vector_stores", &of_store).await;
    for (way, reply) in &ways {
        assert_refused(way, reply);
        assert_eq!(documents(&app, &ada).await, 2, "{way}");
    }
    assert!(another.status.is_client_error() || documents(&app, &ada).await == 2, "{}", another.text());
    eprintln!("{} ways in, each refused at {MOST} documents", ways.len() + 2);
    // A writer's own account has room as before.
    assert_eq!(documents(&app, &eve).await, 0);
    let mut listed = ada.get("/api/v1/documents").await.json()["items"].clone();
    listed.as_array_mut().unwrap().retain(|document: &Value| document["deleted_at"].is_null());
    assert_eq!(listed.as_array().unwrap().len(), 2);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_files_that_have_no_room_together_none_is_taken_in() {
    let app = TestApp::with(|settings| settings.quota.documents = 2).await;
    let ada = Person::new(&app, "ada").await;
    let collection = ada.post("/api/v1/collections", &json!({ "name": "main" })).await.json()["id"].clone();
    let collection = collection.as_str().unwrap();
    let text = json!({ "key": "here", "text": "It is here." });
    let taken = ada.post(&format!("/api/v1/collections/{collection}/documents"), &text).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text());
    let mut files = Vec::new();
    for name in ["a.txt", "b.txt"] {
        files.push(form(&app, &ada, "/v1/files", &[(name, name)]).await.json()["id"].clone());
    }
    let path = format!("/v1/vector_stores/vs_{collection}/file_batches");
    assert_refused("a batch", &ada.post(&path, &json!({ "file_ids": files })).await);
    assert_eq!(documents(&app, &ada).await, 1);
    let stores = async || ada.get("/v1/vector_stores").await.json()["data"].as_array().unwrap().len();
    let before = stores().await;
    let store = ada.post("/v1/vector_stores", &json!({ "name": "another", "file_ids": files })).await;
    assert_refused("a store", &store);
    assert_eq!((documents(&app, &ada).await, stores().await), (1, before));
    app.stop().await;
}
