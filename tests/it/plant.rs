//! What started servers stand on: a Postgres that stays when they end, a provider
//! that says what it is told to, and their sockets and memory, seen from outside.

use std::net::SocketAddr;
use std::process::Child;

use footnote::storage::embedded::EmbeddedPostgres;
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::canaries::until;
use crate::command::{Footnote, Server};
use crate::counting::Counting;
use crate::harness::{folder, start_postgres};
use crate::live::{Answer, answer, head};
use crate::scripted::Scripted;

/// A database and the settings of servers that use it.
pub struct Plant {
    /// With all rights.
    pub db: PgPool,
    pub environment: Vec<(&'static str, String)>,
    footnote: Footnote,
    postgres: EmbeddedPostgres,
    folder: TempDir,
}

impl Plant {
    pub async fn start(provider: &Scripted, embedder: &Counting) -> Self {
        let folder = folder();
        let (postgres, url) = start_postgres(&folder).await;
        let db = PgPool::connect(&url).await.unwrap();
        let mut environment = vec![
            ("DATABASE_URL", url),
            ("OPENAI_BASE_URL", provider.url.clone()),
            ("OPENAI_API_KEY", "sk-canary".to_owned()),
            ("FOOTNOTE_MODEL", "scripted".to_owned()),
            ("FOOTNOTE_REWRITE_QUESTIONS", "false".to_owned()),
        ];
        environment.extend(embedder.environment());
        Self { db, environment, footnote: Footnote::new(), postgres, folder }
    }

    pub fn serve(&self) -> Server {
        self.footnote.serve_with(self.environment.clone())
    }

    /// Waits until no answer is said to be made.
    pub async fn quiet(&self) {
        let query = "select count(*) from messages where status = 'running'";
        until("end of what was killed", async || {
            let running: i64 = sqlx::query_scalar(query).fetch_one(&self.db).await.unwrap();
            (running == 0).then_some(())
        })
        .await;
    }

    pub async fn stop(self) {
        self.db.close().await;
        self.postgres.stop().await.unwrap();
        drop(self.folder);
    }
}

/// Where a server listens.
pub fn address(server: &Server) -> SocketAddr {
    server.url.strip_prefix("http://").unwrap().parse().unwrap()
}

/// The line of a head that shows what the commands of this machine show.
pub fn credential(server: &Server) -> String {
    format!("authorization: Bearer {}\r\n", server.token)
}

/// What a server says to somebody who asks for this, and shows nothing.
pub async fn get(server: &Server, path: &str) -> Answer {
    let mut socket = TcpStream::connect(address(server)).await.unwrap();
    let request = head("GET", path, "connection: close\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut socket, request.as_bytes()).await.unwrap();
    answer(&mut socket).await
}

/// Bytes of a process that are in memory.
pub fn resident(child: &Child) -> u64 {
    field(child, "VmRSS:")
}

/// The most that were in memory since [`forget_peak`], or its start.
pub fn peak(child: &Child) -> u64 {
    field(child, "VmHWM:")
}

/// Lets [`peak`] begin at what is in memory now: see `proc_pid_clear_refs(5)`.
pub fn forget_peak(child: &Child) {
    std::fs::write(format!("/proc/{}/clear_refs", child.id()), "5").unwrap();
}

fn field(child: &Child, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
