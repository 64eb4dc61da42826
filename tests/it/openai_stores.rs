//! Embeddings, files, and vector stores with what is found in them.

use axum::body::Body;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::canaries::until;
use crate::harness::{Reply, TestApp, request};

const STRANGER: &str = "0190a00000007000800000000000000a";
const P4: &str = "The pump P4 is rated for a pressure of 4 bar. It weighs 3 kg.";
const P5: &str = "The pump P5 is rated for a pressure of 5 bar. It weighs 8 kg.";

async fn upload(app: &TestApp, name: &str, text: &str) -> Reply {
    let body = format!(
        "--X\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n\
         --X\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         content-type: text/plain\r\n\r\n{text}\r\n--X--\r\n"
    );
    let request = request("POST", "/v1/files").header("content-type", "multipart/form-data; boundary=X");
    app.request(request.body(Body::from(body)).unwrap()).await
}

async fn file(app: &TestApp, name: &str, text: &str) -> String {
    let reply = upload(app, name, text).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}

async fn posted(app: &TestApp, path: &str, body: &Value) -> Value {
    let reply = app.post(path, body).await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text());
    reply.json()
}

async fn until_read(app: &TestApp, path: &str) {
    let is_read = async || (app.get(path).await.json()["file_counts"]["in_progress"] == 0).then_some(());
    until("end of reading", is_read).await;
}

/// A store with both manuals, which differ in their attributes.
async fn with_store() -> (TestApp, String, [String; 2]) {
    let app = TestApp::start().await;
    let files = [file(&app, "p4.txt", P4).await, file(&app, "p5.txt", P5).await];
    let store = posted(&app, "/v1/vector_stores", &json!({ "name": "pumps", "metadata": { "team": "field" } })).await;
    assert_eq!(store["metadata"], json!({ "team": "field" }));
    let path = format!("/v1/vector_stores/{}", store["id"].as_str().unwrap());
    let attached = |place: usize, year: i32| json!({ "file_id": files[place], "attributes": { "year": year, "series": format!("P{}", place + 4) } });
    let batch = json!({ "files": [attached(0, 2024), attached(1, 2025)] });
    let batch = posted(&app, &format!("{path}/file_batches"), &batch).await;
    assert_eq!((&batch["object"], &batch["file_counts"]["total"]), (&json!("vector_store.files_batch"), &json!(2)));
    let batch = format!("{path}/file_batches/{}", batch["id"].as_str().unwrap());
    until_read(&app, &batch).await;
    assert_eq!(app.get(&batch).await.json()["status"], "completed");
    (app, path, files)
}

async fn found(app: &TestApp, store: &str, filters: Value) -> Vec<String> {
    let body = json!({ "query": "What is the pressure of the pump?", "filters": filters });
    let found = posted(app, &format!("{store}/search"), &body).await;
    assert_eq!(found["object"], "vector_store.search_results.page");
    let mut names: Vec<String> =
        found["data"].as_array().unwrap().iter().map(|item| item["filename"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

#[tokio::test]
async fn the_forms_of_a_text_are_embedded_alike() {
    let app = TestApp::start().await;
    let model = app.service.app.corpus.live().embedder.model().to_owned();
    let embed = async |input: Value, format: &str| {
        let body = json!({ "model": model, "input": input, "encoding_format": format });
        posted(&app, "/v1/embeddings", &body).await
    };
    let plain = embed(json!(P4), "float").await;
    let numbers: Vec<f64> =
        plain["data"][0]["embedding"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
    assert_eq!(numbers.len(), app.service.app.corpus.live().embedder.dimensions());
    assert!(plain["usage"]["prompt_tokens"].as_u64().unwrap() > 5);
    let tokens = bpe_openai::cl100k_base().encode(P4);
    for input in [json!([P4]), json!(tokens), json!([tokens])] {
        assert_eq!(embed(input, "float").await["data"], plain["data"]);
    }
    let coded = embed(json!(P4), "base64").await;
    let bytes = STANDARD.decode(coded["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let decoded: Vec<f64> =
        bytes.chunks(4).map(|four| f64::from(f32::from_le_bytes(four.try_into().unwrap()))).collect();
    let apart = decoded.iter().zip(&numbers).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(decoded.len() == numbers.len() && apart < 1e-6, "{apart}");
    let several = embed(json!([P4, P5, "A heron."]), "float").await;
    let places: Vec<u64> =
        several["data"].as_array().unwrap().iter().map(|item| item["index"].as_u64().unwrap()).collect();
    assert_eq!(places, [0, 1, 2]);
    app.stop().await;
}

#[tokio::test]
async fn embeddings_that_cannot_be_had_are_refused() {
    let app = TestApp::start().await;
    let model = app.service.app.corpus.live().embedder.model().to_owned();
    for (field, value, status, param) in [
        ("model", json!("text-embedding-3-small"), 404, "model"),
        ("dimensions", json!(7), 400, "dimensions"),
        ("encoding_format", json!("hex"), 400, "encoding_format"),
        ("input", json!([]), 400, "input"),
        ("input", json!(vec!["a"; 2049]), 400, "input"),
        ("input", json!({}), 400, "input"),
        ("input", json!([[4_000_000_000_u32]]), 400, "input"),
    ] {
        let mut body = json!({ "model": model, "input": "a" });
        body[field] = value;
        let reply = app.post("/v1/embeddings", &body).await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status.as_u16(), error["param"].as_str()), (status, Some(param)), "{error}");
    }
    let large = app.post("/v1/embeddings", &json!({ "model": model, "input": "x".repeat(17 << 20) })).await;
    assert_eq!((large.status, large.code()), (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large".to_owned()));
    app.stop().await;
}

#[tokio::test]
async fn a_file_is_kept_byte_for_byte_until_it_is_deleted() {
    let app = TestApp::with(|settings| settings.max_file_bytes = 1000).await;
    let id = file(&app, "docs/p4.txt", P4).await;
    let shown = app.get(&format!("/v1/files/{id}")).await.json();
    assert_eq!((&shown["filename"], &shown["purpose"]), (&json!("p4.txt"), &json!("assistants")));
    assert_eq!((&shown["object"], &shown["bytes"]), (&json!("file"), &json!(P4.len())));
    assert_eq!(app.get(&format!("/v1/files/{id}/content")).await.text(), P4);
    // What nobody refers to is dropped, but not what a file does.
    let mut tx = app.db.begin().await.unwrap();
    let scope = footnote_ingest::scope::Scope::stored(
        sqlx::query_scalar("select owner_id from openai_files")
            .fetch_one(&app.db)
            .await
            .map(footnote::ids::UserId)
            .unwrap(),
    );
    footnote_ingest::store::originals::drop_unreferenced(&mut tx, scope).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(app.get(&format!("/v1/files/{id}/content")).await.text(), P4);

    let others = [file(&app, "a.txt", "a").await, file(&app, "b.txt", "b").await];
    let page = app.get("/v1/files?limit=2").await.json();
    assert_eq!(
        (&page["has_more"], &page["first_id"], &page["last_id"]),
        (&json!(true), &json!(others[1]), &json!(others[0]))
    );
    let rest = app.get(&format!("/v1/files?limit=2&after={}", others[0])).await.json();
    assert_eq!((&rest["has_more"], &rest["data"][0]["id"]), (&json!(false), &json!(id)));
    assert_eq!(app.get("/v1/files?purpose=other").await.json()["data"], json!([]));

    let deleted = app.delete(&format!("/v1/files/{id}")).await.json();
    assert_eq!(deleted, json!({ "id": id, "object": "file", "deleted": true }));
    assert_eq!(app.get(&format!("/v1/files/{id}")).await.code(), "file_not_found");
    let large = upload(&app, "large.txt", &"x".repeat(1001)).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", large.text());
    app.stop().await;
}

#[tokio::test]
async fn attributes_filter_what_is_found() {
    let (app, store, _) = with_store().await;
    let is = |kind: &str, key: &str, value: Value| json!({ "type": kind, "key": key, "value": value });
    let both = ["p4.txt", "p5.txt"];
    for (filters, names) in [
        (Value::Null, &both[..]),
        (is("eq", "year", json!(2024)), &both[..1]),
        (is("ne", "year", json!(2024)), &both[1..]),
        (is("gt", "year", json!(2024)), &both[1..]),
        (is("gte", "year", json!(2024)), &both[..]),
        (is("lt", "year", json!(2025)), &both[..1]),
        (is("lte", "year", json!(2023)), &[][..]),
        (is("in", "series", json!(["P5", "P6"])), &both[1..]),
        (is("nin", "series", json!(["P5", "P6"])), &both[..1]),
        (is("in", "year", json!([2024, 2030])), &both[..1]),
        (
            json!({ "type": "and", "filters": [is("eq", "year", json!(2024)), is("ne", "series", json!("P4"))] }),
            &[][..],
        ),
        (
            json!({ "type": "or", "filters": [is("eq", "year", json!(2024)), is("eq", "series", json!("P5"))] }),
            &both[..],
        ),
    ] {
        assert_eq!(found(&app, &store, filters.clone()).await, names, "{filters}");
    }
    let wrong =
        app.post(&format!("{store}/search"), &json!({ "query": "a", "filters": is("like", "a", json!(1)) })).await;
    assert_eq!(
        (wrong.status, wrong.json()["error"]["param"].as_str()),
        (StatusCode::BAD_REQUEST, Some("filters.type"))
    );
    let body =
        json!({ "query": ["pressure", "weight"], "max_num_results": 1, "ranking_options": { "score_threshold": 0 } });
    let one = posted(&app, &format!("{store}/search"), &body).await;
    let item = &one["data"][0];
    assert_eq!(one["data"].as_array().unwrap().len(), 1);
    assert!((0.0..=1.0).contains(&item["score"].as_f64().unwrap()), "{item}");
    assert!(item["content"][0]["text"].as_str().unwrap().contains("pump"), "{item}");
    app.stop().await;
}

#[tokio::test]
async fn files_of_a_store_are_its_documents() {
    let (app, store, files) = with_store().await;
    let shown = app.get(&store).await.json();
    let counts = json!({ "in_progress": 0, "completed": 2, "failed": 0, "cancelled": 0, "total": 2 });
    assert_eq!((&shown["file_counts"], &shown["status"]), (&counts, &json!("completed")));
    assert_eq!(shown["usage_bytes"], P4.len() + P5.len());
    let list = app.get(&format!("{store}/files?order=asc&filter=completed")).await.json();
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(|file| file["id"].as_str().unwrap()).collect();
    assert_eq!(ids, files);
    let after = app.get(&format!("{store}/files?order=asc&limit=1&after={}", files[0])).await.json();
    assert_eq!((&after["data"][0]["id"], &after["has_more"]), (&json!(files[1]), &json!(false)));
    let one = format!("{store}/files/{}", files[0]);
    let shown = app.get(&one).await.json();
    assert_eq!((&shown["object"], &shown["status"]), (&json!("vector_store.file"), &json!("completed")));
    assert_eq!(shown["attributes"], json!({ "year": 2024, "series": "P4" }));
    let content = app.get(&format!("{one}/content")).await.json();
    assert!(content["data"][0]["text"].as_str().unwrap().contains("4 bar"), "{content}");
    // Other attributes are found by.
    posted(&app, &one, &json!({ "attributes": { "year": 1999 } })).await;
    until_read(&app, &store).await;
    assert_eq!(found(&app, &store, json!({ "type": "eq", "key": "year", "value": 1999 })).await, ["p4.txt"]);
    // It is a collection like any other, and answers as a model.
    let body = json!({ "model": "kb/pumps", "messages": [{ "role": "user", "content": "How heavy is the pump P5?" }] });
    let answer = posted(&app, "/v1/chat/completions", &body).await;
    assert!(answer.to_string().contains("8 kg"), "{answer}");

    assert_eq!(app.delete(&one).await.json()["deleted"], true);
    assert_eq!(app.get(&one).await.code(), "file_not_found");
    assert_eq!(app.get(&format!("/v1/files/{}", files[0])).await.status, StatusCode::OK);
    // A file that is deleted leaves its stores.
    app.delete(&format!("/v1/files/{}", files[1])).await;
    assert_eq!(app.get(&store).await.json()["file_counts"]["total"], 0);
    assert_eq!(app.delete(&store).await.json()["object"], "vector_store.deleted");
    assert_eq!(app.get(&store).await.code(), "vector_store_not_found");
    app.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let app = TestApp::start().await;
    let broken = file(&app, "broken.pdf", "no PDF at all").await;
    let store = posted(&app, "/v1/vector_stores", &json!({ "file_ids": [broken] })).await;
    let path = format!("/v1/vector_stores/{}", store["id"].as_str().unwrap());
    until_read(&app, &path).await;
    let shown = app.get(&format!("{path}/files/{broken}")).await.json();
    assert_eq!(shown["status"], "failed");
    let code = shown["last_error"]["code"].as_str().unwrap();
    assert!(["unsupported_file", "invalid_file"].contains(&code), "{shown}");
    app.stop().await;
}

#[tokio::test]
async fn stores_of_one_name_stand_beside_each_other() {
    let app = TestApp::start().await;
    for _ in 0..3 {
        posted(&app, "/v1/vector_stores", &json!({ "name": "pumps" })).await;
    }
    let list = app.get("/v1/vector_stores?limit=2").await.json();
    assert_eq!((list["data"].as_array().unwrap().len(), &list["has_more"]), (2, &json!(true)));
    let before = app.get(&format!("/v1/vector_stores?before={}", list["last_id"].as_str().unwrap())).await.json();
    assert_eq!(before["data"][0]["id"], list["first_id"]);
    let taken = app
        .post(&format!("/v1/vector_stores/{}", list["last_id"].as_str().unwrap()), &json!({ "name": "pumps" }))
        .await;
    assert_eq!((taken.status, taken.code()), (StatusCode::CONFLICT, "conflict".to_owned()));
    app.stop().await;
}

#[tokio::test]
async fn well_formed_ids_of_nobody_are_not_found() {
    let (app, store, files) = with_store().await;
    let nobody = |prefix: &str| format!("{prefix}{STRANGER}");
    let (vs, file, batch) = (nobody("vs_"), nobody("file-"), nobody("vsfb_"));
    for path in [
        format!("/v1/files/{file}"),
        format!("/v1/files/{file}/content"),
        format!("/v1/files/{store}"),
        format!("/v1/vector_stores/{vs}"),
        format!("/v1/vector_stores/{vs}/files"),
        format!("/v1/vector_stores/{vs}/files/{}", files[0]),
        format!("{store}/files/{file}"),
        format!("{store}/files/{file}/content"),
        format!("{store}/file_batches/{batch}"),
        format!("{store}/file_batches/{batch}/files"),
        format!("/v1/responses/{}", nobody("resp_")),
        format!("/v1/responses/{}/input_items", nobody("resp_")),
    ] {
        let reply = app.get(&path).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}: {}", reply.text());
        assert!(reply.code().ends_with("_not_found"), "{path}: {}", reply.text());
    }
    for (path, body) in [
        (format!("{store}/files"), json!({ "file_id": file })),
        (format!("{store}/file_batches"), json!({ "file_ids": [files[0], file] })),
        (format!("{store}/file_batches/{batch}/cancel"), json!({})),
        (format!("/v1/vector_stores/{vs}/search"), json!({ "query": "a" })),
        (format!("/v1/responses/{}/cancel", nobody("resp_")), json!({})),
    ] {
        let reply = app.post(&path, &body).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}: {}", reply.text());
    }
    app.stop().await;
}
