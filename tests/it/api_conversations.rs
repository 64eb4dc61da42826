//! Conversations: put away, found again, taken along, judged.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Reply, TestApp};

const MANUAL: &str = "# Pump P4\n\nThe pump P4 is rated for a pressure of 4 bar. It weighs 3 kg.\n";
const NOBODY: &str = "01990000-0000-7000-8000-000000000000";

async fn with_manual() -> TestApp {
    let app = TestApp::start().await;
    let collection = app.collection("manuals").await;
    app.text(&collection, "p4.md", MANUAL).await;
    app.settled(&collection).await;
    app
}

/// Begins a conversation and returns its path.
async fn begin(app: &TestApp, begin: Value) -> String {
    let begun = app.post("/api/v1/conversations", &begin).await;
    assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.text());
    format!("/api/v1/conversations/{}", begun.json()["id"].as_str().unwrap())
}

fn id(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

async fn change(app: &TestApp, conversation: &str, change: Value) -> Reply {
    app.send("PATCH", conversation, &change).await
}

async fn changed(app: &TestApp, conversation: &str, wanted: Value) -> Value {
    let reply = change(app, conversation, wanted).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    reply.json()
}

/// Asks, and returns the answer.
async fn ask(app: &TestApp, conversation: &str, question: &str) -> Value {
    let answer = app.post(&format!("{conversation}/messages"), &json!({ "content": question })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

/// Stores a message of any branch.
async fn store(app: &TestApp, conversation: &str, parent: Option<&str>, role: &str, text: &str) -> String {
    sqlx::query_scalar(
        "insert into messages
            (id, owner_id, conversation_id, parent_id, role, status, parts, created_at, updated_at)
         select gen_random_uuid(), owner_id, id, $2::uuid, $3, 'completed',
                jsonb_build_array(jsonb_build_object('type', 'text', 'text', $4::text)),
                clock_timestamp(), clock_timestamp()
         from conversations
         where id = $1::uuid
         returning id::text",
    )
    .bind(id(conversation))
    .bind(parent)
    .bind(role)
    .bind(text)
    .fetch_one(&app.db)
    .await
    .unwrap()
}

/// Makes a conversation somebody else's.
async fn give_away(app: &TestApp, conversation: &str) {
    let db = &app.db;
    let stranger =
        "insert into users (id, name, created_at) values ($1::uuid, 'mallory', now()) on conflict do nothing";
    sqlx::query(stranger).bind(NOBODY).execute(db).await.unwrap();
    for statement in [
        "update conversations set owner_id = $1::uuid where id = $2::uuid",
        "update messages set owner_id = $1::uuid where conversation_id = $2::uuid",
    ] {
        sqlx::query(statement).bind(NOBODY).bind(id(conversation)).execute(db).await.unwrap();
    }
}

async fn titles(app: &TestApp, query: &str) -> Vec<String> {
    let listed = app.get(&format!("/api/v1/conversations{query}")).await.json();
    let items = listed["items"].as_array().unwrap().iter();
    items.map(|item| item["title"].as_str().unwrap().to_owned()).collect()
}

async fn found(app: &TestApp, query: &str) -> Vec<Value> {
    let reply = app.get(&format!("/api/v1/conversations/search?q={query}")).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    reply.json()["items"].as_array().unwrap().clone()
}

fn titles_of(found: &[Value]) -> Vec<&str> {
    found.iter().map(|item| item["conversation"]["title"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_archived_conversation_is_out_of_the_list_until_it_comes_back() {
    let app = TestApp::start().await;
    let old = begin(&app, json!({ "title": "old" })).await;
    begin(&app, json!({ "title": "new" })).await;
    let archived = changed(&app, &old, json!({ "archived": true })).await;
    assert!(archived["archived_at"].is_string(), "{archived}");
    assert_eq!(titles(&app, "").await, ["new"]);
    assert_eq!(titles(&app, "?archived=false").await, ["new"]);
    assert_eq!(titles(&app, "?archived=true").await, ["old"]);
    // It is read as before, and archived once.
    assert_eq!(app.get(&old).await.json(), archived);
    assert_eq!(changed(&app, &old, json!({ "archived": true })).await, archived);
    assert_eq!(changed(&app, &old, json!({ "archived": false })).await["archived_at"], Value::Null);
    assert_eq!(titles(&app, "").await, ["new", "old"]);
    assert_eq!(app.get("/api/v1/conversations?archived=perhaps").await.code(), "unprocessable:query");
    app.stop().await;
}

#[tokio::test]
async fn a_conversation_is_set_up_anew_and_null_takes_back() {
    let app = TestApp::start().await;
    let collection = app.collection("manuals").await;
    let conversation = begin(&app, json!({})).await;
    let begun = app.get(&conversation).await.json();
    assert_eq!(
        (&begun["titled_by"], &begun["tools"], &begun["leaf_id"]),
        (&json!("default"), &json!(null), &json!(null))
    );
    let leaf = store(&app, &conversation, None, "user", "Hello?").await;
    let wanted = json!({
        "title": " Pumps ", "model": "extractive", "collections": ["manuals"], "system_prompt": "Be brief.",
        "tools": ["search_documents"], "leaf_id": leaf,
    });
    let now = changed(&app, &conversation, wanted).await;
    let expected = json!({
        "id": begun["id"], "title": "Pumps", "titled_by": "user", "collections": [collection], "model": "extractive",
        "system_prompt": "Be brief.", "tools": ["search_documents"], "leaf_id": leaf, "archived_at": null,
        "created_at": begun["created_at"], "updated_at": begun["updated_at"],
    });
    assert_eq!(now, expected);
    assert_eq!(changed(&app, &conversation, json!({})).await, expected, "what is left out stays");
    let nothing = json!({ "model": null, "collections": [], "system_prompt": null, "tools": null, "leaf_id": null });
    let now = changed(&app, &conversation, nothing).await;
    for cleared in ["model", "system_prompt", "tools", "leaf_id"] {
        assert_eq!(now[cleared], Value::Null, "{cleared}");
    }
    assert_eq!((&now["collections"], &now["title"]), (&json!([]), &json!("Pumps")));
    assert_eq!(changed(&app, &conversation, json!({ "tools": [] })).await["tools"], json!([]), "no tools at all");
    app.stop().await;
}

#[tokio::test]
async fn what_cannot_be_set_is_refused_by_its_name() {
    let app = TestApp::start().await;
    let conversation = begin(&app, json!({ "title": "kept" })).await;
    let other = begin(&app, json!({ "title": "other" })).await;
    let elsewhere = store(&app, &other, None, "user", "Hello?").await;
    let before = app.get(&conversation).await.json();
    for (wrong, code) in [
        (json!({ "title": " " }), "unprocessable:title"),
        (json!({ "title": "x".repeat(201) }), "unprocessable:title"),
        (json!({ "title": null }), "unprocessable:body"),
        (json!({ "archived": null }), "unprocessable:body"),
        (json!({ "titel": "x" }), "unprocessable:body"),
        (json!({ "model": "gpt-9" }), "unprocessable:model"),
        (json!({ "collections": ["none"] }), "not_found:collection"),
        (json!({ "collections": ["a\u{0}b"] }), "unprocessable:collections"),
        (json!({ "system_prompt": "" }), "unprocessable:system_prompt"),
        (json!({ "system_prompt": "x".repeat(8001) }), "unprocessable:system_prompt"),
        (json!({ "system_prompt": "a\u{0}b" }), "unprocessable:system_prompt"),
        (json!({ "tools": ["search", ""] }), "unprocessable:tools"),
        (json!({ "tools": vec!["x"; 129] }), "unprocessable:tools"),
        (json!({ "leaf_id": NOBODY }), "unprocessable:leaf_id"),
        (json!({ "leaf_id": elsewhere }), "unprocessable:leaf_id"),
        (json!({ "leaf_id": "last" }), "unprocessable:body"),
        // All or nothing.
        (json!({ "title": "new", "archived": true, "tools": [""] }), "unprocessable:tools"),
    ] {
        let reply = change(&app, &conversation, wrong.clone()).await;
        assert_eq!(reply.code(), code, "{wrong}: {}", reply.text());
    }
    assert_eq!(app.get(&conversation).await.json(), before);
    let longest = json!({ "system_prompt": "ä".repeat(8000) });
    assert_eq!(change(&app, &conversation, longest).await.status, StatusCode::OK);
    app.stop().await;
}

#[tokio::test]
async fn words_are_found_in_questions_answers_and_titles() {
    let app = with_manual().await;
    let conversation = begin(&app, json!({ "title": "Boiler room" })).await;
    let answer = ask(&app, &conversation, "How heavy is the pump P4?").await;
    let unnamed = begin(&app, json!({})).await;
    store(&app, &unnamed, None, "user", "Was ist Überdruck?").await;
    for (query, message, snippet) in [
        ("boiler", &Value::Null, "**Boiler** room"),
        ("HEAVY+pump", &answer["parent_id"], "How **heavy** is the **pump** P4?"),
        ("weighs", &answer["id"], "It **weighs** 3 kg. [1]"),
        ("%22pump+p4%22+-boiler", &answer["parent_id"], "How heavy is the **pump** **P4**?"),
    ] {
        let found = found(&app, query).await;
        assert_eq!(found.len(), 1, "{query}: {found:?}");
        assert_eq!((&found[0]["message_id"], &found[0]["snippet"]), (message, &json!(snippet)), "{query}");
        assert_eq!(found[0]["conversation"], app.get(&conversation).await.json(), "{query}");
    }
    assert_eq!(found(&app, "%C3%9CBERDRUCK").await[0]["snippet"], "Was ist **Überdruck**?");
    // What stands in no one place, what nobody wrote, and what is no word.
    for query in ["boiler+weighs", "conversation", "heron", "%3F%21"] {
        assert_eq!(found(&app, query).await, Vec::<Value>::new(), "{query}");
    }
    changed(&app, &conversation, json!({ "archived": true })).await;
    assert_eq!(found(&app, "boiler").await.len(), 1, "archived ones are found");
    assert_eq!(app.delete(&conversation).await.status, StatusCode::NO_CONTENT);
    assert_eq!(found(&app, "weighs").await, Vec::<Value>::new());
    app.stop().await;
}

#[tokio::test]
async fn the_best_conversations_come_first_page_by_page() {
    let app = TestApp::start().await;
    let long = format!("The pump stands here. {}", "It is very loud. ".repeat(40));
    for (title, text) in
        [("Second", "Which pump?"), ("Pump", "What is that?"), ("Third", &long), ("None", "And a boiler?")]
    {
        let conversation = begin(&app, json!({ "title": title })).await;
        let question = store(&app, &conversation, None, "user", text).await;
        store(&app, &conversation, Some(&question), "assistant", "It stands next to the other one.").await;
    }
    let whole = found(&app, "pump").await;
    assert_eq!(titles_of(&whole), ["Pump", "Second", "Third"]);
    let ranks: Vec<f64> = whole.iter().map(|item| item["rank"].as_f64().unwrap()).collect();
    assert!(ranks.is_sorted_by(|better, worse| better > worse), "{ranks:?}");

    let everywhere = found(&app, "stands").await;
    assert_eq!(everywhere.len(), 4, "each once: {everywhere:?}");
    for (query, whole) in [("pump", whole), ("stands", everywhere)] {
        let mut pages = Vec::new();
        let mut next = String::new();
        loop {
            let path = format!("/api/v1/conversations/search?q={query}&limit=1{next}");
            let page = app.get(&path).await.json();
            pages.extend(page["items"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(pages, whole, "{query}");
    }
    for (query, code) in [
        ("?q=", "unprocessable:q"),
        ("?q=%20", "unprocessable:q"),
        ("?q=a%00b", "unprocessable:q"),
        ("?q=a&cursor=x", "unprocessable:cursor"),
        ("?q=a&limit=0", "unprocessable:limit"),
        ("?q=a&page=2", "unprocessable:query"),
        ("", "unprocessable:query"),
    ] {
        let reply = app.get(&format!("/api/v1/conversations/search{query}")).await;
        assert_eq!(reply.code(), code, "{query}");
    }
    app.stop().await;
}

#[tokio::test]
async fn strangers_find_change_export_and_judge_nothing() {
    let app = TestApp::start().await;
    let conversation = begin(&app, json!({ "title": "Secret pump" })).await;
    let question = store(&app, &conversation, None, "user", "Which pump is hidden?").await;
    let answer = store(&app, &conversation, Some(&question), "assistant", "The hidden pump.").await;
    assert_eq!(found(&app, "hidden").await.len(), 1);
    give_away(&app, &conversation).await;
    assert_eq!(found(&app, "hidden+or+secret").await, Vec::<Value>::new());
    let own = begin(&app, json!({ "title": "own" })).await;
    let vote = json!({ "vote": "up" });
    for (what, reply) in [
        ("change", change(&app, &conversation, json!({ "title": "mine" })).await),
        ("export", app.get(&format!("{conversation}/export")).await),
        ("export", app.get(&format!("{conversation}/export?format=json")).await),
        ("feedback", app.post(&format!("{conversation}/messages/{answer}/feedback"), &vote).await),
        ("feedback", app.post(&format!("{own}/messages/{answer}/feedback"), &vote).await),
    ] {
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{what}: {}", reply.text());
    }
    assert_eq!(change(&app, &own, json!({ "leaf_id": answer })).await.code(), "unprocessable:leaf_id");
    let missing = format!("/api/v1/conversations/{NOBODY}");
    assert_eq!(change(&app, &missing, json!({ "title": "x" })).await.code(), "not_found:conversation");
    app.stop().await;
}

#[tokio::test]
async fn a_conversation_is_exported_with_what_it_cites() {
    let app = with_manual().await;
    let conversation = begin(&app, json!({ "title": "Pümps [1]/2" })).await;
    changed(&app, &conversation, json!({ "system_prompt": "Cite as [^1].", "model": "extractive" })).await;
    let answer = ask(&app, &conversation, "How heavy is the pump P4?").await;

    let markdown = app.get(&format!("{conversation}/export")).await;
    assert_eq!(markdown.status, StatusCode::OK, "{}", markdown.text());
    assert_eq!(markdown.headers["content-type"], "text/markdown; charset=utf-8");
    assert_eq!(
        markdown.headers["content-disposition"],
        "attachment; filename=\"P_mps 1 2.md\"; filename*=UTF-8''P%C3%BCmps%201%202.md"
    );
    assert_eq!(
        markdown.text(),
        "# Pümps \\[1\\]/2\n\n## Instructions\n\nCite as \\[^1].\n\n## Question\n\nHow heavy is the pump P4?\n\n\
         ## Answer\n\nIt weighs 3 kg. [^1]\n\n[^1]: Pump P4, \"It weighs 3 kg.\"\n"
    );
    assert_eq!(app.get(&format!("{conversation}/export?format=markdown")).await.bytes, markdown.bytes);

    let whole = app.get(&format!("{conversation}/export?format=json")).await;
    assert_eq!(whole.headers["content-type"], "application/json");
    assert!(whole.headers["content-disposition"].to_str().unwrap().contains(".json"), "{:?}", whole.headers);
    let mut whole = whole.json();
    let messages = whole.as_object_mut().unwrap().remove("messages").unwrap();
    assert_eq!(whole, app.get(&conversation).await.json());
    assert_eq!(messages, app.get(&format!("{conversation}/messages")).await.json()["items"]);
    assert_eq!(messages[1], answer);

    assert_eq!(app.get(&format!("{conversation}/export?format=pdf")).await.code(), "unprocessable:query");
    let empty = begin(&app, json!({})).await;
    assert_eq!(app.get(&format!("{empty}/export")).await.text(), "# New conversation\n");
    app.stop().await;
}

#[tokio::test]
async fn only_the_branch_that_is_shown_is_exported() {
    let app = TestApp::start().await;
    let conversation = begin(&app, json!({ "title": "t" })).await;
    let question = store(&app, &conversation, None, "user", "Which?").await;
    let one = store(&app, &conversation, Some(&question), "assistant", "One.").await;
    let two = store(&app, &conversation, Some(&question), "assistant", "Two.").await;
    let edited = store(&app, &conversation, None, "user", "Which one?").await;
    let exported = async || app.get(&format!("{conversation}/export")).await.text();
    assert_eq!(exported().await, "# t\n\n## Question\n\nWhich one?\n", "the latest");
    for (leaf, answer) in [(&one, "One."), (&two, "Two.")] {
        changed(&app, &conversation, json!({ "leaf_id": leaf })).await;
        assert_eq!(exported().await, format!("# t\n\n## Question\n\nWhich?\n\n## Answer\n\n{answer}\n"));
    }
    let whole = app.get(&format!("{conversation}/export?format=json")).await.json();
    assert_eq!(whole["messages"].as_array().unwrap().len(), 4);

    for (message, index, count) in [(&question, 1, 2), (&one, 1, 2), (&two, 2, 2), (&edited, 2, 2)] {
        let message = app.get(&format!("{conversation}/messages/{message}")).await.json();
        assert_eq!(message["siblings"], json!({ "index": index, "count": count }), "{message}");
    }
    assert_eq!(app.delete(&conversation).await.status, StatusCode::NO_CONTENT);
    app.stop().await;
}

#[tokio::test]
async fn a_vote_on_an_answer_changes_and_is_taken_back() {
    let app = TestApp::start().await;
    let conversation = begin(&app, json!({})).await;
    let question = store(&app, &conversation, None, "user", "Which?").await;
    let answer = store(&app, &conversation, Some(&question), "assistant", "This one.").await;
    let path = format!("{conversation}/messages/{answer}/feedback");
    let up = app.post(&path, &json!({ "vote": "up", "reasons": ["clear", "well cited"], "comment": "Thanks." })).await;
    assert_eq!(up.status, StatusCode::OK, "{}", up.text());
    let given = up.json()["feedback"].clone();
    assert_eq!((&given["vote"], &given["reasons"]), (&json!("up"), &json!(["clear", "well cited"])));
    assert_eq!(given["comment"], "Thanks.");
    let read = app.get(&format!("{conversation}/messages/{answer}")).await.json();
    assert_eq!(read["feedback"], given);

    let down = app.post(&path, &json!({ "vote": "down" })).await.json()["feedback"].clone();
    assert_eq!((&down["vote"], &down["reasons"], &down["comment"]), (&json!("down"), &json!([]), &Value::Null));
    assert_eq!(down["created_at"], given["created_at"]);
    for _ in 0..2 {
        let none = app.post(&path, &json!({ "vote": null })).await;
        assert_eq!((none.status, &none.json()["feedback"]), (StatusCode::OK, &Value::Null));
    }

    for (wrong, code) in [
        (json!({}), "unprocessable:body"),
        (json!({ "vote": "sideways" }), "unprocessable:body"),
        (json!({ "vote": "up", "stars": 5 }), "unprocessable:body"),
        (json!({ "vote": "up", "reasons": [" "] }), "unprocessable:reasons"),
        (json!({ "vote": "up", "reasons": vec!["x"; 21] }), "unprocessable:reasons"),
        (json!({ "vote": "up", "comment": "x".repeat(4001) }), "unprocessable:comment"),
        (json!({ "vote": null, "comment": "x" }), "unprocessable:vote"),
    ] {
        assert_eq!(app.post(&path, &wrong).await.code(), code, "{wrong}");
    }
    let vote = json!({ "vote": "up" });
    let on_question = app.post(&format!("{conversation}/messages/{question}/feedback"), &vote).await;
    assert_eq!(on_question.code(), "unprocessable:message_id");
    let on_nothing = app.post(&format!("{conversation}/messages/{NOBODY}/feedback"), &vote).await;
    assert_eq!(on_nothing.code(), "not_found:message");

    app.post(&path, &vote).await;
    assert_eq!(app.delete(&conversation).await.status, StatusCode::NO_CONTENT, "a vote holds nothing up");
    app.stop().await;
}
