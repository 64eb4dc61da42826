//! What the database does not take is one document's matter, and what is deleted
//! leaves no vectors behind.

use serde_json::{Value, json};

use crate::canaries::until;
use crate::command::{Footnote, parsed, write};
use crate::harness::{TestApp, folder};

/// Refuses the text of one document, as Postgres refuses a text that it cannot hold.
const POISON: &str = "
    create function refuse() returns trigger language plpgsql as $$
    begin
        if new.text like '%poison%' then
            raise exception using errcode = '22021', message = 'invalid byte sequence';
        end if;
        return new;
    end $$;
    create trigger refuse before insert on revisions for each row execute function refuse();
";

async fn document(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/api/v1/documents/{id}")).await.json()
}

#[tokio::test]
async fn what_the_database_does_not_take_holds_up_nobody_else() {
    let app = TestApp::start().await;
    sqlx::raw_sql(POISON).execute(&app.db).await.unwrap();
    let collection = app.collection("plant").await;
    let mut ids = Vec::new();
    for n in 0..9 {
        let text = if n == 4 { "A poison.".to_owned() } else { format!("The gauge {n} shows 4 bar.") };
        ids.push(app.text(&collection, &format!("{n}.txt"), &text).await);
    }
    for (n, id) in ids.iter().enumerate().filter(|(n, _)| *n != 4) {
        until("document", async || (document(&app, id).await["stage"] == "done").then_some(())).await;
        assert_eq!(document(&app, id).await["chunks"], 1, "{n}");
    }
    let attempts = "select attempts::bigint from jobs where failure_code is not null";
    let attempts: i64 =
        until("attempt", async || sqlx::query_scalar(attempts).fetch_optional(&app.db).await.unwrap()).await;
    assert!(attempts > 0);
    assert_ne!(document(&app, &ids[4]).await["stage"], "done");
    app.stop().await;
}

/// Two tries make an attempt: with what else was read, and by itself.
#[tokio::test]
async fn a_document_at_which_the_program_panics_holds_up_nobody_else() {
    let (footnote, files) = (Footnote::new(), folder());
    let server = footnote.serve_with([("FAILPOINTS", "stored=6*return(panic)".to_owned())]);
    let ingest = |name: &str| {
        write(files.path(), name, format!("The gauge {name} shows 4 bar."));
        parsed(&footnote.run(&["ingest", &files.path().join(name).display().to_string(), "--json"]))
    };
    let poison = ingest("poison.txt");
    assert_eq!(poison["failed"][0]["key"], "poison.txt", "{poison}");
    let other = ingest("other.txt");
    assert_eq!((&other["added"], &other["failed"]), (&json!(1), &json!([])), "{other}");
    assert_eq!(server.stop(), Some(0));
}

#[tokio::test]
async fn the_vectors_of_a_collection_go_with_it() {
    let app = TestApp::start().await;
    let (gone, kept) = (app.collection("gone").await, app.collection("kept").await);
    let both = "Both say that the pump holds 4 bar.";
    for (collection, own) in [(&gone, "Only this one names the valve."), (&kept, "The other names the seal.")] {
        app.text(collection, "own.txt", own).await;
        app.text(collection, "both.txt", both).await;
        app.settled(collection).await;
    }
    let count =
        async || -> i64 { sqlx::query_scalar("select count(*) from embeddings").fetch_one(&app.db).await.unwrap() };
    let before = count().await;
    assert_eq!(app.delete(&format!("/api/v1/collections/{gone}")).await.status, 204);
    assert_eq!(count().await, before - 1, "what both say is the other's too");
    assert_eq!(app.delete(&format!("/api/v1/collections/{kept}")).await.status, 204);
    assert_eq!(count().await, 0);
    app.stop().await;
}
