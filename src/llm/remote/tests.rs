//! The provider over real sockets, against a server that follows a script.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use secrecy::SecretString;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;

use super::*;
use crate::llm::{Delta, FinishReason, Role, Turn, openai};

const KEY: &str = "sk-canary-1234";
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"4 bar\"}}]}\n\n";
const END: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// What the server does with one connection, once it has read the request.
enum Script {
    /// Sends this and closes.
    Reply(String),
    /// Sends this, byte by byte, and closes.
    Slowly(String),
    /// Sends this, stays, and reports when the other side closes.
    Stay(String, oneshot::Sender<()>),
}

struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Follows one script a connection; further connections are refused.
    async fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/v1/", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (scripts, seen) = (Vec::from_iter(scripts), Arc::clone(&requests));
        tokio::spawn(async move {
            for script in scripts {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                let request = read_request(&mut socket).await;
                seen.lock().expect("no panic").push(request);
                follow(script, socket).await;
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }

    fn model(&self) -> ChatModel {
        self.model_with(|_| {})
    }

    fn model_with(&self, change: impl FnOnce(&mut Config)) -> ChatModel {
        let key = Some(SecretString::from(KEY));
        let mut config =
            Config { api_key: key, retry_spread: Duration::from_millis(1), ..Config::new(self.url.as_str()) };
        change(&mut config);
        openai::provider(config).expect("a provider").model("m-1", "m-1")
    }
}

async fn follow(script: Script, mut socket: TcpStream) {
    match script {
        Script::Reply(reply) => {
            let _ = socket.write_all(reply.as_bytes()).await;
            let _ = socket.shutdown().await;
        }
        Script::Slowly(reply) => {
            socket.set_nodelay(true).expect("set");
            for byte in reply.bytes() {
                let _ = socket.write_all(&[byte]).await;
                tokio::task::yield_now().await;
            }
            let _ = socket.shutdown().await;
        }
        Script::Stay(reply, closed) => {
            let _ = socket.write_all(reply.as_bytes()).await;
            while socket.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
            let _ = closed.send(());
        }
    }
}

async fn read_request(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        assert!(socket.read_buf(&mut request).await.expect("a request") > 0, "closed within the request");
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.expect("a length").parse().expect("a number") {
                return text.into_owned();
            }
        }
    }
}

fn status(status: &str, headers: &str, body: &str) -> Script {
    let length = body.len();
    Script::Reply(format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"))
}

fn answer() -> Script {
    Script::Reply(format!("{STREAM}{TEXT}{END}"))
}

fn request() -> Request {
    Request {
        history: vec![
            Turn { role: Role::User, text: "hello".into() },
            Turn { role: Role::Assistant, text: "hi".into() },
        ],
        temperature: Some(0.5),
        ..Request::plain("m-1", "be brief".into(), "how much?".into(), 77)
    }
}

async fn ask(model: &ChatModel) -> Result<Vec<Delta>, LlmError> {
    let deltas: Vec<_> = model.stream(request()).await?.collect().await;
    deltas.into_iter().collect()
}

async fn failure(script: Script) -> LlmError {
    let server = Server::start([script]).await;
    let error = ask(&server.model()).await.expect_err("an error");
    assert_eq!(server.requests().len(), 1);
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    error
}

fn is_answer(deltas: &[Delta]) -> bool {
    deltas.first() == Some(&Delta::Text("4 bar".into())) && deltas.last() == Some(&Delta::Finished(FinishReason::Stop))
}

#[tokio::test]
async fn a_question_goes_out_whole_and_its_answer_comes_in() {
    let server = Server::start([answer(), Script::Slowly(format!("{STREAM}{TEXT}{END}"))]).await;
    let model = server.model();
    let at_once = ask(&model).await.expect("an answer");
    assert!(is_answer(&at_once), "{at_once:?}");
    assert_eq!(ask(&model).await.expect("an answer"), at_once, "byte by byte");

    let request = server.requests().swap_remove(0);
    let (head, body) = request.split_once("\r\n\r\n").expect("a body");
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("authorization: Bearer {KEY}")), "{head}");
    let body: Value = serde_json::from_str(body).expect("JSON");
    let expected = serde_json::json!({
        "model": "m-1",
        "messages": [
            { "role": "system", "content": "be brief" },
            { "role": "user", "content": "hello" },
            { "role": "assistant", "content": "hi" },
            { "role": "user", "content": "how much?" },
        ],
        "stream": true,
        "stream_options": { "include_usage": true },
        "max_tokens": 77,
        "temperature": 0.5,
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn without_a_key_no_authorization_is_sent() {
    let server = Server::start([answer()]).await;
    ask(&server.model_with(|config| config.api_key = None)).await.expect("an answer");
    assert!(!server.requests()[0].contains("authorization"));
}

#[tokio::test]
async fn a_wrong_key_is_said_to_be_one() {
    let body =
        format!("{{\"error\":{{\"message\":\"Incorrect API key provided: {KEY}\",\"code\":\"invalid_api_key\"}}}}");
    let error = failure(status("401 Unauthorized", "", &body)).await;
    assert!(matches!(error, LlmError::Unauthorized { .. }), "{error:?}");
    assert!(error.to_string().contains("OPENAI_API_KEY"), "{error}");
    assert!(error.to_string().contains("[key]"), "{error}");
}

#[tokio::test]
async fn an_unknown_model_is_named() {
    let error = failure(status("404 Not Found", "", "{\"error\":\"model not found\"}")).await;
    assert!(matches!(&error, LlmError::ModelNotFound { model, .. } if model == "m-1"), "{error:?}");
}

#[tokio::test]
async fn a_long_wait_is_left_to_the_caller() {
    let error = failure(status("429 Too Many Requests", "retry-after: 7\r\n", "slow down sk-canary-1234")).await;
    let LlmError::RateLimited { retry_after, details, .. } = error else { panic!("{error:?}") };
    assert_eq!((retry_after, details.as_str()), (Some(Duration::from_secs(7)), "slow down [key]"));
}

#[tokio::test]
async fn a_short_wait_is_waited() {
    let limited = status("429 Too Many Requests", "retry-after-ms: 5\r\n", "");
    let server = Server::start([limited, answer()]).await;
    assert!(is_answer(&ask(&server.model()).await.expect("an answer")));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_failure_that_passes_is_tried_once_more_and_no_oftener() {
    let broken = || status("503 Service Unavailable", "", "loading");
    let server = Server::start([broken(), answer(), broken(), broken(), answer()]).await;
    let model = server.model();
    assert!(is_answer(&ask(&model).await.expect("an answer")));
    let error = ask(&model).await.expect_err("twice broken");
    assert!(matches!(error, LlmError::Transient { status: Some(503), .. }), "{error:?}");
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_reply_that_is_closed_before_its_first_word_is_tried_once_more() {
    let server = Server::start([Script::Reply(STREAM.into()), answer()]).await;
    assert!(is_answer(&ask(&server.model()).await.expect("an answer")));
}

#[tokio::test]
async fn the_limits_other_name_is_tried_when_the_provider_wants_it() {
    let body = "{\"error\":{\"message\":\"Use 'max_completion_tokens' instead.\",\"param\":\"max_tokens\",\"code\":\"unsupported_parameter\"}}";
    let server = Server::start([status("400 Bad Request", "", body), answer()]).await;
    assert!(is_answer(&ask(&server.model()).await.expect("an answer")));
    let requests = server.requests();
    assert!(requests[0].contains("\"max_tokens\":77") && requests[1].contains("\"max_completion_tokens\":77"));
}

#[tokio::test]
async fn usage_is_not_asked_for_where_the_provider_refuses_that() {
    let detail =
        r#"[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]"#;
    let body =
        format!("{{\"object\":\"error\",\"message\":{{\"detail\":{detail}}},\"type\":\"invalid_request_error\"}}");
    let server = Server::start([status("422 Unprocessable Entity", "", &body), answer()]).await;
    assert!(is_answer(&ask(&server.model()).await.expect("an answer")));
    let requests = server.requests();
    assert!(requests[0].contains("stream_options") && !requests[1].contains("stream_options"));
}

#[tokio::test]
async fn a_filter_refuses_for_good() {
    let error =
        failure(status("400 Bad Request", "", "{\"error\":{\"message\":\"no\",\"code\":\"content_filter\"}}")).await;
    assert!(matches!(error, LlmError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    // Bound but not listening: nobody else can take the port meanwhile.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let url = format!("http://{}/v1", socket.local_addr().expect("an address"));
    let server = Server { url, requests: Arc::default() };
    let error = ask(&server.model()).await.expect_err("nobody listens");
    assert!(matches!(error, LlmError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("OPENAI_BASE_URL"), "{error}");
}

#[tokio::test]
async fn a_slow_first_token_is_a_timeout_that_closes_the_connection() {
    for start in ["", STREAM] {
        let (sender, closed) = oneshot::channel();
        let server = Server::start([Script::Stay(start.into(), sender)]).await;
        let model = server.model_with(|config| config.first_token_timeout = Duration::from_millis(200));
        let error = ask(&model).await.expect_err("too slow");
        assert!(matches!(error, LlmError::Timeout { what: "first token", .. }), "{error:?}");
        assert!(error.to_string().contains("FOOTNOTE_FIRST_TOKEN_TIMEOUT"), "{error}");
        tokio::time::timeout(Duration::from_secs(5), closed).await.expect("in time").expect("closed");
    }
}

#[tokio::test]
async fn who_is_silent_again_and_again_is_asked_no_more() {
    let (stays, closed): (Vec<_>, Vec<_>) = (0..5)
        .map(|_| oneshot::channel())
        .map(|(sender, closed)| (Script::Stay(String::new(), sender), closed))
        .unzip();
    let server = Server::start(stays).await;
    let model = server.model_with(|config| config.first_token_timeout = Duration::from_millis(200));
    for end in closed {
        let error = ask(&model).await.expect_err("too slow");
        assert!(matches!(error, LlmError::Timeout { .. }), "{error:?}");
        end.await.expect("closed");
    }
    let error = ask(&model).await.expect_err("it is left alone");
    assert!(matches!(error, LlmError::RateLimited { .. }), "{error:?}");
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn a_model_that_has_no_tools_is_there_all_the_same() {
    let no_tools = "{\"error\":{\"message\":\"No endpoints found that support tool use.\",\"code\":404}}";
    let error = failure(status("404 Not Found", "", no_tools)).await;
    assert!(matches!(error, LlmError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_stop_in_the_middle_is_an_interruption_and_not_tried_again() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let lost = format!("{chunked}{:x}\r\n{TEXT}\r\n", TEXT.len());
    for reply in [format!("{STREAM}{TEXT}"), lost] {
        let server = Server::start([Script::Reply(reply), answer()]).await;
        let mut deltas = server.model().stream(request()).await.expect("started");
        assert_eq!(deltas.next().await, Some(Ok(Delta::Text("4 bar".into()))));
        let error = deltas.next().await.expect("an item").expect_err("an error");
        assert!(matches!(error, LlmError::Interrupted { .. }), "{error:?}");
        assert!(deltas.next().await.is_none());
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_web_page_is_no_answer() {
    let error = failure(status("200 OK", "content-type: text/html\r\n", "<html>Sign in</html>")).await;
    assert!(matches!(error, LlmError::Protocol { .. }), "{error:?}");
    let error = failure(status("302 Found", "location: http://127.0.0.1:1/\r\n", "")).await;
    assert!(matches!(&error, LlmError::Protocol { details, .. } if details.contains("302")), "{error:?}");
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let (sender, closed) = oneshot::channel();
    let server = Server::start([Script::Stay(format!("{STREAM}{TEXT}"), sender)]).await;
    let mut deltas = server.model().stream(request()).await.expect("started");
    assert_eq!(deltas.next().await, Some(Ok(Delta::Text("4 bar".into()))));
    drop(deltas);
    tokio::time::timeout(Duration::from_secs(5), closed).await.expect("in time").expect("closed");
}

#[test]
fn an_address_or_key_that_cannot_be_one_is_refused_without_being_repeated() {
    for base_url in ["nonsense", "ftp://host/v1", "http://user:canary@host/v1", "http://"] {
        let refusal = openai::provider(Config::new(base_url)).expect_err("no address").to_string();
        assert!(refusal.contains("OPENAI_BASE_URL") && !refusal.contains("canary"), "{refusal}");
    }
    let config = Config { api_key: Some("canary\nx".into()), ..Config::new("http://host") };
    let refusal = openai::provider(config.clone()).expect_err("no key").to_string();
    assert!(refusal.contains("OPENAI_API_KEY") && !refusal.contains("canary"), "{refusal}");
    assert!(!format!("{config:?}").contains("canary"));
}
