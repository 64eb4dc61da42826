//! Kill -9 while documents are being deleted: those whose DELETE had returned
//! are gone, of the others each is gone or whole, and nothing is left behind.
//!
//! `FOOTNOTE_DELETE_KILLS` sets how often it kills (1 unless set).

use std::time::Duration;

use footnote::client::{Client, ClientError};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::canaries::{Canary, purged, settled, upload};
use crate::command::{Footnote, Server};
use crate::random::{Random, number};

/// Documents of each round.
const DOCUMENTS: usize = 24;
/// Of so many, one is not touched.
const STAYS: usize = 4;
/// Milliseconds after the last reply at which the server dies at the latest.
const LINGER: u64 = 30;

fn client(server: &Server) -> Client {
    Client::new(server.transport())
}

/// A collection of its own for a round.
async fn fill(client: &Client, round: u64, random: &mut Random) -> (String, Vec<Canary>) {
    let name = json!({ "name": format!("round {round}") });
    let made: Value = client.post("/api/v1/collections", &name).await.unwrap();
    let collection = made["id"].as_str().unwrap().to_owned();
    let canaries = upload(client, &collection, DOCUMENTS, random).await;
    settled(client, &collection).await;
    (collection, canaries)
}

/// Deletes all at once, by the paths given, and kills the server after some
/// replies. Returns what came back.
async fn delete_and_kill(
    server: &mut Server,
    paths: impl Iterator<Item = String>,
    random: &mut Random,
) -> Vec<(String, bool)> {
    let client = client(server);
    let mut deleting = JoinSet::new();
    for path in paths {
        let client = client.clone();
        deleting.spawn(async move {
            let deleted = match client.delete(&path).await {
                Ok(()) => true,
                Err(ClientError::Unreachable { .. } | ClientError::Garbled(_)) => false,
                Err(refused) => panic!("{path}: {refused}"),
            };
            (path, deleted)
        });
    }
    let mut replies = Vec::new();
    for _ in 0..random.index(deleting.len() + 1) {
        replies.push(deleting.join_next().await.unwrap().unwrap());
    }
    // By then the purge is at work, or has not begun.
    tokio::time::sleep(Duration::from_millis(random.below(LINGER))).await;
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    replies.extend(deleting.join_all().await);
    replies
}

/// Whether a document is there; that it is half there is an error.
async fn is_whole(client: &Client, canary: &Canary) -> bool {
    let seen = canary.seen(client).await;
    // A made-up word means nothing: by meaning alone it need not be found.
    let mut sure = seen.iter().filter(|(place, _)| *place != "dense").map(|(_, is_seen)| *is_seen);
    let whole = sure.next().unwrap();
    assert!(sure.all(|is_seen| is_seen == whole), "{} is half there: {seen:?}", canary.word);
    assert!(whole || !seen.iter().any(|(_, is_seen)| *is_seen), "{} is half gone: {seen:?}", canary.word);
    whole
}

/// What became of the documents of all rounds.
#[derive(Debug, Default)]
struct Tally {
    told_gone: usize,
    untold_gone: usize,
    untold_there: usize,
    untouched: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_mid_delete_a_document_is_gone_or_whole() {
    let kills = number("FOOTNOTE_DELETE_KILLS", 1);
    let mut random = Random::seeded();
    let footnote = Footnote::new();
    let mut server = footnote.serve();
    let mut tally = Tally::default();
    for round in 0..kills {
        let (collection, canaries) = fill(&client(&server), round, &mut random).await;
        // Every third time all of them go together, with their collection.
        let together = round % 3 == 2;
        let stays = |place: usize| !together && place.is_multiple_of(STAYS);
        let whole = together.then(|| format!("/api/v1/collections/{collection}"));
        let single = canaries.iter().enumerate().filter(|(place, _)| !together && !stays(*place));
        let paths = single.map(|(_, canary)| canary.path()).chain(whole.clone());
        let replies = delete_and_kill(&mut server, paths, &mut random).await;
        server = footnote.serve();
        let client = client(&server);
        let mut there = 0;
        for (place, canary) in canaries.iter().enumerate() {
            let is_told =
                replies.iter().any(|(path, told)| *told && (*path == canary.path() || Some(path) == whole.as_ref()));
            let is_there = is_whole(&client, canary).await;
            there += usize::from(is_there);
            assert!(!(is_told && is_there), "{} came back", canary.word);
            assert!(is_there || !stays(place), "{} was not deleted and is gone", canary.word);
            let count = match (stays(place), is_told, is_there) {
                (true, ..) => &mut tally.untouched,
                (_, true, _) => &mut tally.told_gone,
                (_, _, false) => &mut tally.untold_gone,
                (_, _, true) => &mut tally.untold_there,
            };
            *count += 1;
        }
        assert!(!together || there == 0 || there == DOCUMENTS, "{there} of a collection's documents are there");
    }
    let drift = purged(&client(&server)).await;
    eprintln!("{kills} kills: {tally:?}; {drift}");
    assert_eq!(drift["points"], tally.untouched + tally.untold_there, "{drift}");
    let doctor = footnote.run(&["doctor", "--json"]);
    assert!(doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stdout));
    assert_eq!(server.stop(), Some(0));
}
