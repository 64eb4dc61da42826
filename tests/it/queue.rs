//! The queue of documents: fair shares, claims that are lost, documents that
//! cannot be read, cancelling and trying again.

use std::collections::HashSet;
use std::fmt::Write;
use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use footnote_ingest::corpus::Incoming;
use footnote_ingest::ids::{DocumentId, JobId, WorkerId};
use footnote_ingest::pipeline::Workers;
use footnote_ingest::store::documents::{self, Stage};
use footnote_ingest::store::jobs::{self, Step};
use footnote_ingest::store::{collections, stages};
use serde_json::json;

use crate::harness::{Rig, TestApp, operator};
use crate::submitted::{incoming, stranger};

/// Nobody else can prolong a lease while its row is locked.
#[tokio::test]
async fn what_was_written_for_long_is_held_for_a_whole_lease_more() {
    let rig = Rig::start().await;
    let db = &rig.corpus.db;
    let owner = stranger(db).await;
    rig.submit(owner, "large.txt", b"The pump holds 4 bar.").await;
    let claims = jobs::claim(db, WorkerId::new(), Step::Read, 1, 1 << 20, &[]).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let held = jobs::hold(&mut tx, &claims).await.unwrap();
    let nearly_over = "update jobs set lease_until = now() + interval '1 second'";
    sqlx::query(nearly_over).execute(&mut *tx).await.unwrap();
    jobs::prolong(&mut tx, &held).await.unwrap();
    tx.commit().await.unwrap();
    let left = "select lease_until > now() + interval '20 seconds' from jobs";
    assert!(sqlx::query_scalar::<_, bool>(left).fetch_one(db).await.unwrap());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_queues_one_document_does_not_wait_for_who_queued_thousands() {
    let rig = Rig::start().await;
    let (many, one) = (stranger(&rig.corpus.db).await, stranger(&rig.corpus.db).await);
    for n in 0..2000 {
        rig.submit(many, &format!("{n}.txt"), format!("Report {n} of the many.").as_bytes()).await;
    }
    let wanted = rig.submit(one, "single.txt", b"The only report.").await;
    let workers = Workers::start(&rig.corpus).await.unwrap();
    rig.until(async || rig.stage(one, wanted).await != Stage::Queued).await;
    let left: i64 = sqlx::query_scalar("select count(*) from documents where stage = 'queued'")
        .fetch_one(&rig.corpus.db)
        .await
        .unwrap();
    workers.stop().await;
    assert!(left > 1000, "{left} of the many are left");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claimed_one_by_one_what_is_urgent_comes_first_and_nobody_waits_for_all_of_another() {
    const MANY: usize = 60;
    let rig = Rig::start().await;
    let (db, owner, other) = (&rig.corpus.db, stranger(&rig.corpus.db).await, stranger(&rig.corpus.db).await);
    let large = collections::ensure(db, owner, "large").await.unwrap();
    let (later, urgent) = ("later.txt".to_owned(), "urgent.txt".to_owned());
    let many: Vec<String> = (0..MANY).map(|n| format!("{n:02}.txt")).collect();
    let queued = [(&later, -5)].into_iter().chain(many.iter().map(|key| (key, 0))).chain([(&urgent, 7)]);
    for (key, priority) in queued {
        let incoming = Incoming { key, bytes: key.as_bytes(), priority, ..incoming(large) };
        rig.corpus.submit(owner, &incoming).await.unwrap();
    }
    let small = collections::ensure(db, owner, "small").await.unwrap();
    let incoming = Incoming { key: "small.txt", bytes: b"Of another collection.", ..incoming(small) };
    rig.corpus.submit(owner, &incoming).await.unwrap();
    let theirs = rig.submit(other, "theirs.txt", b"Of another owner.").await;

    let mut order = Vec::new();
    for _ in 0..MANY + 4 {
        let claimed = jobs::claim(db, WorkerId::new(), Step::Read, 1, 1 << 20, &[]).await.unwrap();
        let [job] = claimed.as_slice() else { panic!("one is claimed: {claimed:?}") };
        let scope = if job.document == theirs { other } else { owner };
        order.push(documents::find(db, scope, job.document).await.unwrap().unwrap().key);
    }
    // Lots are drawn between owners, and between an owner's collections: that one is
    // drawn only among the last ten happens once in 2^40 times.
    for key in ["theirs.txt", "small.txt"] {
        let place = order.iter().position(|other| other == key).expect("it is claimed");
        assert!(place < MANY - 10, "{order:?}");
        order.remove(place);
    }
    let expected: Vec<&String> = [&urgent].into_iter().chain(&many).chain([&later]).collect();
    assert_eq!(order.iter().collect::<Vec<_>>(), expected);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_lease_ran_out_may_not_commit() {
    let rig = Rig::start().await;
    let (db, owner) = (rig.corpus.db.clone(), stranger(&rig.corpus.db).await);
    rig.submit(owner, "a.txt", b"One.").await;
    let claim = async || jobs::claim(&db, WorkerId::new(), Step::Read, 10, 1 << 20, &[]).await.unwrap();
    let frozen = claim().await;
    assert_eq!((frozen.len(), claim().await.len()), (1, 0));
    sqlx::query("update jobs set lease_until = now() - interval '1 second'").execute(&db).await.unwrap();
    // Late, though nobody has taken it over yet.
    let mut tx = db.begin().await.unwrap();
    assert!(jobs::hold(&mut tx, &frozen).await.unwrap().is_empty());
    tx.rollback().await.unwrap();
    assert!(jobs::renew(&db, &frozen, false).await.unwrap().is_empty());
    assert_eq!(jobs::recover(&db, false).await.unwrap(), 1);
    let second = claim().await;
    let mut tx = db.begin().await.unwrap();
    assert!(jobs::hold(&mut tx, &frozen).await.unwrap().is_empty());
    assert_eq!(jobs::hold(&mut tx, &second).await.unwrap(), [second[0].id]);
    tx.rollback().await.unwrap();
    assert!(jobs::renew(&db, &frozen, true).await.unwrap().is_empty());
    // A late release takes nothing away from who holds it now.
    jobs::release(&db, &frozen).await.unwrap();
    assert!(claim().await.is_empty());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_being_committed_keeps_no_other_from_being_renewed() {
    let rig = Rig::start().await;
    let (db, owner) = (rig.corpus.db.clone(), stranger(&rig.corpus.db).await);
    for key in ["a.txt", "b.txt"] {
        rig.submit(owner, key, key.as_bytes()).await;
    }
    let claims = jobs::claim(&db, WorkerId::new(), Step::Read, 10, 1 << 20, &[]).await.unwrap();
    let soon = "update jobs set lease_until = now() + interval '2 seconds'";
    sqlx::query(soon).execute(&db).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    assert_eq!(jobs::hold(&mut tx, &claims[..1]).await.unwrap(), [claims[0].id]);
    let renewed = tokio::time::timeout(Duration::from_secs(5), jobs::renew(&db, &claims, false)).await;
    assert_eq!(renewed.expect("nobody waits").unwrap().len(), 2, "both hold");
    tx.commit().await.unwrap();
    let long = "select id from jobs where lease_until > now() + interval '5 seconds'";
    let long: Vec<JobId> = sqlx::query_scalar(long).fetch_all(&db).await.unwrap();
    assert_eq!(long, [claims[1].id]);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_cut_off_from_the_database_keeps_what_nobody_took() {
    let rig = Rig::start().await;
    let (db, owner) = (rig.corpus.db.clone(), stranger(&rig.corpus.db).await);
    rig.submit(owner, "a.txt", b"One.").await;
    let claims = jobs::claim(&db, WorkerId::new(), Step::Read, 10, 1 << 20, &[]).await.unwrap();
    sqlx::query("update jobs set lease_until = now() - interval '1 minute'").execute(&db).await.unwrap();
    assert_eq!(jobs::renew(&db, &claims, true).await.unwrap(), [claims[0].id]);
    assert_eq!(jobs::recover(&db, false).await.unwrap(), 0);
    let mut tx = db.begin().await.unwrap();
    assert_eq!(jobs::hold(&mut tx, &claims).await.unwrap(), [claims[0].id]);
    tx.rollback().await.unwrap();
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_upload_takes_the_job_from_who_reads_the_old_one() {
    let rig = Rig::start().await;
    let (db, owner) = (rig.corpus.db.clone(), stranger(&rig.corpus.db).await);
    rig.submit(owner, "a.txt", b"Old.").await;
    let old = jobs::claim(&db, WorkerId::new(), Step::Read, 10, 1 << 20, &[]).await.unwrap();
    rig.submit(owner, "a.txt", b"New.").await;
    let mut tx = db.begin().await.unwrap();
    assert!(jobs::hold(&mut tx, &old).await.unwrap().is_empty());
    tx.rollback().await.unwrap();
    let new = jobs::claim(&db, WorkerId::new(), Step::Read, 10, 1 << 20, &[]).await.unwrap();
    let read = stages::queued(&db, &[new[0].document]).await.unwrap();
    assert_eq!((read[0].bytes.as_slice(), read[0].version), (b"New.".as_slice(), 2));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_workers_claim_each_document_once() {
    let rig = Rig::start().await;
    let owner = stranger(&rig.corpus.db).await;
    for n in 0..300 {
        rig.submit(owner, &format!("{n}.txt"), b"Text.").await;
    }
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let db = rig.corpus.db.clone();
        workers.spawn(async move {
            let (worker, mut mine) = (WorkerId::new(), Vec::new());
            while jobs::any_unread(&db).await.unwrap() {
                let claims = jobs::claim(&db, worker, Step::Read, 7, 1 << 20, &[]).await.unwrap();
                let mut tx = db.begin().await.unwrap();
                let held = jobs::hold(&mut tx, &claims).await.unwrap();
                assert_eq!(held.len(), claims.len());
                sqlx::query("delete from jobs where id = any($1)").bind(&held).execute(&mut *tx).await.unwrap();
                tx.commit().await.unwrap();
                mine.extend(claims.into_iter().map(|claim| claim.document));
            }
            mine
        });
    }
    let claimed: Vec<DocumentId> = workers.join_all().await.into_iter().flatten().collect();
    assert_eq!((claimed.len(), claimed.iter().collect::<HashSet<_>>().len()), (300, 300));
    rig.stop().await;
}

/// A PDF whose one page takes very long to read: a million lines of text that
/// are packed into some hundred kilobytes.
fn endless_pdf() -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(b"BT /F1 10 Tf 1 0 0 1 72 700 Tm (words) Tj ET\n".repeat(1 << 20).as_slice()).unwrap();
    let content = packer.finish().unwrap();
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    let head = format!("<< /Length {} /Filter /FlateDecode >>\nstream\n", content.len());
    let objects: [Vec<u8>; 5] = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>".to_vec(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R \
          /Resources << /Font << /F1 3 0 R >> >> >>"
            .to_vec(),
        [head.as_bytes(), &content, b"\nendstream"].concat(),
    ];
    for (object, number) in objects.iter().zip(1..) {
        offsets.push(file.len());
        file.extend(format!("{number} 0 obj\n").bytes().chain(object.iter().copied()).chain(*b"\nendobj\n"));
    }
    let table = file.len();
    let mut tail = String::from("xref\n0 6\n0000000000 65535 f \n");
    for offset in offsets {
        writeln!(tail, "{offset:010} 00000 n ").unwrap();
    }
    write!(tail, "trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n").unwrap();
    file.extend(tail.bytes());
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_kills_its_reader_is_given_up_and_the_others_are_read() {
    let app = TestApp::with(|settings| settings.parser_cpu_seconds = 1).await;
    let collection = app.collection("mixed").await;
    let corpus = &app.corpus();
    let scope = operator(&corpus.db).await;
    let submit = async |key: &str, bytes: &[u8]| {
        let incoming = Incoming { bytes, key, ..incoming(collection.parse().unwrap()) };
        corpus.submit(scope, &incoming).await.unwrap().0
    };
    let killer = submit("killer.pdf", &endless_pdf()).await;
    for n in 0..20 {
        submit(&format!("{n}.txt"), format!("Report {n}.").as_bytes()).await;
    }
    app.settled(&collection).await;
    let killed = app.get(&format!("/api/v1/documents/{killer}")).await.json();
    assert_eq!((&killed["stage"], &killed["failure_code"]), (&json!("failed"), &json!("parse_cpu")), "{killed}");
    let dead = app.get("/api/v1/admin/jobs?state=dead").await.json();
    assert_eq!(dead["items"][0]["attempts"], jobs::MAX_ATTEMPTS, "{dead}");
    assert_eq!(dead["items"].as_array().unwrap().len(), 1);
    let done = app.get(&format!("/api/v1/documents?collection={collection}&status=done")).await.json();
    assert_eq!(done["items"].as_array().unwrap().len(), 20);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_can_be_tried_again_and_what_waits_can_be_cancelled() {
    let app = TestApp::start().await;
    let collection = app.collection("jobs").await;
    app.text(&collection, "empty.txt", "   ").await;
    app.settled(&collection).await;
    let dead = app.get("/api/v1/admin/jobs?state=dead").await.json();
    assert_eq!(dead["items"][0]["failure_code"], "no_text", "{dead}");
    let again = app.post("/api/v1/admin/jobs/retry", &json!({})).await.json();
    assert_eq!(again["jobs"], 1);
    app.settled(&collection).await;
    let stats = app.get("/api/v1/admin/stats").await.json();
    assert_eq!((&stats["queue"][0]["state"], &stats["queue"][0]["jobs"]), (&json!("dead"), &json!(1)), "{stats}");
    // A job that nobody can claim yet stands for a long queue.
    sqlx::query("update jobs set state = 'waiting', due_at = now() + interval '1 hour'")
        .execute(&app.db)
        .await
        .unwrap();
    assert_eq!(app.post("/api/v1/admin/jobs/cancel", &json!({})).await.json()["jobs"], 1);
    let failed = app.get("/api/v1/documents?status=failed").await.json();
    assert_eq!(failed["items"][0]["failure_code"], "cancelled", "{failed}");
    app.stop().await;
}
