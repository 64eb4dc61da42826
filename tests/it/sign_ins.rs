//! Signing in and out: passwords, refresh tokens, and those who guess.

use axum::http::StatusCode;
use serde_json::json;

use crate::harness::{TestApp, request};
use crate::people::{PASSWORD, Person, nobody, whole};

/// Exchanges a refresh token.
pub async fn refresh(app: &TestApp, token: &str) -> crate::harness::Reply {
    nobody(app, "POST", "/api/v1/auth/refresh", &json!({ "refresh_token": token })).await
}

#[tokio::test]
async fn a_name_and_a_password_sign_in_and_nothing_else_does() {
    let app = TestApp::with(|settings| settings.registration = true).await;
    let account = |name: &str, password: &str| json!({ "name": name, "password": password });
    let register = async |name: &str, password: &str| {
        nobody(&app, "POST", "/api/v1/auth/register", &account(name, password)).await
    };
    let made = register("Ada", PASSWORD).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let ada = Person::of(&app, &made.json());
    assert_eq!(ada.get("/api/v1/me").await.json()["name"], "Ada");
    assert_eq!(register("ADA", PASSWORD).await.code(), "conflict:account");
    assert_eq!(register("bob", "short").await.code(), "unprocessable:password");
    assert_eq!(register("bob", &"x".repeat(1025)).await.code(), "unprocessable:password");
    assert_eq!(register("b\u{200b}ob", PASSWORD).await.code(), "unprocessable:name");
    // A long password counts to its end.
    let long = "x".repeat(100);
    assert_eq!(register("bob", &long).await.status, StatusCode::CREATED);
    for (name, password, status) in [
        ("ada", PASSWORD, StatusCode::OK),
        ("bob", long.as_str(), StatusCode::OK),
        ("bob", &format!("{}y", &long[1..]), StatusCode::UNAUTHORIZED),
        ("bob", &long[..99], StatusCode::UNAUTHORIZED),
        ("ada", "wrong", StatusCode::UNAUTHORIZED),
        ("nobody", PASSWORD, StatusCode::UNAUTHORIZED),
        ("no body", PASSWORD, StatusCode::UNAUTHORIZED),
        ("", "", StatusCode::UNAUTHORIZED),
    ] {
        let reply = nobody(&app, "POST", "/api/v1/auth/login", &account(name, password)).await;
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        if status == StatusCode::UNAUTHORIZED {
            assert_eq!(reply.json()["error"]["message"], "the name or the password is wrong");
        }
    }
    // Only hashes are kept.
    let hashes: Vec<String> = sqlx::query_scalar("select password_hash from users where password_hash is not null")
        .fetch_all(&app.db)
        .await
        .unwrap();
    assert!(!hashes.is_empty() && hashes.iter().all(|hash| hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")));
    app.stop().await;
}

#[tokio::test]
async fn a_refresh_token_works_once_and_a_copy_ends_the_sign_in() {
    let app = TestApp::start().await;
    let ada = Person::new(&app, "ada").await;
    let second = refresh(&app, &ada.refresh).await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.text());
    assert_eq!(second.headers["cache-control"], "no-store");
    let second = Person::of(&app, &second.json());
    let third = Person::of(&app, &refresh(&app, &second.refresh).await.json());
    assert_eq!(third.get("/api/v1/me").await.status, StatusCode::OK);
    // A thief's copy of the first.
    assert_eq!(refresh(&app, &ada.refresh).await.status, StatusCode::UNAUTHORIZED);
    for ended in [&ada, &second, &third] {
        assert_eq!(refresh(&app, &ended.refresh).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(ended.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    }
    // An access token is no refresh token, and the other way round.
    let again = Person::signs_in(&app, "ada", PASSWORD).await;
    assert_eq!(refresh(&app, &again.access).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(again.showing(&again.refresh).get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    app.stop().await;
}

#[tokio::test]
async fn a_token_whose_exchange_was_lost_is_taken_once_more() {
    let app = TestApp::start().await;
    let ada = Person::new(&app, "ada").await;
    let turned = async || {
        let query = "select extract(epoch from max(rotated_at))::text from sessions where owner_id = $1::uuid";
        sqlx::query_scalar::<_, String>(query).bind(&ada.id).fetch_one(&app.db).await.unwrap()
    };
    let second = refresh(&app, &ada.refresh).await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.text());
    let (second, at) = (Person::of(&app, &second.json()), turned().await);
    let again = refresh(&app, &ada.refresh).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
    // It is the same exchange: its time does not begin anew.
    assert_eq!((Person::of(&app, &again.json()).refresh, turned().await), (second.refresh.clone(), at));
    let third = refresh(&app, &second.refresh).await;
    assert_eq!(third.status, StatusCode::OK, "{}", third.text());
    app.stop().await;
}

#[tokio::test]
async fn two_pages_that_exchange_a_token_at_once_both_go_on() {
    let app = TestApp::start().await;
    let ada = Person::new(&app, "ada").await;
    let (one, two) = tokio::join!(refresh(&app, &ada.refresh), refresh(&app, &ada.refresh));
    for page in [one, two] {
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        let page = Person::of(&app, &page.json());
        let next = refresh(&app, &page.refresh).await;
        assert_eq!(next.status, StatusCode::OK, "{}", next.text());
        assert_eq!(page.get("/api/v1/me").await.status, StatusCode::OK);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_page_keeps_its_refresh_token_where_scripts_cannot_read_it() {
    let app = TestApp::start().await;
    Person::new(&app, "ada").await;
    let login = json!({ "name": "ada", "password": PASSWORD, "cookie": true });
    let reply = nobody(&app, "POST", "/api/v1/auth/login", &login).await;
    assert_eq!(reply.json().get("refresh_token"), None);
    let cookie = reply.headers["set-cookie"].to_str().unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/api/v1/auth", "Max-Age=2592000"] {
        assert!(cookie.contains(attribute), "{attribute}");
    }
    let kept = cookie.split(';').next().unwrap().to_owned();
    let with_cookie = |path: &str| {
        let request = request("POST", path).header("content-type", "application/json").header("cookie", &kept);
        request.body("{}".into()).unwrap()
    };
    let again = whole(&app.doors(), with_cookie("/api/v1/auth/refresh")).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
    assert!(again.headers.contains_key("set-cookie") && again.json().get("refresh_token").is_none());
    // The cookie alone opens nothing else.
    let mut elsewhere = with_cookie("/api/v1/collections");
    *elsewhere.method_mut() = axum::http::Method::GET;
    assert_eq!(whole(&app.doors(), elsewhere).await.status, StatusCode::UNAUTHORIZED);
    app.stop().await;
}

#[tokio::test]
async fn signing_out_ends_what_it_says() {
    let app = TestApp::start().await;
    let ada = Person::new(&app, "ada").await;
    let phone = Person::signs_in(&app, "ada", PASSWORD).await;
    let tablet = Person::signs_in(&app, "ada", PASSWORD).await;
    assert_eq!(phone.post("/api/v1/auth/logout", &json!({})).await.status, StatusCode::NO_CONTENT);
    assert_eq!(phone.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ada.get("/api/v1/me").await.status, StatusCode::OK);
    assert_eq!(ada.post("/api/v1/auth/logout", &json!({ "everywhere": true })).await.status, StatusCode::NO_CONTENT);
    for ended in [&ada, &tablet] {
        assert_eq!(ended.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refresh(&app, &ended.refresh).await.status, StatusCode::UNAUTHORIZED);
    }
    app.stop().await;
}

#[tokio::test]
async fn another_password_ends_all_other_sign_ins() {
    let app = TestApp::start().await;
    let ada = Person::new(&app, "ada").await;
    let thief = Person::signs_in(&app, "ada", PASSWORD).await;
    let change = |current: &str| json!({ "password": { "current": current, "new": "another long password" } });
    assert_eq!(ada.send("PATCH", "/api/v1/me", &change("wrong")).await.code(), "forbidden:password");
    assert_eq!(ada.send("PATCH", "/api/v1/me", &change(PASSWORD)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(ada.get("/api/v1/me").await.status, StatusCode::OK);
    assert_eq!(thief.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    let old = json!({ "name": "ada", "password": PASSWORD });
    assert_eq!(nobody(&app, "POST", "/api/v1/auth/login", &old).await.status, StatusCode::UNAUTHORIZED);
    Person::signs_in(&app, "ada", "another long password").await;
    app.stop().await;
}

#[tokio::test]
async fn a_password_that_is_reset_locks_out_whoever_had_the_account() {
    use footnote::ids::{SessionId, UserId};
    use footnote::storage::{sessions, users};
    use footnote_ingest::rights::as_system;
    let app = TestApp::start().await;
    let ada = Person::new(&app, "ada").await;
    let key = async |person: &Person| {
        let made = person.post("/api/v1/api-keys", &json!({ "name": "bot", "scopes": ["read"] })).await.json();
        person.showing(made["key"].as_str().unwrap())
    };
    let bot = key(&ada).await;
    let user = UserId(ada.id.parse().unwrap());
    let db = &app.service.app.db;
    let old = as_system(users::password(db, user)).await.unwrap().unwrap();
    let path = format!("/api/v1/admin/users/{}", ada.id);
    let reset = json!({ "password": "another long password" });
    assert_eq!(app.send("PATCH", &path, &reset).await.status, StatusCode::OK);
    for ended in [&ada, &bot] {
        assert_eq!(ended.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    }
    // A sign-in whose password was checked before comes too late, and brings the
    // old hash back no more.
    let open =
        async |hash: &str| as_system(sessions::open(db, SessionId::new(), user, &[7; 32], Some(hash))).await.unwrap();
    assert!(!as_system(users::renew_password(db, user, &old, "$newer")).await.unwrap());
    assert!(!open(&old).await);
    let present = as_system(users::password(db, user)).await.unwrap().unwrap();
    assert!(open(&present).await);
    assert_eq!(app.send("PATCH", &path, &json!({ "disabled": true })).await.status, StatusCode::OK);
    assert!(!open(&present).await);
    assert_eq!(app.send("PATCH", &path, &json!({ "disabled": false })).await.status, StatusCode::OK);

    // Who changes it may end the keys too.
    let ada = Person::signs_in(&app, "ada", "another long password").await;
    let bot = key(&ada).await;
    let change = |current: &str, new: &str, end: bool| json!({ "password": { "current": current, "new": new, "end_keys": end } });
    let first = change("another long password", PASSWORD, false);
    assert_eq!(ada.send("PATCH", "/api/v1/me", &first).await.status, StatusCode::NO_CONTENT);
    assert_eq!(bot.get("/api/v1/me").await.status, StatusCode::OK);
    let second = change(PASSWORD, "another long password", true);
    assert_eq!(ada.send("PATCH", "/api/v1/me", &second).await.status, StatusCode::NO_CONTENT);
    assert_eq!(bot.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ada.get("/api/v1/me").await.status, StatusCode::OK);
    app.stop().await;
}

#[tokio::test]
async fn guessing_is_slow_and_locks_nobody_else_out() {
    let app = TestApp::start().await;
    Person::new(&app, "ada").await;
    let guess = async |password: &str, address: &str, forged: Option<&str>| {
        let body = json!({ "name": "ada", "password": password }).to_string();
        let mut request = request("POST", "/api/v1/auth/login").header("content-type", "application/json");
        if let Some(forged) = forged {
            request = request.header("x-forwarded-for", forged);
        }
        let mut request = request.body(body.into()).unwrap();
        let peer: std::net::SocketAddr = format!("{address}:4000").parse().unwrap();
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        whole(&app.doors(), request).await
    };
    let mut refused = None;
    for n in 0..100 {
        // Addresses that it only says it has do not help.
        let reply = guess("wrong", "192.0.2.1", Some(&format!("198.51.100.{n}"))).await;
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            refused = refused.or(Some((n, reply)));
        } else {
            assert_eq!((reply.status, refused.is_none()), (StatusCode::UNAUTHORIZED, true), "{n}");
        }
    }
    let (tries, reply) = refused.expect("it is told to wait");
    assert!((5..=20).contains(&tries), "{tries}");
    assert!(reply.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(guess(PASSWORD, "192.0.2.1", None).await.status, StatusCode::TOO_MANY_REQUESTS);
    // The owner, from elsewhere, is not kept out.
    assert_eq!(guess(PASSWORD, "192.0.2.2", None).await.status, StatusCode::OK);
    app.stop().await;
}
