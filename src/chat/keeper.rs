//! The keeper of answers under way: prolongs the leases of this process's,
//! stops those that somebody elsewhere wants stopped, and says of those whose
//! makers are gone that they were interrupted.

use std::time::Duration;

use footnote_ingest::rights::{self, as_system};
use sqlx::postgres::PgListener;
use tokio::task::JoinHandle;

use super::hub::Stop;
use super::orphans;
use crate::accounts;
use crate::app::App;
use crate::ids::MessageId;
use crate::storage::{answers, hidden, idempotency, kept_replies, sessions, withdrawals};

/// How often. Three times within a lease.
const BEAT: Duration = Duration::from_secs(2);
/// Beats between two lookings for what is to be forgotten: an hour.
const FORGET: u32 = 1800;
/// How long a lost connection is left before it is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// The keeper; dropping it ends it.
#[derive(Debug)]
pub struct Keeper {
    tasks: [JoinHandle<()>; 2],
}

impl Keeper {
    /// Starts it.
    #[must_use]
    pub fn start(app: &App) -> Self {
        Self { tasks: [rights::spawn(as_system(beat(app.clone()))), rights::spawn(as_system(listen(app.clone())))] }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn beat(app: App) {
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for beat in 0_u32.. {
        beats.tick().await;
        if beat % FORGET == 0
            && let Err(error) = idempotency::forget_old(&app.db).await
        {
            tracing::warn!(%error, "old idempotency keys could not be forgotten");
        }
        if beat % FORGET == 0
            && let Err(error) = kept_replies::forget_old(&app.db).await
        {
            tracing::warn!(%error, "old replies could not be forgotten");
        }
        // After the keys: some go with theirs.
        if beat % FORGET == 0
            && let Err(error) = hidden::forget_old(&app.db).await
        {
            tracing::warn!(%error, "conversations that ended with their answers could not be forgotten");
        }
        if beat % FORGET == 0 {
            tidy(&app).await;
        }
        if let Err(error) = round(&app).await {
            tracing::warn!(%error, "the leases of answers could not be prolonged");
        }
    }
}

/// What ended by itself goes, and keys that have signed long enough are replaced.
async fn tidy(app: &App) {
    if let Err(error) = sessions::forget_old(&app.db).await {
        tracing::warn!(%error, "sign-ins that ended could not be forgotten");
    }
    match accounts::delete_idle_guests(app).await {
        Ok(0) => {}
        Ok(guests) => tracing::info!(guests, "guests whose sign-ins had ended were deleted"),
        Err(error) => tracing::warn!(%error, "guests whose sign-ins had ended could not be deleted"),
    }
    if let Err(error) = app.credentials.turn_keys().await {
        tracing::warn!(%error, "the keys that sign access tokens could not be replaced");
    }
}

async fn round(app: &App) -> sqlx::Result<()> {
    let answers = app.hub.answers();
    if !answers.is_empty() {
        for unwanted in answers::renew(&app.db, &answers).await? {
            stop(app, unwanted);
        }
    }
    let interrupted = orphans::interrupt(&app.db, false).await?;
    if interrupted > 0 {
        tracing::warn!(answers = interrupted, "answers were broken off when their process ended");
    }
    withdrawals::withdraw_interrupted(&app.db).await?;
    Ok(())
}

/// Hears at once what the beat would find in time.
async fn listen(app: App) {
    loop {
        if let Err(error) = hear(&app).await {
            tracing::debug!(%error, "wishes to stop answers cannot be heard; trying again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn hear(app: &App) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(&app.db).await?;
    listener.listen(answers::CANCELS).await?;
    loop {
        let wish = listener.recv().await?;
        if let Ok(answer) = wish.payload().parse::<MessageId>() {
            stop(app, answer);
        }
    }
}

fn stop(app: &App, answer: MessageId) {
    if let Some(live) = app.hub.get(answer) {
        live.stop(Stop::Wanted);
    }
}
