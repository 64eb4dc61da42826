//! `footnote worker`: a process that works on the queue and answers nobody.

use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::startup::{Role, Service};

use super::failure::Failure;
use super::output::Output;

pub(super) async fn run(settings: Settings, interrupted: &CancellationToken, output: Output) -> Result<(), Failure> {
    if settings.qdrant_url.is_none() || settings.database_url.is_none() {
        return Err(Failure::Usage(
            "a worker shares the database and the index with the server, and the embedded ones belong to one process; \
             set DATABASE_URL and QDRANT_URL for all of them, or let `footnote serve` do the work"
                .into(),
        ));
    }
    let service = tokio::select! {
        service = Service::start(settings, Role::Worker) => service?,
        () = interrupted.cancelled() => return Err(Failure::Interrupted),
    };
    output.note(&format!("Working on the queue as process {}. Stop it with Ctrl-C.", std::process::id()));
    interrupted.cancelled().await;
    service.stop().await;
    Ok(())
}
