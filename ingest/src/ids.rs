//! Identifiers. Every id is a newtype over a UUID, so that one cannot be
//! passed where another is meant. Imports nothing of this crate.

/// Declares a UUIDv7 newtype with the derives that storage and the API need.
#[macro_export]
macro_rules! define_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize, sqlx::Type, utoipa::ToSchema,
        )]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub uuid::Uuid);

        impl $name {
            /// A new id, ordered by the time it was made (UUIDv7).
            #[must_use]
            #[expect(clippy::new_without_default, reason = "a default id would be a surprise")]
            pub fn new() -> Self {
                Self(uuid::Uuid::now_v7())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

define_id!(
    /// An account. Everything stored belongs to exactly one.
    UserId
);
define_id!(
    /// A knowledge base: a named set of documents.
    CollectionId
);
define_id!(
    /// A document: a stable key inside its collection.
    DocumentId
);
define_id!(
    /// One immutable state of a document's content.
    RevisionId
);
define_id!(
    /// A piece of work in the queue.
    JobId
);
define_id!(
    /// A process that works on the queue.
    WorkerId
);
define_id!(
    /// What is embedded, by its text.
    EmbeddingId
);
define_id!(
    /// One build of the vector index, with one embedding model.
    GenerationId
);
