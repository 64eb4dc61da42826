//! Leave to call a tool: bound to its owner and to the very call, good once and
//! for a while.

use std::time::Duration;

use axum::http::StatusCode;
use footnote::ids::{ApprovalId, ConversationId, MessageId};
use footnote::storage::approvals::{self, State, Wanted};
use footnote_ingest::scope::Scope;
use serde_json::json;
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::harness::{Rig, TestApp, operator};
use crate::submitted::stranger;

const HOUR: Duration = Duration::from_hours(1);
/// Stands for what a call is bound by.
const CALL: &[u8] = b"the tool and its arguments";
/// Those who want to use one leave at the same time.
const SPENDERS: usize = 20;

/// Somebody whose answer waits for leave.
struct Waiting {
    db: PgPool,
    scope: Scope,
    message: MessageId,
}

impl Waiting {
    /// Stores an answer that is being made for a new account.
    async fn new(db: &PgPool) -> Self {
        let scope = stranger(db).await;
        let (conversation, message) = (ConversationId::new(), MessageId::new());
        sqlx::query(
            "insert into conversations (id, owner_id, title, created_at, updated_at)
             values ($1, $2, 'Talk', now(), now())",
        )
        .bind(conversation)
        .bind(scope.owner())
        .execute(db)
        .await
        .unwrap();
        sqlx::query(
            "insert into messages (id, owner_id, conversation_id, role, status, parts, created_at, updated_at)
             values ($1, $2, $3, 'assistant', 'running', '[]', now(), now())",
        )
        .bind(message)
        .bind(scope.owner())
        .bind(conversation)
        .execute(db)
        .await
        .unwrap();
        Self { db: db.clone(), scope, message }
    }

    async fn asks(&self, within: Duration) -> ApprovalId {
        approvals::ask(&self.db, self.scope, wanted(self.message, within)).await.unwrap().id
    }

    async fn decides(&self, approval: ApprovalId, approve: bool) -> Option<State> {
        let decided = approvals::decide(&self.db, self.scope, self.message, approval, approve).await.unwrap();
        decided.map(|decided| decided.state)
    }

    async fn spends(&self, approval: ApprovalId, call: &[u8]) -> bool {
        approvals::spend(&self.db, self.scope, approval, call).await.unwrap()
    }

    /// Where it stands, and whether it is too late.
    async fn state(&self, approval: ApprovalId) -> Option<(State, bool)> {
        approvals::state(&self.db, self.scope, approval).await.unwrap()
    }
}

fn wanted(message: MessageId, within: Duration) -> Wanted<'static> {
    Wanted { message, call: "call-1", tool: "send_mail", arguments: "{\"to\": \"all\"}", sha256: CALL, within }
}

#[tokio::test]
async fn leave_is_good_once_and_for_just_the_call_that_was_shown() {
    let rig = Rig::start().await;
    let waiting = Waiting::new(&rig.corpus.db).await;
    let approval = waiting.asks(HOUR).await;
    assert_eq!(waiting.state(approval).await, Some((State::Waiting, false)));
    assert!(!waiting.spends(approval, CALL).await, "nobody has decided");
    assert_eq!(waiting.decides(approval, true).await, Some(State::Approved));
    assert!(!waiting.spends(approval, b"other arguments").await);
    assert_eq!(waiting.state(approval).await, Some((State::Approved, false)), "a wrong call takes nothing away");
    assert!(waiting.spends(approval, CALL).await);
    assert!(!waiting.spends(approval, CALL).await, "it is used up");
    assert_eq!(waiting.state(approval).await, Some((State::Used, false)));
    assert_eq!(waiting.decides(approval, true).await, None, "it cannot be given again");
    // Another call of the same needs leave of its own.
    let again = waiting.asks(HOUR).await;
    assert!(!waiting.spends(again, CALL).await);
    rig.stop().await;
}

#[tokio::test]
async fn leave_comes_too_late_and_runs_out() {
    let rig = Rig::start().await;
    let waiting = Waiting::new(&rig.corpus.db).await;
    let late = waiting.asks(Duration::ZERO).await;
    assert_eq!(waiting.state(late).await, Some((State::Waiting, true)));
    assert_eq!(waiting.decides(late, true).await, None);
    let given = waiting.asks(HOUR).await;
    assert_eq!(waiting.decides(given, true).await, Some(State::Approved));
    sqlx::query("update approvals set expires_at = now() - interval '1 second'").execute(&waiting.db).await.unwrap();
    assert!(!waiting.spends(given, CALL).await);
    assert_eq!(waiting.state(given).await, Some((State::Approved, true)));
    rig.stop().await;
}

#[tokio::test]
async fn what_is_denied_stays_denied_and_no_stranger_decides() {
    let rig = Rig::start().await;
    let (waiting, other) = (Waiting::new(&rig.corpus.db).await, Waiting::new(&rig.corpus.db).await);
    let denied = waiting.asks(HOUR).await;
    assert_eq!(waiting.decides(denied, false).await, Some(State::Denied));
    assert_eq!(waiting.decides(denied, true).await, None);
    assert!(!waiting.spends(denied, CALL).await);

    let approval = waiting.asks(HOUR).await;
    assert_eq!(other.decides(approval, true).await, None);
    // Not even one who knows the message.
    let knowing = Waiting { db: waiting.db.clone(), scope: other.scope, message: waiting.message };
    assert_eq!(knowing.decides(approval, true).await, None);
    assert_eq!(knowing.state(approval).await, None);
    // Nor under another message of the same owner.
    let mistaken = Waiting { db: waiting.db.clone(), scope: waiting.scope, message: other.message };
    assert_eq!(mistaken.decides(approval, true).await, None);
    assert_eq!(waiting.decides(approval, true).await, Some(State::Approved));
    assert!(!knowing.spends(approval, CALL).await);
    assert!(waiting.spends(approval, CALL).await);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_use_one_leave_at_once_one_may() {
    let rig = Rig::start().await;
    let waiting = Waiting::new(&rig.corpus.db).await;
    let approval = waiting.asks(HOUR).await;
    waiting.decides(approval, true).await.unwrap();
    let mut spenders = JoinSet::new();
    for _ in 0..SPENDERS {
        let (db, scope) = (waiting.db.clone(), waiting.scope);
        spenders.spawn(async move { approvals::spend(&db, scope, approval, CALL).await.unwrap() });
    }
    let spent = spenders.join_all().await;
    assert_eq!(spent.into_iter().filter(|spent| *spent).count(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_decision_is_taken_once_by_its_route() {
    let app = TestApp::start().await;
    let messages = app.conversation().await;
    let answer = app.post(&messages, &json!({ "content": "What is the pressure?" })).await.json();
    let id = answer["id"].as_str().unwrap();
    let db = &app.db;
    let scope = operator(db).await;
    let approval = approvals::ask(db, scope, wanted(id.parse().unwrap(), HOUR)).await.unwrap();
    let path = format!("{messages}/{id}/approvals/{}", approval.id);
    assert_eq!(app.post(&path, &json!({ "approve": "yes" })).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    // As one of another message, or none at all.
    let question = answer["parent_id"].as_str().unwrap();
    for wrong in [format!("{messages}/{question}/approvals/{}", approval.id), format!("{messages}/{id}/approvals/{id}")]
    {
        let reply = app.post(&wrong, &json!({ "approve": true })).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::NOT_FOUND, "not_found:approval"), "{wrong}");
    }
    let decided = app.post(&path, &json!({ "approve": true })).await;
    assert_eq!((decided.status, &decided.json()["state"]), (StatusCode::OK, &json!("approved")));
    assert_eq!(app.post(&path, &json!({ "approve": false })).await.status, StatusCode::NOT_FOUND);
    app.stop().await;
}
