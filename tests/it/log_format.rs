//! The log as machines read it: one JSON object a line, and nothing beside it.

use std::fs::File;

use serde_json::Value;

use crate::command::Footnote;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_json_is_one_object_a_line_that_names_the_request() {
    let footnote = Footnote::new();
    let log = footnote.data.path().join("stderr");
    let format = [("FOOTNOTE_LOG_FORMAT", "json".to_owned())];
    let server = footnote.serve_telling(format, File::create(&log).unwrap());
    let wanted = server.client().get(format!("{}/api/v1/collections", server.url)).header("x-request-id", "an-id");
    assert!(wanted.send().await.unwrap().status().is_success());
    assert_eq!(server.stop(), Some(0));

    let told = std::fs::read_to_string(&log).unwrap();
    // What is for people, how to sign in, is told before on lines of its own.
    let lines: Vec<Value> =
        told.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered: Vec<&Value> = lines.iter().filter(|line| line["id"] == "an-id").collect();
    let [answered] = answered.as_slice() else { panic!("one line of the request: {told}") };
    assert_eq!(
        [&answered["level"], &answered["message"], &answered["route"]],
        ["INFO", "answered", "/api/v1/collections"],
        "{answered}"
    );
    assert_eq!(answered["status"], 200);
    assert!(answered["timestamp"].is_string() && answered["milliseconds"].is_number(), "{answered}");
}

#[test]
fn a_format_that_there_is_not_is_refused_with_those_that_there_are() {
    let output = Footnote::new().run(&["doctor", "--log-format", "xml"]);
    assert_eq!(output.status.code(), Some(2));
    let told = crate::command::errors(&output);
    assert!(told.contains("text") && told.contains("json"), "{told}");
}
