//! Passwords through the doors of the started program: how they are kept, and what
//! many sign-ins at once take of its memory.

use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Params};
use futures::future::join_all;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::canaries::until;
use crate::command::{Footnote, Server};
use crate::counting::{Counting, Faults};
use crate::harness::TestApp;
use crate::people::{PASSWORD, Person, nobody};
use crate::reading::amount;

/// KiB of one hash, passes over them, and lanes: OWASP's first choice for little
/// memory.
const OWASP: (u32, u32, u32) = (19_456, 2, 1);
/// KiB that connections, requests and answers meanwhile may take besides.
const BESIDES: u64 = 24 * 1024;

#[tokio::test]
async fn a_stored_password_is_hashed_as_owasp_says_and_every_letter_counts() {
    let app = TestApp::start().await;
    let ada = Person::new(&app, "ada").await;
    // 64 characters are few, and the 73rd byte is where bcrypt looks no more.
    let long = format!("{}{}", "\u{e9}".repeat(36), "correct horse battery staple ".repeat(3));
    let change = json!({ "password": { "current": PASSWORD, "new": long } });
    assert_eq!(ada.send("PATCH", "/api/v1/me", &change).await.status, StatusCode::NO_CONTENT);
    let stored = "select password_hash from users where name = 'ada'";
    let stored: String = sqlx::query_scalar(stored).fetch_one(&app.db).await.unwrap();
    let hash = PasswordHash::new(&stored).expect("a PHC string");
    assert_eq!(Algorithm::try_from(hash.algorithm.as_str()).expect("an algorithm"), Algorithm::Argon2id);
    let params = Params::try_from(&hash).expect("parameters");
    assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), OWASP, "{stored}");
    assert!(hash.version == Some(19) && hash.salt.expect("a salt").len() >= 16, "{stored}");
    let signs_in = async |password: &str| {
        let login = json!({ "name": "ada", "password": password });
        nobody(&app, "POST", "/api/v1/auth/login", &login).await.status
    };
    assert_eq!(signs_in(&long).await, StatusCode::OK);
    let mut other = long.clone().into_bytes();
    other[72] ^= 1;
    assert_eq!(signs_in(&String::from_utf8(other).unwrap()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(signs_in(&long[..72]).await, StatusCode::UNAUTHORIZED);
    app.stop().await;
}

/// A line of `/proc/PID/status`, in KiB.
fn kib(server: &Server, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    line.trim_matches([':', '\t', ' ']).trim_end_matches(" kB").trim().parse().unwrap()
}

/// Signs somebody in; whether it was told to come back, for many wait already.
async fn signs_in(client: &Client, url: &str, name: &str, password: &str) -> bool {
    let mut told = false;
    loop {
        let login = json!({ "name": name, "password": password });
        let reply = client.post(format!("{url}/api/v1/auth/login")).json(&login).send().await.unwrap();
        match reply.status() {
            StatusCode::OK => return told,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => told = true,
            other => panic!("{other}: {}", reply.text().await.unwrap()),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sign_ins_at_once_take_the_memory_of_a_few_and_chats_go_on() {
    let people = amount("FOOTNOTE_SIGN_INS", 50);
    let lanes = footnote::credentials::password::Load::default().at_once as u64;
    let embedder = Counting::start(Faults::default()).await;
    let footnote = Footnote::new();
    let outside = Client::builder().no_proxy().build().unwrap();
    let maker = footnote.serve_with(embedder.environment());
    for n in 0..people {
        let account = json!({ "name": format!("user-{n}"), "password": PASSWORD });
        let path = format!("{}/api/v1/admin/users", maker.url);
        let made = maker.client().post(path).json(&account).send().await.unwrap();
        assert_eq!(made.status(), StatusCode::CREATED);
    }
    assert_eq!(maker.stop(), Some(0));
    // Another process, which has hashed nothing yet.
    let server = footnote.serve_with(embedder.environment());
    let (client, url) = (server.client(), server.url.as_str());
    let ask = async || {
        let begun = client.post(format!("{url}/api/v1/conversations")).json(&json!({})).send().await.unwrap();
        let begun: Value = begun.json().await.unwrap();
        let messages = format!("{url}/api/v1/conversations/{}/messages", begun["id"].as_str().unwrap());
        let question = json!({ "content": "What does the pump hold?" });
        client.post(messages).json(&question).send().await.unwrap().status()
    };
    // What connections and answers take is there before.
    join_all((0..people).map(async |_| outside.get(format!("{url}/health/live")).send().await.unwrap())).await;
    assert_eq!(ask().await, StatusCode::OK);
    // Sets the highest mark back to what is there now.
    std::fs::write(format!("/proc/{}/clear_refs", server.child.id()), "5").unwrap();
    let before = kib(&server, "VmRSS");
    let names: Vec<String> = (0..people).map(|n| format!("user-{n}")).collect();
    let all = join_all(names.iter().map(|name| signs_in(&outside, url, name, PASSWORD)));
    let done = std::sync::atomic::AtomicBool::new(false);
    let chats = async {
        let mut answered = 0;
        while !done.load(std::sync::atomic::Ordering::SeqCst) {
            assert_eq!(ask().await, StatusCode::OK);
            answered += 1;
        }
        answered
    };
    let signing = async {
        let told = all.await;
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        told.into_iter().filter(|told| *told).count()
    };
    let (told, answered) = tokio::join!(signing, chats);
    let rise = kib(&server, "VmHWM").saturating_sub(before);
    let most = lanes * u64::from(OWASP.0);
    eprintln!(
        "{people} sign-ins at once: {rise} KiB more with {lanes} lanes of {} KiB; {answered} answers meanwhile, {told} told to come back",
        OWASP.0
    );
    assert!(answered > 0);
    assert!(rise <= most + BESIDES, "{rise} KiB");
    until("quiet", async || outside.get(format!("{url}/health/ready")).send().await.ok().map(|_| ())).await;
    assert_eq!(server.stop(), Some(0));
}
