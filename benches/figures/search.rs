//! A hundred thousand chunks: how soon they are searchable by words, and how
//! fast they are searched.

use std::time::{Duration, Instant};

use footnote::retrieve::{self, Query};
use footnote_ingest::corpus::Corpus;
use footnote_ingest::ids::RevisionId;
use footnote_ingest::index::{Mode, point_id};
use footnote_ingest::pipeline::Workers;
use footnote_ingest::store::{chunks, documents};
use futures::{StreamExt, stream};
use uuid::Uuid;

use crate::rig::{Rig, texts};
use crate::{Target, figure, quantile};

/// Copies of the sample texts, each with a sentence of its own: together a
/// little over 100,000 chunks.
const COPIES: usize = 800;
/// Documents that are taken in at once, as the files of one upload are.
const AT_ONCE: usize = 4;
/// Searches before them, in which connections prepare their statements.
const WARM_UP: usize = 100;
/// Searches that are measured.
const SEARCHES: usize = 500;
/// Chunks that get their vectors together.
const BATCH: i64 = 2048;
/// How far a vector is moved away from the real one it is made from: the length
/// of the noise, that of a vector being 1.
const NOISE: f32 = 0.6;

const QUESTIONS: [&str; 8] = [
    "How long is the warranty?",
    "What does the controller do when the power fails?",
    "Which screws hold the bonnet?",
    "How many days of holiday are there?",
    "Who pays for a return?",
    "What is the pressure of the valve?",
    "When is the canteen open?",
    "How is a sensor calibrated?",
];

pub async fn measure() {
    let rig = Rig::new().await;
    let corpus = rig.corpus().await;
    words(&rig, &corpus).await;
    vectors(&corpus).await;
    let started = Instant::now();
    corpus.live().index.optimize().await.expect("optimised");
    figure("optimising the index, in the background", started.elapsed().as_secs_f64(), "s", Target::None);
    // What the database's own upkeep does in the minutes after a bulk load.
    sqlx::query("vacuum (analyze)").execute(&rig.db).await.expect("vacuumed");
    searches(&rig, &corpus).await;
    drop(corpus);
    rig.stop().await;
}

/// Until all are searchable by words.
async fn words(rig: &Rig, corpus: &Corpus) {
    let collection = rig.collection("many").await;
    let texts = texts();
    let workers = Workers::start(corpus).await.expect("workers");
    let started = Instant::now();
    let copies = (0..COPIES).flat_map(|copy| texts.iter().map(move |text| (copy, text)));
    let submit = async |(copy, (key, bytes)): (usize, &(String, Vec<u8>))| {
        let mut bytes = bytes.clone();
        bytes.extend(format!("\n\nCopy number {copy} of this document.\n").bytes());
        rig.submit(corpus, collection, &format!("{copy}/{key}"), None, &bytes).await;
    };
    stream::iter(copies).for_each_concurrent(AT_ONCE, submit).await;
    let count = loop {
        let progress = documents::progress(&rig.db, rig.scope, collection).await.expect("progress");
        if progress.queued == 0 {
            break progress.chunks;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    #[expect(clippy::cast_precision_loss, reason = "a count of chunks")]
    let rate = count as f64 / started.elapsed().as_secs_f64();
    assert!(count >= 100_000, "{count} chunks are too few");
    workers.stop().await;
    figure("chunks until searchable by words", rate, "/s", Target::AtLeast(1500.0));
}

/// Gives every chunk a vector: those of the samples, moved by noise.
async fn vectors(corpus: &Corpus) {
    let model = corpus.live().embedder.model().to_owned();
    let mut real: Vec<Vec<f32>> = Vec::new();
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    loop {
        let batch: Vec<(RevisionId, i32, String)> = sqlx::query_as(
            "select c.revision_id, c.ordinal, text_slice(r.text, r.text_starts, c.start_at, c.end_at - c.start_at)
             from chunks c join revisions r on r.id = c.revision_id
             where not c.embedded order by c.revision_id, c.ordinal limit $1",
        )
        .bind(BATCH)
        .fetch_all(&corpus.db)
        .await
        .expect("chunks");
        if batch.is_empty() {
            break;
        }
        if real.is_empty() {
            let texts = batch[..240].iter().map(|(.., text)| text.clone()).collect();
            real = corpus.live().embedder.bulk(texts).await.expect("embedded");
        }
        let vectors: Vec<(Uuid, Vec<f32>)> = batch
            .iter()
            .map(|(revision, ordinal, _)| {
                let base = &real[noise.below(real.len())];
                (point_id(*revision, ordinal.cast_unsigned(), &model), noise.near(base))
            })
            .collect();
        corpus.live().index.set_dense(vectors).await.expect("stored");
        let (ids, ordinals): (Vec<_>, Vec<_>) =
            batch.iter().map(|(revision, ordinal, _)| (*revision, *ordinal)).unzip();
        chunks::mark_embedded(&corpus.db, &ids, &ordinals).await.expect("marked");
    }
    sqlx::query("update documents set stage = 'done'").execute(&corpus.db).await.expect("done");
    sqlx::query("delete from jobs").execute(&corpus.db).await.expect("an empty queue");
}

async fn searches(rig: &Rig, corpus: &Corpus) {
    let mut with = Vec::new();
    let mut without = Vec::new();
    for n in 0..WARM_UP + SEARCHES {
        let query = Query {
            text: format!("{} {n}", QUESTIONS[n % QUESTIONS.len()]),
            mode: Mode::Hybrid,
            limit: 10,
            ..Query::default()
        };
        let found = retrieve::retrieve(corpus, rig.scope, &query).await.expect("found");
        assert!(!found.passages.is_empty());
        if n < WARM_UP {
            continue;
        }
        without.push(found.search.as_secs_f64() * 1000.0);
        with.push((found.embed + found.search).as_secs_f64() * 1000.0);
    }
    figure("search at 100,000 chunks, p50", quantile(&mut without, 0.5), "ms", Target::None);
    figure("search at 100,000 chunks, p99", quantile(&mut without, 0.99), "ms", Target::AtMost(5.0));
    figure("the same with the query's embedding, p50", quantile(&mut with, 0.5), "ms", Target::None);
    figure("the same with the query's embedding, p99", quantile(&mut with, 0.99), "ms", Target::None);
}

/// Pseudo-random numbers, the same in every run (xorshift64, Marsaglia, 2003).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    /// A unit vector near another.
    fn near(&mut self, base: &[f32]) -> Vec<f32> {
        #[expect(clippy::cast_precision_loss, reason = "noise")]
        let mut moved: Vec<f32> = base
            .iter()
            .map(|value| {
                let uniform = (self.next() >> 40) as f32 / (1_u64 << 24) as f32 - 0.5;
                // A uniform number in [-0.5, 0.5) has the deviation 1 / sqrt(12).
                value + NOISE * uniform * (12.0 / base.len() as f32).sqrt()
            })
            .collect();
        let length = moved.iter().map(|value| value * value).sum::<f32>().sqrt();
        for value in &mut moved {
            *value /= length;
        }
        moved
    }
}
