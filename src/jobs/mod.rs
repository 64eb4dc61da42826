//! Work that nobody asked for just now: schedules. A front door as `http` is
//! one, whose caller is the clock. Imports services, never `http`.
//!
//! One replica at a time watches the clock ([`ticks`]) and queues runs; every
//! replica has a worker ([`work`]) that does what is queued. A tick is one row,
//! whoever makes it: two that watch at once still queue it once.

mod sync;
mod ticks;
mod work;

use std::sync::Arc;

use footnote_ingest::rights::as_system;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// What runs by the clock, until it is stopped.
#[derive(Debug)]
pub struct Jobs {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Jobs {
    /// Begins to watch the clock and to work.
    #[must_use]
    pub fn start(app: &App) -> Self {
        let (stop, queued) = (CancellationToken::new(), Arc::new(Notify::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(as_system(ticks::watch(app.db.clone(), Arc::clone(&queued), stop.clone())));
        tasks.spawn(as_system(work::work(app.clone(), queued, stop.clone())));
        Self { stop, tasks }
    }

    /// Ends it. A run at hand is given back undone; what it did stays.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}
