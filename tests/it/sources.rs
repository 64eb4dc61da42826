//! Where `ingest` finds documents, and what becomes of those that move.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::command::{Footnote, Server, errors, parsed, write};
use crate::harness::folder;

const COUNTS: [&str; 5] = ["added", "changed", "moved", "unchanged", "deleted"];

fn counts(report: &Value) -> [u64; 5] {
    COUNTS.map(|name| report[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {report}")))
}

/// The one document that a search finds.
fn found(footnote: &Footnote, query: &str) -> Value {
    footnote.json(&["search", query, "--limit", "1"])["passages"][0].clone()
}

fn git(folder: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "init.defaultBranch=main"];
    let done = Command::new("git").arg("-C").arg(folder).args(identity).args(arguments).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", errors(&done));
}

fn set_time(file: &Path, time: SystemTime) {
    std::fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_moved_file_keeps_its_document_and_what_cites_it() {
    let footnote = Footnote::new();
    let notes = folder();
    write(notes.path(), "pump.txt", "The pump P4 is rated for a pressure of 4 bar.");
    write(notes.path(), "leave.txt", "Every employee has thirty days of paid leave.");
    let path = notes.path().to_str().unwrap();
    assert_eq!(counts(&footnote.json(&["ingest", path])), [2, 0, 0, 0, 0]);
    let before = found(&footnote, "pressure of the pump");
    assert_eq!((&before["key"], &before["title"]), (&json!("pump.txt"), &json!("pump.txt")));

    std::fs::create_dir(notes.path().join("plant")).unwrap();
    std::fs::rename(notes.path().join("pump.txt"), notes.path().join("plant/p4.txt")).unwrap();
    let told = footnote.run(&["ingest", path, "--prune", "--dry-run", "--json"]);
    assert_eq!(counts(&parsed(&told)), [0, 0, 1, 1, 0]);
    assert!(errors(&told).contains("would move: pump.txt to plant/p4.txt"), "{}", errors(&told));
    assert_eq!(parsed(&told)["plan"], json!({ "bytes": 0, "tokens": 0 }));

    assert_eq!(counts(&footnote.json(&["ingest", path, "--prune"])), [0, 0, 1, 1, 0]);
    let after = found(&footnote, "pressure of the pump");
    assert_eq!((&after["key"], &after["title"]), (&json!("plant/p4.txt"), &json!("plant/p4.txt")));
    for same in ["document_id", "revision_id"] {
        assert!(after[same].is_string(), "{after}");
        assert_eq!(after[same], before[same], "{same}");
    }
    assert!(after["uri"].as_str().unwrap().ends_with("/plant/p4.txt"), "{after}");
    assert_eq!(counts(&footnote.json(&["ingest", path, "--prune"])), [0, 0, 0, 2, 0]);
}

#[test]
fn a_copy_is_a_new_document_and_so_is_what_two_files_held() {
    let footnote = Footnote::new();
    let notes = folder();
    for name in ["a.txt", "b.txt"] {
        write(notes.path(), name, "Herons stand in ponds.");
    }
    let path = notes.path().to_str().unwrap();
    footnote.json(&["ingest", path]);
    write(notes.path(), "c.txt", "Herons stand in ponds.");
    assert_eq!(counts(&footnote.json(&["ingest", path])), [1, 0, 0, 2, 0]);
    for name in ["a.txt", "b.txt", "c.txt"] {
        std::fs::remove_file(notes.path().join(name)).unwrap();
    }
    write(notes.path(), "d.txt", "Herons stand in ponds.");
    assert_eq!(counts(&footnote.json(&["ingest", path, "--prune"])), [1, 0, 0, 0, 3]);
}

#[test]
fn a_file_whose_size_and_time_are_the_same_is_not_read_again() {
    let footnote = Footnote::new();
    let notes = folder();
    write(notes.path(), "a.txt", "Herons stand in ponds.");
    let file = notes.path().join("a.txt");
    let path = notes.path().to_str().unwrap();
    let time = SystemTime::now() - Duration::from_hours(1);
    set_time(&file, time);
    footnote.json(&["ingest", path]);
    // As no editor does: other bytes, and nothing else.
    std::fs::write(&file, "Storks stand on roofs.").unwrap();
    set_time(&file, time);
    assert_eq!(counts(&footnote.json(&["ingest", path])), [0, 0, 0, 1, 0]);
    assert_eq!(counts(&footnote.json(&["ingest", path, "--force"])), [0, 1, 0, 0, 0]);
    assert!(found(&footnote, "birds")["text"].as_str().unwrap().contains("Storks"));
}

#[test]
fn a_dry_run_tells_what_would_be_embedded() {
    let footnote = Footnote::new();
    let notes = folder();
    write(notes.path(), "a.txt", "x".repeat(1000));
    let told = footnote.run(&["ingest", notes.path().to_str().unwrap(), "--dry-run", "--json"]);
    assert_eq!(counts(&parsed(&told)), [1, 0, 0, 0, 0]);
    assert_eq!(parsed(&told)["plan"], json!({ "bytes": 1000, "tokens": 250 }));
    assert!(errors(&told).contains("would add: a.txt (1000 bytes)"), "{}", errors(&told));
}

#[test]
fn what_is_included_excluded_and_ignored_is_left_to_the_user() {
    let footnote = Footnote::new();
    let notes = folder();
    for name in ["a.md", "b.txt", "drafts/c.md", "old/d.md", "secret.md"] {
        write(notes.path(), name, format!("# {name}\n\nA note."));
    }
    write(notes.path(), ".footnoteignore", "secret.md\n");
    let path = notes.path().to_str().unwrap();
    let report = footnote.json(&["ingest", path, "--include", "*.md", "--exclude", "drafts", "--exclude", "old/*.md"]);
    assert_eq!(counts(&report), [1, 0, 0, 0, 0]);
    assert_eq!(found(&footnote, "note")["key"], "a.md");
    // What is left out now and stays on the disk has not moved.
    assert_eq!(counts(&footnote.json(&["ingest", path, "--include", "*.txt"])), [1, 0, 0, 0, 0]);
    let wrong = footnote.run(&["ingest", path, "--include", "["]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(errors(&wrong).contains("--include"), "{}", errors(&wrong));
}

#[test]
fn records_are_documents_with_title_and_metadata() {
    let footnote = Footnote::new();
    let lines = [
        json!({ "key": "1", "text": "Herons stand in ponds.", "title": "Herons", "meta": { "year": 2026 } }),
        json!({ "key": "2", "text": "Storks stand on roofs.", "uri": "https://example.com/storks" }),
    ];
    let send = |lines: &str| {
        let mut command = footnote.command(&["ingest", "-", "--records", "--json"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let text = format!("{}\n{}\nnot JSON\n", lines[0], lines[1]);
    let output = send(&text);
    assert_eq!(output.status.code(), Some(5), "a bad line is told");
    let report = parsed(&output);
    assert_eq!(counts(&report), [2, 0, 0, 0, 0]);
    assert_eq!(report["failed"][0]["key"], "-:3");
    assert_eq!(found(&footnote, "birds in water")["title"], "Herons");
    assert_eq!(found(&footnote, "storks on roofs")["uri"], "https://example.com/storks");

    assert_eq!(counts(&parsed(&send(&format!("{}\n", lines[0])))), [0, 0, 0, 1, 0]);
    let renamed = json!({ "key": "1", "text": "Herons stand in ponds.", "title": "Grey herons" });
    assert_eq!(counts(&parsed(&send(&renamed.to_string()))), [0, 1, 0, 0, 0]);
    assert_eq!(found(&footnote, "birds in water")["title"], "Grey herons");
}

#[test]
fn a_commit_is_read_as_it_is_and_its_renames_are_moves() {
    let footnote = Footnote::new();
    let repository = folder();
    let path = repository.path();
    git(path, &["init", "-q"]);
    write(path, "docs/pump.txt", "The pump P4 is rated for a pressure of 4 bar.");
    git(path, &["add", "."]);
    git(path, &["commit", "-q", "-m", "one"]);
    write(path, "docs/loose.txt", "This is in no commit.");
    let locator = format!("git+file://{}", path.display());
    assert_eq!(counts(&footnote.json(&["ingest", &locator])), [1, 0, 0, 0, 0]);
    let before = found(&footnote, "pressure of the pump");
    assert!(before["uri"].as_str().unwrap().starts_with("git+file:///"), "{before}");

    git(path, &["mv", "docs/pump.txt", "docs/p4.txt"]);
    git(path, &["commit", "-q", "-m", "two"]);
    assert_eq!(counts(&footnote.json(&["ingest", &locator])), [0, 0, 1, 0, 0]);
    assert_eq!(counts(&footnote.json(&["ingest", &locator])), [0, 0, 0, 1, 0]);
    let after = found(&footnote, "pressure of the pump");
    assert_eq!((&after["key"], &after["document_id"]), (&json!("docs/p4.txt"), &before["document_id"]));
    let missing = footnote.run(&["ingest", &format!("{locator}@nowhere")]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(errors(&missing).contains("nowhere"), "{}", errors(&missing));
}

#[test]
fn nothing_is_deleted_when_a_source_could_not_be_looked_at() {
    let footnote = Footnote::new();
    let notes = folder();
    write(notes.path(), "a.jsonl", format!("{}\n", json!({ "key": "1", "text": "Herons stand in ponds." })));
    let path = notes.path().join("a.jsonl");
    let path = path.to_str().unwrap();
    assert_eq!(counts(&footnote.json(&["ingest", path, "--records"])), [1, 0, 0, 0, 0]);
    write(notes.path(), "a.jsonl", "not JSON\n");
    let output = footnote.run(&["ingest", path, "--records", "--prune", "--json"]);
    assert_eq!(counts(&parsed(&output)), [0, 0, 0, 0, 0]);
    assert!(errors(&output).contains("nothing is deleted"), "{}", errors(&output));
}

#[test]
fn an_empty_folder_beside_a_full_one_deletes_nothing() {
    let footnote = Footnote::new();
    let (notes, share) = (folder(), folder());
    write(notes.path(), "a.txt", "Herons stand in ponds.");
    write(share.path(), "b.txt", "Storks stand on roofs.");
    let both = [notes.path().to_str().unwrap(), share.path().to_str().unwrap()];
    assert_eq!(counts(&footnote.json(&["ingest", both[0], both[1]])), [2, 0, 0, 0, 0]);
    // As if it were not mounted.
    std::fs::remove_file(share.path().join("b.txt")).unwrap();
    let output = footnote.run(&["ingest", both[0], both[1], "--prune", "--json"]);
    assert_eq!(counts(&parsed(&output)), [0, 0, 0, 1, 0]);
    assert!(errors(&output).contains(both[1]), "{}", errors(&output));
    assert_eq!(counts(&footnote.json(&["ingest", both[0], "--prune"])), [0, 0, 0, 1, 1]);
}

#[test]
fn what_is_no_document_is_not_sent_nor_counted_by_a_dry_run() {
    let footnote = Footnote::new();
    let notes = folder();
    write(notes.path(), "a.txt", "Herons stand in ponds.");
    write(notes.path(), "x.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    let path = notes.path().to_str().unwrap();
    let told = parsed(&footnote.run(&["ingest", path, "--dry-run", "--json"]));
    assert_eq!((&told["plan"]["bytes"], &told["skipped"]), (&json!(22), &json!(1)), "{told}");
    for counted in [[1, 0, 0, 0, 0], [0, 0, 0, 1, 0]] {
        let report = footnote.json(&["ingest", path]);
        assert_eq!((counts(&report), &report["skipped"]), (counted, &json!(1)), "{report}");
    }
    // What was a document and is none any more is told of.
    write(notes.path(), "a.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    let output = footnote.run(&["ingest", path, "--json"]);
    assert_eq!(failed(&parsed(&output)), ["a.txt"], "{}", errors(&output));
}

#[test]
fn of_two_records_with_one_key_the_first_one_has_it() {
    let footnote = Footnote::new();
    let notes = folder();
    let record = |text: &str| json!({ "key": "1", "uri": "https://example.com/1", "text": text }).to_string();
    let lines = [record("Herons stand in ponds."), record("Storks stand on roofs.")].join("\n");
    write(notes.path(), "a.jsonl", lines);
    let path = notes.path().join("a.jsonl");
    for counted in [[1, 0, 0, 0, 0], [0, 0, 0, 1, 0]] {
        let output = footnote.run(&["ingest", path.to_str().unwrap(), "--records", "--json"]);
        assert_eq!(output.status.code(), Some(5), "{}", errors(&output));
        let report = parsed(&output);
        assert_eq!((counts(&report), failed(&report)), (counted, vec!["1"]), "{report}");
    }
    assert!(found(&footnote, "birds")["text"].as_str().unwrap().contains("Herons"));
}

#[test]
fn a_record_that_tells_nothing_more_leaves_what_was_noted_of_it() {
    let footnote = Footnote::new();
    let notes = folder();
    let note = json!({ "key": "1", "text": "Herons stand in ponds." });
    let path = notes.path().join("a.jsonl");
    let ingest = |record: &Value| {
        write(notes.path(), "a.jsonl", format!("{record}\n"));
        counts(&footnote.json(&["ingest", path.to_str().unwrap(), "--records"]))
    };
    let told = |meta: Value| {
        let mut record = note.clone();
        record["meta"] = meta;
        record
    };
    let of_year = told(json!({ "year": 2026 }));
    for (record, counted) in [(&of_year, [1, 0, 0, 0, 0]), (&note, [0, 0, 0, 1, 0]), (&of_year, [0, 0, 0, 1, 0])] {
        assert_eq!(ingest(record), counted, "{record}");
    }
    assert_eq!(ingest(&told(json!({}))), [0, 1, 0, 0, 0]);
}

#[test]
fn a_watched_folder_takes_in_what_changes() {
    let footnote = Footnote::new();
    let notes = folder();
    write(notes.path(), "a.txt", "Herons stand in ponds.");
    let mut command = footnote.command(&["ingest", notes.path().to_str().unwrap(), "--watch", "--prune", "--json"]);
    let mut child =
        Server { child: command.stdout(Stdio::piped()).spawn().unwrap(), url: String::new(), token: String::new() };
    let mut lines = BufReader::new(child.child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(counts(&next()), [1, 0, 0, 0, 0]);
    write(notes.path(), "sub/b.txt", "Storks stand on roofs.");
    assert_eq!(counts(&next()), [1, 0, 0, 1, 0]);
    std::fs::rename(notes.path().join("a.txt"), notes.path().join("sub/c.txt")).unwrap();
    assert_eq!(counts(&next()), [0, 0, 1, 1, 0]);
    std::fs::remove_file(notes.path().join("sub/b.txt")).unwrap();
    assert_eq!(counts(&next()), [0, 0, 0, 1, 1]);
    // It may be away for a while.
    let away = notes.path().with_extension("away");
    std::fs::rename(notes.path(), &away).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    write(&away, "sub/d.txt", "Swans glide on lakes.");
    std::fs::rename(&away, notes.path()).unwrap();
    assert_eq!(counts(&next()), [1, 0, 0, 1, 0]);
    assert_eq!(child.stop(), Some(130));
}

#[test]
fn two_files_of_one_name_do_not_replace_each_other() {
    let footnote = Footnote::new();
    let notes = folder();
    write(notes.path(), "pumps/README.md", "The pump P4 is rated for a pressure of 4 bar.");
    write(notes.path(), "birds/README.md", "A grey heron eats four hundred grams of fish a day.");
    let [pumps, birds] = ["pumps", "birds"].map(|name| notes.path().join(name).to_str().unwrap().to_owned());
    for added in [1, 0] {
        let output = footnote.run(&["ingest", &pumps, &birds, "--json"]);
        assert_eq!(output.status.code(), Some(5), "{}", errors(&output));
        let report = parsed(&output);
        assert_eq!((&report["added"], &report["changed"]), (&json!(added), &json!(0)), "{report}");
        let failed = &report["failed"][0];
        assert!(failed["key"].as_str().unwrap().ends_with("/pumps/README.md"), "{failed}");
        assert!(failed["reason"].as_str().unwrap().contains("name the folder above both"), "{failed}");
    }
    assert_eq!(found(&footnote, "what herons eat")["key"], "README.md");
    // A file that is named twice is one.
    let file = format!("{birds}/README.md");
    assert!(footnote.run(&["ingest", &birds, &file, "--json"]).status.success());
    // Nothing at all is no reason to delete everything.
    std::fs::remove_file(notes.path().join("birds/README.md")).unwrap();
    assert_eq!(footnote.json(&["ingest", &birds, "--prune"])["deleted"], 0);
    assert_eq!(found(&footnote, "what herons eat")["key"], "README.md");
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn failed(report: &Value) -> Vec<&str> {
    report["failed"].as_array().unwrap().iter().map(|failed| failed["key"].as_str().unwrap()).collect()
}

#[test]
fn what_cannot_be_read_within_an_archive_or_a_mail_is_told_with_its_key() {
    const BROKEN: &[u8] = b"%PDF-1.7\nnothing else";
    const HERONS: &[u8] = b"Herons stand in ponds.";
    const PUMP: &[u8] = b"The pump P4 is rated for a pressure of 4 bar.";
    const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    let footnote = Footnote::new();
    let notes = folder();
    let inner = zip(&[("deep.pdf", BROKEN), ("herons.txt", HERONS)]);
    let all = zip(&[("inner.zip", inner.as_slice()), ("plan.pdf", BROKEN), ("pump.txt", PUMP), ("x.png", PICTURE)]);
    write(notes.path(), "all.zip", &all);
    let head = "From: a@example.com\nTo: b@example.com\nSubject: Plan\nMIME-Version: 1.0\n\
                Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n\n\
                The plan is attached.\n--x\nContent-Type: application/pdf; name=plan.pdf\n\
                Content-Disposition: attachment; filename=plan.pdf\n\n";
    write(notes.path(), "post.eml", [head.as_bytes(), BROKEN, b"\n--x--\n"].concat());
    let path = notes.path().to_str().unwrap();

    // A second run finds them as they were, and says so again.
    for (counted, skipped) in [([2, 0, 0, 0, 0], 1), ([0, 0, 0, 2, 0], 0)] {
        let output = footnote.run(&["ingest", path, "--json"]);
        assert_eq!(output.status.code(), Some(5), "{}", errors(&output));
        let report = parsed(&output);
        assert_eq!((counts(&report), &report["skipped"]), (counted, &json!(skipped)), "{report}");
        assert_eq!(failed(&report), ["all.zip/inner.zip/deep.pdf", "all.zip/plan.pdf", "post.eml/plan.pdf"]);
        assert!(report["failed"][1]["reason"].as_str().unwrap().contains("PDF"), "{report}");
    }
    assert_eq!(found(&footnote, "birds in ponds")["key"], "all.zip/inner.zip/herons.txt");

    // Of an archive that was named by hand, everything is wanted.
    let archive = notes.path().join("all.zip");
    let named = footnote.run(&["ingest", archive.to_str().unwrap(), "--collection", "named", "--json"]);
    assert_eq!(named.status.code(), Some(5), "{}", errors(&named));
    assert_eq!(failed(&parsed(&named)), ["all.zip/inner.zip/deep.pdf", "all.zip/plan.pdf", "all.zip/x.png"]);

    // What is named here is told of, and nothing else of the collection.
    write(notes.path(), "other/leave.txt", "Every employee has thirty days of paid leave.");
    let other = notes.path().join("other");
    assert_eq!(counts(&footnote.json(&["ingest", other.to_str().unwrap()])), [1, 0, 0, 0, 0]);
    write(notes.path(), "all.zip", zip(&[("pump.txt", PUMP)]));
    std::fs::remove_file(notes.path().join("post.eml")).unwrap();
    let report = footnote.json(&["ingest", path, "--prune"]);
    assert_eq!((&report["changed"], failed(&report)), (&json!(1), vec![]), "{report}");
}
