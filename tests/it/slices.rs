//! Any slice of a long text is what its characters say, and what was stored before
//! slices were found by bytes is found as it was.

use footnote_ingest::document::Span;
use footnote_ingest::ids::RevisionId;
use footnote_ingest::pipeline::Workers;
use footnote_ingest::store::documents::{self, Stage};
use footnote_ingest::store::revisions;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use crate::harness::Rig;
use crate::submitted::stranger;

/// Code points from one noted place of a text to the next.
const STRIDE: usize = 4096;
/// Texts, and slices of each.
const TEXTS: usize = 6;
const SLICES: usize = 60;

/// A line of characters of one to four bytes each.
fn line() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z ,.]{20,80}", "[a-zäöüß€ ]{20,80}", "[ぁ-ん漢字、。]{20,80}", "[a-z😀🚀 ]{20,80}"]
}

/// Some ends lie beyond the text, some on the noted places.
fn span() -> impl Strategy<Value = (usize, usize)> {
    let near = (0..6_usize, 0..3_usize).prop_map(|(stride, off)| (stride * STRIDE + off).saturating_sub(1));
    let start = prop_oneof![near.clone(), 0..25_000_usize, Just(usize::MAX)];
    let end = prop_oneof![near, 0..25_000_usize, Just(usize::MAX)];
    (start, end)
}

#[tokio::test(flavor = "multi_thread")]
async fn any_slice_of_a_text_is_what_its_characters_say() {
    let rig = Rig::start().await;
    let owner = stranger(&rig.corpus.db).await;
    let mut runner = TestRunner::new(Config::default());
    let workers = Workers::start(&rig.corpus).await.unwrap();
    for number in 0..TEXTS {
        let lines = if number == 0 { "[a-z ]{50,90}".boxed() } else { line().boxed() };
        // White space at the ends of lines is not kept.
        let lines = lines.prop_map(|line| format!("x{line}x\n"));
        let text = prop::collection::vec(lines, 300..400).new_tree(&mut runner).unwrap().current().concat();
        let document = rig.submit(owner, &format!("{number}.txt"), text.as_bytes()).await;
        rig.until(async || rig.stage(owner, document).await == Stage::Done).await;
        let revision = documents::find(&rig.corpus.db, owner, document).await.unwrap().unwrap().revision_id.unwrap();
        let whole = Span { start: 0, end: usize::MAX };
        let stored = revisions::text_part(&rig.corpus.db, owner, revision, whole).await.unwrap().unwrap();
        assert_eq!(stored.text.trim_end(), text.trim_end());
        let characters: Vec<char> = stored.text.chars().collect();
        assert!(characters.len() > 3 * STRIDE, "{}", characters.len());
        for _ in 0..SLICES {
            let (start, end) = span().new_tree(&mut runner).unwrap().current();
            sliced(&rig, owner, revision, &characters, Span { start, end: end.max(start) }).await;
        }
    }
    workers.stop().await;
    rig.stop().await;
}

/// Both ways of reading a slice give the characters of it.
async fn sliced(
    rig: &Rig,
    owner: footnote_ingest::scope::Scope,
    revision: RevisionId,
    characters: &[char],
    span: Span,
) {
    let clamp = |at: usize| at.min(characters.len());
    let expected: String = characters[clamp(span.start)..clamp(span.end)].iter().collect();
    let part = revisions::text_part(&rig.corpus.db, owner, revision, span).await.unwrap().unwrap();
    assert_eq!(part.text, expected, "{span:?}");
    let within = Span { start: clamp(span.start), end: span.end };
    let parts = revisions::text_parts(&rig.corpus.db, owner, &[(revision, within)]).await.unwrap();
    assert_eq!(parts, [Some(expected)], "{within:?}");
}

/// A line of a long text.
const LONG: &str = "Füße und Öl – 12 bar €, 字 und 😀.\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_costs_what_is_sliced_however_far_it_is_into_its_text() {
    let rig = Rig::start().await;
    let owner = stranger(&rig.corpus.db).await;
    let document = rig.submit(owner, "long.txt", LONG.repeat(9000).as_bytes()).await;
    let workers = Workers::start(&rig.corpus).await.unwrap();
    rig.until(async || rig.stage(owner, document).await != Stage::Queued).await;
    workers.stop().await;
    // One that knows the tables already: what it has to look up counts too.
    let mut connection = rig.corpus.db.acquire().await.unwrap();
    blocks(&mut connection, 0, 1000).await;
    let (whole, near) = (blocks(&mut connection, 0, i32::MAX).await, blocks(&mut connection, 0, 1000).await);
    for start in [150_000, 290_000] {
        let far = blocks(&mut connection, start, 1000).await;
        assert!(
            far <= near + 8 && far + 20 < whole,
            "{far} blocks at {start}, {near} at the beginning, {whole} in all"
        );
    }
    drop(connection);
    rig.stop().await;
}

/// Blocks of the database that a slice of the only text takes.
async fn blocks(connection: &mut sqlx::PgConnection, start: i32, length: i32) -> i64 {
    let sql = "explain (analyze, buffers, format json)
        select text_slice(r.text, r.text_starts, $1, $2) from revisions r";
    let plan: serde_json::Value = sqlx::query_scalar(sql).bind(start).bind(length).fetch_one(connection).await.unwrap();
    let count = |name: &str| plan[0]["Plan"][name].as_i64().unwrap();
    count("Shared Hit Blocks") + count("Shared Read Blocks")
}

/// The migration in reverse.
const BEFORE: &str = "
    drop function text_slice;
    alter table revisions drop column text_starts;
    alter table revisions alter column text type text using convert_from(text, 'UTF8');
";
const MIGRATION: &str = include_str!("../../migrations/0024_text_slices.sql");

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_as_text_is_kept_as_what_is_stored_today() {
    let rig = Rig::start().await;
    let owner = stranger(&rig.corpus.db).await;
    let long = LONG.repeat(9000);
    let workers = Workers::start(&rig.corpus).await.unwrap();
    for (key, text) in [("plain.txt", "The valve opens at 4 bar."), ("short.txt", "Füße."), ("long.txt", &long)] {
        let document = rig.submit(owner, key, text.as_bytes()).await;
        rig.until(async || rig.stage(owner, document).await != Stage::Queued).await;
    }
    workers.stop().await;
    let mut tx = rig.corpus.db.begin().await.unwrap();
    let stored = stored(&mut tx).await;
    assert!(stored.iter().any(|(_, _, starts)| starts.as_ref().is_some_and(|starts| starts.len() > 64)));
    sqlx::raw_sql(BEFORE).execute(&mut *tx).await.unwrap();
    sqlx::raw_sql(MIGRATION).execute(&mut *tx).await.unwrap();
    assert!(self::stored(&mut tx).await == stored);
    tx.rollback().await.unwrap();
    rig.stop().await;
}

async fn stored(tx: &mut sqlx::PgTransaction<'_>) -> Vec<(RevisionId, Vec<u8>, Option<Vec<i32>>)> {
    sqlx::query_as("select id, text, text_starts from revisions order by id").fetch_all(&mut **tx).await.unwrap()
}
