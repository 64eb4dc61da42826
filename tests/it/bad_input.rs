//! Bad input, bad surroundings: each is an error that says what to do, and
//! nothing is lost.

use std::path::PathBuf;

use serde_json::Value;

use crate::command::{Footnote, errors, parsed, write};
use crate::harness::folder;

fn broken(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/broken").join(name);
    path.to_str().unwrap().to_owned()
}

/// Ingests one file that cannot be read beside one that can; returns why.
fn reason(name: &str) -> String {
    let footnote = Footnote::new();
    let good = folder();
    write(good.path(), "good.txt", "The pump holds 4 bar.");
    let output = footnote.run(&["ingest", &broken(name), good.path().to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(5), "{name}: {}", errors(&output));
    let report = parsed(&output);
    assert_eq!(report["added"], 1, "the good one is in: {report}");
    let failed = report["failed"].as_array().unwrap();
    assert_eq!((failed.len(), failed[0]["key"].as_str().unwrap()), (1, name), "{report}");
    failed[0]["reason"].as_str().unwrap().to_owned()
}

#[test]
fn an_encrypted_pdf_asks_for_one_without_a_password() {
    let reason = reason("encrypted.pdf");
    assert!(reason.contains("password") && reason.contains("save a copy"), "{reason}");
}

#[test]
fn an_empty_pdf_is_said_to_be_empty() {
    assert!(reason("empty.pdf").contains("empty"));
}

#[test]
fn a_broken_pdf_is_said_to_be_damaged() {
    let reason = reason("truncated.pdf");
    assert!(reason.contains("damaged") && reason.contains("cut off"), "{reason}");
}

#[test]
fn a_scanned_pdf_asks_for_text_recognition() {
    assert!(reason("scanned.pdf").contains("OCR"));
}

#[test]
fn a_file_that_is_not_what_its_name_says_is_told_so() {
    let not_pdf = reason("not-a-pdf.pdf");
    assert!(not_pdf.contains("PDF") && not_pdf.contains("right name"), "{not_pdf}");
    let picture = reason("picture.md");
    assert!(picture.contains("Markdown"), "{picture}");
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let reason = reason("nul.txt");
    assert!(reason.contains("UTF-8") || reason.contains("not text"), "{reason}");
}

#[test]
fn a_file_of_spaces_holds_no_text() {
    assert!(reason("only-spaces.md").contains("no text"));
}

#[test]
fn text_in_other_encodings_is_read() {
    let footnote = Footnote::new();
    let report = footnote.json(&["ingest", &broken("latin1.txt"), &broken("utf16.txt"), &broken("deep.html")]);
    assert_eq!((report["added"].as_u64(), report["failed"].as_array().map(Vec::len)), (Some(3), Some(0)), "{report}");
    let found = footnote.json(&["search", "Lüftungsöffnungen", "--mode", "sparse"]);
    let texts = found.to_string();
    assert!(!texts.contains('\u{fffd}') && texts.contains('ß'), "{texts}");
}

#[test]
fn a_missing_folder_is_a_mistake_of_the_caller() {
    let output = Footnote::new().run(&["ingest", "/no/such/folder"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("/no/such/folder"), "{}", errors(&output));
}

#[test]
fn a_file_that_cannot_be_read_costs_that_file_only() {
    let footnote = Footnote::new();
    let files = folder();
    write(files.path(), "good.txt", "The pump holds 4 bar.");
    // Nobody may read its first byte, not even root.
    let output = footnote.run(&["ingest", files.path().to_str().unwrap(), "/proc/self/mem", "--json"]);
    assert_eq!(output.status.code(), Some(5), "{}", errors(&output));
    let report = parsed(&output);
    assert_eq!(report["added"], 1, "{report}");
    assert!(report["failed"][0]["reason"].as_str().unwrap().contains("check its rights"), "{report}");
}

#[test]
fn a_file_over_the_limit_is_not_even_read() {
    let footnote = Footnote::new();
    let files = folder();
    write(files.path(), "large.txt", "word ".repeat(1000));
    let mut command = footnote.command(&["ingest", files.path().to_str().unwrap(), "--json"]);
    let output = command.env("FOOTNOTE_MAX_FILE_BYTES", "1000").output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let reason = parsed(&output)["failed"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("FOOTNOTE_MAX_FILE_BYTES"), "{reason}");
}

#[test]
fn no_model_says_how_to_get_one() {
    let footnote = Footnote::new();
    let output = footnote.command(&["search", "x"]).env("FOOTNOTE_MODEL_DIR", "/no/such/model").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = errors(&output);
    assert!(said.contains("/no/such/model") && said.contains("make fetch"), "{said}");
}

#[test]
fn no_onnx_runtime_says_how_to_get_it() {
    let footnote = Footnote::new();
    let output = footnote.command(&["search", "x"]).env("FOOTNOTE_ONNXRUNTIME", "/no/such/lib.so").output().unwrap();
    let said = errors(&output);
    assert!(!output.status.success() && said.contains("/no/such/lib.so") && said.contains("make fetch"), "{said}");
}

#[test]
fn no_postgres_says_what_to_install_and_the_two_other_ways() {
    // In a namespace of its own, in which the usual folders are empty.
    let footnote = Footnote::new();
    let script = "mount -t tmpfs none /usr/lib/postgresql && exec \"$0\" search x";
    let mut command = footnote.command(&[]);
    let environment: Vec<_> =
        command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    let output = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_footnote")])
        .env_clear()
        .envs(environment)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output();
    command.arg("--version");
    let Ok(output) = output else { return };
    let said = errors(&output);
    if said.contains("unshare") || said.contains("mount:") {
        // The same is tested on the folders themselves in the module that looks
        // for the binaries.
        eprintln!("not shown here, for a namespace of one's own is not allowed: {said}");
        return;
    }
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("postgresql") && said.contains("DATABASE_URL") && said.contains("compose"), "{said}");
}

#[test]
fn a_full_disk_refuses_before_anything_is_lost() {
    let footnote = Footnote::new();
    let files = folder();
    write(files.path(), "a.txt", "The pump holds 4 bar.");
    footnote.json(&["ingest", files.path().to_str().unwrap()]);
    write(files.path(), "b.txt", "The valve opens in 3 s.");
    let mut command = footnote.command(&["ingest", files.path().to_str().unwrap(), "--json"]);
    let output = command.env("FOOTNOTE_DISK_RESERVE_BYTES", u64::from(u32::MAX).pow(2).to_string()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert!(errors(&output).contains("free some space"), "{}", errors(&output));
    let found = footnote.json(&["search", "pump", "--limit", "1"]);
    assert_eq!(found["passages"][0]["key"], "a.txt");
}

#[test]
fn an_overlong_question_is_refused_with_what_to_do() {
    let footnote = Footnote::new();
    let output = footnote.run(&["ask", &"why ".repeat(25_000)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("ask a shorter question"), "{}", errors(&output));
}

#[test]
fn a_wrong_setting_is_named() {
    let footnote = Footnote::new();
    let output = footnote.command(&["search", "x"]).env("FOOTNOTE_CONTEXT_WINDOW", "many").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("context_window"), "{}", errors(&output));
    let output =
        footnote.command(&["search", "x"]).env("DATABASE_URL", "postgres://u:canary@127.0.0.1:9/x").output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let said = errors(&output);
    assert!(said.contains("DATABASE_URL") && !said.contains("canary"), "{said}");
}

#[test]
fn a_model_without_a_provider_says_what_to_set() {
    let footnote = Footnote::new();
    let output = footnote.run(&["ask", "What is it?", "--model", "gpt-9"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("OPENAI_API_KEY"), "{}", errors(&output));
}

#[test]
#[ignore = "a 200 MB file takes minutes; `make soak` runs it"]
fn a_file_of_200_megabytes_is_searchable_by_its_words() {
    let footnote = Footnote::new();
    let files = folder();
    let line = "The pump of unit number {} holds a pressure of 4 bar and is oiled every six months by its keeper.\n";
    let text: String = (0..2_100_000).map(|n| line.replace("{}", &n.to_string())).collect();
    assert!(text.len() > 200_000_000);
    write(files.path(), "large.txt", text);
    let mut command = footnote.command(&["ingest", files.path().to_str().unwrap(), "--no-wait", "--json"]);
    let output = command.env("FOOTNOTE_MAX_FILE_BYTES", "300000000").output().unwrap();
    let report: Value = parsed(&output);
    assert_eq!(report["added"], 1, "{report}");
    let found = footnote.json(&["search", "unit 2099999", "--mode", "sparse", "--limit", "1"]);
    assert!(found.to_string().contains("2099999"), "{found}");
}
