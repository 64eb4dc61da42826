//! Recognition by programs that are scripts of a line or two.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

/// A program that runs these lines of shell.
pub(crate) fn script(folder: &Path, lines: &str) -> String {
    let path = folder.join("recognise");
    std::fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path.to_string_lossy().into_owned()
}

fn image() -> Member {
    Member { name: "1.png".into(), media_type: None, bytes: b"PNG!".to_vec() }
}

async fn run(lines: &str, arguments: &str, limits: Limits) -> Result<String, Problem> {
    let folder = tempfile::tempdir().unwrap();
    let ocr = Ocr { limits, ..Ocr::new(&format!("{} {arguments}", script(folder.path(), lines))).unwrap() };
    ocr.recognise(&image(), &mut ocr.budget()).await
}

#[tokio::test]
async fn the_program_is_given_an_image_file_at_its_place() {
    let lines = "cat \"$1\"; echo \" ${1##*.} $2\"";
    assert_eq!(run(lines, "{input} stdout", LIMITS).await.unwrap(), "PNG! png stdout\n");
    assert_eq!(run(lines, "", LIMITS).await.unwrap(), "PNG! png \n");
}

#[tokio::test]
async fn the_program_is_told_nothing_and_leaves_nothing() {
    let said = run("pwd; env", "", LIMITS).await.unwrap();
    let folder = said.lines().next().unwrap();
    assert!(!Path::new(folder).exists(), "{folder}");
    assert!(!said.contains("CARGO"), "{said}");
}

#[tokio::test]
async fn a_command_without_a_program_and_one_that_is_not_there_are_told_apart() {
    assert!(Ocr::new(" ").unwrap_err().to_string().contains("ocr_command"));
    let missing = Ocr::new("/nowhere/recognise").unwrap();
    let problem = missing.recognise(&image(), &mut missing.budget()).await.unwrap_err();
    assert!(matches!(problem, Problem::Program { .. }), "{problem}");
    assert!(problem.to_string().contains("/nowhere/recognise"), "{problem}");
}

#[tokio::test]
async fn a_machine_without_room_is_told_apart_from_a_page_without_text() {
    let folder = tempfile::tempdir().unwrap();
    let ocr = Ocr::new(&script(folder.path(), "echo words")).unwrap();
    let ocr = Ocr { temporary: folder.path().join("gone"), ..ocr };
    let problem = ocr.recognise(&image(), &mut ocr.budget()).await.unwrap_err();
    assert!(problem.is_of_all() && problem.to_string().contains("gone"), "{problem}");
    let page = run("exit 3", "", LIMITS).await.unwrap_err();
    assert!(!page.is_of_all(), "{page}");
}

#[test]
fn a_picture_that_no_disk_holds_is_told_apart_from_a_disk_that_is_full() {
    let folder = tempfile::tempdir().unwrap();
    assert!(may_ever_hold(folder.path(), 1) && !may_ever_hold(folder.path(), u64::MAX));
    assert!(may_ever_hold(&folder.path().join("gone"), u64::MAX));
}

#[tokio::test]
async fn a_program_that_fails_is_quoted_by_its_status() {
    let problem = run("echo half; exit 3", "", LIMITS).await.unwrap_err();
    assert!(problem.to_string().contains("exit status: 3"), "{problem}");
}

#[tokio::test]
async fn a_program_without_end_is_stopped_with_what_it_started() {
    let short = Limits { page: Duration::from_millis(300), ..LIMITS };
    for lines in ["exec sleep 600", "exec >/dev/null; exec sleep 600", "sleep 600 & wait"] {
        let problem = run(lines, "", short).await.unwrap_err();
        assert!(problem.to_string().contains("too long"), "{lines}: {problem}");
    }
    let over = Limits { file: Duration::ZERO, ..LIMITS };
    assert!(run("echo x", "", over).await.unwrap_err().to_string().contains("time for the file"));
}

#[tokio::test]
async fn a_program_without_measure_is_cut() {
    let few = Limits { page_bytes: 11, ..LIMITS };
    let loud = "i=0; while [ $i -lt 20000 ]; do echo 'many words'; i=$((i+1)); done";
    assert_eq!(run(loud, "", few).await.unwrap(), "many words\n");
    let none = Limits { file_bytes: 5, ..LIMITS };
    assert!(run("echo 'many words'", "", none).await.unwrap_err().to_string().contains("too long"));
}
