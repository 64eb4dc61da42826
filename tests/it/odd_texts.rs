//! Texts that are written to leave a string of SQL, JSON or a pattern: wherever
//! callers may write a text they are a text, like any other of the same letters.
//!
//! `FOOTNOTE_ODD_TEXTS` sets how many are tried in each place (2 unless set; all
//! in `make soak`).

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};

use crate::described::{Place, routes};
use crate::estate::Estate;
use crate::harness::TestApp;
use crate::people::Person;
use crate::random::Random;
use crate::reading::amount;

/// How long a request may take; an answer is one of them.
const PATIENCE: Duration = Duration::from_mins(2);

/// What a text begins with, to end what it stands in.
const BEGINNINGS: [&str; 20] = [
    "'", "\"", "')", "'))", "';", "\\'", "\\", "\u{2019}", "\u{2bc}", "\u{ff07}", "%", "_", "$$", "$a$", "{", "[",
    "*/", "\0", "\r\n", "`",
];

/// What it goes on with.
const ENDS: [&str; 10] = [
    " or '1'='1' -- ",
    "; delete from documents; -- ",
    " union select password_hash from users -- ",
    "||(select version())||'",
    "; copy users to program 'id' -- ",
    " and pg_sleep(0)::text = '' /* ",
    "{1,2}'::int[] -- ",
    "$.owner_id ? (@ like_regex \".*\")",
    "%' escape '\\' -- ",
    ", owner_id = (select id from users limit 1) where true -- ",
];

/// Each beginning with each end.
fn texts() -> Vec<String> {
    BEGINNINGS.iter().flat_map(|beginning| ENDS.map(|end| format!("{beginning}{end}"))).collect()
}

/// The same letters in another order, which mean nothing.
fn shuffled(text: &str, random: &mut Random) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for at in (1..letters.len()).rev() {
        letters.swap(at, random.index(at + 1));
    }
    letters.into_iter().collect()
}

/// A text that was not there before, of which this is a part.
fn fresh(text: &str, n: usize, random: &mut Random) -> String {
    let word = random.word();
    if n.is_multiple_of(2) { format!("{word}{text}") } else { format!("{text}{word}") }
}

/// The status, once all of the reply is there.
async fn status(doors: &Router, request: Request<Body>) -> (StatusCode, String) {
    let whole = crate::people::whole(doors, request);
    let reply = tokio::time::timeout(PATIENCE, whole).await.expect("an end of the reply");
    (reply.status, reply.text())
}

/// How many rows of others there are, table by table.
async fn rows(app: &TestApp, mine: &str) -> Vec<(String, i64)> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.columns
         where table_schema = 'public' and column_name = 'owner_id' order by 1",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    let mut counts = Vec::new();
    // What is under way is nobody's loss when it is done.
    for table in tables.into_iter().filter(|table| !["jobs", "sessions", "purges", "fetches"].contains(&table.as_str()))
    {
        let query = format!("select count(*) from {table} where owner_id <> $1::uuid");
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(mine).fetch_one(&app.db).await.unwrap();
        counts.push((table, count));
    }
    counts
}

/// Tries a text at a place against the same letters without a meaning. What
/// differs, if it does so whichever comes first: states change in between.
async fn differs(
    doors: &Router,
    estate: &Estate,
    place: &Place,
    (n, text): (usize, &str),
    random: &mut Random,
) -> Option<String> {
    let mut differences = Vec::new();
    for odd_first in [true, false] {
        let odd = fresh(text, n, random);
        let plain = fresh(&shuffled(text, random), n, random);
        let [odd_request, plain_request] = [&odd, &plain].map(|text| place.request(text, estate, random));
        let (odd_request, plain_request) = (odd_request?, plain_request?);
        let (of_odd, of_plain) = if odd_first {
            let of_odd = status(doors, odd_request).await;
            (of_odd, status(doors, plain_request).await)
        } else {
            let of_plain = status(doors, plain_request).await;
            (status(doors, odd_request).await, of_plain)
        };
        for (status, body) in [&of_odd, &of_plain] {
            // A model that is not there is a bad gateway, and nothing else is ours.
            let is_broken = status.is_server_error() && *status != StatusCode::BAD_GATEWAY;
            if is_broken {
                return Some(format!("{} {}: {odd:?} or {plain:?}: {status} {body}", place.route, place.name));
            }
        }
        if of_odd.0 == of_plain.0 {
            return None;
        }
        differences.push(format!("{odd:?}: {} but {plain:?}: {}", of_odd.0, of_plain.0));
    }
    Some(format!("{} {}: {}", place.route, place.name, differences.join("; ")))
}

/// The places are tried in so many tests, each with a service of its own.
const SHARES: usize = 4;

async fn tried_in_share(share: usize) {
    let app = TestApp::with(|settings| settings.registration = true).await;
    let mut random = Random::seeded();
    let victim = Estate::of(&app, Person::new(&app, "victim").await).await;
    let estate = Estate::of(&app, Person::with_role(&app, "owner", "admin").await).await;
    let document = app.get("/openapi.json").await.json();
    let places: Vec<Place> = routes(&document, &estate).iter().flat_map(|route| route.places(&document)).collect();
    assert!(places.len() > 250, "{}", places.len());
    let (texts, each) = (texts(), amount("FOOTNOTE_ODD_TEXTS", 2).min(200));
    let (before, counted) = (victim.rows(&app).await, rows(&app, &estate.owner.id).await);
    let (doors, mut tried, mut wrong) = (app.doors(), 0, Vec::new());
    for (at, place) in places.iter().enumerate().filter(|(at, _)| at % SHARES == share) {
        for n in at * each..(at + 1) * each {
            let n = n % texts.len();
            wrong.extend(differs(&doors, &estate, place, (n, &texts[n]), &mut random).await);
            tried += 1;
        }
    }
    eprintln!("{tried} odd texts in a share of {} places: {} told from others", places.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(victim.rows(&app).await == before, "the rows of somebody else have changed");
    let after: Vec<(String, i64)> = rows(&app, &estate.owner.id).await;
    for ((table, before), (_, after)) in counted.iter().zip(&after) {
        // Who registered meanwhile has rows too.
        assert!(after >= before, "{table}: {before} became {after}");
    }
    let hashes: i64 = sqlx::query_scalar("select count(*) from users where password_hash is not null")
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert!(hashes >= 4, "the accounts are there: {hashes}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_text_is_a_text_wherever_callers_write_one_first_share() {
    tried_in_share(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_text_is_a_text_wherever_callers_write_one_second_share() {
    tried_in_share(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_text_is_a_text_wherever_callers_write_one_third_share() {
    tried_in_share(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_text_is_a_text_wherever_callers_write_one_last_share() {
    tried_in_share(SHARES - 1).await;
}

#[test]
fn there_are_two_hundred_of_them_and_each_is_another() {
    let mut texts = texts();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 200);
}

/// What makes a query at run time: the database's library takes no other text than
/// a literal but by these.
const MADE: [&str; 4] = ["AssertSqlSafe", "sqlx::QueryBuilder", "raw_sql(", "SqlStr"];
/// Files that may, and why.
const MAY: [(&str, &str); 0] = [];

/// All lines of the service's sources outside of tests, with their places.
fn lines(folder: &Path, all: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            lines(&path, all);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let of_service = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let shown = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
            let numbered = of_service.lines().enumerate();
            all.extend(numbered.map(|(n, line)| (format!("{shown}:{}", n + 1), line.to_owned())));
        }
    }
}

#[test]
fn no_query_is_put_together_at_run_time() {
    let mut all = Vec::new();
    for folder in ["src", "ingest/src"] {
        lines(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut all);
    }
    assert!(all.len() > 10_000, "{}", all.len());
    let is_unchecked = |line: &str| {
        let calls = ["sqlx::query(", "sqlx::query_as(", "sqlx::query_scalar("].into_iter();
        calls
            .filter_map(|call| line.split_once(call))
            .any(|(_, rest)| !rest.is_empty() && !rest.starts_with(['"', 'r']))
    };
    let is_made = |line: &str| MADE.iter().any(|made| line.contains(made)) || is_unchecked(line);
    let found: Vec<String> = all
        .iter()
        .filter(|(place, line)| is_made(line) && !MAY.iter().any(|(file, _)| place.starts_with(file)))
        .map(|(place, line)| format!("{place}: {}", line.trim()))
        .collect();
    assert!(found.is_empty(), "use `query!`, or say in this file why not:\n{}", found.join("\n"));
    assert!(is_made("sqlx::query(&format!(\"select {column} from t\"))"));
}
