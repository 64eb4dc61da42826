//! Whether there is an account of a name is told to nobody who does not own it:
//! not by what is answered, and not by how long it takes.
//!
//! `FOOTNOTE_GUESSES` sets how often each is tried (20 unless set; 1,000 in
//! `make soak`); times are held against each other from 500 on.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Reply, TestApp, request};
use crate::people::{PASSWORD, Person, nobody, whole};
use crate::random::Random;
use crate::reading::amount;

/// From so many tries on, times say something.
const ENOUGH: usize = 500;
/// How much one may take more than the other, in the middle.
const ALIKE: f64 = 1.5;

/// Where requests come from: each from an address of its own, for guesses that come
/// from one address, or for one name from two, are made to wait.
struct Elsewhere(u32);

impl Elsewhere {
    fn next(&mut self) -> SocketAddr {
        self.0 += 1;
        SocketAddr::from((Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + self.0), 4000))
    }

    async fn ask(&mut self, doors: &Router, path: &str, body: &Value) -> Reply {
        let request = request("POST", path).header("content-type", "application/json");
        let mut request = request.body(body.to_string().into()).unwrap();
        request.extensions_mut().insert(ConnectInfo(self.next()));
        whole(doors, request).await
    }
}

/// What can be seen of a reply, but for the request's own id.
fn seen(reply: &Reply) -> (StatusCode, Vec<(String, String)>, String) {
    let id = reply.headers["x-request-id"].to_str().unwrap();
    let value = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).replace(id, "ID");
    let mut headers: Vec<(String, String)> =
        reply.headers.iter().map(|(name, of)| (name.to_string(), value(of))).collect();
    headers.sort();
    (reply.status, headers, reply.text().replace(id, "ID"))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Tries a name that there is and one that there is not in turns. The median of
/// the times of the second, in those of the first.
async fn ratio(
    app: &TestApp,
    path: &str,
    known: &Value,
    body: impl Fn(&str) -> Value,
    (elsewhere, random): (&mut Elsewhere, &mut Random),
) -> f64 {
    let doors = app.doors();
    let (mut of_known, mut of_unknown) = (Vec::new(), Vec::new());
    let mut first = None;
    for n in 0..2 * amount("FOOTNOTE_GUESSES", 20) {
        // In pairs, each of which another one begins.
        let is_known = matches!(n % 4, 0 | 3);
        let body = if is_known { known.clone() } else { body(&random.word()) };
        let started = Instant::now();
        let reply = elsewhere.ask(&doors, path, &body).await;
        let time = started.elapsed().as_secs_f64();
        if is_known {
            of_known.push(time);
        } else {
            of_unknown.push(time);
        }
        let seen = seen(&reply);
        assert!(first.get_or_insert_with(|| seen.clone()) == &seen, "{path}: {first:?} and {seen:?}");
    }
    median(of_unknown) / median(of_known)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_there_is_not_is_answered_like_one_that_there_is() {
    let app = TestApp::start().await;
    let (mut elsewhere, mut random) = (Elsewhere(0), Random::seeded());
    Person::new(&app, "ada").await;
    // A guest's account has no password, and one that is disabled is not let in.
    let eve = Person::new(&app, "eve").await;
    let disabled = app.send("PATCH", &format!("/api/v1/admin/users/{}", eve.id), &json!({ "disabled": true })).await;
    assert_eq!(disabled.status, StatusCode::OK, "{}", disabled.text());
    let wrong = |name: &str| json!({ "name": name, "password": "a wrong password" });
    let right = |name: &str| json!({ "name": name, "password": PASSWORD });
    let huge = |name: &str| json!({ "name": name, "password": "a".repeat(1_000_000) });
    for (what, path, known) in [
        ("sign-in", "/api/v1/auth/login", wrong("ada")),
        ("sign-in to a disabled account", "/api/v1/auth/login", wrong("eve")),
        ("registering where it is closed", "/api/v1/auth/register", right("ada")),
    ] {
        let ratio = ratio(&app, path, &known, wrong, (&mut elsewhere, &mut random)).await;
        eprintln!("{what}: a name that is not known takes {ratio:.3} of the time of one that is");
        let is_enough = amount("FOOTNOTE_GUESSES", 20) >= ENOUGH;
        assert!(!is_enough || (1.0 / ALIKE..ALIKE).contains(&ratio), "{what}: {ratio}");
    }
    // The right password of a disabled account, and one too long to be looked at.
    let mut alike = Vec::new();
    for body in [right("eve"), right("nobody"), wrong("ada")] {
        alike.push(seen(&elsewhere.ask(&app.doors(), "/api/v1/auth/login", &body).await));
    }
    assert!(alike.iter().all(|seen| *seen == alike[0]), "{alike:?}");
    let mut alike = Vec::new();
    for body in [huge("ada"), huge("nobody"), huge("no name at all")] {
        alike.push(seen(&elsewhere.ask(&app.doors(), "/api/v1/auth/login", &body).await));
    }
    assert!(alike.iter().all(|seen| *seen == alike[0]), "{alike:?}");
    assert_eq!(alike[0].0, StatusCode::UNPROCESSABLE_ENTITY);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_that_cannot_be_used_tells_which_names_are_taken() {
    let app = TestApp::with(|settings| settings.registration = true).await;
    let (mut elsewhere, mut random) = (Elsewhere(0), Random::seeded());
    let ada = Person::new(&app, "ada").await;
    for password in ["short", &"a".repeat(1_000_000)] {
        let account = |name: &str| json!({ "name": name, "password": password });
        let ratio = ratio(&app, "/api/v1/auth/register", &account("ada"), account, (&mut elsewhere, &mut random)).await;
        eprintln!("registering with a bad password: a name that is free takes {ratio:.3} of one that is taken");
    }
    // Who changes a password is known, and learns of the own account only.
    let change = json!({ "password": { "current": "a wrong password", "new": PASSWORD } });
    let mut alike = Vec::new();
    for person in [&ada, &Person::new(&app, "eve").await] {
        alike.push(seen(&person.send("PATCH", "/api/v1/me", &change).await));
    }
    assert_eq!(alike[0], alike[1]);
    assert_eq!(nobody(&app, "PATCH", "/api/v1/me", &change).await.status, StatusCode::UNAUTHORIZED);
    app.stop().await;
}
