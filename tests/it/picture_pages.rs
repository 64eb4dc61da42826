//! Pictures where messages are listed and exported: as many at once as memory has
//! room for, or by reference, each to be had by itself.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::conversing::{Conversing, Reply};
use crate::people::Person;
use crate::talk::{Talk, parts};

const GIF: &[u8] = b"GIF89a\x01\0\x01\0";

/// A picture of so many bytes, unlike those of other numbers.
fn picture(number: u8, bytes: usize) -> Vec<u8> {
    [GIF, &vec![number; bytes - GIF.len()]].concat()
}

async fn looking() -> Talk {
    Talk::start(Conversing::start(|_| Reply::says("A pump.")).await).await
}

async fn ask(talk: &Talk, pictures: &[Vec<u8>]) -> Value {
    let shown = pictures.iter().map(|picture| json!({ "type": "image", "data": STANDARD.encode(picture) }));
    let asked = [json!({ "type": "text", "text": "What is that?" })].into_iter().chain(shown).collect::<Vec<_>>();
    talk.ask_with(&json!({ "parts": asked })).await
}

/// All pages of the list, as its cursors lead.
async fn pages(talk: &Talk, query: &str) -> Vec<Vec<Value>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = talk.app.get(&format!("{}?{query}{cursor}", talk.messages)).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        let page = page.json();
        pages.push(page["items"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn a_page_ends_before_its_pictures_take_more_than_16_mib() {
    let talk = looking().await;
    let large = |number| picture(number, 4 << 20);
    let asked = [vec![large(1), large(2)], vec![], vec![large(3)], vec![large(4), large(5)], vec![large(6)]];
    for pictures in &asked {
        ask(&talk, pictures).await;
    }
    let whole = pages(&talk, "limit=200").await;
    // Three pictures, then another three: with two more they would be too many.
    assert_eq!(whole.iter().map(Vec::len).collect::<Vec<_>>(), [6, 4]);
    let mut sent = asked.iter().flatten();
    for part in whole.iter().flatten().flat_map(|message| parts(message, "image")) {
        assert_eq!(part["base64"], STANDARD.encode(sent.next().unwrap()));
        assert!(part.get("url").is_none());
    }
    assert!(sent.next().is_none());
    assert_eq!(pages(&talk, "limit=3").await.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3, 1]);

    // The file holds all of it, whatever the pages.
    let conversation = talk.messages.strip_suffix("/messages").unwrap();
    let exported = talk.app.get(&format!("{conversation}/export?format=json")).await.json();
    assert_eq!(exported["messages"].as_array().unwrap(), &whole.concat());
    let empty = talk.app.conversation().await;
    let exported = talk.app.get(&format!("{}/export?format=json", empty.strip_suffix("/messages").unwrap())).await;
    assert_eq!(exported.json()["messages"], json!([]));

    // References need no room.
    let referred = pages(&talk, "limit=200&images=reference").await;
    assert_eq!(referred.len(), 1);
    assert!(serde_json::to_string(&referred).unwrap().len() < 64 << 10);
    talk.stop().await;
}

#[tokio::test]
async fn one_message_may_have_more_pictures_than_a_page() {
    let talk = looking().await;
    let large = |number| picture(number, 9 << 19);
    ask(&talk, &[large(1), large(2), large(3), large(4)]).await;
    ask(&talk, &[picture(5, 100)]).await;
    let pages = pages(&talk, "limit=50").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(parts(&pages[0][0], "image").len(), 4);
    talk.stop().await;
}

#[tokio::test]
async fn a_picture_is_had_by_its_reference_by_its_owner_alone() {
    let talk = looking().await;
    let sent = [picture(1, 100), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec()];
    let answer = ask(&talk, &sent).await;
    let listed = talk.app.get(&format!("{}?images=reference", talk.messages)).await.json();
    let images = parts(&listed["items"][0], "image");
    assert_eq!(images.len(), 2);
    let stranger = Person::new(&talk.app, "stranger").await;
    for ((image, bytes), kind) in images.iter().zip(&sent).zip(["image/gif", "image/png"]) {
        assert_eq!((&image["media_type"], image.get("base64")), (&json!(kind), None));
        let url = image["url"].as_str().unwrap();
        let reply = talk.app.get(url).await;
        assert_eq!((reply.status, reply.headers["content-type"].as_bytes()), (StatusCode::OK, kind.as_bytes()));
        assert_eq!(&reply.bytes, bytes);
        assert_eq!(stranger.get(url).await.status, StatusCode::NOT_FOUND);
    }
    // What else the list shows is the same.
    let mut whole = talk.app.get(&talk.messages).await.json();
    assert_eq!(pages(&talk, "images=whole").await.concat(), *whole["items"].as_array().unwrap());
    for part in whole["items"][0]["parts"].as_array_mut().unwrap() {
        part.as_object_mut().unwrap().remove("base64");
    }
    let mut bare = listed.clone();
    for part in bare["items"][0]["parts"].as_array_mut().unwrap() {
        part.as_object_mut().unwrap().remove("url");
    }
    assert_eq!(bare, whole);

    let question = answer["parent_id"].as_str().unwrap();
    let other = talk.app.conversation().await;
    for path in [
        format!("{}/{question}/images/0", talk.messages),
        format!("{}/{question}/images/3", talk.messages),
        format!("{}/{question}/images/x", talk.messages),
        format!("{}/{}/images/1", talk.messages, answer["id"].as_str().unwrap()),
        format!("{other}/{question}/images/1"),
    ] {
        assert_eq!(talk.app.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let reply = talk.app.get(&format!("{}?images=none", talk.messages)).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable:query"));
    talk.stop().await;
}
