//! Workers of one queue are killed one after the other and started again, while
//! the provider of embeddings refuses everything for a while: each document is
//! done once.
//!
//! `FOOTNOTE_QUEUED` sets how many documents there are (400 unless set),
//! `FOOTNOTE_WORKERS` how many workers (3 unless set), `FOOTNOTE_KILL_EVERY_MS`
//! how often one is killed, `FOOTNOTE_OUTAGE_SECONDS` how long the provider
//! refuses.

use std::process::Child;
use std::time::Duration;

use crate::counting::{Counting, Faults};
use crate::fleet::{Fleet, qdrant};
use crate::random::{Random, number};

/// Requests under way at once and texts in each: what one kill can waste.
const UNDER_WAY: usize = 4 * 128;

/// Workers that are started again when they end, as a service manager does.
struct Crew<'a> {
    fleet: &'a Fleet,
    workers: Vec<Child>,
    killed: usize,
    ended: usize,
}

impl<'a> Crew<'a> {
    fn start(fleet: &'a Fleet, workers: u64) -> Self {
        Self { fleet, workers: (0..workers).map(|_| fleet.worker()).collect(), killed: 0, ended: 0 }
    }

    fn kill_one(&mut self, random: &mut Random) {
        for worker in &mut self.workers {
            if worker.try_wait().unwrap().is_some() {
                self.ended += 1;
                *worker = self.fleet.worker();
            }
        }
        let place = random.index(self.workers.len());
        self.workers[place].kill().unwrap();
        self.workers[place].wait().unwrap();
        self.workers[place] = self.fleet.worker();
        self.killed += 1;
    }
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_killed_one_after_the_other_do_each_document_once() {
    let Some(qdrant) = qdrant() else { return };
    let documents = number("FOOTNOTE_QUEUED", 400);
    let every = Duration::from_millis(number("FOOTNOTE_KILL_EVERY_MS", 1_000));
    let length = Duration::from_secs(number("FOOTNOTE_OUTAGE_SECONDS", 3));
    let mut random = Random::seeded();
    let after = usize::try_from(documents / 2).unwrap();
    let faults = Faults { outage: Some((after, length)), delay: Duration::from_millis(20), ..Faults::default() };
    let provider = Counting::start(faults).await;
    let fleet = Fleet::start(&provider, Some(qdrant)).await;
    let desk = fleet.desk().await;
    for n in 0..documents {
        desk.submit(&format!("{n}.txt"), &format!("Report {n} of the plant. The gauge {n} shows {} bar.", n % 7)).await;
    }
    let mut crew = Crew::start(&fleet, number("FOOTNOTE_WORKERS", 3));
    let (mut busiest, mut rounds) = (0, 0);
    loop {
        tokio::time::sleep(every).await;
        busiest = busiest.max(fleet.count("select count(*) from pg_stat_activity").await);
        rounds += 1;
        match fleet.count("select count(*) from jobs where state <> 'dead'").await {
            0 => break,
            left => assert!(rounds < 5_000, "{left} documents are left"),
        }
        crew.kill_one(&mut random);
    }
    fleet.idle().await;
    let (killed, ended) = (crew.killed, crew.ended);
    drop(crew);
    let orphans = fleet.count("select count(*) from audit_orphans").await;
    let latest: f64 =
        sqlx::query_scalar("select coalesce(extract(epoch from max(late)), 0)::float8 from audit_orphans")
            .fetch_one(&fleet.db)
            .await
            .unwrap();
    let (paid, twice, refused) = provider.read(|ledger| (ledger.texts(), ledger.twice(), ledger.refused));
    eprintln!(
        "{documents} documents, {killed} kills, {ended} workers ended by themselves, {orphans} orphans, the last of \
         them put back {latest:.1} s after its lease; {paid} texts paid for, {twice} twice, {refused} requests \
         refused; {busiest} connections at most"
    );
    assert_eq!(paid, usize::try_from(documents).unwrap());
    assert!(twice <= UNDER_WAY * (killed + ended), "{twice} texts were paid for twice");
    assert!(refused > 0 && killed > 0);
    fleet.assert_each_once(i64::try_from(documents).unwrap()).await;
    let doctor = fleet.doctor();
    assert!(doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stdout));
    drop(desk);
    fleet.stop().await;
}
