//! Search over HTTP.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::TestApp;

fn keys(found: &Value) -> Vec<&str> {
    found["passages"].as_array().unwrap().iter().map(|passage| passage["key"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn words_and_meaning_find_what_they_should() {
    let app = TestApp::start().await;
    let collection = app.collection("c").await;
    app.text(&collection, "pump", "The pump is rated for a pressure of 4 bar. Order number RX-7714.").await;
    app.text(&collection, "holiday", "Every employee has thirty days of paid leave in a year.").await;
    app.text(&collection, "lunch", "The canteen serves soup from noon on.").await;
    app.settled(&collection).await;
    let search = async |query: &str, mode: &str| {
        app.post("/api/v1/search", &json!({ "query": query, "mode": mode, "limit": 1 })).await.json()
    };
    assert_eq!(keys(&search("RX-7714", "sparse").await), ["pump"]);
    // No word in common.
    assert_eq!(keys(&search("How much vacation do I get?", "dense").await), ["holiday"]);
    assert_eq!(keys(&search("vacation of employees", "hybrid").await), ["holiday"]);
    let both = search("pressure of the pump", "hybrid").await;
    let scores = &both["passages"][0]["scores"];
    assert!(scores["dense"].is_number() && scores["sparse"].is_number() && scores["fused"].is_number(), "{both}");
    app.stop().await;
}

#[tokio::test]
async fn what_is_put_in_word_for_word_is_found_where_it_stands() {
    let app = TestApp::start().await;
    let collection = app.collection("letters").await;
    for n in 0..40 {
        let text = format!("You hear from us, and we look forward to you. Forward looking to hearing you, number {n}.");
        app.text(&collection, &format!("lure-{n}"), &text).await;
    }
    let filling = "The delivery of the pumps was late, and the gauge on the third valve has to be replaced. ".repeat(6);
    let letter = format!("{filling}We look forward to hearing from you.\n{filling}");
    app.text(&collection, "letter", &letter).await;
    app.settled(&collection).await;
    let search = async |query: &str, mode: &str| {
        app.post("/api/v1/search", &json!({ "query": query, "mode": mode, "limit": 3 })).await.json()
    };
    for query in [
        "look forward to hearing from you",
        "who wrote “forward to hearing from you”?",
        // The other words weigh more.
        "hear us, looking, number 17: “forward to hearing from you”",
    ] {
        let found = search(query, "hybrid").await;
        assert_eq!((keys(&found)[0], &found["passages"][0]["scores"]["phrase"]), ("letter", &json!(1.0)), "{found}");
        let scores: Vec<f64> =
            found["passages"].as_array().unwrap().iter().map(|passage| passage["score"].as_f64().unwrap()).collect();
        assert!(scores.is_sorted_by(|a, b| a >= b) && scores.len() > 1, "{found}");
    }
    // Neither a question nor meaning alone looks for it.
    for (query, mode) in
        [("Do you look forward to hearing from you?", "hybrid"), ("look forward to hearing from you", "dense")]
    {
        let found = search(query, mode).await;
        assert!(keys(&found)[0].starts_with("lure") && !found.to_string().contains("phrase"), "{found}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_passage_is_the_exact_range_of_its_revision() {
    let app = TestApp::start().await;
    let collection = app.collection("c").await;
    let text: String = (0..120).map(|n| format!("Straße {n} – “größer” als 21 °C. ")).collect();
    app.text(&collection, "k", &text).await;
    app.settled(&collection).await;
    let found = app.post("/api/v1/search", &json!({ "query": "Straße 77", "limit": 5 })).await.json();
    let passages = found["passages"].as_array().unwrap();
    assert!(!passages.is_empty());
    for passage in passages {
        let (revision, start, end) = (passage["revision_id"].as_str().unwrap(), &passage["start"], &passage["end"]);
        let part = app.get(&format!("/api/v1/revisions/{revision}/text?start={start}&end={end}")).await.json();
        assert_eq!(part["text"], passage["text"]);
    }
    app.stop().await;
}

#[tokio::test]
async fn collections_and_metadata_narrow_a_search() {
    let app = TestApp::start().await;
    let (one, two) = (app.collection("one").await, app.collection("two").await);
    for (collection, key, year) in [(&one, "old", 2019), (&one, "new", 2026), (&two, "other", 2026)] {
        let path = format!("/api/v1/collections/{collection}/documents");
        let body = json!({ "key": key, "text": format!("The rules for travel, {key}."), "meta": { "year": year, "lang": "en" } });
        assert_eq!(app.post(&path, &body).await.status, StatusCode::ACCEPTED);
    }
    app.settled(&one).await;
    app.settled(&two).await;
    let search = async |body: Value| app.post("/api/v1/search", &body).await.json();
    let query = "rules for travel";
    let mut all = search(json!({ "query": query })).await;
    assert_eq!(keys(&all).len(), 3);
    all = search(json!({ "query": query, "collections": ["two"] })).await;
    assert_eq!(keys(&all), ["other"]);
    all = search(json!({ "query": query, "collections": [one], "filter": { "year": { "gte": 2020 } } })).await;
    assert_eq!(keys(&all), ["new"]);
    all = search(json!({ "query": query, "filter": { "year": [2019, 2018], "lang": "en" } })).await;
    assert_eq!(keys(&all), ["old"]);
    all = search(json!({ "query": query, "filter": { "lang": "de" } })).await;
    assert!(keys(&all).is_empty());
    app.stop().await;
}

#[tokio::test]
async fn near_duplicates_are_shown_once() {
    let app = TestApp::start().await;
    let collection = app.collection("c").await;
    let text = "The warranty of the pump lasts for five years from the day on which it was delivered to the customer";
    app.text(&collection, "a", &format!("{text}.")).await;
    app.text(&collection, "b", &format!("{text}!")).await;
    app.text(&collection, "c", "The warranty of the valve lasts for two years.").await;
    app.settled(&collection).await;
    let found = app.post("/api/v1/search", &json!({ "query": "warranty" })).await.json();
    assert_eq!(keys(&found).len(), 2, "{found}");
    app.stop().await;
}

#[tokio::test]
async fn a_search_survives_a_restart() {
    let app = TestApp::start().await;
    let collection = app.collection("c").await;
    app.text(&collection, "pump", "The pump is rated for a pressure of 4 bar.").await;
    app.settled(&collection).await;
    let before = app.post("/api/v1/search", &json!({ "query": "pressure of the pump" })).await.json();
    let app = app.restarted().await;
    let after = app.post("/api/v1/search", &json!({ "query": "pressure of the pump" })).await.json();
    assert_eq!(before["passages"], after["passages"]);
    app.stop().await;
}
