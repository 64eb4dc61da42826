//! Revisions: immutable canonical texts.
//!
//! Members of a collection read what is current, and what became so since they
//! were let in: not what was replaced before.

use sqlx::PgExecutor;
use sqlx::types::Json;
use uuid::Uuid;

use crate::document::{PageSpan, Span, TextMap};
use crate::ids::{DocumentId, RevisionId, UserId};
use crate::scope::Scope;

/// A revision to be stored.
#[derive(Debug)]
pub struct NewRevision<'a> {
    /// See [`derived_id`].
    pub id: RevisionId,
    /// Whose it is.
    pub scope: Scope,
    /// Its document.
    pub document: DocumentId,
    /// The document's version that it was made from.
    pub version: i64,
    /// SHA-256 of the bytes it was parsed from.
    pub source_sha256: &'a [u8],
    /// SHA-256 of `text`.
    pub text_sha256: &'a [u8],
    /// Canonical text.
    pub text: &'a str,
    /// Code points of `text`.
    pub text_length: i32,
    /// Headings and pages.
    pub map: &'a TextMap,
    /// The document's title at that time.
    pub title: &'a str,
    /// Of the parser that made the text.
    pub parser_version: i32,
    /// Of the chunker that cut it.
    pub chunker_version: i32,
    /// Name of the embedding model.
    pub embedding_model: &'a str,
}

/// The id of a document's revision: the same however often the work is begun
/// again, so that what a crash left behind is replaced, not doubled.
#[must_use]
pub fn derived_id(document: DocumentId, version: i64) -> RevisionId {
    RevisionId(Uuid::new_v5(&document.0, &version.to_be_bytes()))
}

/// Code points from one noted place of a text to the next; `text_slice` of the
/// migrations counts on it.
const STRIDE: usize = 4096;

/// The bytes before code points 0, [`STRIDE`], twice that and so on, by which a slice
/// is found without walking to it; `None` where each code point is one byte. Written
/// as Postgres writes an array, for an array of arrays would have to be a rectangle.
fn starts(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let starts: Vec<String> = text.char_indices().step_by(STRIDE).map(|(at, _)| at.to_string()).collect();
    Some(format!("{{{}}}", starts.join(",")))
}

/// Stores revisions, replacing what an interrupted attempt left.
///
/// # Errors
/// What the database says.
pub async fn insert(tx: &mut sqlx::PgTransaction<'_>, revisions: &[NewRevision<'_>]) -> sqlx::Result<()> {
    macro_rules! column {
        ($field:ident) => {
            revisions.iter().map(|revision| revision.$field.to_owned()).collect::<Vec<_>>()
        };
    }
    let ids: Vec<RevisionId> = column!(id);
    sqlx::query!("delete from revisions where id = any($1)", &ids as _).execute(&mut **tx).await?;
    let owners: Vec<UserId> = revisions.iter().map(|revision| revision.scope.owner()).collect();
    let texts: Vec<&[u8]> = revisions.iter().map(|revision| revision.text.as_bytes()).collect();
    let starts: Vec<Option<String>> = revisions.iter().map(|revision| starts(revision.text)).collect();
    let maps: Vec<Json<&TextMap>> = revisions.iter().map(|revision| Json(revision.map)).collect();
    sqlx::query!(
        r#"
        insert into revisions (
            id, owner_id, document_id, version, source_sha256, text_sha256, text, text_length,
            map, title, parser_version, chunker_version, embedding_model, text_starts, created_at
        )
        select
            id, owner_id, document_id, version, source_sha256, text_sha256, text, text_length,
            map, title, parser_version, chunker_version, embedding_model, text_starts::int[], now()
        from unnest(
            $1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[], $8::int[],
            $9::jsonb[], $10::text[], $11::int[], $12::int[], $13::text[], $14::text[]
        ) as new (
            id, owner_id, document_id, version, source_sha256, text_sha256, text, text_length,
            map, title, parser_version, chunker_version, embedding_model, text_starts
        )
        "#,
        &ids as _,
        &owners as _,
        &column!(document) as _,
        &column!(version),
        &column!(source_sha256),
        &column!(text_sha256),
        &texts as _,
        &column!(text_length),
        &maps as _,
        &column!(title),
        &column!(parser_version),
        &column!(chunker_version),
        &column!(embedding_model),
        &starts as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A revision's text and title, for embedding.
#[derive(Debug)]
pub struct RevisionText {
    /// The revision.
    pub id: RevisionId,
    /// The document's title.
    pub title: String,
    /// The document's key.
    pub key: String,
    /// Canonical text.
    pub text: String,
}

/// The texts of revisions, whoever owns them: for workers.
///
/// # Errors
/// What the database says.
pub async fn texts(db: impl PgExecutor<'_>, revisions: &[RevisionId]) -> sqlx::Result<Vec<RevisionText>> {
    sqlx::query_as!(
        RevisionText,
        r#"
        select r.id as "id: RevisionId", r.title, d.key, convert_from(r.text, 'UTF8') as "text!"
        from revisions r
        join documents d on d.id = r.document_id
        where r.id = any($1)
        "#,
        revisions as _,
    )
    .fetch_all(db)
    .await
}

/// The characters of many ranges at once, in the order of the ranges; `None`
/// where the scope has no such revision any more.
///
/// # Errors
/// What the database says.
pub async fn text_parts(
    db: impl PgExecutor<'_>,
    scope: Scope,
    ranges: &[(RevisionId, Span)],
) -> sqlx::Result<Vec<Option<String>>> {
    if ranges.is_empty() {
        return Ok(Vec::new());
    }
    let clamp = |at: usize| i32::try_from(at).unwrap_or(i32::MAX);
    let revisions: Vec<RevisionId> = ranges.iter().map(|(revision, _)| *revision).collect();
    let starts: Vec<i32> = ranges.iter().map(|(_, span)| clamp(span.start)).collect();
    let lengths: Vec<i32> = ranges.iter().map(|(_, span)| clamp(span.len())).collect();
    sqlx::query_scalar!(
        r#"
        select text_slice(r.text, r.text_starts, wanted.start_at, wanted.length) as text
        from unnest($2::uuid[], $3::int[], $4::int[]) with ordinality as wanted (revision_id, start_at, length, place)
        left join (revisions r join documents d on d.id = r.document_id and d.deleted_at is null)
            on r.id = wanted.revision_id and (
                r.owner_id = $1
                or exists (
                    select from collection_members m
                    where m.collection_id = d.collection_id and m.user_id = $1 and m.accepted_at is not null
                      and (r.id = d.revision_id or r.created_at >= m.created_at)
                )
            )
        order by wanted.place
        "#,
        scope.owner() as _,
        &revisions as _,
        &starts,
        &lengths,
    )
    .fetch_all(db)
    .await
}

/// The pages of revisions that have any.
///
/// # Errors
/// What the database says.
pub async fn pages(
    db: impl PgExecutor<'_>,
    scope: Scope,
    revisions: &[RevisionId],
) -> sqlx::Result<Vec<(RevisionId, Vec<PageSpan>)>> {
    let rows = sqlx::query!(
        r#"
        select r.id as "id: RevisionId", r.map -> 'pages' as "pages!: Json<Vec<PageSpan>>"
        from revisions r
        join documents d on d.id = r.document_id
        where r.id = any($1) and r.map ? 'pages' and (
            r.owner_id = $2
            or exists (
                select from collection_members m
                where m.collection_id = d.collection_id and m.user_id = $2 and m.accepted_at is not null
                  and (r.id = d.revision_id or r.created_at >= m.created_at)
            )
        )
        "#,
        revisions as _,
        scope.owner() as _,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.pages.0)).collect())
}

/// A part of a revision's text.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct TextPart {
    /// The revision.
    pub revision_id: RevisionId,
    /// Its document.
    pub document_id: DocumentId,
    /// The document's title.
    pub title: String,
    /// The document's key.
    pub key: String,
    /// Code points in the whole text.
    pub length: i32,
    /// First code point of `text`.
    pub start: i32,
    /// One past its last code point.
    pub end: i32,
    /// The characters `[start, end)`.
    pub text: String,
}

/// The characters `span` of a revision's text, cut to its length.
///
/// # Errors
/// What the database says.
pub async fn text_part(
    db: impl PgExecutor<'_>,
    scope: Scope,
    revision: RevisionId,
    span: Span,
) -> sqlx::Result<Option<TextPart>> {
    let clamp = |at: usize| i32::try_from(at).unwrap_or(i32::MAX);
    sqlx::query_as!(
        TextPart,
        r#"
        select
            r.id as "revision_id: RevisionId", r.document_id as "document_id: DocumentId",
            r.title, d.key, r.text_length as length,
            least($3, r.text_length) as "start!",
            greatest(least($3, r.text_length), least($4, r.text_length)) as "end!",
            text_slice(
                r.text, r.text_starts, least($3, r.text_length), greatest(0, least($4, r.text_length) - $3)
            ) as "text!"
        from revisions r
        join documents d on d.id = r.document_id
        where r.id = $1 and d.deleted_at is null and (
            r.owner_id = $2
            or exists (
                select from collection_members m
                where m.collection_id = d.collection_id and m.user_id = $2 and m.accepted_at is not null
                  and (r.id = d.revision_id or r.created_at >= m.created_at)
            )
        )
        "#,
        revision as _,
        scope.owner() as _,
        clamp(span.start),
        clamp(span.end),
    )
    .fetch_optional(db)
    .await
}
