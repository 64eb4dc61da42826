//! The commands, as a person at a terminal runs them.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use axum::http::{HeaderValue, header};
use footnote::client::Transport;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{folder, model_dir, runtime};

/// A data folder with the binary to work on it.
pub struct Footnote {
    pub data: TempDir,
}

impl Footnote {
    pub fn new() -> Self {
        Self { data: folder() }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_footnote"));
        command
            .args(arguments)
            .env_clear()
            .envs(["PATH", "HOME", "USER", "TMPDIR"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env("FOOTNOTE_DATA_DIR", self.data.path().join("data"))
            .env("FOOTNOTE_MODEL_DIR", model_dir())
            .env("FOOTNOTE_ONNXRUNTIME", runtime())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed, and returns what it printed as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let output = self.run(&arguments);
        assert!(output.status.success(), "{arguments:?}: {}", errors(&output));
        parsed(&output)
    }

    /// A running server.
    pub fn serve(&self) -> Server {
        self.serve_with([])
    }

    /// A running server with more in its environment.
    pub fn serve_with(&self, environment: impl IntoIterator<Item = (&'static str, String)>) -> Server {
        self.serve_telling(environment, Stdio::inherit())
    }

    /// The same, with its log elsewhere.
    pub fn serve_telling(
        &self,
        environment: impl IntoIterator<Item = (&'static str, String)>,
        log: impl Into<Stdio>,
    ) -> Server {
        self.try_serve(environment, log).expect("the server says where it answers")
    }

    /// The same; none when it ends before it answers.
    pub fn try_serve(
        &self,
        environment: impl IntoIterator<Item = (&'static str, String)>,
        log: impl Into<Stdio>,
    ) -> Option<Server> {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0", "--json"]);
        let mut child = command.envs(environment).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            child.wait().unwrap();
            return None;
        }
        let started: Value = serde_json::from_str(&line).expect("the server says where it answers");
        let announced = std::fs::read(self.data.path().join("data/server.json")).expect("an announcement");
        let announced: Value = serde_json::from_slice(&announced).expect("JSON");
        let token = announced["token"].as_str().unwrap().to_owned();
        Some(Server { url: started["url"].as_str().unwrap().to_owned(), token, child })
    }
}

/// A server that ends with the test.
pub struct Server {
    pub url: String,
    /// What the commands of this machine show it.
    pub token: String,
    pub child: Child,
}

impl Server {
    /// The way of the commands of this machine.
    pub fn transport(&self) -> Transport {
        Transport::http(&self.url, Some(&self.token.clone().into())).unwrap()
    }

    /// A client that shows what the commands of this machine show.
    pub fn client(&self) -> reqwest::Client {
        let bearer = format!("Bearer {}", self.token);
        let headers = [(header::AUTHORIZATION, HeaderValue::try_from(bearer).unwrap())].into_iter().collect();
        reqwest::Client::builder().no_proxy().default_headers(headers).build().unwrap()
    }

    /// Asks it to end, as a service manager does; returns its exit code.
    pub fn stop(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON; it said: {}", errors(output)))
}

pub fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn notes() -> TempDir {
    let notes = folder();
    write(notes.path(), "pump.md", "# Pump P4\n\nThe pump P4 is rated for a pressure of 4 bar.\n");
    write(notes.path(), "leave/holiday.txt", "Every employee has thirty days of paid leave in a year.\n");
    notes
}

#[test]
fn ingest_search_and_ask_print_what_programs_can_read() {
    let footnote = Footnote::new();
    let notes = notes();
    let notes = notes.path().to_str().unwrap();
    let report = footnote.json(&["ingest", notes]);
    assert_eq!((&report["added"], &report["failed"]), (&json!(2), &json!([])), "{report}");
    assert_eq!(report["chunks"], 2);

    let found = footnote.json(&["search", "vacation of employees", "--limit", "1"]);
    assert_eq!(found["passages"][0]["key"], "leave/holiday.txt");

    let answer = footnote.json(&["ask", "What pressure is the pump P4 rated for?"]);
    assert_eq!(answer["grounded"], true, "{answer}");
    let citation = &answer["citations"][0];
    assert!(citation["quote"].as_str().unwrap().contains("4 bar"), "{answer}");
    assert!(citation["uri"].as_str().unwrap().starts_with("file:///"), "{answer}");
    assert!(answer["timings"]["total_ms"].is_number(), "{answer}");

    // What the documents do not hold is said once.
    let output = footnote.run(&["ask", "Who painted the ceiling of the town hall?"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.matches("The documents do not answer this question.").count(), 1, "{said}");
    assert!(said.contains("(not grounded:") && !said.contains("Note:"), "{said}");
}

#[test]
fn a_second_run_does_only_what_changed() {
    let footnote = Footnote::new();
    let notes = notes();
    let path = notes.path().to_str().unwrap();
    footnote.json(&["ingest", path]);
    write(notes.path(), "pump.md", "# Pump P4\n\nThe pump P4 is rated for a pressure of 6 bar.\n");
    write(notes.path(), "new.txt", "Something new.");
    std::fs::remove_file(notes.path().join("leave/holiday.txt")).unwrap();

    let told = footnote.json(&["ingest", path, "--prune", "--dry-run"]);
    let priced = footnote.json(&["ingest", path, "--dry-run", "--price", "2000000"]);
    let (tokens, cost) = (priced["plan"]["tokens"].as_f64().unwrap(), priced["plan"]["cost"].as_f64().unwrap());
    assert!((cost - 2.0 * tokens).abs() < 1e-9, "{priced}");
    let counts =
        |report: &Value| ["added", "changed", "unchanged", "deleted"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts(&told), [1, 1, 0, 1]);
    let found = footnote.json(&["search", "paid leave"]);
    assert!(found.to_string().contains("holiday"), "a dry run does nothing");

    assert_eq!(counts(&footnote.json(&["ingest", path, "--prune"])), [1, 1, 0, 1]);
    assert_eq!(counts(&footnote.json(&["ingest", path, "--prune"])), [0, 0, 2, 0]);
    assert_eq!(counts(&footnote.json(&["ingest", path, "--force"])), [0, 2, 0, 0]);
    let found = footnote.json(&["search", "paid leave"]);
    assert!(!found.to_string().contains("holiday"), "{found}");
    let drift = footnote.json(&["doctor"]);
    assert_eq!((&drift["missing"], &drift["without_vector"]), (&json!(0), &json!(0)), "{drift}");
}

#[test]
fn standard_input_is_a_document_too() {
    let footnote = Footnote::new();
    let mut command = footnote.command(&["ingest", "-", "--stdin-name", "note.md", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all("# Herons\n\nHerons stand in ponds.".as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(parsed(&output)["added"], 1);
    let found = footnote.json(&["search", "birds in water", "--limit", "1"]);
    assert_eq!(found["passages"][0]["title"], "Herons");
}

#[test]
fn commands_work_beside_a_running_server_and_through_it() {
    let footnote = Footnote::new();
    let server = footnote.serve();
    let notes = notes();
    let report = footnote.json(&["ingest", notes.path().to_str().unwrap(), "--collection", "notes"]);
    assert_eq!(report["added"], 2);
    let answer = footnote.json(&["ask", "What pressure is the pump P4 rated for?", "--collection", "notes"]);
    assert_eq!(answer["grounded"], true);
    let listed = footnote.json(&["collections"]);
    assert_eq!(listed["collections"][0]["documents"], 2);
    let named = footnote.json(&["search", "pump", "--server", &server.url]);
    assert_eq!(named["passages"][0]["key"], "pump.md");
    let second = footnote.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(2));
    assert!(errors(&second).contains(&server.url), "{}", errors(&second));
    assert_eq!(server.stop(), Some(0));
    // And without it again.
    assert_eq!(footnote.json(&["search", "pump", "--limit", "1"])["passages"][0]["key"], "pump.md");
}

#[test]
fn collections_are_made_shown_renamed_and_deleted() {
    let footnote = Footnote::new();
    footnote.json(&["collections", "create", "one"]);
    assert_eq!(footnote.run(&["collections", "create", "one"]).status.code(), Some(2));
    footnote.json(&["collections", "rename", "one", "two"]);
    assert_eq!(footnote.json(&["collections", "show", "two"])["documents"], 0);
    assert!(footnote.run(&["collections", "delete", "two"]).status.success());
    assert_eq!(footnote.json(&["collections", "list"])["collections"], json!([]));
    let missing = footnote.run(&["collections", "show", "two"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(errors(&missing).contains("`two`"));
}

#[test]
fn a_server_that_is_named_and_does_not_answer_is_said_to_be_unreachable() {
    let output = Footnote::new().run(&["search", "x", "--server", "http://127.0.0.1:9"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(errors(&output).contains("http://127.0.0.1:9"), "{}", errors(&output));
}

#[test]
fn the_first_start_says_once_how_to_sign_in() {
    let footnote = Footnote::new();
    // Before there is a server, commands work without anybody's password.
    assert_eq!(footnote.json(&["collections", "list"])["collections"], json!([]));
    let start = |arguments: &[&str]| {
        let mut child = footnote
            .command(&[&["serve", "--listen", "127.0.0.1:0", "--json"], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
        errors(&child.wait_with_output().unwrap())
    };
    // Also to somebody who wants to hear nothing: it is known nowhere else.
    let first = start(&["--quiet"]);
    assert!(first.contains("Sign in as `admin` with the password `"), "{first}");
    let again = start(&[]);
    assert!(!again.contains("password"), "{again}");
}

#[test]
fn evaluation_prints_its_figures_and_compares_runs() {
    let footnote = Footnote::new();
    let set = folder();
    let lines = |lines: &[Value]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    write(
        set.path(),
        "corpus.jsonl",
        lines(&[
            json!({ "id": "a", "title": "Pump", "text": "The pump is rated for a pressure of 4 bar." }),
            json!({ "id": "b", "title": "Leave", "text": "Every employee has thirty days of paid leave." }),
        ]),
    );
    write(set.path(), "queries.jsonl", lines(&[json!({ "id": "q", "text": "How many days of leave are there?" })]));
    write(set.path(), "qrels.tsv", "query-id\tdoc-id\tscore\nq\tb\t1\n");
    let (path, run) = (set.path().to_str().unwrap().to_owned(), set.path().join("run.json"));
    let run = run.to_str().unwrap();
    let figures = footnote.json(&["eval", &path, "--save", run]);
    assert_eq!(
        (&figures["ndcg_at_10"], &figures["documents"], &figures["queries"]),
        (&json!(1.0), &json!(2), &json!(1))
    );
    let again = footnote.json(&["eval", &path, "--against", run]);
    assert_eq!(again["against"], json!({ "ndcg_at_10": 0.0, "better": 0, "worse": 0 }));
    let missing = footnote.run(&["eval", "/no/such/set"]);
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn completions_need_no_folder_no_settings_and_no_server() {
    let footnote = Footnote::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let mut command = footnote.command(&["completions", shell]);
        let output = command
            .env("FOOTNOTE_CONFIG", "/no/such/file.toml")
            .env("FOOTNOTE_SERVER", "http://127.0.0.1:9")
            .output()
            .unwrap();
        assert!(output.status.success(), "{shell}: {}", errors(&output));
        assert!(String::from_utf8(output.stdout).unwrap().contains("ingest"), "{shell}");
    }
    assert!(!footnote.data.path().join("data").exists());
    assert_eq!(footnote.run(&["completions", "none"]).status.code(), Some(2));
}
