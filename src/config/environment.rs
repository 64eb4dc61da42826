//! Which environment variables are settings.

use config::Map;

/// Prefix of this service's own variables.
const PREFIX: &str = "FOOTNOTE_";
/// Variables that other programs share, without the prefix.
const SHARED: &[&str] = &[
    "DATABASE_URL",
    "QDRANT_URL",
    "QDRANT_API_KEY",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "GEMINI_API_KEY",
    "GEMINI_BASE_URL",
    "OCR_COMMAND",
    "REDIS_URL",
];

/// The variables that are settings, under the names of the fields. Others, such
/// as those of flags, are not ours to judge.
pub(super) fn known(environment: impl IntoIterator<Item = (String, String)>) -> Map<String, String> {
    environment
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, value)| {
            let field = match name.strip_prefix(PREFIX) {
                Some(own) => own.to_lowercase(),
                None if SHARED.contains(&name.as_str()) => name.to_lowercase(),
                None => return None,
            };
            let known = FIELDS.iter().find(|known| known.replace('.', "_") == field)?;
            Some(((*known).to_owned(), value))
        })
        .collect()
}

/// Names of all settings, those of a table after its name; a test holds them against the struct.
pub(super) const FIELDS: &[&str] = &[
    "data_dir",
    "listen",
    "public_url",
    "allowed_hosts",
    "registration",
    "guests",
    "admin_password",
    "api_key",
    "access_minutes",
    "keyring_file",
    "identity_providers",
    "database_url",
    "postgres_bin",
    "qdrant_url",
    "qdrant_api_key",
    "qdrant_collection",
    "qdrant_shards",
    "qdrant_replicas",
    "model_dir",
    "embedding_model",
    "embedding_base_url",
    "embedding_api_key",
    "embedding_timeout",
    "reranker_base_url",
    "reranker_api_key",
    "reranker_model",
    "onnxruntime",
    "model",
    "openai_api_key",
    "openai_base_url",
    "anthropic_api_key",
    "anthropic_base_url",
    "gemini_api_key",
    "gemini_base_url",
    "providers",
    "fallback_models",
    "prices",
    "rewrite_questions",
    "tools",
    "mcp_servers",
    "max_steps",
    "answer_timeout",
    "max_answer_cost",
    "approval_timeout",
    "abandoned_after",
    "answer_cache",
    "grounded_share",
    "weak_search",
    "context_window",
    "max_answer_tokens",
    "first_token_timeout",
    "idle_timeout",
    "max_file_bytes",
    "fetch_allow",
    "disk_reserve_bytes",
    "max_chunk_tokens",
    "answer_threshold",
    "parser_program",
    "parser_memory_bytes",
    "parser_cpu_seconds",
    "parser_wall_seconds",
    "ocr_command",
    "sync_roots",
    "quota.documents",
    "quota.bytes",
    "quota.pages",
    "quota.chunks",
    "quota.fetches",
    "quota.guest_documents",
    "quota.guest_bytes",
    "quota.guest_pages",
    "quota.guest_chunks",
    "quota.guest_fetches",
    "limits.requests",
    "limits.tokens",
    "limits.streams",
    "limits.key_requests",
    "limits.key_tokens",
    "limits.key_streams",
    "limits.address_requests",
    "limits.address_tokens",
    "limits.address_streams",
    "limits.guest_requests",
    "limits.guest_tokens",
    "limits.guest_streams",
    "limits.guest_key_requests",
    "limits.guest_key_tokens",
    "limits.guest_key_streams",
    "limits.guest_address_requests",
    "limits.guest_address_tokens",
    "limits.guest_address_streams",
    "limits.in_flight",
    "limits.in_flight_asks",
    "limits.in_flight_uploads",
    "limits.connections",
    "limits.address_connections",
    "redis_url",
    "trusted_proxies",
    "allowed_origins",
    "request_timeout",
    "slow_ms",
    "slow_upstream_ms",
];
