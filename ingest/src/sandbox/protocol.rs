//! What parent and child say to each other, and how it is framed. Imports the
//! document and parse types only; does no more than read and write.
//!
//! A frame is a `u32` length (little endian), that many bytes of JSON, then raw
//! bytes. The JSON is an [`Envelope`]: the head and the lengths of the sections
//! that follow it, so that a file of 100 MiB is neither escaped nor copied.
//!
//! Order: the parent sends a [`Setup`], the child answers [`Outcome::Ready`];
//! then each [`Request`] (one section: the file) gets one [`Reply`] with its
//! number (sections: the text, then one for each member).
//!
//! Neither side trusts the other: every length is checked against [`Bounds`]
//! before memory is taken, and memory is taken only as bytes arrive.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::document::{Member, Parsed, Syntax, TextMap};
use crate::parse::{ParseError, Purpose};

/// Raised with every change of a frame; both sides are the same program, so a
/// difference means that the program was replaced while it ran.
pub const VERSION: u32 = 2;

/// Most bytes of a head: titles, headings, tables and names of members.
const HEAD_BYTES: u64 = 32 << 20;
/// Most sections of a frame.
const SECTIONS: usize = 100_000;
/// Bytes for which memory is taken at once.
pub const STEP: usize = 1 << 20;
/// Frames up to this size are written in one call.
const ONE_WRITE: usize = 64 << 10;

/// What a reader accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes of the head.
    pub head: u64,
    /// Most sections.
    pub sections: usize,
    /// Most bytes of head and sections together.
    pub total: u64,
}

impl Bounds {
    /// For a frame of at most `total` bytes.
    #[must_use]
    pub fn of(total: u64) -> Self {
        Self { head: total.min(HEAD_BYTES), sections: SECTIONS, total }
    }
}

/// Why a frame cannot be read or written.
#[derive(thiserror::Error, Debug)]
pub enum FrameError {
    /// The pipe is gone, or ended within a frame.
    #[error("the pipe to the other process broke: {0}")]
    Pipe(#[from] io::Error),
    /// More is announced than is accepted.
    #[error("{what} of {announced} announced, {bound} accepted")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// What the frame says.
        announced: u64,
        /// What the reader takes.
        bound: u64,
    },
    /// Bytes that are no frame.
    #[error("not a frame: {0}")]
    Malformed(String),
}

impl From<serde_json::Error> for FrameError {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// A frame that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<H> {
    /// What it says.
    pub head: H,
    /// Its raw bytes.
    pub sections: Vec<Vec<u8>>,
}

/// The JSON of a frame.
#[derive(Serialize, Deserialize)]
struct Envelope<H> {
    /// Bytes of each section.
    sections: Vec<u64>,
    head: H,
}

/// First frame to a child: its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// Most bytes of private memory.
    pub memory_bytes: u64,
    /// Most seconds of processor time for each file.
    pub cpu_seconds: u64,
}

/// A file to read; its bytes are the only section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request<'a> {
    /// Given back in the reply.
    pub number: u64,
    /// What is wanted of it.
    pub purpose: Cow<'a, Purpose>,
    /// See [`crate::parse::Source`].
    pub name: Option<Cow<'a, str>>,
    /// See [`crate::parse::Source`].
    pub media_type: Option<Cow<'a, str>>,
}

/// The answer to a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The request's; 0 for the setup.
    pub number: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The limits hold; requests may come.
    Ready(Confinement),
    /// The file is read; text and members' bytes are the sections.
    Parsed(Outline),
    /// The file cannot be read.
    Failed(ParseError),
}

/// How far the kernel confines the child, beyond its resource limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Memory is limited; `false` elsewhere than on Linux.
    pub memory: bool,
    /// Landlock takes all files away; `false` where the kernel lacks it.
    pub landlock: bool,
    /// seccomp takes sockets, programs and further processes away.
    pub seccomp: bool,
    /// Open descriptors that it inherited although it should have none. They
    /// cannot be closed from safe code; whoever starts the server opened them.
    pub inherited: usize,
}

/// A parsed document without its raw bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    title: Option<String>,
    map: TextMap,
    syntax: WireSyntax,
    members: Vec<MemberOutline>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct MemberOutline {
    name: String,
    media_type: Option<String>,
}

/// [`Syntax`] on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireSyntax {
    Plain,
    Markdown,
}

/// Takes a document apart, without copying its bytes.
#[must_use]
pub fn pack(parsed: Parsed) -> (Outline, Vec<Vec<u8>>) {
    let Parsed { title, text, map, syntax, members } = parsed;
    let syntax = match syntax {
        Syntax::Plain => WireSyntax::Plain,
        Syntax::Markdown => WireSyntax::Markdown,
    };
    let mut sections = vec![text.into_bytes()];
    let mut outlines = Vec::with_capacity(members.len());
    for Member { name, media_type, bytes } in members {
        outlines.push(MemberOutline { name, media_type });
        sections.push(bytes);
    }
    (Outline { title, map, syntax, members: outlines }, sections)
}

/// Puts a document together again.
///
/// # Errors
/// [`FrameError::Malformed`] where sections are missing or left over, or the
/// text is not UTF-8.
pub fn unpack(outline: Outline, sections: Vec<Vec<u8>>) -> Result<Parsed, FrameError> {
    let Outline { title, map, syntax, members: outlines } = outline;
    if sections.len() != outlines.len() + 1 {
        return Err(FrameError::Malformed(format!("{} sections for {} members", sections.len(), outlines.len())));
    }
    let mut sections = sections.into_iter();
    let text = String::from_utf8(sections.next().unwrap_or_default())
        .map_err(|error| FrameError::Malformed(error.utf8_error().to_string()))?;
    let members = outlines
        .into_iter()
        .zip(sections)
        .map(|(MemberOutline { name, media_type }, bytes)| Member { name, media_type, bytes })
        .collect();
    let syntax = match syntax {
        WireSyntax::Plain => Syntax::Plain,
        WireSyntax::Markdown => Syntax::Markdown,
    };
    Ok(Parsed { title, text, map, syntax, members })
}

/// Writes a frame and flushes it.
///
/// # Errors
/// [`FrameError`] if the pipe is gone or the head is larger than a `u32` says.
pub fn write(to: &mut impl Write, head: &impl Serialize, sections: &[&[u8]]) -> Result<(), FrameError> {
    let (start, rest) = start_of(head, sections)?;
    to.write_all(&start)?;
    for section in rest {
        to.write_all(section)?;
    }
    Ok(to.flush()?)
}

/// [`write()`] for the parent's side.
///
/// # Errors
/// As [`write()`].
pub async fn send<W: AsyncWrite + Unpin>(
    to: &mut W,
    head: &impl Serialize,
    sections: &[&[u8]],
) -> Result<(), FrameError> {
    let (start, rest) = start_of(head, sections)?;
    to.write_all(&start).await?;
    for section in rest {
        to.write_all(section).await?;
    }
    Ok(to.flush().await?)
}

/// Reads a frame; `None` if the pipe ended before its first byte.
///
/// # Errors
/// [`FrameError`] if the pipe ends within it, or it is not one within `bounds`.
pub fn read<H: DeserializeOwned>(from: &mut impl Read, bounds: Bounds) -> Result<Option<Frame<H>>, FrameError> {
    let mut length = [0; 4];
    if from.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut length[1..])?;
    let json = fill(from, head_length(length, bounds)?)?;
    let (head, lengths) = open(&json, bounds)?;
    let sections = lengths.into_iter().map(|length| fill(from, length)).collect::<Result<_, _>>()?;
    Ok(Some(Frame { head, sections }))
}

/// [`read()`] for the parent's side, to which the end of the pipe is an error.
///
/// # Errors
/// As [`read()`].
pub async fn receive<H: DeserializeOwned, R: AsyncRead + Unpin>(
    from: &mut R,
    bounds: Bounds,
) -> Result<Frame<H>, FrameError> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await?;
    let json = fill_async(from, head_length(length, bounds)?).await?;
    let (head, lengths) = open(&json, bounds)?;
    drop(json);
    let mut sections = Vec::with_capacity(lengths.len());
    for length in lengths {
        sections.push(fill_async(from, length).await?);
    }
    Ok(Frame { head, sections })
}

/// Length and JSON of a frame, with the sections too if they are small, and
/// the sections that remain to be written.
fn start_of<'a>(head: &impl Serialize, sections: &'a [&'a [u8]]) -> Result<(Vec<u8>, &'a [&'a [u8]]), FrameError> {
    let lengths = sections.iter().map(|section| section.len() as u64).collect();
    let mut start = vec![0; 4];
    serde_json::to_writer(&mut start, &Envelope { sections: lengths, head })?;
    let length = start.len() - 4;
    let too_large = FrameError::TooLarge { what: "a head", announced: length as u64, bound: u32::MAX.into() };
    start[..4].copy_from_slice(&u32::try_from(length).map_err(|_| too_large)?.to_le_bytes());
    if sections.iter().map(|section| section.len()).sum::<usize>() > ONE_WRITE {
        return Ok((start, sections));
    }
    for section in sections {
        start.extend_from_slice(section);
    }
    Ok((start, &[]))
}

fn head_length(bytes: [u8; 4], bounds: Bounds) -> Result<usize, FrameError> {
    within("a head", u32::from_le_bytes(bytes).into(), bounds.head)
}

/// The head within its JSON, and the lengths of the sections that follow.
fn open<H: DeserializeOwned>(json: &[u8], bounds: Bounds) -> Result<(H, Vec<usize>), FrameError> {
    let Envelope { sections, head } = serde_json::from_slice(json)?;
    within("sections", sections.len() as u64, bounds.sections as u64)?;
    let total = sections.iter().fold(json.len() as u64, |sum: u64, length| sum.saturating_add(*length));
    within("a frame", total, bounds.total)?;
    let lengths =
        sections.into_iter().map(|length| within("a section", length, bounds.total)).collect::<Result<_, _>>()?;
    Ok((head, lengths))
}

fn within(what: &'static str, announced: u64, bound: u64) -> Result<usize, FrameError> {
    let too_large = FrameError::TooLarge { what, announced, bound };
    if announced > bound { Err(too_large) } else { usize::try_from(announced).map_err(|_| too_large) }
}

/// Room for the next bytes of `length`, at most [`STEP`]; none if all are read.
fn room(bytes: &mut Vec<u8>, length: usize) -> io::Result<&mut [u8]> {
    let read = bytes.len();
    let step = (length - read).min(STEP);
    bytes.try_reserve_exact(step).map_err(|_| io::ErrorKind::OutOfMemory)?;
    bytes.resize(read + step, 0);
    Ok(&mut bytes[read..])
}

fn fill(from: &mut impl Read, length: usize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        from.read_exact(room(&mut bytes, length)?)?;
    }
    Ok(bytes)
}

async fn fill_async<R: AsyncRead + Unpin>(from: &mut R, length: usize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        from.read_exact(room(&mut bytes, length)?).await?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
