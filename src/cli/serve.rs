//! `footnote serve`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::error::Error;
use crate::http::{self, Hosts};
use crate::startup::{self, Doors, Role, Service, Tenancy, Tenant};

use super::failure::Failure;
use super::output::Output;

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address to listen on.
    #[arg(long, env = "FOOTNOTE_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

pub(super) async fn run(
    args: Args,
    settings: Settings,
    interrupted: &CancellationToken,
    output: Output,
) -> Result<(), Failure> {
    let listen = args.listen.clone().unwrap_or_else(|| settings.listen.clone());
    let address = address(&listen).await?;
    let tenancy = match Tenancy::take(&settings.data_dir).await? {
        Tenant::Us(tenancy) => tenancy,
        Tenant::Server(running) => {
            return Err(Failure::Usage(format!(
                "a server runs already, at {} (process {}); stop it, or give this one another --data-dir",
                running.url, running.pid
            )));
        }
    };
    let listener = startup::listen(address).map_err(|error| {
        Failure::Usage(format!("cannot listen on {address}: {error}; choose another address with --listen"))
    })?;
    let address = listener.local_addr().map_err(anyhow::Error::from)?;
    let service = tokio::select! {
        service = Service::start(settings, Role::Server) => service?,
        () = interrupted.cancelled() => return Err(Failure::Interrupted),
    };
    let hosts = Hosts::new(address.ip(), &service.app.settings);
    let url = url(address);
    tenancy.announce(url.clone(), &service.app.credentials.local())?;
    if let Some(first) = &service.first_sign_in {
        output.say(&format!(
            "Sign in as `{}` with the password `{}`. It is shown this once; change it with \
             `footnote users password {}`.",
            first.name,
            first.password.expose_secret(),
            first.name
        ));
    }
    output.note(&format!("Footnote answers at {url} (API: {url}/docs). Stop it with Ctrl-C."));
    if output.json {
        output.json(&serde_json::json!({ "url": url, "pid": std::process::id() }))?;
    }
    let doors = Doors::from(&service.app.settings.limits);
    let hub = service.app.hub.clone();
    // Whoever reads an answer then reads that it was broken off.
    let last_call = async move { hub.end().await };
    let router = http::router(service.app.clone(), hosts);
    startup::serve(listener, router, doors, interrupted.cancelled(), last_call).await;
    service.stop().await;
    drop(tenancy);
    Ok(())
}

async fn address(listen: &str) -> Result<SocketAddr, Failure> {
    let found = tokio::net::lookup_host(listen).await.ok().and_then(|mut addresses| addresses.next());
    found.ok_or_else(|| {
        Failure::from(Error::Invalid {
            field: "listen",
            problem: format!("is `{listen}`, which is no address with a port; 127.0.0.1:8080 is one"),
        })
    })
}

/// Where this machine reaches the server.
fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}
