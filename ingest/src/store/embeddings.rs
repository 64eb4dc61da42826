//! Vectors by what was embedded and by which model. What a provider was paid for, or a processor
//! worked on, is kept here: the index can be built again from it, and the same
//! text of an owner is embedded once.

use std::collections::HashMap;

use sqlx::PgExecutor;
use uuid::Uuid;

use crate::ids::{EmbeddingId, UserId};

/// The id of what is embedded: UUIDv5 of its text.
#[must_use]
pub fn derived_id(input: &str) -> EmbeddingId {
    EmbeddingId(Uuid::new_v5(&Uuid::NAMESPACE_OID, input.as_bytes()))
}

/// Those of the wanted vectors of a model that are there.
///
/// # Errors
/// What the database says.
pub async fn find(
    db: impl PgExecutor<'_>,
    model: &str,
    owners: &[UserId],
    ids: &[EmbeddingId],
) -> sqlx::Result<HashMap<(UserId, EmbeddingId), Vec<f32>>> {
    let rows = sqlx::query!(
        r#"
        select e.owner_id as "owner: UserId", e.id as "id: EmbeddingId", e.vector
        from unnest($1::uuid[], $2::uuid[]) as wanted (owner_id, id)
        join embeddings e on e.owner_id = wanted.owner_id and e.id = wanted.id and e.model = $3
        "#,
        owners as _,
        ids as _,
        model,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.owner, row.id), numbers(&row.vector))).collect())
}

/// Keeps vectors of a model, each for its owner.
///
/// # Errors
/// What the database says.
pub async fn keep(
    db: impl PgExecutor<'_>,
    model: &str,
    vectors: &[(UserId, EmbeddingId, Vec<f32>)],
) -> sqlx::Result<()> {
    let owners: Vec<UserId> = vectors.iter().map(|(owner, ..)| *owner).collect();
    let ids: Vec<EmbeddingId> = vectors.iter().map(|(_, id, _)| *id).collect();
    let bytes: Vec<Vec<u8>> = vectors.iter().map(|(.., vector)| bytes(vector)).collect();
    sqlx::query!(
        r#"
        insert into embeddings (owner_id, id, vector, model)
        select new.*, $4 from unnest($1::uuid[], $2::uuid[], $3::bytea[]) as new
        on conflict do nothing
        "#,
        &owners as _,
        &ids as _,
        &bytes,
        model,
    )
    .execute(db)
    .await?;
    Ok(())
}

fn bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn numbers(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_is_read_as_it_was_written() {
        let vector = [0.0, -1.5, f32::MIN_POSITIVE, 3.25e7];
        assert_eq!(numbers(&bytes(&vector)), vector);
    }

    #[test]
    fn an_id_differs_by_text() {
        assert_eq!(derived_id("text"), derived_id("text"));
        assert_ne!(derived_id("text"), derived_id("other"));
    }
}
