//! Where a command's calls go: to the server that holds the data folder, or to
//! a service in this process for as long as the command runs.

use crate::client::{Client, Transport};
use crate::config::Settings;
use crate::http::{self, Hosts};
use crate::startup::{Role, Service, Tenancy, Tenant};

use super::failure::Failure;

/// A client, and what it needs to live.
pub(super) struct Session {
    pub(super) client: Client,
    service: Option<(Service, Tenancy)>,
}

impl Session {
    /// Goes through `server` if it is named, through the running server if
    /// there is one, else starts a service.
    pub(super) async fn open(settings: Settings, server: Option<&str>) -> Result<Self, Failure> {
        if let Some(url) = server {
            // The server of this folder knows this machine's commands.
            let here = Tenancy::running(&settings.data_dir).filter(|running| running.url == url.trim_end_matches('/'));
            let key = settings.api_key.clone().or_else(|| here.map(|running| running.token.into()));
            return Ok(Self { client: Client::new(Transport::http(url, key.as_ref())?), service: None });
        }
        match Tenancy::take(&settings.data_dir).await? {
            Tenant::Server(running) => {
                tracing::debug!(url = running.url, pid = running.pid, "going through the running server");
                Ok(Self {
                    client: Client::new(Transport::http(&running.url, Some(&running.token.into()))?),
                    service: None,
                })
            }
            Tenant::Us(tenancy) => {
                let service = Service::start(settings, Role::Command).await?;
                let router = http::router(service.app.clone(), Hosts::loopback());
                let token = service.app.credentials.local();
                Ok(Self { client: Client::new(Transport::Local(router, token)), service: Some((service, tenancy)) })
            }
        }
    }

    /// Ends what was started for the command.
    pub(super) async fn close(self) {
        drop(self.client);
        if let Some((service, tenancy)) = self.service {
            service.stop().await;
            drop(tenancy);
        }
    }
}
