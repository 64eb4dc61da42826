//! The binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before any thread: this process may be the guard of the database, or the
    // reader of one file after another.
    if let Some(code) = footnote::storage::embedded::guard_main(std::env::args_os()) {
        return code;
    }
    if let Some(code) = footnote::startup::reader_main(std::env::args_os()) {
        return code;
    }
    footnote::startup::memory::settle();
    footnote_ingest::fault::arm();
    footnote::cli::main()
}
