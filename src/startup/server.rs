//! The listening server: so many connections, and a gentle end.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::connection;
use crate::config::LimitSettings;

/// How long requests under way may take once the server shall end.
const DRAIN: Duration = Duration::from_secs(25);
/// When streams that would go on for longer are asked to end.
const LAST_CALL: Duration = Duration::from_secs(15);
/// Rest after a failed accept, which mostly means too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// Bytes that the system may hold of a reply for its reader; Linux counts twice as
/// many. Left to itself it holds 4 MB for each that reads slowly. This is enough
/// for 5 MB a second over a way of 100 ms.
const SEND_BUFFER: u32 = 256 * 1024;

/// How many connections there may be; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doors {
    /// In all.
    pub connections: usize,
    /// From one address.
    pub from_one_address: usize,
}

impl From<&LimitSettings> for Doors {
    fn from(limits: &LimitSettings) -> Self {
        Self { connections: limits.connections, from_one_address: limits.address_connections }
    }
}

/// Listens at an address, for [`serve`].
///
/// # Errors
/// What the system says: the port is taken, or the address is not ours.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Connections have it from their listener.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `router` on `listener` until `stop` completes; then takes nothing
/// new, does `last_call` when something still goes on after a while, and returns
/// when what is under way has ended or its time is over.
///
/// One connection too many is accepted and closed at once. Were it left to wait,
/// its client would wait for an answer too, those behind it with it, and nothing
/// would tell a balancer to go elsewhere.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    doors: Doors,
    stop: impl Future<Output = ()>,
    last_call: impl Future<Output = ()>,
) {
    let most = within_files(doors.connections);
    let builder = connection::builder();
    let callers = Callers::default();
    let stopping = CancellationToken::new();
    let mut open = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(_) = open.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let place = callers.enter(peer.ip(), doors.from_one_address);
                let (Some(place), true) = (place, open.len() < most) else {
                    tracing::debug!(%peer, "a connection too many was closed");
                    continue;
                };
                let served = connection::serve(builder.clone(), stream, peer, router.clone(), stopping.clone());
                open.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    stopping.cancel();
    if tokio::time::timeout(DRAIN, drained(&mut open, last_call)).await.is_err() {
        tracing::warn!(connections = open.len(), "some requests were still under way and were cut off");
    }
    // What is left is cut off here.
    open.shutdown().await;
}

/// Waits until all connections have ended.
async fn drained(open: &mut JoinSet<()>, last_call: impl Future<Output = ()>) {
    let ended = async { while open.join_next().await.is_some() {} };
    let called = async {
        tokio::time::sleep(LAST_CALL).await;
        last_call.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = ended => {}
        () = called => {}
    }
}

/// As many connections as there can be files, a part of which belongs to others.
fn within_files(wanted: usize) -> usize {
    let limits = getrlimit(Resource::Nofile);
    // More than what the shell gave, as far as the system allows.
    let raised = Rlimit { current: limits.maximum, maximum: limits.maximum };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { limits.maximum } else { limits.current };
    let files = current.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
    let possible = files - files / 4;
    if wanted == 0 { possible } else { wanted.min(possible) }
}

/// Connections by the address that they come from.
#[derive(Debug, Clone, Default)]
struct Callers(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection's place among those of its address.
struct Place {
    callers: Callers,
    address: IpAddr,
}

impl Callers {
    fn enter(&self, address: IpAddr, most: usize) -> Option<Place> {
        let address = address.to_canonical();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if most > 0 && *count >= most {
            return None;
        }
        *count += 1;
        Some(Place { callers: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.callers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_leaves_nothing_behind() {
        let callers = Callers::default();
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let places: Vec<_> = (0..3).map(|_| callers.enter(address("192.0.2.1"), 2)).collect();
        assert_eq!(places.iter().flatten().count(), 2);
        assert!(callers.enter(address("::ffff:192.0.2.1"), 2).is_none(), "the same in another form");
        assert!(callers.enter(address("192.0.2.2"), 2).is_some());
        drop(places);
        assert!(callers.0.lock().expect("unpoisoned").is_empty());
        assert!(callers.enter(address("192.0.2.1"), 0).is_some(), "0 is no limit");
    }
}
