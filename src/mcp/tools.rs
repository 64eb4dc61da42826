//! The tools: what they take, what they give, and what they call. Imports the
//! backend and the forms of answers and texts.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::asking::{Answer, check};
use super::backend::{Backend, Failure};
use super::place::Place;
use super::reading::{self, Found, Hit};
use super::schema;
use crate::retrieve::MAX_LIMIT;

/// Results, unless asked otherwise.
const USUAL: usize = 10;
/// Collections that are listed, at most.
const COLLECTIONS: usize = 200;

/// A tool of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Search,
    Fetch,
    Ask,
    ListCollections,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Search {
    /// A question, or any words.
    query: String,
    /// A collection's name or id; all if left out.
    collection: Option<String>,
    /// Results, at most; 10 if left out.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fetch {
    /// An id that search gave, a document's id, or any range of a document as
    /// `{revision_id}:{start}-{end}`.
    id: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// The question, as one would put it to a person.
    question: String,
    /// A collection's name or id; all if left out.
    collection: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Collections of documents.
#[derive(Debug, Serialize, JsonSchema)]
struct Collections {
    /// The first 200 of them.
    collections: Vec<Listed>,
    /// Whether there are more.
    more: bool,
}

/// A collection.
#[derive(Debug, Serialize, JsonSchema)]
struct Listed {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// Documents in it.
    documents: i64,
}

impl Known {
    pub(super) const ALL: [Self; 4] = [Self::Search, Self::Fetch, Self::Ask, Self::ListCollections];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Fetch => "fetch",
            Self::Ask => "ask",
            Self::ListCollections => "list_collections",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// What clients and models are told of it.
    pub(super) fn definition(self) -> Tool {
        let (title, description, takes, gives) = match self {
            Self::Search => (
                "Search the documents",
                "Searches the documents by meaning and by words, and gives passages, best first. Give the id of a \
                 result to `fetch` to read it in full.",
                schema::of_arguments::<Search>(),
                schema::of_results::<Found>(),
            ),
            Self::Fetch => (
                "Read a document",
                "Reads what an id names: a passage that `search` gave, a whole document, or any range of one. Long \
                 texts come in parts; the metadata says how to read on.",
                schema::of_arguments::<Fetch>(),
                schema::of_results::<reading::Text>(),
            ),
            Self::Ask => (
                "Ask the documents",
                "Answers a question from the documents alone. Each claim has a citation whose quote was checked \
                 against the source; `grounded` says whether the documents hold the answer.",
                schema::of_arguments::<Ask>(),
                schema::of_results::<Answer>(),
            ),
            Self::ListCollections => (
                "List the collections",
                "Lists the collections of documents, whose names `search` and `ask` take.",
                schema::of_arguments::<Nothing>(),
                schema::of_results::<Collections>(),
            ),
        };
        let annotations = ToolAnnotations::with_title(title).read_only(true).open_world(false);
        Tool::new(self.name(), description, Arc::new(takes))
            .with_title(title)
            .with_raw_output_schema(Arc::new(gives))
            .with_annotations(annotations)
    }

    /// Calls it; where no collection is named, within `collection`.
    pub(super) async fn call(
        self,
        backend: &impl Backend,
        collection: Option<&str>,
        arguments: Option<JsonObject>,
    ) -> Result<Value, Failure> {
        match self {
            Self::Search => told(&search(backend, collection, schema::read(arguments)?).await?),
            Self::Fetch => told(&fetch(backend, schema::read(arguments)?).await?),
            Self::Ask => told(&ask(backend, collection, schema::read(arguments)?).await?),
            Self::ListCollections => {
                let Nothing {} = schema::read(arguments)?;
                told(&list_collections(backend).await?)
            }
        }
    }
}

fn told(result: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(result).map_err(|error| {
        tracing::error!(%error, "a result cannot be told");
        Failure::Internal
    })
}

async fn search(backend: &impl Backend, usual: Option<&str>, wanted: Search) -> Result<Found, Failure> {
    check("query", &wanted.query)?;
    let limit = wanted.limit.unwrap_or(USUAL);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Failure::Refused(format!("`limit` is from 1 to {MAX_LIMIT}")));
    }
    let collection = wanted.collection.as_deref().or(usual);
    let passages =
        backend.search(&wanted.query, collection, limit).await.map_err(|failure| named(failure, collection))?;
    Ok(Found { results: passages.into_iter().map(Hit::from).collect() })
}

async fn fetch(backend: &impl Backend, wanted: Fetch) -> Result<reading::Text, Failure> {
    let place: Place = wanted.id.trim().parse().map_err(|_| Failure::NotFound("document"))?;
    Ok(reading::read(backend, place).await?.into_text(wanted.id))
}

async fn ask(backend: &impl Backend, usual: Option<&str>, wanted: Ask) -> Result<Answer, Failure> {
    check("question", &wanted.question)?;
    let collection = wanted.collection.as_deref().or(usual);
    let answer = backend.ask(&wanted.question, collection).await.map_err(|failure| named(failure, collection))?;
    Ok(answer.into())
}

async fn list_collections(backend: &impl Backend) -> Result<Collections, Failure> {
    let page = backend.collections(COLLECTIONS).await?;
    let listed = page.items.into_iter().map(|collection| Listed {
        id: collection.id.to_string(),
        name: collection.name,
        documents: collection.documents,
    });
    Ok(Collections { collections: listed.collect(), more: page.next_cursor.is_some() })
}

/// Says which collection is not there, and what would help.
fn named(failure: Failure, collection: Option<&str>) -> Failure {
    match (failure, collection) {
        (Failure::NotFound("collection"), Some(name)) => {
            let shown: String = name.chars().take(200).collect();
            Failure::Refused(format!("no such collection: `{shown}`; `list_collections` lists them"))
        }
        (failure, _) => failure,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tools_say_what_they_take_and_give_and_that_they_only_read() {
        for tool in Known::ALL {
            let definition = serde_json::to_value(tool.definition()).expect("JSON");
            assert_eq!(definition["name"], tool.name());
            assert_eq!(definition["annotations"]["readOnlyHint"], true);
            assert_eq!(definition["annotations"]["openWorldHint"], false);
            for schema in [&definition["inputSchema"], &definition["outputSchema"]] {
                assert_eq!(schema["type"], "object", "{definition}");
                assert!(!schema.to_string().contains("$ref"), "{definition}");
                jsonschema::validator_for(schema).expect("a schema");
            }
            assert_eq!(definition["inputSchema"]["additionalProperties"], false);
            assert!(definition["inputSchema"]["properties"].is_object());
        }
        assert_eq!(Known::named("search"), Some(Known::Search));
        assert_eq!(Known::named("Search"), None);
    }

    #[test]
    fn only_the_query_is_needed_for_a_search() {
        let definition = serde_json::to_value(Known::Search.definition()).expect("JSON");
        let takes = &definition["inputSchema"];
        assert_eq!(takes["required"], json!(["query"]));
        assert_eq!(
            (&takes["properties"]["limit"]["minimum"], &takes["properties"]["limit"]["maximum"]),
            (&json!(1), &json!(200))
        );
        let hit = &definition["outputSchema"]["properties"]["results"]["items"];
        assert_eq!(hit["required"], json!(["id", "title", "url", "snippet", "score"]));
        assert_eq!(hit["properties"]["title"]["type"], "string");
    }

    #[test]
    fn a_citation_is_described_as_every_face_gives_it() {
        let citation = crate::citations::Citation {
            n: 1,
            document_id: uuid::Uuid::nil(),
            revision_id: uuid::Uuid::nil(),
            title: "Pump".into(),
            uri: None,
            page: Some(2),
            start: 4,
            end: 8,
            quote: "4 bar".into(),
            support: crate::citations::Support::Quoted,
            score: 1.0,
        };
        let definition = serde_json::to_value(Known::Ask.definition()).expect("JSON");
        let schema = &definition["outputSchema"]["properties"]["citations"]["items"];
        let told = serde_json::to_value(citation).expect("JSON");
        assert!(jsonschema::is_valid(schema, &told), "{schema} for {told}");
        let names = |value: &Value| value.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
        assert_eq!(names(&schema["properties"]), names(&told));
    }
}
