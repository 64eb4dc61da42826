//! The process: how soon it is ready, and how much memory it holds.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::Value;

use crate::rig::{folder, footnote};
use crate::{Target, figure, quantile};

/// Starts that are measured.
const STARTS: usize = 7;

/// A server of its own, ended when it is dropped.
pub struct Server {
    child: Child,
    pub url: String,
    /// What the commands of this machine show it.
    pub token: SecretString,
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Starts a server and returns when it takes requests.
pub fn serve(data_dir: &Path, environment: &[(&str, String)]) -> Server {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--json", "--quiet"];
    let mut command = footnote(data_dir, &arguments);
    let environment = environment.iter().map(|(name, value)| (name, value));
    let mut child = command.envs(environment).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let started: Value = serde_json::from_str(&line).expect("the server says where it answers");
    let url = started["url"].as_str().expect("an address").to_owned();
    let announced = std::fs::read(data_dir.join("server.json")).expect("an announcement");
    let announced: Value = serde_json::from_slice(&announced).expect("JSON");
    let token = announced["token"].as_str().expect("a token").to_owned().into();
    Server { child, url, token }
}

impl Server {
    /// Memory in MiB that it holds itself, libraries included.
    pub fn resident(&self) -> f64 {
        resident(self.child.id())
    }
}

fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or(0.0);
    kilobytes / 1024.0
}

pub fn measure() {
    let data = folder();
    drop(serve(data.path(), &[]));
    let mut starts: Vec<f64> = (0..STARTS)
        .map(|_| {
            let started = Instant::now();
            let server = serve(data.path(), &[]);
            let ready = started.elapsed().as_secs_f64();
            drop(server);
            ready
        })
        .collect();
    figure("start to ready, warm, median", quantile(&mut starts, 0.5), "s", Target::AtMost(1.5));

    let server = serve(data.path(), &[]);
    std::thread::sleep(Duration::from_secs(1));
    figure("resident memory, idle", server.resident(), "MiB", Target::None);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/kb");
    let mut ingest = footnote(data.path(), &["ingest", fixtures.to_str().unwrap(), "--quiet"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut most: f64 = 0.0;
    while ingest.try_wait().unwrap().is_none() {
        most = most.max(server.resident());
        std::thread::sleep(Duration::from_millis(20));
    }
    figure("resident memory, most while ingesting", most, "MiB", Target::None);
}
