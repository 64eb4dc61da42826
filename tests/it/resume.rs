//! A reader that was cut off reads on where it was: no event is missing and none
//! comes twice, wherever it was cut, while the answer is made and after a restart.
//!
//! `FOOTNOTE_CUTS` sets at how many random bytes a stream is cut (300 unless set;
//! 10,000 in `make soak`).

use axum::http::StatusCode;

use crate::harness::TestApp;
use crate::random::Random;
use crate::reading::{
    Frame, Reading, amount, asked, assert_whole, following, frames, last_id, odd, replayed, said, talking, varying,
    words,
};
use crate::scripted::pieces;

/// Pieces of the answer; few are stored together.
const PIECES: usize = 500;
/// Milliseconds before each.
const PAUSE: u64 = 4;
/// Reads of a restless reader before it goes away, at most.
const READS: u64 = 6;

/// What stands after one of its events.
async fn rest(app: &TestApp, path: &str, after: &str) -> Vec<u8> {
    Reading::open(&app.router, following(path, after)).await.rest().await
}

/// Cuts the stream at each event and at so many bytes, and reads on.
async fn reads_on_everywhere(app: &TestApp, path: &str, bytes: &[u8], cuts: usize, random: &mut Random) {
    let whole = frames(bytes);
    assert_eq!(said(&whole), words(&app.get(path).await.json()));
    for after in 0..=whole.len() {
        let rest = rest(app, path, &after.to_string()).await;
        assert!(bytes.ends_with(&rest), "after {after}");
        assert_eq!(frames(&rest), whole[after..], "after {after}");
    }
    for _ in 0..cuts {
        let cut = random.index(bytes.len() + 1);
        let read = frames(&bytes[..cut]);
        let rest = rest(app, path, &last_id(&read)).await;
        assert!([read, frames(&rest)].concat() == whole, "cut at byte {cut}");
    }
    // More than there is has only been read where the database lost something in a
    // crash of its own: the end is told.
    for beyond in [whole.len() + 1, 1_000_000, 2_147_483_647] {
        let rest = rest(app, path, &beyond.to_string()).await;
        assert_eq!(frames(&rest), whole[whole.len() - 1..], "after {beyond}");
    }
    for wrong in ["-1", "", "one", "1.0", "1 2", "2147483648"] {
        let reply = app.request(following(path, wrong)).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong:?}: {}", reply.text());
        assert_eq!(reply.code(), "unprocessable:last_event_id");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_was_cut_off_anywhere_reads_on_without_a_gap() {
    let cuts = amount("FOOTNOTE_CUTS", 300);
    let mut random = Random::seeded();
    let mut text = pieces("The pump P4 is rated for 4 bar [1: \"rated for a pressure of 4 bar\"]. ");
    text.extend(odd(&mut random, PIECES));
    let (app, _provider) = talking(varying(&[text], PAUSE), |_| {}).await;
    let collection = app.collection("manuals").await;
    app.text(&collection, "p4", "The pump P4 is rated for a pressure of 4 bar. It weighs 3 kg.").await;
    app.settled(&collection).await;
    let (reading, path) = asked(&app, "What is the pump P4 rated for?").await;
    let bytes = reading.rest().await;
    let whole = frames(&bytes);
    assert_whole(&whole, "message.completed");
    assert!(whole.len() > PIECES / 10, "{} events", whole.len());
    assert!(whole.iter().any(|frame| frame.name == "citation"), "{}", said(&whole));
    eprintln!("{} events in {} bytes, cut {cuts} times", whole.len(), bytes.len());
    assert!(replayed(&app, &path).await == bytes);
    reads_on_everywhere(&app, &path, &bytes, cuts, &mut random).await;
    let app = app.restarted().await;
    reads_on_everywhere(&app, &path, &bytes, cuts, &mut random).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_cut_off_again_and_again_misses_nothing_of_a_running_answer() {
    let mut random = Random::seeded();
    let text = odd(&mut random, PIECES);
    let (app, _provider) = talking(varying(std::slice::from_ref(&text), PAUSE), |_| {}).await;
    let (steady, path) = asked(&app, "What is said?").await;
    let restless = async {
        let (mut read, mut times) = (Vec::<Frame>::new(), 0);
        loop {
            let mut reading = Reading::open(&app.router, following(&path, &last_id(&read))).await;
            times += 1;
            let mut open = true;
            for _ in 0..=random.below(READS) {
                open = open && reading.more().await;
            }
            if !open {
                read.extend(frames(&reading.bytes));
                return (read, times);
            }
            // The last bytes did not arrive.
            let cut = random.index(reading.bytes.len() + 1);
            read.extend(frames(&reading.bytes[..cut]));
        }
    };
    // One who says that it has read what there is not yet is told what comes next.
    let beyond = async {
        let mut told = Vec::new();
        for after in ["1000000", "2147483647"] {
            told.push(Reading::open(&app.router, following(&path, after)).await);
        }
        futures::future::join_all(told.into_iter().map(Reading::rest)).await
    };
    let (bytes, (read, times), beyond) = tokio::join!(steady.rest(), restless, beyond);
    let whole = frames(&bytes);
    for told in beyond {
        let told = frames(&told);
        assert!(!told.is_empty() && whole.ends_with(&told), "{:?}", told.first());
    }
    assert_whole(&whole, "message.completed");
    assert!(times > 2, "it was never cut off");
    eprintln!("{} events, read in {times} parts", whole.len());
    assert_eq!(read, whole);
    assert_eq!(said(&read), text.concat());
    app.stop().await;
}
