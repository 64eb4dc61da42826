//! The figures that this service promises, measured in one run on this
//! machine: ratios and medians, for machines differ.
//!
//! Arguments pick figures by name; without any, all are measured.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement ends at what it did not expect"
)]
#![expect(clippy::disallowed_methods, reason = "a measurement has all rights")]

mod answers;
mod first_token;
mod ingestion;
mod openai;
mod process;
mod rig;
mod search;
mod streams;

use std::process::ExitCode;

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
    /// Nothing was promised.
    None,
}

/// Prints a figure beside its target.
pub fn figure(name: &str, value: f64, unit: &str, target: Target) {
    let (promise, met) = match target {
        Target::AtLeast(limit) => (format!("at least {limit}"), value >= limit),
        Target::AtMost(limit) => (format!("at most {limit}"), value <= limit),
        Target::None => (String::new(), true),
    };
    let verdict = if met { "" } else { "  MISSED" };
    println!("{name:<58} {value:>10.3} {unit:<9} {promise}{verdict}");
}

/// The `share` quantile of values, by the nearest rank.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index"
    )]
    let place = (share * (values.len() as f64 - 1.0)).round() as usize;
    values[place]
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if is_wanted("answers") {
            answers::measure();
        }
        if is_wanted("process") {
            process::measure();
        }
        if is_wanted("first-token") {
            first_token::measure().await;
        }
        if is_wanted("streams") {
            streams::measure().await;
        }
        if is_wanted("openai") {
            openai::measure().await;
        }
        if is_wanted("throughput") {
            ingestion::throughput().await;
        }
        if is_wanted("search") {
            search::measure().await;
        }
    });
    ExitCode::SUCCESS
}
