//! Who publishes an archive locks what lies within it together with the other
//! documents of its batch, in the order of all others: nobody waits in a circle.
//!
//! `FOOTNOTE_CHANGES` sets how many changes there are (400 unless set).

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use footnote_ingest::corpus::Corpus;
use footnote_ingest::error::Error;
use footnote_ingest::ids::DocumentId;
use footnote_ingest::pipeline::Workers;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::documents::{self, Filter};
use footnote_ingest::store::edits::Edit;
use footnote_ingest::store::{jobs, purges};
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::harness::Rig;
use crate::random::{Random, number};
use crate::submitted::stranger;

/// Who changes documents at once.
const CALLERS: u64 = 6;
/// Archives, and files in each: few enough to meet.
const ARCHIVES: u64 = 4;
const FILES: u64 = 5;

pub fn zip(files: &[(String, String)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn note(text: &str) -> Vec<u8> {
    zip(&[("note.txt".to_owned(), text.to_owned())])
}

async fn count(db: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(db).await.unwrap()
}

/// An archive that was read, with a note in it; the note.
async fn archive_with_note(rig: &Rig, owner: Scope) -> (DocumentId, DocumentId) {
    let archive = rig.submit(owner, "all.zip", &note("The valve opens at 3 bar.")).await;
    let workers = Workers::start(&rig.corpus).await.unwrap();
    let done = "select count(*) from documents where stage = 'done'";
    rig.until(async || count(&rig.corpus.db, done).await == 2).await;
    workers.stop().await;
    let filter = Filter { key: Some("all.zip/note.txt"), ..Filter::default() };
    let note = documents::list(&rig.corpus.db, owner, &filter, 1).await.unwrap().remove(0);
    (archive, note.id)
}

/// Publishes the archive and a document that came later than its note, while
/// somebody has the row of the note; then that one wants the row of the later
/// document. A worker that had it already would wait for the first row for ever.
async fn publishes_in_order(rig: &Rig, owner: Scope, lock: &'static str, note_id: DocumentId) {
    let db = &rig.corpus.db;
    rig.submit(owner, "all.zip", &note("The valve opens at 4 bar.")).await;
    let later = rig.submit(owner, "later.txt", b"The pump holds 4 bar.").await;
    assert!(note_id < later);
    let mut other = db.begin().await.unwrap();
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *other).await.unwrap();
    let locked = sqlx::query(lock).bind(note_id).fetch_all(&mut *other).await.unwrap();
    assert_eq!(locked.len(), 1);
    let workers = Workers::start(&rig.corpus).await.unwrap();
    let waits = "select exists (select from pg_stat_activity where $1 = any(pg_blocking_pids(pid)))";
    rig.until(async || sqlx::query_scalar(waits).bind(pid).fetch_one(db).await.unwrap()).await;
    let locked = sqlx::query(lock).bind(later).fetch_all(&mut *other).await;
    assert_eq!(locked.expect("the worker has not come to it yet").len(), 1);
    other.commit().await.unwrap();
    rig.until(async || count(db, "select count(*) from documents where stage <> 'done'").await == 0).await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_in_an_archive_are_locked_before_later_documents() {
    let rig = Rig::start().await;
    let owner = stranger(&rig.corpus.db).await;
    let (archive, note) = archive_with_note(&rig, owner).await;
    assert!(archive < note);
    publishes_in_order(&rig, owner, "select id from documents where id = $1 for update nowait", note).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_what_is_in_an_archive_are_locked_before_those_of_later_documents() {
    let rig = Rig::start().await;
    let owner = stranger(&rig.corpus.db).await;
    let (_, note) = archive_with_note(&rig, owner).await;
    // The note waits too, by itself, and not for this batch.
    rig.submit(owner, "all.zip/note.txt", b"The valve leaks.").await;
    let later = "update jobs set due_at = now() + interval '1 hour'";
    assert_eq!(sqlx::query(later).execute(&rig.corpus.db).await.unwrap().rows_affected(), 1);
    publishes_in_order(&rig, owner, "select id from jobs where document_id = $1 for update nowait", note).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_archive_replaces_in_its_own_batch_is_read_again() {
    let rig = Rig::start().await;
    let owner = stranger(&rig.corpus.db).await;
    archive_with_note(&rig, owner).await;
    // Both are claimed together, and the archive holds another text than the note.
    rig.submit(owner, "all.zip/note.txt", b"The valve leaks.").await;
    rig.submit(owner, "all.zip", &note("The valve opens at 4 bar.")).await;
    let workers = Workers::start(&rig.corpus).await.unwrap();
    rig.until(async || count(&rig.corpus.db, "select count(*) from jobs").await == 0).await;
    workers.stop().await;
    let texts = "select count(*) from documents d join revisions r on r.id = d.revision_id
                 where d.stage = 'done' and r.version = d.version and convert_from(r.text, 'UTF8') like '%4 bar%'";
    assert_eq!(count(&rig.corpus.db, texts).await, 1, "the archive holds no text itself");
    rig.stop().await;
}

/// Who queues a purge anew holds its row, and wants more: who takes done ones off the
/// queue waits for none of them, and leaves it.
#[tokio::test]
async fn a_purge_that_is_queued_anew_is_not_waited_for_and_stays() {
    let rig = Rig::start().await;
    let owner = stranger(&rig.corpus.db).await;
    let ids = [
        rig.submit(owner, "a.txt", b"The pump holds 4 bar.").await,
        rig.submit(owner, "b.txt", b"The valve leaks.").await,
    ];
    let mut tx = rig.corpus.db.begin().await.unwrap();
    documents::delete(&mut tx, owner, None, Some(&ids)).await.unwrap();
    tx.commit().await.unwrap();
    let queued = purges::oldest(&rig.corpus.db, 10).await.unwrap();
    assert_eq!(queued.len(), 2);
    let mut other = rig.corpus.db.begin().await.unwrap();
    let anew = "update purges set created_at = clock_timestamp() where revision_id = $1";
    assert_eq!(sqlx::query(anew).bind(queued[0].revision).execute(&mut *other).await.unwrap().rows_affected(), 1);
    let forgotten = tokio::time::timeout(Duration::from_secs(5), purges::forget(&rig.corpus.db, &queued)).await;
    forgotten.expect("nothing is waited for").unwrap();
    other.commit().await.unwrap();
    let left = purges::oldest(&rig.corpus.db, 10).await.unwrap();
    assert_eq!(left.iter().map(|purge| purge.revision).collect::<Vec<_>>(), [queued[0].revision]);
    rig.stop().await;
}

/// Some of the documents that there are.
async fn some(corpus: &Corpus, owner: Scope, random: &mut Random) -> Vec<DocumentId> {
    let all = documents::list(&corpus.db, owner, &Filter::default(), 100).await.unwrap();
    all.into_iter().map(|document| document.id).filter(|_| random.below(2) == 0).collect()
}

/// One of few: archives hold the same bytes.
fn text(random: &mut Random) -> String {
    format!("The valve opens at {} bar.", random.below(4))
}

/// One change of an archive, of what lies within one, or of some documents.
async fn change(rig: &Rig, owner: Scope, random: &mut Random) {
    let corpus = &rig.corpus;
    let archive = format!("{}.zip", random.below(ARCHIVES));
    match random.below(10) {
        0..4 => {
            let mut files: Vec<(String, String)> = (0..FILES).map(|n| (format!("{n}.txt"), text(random))).collect();
            let (turn, length) = (random.index(files.len()), 1 + random.index(files.len()));
            files.rotate_left(turn);
            files.truncate(length);
            rig.submit(owner, &archive, &zip(&files)).await;
        }
        4 => {
            let key = format!("{archive}/{}.txt", random.below(FILES));
            rig.submit(owner, &key, text(random).as_bytes()).await;
        }
        5 | 6 => {
            let chosen = some(corpus, owner, random).await;
            corpus.delete(owner, None, Some(&chosen)).await.unwrap();
        }
        7 => {
            let chosen = some(corpus, owner, random).await;
            let jobs = jobs::list(&corpus.db, Some(owner), jobs::Filter::default(), 100).await.unwrap();
            let chosen: Vec<_> =
                jobs.iter().filter(|job| chosen.contains(&job.document_id)).map(|job| job.id).collect();
            jobs::cancel(&corpus.db, Some(owner), Some(&chosen)).await.unwrap();
        }
        8 => {
            jobs::revive(&corpus.db, Some(owner), None).await.unwrap();
            corpus.wake();
        }
        _ => {
            let Some(document) = some(corpus, owner, random).await.pop() else { return };
            let title = random.word();
            match corpus.edit(owner, document, &Edit { title: Some(&title), ..Edit::default() }).await {
                // Another caller deleted it first.
                Ok(()) | Err(Error::NotFound(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_are_published_while_others_change_what_they_hold_and_nobody_waits_in_a_circle() {
    let changes = number("FOOTNOTE_CHANGES", 400);
    let mut random = Random::seeded();
    let rig = Arc::new(Rig::start().await);
    let owner = stranger(&rig.corpus.db).await;
    let workers = Workers::start(&rig.corpus).await.unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (rig, mut random) = (Arc::clone(&rig), random.branch());
        callers.spawn(async move {
            for _ in 0..changes / CALLERS {
                change(&rig, owner, &mut random).await;
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    let rig = Arc::into_inner(rig).expect("nobody else has it");
    let unread = "select count(*) from jobs where state <> 'dead'";
    rig.until(async || count(&rig.corpus.db, unread).await == 0).await;
    workers.stop().await;
    assert_eq!(rig.deadlocks().await, 0);
    rig.stop().await;
}
