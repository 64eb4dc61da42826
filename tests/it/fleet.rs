//! Several processes on one private Postgres: with a Qdrant server, where
//! `QDRANT_URL` names one, or one process with the embedded index.

use std::process::{Child, Command, Output, Stdio};

use footnote::config::Settings;
use footnote::storage::embedded::EmbeddedPostgres;
use footnote_ingest::config::Config as CorpusConfig;
use footnote_ingest::corpus::{Corpus, Incoming};
use footnote_ingest::ids::CollectionId;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::collections;
use sqlx::PgPool;
use tempfile::TempDir;

use crate::canaries::until;
use crate::command::{Footnote, Server};
use crate::counting::Counting;
use crate::harness::{folder, operator, start_postgres};

/// What records how often a document reached a stage, and how late work was
/// taken from those who had vanished with it.
const AUDIT: &str = "
    create table audit_stages (document uuid not null, stage text not null, version bigint not null);
    create function audit_stages() returns trigger language plpgsql as $$ begin
        if new.words_at is not null and new.words_at is distinct from old.words_at then
            insert into audit_stages values (new.id, 'words', new.version);
        end if;
        if new.done_at is not null and new.done_at is distinct from old.done_at then
            insert into audit_stages values (new.id, 'done', new.version);
        end if;
        return new;
    end $$;
    create trigger audit_stages after update on documents for each row execute function audit_stages();
    create table audit_orphans (job uuid not null, late interval not null);
    create function audit_orphans() returns trigger language plpgsql as $$ begin
        if new.orphaned > old.orphaned then
            insert into audit_orphans values (new.id, now() - old.lease_until);
        end if;
        return new;
    end $$;
    create trigger audit_orphans after update on jobs for each row execute function audit_orphans();
";

/// The address of the Qdrant server; without one, says that a test is not done.
pub fn qdrant() -> Option<String> {
    let url = std::env::var("QDRANT_URL").ok();
    if url.is_none() {
        eprintln!("not tested: several processes share only a Qdrant server's index; name one in QDRANT_URL");
    }
    url
}

/// What the processes share.
pub struct Fleet {
    pub db: PgPool,
    footnote: Footnote,
    settings: Settings,
    environment: Vec<(&'static str, String)>,
    postgres: EmbeddedPostgres,
    folder: TempDir,
}

impl Fleet {
    /// With the index of a Qdrant server, or the embedded one.
    pub async fn start(provider: &Counting, qdrant: Option<String>) -> Self {
        let folder = folder();
        let (postgres, url) = start_postgres(&folder).await;
        let db = PgPool::connect(&url).await.unwrap();
        sqlx::raw_sql(AUDIT).execute(&db).await.unwrap();
        let collection = format!("test-{}", uuid::Uuid::now_v7());
        let mut environment = vec![("DATABASE_URL", url.clone()), ("FOOTNOTE_QDRANT_COLLECTION", collection.clone())];
        // All documents come at once.
        environment.push(("FOOTNOTE_LIMITS_IN_FLIGHT_UPLOADS", "0".to_owned()));
        environment.extend(provider.environment());
        environment.extend(qdrant.clone().map(|url| ("QDRANT_URL", url)));
        let settings = Settings {
            data_dir: folder.path().join("data"),
            database_url: Some(url.into()),
            qdrant_url: qdrant,
            qdrant_collection: collection,
            embedding_base_url: Some(provider.url.clone()),
            embedding_model: Some("counting".into()),
            ..Settings::default()
        };
        Self { db, footnote: Footnote::new(), settings, environment, postgres, folder }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.footnote.command(arguments);
        command.envs(self.environment.clone());
        command
    }

    /// A process that works on the queue.
    pub fn worker(&self) -> Child {
        self.command(&["worker", "--quiet"]).spawn().unwrap()
    }

    pub fn serve(&self) -> Server {
        self.footnote.serve_with(self.environment.clone())
    }

    /// A server with more in its environment, whose log goes elsewhere; none when it
    /// ends before it answers.
    pub fn try_serve(&self, more: Option<(&'static str, String)>, log: impl Into<Stdio>) -> Option<Server> {
        self.footnote.try_serve(self.environment.iter().cloned().chain(more), log)
    }

    /// What a process with the embedded index left behind.
    pub async fn left(&self) -> Corpus {
        let data_dir = self.footnote.data.path().join("data");
        let config = Settings { data_dir, ..self.settings.clone() }.corpus();
        Corpus::open(self.db.clone(), CorpusConfig { parser_program: None, ..config }).await.unwrap()
    }

    pub fn doctor(&self) -> Output {
        self.command(&["doctor", "--json"]).output().unwrap()
    }

    /// Takes in documents, and works on none of them.
    pub async fn desk(&self) -> Desk {
        // It reads nothing either.
        let config = CorpusConfig { parser_program: None, ..self.settings.corpus() };
        let corpus = Corpus::open(self.db.clone(), config).await.unwrap();
        let scope = operator(&self.db).await;
        let collection = collections::ensure(&self.db, scope, "main").await.unwrap();
        Desk { corpus, scope, collection }
    }

    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.db).await.unwrap()
    }

    /// Waits until nothing waits or runs, and nothing was given up.
    pub async fn idle(&self) {
        until("end of the queue", async || {
            assert_eq!(self.count("select count(*) from jobs where state = 'dead'").await, 0, "given up");
            (self.count("select count(*) from jobs").await == 0).then_some(())
        })
        .await;
    }

    /// Each document was published once and finished once, whoever tried.
    pub async fn assert_each_once(&self, documents: i64) {
        let stages = "select count(*), count(distinct (document, stage)), count(*) filter (where stage = 'done') \
                      from audit_stages";
        let (all, distinct, done): (i64, i64, i64) = sqlx::query_as(stages).fetch_one(&self.db).await.unwrap();
        assert_eq!((all, distinct, done), (2 * documents, 2 * documents, documents), "stages, different ones, done");
        let stored = "select count(*) from documents d join revisions r on r.id = d.revision_id where d.stage = 'done'";
        assert_eq!(self.count(stored).await, documents);
        assert_eq!(self.count("select count(*) from revisions").await, documents);
    }

    pub async fn stop(self) {
        self.db.close().await;
        self.postgres.stop().await.unwrap();
        drop(self.folder);
    }
}

/// Where documents are handed in.
pub struct Desk {
    corpus: Corpus,
    scope: Scope,
    collection: CollectionId,
}

impl Desk {
    pub async fn submit(&self, key: &str, text: &str) {
        let incoming = Incoming {
            collection: self.collection,
            key,
            title: None,
            uri: None,
            media_type: None,
            meta: None,
            bytes: text.as_bytes(),
            version: None,
            force: false,
            priority: 0,
        };
        self.corpus.submit(self.scope, &incoming).await.unwrap();
    }
}
