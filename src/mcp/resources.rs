//! Documents as resources: lists by the page, and their texts. Imports the
//! backend and what is read.

use rmcp::model::{
    ErrorData, JsonObject, ListResourcesResult, MetaObject, ReadResourceResult, Resource, ResourceContents,
    ResourceTemplate,
};
use serde_json::json;

use super::backend::{Backend, Failure};
use super::place::Address;
use super::reading;
use crate::ids::DocumentId;

/// Documents of a page.
const PAGE: usize = 100;
/// Every text is told in its canonical form, whatever it was read from.
const TEXT: &str = "text/plain";
/// Where a text that was cut goes on.
const NEXT: &str = "footnote/next";

/// A page of the documents that can be read.
pub(super) async fn list(
    backend: &impl Backend,
    collection: Option<&str>,
    cursor: Option<&str>,
) -> Result<ListResourcesResult, Failure> {
    let after = match cursor.map(str::parse::<DocumentId>) {
        None => None,
        Some(Ok(after)) => Some(after),
        Some(Err(_)) => return Err(Failure::Refused("`cursor` is not one that a page gave".into())),
    };
    let page = backend.documents(collection, after, PAGE).await?;
    let readable = page.items.into_iter().filter(|document| document.revision_id.is_some());
    let resources = readable.map(|document| {
        let address = Address::of(document.collection_id, document.id);
        Resource::new(address.to_string(), document.key).with_title(document.title).with_mime_type(TEXT)
    });
    let mut listed = ListResourcesResult::with_all_items(resources.collect());
    listed.next_cursor = page.next_cursor;
    Ok(listed)
}

/// How the addresses of documents are made.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let document = ResourceTemplate::new("kb://{collection}/{document_id}", "document")
        .with_title("A document's text")
        .with_description(
            "The text of a document, by the ids of its collection and of itself. A long one comes in parts: the \
             address of what follows is `footnote/next` in the metadata.",
        )
        .with_mime_type(TEXT);
    vec![document]
}

/// The text at an address.
pub(super) async fn read(backend: &impl Backend, uri: &str) -> Result<ReadResourceResult, Failure> {
    let address: Address = uri.parse().map_err(|_| Failure::NotFound("document"))?;
    let read = reading::read_on(backend, address).await?;
    let mut contents = ResourceContents::text(read.part.text, uri).with_mime_type(TEXT);
    if let Some(rest) = read.rest {
        let next = Address { start: rest.start, ..address };
        let meta: JsonObject = [(NEXT.to_owned(), json!(next.to_string()))].into_iter().collect();
        contents = contents.with_meta(MetaObject(meta));
    }
    Ok(ReadResourceResult::new(vec![contents]))
}

/// What is no result of a tool goes by the protocol's own errors.
pub(super) fn refusal(failure: &Failure) -> ErrorData {
    let message = failure.to_string();
    match failure {
        Failure::NotFound("document") => ErrorData::resource_not_found(message, None),
        Failure::NotFound(_) | Failure::Refused(_) => ErrorData::invalid_params(message, None),
        Failure::TimedOut(_) | Failure::Cancelled | Failure::Internal => ErrorData::internal_error(message, None),
    }
}
