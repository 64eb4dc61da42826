//! The clock: which schedules come round, and when. Only queues runs.
//!
//! One process at a time holds an advisory lock of the database on a connection
//! of its own, which goes with the connection, however that ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ids::ScheduleId;
use crate::schedules::{Timetable, next};
use crate::storage::schedules::{self, Clock};

/// Names the lock; the letters `footclck`.
const LOCK: i64 = 0x666f_6f74_636c_636b;
/// How often one that does not hold the lock tries to get it.
const TRY_AGAIN: Duration = Duration::from_secs(3);
/// How often the one that does looks for new schedules, and for ticks that were
/// missed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Why the watch ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Storage(#[from] sqlx::Error),
    #[error(transparent)]
    Scheduler(#[from] JobSchedulerError),
}

/// Queues runs whenever this process is the one that does, until it is stopped.
pub(super) async fn watch(db: PgPool, queued: Arc<Notify>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = lead(&db, &queued, &stop).await {
            tracing::warn!(%error, "schedules are not watched by this process for a moment");
        }
        tokio::select! {
            () = tokio::time::sleep(TRY_AGAIN) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Watches the clock for as long as the lock is held; returns at once where
/// another process holds it.
async fn lead(db: &PgPool, queued: &Arc<Notify>, stop: &CancellationToken) -> Result<(), Ended> {
    let connected = tokio::select! {
        connected = lock(db) => connected?,
        () = stop.cancelled() => None,
    };
    let Some(mut connection) = connected else { return Ok(()) };
    tracing::debug!("this process watches the schedules");
    let mut board = Board::new(db.clone(), Arc::clone(queued)).await?;
    let ended = tokio::select! {
        ended = board.keep(&mut connection) => ended,
        () = stop.cancelled() => Ok(()),
    };
    // It would go on by itself.
    board.scheduler.shutdown().await?;
    ended
}

/// A connection of its own that holds the lock; `None` where another does.
async fn lock(db: &PgPool) -> sqlx::Result<Option<PgConnection>> {
    let mut connection = db.connect_options().connect().await?;
    let held =
        sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "held!""#, LOCK).fetch_one(&mut connection).await?;
    if held {
        return Ok(Some(connection));
    }
    connection.close().await?;
    Ok(None)
}

/// The schedules that are being watched.
struct Board {
    db: PgPool,
    queued: Arc<Notify>,
    scheduler: JobScheduler,
    known: HashMap<ScheduleId, (Clock, Uuid)>,
}

impl Board {
    async fn new(db: PgPool, queued: Arc<Notify>) -> Result<Self, Ended> {
        let scheduler = JobScheduler::new().await?;
        scheduler.start().await?;
        Ok(Self { db, queued, scheduler, known: HashMap::new() })
    }

    /// Keeps up with what is stored, until the lock's connection fails.
    async fn keep(&mut self, connection: &mut PgConnection) -> Result<(), Ended> {
        let mut look = tokio::time::interval(LOOK_AGAIN);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let clocks = schedules::clocks(&mut *connection).await?;
            self.follow(clocks).await?;
            // Missed while nobody watched; or the two clocks do not agree.
            for schedule in schedules::due(&mut *connection).await? {
                fire(&self.db, schedule, &self.queued).await;
            }
        }
    }

    /// Watches these schedules and no others.
    async fn follow(&mut self, clocks: Vec<Clock>) -> Result<(), Ended> {
        let gone = |(id, (clock, _)): (&ScheduleId, &(Clock, Uuid))| (!clocks.contains(clock)).then_some(*id);
        let gone: Vec<ScheduleId> = self.known.iter().filter_map(gone).collect();
        for id in gone {
            if let Some((_, job)) = self.known.remove(&id) {
                self.scheduler.remove(&job).await?;
            }
        }
        for clock in clocks {
            if !self.known.contains_key(&clock.id) {
                let job = self.scheduler.add(self.job(&clock)?).await?;
                self.known.insert(clock.id, (clock, job));
            }
        }
        Ok(())
    }

    fn job(&self, clock: &Clock) -> Result<Job, Ended> {
        let timetable = Timetable::new(&clock.cron, Some(&clock.time_zone)).ok();
        let timetable = timetable.ok_or(JobSchedulerError::ParseSchedule)?;
        let (db, queued, schedule) = (self.db.clone(), Arc::clone(&self.queued), clock.id);
        let job = Job::new_async_tz(timetable.cron.as_str(), timetable.zone, move |_, _| {
            let (db, queued) = (db.clone(), Arc::clone(&queued));
            Box::pin(async move { fire(&db, schedule, &queued).await })
        })?;
        Ok(job)
    }
}

/// Queues a run if it is time. What fails is tried again when it is next looked
/// for.
async fn fire(db: &PgPool, schedule: ScheduleId, queued: &Notify) {
    let fired = async {
        let mut tx = db.begin().await?;
        let fired = schedules::fire(&mut tx, schedule, next).await?;
        tx.commit().await?;
        Ok::<_, sqlx::Error>(fired)
    };
    match fired.await {
        Ok(true) => queued.notify_one(),
        Ok(false) => {}
        Err(error) => tracing::warn!(%error, schedule.id = %schedule, "a schedule's run was not queued"),
    }
}
