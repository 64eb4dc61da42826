//! What happens at a place for which something is set. Each fault is logged as it
//! happens, so that a test knows that its place was come past.

use std::time::Duration;

use super::Place;
use crate::error::{Error, Result};

/// What may happen at a place.
enum Fault {
    /// `return(error)`: an error of the kind that the place knows.
    Error,
    /// `return(panic)`.
    Panic,
    /// `return(abort)`: the process ends, as by `kill -9`.
    Abort,
    /// `return(sleep 5000)`: nothing, for so many milliseconds.
    Sleep(Duration),
}

/// Takes what is set from `FAILPOINTS`. For `main`.
///
/// # Panics
/// When that cannot be understood.
pub fn arm() {
    // For as long as the process lives: it would be disarmed when dropped.
    std::mem::forget(fail::FailScenario::setup());
}

/// Comes past a place.
///
/// # Errors
/// The error that is set there.
pub(crate) async fn may_happen(place: Place) -> Result<()> {
    match due(place)? {
        None => Ok(()),
        Some(Fault::Sleep(length)) => {
            tokio::time::sleep(length).await;
            Ok(())
        }
        Some(fault) => happens(&fault, place),
    }
}

/// Comes past a place in a thread that may be held up.
///
/// # Errors
/// The error that is set there.
pub(crate) fn may_happen_in_thread(place: Place) -> Result<()> {
    due(place)?.map_or(Ok(()), |fault| happens(&fault, place))
}

/// What is to happen at a place now.
fn due(place: Place) -> Result<Option<Fault>> {
    let Some(set) = set_at(place) else { return Ok(None) };
    tracing::warn!(fault = place.name(), set, "a fault that was set happens");
    let fault = match set.split_once(' ') {
        None if set == "error" => Fault::Error,
        None if set == "panic" => Fault::Panic,
        None if set == "abort" => Fault::Abort,
        Some(("sleep", length)) => Fault::Sleep(Duration::from_millis(length.parse().map_err(|_| unknown(&set))?)),
        _ => return Err(unknown(&set)),
    };
    Ok(Some(fault))
}

fn set_at(place: Place) -> Option<String> {
    fail::fail_point!(place.name(), |set| Some(set.unwrap_or_default()));
    None
}

fn unknown(set: &str) -> Error {
    Error::Invalid { field: "FAILPOINTS", problem: format!("has no `{set}`; there are error, panic, abort and sleep") }
}

#[expect(clippy::panic, reason = "it is what a test asked for")]
fn happens(fault: &Fault, place: Place) -> Result<()> {
    match fault {
        Fault::Error => Err(error_of(place)),
        Fault::Panic => panic!("a fault that was set, at {}", place.name()),
        Fault::Abort => std::process::abort(),
        Fault::Sleep(length) => {
            std::thread::sleep(*length);
            Ok(())
        }
    }
}

/// An error as what is asked at this place might give it.
fn error_of(place: Place) -> Error {
    let problem = format!("a fault that was set, at {}", place.name());
    match place {
        Place::Reading | Place::Read | Place::Cutting => Error::Reader(problem),
        Place::Embedding | Place::Embedded => Error::Embedder(problem),
        Place::PointsUpdated | Place::VectorsUpdated | Place::PurgeUpdated | Place::Purging => Error::Index(problem),
        _ => Error::Storage(sqlx::Error::Io(std::io::Error::other(problem))),
    }
}
