//! Settings of what callers may take, and of how much is taken on at once.

use serde::Deserialize;

/// Limits towards callers, the table `limits` of the file. 0 is no limit
/// everywhere. Requests count by the minute, tokens by the day in UTC, streams
/// at once.
///
/// A caller is held to all limits that there are for it: of its account, of the
/// API key that it came with, and of the address that it came from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Of an account.
    pub requests: u32,
    /// Of an account.
    pub tokens: u64,
    /// Of an account.
    pub streams: u32,
    /// Of an API key.
    pub key_requests: u32,
    /// Of an API key.
    pub key_tokens: u64,
    /// Of an API key.
    pub key_streams: u32,
    /// Of all accounts behind an address.
    pub address_requests: u32,
    /// Of all accounts behind an address.
    pub address_tokens: u64,
    /// Of all accounts behind an address.
    pub address_streams: u32,
    /// Of a guest.
    pub guest_requests: u32,
    /// Of a guest.
    pub guest_tokens: u64,
    /// Of a guest.
    pub guest_streams: u32,
    /// Of a guest's API key.
    pub guest_key_requests: u32,
    /// Of a guest's API key.
    pub guest_key_tokens: u64,
    /// Of a guest's API key.
    pub guest_key_streams: u32,
    /// Of all guests behind an address, and of those who say nobody's name.
    pub guest_address_requests: u32,
    /// Of all guests behind an address.
    pub guest_address_tokens: u64,
    /// Of all guests behind an address.
    pub guest_address_streams: u32,
    /// Requests under way in the whole process, but those below.
    pub in_flight: usize,
    /// Questions and streams under way in the whole process.
    pub in_flight_asks: usize,
    /// Uploads under way in the whole process.
    pub in_flight_uploads: usize,
    /// Connections of the whole process.
    pub connections: usize,
    /// Connections from one address.
    pub address_connections: usize,
}

impl Default for LimitSettings {
    /// Regular accounts meet their limits when something of theirs runs wild,
    /// guests when they want more than to try.
    fn default() -> Self {
        Self {
            requests: 30_000,
            tokens: 50_000_000,
            streams: 256,
            key_requests: 6_000,
            key_tokens: 0,
            key_streams: 256,
            address_requests: 60_000,
            address_tokens: 0,
            address_streams: 1_000,
            guest_requests: 60,
            guest_tokens: 50_000,
            guest_streams: 2,
            guest_key_requests: 60,
            guest_key_tokens: 50_000,
            guest_key_streams: 2,
            guest_address_requests: 240,
            guest_address_tokens: 500_000,
            guest_address_streams: 8,
            in_flight: 256,
            in_flight_asks: 1_024,
            in_flight_uploads: 32,
            connections: 8_192,
            address_connections: 4_096,
        }
    }
}

impl LimitSettings {
    /// No limits at all.
    #[must_use]
    pub fn none() -> Self {
        Self {
            requests: 0,
            tokens: 0,
            streams: 0,
            key_requests: 0,
            key_tokens: 0,
            key_streams: 0,
            address_requests: 0,
            address_tokens: 0,
            address_streams: 0,
            guest_requests: 0,
            guest_tokens: 0,
            guest_streams: 0,
            guest_key_requests: 0,
            guest_key_tokens: 0,
            guest_key_streams: 0,
            guest_address_requests: 0,
            guest_address_tokens: 0,
            guest_address_streams: 0,
            in_flight: 0,
            in_flight_asks: 0,
            in_flight_uploads: 0,
            connections: 0,
            address_connections: 0,
        }
    }
}
