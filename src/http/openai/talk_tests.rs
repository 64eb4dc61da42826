use proptest::prelude::*;

use super::*;

fn user(text: &str) -> Said {
    Said::User { text: text.into(), images: vec![] }
}

fn assistant(text: &str) -> Said {
    Said::Assistant { text: text.into(), calls: vec![] }
}

fn calls(text: &str, ids: &[&str]) -> Said {
    let call = |id: &&str| ToolCall { id: (*id).into(), name: "look".into(), arguments: "{}".into() };
    Said::Assistant { text: text.into(), calls: ids.iter().map(call).collect() }
}

fn result(call: &str) -> Said {
    Said::Result { call: call.into(), text: format!("result of {call}") }
}

fn talk(turns: Vec<Said>) -> Talk {
    Talk { turns, instructions: vec!["Be brief.".into()], ..Talk::new("messages") }
}

fn request(turns: Vec<Said>) -> Result<Request, ApiError> {
    talk(turns).into_request("m", Wishes::default(), 100)
}

#[test]
fn calls_since_the_last_question_are_steps_and_earlier_ones_words() {
    let turns = vec![
        user("one"),
        calls("", &["a"]),
        result("a"),
        assistant("done"),
        user("two"),
        calls("well", &["b", "c"]),
        result("c"),
        result("b"),
    ];
    let request = request(turns).expect("a request");
    assert_eq!((request.system.as_str(), request.prompt.as_str()), ("Be brief.", "two"));
    let said: Vec<&str> = request.history.iter().map(|turn| turn.text.as_str()).collect();
    assert_eq!(said, ["one", "(I called the tool `look` with {}.)\n\n(The tool returned: result of a)", "done"]);
    let [step] = &request.steps[..] else { unreachable!("one step") };
    assert_eq!(step.text, "well");
    let results: Vec<&str> = step.results.iter().map(|result| result.call.as_str()).collect();
    assert_eq!(results, ["b", "c"]);
}

#[test]
fn results_that_do_not_fit_their_calls_are_refused() {
    for turns in [
        vec![user("one"), calls("", &["a"])],
        vec![user("one"), calls("", &["a", "b"]), result("a")],
        vec![user("one"), calls("", &["a"]), result("x")],
        vec![user("one"), result("a")],
        vec![user("one"), assistant("two")],
    ] {
        assert_eq!(request(turns).expect_err("refused").surface, "messages");
    }
}

#[test]
fn instructions_alone_are_the_question() {
    let request = request(vec![]).expect("a request");
    assert_eq!((request.system.as_str(), request.prompt.as_str()), ("", "Be brief."));
}

#[test]
fn a_question_over_documents_keeps_what_was_said_before_it() {
    let turns = vec![assistant("Hello!"), user("a"), user("b"), assistant("It is 4 bar [1]."), user("c"), user("d")];
    let question = talk(turns).into_question().expect("a question");
    assert_eq!(question.instructions.as_deref(), Some("Be brief."));
    let before = [(Speaker::User, "a\n\nb".to_owned()), (Speaker::Assistant, "It is 4 bar.".to_owned())];
    assert_eq!(question.before, before);
    assert_eq!(question.text, "c\n\nd");
    assert!(talk(vec![user("a"), assistant("b")]).into_question().is_err());
    assert!(talk(vec![user("a"), calls("", &["x"]), result("x")]).into_question().is_err());
    assert!(talk(vec![]).into_question().is_err());
}

#[test]
fn only_markers_of_citations_are_taken_out() {
    for (text, bare) in [
        ("It is 4 bar [1] [12]. So.", "It is 4 bar. So."),
        ("a[1] stays, [x] too, [1234] and [", "a[1] stays, [x] too, [1234] and ["),
        ("ends [3]", "ends"),
        (" [", " ["),
    ] {
        assert_eq!(without_markers(text), bare);
    }
}

#[test]
fn wishes_that_no_model_takes_are_refused() {
    assert!(Wishes { temperature: Some(2.5), ..Wishes::default() }.check("max_tokens").is_err());
    assert!(Wishes { max_tokens: Some(0), ..Wishes::default() }.check("max_tokens").is_err());
    assert!(Wishes { format: Some(Format::Json), ..Wishes::default() }.check("max_tokens").is_ok());
}

proptest! {
    #[test]
    fn a_question_s_past_alternates_and_ends_with_an_answer(speakers in proptest::collection::vec(any::<bool>(), 0..12)) {
        let turns = speakers.iter().map(|is_user| if *is_user { user("u") } else { assistant("a") }).collect();
        match talk(turns).into_question() {
            Ok(question) => {
                prop_assert_eq!(speakers.last(), Some(&true));
                for (place, (speaker, _)) in question.before.iter().enumerate() {
                    prop_assert_eq!(*speaker == Speaker::User, place % 2 == 0);
                }
                prop_assert_eq!(question.before.len() % 2, 0);
            }
            Err(_) => prop_assert_ne!(speakers.last(), Some(&true)),
        }
    }

    #[test]
    fn words_without_markers_stay_as_they_are(text in "[a-z \\[\\]\u{e4}]{0,40}") {
        prop_assert_eq!(without_markers(&text), text);
    }
}
