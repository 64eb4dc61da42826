//! Replies without a network: bodies in, deltas out, time at a standstill.

use std::time::Duration;

use futures::{StreamExt, stream};
use proptest::prelude::*;

use super::super::Names;
use super::*;
use crate::llm::openai::chunks;
use crate::llm::{FinishReason, Request, Usage};

const USUAL: &str = concat!(
    ": connected\n\n",
    "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"Hm. \"}}]}\r\n\r\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"So.\",\"reasoning_content\":\"So.\",\"content\":null}}]}\n\n",
    "data:{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Vier bar fü\"}}],\"obfuscation\":\"x\"}\n\n",
    "data: {\"choices\":\ndata: [{\"delta\":{\"content\":\"r 水 🙂\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}}\n\n",
    "data: [DONE]\n\n",
);

fn request() -> Request {
    Request::plain("m", "s".into(), "q".into(), 10)
}

fn reply(bytes: Bytes) -> Reply {
    let names = Names { key: "OPENAI_API_KEY".into(), url: "OPENAI_BASE_URL".into() };
    let peer = Peer::new("api.test".into(), Some("sk-canary"), names);
    Reply::new(bytes, peer, Box::new(chunks::Chunks::new(&request())), "m", Duration::from_secs(30))
}

async fn all(reply: Reply) -> Vec<Result<Delta, LlmError>> {
    match reply.started().await {
        Ok(deltas) => deltas.collect().await,
        Err(error) => vec![Err(error)],
    }
}

/// What a body becomes that comes in these pieces and then ends.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Result<Delta, LlmError>> {
    let pieces: Vec<_> = pieces.into_iter().map(|piece| Ok(piece.to_vec())).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(all(reply(stream::iter(pieces).boxed())))
}

/// The same, as text, and how it ended.
fn summary(body: &str) -> (String, Result<FinishReason, &'static str>) {
    let (mut text, mut end) = (String::new(), Err("no end"));
    for delta in read([body.as_bytes()]) {
        match delta {
            Ok(Delta::Text(piece)) => text.push_str(&piece),
            Ok(Delta::Finished(reason)) => end = Ok(reason),
            Ok(_) => {}
            Err(error) => end = Err(error.code()),
        }
    }
    (text, end)
}

fn usage(body: &str) -> Usage {
    let usage = read([body.as_bytes()]).into_iter().find_map(|delta| match delta {
        Ok(Delta::Usage(usage)) => Some(usage),
        _ => None,
    });
    usage.expect("usage")
}

#[test]
fn a_usual_stream_becomes_its_deltas() {
    let text = |text: &str| Ok(Delta::Text(text.into()));
    let reasoning = |text: &str| Ok(Delta::Reasoning(text.into()));
    let usage = Usage { input_tokens: 7, cached_tokens: 0, output_tokens: 5, estimated: false };
    let expected = [
        reasoning("Hm. "),
        reasoning("So."),
        text("Vier bar fü"),
        text("r 水 🙂"),
        Ok(Delta::Usage(usage)),
        Ok(Delta::Finished(FinishReason::Stop)),
    ];
    assert_eq!(read([USUAL.as_bytes()]), expected);
    assert_eq!(read(USUAL.as_bytes().chunks(1)), expected);
}

proptest! {
    #[test]
    fn cuts_change_no_delta(cuts in proptest::collection::vec(0..USUAL.len(), 0..30)) {
        let mut cuts = cuts;
        cuts.extend([0, USUAL.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &USUAL.as_bytes()[pair[0]..pair[1]]);
        prop_assert_eq!(read(pieces), read([USUAL.as_bytes()]));
    }

    #[test]
    fn no_chunk_can_panic(chunk in "\\{\"(choices|error|usage)\":(null|[0-9]|\"x\"|\\[[0-9]?\\]|\\[\\{\"(delta|message|index|finish_reason)\":(null|1|\"x\"|\\[\\]|\\{\"content\":(1|null|\\[1\\])\\})\\}\\])\\}") {
        read([format!("data: {chunk}\n\n").as_bytes()]);
    }
}

#[test]
fn a_stream_that_ends_anywhere_is_whole_or_an_error() {
    let finish = "\"stop\"}]}";
    let finished = USUAL.find(finish).expect("there") + finish.len();
    for end in 0..USUAL.len() {
        let deltas = read([&USUAL.as_bytes()[..end]]);
        let is_whole = matches!(deltas.last(), Some(Ok(Delta::Finished(_))));
        let errors = deltas.iter().filter(|delta| delta.is_err()).count();
        assert_eq!(is_whole, end >= finished, "{end}");
        assert_eq!(errors, usize::from(!is_whole), "{end}");
        assert!(is_whole || deltas.last().is_some_and(Result::is_err), "{end}");
    }
}

#[test]
fn an_end_may_be_marked_in_many_ways() {
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let whole = |rest: &str| summary(&format!("{text}{rest}"));
    let stopped = ("a".to_owned(), Ok(FinishReason::Stop));
    assert_eq!(whole("data: [DONE]\n\n"), stopped);
    assert_eq!(whole("data: [DONE]"), stopped);
    assert_eq!(whole("data: {\"choices\":[{\"finish_reason\":\"stop\"}]}"), stopped);
    assert_eq!(whole("data: {\"choices\":null,\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n"), stopped);
    assert_eq!(
        whole("data: {\"choices\":[{\"delta\":null,\"finish_reason\":\"length\"}]}\n\n").1,
        Ok(FinishReason::Length)
    );
    assert_eq!(whole("data: {\"choices\":[{\"finish_reason\":\"\"}]}\n\ndata: [DONE]\n\n"), stopped);
    assert_eq!(
        whole("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"look\"}}]},\"finish_reason\":\"stop\"}]}\n\n").1,
        Ok(FinishReason::ToolCalls)
    );
    assert_eq!(summary(&format!("{}\ndata: [DONE]\n", text.trim_end())), stopped);
    assert_eq!(whole(""), ("a".to_owned(), Err("interrupted")));
    assert_eq!(whole("data: {\"choi"), ("a".to_owned(), Err("interrupted")));
}

#[test]
fn an_error_within_the_stream_ends_it() {
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let error = "data: {\"error\":{\"message\":\"sk-canary\\nbroke\",\"code\":500}}\n\ndata: [DONE]\n\n";
    assert_eq!(summary(&format!("{text}{error}")), ("a".to_owned(), Err("interrupted")));
    assert_eq!(summary(error), (String::new(), Err("transient")));
    assert_eq!(
        summary("{\"error\":{\"message\":\"too much\",\"code\":\"rate_limit_exceeded\"}}").1,
        Err("rate_limited")
    );
    let said = read([error.as_bytes()]).pop().expect("an item").expect_err("an error");
    assert!(!format!("{said} {said:?}").contains("canary"), "{said}");
    assert!(said.to_string().contains("broke"), "{said}");
}

#[test]
fn a_server_that_does_not_stream_is_understood() {
    let body = "{\n \"choices\": [{\"index\": 0, \"message\": {\"role\": \"assistant\", \"content\": \"a b\"}}]\n}\n";
    assert_eq!(summary(body), ("a b".to_owned(), Ok(FinishReason::Stop)));
}

#[test]
fn a_content_of_parts_is_read() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"t\"}]},{\"type\":\"text\",\"text\":\"a\"}]}}]}\n\ndata: [DONE]\n\n";
    let deltas = read([body.as_bytes()]);
    assert_eq!(deltas[..2], [Ok(Delta::Reasoning("t".into())), Ok(Delta::Text("a".into()))]);
}

#[test]
fn what_is_no_chat_completion_is_said_to_be_none() {
    for body in ["<!DOCTYPE html><html></html>", "{\"status\":\"ok\"}", "{\"choi", "data: hello\n\n", "[1]"] {
        assert_eq!(summary(body), (String::new(), Err("protocol")), "{body}");
    }
}

#[test]
fn usage_that_is_missing_or_zero_is_estimated() {
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"one two three\"}}]}\n\n";
    for rest in ["", "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0}}\n\n"] {
        let usage = usage(&format!("{text}{rest}data: [DONE]\n\n"));
        assert!(usage.estimated && usage.output_tokens >= 3 && usage.input_tokens >= 2, "{usage:?}");
    }
}

/// A body that sends this and then, every second, the other for ever.
fn then_for_ever(start: &'static str, ping: &'static str) -> Bytes {
    let pings = stream::repeat(ping).then(|ping| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(ping.as_bytes().to_vec())
    });
    stream::iter([Ok(start.as_bytes().to_vec())]).chain(pings).boxed()
}

#[tokio::test(start_paused = true)]
async fn a_pause_in_the_answer_is_a_timeout_even_with_comments() {
    let began = Instant::now();
    let bytes = then_for_ever("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n", ": ping\n\n");
    let deltas = all(reply(bytes)).await;
    assert_eq!(deltas[0], Ok(Delta::Text("a".into())));
    assert_eq!(deltas[1].as_ref().expect_err("too slow").code(), "timeout");
    assert_eq!(deltas.len(), 2);
    assert_eq!(began.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn totals_that_never_come_hold_nobody_up() {
    let began = Instant::now();
    let bytes =
        then_for_ever("data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n", ":\n\n");
    let deltas = all(reply(bytes)).await;
    assert_eq!(deltas.last(), Some(&Ok(Delta::Finished(FinishReason::Stop))));
    assert_eq!(began.elapsed(), AFTER_FINISH);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_not_the_providers_fault() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let bytes = stream::iter([body, body, "data: [DONE]\n\n"].map(|piece| Ok(piece.as_bytes().to_vec()))).boxed();
    let mut deltas = reply(bytes).started().await.expect("started");
    let mut count = 0;
    while let Some(delta) = deltas.next().await {
        delta.expect("no error");
        count += 1;
        tokio::time::sleep(Duration::from_secs(100)).await;
    }
    assert_eq!(count, 4);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_long_to_write_has_begun() {
    let began = Instant::now();
    let pieces = [
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"look\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]}}]}\n\n",
        "data: [DONE]\n\n",
    ];
    let bytes = stream::iter(pieces).then(|piece| async move {
        tokio::time::sleep(Duration::from_secs(20)).await;
        Ok(piece.as_bytes().to_vec())
    });
    let deltas = reply(bytes.boxed()).started().await.expect("started");
    assert_eq!(began.elapsed().as_secs(), 20);
    let deltas: Vec<_> = deltas.collect().await;
    assert!(matches!(&deltas[0], Ok(Delta::Call(call)) if call.arguments == "{}"), "{deltas:?}");
    assert_eq!(deltas.last(), Some(&Ok(Delta::Finished(FinishReason::ToolCalls))));
}
