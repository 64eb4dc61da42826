//! At each named place of the work on documents something goes wrong once: an
//! error, a panic, a pause, the end of the process. A server goes on, or is started
//! again; in the end the corpus is the one that comes about when nothing goes wrong,
//! and no job is left.
//!
//! `FOOTNOTE_FAULT_RUNS` sets how often the process is ended at each place between
//! an update of the index and the commit that records it (1 unless set), and how
//! many of the four faults the others see, up to all. The tests need a program
//! with the feature `fault-points`: without it no fault happens, which is an error.

mod picture;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use footnote::client::{Client, ClientError};
use footnote_ingest::doctor::examine;
use footnote_ingest::fault::Place;
use footnote_ingest::ids::CollectionId;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::collections;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::canaries::{purged, until};
use crate::command::Server;
use crate::counting::{Counting, Faults};
use crate::fleet::Fleet;
use crate::harness::{folder, operator};
use crate::random::{Random, number};

/// What goes wrong.
const WRONGS: [&str; 4] = ["error", "panic", "sleep 5000", "abort"];
/// Where documents come in and leave.
const DOORS: [Place; 3] = [Place::TakingIn, Place::TakenIn, Place::Deleting];
const READING: [Place; 5] = [Place::Claimed, Place::Reading, Place::Read, Place::Cutting, Place::Refusing];
const SHOWING: [Place; 6] =
    [Place::Storing, Place::Stored, Place::PointsUpdated, Place::PointsFlushed, Place::Publishing, Place::Published];
const EMBEDDING: [Place; 8] = [
    Place::EmbedClaimed,
    Place::Embedding,
    Place::Embedded,
    Place::Kept,
    Place::VectorsUpdated,
    Place::VectorsFlushed,
    Place::Finishing,
    Place::Finished,
];
const PURGING: [Place; 5] =
    [Place::Purging, Place::PurgeUpdated, Place::PurgeFlushed, Place::Forgetting, Place::Forgotten];
const KEEPING: [Place; 2] = [Place::Renewing, Place::Releasing];
/// What is not over.
const LEFT: &str = "
    select (select count(*) from jobs where state <> 'dead') + (select count(*) from purges)
         + (select count(*) from documents where deleted_at is not null)
";

/// What goes wrong, and where.
#[derive(Debug, Clone, Copy)]
struct Fault {
    place: Place,
    wrong: &'static str,
    /// How often the place is come past before.
    spared: usize,
}

impl Fault {
    const fn new(place: Place, wrong: &'static str) -> Self {
        Self { place, wrong, spared: 0 }
    }

    /// As `FAILPOINTS` has it.
    fn set(&self) -> String {
        format!("{}={}*off->1*return({})", self.place.name(), self.spared, self.wrong)
    }

    /// With what must go wrong for its place to be come past.
    fn with_cause(self) -> Vec<Self> {
        // Claims are given back only when something else went wrong.
        let cause = (self.place == Place::Releasing).then_some(Self::new(Place::Claimed, "error"));
        cause.into_iter().chain([self]).collect()
    }
}

/// Documents of several kinds, of one chunk and of several; one cannot be read.
fn documents() -> Vec<(&'static str, String)> {
    let part = |n: usize| format!("# Part {n}\n\n{}\n\n", format!("The gauge {n} shows {} bar. ", n % 7).repeat(40));
    let mail = |n: usize| {
        format!(
            "From a@example.org Mon Jan 01 00:00:00 2024\nSubject: Note {n}\n\nThe heron {n} stands in the pond.\n\n"
        )
    };
    vec![
        ("pump.txt", "The pump P4 holds 4 bar.".into()),
        ("broken.pdf", "%PDF-1.7 and no more".into()),
        ("manual.md", (0..6).map(part).collect()),
        ("post.mbox", (0..3).map(mail).collect()),
        ("gone.txt", "The gauge of the old pump shows nothing.".into()),
        ("twin.txt", "The gauge of the old pump shows nothing.".into()),
        ("changed.md", (10..13).map(part).collect()),
        ("gauges.csv", "gauge,bar\none,1\ntwo,2\n".into()),
    ]
}

/// A server on a database of its own, started again once a fault has ended it.
struct Plant {
    fleet: Fleet,
    scope: Scope,
    collection: CollectionId,
    faults: Vec<Fault>,
    server: Option<Server>,
    starts: usize,
    folder: TempDir,
}

impl Plant {
    async fn start(provider: &Counting, faults: Vec<Fault>) -> Self {
        let fleet = Fleet::start(provider, None).await;
        let scope = operator(&fleet.db).await;
        let collection = collections::ensure(&fleet.db, scope, "plant").await.unwrap();
        Self { fleet, scope, collection, faults, server: None, starts: 0, folder: folder() }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn told(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Whether a fault is one that ends the server.
    fn may_end(&self) -> bool {
        self.faults.iter().any(|fault| fault.wrong == "abort")
    }

    /// Whether a fault has happened.
    fn has_happened(&self, fault: &Fault) -> bool {
        let (place, wrong) = (format!("fault=\"{}\"", fault.place.name()), format!("set=\"{}\"", fault.wrong));
        self.told().lines().any(|line| line.contains(&place) && line.contains(&wrong))
    }

    /// The server, if it runs now. Only the fault may end it.
    fn server(&mut self) -> Option<&Server> {
        if let Some(server) = &mut self.server
            && let Some(status) = server.child.try_wait().unwrap()
        {
            assert!(self.may_end() && status.signal() == Some(Signal::ABORT.as_raw()), "{status}: {}", self.told());
            self.server = None;
        }
        if self.server.is_none() {
            let set = self.faults.iter().map(Fault::set).collect::<Vec<_>>().join(";");
            let set = (self.starts == 0).then_some(("FAILPOINTS", set));
            let log = File::options().append(true).create(true).open(self.log()).unwrap();
            self.server = self.fleet.try_serve(set, log);
            self.starts += 1;
            assert!(self.server.is_some() || (self.may_end() && self.starts == 1), "it ended: {}", self.told());
        }
        self.server.as_ref()
    }

    /// Asks until there is an answer, as senders do.
    async fn insist<T>(&mut self, call: impl AsyncFn(&Client) -> Result<T, ClientError>) -> T {
        until("answer", async || {
            let client = Client::new(self.server()?.transport());
            match call(&client).await {
                Ok(answer) => Some(answer),
                Err(ClientError::Refused { status, message, .. }) if status < 500 => panic!("{status}: {message}"),
                Err(_) => None,
            }
        })
        .await
    }

    /// Uploads a new document, and returns its id.
    async fn upload(&mut self, key: &str, text: &str) -> String {
        let collection = self.collection;
        let taken = self
            .insist(async |client| {
                // Taken before its answer was lost. One that cannot be read would be read anew.
                let there: Value = client.get(&format!("/api/v1/documents?collection={collection}")).await?;
                let known = there["items"].as_array().unwrap().iter().find(|document| document["key"] == key).cloned();
                match known {
                    Some(known) => Ok(known),
                    None => put(client, collection, key, text).await,
                }
            })
            .await;
        taken["id"].as_str().unwrap().to_owned()
    }

    async fn delete(&mut self, id: &str) {
        let path = format!("/api/v1/documents/{id}");
        self.insist(async |client| match client.delete(&path).await {
            // Deleted before its answer was lost.
            Err(ClientError::Refused { status: 404, .. }) => Ok(()),
            deleted => deleted,
        })
        .await;
    }

    async fn idle(&mut self) {
        until("end of the work", async || {
            self.server()?;
            (self.fleet.count(LEFT).await == 0).then_some(())
        })
        .await;
    }

    /// Documents come in; then one is replaced and one deleted.
    async fn run(&mut self) {
        let mut gone = None;
        for (key, text) in documents() {
            let id = self.upload(key, &text).await;
            gone = gone.or((key == "gone.txt").then_some(id));
        }
        self.idle().await;
        let (collection, other) = (self.collection, "The heron eats fish, and the gauge shows 3 bar.");
        self.insist(async |client| put(client, collection, "changed.md", other).await).await;
        self.delete(&gone.unwrap()).await;
        self.idle().await;
    }

    /// What is left in the end, all of which Postgres and the index agree upon.
    async fn end(mut self) -> Vec<String> {
        let code = self.server.take().and_then(Server::stop);
        assert!(code == Some(0) || self.may_end(), "{code:?}: {}", self.told());
        for fault in &self.faults {
            assert!(
                self.has_happened(fault),
                "{fault:?} did not happen; was the program built with `--features fault-points`? {}",
                self.told()
            );
        }
        let corpus = self.fleet.left().await;
        let drift = examine(&corpus, false).await.unwrap();
        assert!(drift.is_none() && drift.chunks == drift.points, "{:?}: {drift:?}", self.faults);
        let picture = picture::of(&corpus, self.scope).await;
        drop(corpus);
        self.fleet.stop().await;
        picture
    }
}

/// Uploads a document, or another text for one.
async fn put(client: &Client, collection: CollectionId, key: &str, text: &str) -> Result<Value, ClientError> {
    let path = format!("/api/v1/collections/{collection}/documents");
    let taken: Value = client.post(&path, &json!({ "key": key, "text": text })).await?;
    Ok(taken["documents"][0].clone())
}

async fn run(provider: &Counting, faults: Vec<Fault>) -> Vec<String> {
    let mut plant = Plant::start(provider, faults).await;
    plant.run().await;
    plant.end().await
}

/// Lets each fault happen to a server of its own.
async fn survive(faults: impl IntoIterator<Item = Fault>) {
    let provider = Counting::start(Faults::default()).await;
    let expected = run(&provider, Vec::new()).await;
    let mut happened = 0;
    for fault in faults {
        let left = run(&provider, fault.with_cause()).await;
        let sets = [&expected, &left].map(|lines| lines.iter().collect::<BTreeSet<_>>());
        let (lacking, added): (Vec<_>, Vec<_>) =
            (sets[0].difference(&sets[1]).collect(), sets[1].difference(&sets[0]).collect());
        assert!(left == expected, "{fault:?}: lacks {lacking:#?}, has besides {added:#?}");
        happened += 1;
    }
    eprintln!("{happened} faults, after each the same {} lines", expected.len());
}

/// Another fault at each place, or more of them.
fn in_turn(places: &[Place]) -> Vec<Fault> {
    let runs = usize::try_from(number("FOOTNOTE_FAULT_RUNS", 1)).unwrap().min(WRONGS.len());
    let first = Random::seeded().index(WRONGS.len());
    let of = |(turn, place): (usize, &Place)| {
        let place = *place;
        (0..runs).map(move |n| Fault::new(place, WRONGS[(first + turn + n) % WRONGS.len()]))
    };
    places.iter().enumerate().flat_map(of).collect()
}

/// The end of the process at each place, early and later.
fn ends(places: &[Place]) -> impl Iterator<Item = Fault> {
    let runs = usize::try_from(number("FOOTNOTE_FAULT_RUNS", 1)).unwrap();
    let early = Random::seeded().index(2);
    places
        .iter()
        .flat_map(move |place| (0..runs).map(move |n| Fault { place: *place, wrong: "abort", spared: (early + n) % 2 }))
}

#[test]
fn no_place_is_forgotten() {
    let tested = [&DOORS[..], &READING, &SHOWING, &EMBEDDING, &PURGING, &KEEPING].concat();
    let untested: Vec<_> = Place::ALL.iter().filter(|place| !tested.contains(place)).collect();
    assert!(untested.is_empty() && tested.len() == Place::ALL.len(), "{untested:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_where_documents_come_in_and_leave_change_nothing_in_the_end() {
    survive(in_turn(&DOORS)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_where_files_are_read_change_nothing_in_the_end() {
    survive(in_turn(&READING)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_where_words_become_visible_change_nothing_in_the_end() {
    survive(in_turn(&SHOWING)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_where_vectors_are_made_change_nothing_in_the_end() {
    survive(in_turn(&EMBEDDING)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_where_points_are_taken_out_change_nothing_in_the_end() {
    survive(in_turn(&PURGING)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_where_claims_are_kept_and_given_back_change_nothing_in_the_end() {
    survive(in_turn(&KEEPING)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_between_update_flush_and_commit_of_words_is_done_again() {
    survive(ends(&[Place::PointsUpdated, Place::PointsFlushed, Place::Publishing])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_between_update_flush_and_commit_of_vectors_is_done_again() {
    survive(ends(&[Place::VectorsUpdated, Place::VectorsFlushed, Place::Finishing])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_come_after_their_document_is_deleted_go_too() {
    let provider = Counting::start(Faults::default()).await;
    let late = Fault { place: Place::Stored, wrong: "sleep 2000", spared: 1 };
    let meanwhile = [
        // They come between the purge of the index and that of the rows.
        Fault::new(Place::PurgeFlushed, "sleep 5000"),
        // They come after both, and nobody gets to publishing.
        Fault { place: Place::PointsFlushed, wrong: "error", spared: 1 },
        Fault { place: Place::PointsFlushed, wrong: "panic", spared: 1 },
    ];
    for fault in meanwhile {
        let mut plant = Plant::start(&provider, vec![late, fault]).await;
        plant.upload("pump.txt", "The pump P4 holds 4 bar.").await;
        plant.idle().await;
        let gone = plant.upload("gone.txt", "The gauge of the old pump shows nothing.").await;
        until("its rows", async || plant.has_happened(&late).then_some(())).await;
        plant.delete(&gone).await;
        until("the other fault", async || plant.has_happened(&fault).then_some(())).await;
        purged(&Client::new(plant.server().unwrap().transport())).await;
        plant.idle().await;
        plant.end().await;
    }
}
