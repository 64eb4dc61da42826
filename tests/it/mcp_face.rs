//! The MCP server as programs of others find it: a real client over a real
//! socket, in both eras of the protocol.

use std::net::SocketAddr;

use footnote::startup::{self, Doors};
use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequestParams, GetPromptRequestParams, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams,
    ResourceContents,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::canaries::until;
use crate::conversing::{Conversing, Reply, Task};
use crate::harness::TestApp;
use crate::scripted::{Script, Scripted};
use crate::talk::{MANUAL, PRESSURE, Talk, assert_exact, of_a_stranger};

/// An id that nothing has.
const NOTHING: &str = "0190a000-0000-7000-8000-000000000000";

/// A client of the server.
pub type Client = RunningService<RoleClient, ()>;

/// Without a handshake, and with one.
pub fn eras() -> [(ClientLifecycleMode, &'static str); 2] {
    let discover = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    [(discover, "2026-07-28"), (ClientLifecycleMode::Initialize, "2025-11-25")]
}

/// A service that listens.
struct Face {
    app: TestApp,
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Face {
    async fn over(app: TestApp) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(startup::serve(
            listener,
            app.router.clone(),
            Doors { connections: 0, from_one_address: 0 },
            stop.clone().cancelled_owned(),
            std::future::ready(()),
        ));
        Self { app, address, stop, serving }
    }

    /// With a manual in the collection `main`.
    async fn start() -> Self {
        let app = TestApp::start().await;
        let collection = app.collection("main").await;
        app.text(&collection, "p4.txt", MANUAL).await;
        app.settled(&collection).await;
        Self::over(app).await
    }

    async fn client(&self, era: ClientLifecycleMode) -> Client {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let config = StreamableHttpClientTransportConfig::with_uri(format!("http://{}/mcp", self.address));
        ().serve_with_lifecycle(StreamableHttpClientTransport::with_client(http, config), era).await.unwrap()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.serving.await.unwrap();
        self.app.stop().await;
    }
}

fn call(tool: &'static str, arguments: &Value) -> CallToolRequestParams {
    CallToolRequestParams::new(tool).with_arguments(arguments.as_object().unwrap().clone())
}

/// What a tool gives: the same as text and as structure.
pub async fn called(client: &Client, tool: &'static str, arguments: Value) -> Value {
    let result = client.call_tool(call(tool, &arguments)).await.unwrap();
    assert_ne!(result.is_error, Some(true), "{tool} {arguments}: {result:?}");
    let [content] = result.content.as_slice() else { panic!("not one content: {result:?}") };
    let structured = result.structured_content.clone().expect("a structure");
    assert_eq!(serde_json::from_str::<Value>(&content.as_text().expect("a text").text).unwrap(), structured);
    structured
}

/// What the model is told of a call that fails.
pub async fn refused(client: &Client, tool: &'static str, arguments: Value) -> String {
    let result = client.call_tool(call(tool, &arguments)).await.unwrap();
    assert_eq!(result.is_error, Some(true), "{tool} {arguments}: {result:?}");
    assert!(result.structured_content.is_none(), "{result:?}");
    result.content[0].as_text().expect("a text").text.clone()
}

async fn read(client: &Client, uri: &str) -> Result<(String, Value), ServiceError> {
    let read = client.read_resource(ReadResourceRequestParams::new(uri)).await?;
    let [ResourceContents::TextResourceContents { text, meta, .. }] = read.contents.as_slice() else {
        panic!("not one text: {read:?}")
    };
    Ok((text.clone(), serde_json::to_value(meta).unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn both_eras_find_read_and_ask() {
    let face = Face::start().await;
    for (era, version) in eras() {
        let client = face.client(era).await;
        let info = client.peer_info().unwrap();
        assert_eq!(info.protocol_version.to_string(), version);
        assert!(info.capabilities.tools.is_some() && info.capabilities.resources.is_some());
        let tools = client.list_all_tools().await.unwrap();
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
        assert_eq!(names, ["search", "fetch", "ask", "list_collections"]);
        let fits = |tool: usize, result: &Value| {
            let schema = Value::Object(tools[tool].output_schema.as_deref().unwrap().clone());
            assert!(jsonschema::is_valid(&schema, result), "{schema} for {result}");
        };

        let found = called(&client, "search", json!({ "query": PRESSURE, "collection": "main", "limit": 1 })).await;
        fits(0, &found);
        let hit = &found["results"][0];
        assert!(hit["snippet"].as_str().unwrap().contains("4 bar"), "{found}");
        assert!(hit["url"].as_str().unwrap().starts_with("kb://"), "{found}");

        let passage = called(&client, "fetch", json!({ "id": hit["id"] })).await;
        fits(1, &passage);
        assert_eq!((&passage["id"], &passage["text"]), (&hit["id"], &hit["snippet"]), "{passage}");
        let whole = called(&client, "fetch", json!({ "id": passage["metadata"]["document_id"] })).await;
        assert_eq!(whole["text"], MANUAL, "{whole}");
        assert_eq!(whole["metadata"]["length"], MANUAL.chars().count(), "{whole}");
        assert!(whole["metadata"].get("next").is_none(), "{whole}");
        let revision = whole["metadata"]["revision_id"].as_str().unwrap();
        let range = called(&client, "fetch", json!({ "id": format!("{revision}:4-11") })).await;
        assert_eq!(range["text"], "pump P4");
        let beyond = refused(&client, "fetch", json!({ "id": format!("{revision}:100000-100001") })).await;
        assert!(beyond.contains("ends before"), "{beyond}");

        let answer = called(&client, "ask", json!({ "question": PRESSURE })).await;
        fits(2, &answer);
        assert_eq!(answer["grounded"], true, "{answer}");
        assert!(answer["answer"].as_str().unwrap().contains("4 bar"), "{answer}");
        assert_exact(&face.app, &answer["citations"][0]).await;

        let listed = called(&client, "list_collections", json!({})).await;
        fits(3, &listed);
        assert_eq!((&listed["collections"][0]["name"], &listed["more"]), (&json!("main"), &json!(false)));
        client.cancel().await.unwrap();
    }
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_resources_by_the_page() {
    let app = TestApp::start().await;
    let collection = app.collection("main").await;
    for n in 0..103 {
        app.text(&collection, &format!("{n}.txt"), &format!("The pump P{n} is rated for {n} bar.")).await;
    }
    app.settled(&collection).await;
    let face = Face::over(app).await;
    for (era, _) in eras() {
        let client = face.client(era).await;
        let first = client.list_resources(None).await.unwrap();
        assert_eq!((first.resources.len(), first.next_cursor.is_some()), (100, true));
        let all = client.list_all_resources().await.unwrap();
        assert_eq!(all.len(), 103);
        assert!(all.iter().all(|resource| resource.uri.starts_with(&format!("kb://{collection}/"))));
        let (text, meta) = read(&client, &all[42].uri).await.unwrap();
        assert_eq!((text.as_str(), &meta), ("The pump P42 is rated for 42 bar.", &Value::Null));
        let templates = client.list_all_resource_templates().await.unwrap();
        assert_eq!(templates[0].uri_template, "kb://{collection}/{document_id}");

        let wrong = PaginatedRequestParams::default().with_cursor(Some("x".into()));
        assert!(client.list_resources(Some(wrong)).await.is_err());
        let document = all[0].uri.rsplit('/').next().unwrap();
        for uri in [format!("kb://{NOTHING}/{document}"), format!("kb://{collection}/{NOTHING}"), "file:///x".into()] {
            let refusal = read(&client, &uri).await.unwrap_err().to_string();
            assert!(refusal.contains("no such document"), "{uri}: {refusal}");
        }
        client.cancel().await.unwrap();
    }
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_is_read_in_parts() {
    let face = Face::start().await;
    let db = &face.app.db;
    let grow = "update revisions
        set text = convert_to(repeat('abcdefghiü', 45000), 'UTF8'), text_length = 450000, text_starts = (
            select array_agg(at / 10 * 11 + at % 10 order by at) from generate_series(0, 449999, 4096) as at
        )
        returning id::text";
    let revision: String = sqlx::query_scalar(grow).fetch_one(db).await.unwrap();
    let client = face.client(eras()[0].0.clone()).await;
    let uri = client.list_all_resources().await.unwrap()[0].uri.clone();

    let (mut id, mut text) = (uri.rsplit('/').next().unwrap().to_owned(), String::new());
    for ends in [200_000, 400_000, 450_000] {
        let part = called(&client, "fetch", json!({ "id": id })).await;
        text.push_str(part["text"].as_str().unwrap());
        assert_eq!(text.chars().count(), ends);
        assert_eq!(part["metadata"].get("note").is_some(), ends < 450_000);
        id = part["metadata"]["next"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!((text, id.as_str()), ("abcdefghiü".repeat(45_000), ""));
    // No more than was asked for follows.
    let part = called(&client, "fetch", json!({ "id": format!("{revision}:0-200005") })).await;
    assert_eq!(part["metadata"]["next"], format!("{revision}:200000-200005"));

    let (first, meta) = read(&client, &uri).await.unwrap();
    assert_eq!(meta["footnote/next"], format!("{uri}?start=200000"));
    let (second, _) = read(&client, meta["footnote/next"].as_str().unwrap()).await.unwrap();
    assert_eq!((first.chars().count(), second.chars().count()), (200_000, 200_000));
    client.cancel().await.unwrap();
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prompt_asks_for_citations() {
    let face = Face::start().await;
    for (era, _) in eras() {
        let client = face.client(era).await;
        let prompts = client.list_all_prompts().await.unwrap();
        assert_eq!((prompts.len(), prompts[0].name.as_str()), (1, "answer_with_citations"));
        let get = |arguments: Value| {
            let arguments = arguments.as_object().unwrap().clone();
            client.get_prompt(GetPromptRequestParams::new("answer_with_citations").with_arguments(arguments))
        };
        let got = get(json!({ "question": PRESSURE, "collection": "main" })).await.unwrap();
        let told = &got.messages[0].content.as_text().unwrap().text;
        assert!(told.contains(PRESSURE) && told.contains("`main`"), "{told}");
        let refusal = get(json!({})).await.unwrap_err().to_string();
        assert!(refusal.contains("question"), "{refusal}");
        client.cancel().await.unwrap();
    }
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_are_told_to_the_model_and_leave_nothing() {
    let face = Face::start().await;
    let wrong = [
        ("search", json!({}), "query"),
        ("search", json!({ "query": 7 }), "query"),
        ("search", json!({ "query": "  " }), "query"),
        ("search", json!({ "query": "a", "limit": 0 }), "limit"),
        ("search", json!({ "query": "a", "limit": 201 }), "limit"),
        ("search", json!({ "query": "a", "limit": "many" }), "limit"),
        ("search", json!({ "query": "a", "colection": "main" }), "colection"),
        ("search", json!({ "query": "a", "collection": "nowhere" }), "no such collection: `nowhere`"),
        ("search", json!({ "query": "a", "collection": "a\0b" }), "no such collection"),
        ("search", json!({ "query": "a", "collection": NOTHING }), "no such collection"),
        ("fetch", json!({}), "id"),
        ("fetch", json!({ "id": 1 }), "id"),
        ("fetch", json!({ "id": "one" }), "no such document"),
        ("fetch", json!({ "id": NOTHING }), "no such document"),
        ("fetch", json!({ "id": format!("{NOTHING}:0-5") }), "no such document"),
        ("ask", json!({ "question": "" }), "question"),
        ("ask", json!({ "question": "a\0b" }), "NUL"),
        ("ask", json!({ "question": "x".repeat(40_000) }), "shorter"),
        ("ask", json!({ "question": "a", "collection": "nowhere" }), "no such collection"),
        ("list_collections", json!({ "name": "main" }), "name"),
    ];
    for (era, _) in eras() {
        let client = face.client(era).await;
        for (tool, arguments, names) in wrong.clone() {
            let told = refused(&client, tool, arguments).await;
            assert!(told.contains(names) && told.len() < 1_000, "{tool}: {told}");
        }
        let unknown = client.call_tool(call("delete_everything", &json!({}))).await.unwrap_err();
        assert!(matches!(&unknown, ServiceError::McpError(error) if error.message.contains("`search`")), "{unknown}");
        client.cancel().await.unwrap();
    }
    let count = "select count(*) from conversations";
    let begun: i64 = sqlx::query_scalar(count).fetch_one(&face.app.db).await.unwrap();
    assert_eq!(begun, 0);
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_a_stranger_s_is_not_there() {
    let face = Face::start().await;
    let db = &face.app.db;
    let (_, document) = of_a_stranger(&face.app, "The grey heron of the stranger eats 42 fish.").await;
    let place = "select revision_id::text, collection_id::text from documents where id = $1";
    let (revision, collection): (String, String) = sqlx::query_as(place).bind(document).fetch_one(db).await.unwrap();
    for (era, _) in eras() {
        let client = face.client(era).await;
        for id in [document.to_string(), format!("{revision}:0-10")] {
            assert_eq!(refused(&client, "fetch", json!({ "id": id })).await, "no such document");
        }
        let refusal = read(&client, &format!("kb://{collection}/{document}")).await.unwrap_err().to_string();
        assert!(refusal.contains("no such document"), "{refusal}");
        let refusal = refused(&client, "search", json!({ "query": "heron", "collection": collection })).await;
        assert!(refusal.contains("no such collection"), "{refusal}");
        let all = [
            called(&client, "search", json!({ "query": "grey heron of the stranger" })).await.to_string(),
            called(&client, "ask", json!({ "question": "How many fish does the heron eat?" })).await.to_string(),
            called(&client, "list_collections", json!({})).await.to_string(),
            format!("{:?}", client.list_all_resources().await.unwrap()),
        ];
        for told in all {
            assert!(!told.contains("42 fish") && !told.contains(&collection), "{told}");
        }
        client.cancel().await.unwrap();
    }
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_here_calls_only_tools_that_read() {
    let talk = Talk::start(Conversing::start(|_: &Value| Reply::says("Done.")).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let Talk { app, model, .. } = talk;
    let face = Face::over(app).await;
    let client = face.client(eras()[0].0.clone()).await;
    called(&client, "ask", json!({ "question": PRESSURE })).await;
    let body = model.bodies(Task::Answer).pop().unwrap();
    let tools = body["tools"].as_array().unwrap().iter();
    let mut names: Vec<&str> = tools.map(|tool| tool["function"]["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["calculate", "current_time", "get_document", "search_documents"]);
    client.cancel().await.unwrap();
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_waits_for_is_stopped() {
    let provider = Scripted::start(Script::IsSilent).await;
    let app = TestApp::with(|settings| provider.configure(settings)).await;
    let collection = app.collection("main").await;
    app.text(&collection, "p4.txt", MANUAL).await;
    app.settled(&collection).await;
    let face = Face::over(app).await;
    let question = json!({ "name": "ask", "arguments": { "question": PRESSURE } });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": question });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.post(format!("http://{}/mcp", face.address)).header("content-type", "application/json");
    let request = request.header("accept", "application/json, text/event-stream").body(message.to_string());
    let asking = tokio::spawn(request.send());
    until("question", async || (!provider.calls().is_empty()).then_some(())).await;
    // The connection closes with it.
    asking.abort();
    let stopped = "select count(*) from messages where role = 'assistant' and status = 'cancelled'";
    let db = &face.app.db;
    until("end", async || (sqlx::query_scalar::<_, i64>(stopped).fetch_one(db).await.unwrap() == 1).then_some(()))
        .await;
    until("rest", async || (provider.open_streams() == 0).then_some(())).await;
    face.stop().await;
}
