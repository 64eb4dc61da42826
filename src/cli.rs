//! The command line: arguments in, text or JSON out, an exit code that says
//! what happened. Data goes to standard output, everything else to standard
//! error.

mod ask;
mod collections;
mod doctor;
mod eval;
mod failure;
mod ingest;
mod jobs;
mod keys;
mod mcp;
mod output;
mod reembed;
mod schedules;
mod search;
mod serve;
mod session;
mod users;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use footnote_ingest::cli::IngestArgs;
use footnote_ingest::rights;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::telemetry::{self, LogFormat};
use failure::Failure;
use output::Output;
use session::Session;

/// Answers from your own documents, with citations that were checked.
#[derive(Debug, Parser)]
#[command(name = "footnote", version, about, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 unexpected, 2 usage, 3 not allowed, 4 unreachable, 5 partly failed, \
                          130 interrupted. Every flag has an environment variable: FOOTNOTE_ and its name.";

#[derive(Debug, clap::Args)]
struct Global {
    /// Where everything is kept.
    #[arg(long, global = true, env = "FOOTNOTE_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Settings in TOML.
    #[arg(long, global = true, env = "FOOTNOTE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Go through the server at this URL.
    #[arg(long, global = true, env = "FOOTNOTE_SERVER", value_name = "URL")]
    server: Option<String>,
    /// Print JSON.
    #[arg(long, global = true, env = "FOOTNOTE_JSON")]
    json: bool,
    /// Errors only.
    #[arg(short, long, global = true, env = "FOOTNOTE_QUIET")]
    quiet: bool,
    /// Say more; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, env = "FOOTNOTE_VERBOSE")]
    verbose: u8,
    /// What a line of the log looks like.
    #[arg(long, global = true, env = "FOOTNOTE_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service.
    Serve(serve::Args),
    /// Work on the queue beside servers that share the database and the index.
    Worker,
    /// Read documents into a collection.
    Ingest(IngestArgs),
    /// Find passages.
    Search(search::Args),
    /// Ask a question, and get an answer with its sources.
    Ask(ask::Args),
    /// Serve models of other programs by the Model Context Protocol, on standard
    /// input and output.
    Mcp(mcp::Args),
    /// Measure retrieval and answers on sets of questions.
    Eval(eval::Args),
    /// List, make, rename and delete collections.
    Collections(collections::Args),
    /// List what waits, runs or was given up; retry or cancel it.
    Jobs(jobs::Args),
    /// List, add and remove what is done by the clock.
    Schedules(schedules::Args),
    /// List, add, disable and delete accounts.
    #[command(subcommand)]
    Users(users::Command),
    /// List, add and end keys of programs.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Compare the index with the database, and mend it.
    Doctor(doctor::Args),
    /// Change the embedding model while searches go on: build an index for the
    /// configured one, compare the two, change over.
    Reembed(reembed::Args),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Bytes of stack of a thread, twice what is usual: work that waits for work that
/// waits is many calls deep when it goes on, and to run out of stack ends the process.
const STACK: usize = 4 * 1024 * 1024;

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output { json: cli.global.json, quiet: cli.global.quiet };
    let serving = matches!(cli.command, Command::Serve(_) | Command::Worker);
    telemetry::start(cli.global.quiet, cli.global.verbose, serving, cli.global.log_format);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = match runtime.enable_all().thread_stack_size(STACK).build() {
        Ok(runtime) => runtime,
        Err(error) => return output.failed(&Failure::Unexpected(error.into())),
    };
    let done = runtime.block_on(run(cli, output));
    // Work that cannot be interrupted, such as an embedding, is not waited for.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output.failed(&failure),
    }
}

async fn run(cli: Cli, output: Output) -> Result<(), Failure> {
    let settings = || settings(&cli.global);
    let interrupted = on_interrupt()?;
    match cli.command {
        Command::Completions { shell } => output.raw(&completions(shell)),
        Command::Serve(args) => serve::run(args, settings()?, &interrupted, output).await,
        Command::Worker => worker::run(settings()?, &interrupted, output).await,
        Command::Eval(args) => eval::run(args, settings()?, &interrupted, output).await,
        Command::Ingest(args) => {
            let own = settings()?;
            with_session(&cli.global, &interrupted, async |client| ingest::run(client, args, own, output).await).await
        }
        Command::Search(args) => {
            with_session(&cli.global, &interrupted, async |client| search::run(client, args, output).await).await
        }
        Command::Ask(args) => {
            with_session(&cli.global, &interrupted, async |client| ask::run(client, args, output).await).await
        }
        Command::Mcp(args) => {
            let own = settings()?;
            with_session(&cli.global, &interrupted, async |client| mcp::run(client, args, &own).await).await
        }
        Command::Collections(args) => {
            with_session(&cli.global, &interrupted, async |client| collections::run(client, args, output).await).await
        }
        Command::Jobs(args) => {
            with_session(&cli.global, &interrupted, async |client| jobs::run(client, args, output).await).await
        }
        Command::Schedules(args) => {
            with_session(&cli.global, &interrupted, async |client| schedules::run(client, args, output).await).await
        }
        Command::Reembed(args) => {
            with_session(&cli.global, &interrupted, async |client| reembed::run(client, args, output).await).await
        }
        Command::Users(command) => {
            with_session(&cli.global, &interrupted, async |client| users::run(command, client, output).await).await
        }
        Command::Keys(command) => {
            with_session(&cli.global, &interrupted, async |client| keys::run(command, client, output).await).await
        }
        Command::Doctor(args) => {
            with_session(&cli.global, &interrupted, async |client| doctor::run(client, args, output).await).await
        }
    }
}

/// The script that completes commands and flags in a shell.
fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "footnote", &mut script);
    script
}

/// Runs a command against the server that runs, or without one; ends gently
/// when interrupted.
async fn with_session(
    global: &Global,
    interrupted: &CancellationToken,
    command: impl AsyncFnOnce(&crate::client::Client) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let session = tokio::select! {
        session = Session::open(settings(global)?, global.server.as_deref()) => session?,
        () = interrupted.cancelled() => return Err(Failure::Interrupted),
    };
    let done = tokio::select! {
        done = command(&session.client) => done,
        () = interrupted.cancelled() => Err(Failure::Interrupted),
    };
    session.close().await;
    done
}

/// A token that is cancelled when the user or the system wants the process to
/// end. It is asked for once, at the start: a signal between two listeners would
/// be lost. The second signal ends the process at once.
fn on_interrupt() -> Result<CancellationToken, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(anyhow::Error::from)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(anyhow::Error::from)?;
    let token = CancellationToken::new();
    let cancel = token.clone();
    rights::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if cancel.is_cancelled() {
                std::process::exit(i32::from(Failure::Interrupted.exit_code()));
            }
            cancel.cancel();
        }
    });
    Ok(token)
}

fn settings(global: &Global) -> Result<Settings, Failure> {
    let mut settings = Settings::load(global.config.as_deref(), std::env::vars())?;
    if let Some(data_dir) = &global.data_dir {
        settings.data_dir.clone_from(data_dir);
    }
    settings.data_dir = std::path::absolute(&settings.data_dir).map_err(|error| Failure::Unexpected(error.into()))?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;
    use clap_complete::Shell;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_has_an_environment_variable() {
        let command = Cli::command();
        for part in std::iter::once(&command).chain(command.get_subcommands()) {
            let flags = part.get_arguments().filter(|flag| !flag.is_positional());
            for flag in flags.filter(|flag| !["help", "version"].contains(&flag.get_id().as_str())) {
                assert!(flag.get_env().is_some(), "--{} of `{}` has none", flag.get_id(), part.get_name());
            }
        }
    }

    #[test]
    fn every_shell_has_a_completion_script_that_names_the_commands() {
        let shells: Vec<String> = Shell::value_variants().iter().map(ToString::to_string).collect();
        assert_eq!(shells, ["bash", "elvish", "fish", "powershell", "zsh"]);
        for shell in Shell::value_variants() {
            let script = String::from_utf8(completions(*shell)).unwrap();
            for name in ["footnote", "ingest", "completions"] {
                assert!(script.contains(name), "{shell}: no `{name}`");
            }
        }
    }
}
