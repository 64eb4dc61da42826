//! Overload is shed early: only so much is under way at once, and what is more
//! is told so before any of it is read. Imports settings' numbers.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::class::Class;
use super::error::ApiError;
use super::tail;
use crate::config::LimitSettings;
use crate::figures::Figures;

/// Seconds after which to come back: spread, so that not all come at once.
const COME_BACK: std::ops::RangeInclusive<u64> = 1..=3;

/// Places for what is under way.
#[derive(Clone)]
pub(super) struct Shed {
    asks: Option<Arc<Semaphore>>,
    uploads: Option<Arc<Semaphore>>,
    others: Option<Arc<Semaphore>>,
    figures: Figures,
}

impl Shed {
    pub(super) fn new(limits: &LimitSettings, figures: Figures) -> Self {
        let places = |most: usize| (most > 0).then(|| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))));
        Self {
            asks: places(limits.in_flight_asks),
            uploads: places(limits.in_flight_uploads),
            others: places(limits.in_flight),
            figures,
        }
    }

    /// A place, none where none is needed; or none is left.
    fn take(&self, class: Class) -> Result<Option<OwnedSemaphorePermit>, ()> {
        let places = match class {
            Class::Watch => &None,
            Class::Ask => &self.asks,
            Class::Upload => &self.uploads,
            Class::Other => &self.others,
        };
        let Some(places) = places else { return Ok(None) };
        Arc::clone(places).try_acquire_owned().map(Some).map_err(|_| ())
    }
}

/// Lets a request in for which there is a place; it is held until the reply's
/// body has ended.
pub(super) async fn guard(State(shed): State<Shed>, request: Request, next: Next) -> Response {
    let class = Class::of(&request);
    match shed.take(class) {
        Ok(place) => {
            let mut response = next.run(request).await;
            if let Some(place) = place {
                tail::hold(&mut response, place);
            }
            response
        }
        Err(()) => {
            shed.figures.shed(class.name());
            let message = "the service has as much under way as it can; try again shortly";
            ApiError::unavailable("service", message, fastrand::u64(COME_BACK)).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_places_of_its_own() {
        let limits = LimitSettings { in_flight: 1, in_flight_asks: 2, ..LimitSettings::none() };
        let shed = Shed::new(&limits, Figures::new([]));
        let one = shed.take(Class::Other).expect("a place");
        assert!(one.is_some() && shed.take(Class::Other).is_err());
        let asks = [shed.take(Class::Ask), shed.take(Class::Ask), shed.take(Class::Ask)];
        assert_eq!(asks.iter().filter(|place| place.is_ok()).count(), 2);
        assert!(shed.take(Class::Watch).is_ok_and(|place| place.is_none()), "how things stand is always told");
        assert!(shed.take(Class::Upload).is_ok_and(|place| place.is_none()), "0 is no limit");
        drop(one);
        assert!(shed.take(Class::Other).is_ok());
    }
}
