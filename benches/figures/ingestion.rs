//! Ingestion: what it costs above the embedder alone.

use std::time::Instant;

use footnote_ingest::context::contextual;
use footnote_ingest::corpus::Corpus;
use footnote_ingest::document::slice_all;
use footnote_ingest::pipeline::Workers;
use footnote_ingest::{chunk, parse};

use crate::rig::{self, Rig};
use crate::{Target, figure, quantile};

/// Rounds of both, in turns.
const ROUNDS: usize = 3;

/// Copies of the sample documents in each round: a thousand chunks, so that it
/// is the rate that counts and not the first and the last moment.
const COPIES: usize = 8;

/// What makes each copy's chunks other texts to embed: none comes from the cache.
fn title(key: &str) -> String {
    format!("Copy {key}")
}

/// The sample documents, made different for each round.
fn documents(round: usize) -> Vec<(String, Vec<u8>)> {
    let texts = rig::texts();
    let copies = (0..COPIES).flat_map(|copy| texts.iter().map(move |text| (copy, text)));
    copies
        .map(|(copy, (key, bytes))| {
            let mut bytes = bytes.clone();
            bytes.extend(format!("\n\nCopy number {copy} of round {round}.\n").bytes());
            (format!("{round}/{copy}/{key}"), bytes)
        })
        .collect()
}

/// The texts that the embedder is given for these documents.
fn texts(corpus: &Corpus, documents: &[(String, Vec<u8>)]) -> Vec<String> {
    let config = chunk::ChunkConfig { max_tokens: corpus.config.max_chunk_tokens, ..Default::default() };
    let mut texts = Vec::new();
    for (key, bytes) in documents {
        let parsed = parse::parse(&parse::Source { bytes, name: Some(key), media_type: None }).expect("parsed");
        let chunks = chunk::chunk(&parsed, corpus.live().embedder.tokens(), &config);
        let slices = slice_all(&parsed.text, chunks.iter().map(|chunk| chunk.span));
        texts.extend(chunks.iter().zip(slices).map(|(chunk, text)| contextual(&title(key), chunk, text)));
    }
    texts
}

/// Ingest throughput over that of the embedder alone, on the same chunks.
pub async fn throughput() {
    let rig = Rig::new().await;
    let corpus = rig.corpus().await;
    let collection = rig.collection("throughput").await;
    let workers = Workers::start(&corpus).await.expect("workers");
    let mut ratios = Vec::new();
    let mut rates = Vec::new();
    for round in 0..=ROUNDS {
        let documents = documents(round);
        let texts = texts(&corpus, &documents);
        let count = texts.len();
        let started = Instant::now();
        corpus.live().embedder.bulk(texts).await.expect("embedded");
        let alone = started.elapsed();
        let started = Instant::now();
        for (key, bytes) in &documents {
            rig.submit(&corpus, collection, key, Some(&title(key)), bytes).await;
        }
        corpus.settled(rig.scope, collection).await.expect("settled");
        let ingested = started.elapsed();
        // The first round warms up.
        if round > 0 {
            ratios.push(alone.as_secs_f64() / ingested.as_secs_f64());
            #[expect(clippy::cast_precision_loss, reason = "a count of chunks")]
            rates.push(count as f64 / ingested.as_secs_f64());
        }
    }
    figure("ingest over the embedder alone, median", quantile(&mut ratios, 0.5), "", Target::AtLeast(0.95));
    figure("chunks until searchable by meaning, median", quantile(&mut rates, 0.5), "/s", Target::None);
    workers.stop().await;
    drop(corpus);
    rig.stop().await;
}
