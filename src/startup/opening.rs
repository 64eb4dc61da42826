//! What a connection opens with, which tells the protocol it speaks. Imports
//! nothing of this crate.
//!
//! The library can tell it too, but then gives what it heard to the parser in a
//! piece of its own, who takes a buffer of 16 KiB for the next one where 8 would
//! do, for as long as the connection lasts.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What every HTTP/2 connection begins with, and none of HTTP/1: RFC 9113,
/// section 3.4.
const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Versions of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// A connection whose first bytes have been heard, and are read once more.
pub(super) struct Opened<S> {
    heard: [u8; PREFACE.len()],
    /// Those of them that have been read again, and how many there are.
    read: usize,
    len: usize,
    stream: S,
}

/// Listens until it is clear what is spoken. A connection that ends before is taken
/// for the older version, whose parser knows what to make of it.
///
/// # Errors
/// What the system says.
pub(super) async fn hear<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<(Version, Opened<S>)> {
    let (mut heard, mut len) = ([0; PREFACE.len()], 0);
    let version = loop {
        let new = stream.read(&mut heard[len..]).await?;
        len += new;
        if new == 0 || heard[..len] != PREFACE[..len] {
            break Version::One;
        }
        if len == PREFACE.len() {
            break Version::Two;
        }
    };
    Ok((version, Opened { heard, read: 0, len, stream }))
}

impl<S: AsyncRead + Unpin> AsyncRead for Opened<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let again = (self.len - self.read).min(buf.remaining());
        buf.put_slice(&self.heard[self.read..self.read + again]);
        self.read += again;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        // What was given is given; an error comes again.
        if buf.filled().len() > before { Poll::Ready(Ok(())) } else { read }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Opened<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    /// What is heard of a connection that says these pieces and ends, and all that
    /// is read then.
    async fn heard(pieces: &[&[u8]]) -> (Version, Vec<u8>) {
        let (mut far, near) = duplex(1024);
        let saying = async {
            for piece in pieces {
                far.write_all(piece).await.expect("room");
                tokio::task::yield_now().await;
            }
            drop(far);
        };
        let hearing = async {
            let (version, mut opened) = hear(near).await.expect("no error");
            let mut bytes = Vec::new();
            opened.read_to_end(&mut bytes).await.expect("no error");
            (version, bytes)
        };
        tokio::join!(saying, hearing).1
    }

    #[tokio::test]
    async fn the_first_bytes_tell_the_version_and_are_not_lost() {
        for (said, version) in [
            (&b""[..], Version::One),
            (b"GET / HTTP/1.1\r\n\r\n", Version::One),
            (b"PRI * HTTP/1.1\r\n\r\n", Version::One),
            (b"PRI", Version::One),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Version::Two),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nand more", Version::Two),
        ] {
            assert_eq!(heard(&[said]).await, (version, said.to_vec()));
            let pieces: Vec<&[u8]> = said.chunks(1).collect();
            assert_eq!(heard(&pieces).await, (version, said.to_vec()));
        }
    }

    #[tokio::test]
    async fn what_was_heard_comes_together_with_what_follows() {
        let (mut far, near) = duplex(1024);
        let request = b"POST /a/rather/long/path HTTP/1.1\r\nhost: localhost\r\n\r\n";
        far.write_all(request).await.expect("room");
        let (_, mut opened) = hear(near).await.expect("no error");
        let mut buf = [0; 1024];
        assert_eq!(opened.read(&mut buf).await.expect("no error"), request.len());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_however_it_is_cut(said in prop::collection::vec(any::<u8>(), 0..100), cut in 0_usize..100) {
            let cut = cut.min(said.len());
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let (version, bytes) = runtime.block_on(heard(&[&said[..cut], &said[cut..]]));
            prop_assert_eq!(version == Version::Two, said.starts_with(&PREFACE));
            prop_assert_eq!(bytes, said);
        }
    }
}
