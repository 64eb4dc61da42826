//! A wire that can be cut without either end being told: what is sent over it
//! then waits until it is mended. Or one that both ends lose when neither says
//! anything for some time, as at a proxy.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Notify, watch};

/// What is at its other end.
#[derive(Debug, Clone)]
pub enum End {
    Port(SocketAddr),
    Socket(PathBuf),
}

/// A way to something else.
pub struct Relay {
    pub address: SocketAddr,
    whole: Arc<watch::Sender<bool>>,
    open: Arc<AtomicUsize>,
}

impl Relay {
    pub async fn to(end: End) -> Self {
        Self::patient(end, Duration::MAX).await
    }

    /// One that is lost when nothing is said for so long.
    pub async fn patient(end: End, patience: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (whole, open) = (Arc::new(watch::Sender::new(true)), Arc::new(AtomicUsize::new(0)));
        let (wire, count) = (Arc::clone(&whole), Arc::clone(&open));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (end, whole, count) = (end.clone(), wire.subscribe(), Arc::clone(&count));
                tokio::spawn(async move {
                    count.fetch_add(1, Ordering::SeqCst);
                    pass(socket, end, Wire { whole, patience, said: Arc::default() }).await;
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, whole, open }
    }

    /// To the server of a base URL, and the same URL by this way.
    pub async fn before(url: &str) -> (Self, String) {
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let relay = Self::to(End::Port(host.parse().unwrap())).await;
        let url = format!("http://{}/{path}", relay.address);
        (relay, url)
    }

    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    pub fn mend(&self) {
        self.whole.send_replace(true);
    }

    /// Connections that neither end has closed.
    pub fn connections(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

#[derive(Clone)]
struct Wire {
    whole: watch::Receiver<bool>,
    patience: Duration,
    /// Tells of each word.
    said: Arc<Notify>,
}

async fn pass(near: TcpStream, end: End, wire: Wire) {
    match end {
        End::Port(address) => {
            if let Ok(far) = TcpStream::connect(address).await {
                wire.both_ways(near, far).await;
            }
        }
        End::Socket(path) => {
            if let Ok(far) = UnixStream::connect(path).await {
                wire.both_ways(near, far).await;
            }
        }
    }
}

impl Wire {
    async fn both_ways(self, near: TcpStream, far: impl AsyncRead + AsyncWrite) {
        let (near_out, near_in) = near.into_split();
        let (far_out, far_in) = tokio::io::split(far);
        // An end of one side is the end of both.
        tokio::select! {
            () = self.clone().one_way(near_out, far_in) => {}
            () = self.clone().one_way(far_out, near_in) => {}
            () = self.silence() => {}
        }
    }

    async fn one_way(mut self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut bytes = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut bytes).await {
            self.said.notify_one();
            if self.whole.wait_for(|whole| *whole).await.is_err() || to.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    }

    async fn silence(&self) {
        while tokio::time::timeout(self.patience, self.said.notified()).await.is_ok() {}
    }
}
