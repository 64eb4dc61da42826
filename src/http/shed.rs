//! Overload is shed early: only so much is under way at once, and what is more
//! is told so before any of it is read. Imports settings' numbers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::timeout::DeadlineBody;

use super::address::ClientAddress;
use super::class::Class;
use super::error::ApiError;
use super::paced::Paced;
use super::tail;
use crate::config::LimitSettings;
use crate::figures::Figures;
use crate::limits;

/// Seconds after which to come back: spread, so that not all come at once.
const COME_BACK: std::ops::RangeInclusive<u64> = 1..=3;

/// How long the body of a short request may take in all, however it trickles.
const BODY: Duration = Duration::from_secs(30);

/// Places for what is under way.
#[derive(Clone)]
pub(super) struct Shed {
    asks: Option<Arc<Semaphore>>,
    uploads: Option<Arc<Semaphore>>,
    others: Option<Arc<Semaphore>>,
    shares: Shares,
    shares_of_uploads: Shares,
    figures: Figures,
}

/// How many of the places for requests of a kind each address has.
#[derive(Clone)]
struct Shares {
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
    /// Half of the places.
    most: usize,
}

/// A place; it is free again when this is dropped.
struct Place {
    _permit: OwnedSemaphorePermit,
    _share: Option<Share>,
}

struct Share {
    shares: Shares,
    address: IpAddr,
}

impl Shares {
    fn half_of(places: usize) -> Self {
        Self { held: Arc::default(), most: places.div_ceil(2) }
    }

    fn take(&self, address: IpAddr) -> Option<Share> {
        let address = limits::network(address);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.get(&address).copied().unwrap_or_default();
        if count >= self.most {
            return None;
        }
        held.insert(address, count + 1);
        Some(Share { shares: self.clone(), address })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.shares.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                held.remove(&self.address);
            }
        }
    }
}

impl Shed {
    pub(super) fn new(limits: &LimitSettings, figures: Figures) -> Self {
        let places = |most: usize| (most > 0).then(|| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))));
        Self {
            asks: places(limits.in_flight_asks),
            uploads: places(limits.in_flight_uploads),
            others: places(limits.in_flight),
            shares: Shares::half_of(limits.in_flight),
            shares_of_uploads: Shares::half_of(limits.in_flight_uploads),
            figures,
        }
    }

    /// A place, none where none is needed; or none is left, for this address at
    /// least.
    fn take(&self, class: Class, address: Option<IpAddr>) -> Result<Option<Place>, ()> {
        let places = match class {
            Class::Watch => &None,
            Class::Ask => &self.asks,
            Class::Upload => &self.uploads,
            Class::Other => &self.others,
        };
        let Some(places) = places else { return Ok(None) };
        let shares = match class {
            Class::Watch | Class::Ask => None,
            Class::Upload => Some(&self.shares_of_uploads),
            Class::Other => Some(&self.shares),
        };
        let share = match shares.zip(address.filter(|address| !address.is_unspecified())) {
            Some((shares, address)) => Some(shares.take(address).ok_or(())?),
            None => None,
        };
        let permit = Arc::clone(places).try_acquire_owned().map_err(|_| ())?;
        Ok(Some(Place { _permit: permit, _share: share }))
    }
}

/// Lets a request in for which there is a place; it is held until the reply's
/// body has ended.
pub(super) async fn guard(State(shed): State<Shed>, request: Request, next: Next) -> Response {
    let class = Class::of(&request);
    let address = request.extensions().get::<ClientAddress>().map(|address| address.0);
    match shed.take(class, address) {
        Ok(place) => {
            let request = match class {
                _ if request.body().is_end_stream() => request,
                Class::Other => request.map(|body| Body::new(DeadlineBody::new(BODY, body))),
                Class::Ask | Class::Upload | Class::Watch => request.map(|body| Body::new(Paced::new(body))),
            };
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
        let one = shed.take(Class::Other, None).expect("a place");
        assert!(one.is_some() && shed.take(Class::Other, None).is_err());
        let asks = [(); 3].map(|()| shed.take(Class::Ask, None));
        assert_eq!(asks.iter().filter(|place| place.is_ok()).count(), 2);
        assert!(shed.take(Class::Watch, None).is_ok_and(|place| place.is_none()), "how things stand is always told");
        assert!(shed.take(Class::Upload, None).is_ok_and(|place| place.is_none()), "0 is no limit");
        drop(one);
        assert!(shed.take(Class::Other, None).is_ok());
    }

    #[test]
    fn one_address_holds_half_of_the_places_for_short_requests() {
        let shed = Shed::new(&LimitSettings { in_flight: 4, ..LimitSettings::none() }, Figures::new([]));
        let [here, there] = [1, 2].map(|last| Some(IpAddr::from([192, 0, 2, last])));
        let held = [here, here].map(|address| shed.take(Class::Other, address).expect("a place"));
        assert!(shed.take(Class::Other, here).is_err());
        let other = [there, there].map(|address| shed.take(Class::Other, address).expect("a place"));
        assert!(shed.take(Class::Other, None).is_err(), "now all are taken");
        drop((held, other));
        assert!(shed.take(Class::Other, here).is_ok());
        assert!(shed.shares.held.lock().expect("unpoisoned").is_empty(), "who has left is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_request_does_not_trickle_in_for_ever() {
        use futures::{StreamExt, stream};
        use tower::ServiceExt;

        let shed = Shed::new(&LimitSettings { in_flight: 1, ..LimitSettings::none() }, Figures::new([]));
        let read = async |body: Body| match axum::body::to_bytes(body, 1024).await {
            Ok(_) => "whole",
            Err(_) => "cut",
        };
        let routes = axum::Router::new()
            .route("/", axum::routing::post(read))
            .layer(axum::middleware::from_fn_with_state(shed.clone(), guard));
        let trickle = |seconds: usize| {
            let bytes = stream::iter(0..seconds).then(async |_| {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok::<_, std::io::Error>("x")
            });
            Request::post("/").body(Body::from_stream(Box::pin(bytes))).expect("a request")
        };
        for (seconds, told) in [(20, "whole"), (60, "cut")] {
            let reply = routes.clone().oneshot(trickle(seconds)).await.expect("a reply");
            let body = axum::body::to_bytes(reply.into_body(), 1024).await.expect("a body");
            assert_eq!(body, told, "{seconds}");
        }
    }
}
