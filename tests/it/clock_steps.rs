//! The database's clock jumps, services stop at the tick, nobody watches for
//! hours: each tick is run once, and what was missed is one run.
//!
//! The database is told another time by a function `now` of its own, which the
//! services' search path finds first. `FOOTNOTE_SCHEDULES` (5 unless set) and
//! `FOOTNOTE_STEPS` (5 unless set) say how many schedules there are and how often
//! the clock jumps.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use chrono::{DateTime, DurationRound, TimeDelta, Timelike, Utc};
use footnote::config::Settings;
use footnote::startup::{Role, Service};
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::canaries::until;
use crate::harness::TestApp;
use crate::random::{Random, number};

/// Each hour, on the hour.
const HOURLY: &str = "0 * * * *";
/// Before the catalogue's own function, behind the schema that tables are made in.
const PATH: &str = "options[search_path]=public,clock,pg_catalog";
/// It is half past when the test begins: no hour strikes by itself.
const CLOCK: &str = "
    create schema clock;
    create table clock.shift (by interval not null);
    insert into clock.shift select date_trunc('hour', now()) + interval '30 minutes' - now();
    create function clock.now() returns timestamptz language sql stable
        as 'select pg_catalog.now() + by from clock.shift';
";

/// The clock and what it ought to bring about.
struct Clock {
    db: PgPool,
    /// When the schedules come round next.
    next: DateTime<Utc>,
    /// Ticks that each schedule has had.
    ticks: Vec<DateTime<Utc>>,
    back: u32,
    missed: i64,
}

impl Clock {
    async fn new(url: &str) -> Self {
        let db = PgPool::connect(url).await.unwrap();
        let now: DateTime<Utc> = sqlx::query_scalar("select clock.now()").fetch_one(&db).await.unwrap();
        Self { db, next: next_hour(now), ticks: Vec::new(), back: 0, missed: 0 }
    }

    /// Moves the clock by so many hours.
    async fn step(&mut self, hours: i32) {
        let moved = "update clock.shift set by = by + make_interval(hours => $1) returning pg_catalog.now() + by";
        let now: DateTime<Utc> = sqlx::query_scalar(moved).bind(hours).fetch_one(&self.db).await.unwrap();
        assert!(now.minute() >= 30, "the test took so long that an hour struck by itself");
        self.back += u32::from(hours < 0);
        if now >= self.next {
            self.ticks.push(self.next);
            self.missed += (next_hour(now) - self.next).num_hours() - 1;
            self.next = next_hour(now);
        }
    }

    /// Waits until each schedule has had its runs.
    async fn runs_are_done(&self, schedules: usize) {
        let wanted = i64::try_from(schedules * self.ticks.len()).unwrap();
        until("run for each tick", async || {
            let done: i64 = sqlx::query_scalar("select count(*) from schedule_runs where state = 'done'")
                .fetch_one(&self.db)
                .await
                .unwrap();
            (done >= wanted).then_some(())
        })
        .await;
    }

    /// Exactly those runs, and all of them done.
    async fn check(&self, schedules: usize) {
        let runs: Vec<(Uuid, DateTime<Utc>, String)> =
            sqlx::query_as("select schedule_id, tick, state from schedule_runs order by schedule_id, tick")
                .fetch_all(&self.db)
                .await
                .unwrap();
        let mut by_schedule: BTreeMap<Uuid, Vec<DateTime<Utc>>> = BTreeMap::new();
        for (schedule, tick, state) in runs {
            assert_eq!(state, "done", "the run of {schedule} at {tick}");
            by_schedule.entry(schedule).or_default().push(tick);
        }
        assert_eq!(by_schedule.len(), schedules);
        for (schedule, ticks) in by_schedule {
            assert_eq!(ticks, self.ticks, "{schedule}");
        }
    }
}

fn next_hour(now: DateTime<Utc>) -> DateTime<Utc> {
    now.duration_trunc(TimeDelta::hours(1)).unwrap() + TimeDelta::hours(1)
}

/// Hours of a jump: mostly the next tick, often back, at times a long way.
fn jump(random: &mut Random) -> i32 {
    match random.below(10) {
        0..6 => 1,
        6..8 => -1,
        _ => 2 + i32::try_from(random.below(4)).unwrap(),
    }
}

async fn second(app: &TestApp) -> Service {
    let settings = Settings { data_dir: app.settings.data_dir.join("2"), ..app.settings.clone() };
    Service::start(settings, Role::Server).await.expect("a second service starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn however_the_clock_jumps_each_tick_is_run_once() {
    let schedules = usize::try_from(number("FOOTNOTE_SCHEDULES", 5)).unwrap();
    let steps = number("FOOTNOTE_STEPS", 5);
    let mut random = Random::seeded();
    let mut url = String::new();
    let app = TestApp::with(|settings| {
        url = settings.database_url.as_ref().unwrap().expose_secret().to_owned();
        settings.database_url = Some(format!("{url}&{PATH}").into());
    })
    .await;
    let db = PgPool::connect(&url).await.unwrap();
    let mut app = app.restarted_after(async |_| sqlx::raw_sql(CLOCK).execute(&db).await.map(|_| ()).unwrap()).await;
    let mut clock = Clock::new(&url).await;
    for n in 0..schedules {
        let body = json!({ "name": format!("hourly {n}"), "cron": HOURLY, "action": "purge" });
        let made = app.post("/api/v1/schedules", &body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        assert_eq!(made.json()["next_run_at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap(), clock.next);
    }
    let mut other = second(&app).await;
    let (mut stopped, mut nobody) = (0, 0);
    for step in 1..=steps {
        let hours = jump(&mut random);
        match step % 4 {
            // One of the two stops at the tick, and comes back.
            1 | 3 => {
                tokio::join!(other.stop(), clock.step(hours));
                stopped += 1;
                other = second(&app).await;
            }
            // Nobody watches for hours.
            0 => {
                other.stop().await;
                app = app.restarted_after(async |_| clock.step(3).await).await;
                nobody += 1;
                other = second(&app).await;
            }
            _ => clock.step(hours).await,
        }
        clock.runs_are_done(schedules).await;
    }
    while clock.ticks.is_empty() {
        // It went back as often as forth.
        clock.step(1).await;
        clock.runs_are_done(schedules).await;
    }
    clock.check(schedules).await;
    eprintln!(
        "{} runs of {schedules} schedules, each at {} ticks; {} jumps back, {} ticks missed and caught up with the \
         next; {stopped} services stopped at the tick, {nobody} times nobody watched",
        schedules * clock.ticks.len(),
        clock.ticks.len(),
        clock.back,
        clock.missed,
    );
    other.stop().await;
    clock.db.close().await;
    db.close().await;
    app.stop().await;
}
