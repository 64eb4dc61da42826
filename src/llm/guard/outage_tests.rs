//! A provider that goes down for five minutes under a hundred questions a second,
//! whose callers try again for as long as they may.

use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use super::breaker::OPEN_LONGEST;
use super::budget::SAVED;
use super::*;

const OUTAGE: Duration = Duration::from_mins(5);
/// From a call to its answer or failure.
const LATENCY: Duration = Duration::from_millis(200);

/// The provider, and what was seen of it.
struct World {
    guard: Guard,
    start: Instant,
    /// When it is down, from the start.
    down: std::ops::Range<Duration>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default, Clone)]
struct Seen {
    /// Calls while it was down: first ones, repeated ones, probes.
    first: u32,
    repeated: u32,
    probes: u32,
    probing: u32,
    most_probing: u32,
    /// When a question was first refused because the breaker was open.
    opened: Option<Duration>,
    /// When questions were answered.
    answered: Vec<Duration>,
}

impl World {
    fn new(down: std::ops::Range<Duration>) -> Arc<Self> {
        fastrand::seed(300);
        let guard = Guard::new(Limits::default());
        Arc::new(Self { guard, start: Instant::now(), down, seen: Mutex::default() })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no panic")
    }

    fn is_down(&self) -> bool {
        self.down.contains(&self.start.elapsed())
    }

    /// Asks a hundred times a second until then. Returns what was seen.
    async fn run(self: &Arc<Self>, until: Duration) -> Seen {
        let mut ticks = interval(Duration::from_millis(10));
        let mut questions = JoinSet::new();
        while self.start.elapsed() < until {
            ticks.tick().await;
            questions.spawn(question(Arc::clone(self)));
            while questions.try_join_next().is_some() {}
        }
        questions.join_all().await;
        self.seen().clone()
    }

    async fn call(&self, attempt: u32, permit: &mut Permit) -> bool {
        let (down, probe) = (self.is_down(), permit.pass.probe);
        {
            let mut seen = self.seen();
            match (probe, attempt) {
                _ if !down => {}
                (true, _) => seen.probes += 1,
                (false, 0) => seen.first += 1,
                (false, _) => seen.repeated += 1,
            }
            seen.probing += u32::from(probe);
            seen.most_probing = seen.most_probing.max(seen.probing);
        }
        sleep(LATENCY).await;
        self.seen().probing -= u32::from(probe);
        if down {
            permit.failed();
        } else {
            permit.succeeded();
        }
        !down
    }
}

async fn question(world: Arc<World>) {
    for attempt in 0.. {
        let mut permit = match world.guard.enter(100, Duration::from_secs(1)).await {
            Ok(permit) => permit,
            Err(refusal) => {
                assert!(matches!(refusal, Closed::Open { .. }), "{refusal:?}");
                world.seen().opened.get_or_insert(world.start.elapsed());
                return;
            }
        };
        if world.call(attempt, &mut permit).await {
            world.seen().answered.push(world.start.elapsed());
            return;
        }
        drop(permit);
        if !world.guard.may_retry() {
            return;
        }
        sleep(jittered_backoff(attempt, Duration::from_millis(200), Duration::from_secs(2))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_goes_down_is_asked_hardly_more_often_and_soon_left_alone() {
    let begin = Duration::from_secs(30);
    let end = begin + OUTAGE;
    let world = World::new(begin..end);
    let seen = world.run(end + 2 * OPEN_LONGEST).await;

    let calls = seen.first + seen.repeated;
    assert!(calls * 10 <= seen.first * 11, "{} first, {} repeated", seen.first, seen.repeated);
    assert!(seen.repeated > 0, "a retry was worth a try");
    let opened = seen.opened.expect("the breaker opened");
    assert!(opened > begin && opened <= begin + Duration::from_secs(5), "{opened:?}");
    // The last ones are half a minute apart at most, and a quarter at least.
    assert!((10..=25).contains(&seen.probes), "{} probes", seen.probes);
    assert_eq!(seen.most_probing, 1);

    let again = seen.answered.iter().find(|time| **time >= end).expect("answers again");
    assert!(*again <= end + OPEN_LONGEST + LATENCY, "{again:?}");
    // From then on, all are: a hundred a second.
    let after = *again + LATENCY..*again + LATENCY + Duration::from_secs(20);
    let answered = seen.answered.iter().filter(|time| after.contains::<Duration>(*time)).count();
    assert!((1999..=2001).contains(&answered), "{answered}");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_was_never_up_is_asked_little() {
    let world = World::new(Duration::ZERO..OUTAGE);
    let seen = world.run(OUTAGE).await;

    assert!(seen.repeated <= SAVED, "{} repeated", seen.repeated);
    let opened = seen.opened.expect("the breaker opened");
    assert!(opened <= Duration::from_secs(5), "{opened:?}");
    assert_eq!(seen.most_probing, 1);
    assert!(seen.first + seen.repeated + seen.probes < 100, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_now_and_then_is_asked_at_most_a_tenth_more() {
    fastrand::seed(301);
    let guard = Guard::new(Limits::default());
    let (mut first, mut repeated) = (0, 0);
    for _ in 0..20_000 {
        first += 1;
        loop {
            let mut permit = guard.enter(1, Duration::ZERO).await.expect("closed");
            sleep(Duration::from_millis(10)).await;
            if fastrand::u8(..4) > 0 {
                permit.succeeded();
                break;
            }
            permit.failed();
            if !guard.may_retry() {
                break;
            }
            repeated += 1;
        }
    }
    assert!(repeated <= first / 10 + SAVED, "{repeated} of {first}");
    assert!(repeated >= first / 20, "{repeated} of {first}");
}
