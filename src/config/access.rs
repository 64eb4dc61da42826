//! Settings of who may come in, and by which name.

use std::path::PathBuf;

use super::Settings;

impl Settings {
    /// Where the keys are that sign access tokens.
    #[must_use]
    pub fn keyring_path(&self) -> PathBuf {
        self.keyring_file.clone().unwrap_or_else(|| self.data_dir.join("keyring.json"))
    }

    /// The address by which others reach the service, if it was said, without a
    /// slash at its end.
    #[must_use]
    pub fn public_base(&self) -> Option<String> {
        self.public_url.as_deref().map(|url| url.trim_end_matches('/').to_owned())
    }

    /// Whether browsers reach the service over TLS.
    #[must_use]
    pub fn is_public_over_tls(&self) -> bool {
        self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }
}
