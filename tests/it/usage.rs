//! What models took and cost: in the receipt of each answer, and in sums by
//! day, model and purpose.

use std::time::Duration;

use axum::http::StatusCode;
use footnote::config::Price;
use serde_json::{Value, json};

use crate::canaries::until;
use crate::conversing::{Conversing, MODEL, Reply};
use crate::fences::question;
use crate::submitted::stranger;
use crate::talk::{MANUAL, PRESSURE, Talk, completed, told};

const SLOWLY: &str = "Tell slowly what the pump P4 does.";

/// Answers at once, or at such length that there is time to stop it.
fn teller(body: &Value) -> Reply {
    if question(body) == SLOWLY {
        return Reply::says("The pump runs. ".repeat(500)).slowly(Duration::from_millis(20));
    }
    Reply::says("The pump P4 is rated for 4 bar [1: \"rated for a pressure of 4 bar\"].").used(1000, 400, 100)
}

/// A service whose model costs 0.0022 dollars for each quick answer.
async fn with_prices() -> Talk {
    let talk = Talk::with(Conversing::start(teller).await, |settings| {
        settings.answer_cache = false;
        settings.prices.insert(MODEL.into(), Price { input: 2.0, cached: Some(0.5), output: 8.0 });
    })
    .await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    talk
}

/// What was used for answers themselves.
async fn of_answers(talk: &Talk) -> Value {
    let usage = talk.app.get("/api/v1/usage").await.json();
    let items = usage["items"].as_array().unwrap();
    let sum = |field: &str| items.iter().filter_map(|item| item[field].as_i64()).sum::<i64>();
    for field in ["calls", "input_tokens", "output_tokens"] {
        assert_eq!(usage[field], sum(field), "{usage}");
    }
    items.iter().find(|item| item["purpose"] == "answer").cloned().unwrap_or_default()
}

fn assert_dollars(found: &Value, expected: f64) {
    let found = found.as_f64().expect("dollars");
    assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
}

#[tokio::test]
async fn calls_tokens_and_dollars_add_up() {
    let talk = with_prices().await;
    assert_eq!(of_answers(&talk).await, Value::Null);
    let events = talk.events(PRESSURE).await;
    let usage = json!({ "input_tokens": 1000, "cached_tokens": 400, "output_tokens": 100, "estimated": false });
    assert_eq!(told(&events, "usage")[0]["usage"], usage);
    let receipt = &completed(&events)["receipt"];
    assert_eq!((&receipt["usage"], &receipt["queries"]), (&usage, &json!([PRESSURE])));
    assert_dollars(&receipt["cost_usd"], 0.0022);
    let [call] = receipt["calls"].as_array().unwrap().as_slice() else { panic!("{receipt}") };
    assert_eq!((&call["purpose"], &call["outcome"], &call["usage"]), (&json!("answer"), &json!("ok"), &usage));
    assert_eq!((&call["model"], &call["provider"]), (&json!(MODEL), &json!("openai")));
    let budget = &receipt["budget"];
    let shares: u64 = budget["shares"].as_object().unwrap().values().map(|share| share.as_u64().unwrap()).sum();
    assert_eq!(budget["total"], shares, "{budget}");
    assert!(budget["total"].as_u64() <= budget["window"].as_u64(), "{budget}");
    assert_eq!((&budget["shares"]["answer"], budget["evidence"].as_array().map(Vec::len)), (&json!(1024), Some(1)));

    talk.ask(PRESSURE).await;
    let item = of_answers(&talk).await;
    for (field, value) in [("calls", 2), ("input_tokens", 2000), ("cached_tokens", 800), ("output_tokens", 200)] {
        assert_eq!(item[field], value, "{item}");
    }
    assert_eq!((&item["model"], &item["provider"]), (&json!(MODEL), &json!("openai")));
    assert_dollars(&item["cost_usd"], 0.0044);

    let other_days = talk.app.get("/api/v1/usage?from=2020-01-01&to=2020-01-31").await.json();
    assert_eq!((&other_days["items"], &other_days["calls"]), (&json!([]), &json!(0)));
    for wrong in ["from=2020-02-01&to=2020-01-01", "from=2000-01-01&to=2020-01-01"] {
        let reply = talk.app.get(&format!("/api/v1/usage?{wrong}")).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable:from"));
    }
    // What others used is theirs.
    let db = &talk.app.db;
    let other = stranger(db).await.owner();
    sqlx::query("update model_calls set owner_id = $1").bind(other).execute(db).await.unwrap();
    assert_eq!(of_answers(&talk).await, Value::Null);
    talk.stop().await;
}

#[tokio::test]
async fn an_answer_that_was_stopped_is_counted_as_far_as_it_came() {
    let talk = with_prices().await;
    let slow = json!({ "content": SLOWLY, "stream": true });
    let stopping = async {
        let db = &talk.app.db;
        let speaking = "select message_id::text from message_events where name = 'text.delta' limit 1";
        let answer: String =
            until("word", async || sqlx::query_scalar(speaking).fetch_optional(db).await.unwrap()).await;
        talk.post(&format!("{}/{answer}/cancel", talk.messages), &json!({})).await
    };
    let (_, stopped) = tokio::join!(talk.app.post(&talk.messages, &slow), stopping);
    assert_eq!(stopped["status"], "cancelled", "{stopped}");
    let [call] = stopped["receipt"]["calls"].as_array().unwrap().as_slice() else { panic!("{stopped}") };
    assert_eq!((&call["outcome"], &call["usage"]["estimated"]), (&json!("cancelled"), &json!(true)));
    let tokens = |field: &str| call["usage"][field].as_u64().unwrap();
    assert!(tokens("input_tokens") > 0 && tokens("output_tokens") > 0, "{call}");
    let item = of_answers(&talk).await;
    assert_eq!((&item["calls"], &item["output_tokens"]), (&json!(1), &call["usage"]["output_tokens"]));
    assert_eq!(item["cost_usd"], call["cost_usd"]);
    talk.stop().await;
}
