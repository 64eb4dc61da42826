//! The child's side: reads requests and answers them until its input ends.
//! Imports the protocol and the confinement.

use std::alloc::Layout;
use std::fs::File;
use std::io;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::thread;

use rustix::event::{PollFd, PollFlags};

use super::confine;
use super::protocol::{self, Bounds, FrameError, Outcome, Reply, Request, Setup, VERSION};
use crate::document::Parsed;
use crate::parse::{ParseError, Purpose, Source};

/// Stack of the thread that answers; more than this is deep nesting on purpose.
/// Taken at the start, so that a large file cannot stand in its way.
const STACK_BYTES: usize = 16 << 20;
/// Most bytes of a [`Setup`].
const SETUP_BYTES: u64 = 4 << 10;

/// Serves `parse` to the process that started this one, until that closes the
/// pipe. To be called first thing in `main`, before any thread is started:
/// threads that run by then would stay unconfined.
///
/// # Errors
/// If the limits cannot be set, or the pipe carries something else.
pub fn serve(parse: impl Fn(&Source<'_>, &Purpose) -> Result<Parsed, ParseError> + Sync) -> io::Result<()> {
    let (mut input, mut output) = confine::take_standard_streams()?;
    let Some(setup) = protocol::read::<Setup>(&mut input, Bounds::of(SETUP_BYTES)).map_err(to_io)? else {
        return Ok(());
    };
    let setup = setup.head;
    if setup.version != VERSION {
        return Err(io::Error::other("the program was replaced while it ran; restart the server"));
    }
    panic::set_hook(Box::new(say_where));
    let confinement = confine::apply(&setup)?;
    leave_with_parent(input.try_clone()?)?;
    let ready = Reply { number: 0, outcome: Outcome::Ready(confinement) };
    thread::scope(|scope| {
        let answer = || {
            protocol::write(&mut output, &ready, &[]).map_err(to_io)?;
            answer_all(&mut input, &mut output, &setup, &parse)
        };
        let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, answer)?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the protocol's thread panicked")))
    })
}

/// Answers requests until the input ends.
fn answer_all(
    input: &mut File,
    output: &mut File,
    setup: &Setup,
    parse: &impl Fn(&Source<'_>, &Purpose) -> Result<Parsed, ParseError>,
) -> io::Result<()> {
    let bounds = Bounds::of(setup.memory_bytes);
    loop {
        // Before the file is read: no file spends what another one has left.
        confine::renew_processor_time(setup.cpu_seconds)?;
        let Some(frame) = protocol::read::<Request<'_>>(input, bounds).map_err(to_io)? else {
            return Ok(());
        };
        let [bytes] = frame.sections.as_slice() else {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        };
        let Request { number, purpose, name, media_type } = &frame.head;
        let source = Source { bytes, name: name.as_deref(), media_type: media_type.as_deref() };
        // What a parser leaves behind when it panics is dropped with the call.
        let parsed =
            panic::catch_unwind(AssertUnwindSafe(|| parse(&source, purpose))).unwrap_or_else(|_| Err(panicked()));
        let (outcome, sections) = match parsed {
            Ok(parsed) => {
                let (outline, sections) = protocol::pack(parsed);
                (Outcome::Parsed(outline), sections)
            }
            Err(error) => (Outcome::Failed(error), vec![]),
        };
        let sections: Vec<&[u8]> = sections.iter().map(Vec::as_slice).collect();
        protocol::write(output, &Reply { number: *number, outcome }, &sections).map_err(to_io)?;
    }
}

fn panicked() -> ParseError {
    ParseError::Broken { format: "uploaded".into(), problem: "its parser met what it cannot handle".into() }
}

/// Says where a panic was, not what: its words may quote the document.
fn say_where(panic: &PanicHookInfo<'_>) {
    if let Some(place) = panic.location() {
        eprintln!("panic at {place}");
    }
}

/// Ends this process as soon as the other end of its input is closed, even in
/// the midst of a file.
///
/// `PR_SET_PDEATHSIG` would not do: it fires when the parent's *thread* that
/// spawned ends, and the threads of an async runtime come and go.
fn leave_with_parent(input: File) -> io::Result<()> {
    let watch = move || {
        let mut watched = [PollFd::new(&input, PollFlags::empty())];
        loop {
            let ready = rustix::event::poll(&mut watched, None);
            if ready.is_ok() && watched[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
                // What the parent sent before it left is of no use to anyone.
                std::process::exit(0);
            }
        }
    };
    thread::Builder::new().stack_size(64 << 10).spawn(watch).map(drop)
}

/// A request that does not fit into memory ends this process as any other
/// allocation that fails.
fn to_io(error: FrameError) -> io::Error {
    match error {
        FrameError::Pipe(error) if error.kind() == io::ErrorKind::OutOfMemory => {
            std::alloc::handle_alloc_error(Layout::new::<[u8; protocol::STEP]>())
        }
        FrameError::Pipe(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}
