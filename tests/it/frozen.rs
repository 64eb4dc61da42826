//! A process that is frozen with claims in hand, past its leases: what it comes
//! back with late is refused, and every document is done once.
//!
//! `FOOTNOTE_FREEZES` sets how often one is frozen (once unless set). From ten
//! times on, the first lease is waited for; the others are said to have run out.

use std::process::Child;
use std::time::Duration;

use footnote::client::{Client, ClientError};
use footnote_ingest::store::jobs::LEASE;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::canaries::{settled, until};
use crate::counting::{Counting, Faults};
use crate::fleet::{Fleet, qdrant};
use crate::random::{Random, number};

/// Documents of each round.
const DOCUMENTS: u64 = 300;
/// Milliseconds after its first claim at which a process is frozen at the latest.
const LATEST: u64 = 120;
/// Claims that a process is left to make before it is frozen, at most.
const HELD: usize = 120;
/// How long the provider takes for each request.
const DELAY: Duration = Duration::from_millis(100);
/// Rounds from which on one lease is waited for.
const MANY: u64 = 10;

/// A claim: its job and its fencing number.
type Held = (Uuid, i64);

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Uploads a document. One that waited for a connection to the database while the
/// server was frozen is told to come again; one that found no connection to a frozen
/// server was not sent.
async fn upload(client: &Client, path: &str, document: &Value) {
    loop {
        match client.post::<Value>(path, document).await {
            Ok(_) => return,
            Err(ClientError::Refused { status: 503, .. } | ClientError::Unreachable { .. }) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// The third field of its line in `/proc`: `T` if it is stopped.
fn is_stopped(child: &Child) -> bool {
    let line = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    line.rsplit(')').next().unwrap().trim_start().starts_with('T')
}

async fn held(fleet: &Fleet) -> Vec<Held> {
    sqlx::query_as("select id, fence from jobs where state = 'running'").fetch_all(&fleet.db).await.unwrap()
}

/// Freezes a process while it holds claims, and says which. None, if all of
/// `documents` were done before.
async fn freeze(fleet: &Fleet, child: &Child, documents: u64, random: &mut Random) -> Vec<Held> {
    let least = 1 + random.index(HELD);
    let done = "select count(*) from documents where stage = 'done'";
    until("claims", async || {
        let is_held = held(fleet).await.len() >= least;
        (is_held || fleet.count(done).await == i64::try_from(documents).unwrap()).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(random.below(LATEST))).await;
    signal(child, Signal::STOP);
    until("stop", async || is_stopped(child).then_some(())).await;
    held(fleet).await
}

/// Lets the leases run out. What a frozen transaction has locked is left alone.
async fn expire(fleet: &Fleet, for_real: bool) {
    if for_real {
        tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
        return;
    }
    let expire = "update jobs set lease_until = now() - interval '1 second' \
                  where id in (select id from jobs where state = 'running' for update skip locked)";
    sqlx::query(expire).execute(&fleet.db).await.unwrap();
}

/// How many of these claims are somebody else's by now, or done.
async fn lost(fleet: &Fleet, claims: &[Held]) -> usize {
    let (ids, fences): (Vec<Uuid>, Vec<i64>) = claims.iter().copied().unzip();
    let query = "select count(*) from unnest($1::uuid[], $2::bigint[]) as held (id, fence) \
                 where not exists (select from jobs j where j.id = held.id and j.fence = held.fence \
                                   and j.state = 'running')";
    let lost: i64 = sqlx::query_scalar(query).bind(ids).bind(fences).fetch_one(&fleet.db).await.unwrap();
    usize::try_from(lost).unwrap()
}

fn report(round: u64, n: u64) -> (String, String) {
    (format!("{round}/{n}.txt"), format!("Report {n} of round {round}. The gauge shows {} bar.", n % 7))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_frozen_past_its_lease_commits_nothing() {
    let Some(qdrant) = qdrant() else { return };
    let freezes = number("FOOTNOTE_FREEZES", 1);
    let mut random = Random::seeded();
    let provider = Counting::start(Faults { delay: DELAY, ..Faults::default() }).await;
    let fleet = Fleet::start(&provider, Some(qdrant)).await;
    let desk = fleet.desk().await;
    let mut frozen = fleet.worker();
    let (mut taken, mut missed) = (0, 0);
    for round in 0..freezes {
        for n in 0..DOCUMENTS {
            let (key, text) = report(round, n);
            desk.submit(&key, &text).await;
        }
        let claims = freeze(&fleet, &frozen, (round + 1) * DOCUMENTS, &mut random).await;
        expire(&fleet, freezes >= MANY && round == 0).await;
        let mut other = fleet.worker();
        if claims.is_empty() {
            missed += 1;
        } else {
            taken += until("takeover", async || Some(lost(&fleet, &claims).await).filter(|lost| *lost > 0)).await;
        }
        signal(&frozen, Signal::CONT);
        fleet.idle().await;
        // The one that was frozen goes on to the next round.
        signal(&other, Signal::TERM);
        assert!(other.wait().unwrap().success());
        assert!(frozen.try_wait().unwrap().is_none(), "it goes on after it was frozen");
    }
    signal(&frozen, Signal::TERM);
    assert!(frozen.wait().unwrap().success());
    let documents = freezes * DOCUMENTS;
    let twice = provider.read(super::counting::Ledger::twice);
    eprintln!(
        "{freezes} freezes, {missed} of them with nothing in hand, {documents} documents: {taken} claims were taken \
         over before the frozen worker woke, {twice} texts paid for twice"
    );
    assert!(missed < freezes, "it never held anything");
    fleet.assert_each_once(i64::try_from(documents).unwrap()).await;
    let doctor = fleet.doctor();
    assert!(doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stdout));
    drop(desk);
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_frozen_past_its_own_leases_does_each_document_once() {
    let freezes = number("FOOTNOTE_FREEZES", 1);
    let mut random = Random::seeded();
    let provider = Counting::start(Faults { delay: DELAY, ..Faults::default() }).await;
    let fleet = Fleet::start(&provider, None).await;
    let server = fleet.serve();
    let client = Client::new(server.transport());
    let made: Value = client.post("/api/v1/collections", &json!({ "name": "reports" })).await.unwrap();
    let collection = made["id"].as_str().unwrap().to_owned();
    let mut in_hand = 0;
    for round in 0..freezes {
        let mut uploads = JoinSet::new();
        for n in 0..DOCUMENTS {
            let (client, (key, text)) = (client.clone(), report(round, n));
            let path = format!("/api/v1/collections/{collection}/documents");
            uploads.spawn(async move { upload(&client, &path, &json!({ "key": key, "text": text })).await });
        }
        in_hand += freeze(&fleet, &server.child, (round + 1) * DOCUMENTS, &mut random).await.len();
        expire(&fleet, freezes >= MANY && round == 0).await;
        signal(&server.child, Signal::CONT);
        uploads.join_all().await;
        settled(&client, &collection).await;
    }
    let documents = freezes * DOCUMENTS;
    let orphans = fleet.count("select count(*) from audit_orphans").await;
    eprintln!("{freezes} freezes with {in_hand} claims in hand, {orphans} put back; {documents} documents");
    fleet.assert_each_once(i64::try_from(documents).unwrap()).await;
    let doctor = fleet.doctor();
    assert!(doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stdout));
    assert_eq!(server.stop(), Some(0));
    fleet.stop().await;
}
