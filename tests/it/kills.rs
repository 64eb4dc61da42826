//! Kill -9 in the middle of ingestion: after the last restart the index holds
//! exactly what Postgres says, each document once.
//!
//! `FOOTNOTE_KILLS` sets how often it kills (8 unless set).

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::command::{Footnote, write};
use crate::harness::folder;
use crate::random::{Random, number};

const DOCUMENTS: usize = 60;

#[test]
fn killed_in_the_middle_of_ingestion_nothing_is_lost_or_twice() {
    let kills = number("FOOTNOTE_KILLS", 8);
    let mut random = Random::seeded();
    let footnote = Footnote::new();
    let files = folder();
    let path = files.path().to_str().unwrap();
    let write_all = |round: u64| {
        for n in 0..DOCUMENTS {
            // Every third changes with each round.
            let round = if n % 3 == 0 { round } else { 0 };
            let text = format!("Report {n}, state {round}. ").repeat(40 + n * 3);
            write(files.path(), &format!("report-{n}.txt"), text);
        }
    };
    for kill in 0..kills {
        write_all(kill);
        let mut child = footnote.command(&["ingest", path, "--quiet"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(200 + random.below(2_300)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let report = footnote.json(&["ingest", path]);
    assert_eq!(report["failed"], serde_json::json!([]), "{report}");
    // Purges may still be under way when a command ends; the next one goes on.
    let mut drift = Value::Null;
    for _ in 0..20 {
        drift = footnote.json(&["doctor"]);
        if drift["orphaned"] == 0 {
            break;
        }
    }
    for finding in ["missing", "orphaned", "without_vector"] {
        assert_eq!(drift[finding], 0, "{drift}");
    }
    assert_eq!(drift["chunks"], drift["points"], "{drift}");
    assert_eq!(drift["chunks"], report["chunks"], "{drift}");
    let listed = footnote.json(&["collections"]);
    assert_eq!(listed["collections"][0]["documents"], DOCUMENTS, "{listed}");
    let last = kills.saturating_sub(1);
    for n in [0, 3, 30] {
        let query = format!("Report {n}, state {last}");
        let found = footnote.json(&["search", &query, "--mode", "sparse", "--limit", "200"]);
        let texts: BTreeSet<&str> =
            found["passages"].as_array().unwrap().iter().map(|passage| passage["text"].as_str().unwrap()).collect();
        assert!(texts.iter().any(|text| text.contains(&query)), "{query}");
        assert!(
            !texts.iter().any(|text| text.contains(&format!("Report {n}, state 0.")) && last > 0),
            "{query}: old text"
        );
    }
}
