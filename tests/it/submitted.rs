//! Documents that are put in without the web, and what becomes of them.

use std::time::Duration;

use footnote_ingest::corpus::Incoming;
use footnote_ingest::ids::{DocumentId, UserId};
use footnote_ingest::scope::Scope;
use footnote_ingest::store::collections;
use footnote_ingest::store::documents::{self, Stage};
use sqlx::PgPool;

use crate::harness::Rig;

/// Another account than the local one.
pub async fn stranger(db: &PgPool) -> Scope {
    let id = UserId::new();
    sqlx::query("insert into users (id, name, created_at) values ($1, $2, now())")
        .bind(id)
        .bind(id.to_string())
        .execute(db)
        .await
        .unwrap();
    Scope::stored(id)
}

pub fn incoming<'a>(collection: footnote_ingest::ids::CollectionId) -> Incoming<'a> {
    Incoming {
        collection,
        key: "",
        title: None,
        uri: None,
        media_type: None,
        meta: None,
        bytes: &[],
        force: false,
        priority: 0,
        version: None,
    }
}

impl Rig {
    pub async fn submit(&self, scope: Scope, key: &str, bytes: &[u8]) -> DocumentId {
        let collection = collections::ensure(&self.corpus.db, scope, "main").await.unwrap();
        let incoming = Incoming { key, bytes, ..incoming(collection) };
        self.corpus.submit(scope, &incoming).await.unwrap().0
    }

    pub async fn stage(&self, scope: Scope, document: DocumentId) -> Stage {
        documents::find(&self.corpus.db, scope, document).await.unwrap().unwrap().stage
    }

    /// Waits for something that the workers bring about.
    pub async fn until(&self, mut done: impl AsyncFnMut() -> bool) {
        let look = async {
            while !done().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(2), look).await.expect("it came about");
    }
}
