//! Limits kept in Redis: all processes' view. Imports the parts.
//!
//! Each decision is one script, which Redis runs as a whole; its clock is the
//! only one. Keys expire by themselves.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, RedisResult, Script};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::clock::Now;
use super::guesses::{self, Mark, Marks, RetryAfter};
use super::who::{Bucket, Key};
use super::{Admitted, LEASE, Refused, SETTLING, STREAMS_WAIT, Standing, What};
use crate::error::{Error, Result};

/// What all keys begin with.
const PREFIX: &str = "footnote:limits";
/// How long Redis may take to answer: a request waits for it.
const PATIENCE: Duration = Duration::from_millis(250);
/// A day's count is kept for two.
const KEPT: u64 = 2 * 86_400;
const MINUTE: Duration = Duration::from_mins(1);

/// Redis.
#[derive(Clone)]
pub(super) struct Shared {
    connection: ConnectionManager,
    admit: Script,
    renew: Script,
    reserve: Script,
    settle: Script,
    attempt: Script,
    take_back: Script,
}

impl Shared {
    /// Nothing is connected yet: that Redis is away is no reason not to start.
    pub(super) fn new(url: &SecretString) -> Result<Self> {
        // The library's words may repeat the password.
        let invalid = |_: RedisError| Error::Invalid {
            field: "REDIS_URL",
            problem: "is not of the form redis://user:password@host:port/database".into(),
        };
        let client = Client::open(url.expose_secret()).map_err(invalid)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(1);
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(client, config).map_err(invalid)?,
            admit: Script::new(include_str!("scripts/admit.lua")),
            renew: Script::new(include_str!("scripts/renew.lua")),
            reserve: Script::new(include_str!("scripts/reserve.lua")),
            settle: Script::new(include_str!("scripts/settle.lua")),
            attempt: Script::new(include_str!("scripts/attempt.lua")),
            take_back: Script::new(include_str!("scripts/take_back.lua")),
        })
    }

    pub(super) async fn admit(
        &self,
        buckets: &[Bucket],
        stream: Option<Uuid>,
        now: Now,
    ) -> RedisResult<Result<Admitted, Refused>> {
        let mut script = self.admit.prepare_invoke();
        script.arg(stream.map(|id| id.to_string()).unwrap_or_default());
        script.arg(milliseconds(LEASE)).arg(u64::try_from(MINUTE.as_micros()).unwrap_or(u64::MAX));
        for Bucket { key, allowance } in buckets {
            script.key(requests(key)).key(streams(key)).key(used(key, now)).key(reserved(key));
            script.arg(allowance.requests).arg(allowance.streams).arg(allowance.tokens);
        }
        let answer: Vec<u64> = script.invoke_async(&mut self.connection.clone()).await?;
        Ok(read(&answer, buckets, now))
    }

    pub(super) async fn release(&self, keys: &[Key], id: Uuid) -> RedisResult<()> {
        let mut pipe = redis::pipe();
        for key in keys {
            pipe.zrem(streams(key), id.to_string()).ignore();
        }
        pipe.query_async(&mut self.connection.clone()).await
    }

    pub(super) async fn renew(&self, open: &[(Uuid, Vec<Key>)]) -> RedisResult<()> {
        let mut script = self.renew.prepare_invoke();
        script.arg(milliseconds(LEASE));
        for (id, keys) in open {
            for key in keys {
                script.key(streams(key)).arg(id.to_string());
            }
        }
        script.invoke_async(&mut self.connection.clone()).await
    }

    pub(super) async fn reserve(
        &self,
        buckets: &[Bucket],
        id: Uuid,
        tokens: u64,
        time: Duration,
        now: Now,
    ) -> RedisResult<Result<(), Refused>> {
        let mut script = self.reserve.prepare_invoke();
        script.arg(id.to_string()).arg(tokens).arg(milliseconds(time));
        for Bucket { key, allowance } in buckets.iter().filter(|bucket| bucket.allowance.tokens > 0) {
            script.key(used(key, now)).key(reserved(key)).arg(allowance.tokens);
        }
        let verdict: u8 = script.invoke_async(&mut self.connection.clone()).await?;
        let refused = |what, retry_after| Err(Refused { what, retry_after, requests: None });
        Ok(match verdict {
            0 => Ok(()),
            1 => refused(What::Tokens, SETTLING),
            _ => refused(What::TokensUsedUp, now.rest_of_day),
        })
    }

    pub(super) async fn settle(
        &self,
        buckets: &[Bucket],
        id: Uuid,
        tokens: u64,
        spent: u64,
        now: Now,
    ) -> RedisResult<()> {
        let mut script = self.settle.prepare_invoke();
        script.arg(format!("{id}:{tokens}")).arg(spent).arg(KEPT);
        for Bucket { key, .. } in buckets.iter().filter(|bucket| bucket.allowance.tokens > 0) {
            script.key(used(key, now)).key(reserved(key));
        }
        script.invoke_async(&mut self.connection.clone()).await
    }

    /// Counts an attempt to sign in, if it may be made. Times of the marks are
    /// those of Redis's clock.
    pub(super) async fn attempt(&self, keys: [Key; 2]) -> RedisResult<Result<Marks, RetryAfter>> {
        let mut script = self.attempt.prepare_invoke();
        for key in &keys {
            script.key(failures(key));
        }
        script.arg(guesses::FREE);
        for time in [guesses::FIRST, guesses::LONGEST, guesses::FORGOTTEN] {
            script.arg(milliseconds(time));
        }
        let [wait, times @ ..]: [u64; 5] = script.invoke_async(&mut self.connection.clone()).await?;
        if wait > 0 {
            return Ok(Err(RetryAfter(Duration::from_millis(wait))));
        }
        let [account, set_account, address, set_address] = times.map(Duration::from_millis);
        Ok(Ok([Mark { before: account, set: set_account }, Mark { before: address, set: set_address }]))
    }

    /// Takes an attempt back; where it passed, all of the account's.
    pub(super) async fn take_back(&self, keys: [Key; 2], marks: Marks, passed: bool) -> RedisResult<()> {
        let mut script = self.take_back.prepare_invoke();
        script.arg(guesses::FREE).arg(u8::from(passed));
        for (key, mark) in keys.iter().zip(marks) {
            script.key(failures(key)).arg(milliseconds(mark.before)).arg(milliseconds(mark.set));
        }
        script.invoke_async(&mut self.connection.clone()).await
    }
}

/// What `admit.lua` says.
fn read(answer: &[u64], buckets: &[Bucket], now: Now) -> Result<Admitted, Refused> {
    let (mut requests, mut tokens) = (None, None);
    for (bucket, told) in buckets.iter().zip(answer.get(2..).unwrap_or_default().chunks_exact(3)) {
        let &[left, reset, taken] = told else { continue };
        let allowance = bucket.allowance;
        if allowance.requests > 0 {
            let reset = Duration::from_millis(reset);
            let standing = Standing { limit: allowance.requests.into(), remaining: left, reset };
            Standing::tighten(&mut requests, standing);
        }
        if allowance.tokens > 0 {
            let remaining = allowance.tokens.saturating_sub(taken);
            let standing = Standing { limit: allowance.tokens, remaining, reset: now.rest_of_day };
            Standing::tighten(&mut tokens, standing);
        }
    }
    let wait = Duration::from_millis(answer.get(1).copied().unwrap_or_default());
    match answer.first() {
        Some(1) => Err(Refused { what: What::Requests, retry_after: wait, requests }),
        Some(2) => Err(Refused { what: What::Streams, retry_after: STREAMS_WAIT, requests }),
        _ => Ok(Admitted { requests, tokens }),
    }
}

fn requests(key: &Key) -> String {
    format!("{PREFIX}:requests:{}", key.text())
}

fn streams(key: &Key) -> String {
    format!("{PREFIX}:streams:{}", key.text())
}

fn used(key: &Key, now: Now) -> String {
    format!("{PREFIX}:tokens:{}:{}", now.day, key.text())
}

fn reserved(key: &Key) -> String {
    format!("{PREFIX}:reserved:{}", key.text())
}

fn failures(key: &Key) -> String {
    format!("{PREFIX}:failures:{}", key.text())
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
