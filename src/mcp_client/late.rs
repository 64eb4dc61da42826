//! A transport that drops replies nobody waits for any more. Imports nothing of
//! this crate.
//!
//! A program that takes long to start answers the question for its protocol when
//! the SDK has already greeted it as an older one. The SDK would take that
//! answer for one to the greeting, and give up.

use rmcp::RoleClient;
use rmcp::model::{ClientRequest, JsonRpcMessage, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;

/// Passes on all but the replies to what was asked before the greeting.
pub(super) struct Late<T> {
    inner: T,
    greeting: Option<RequestId>,
}

impl<T> Late<T> {
    pub(super) fn dropped(inner: T) -> Self {
        Self { inner, greeting: None }
    }

    fn is_late(&self, message: &RxJsonRpcMessage<RoleClient>) -> bool {
        let id = match message {
            JsonRpcMessage::Response(response) => Some(&response.id),
            JsonRpcMessage::Error(error) => error.id.as_ref(),
            _ => None,
        };
        // The SDK numbers its requests.
        matches!((id, &self.greeting), (Some(RequestId::Number(id)), Some(RequestId::Number(greeting))) if id < greeting)
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Late<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        if let JsonRpcMessage::Request(request) = &message
            && matches!(request.request, ClientRequest::InitializeRequest(_))
        {
            self.greeting = Some(request.id.clone());
        }
        self.inner.send(message)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            let message = self.inner.receive().await?;
            if !self.is_late(&message) {
                return Some(message);
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::ProtocolVersion;
    use rmcp::service::{ClientLifecycleMode, ClientServiceExt};
    use rmcp::transport::async_rw::AsyncRwTransport;
    use serde_json::{Value, json};
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, split};

    use super::*;

    /// Answers nothing before it was greeted, and then all in order.
    async fn slow(stream: DuplexStream) {
        let (reader, mut writer) = split(stream);
        let (mut lines, mut waiting) = (BufReader::new(reader).lines(), Vec::new());
        while let Ok(Some(line)) = lines.next_line().await {
            let message: Value = serde_json::from_str(&line).expect("JSON");
            let (id, is_greeting) = (message["id"].clone(), message["method"] == "initialize");
            waiting.push(match is_greeting {
                false => json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "unknown" } }),
                true => json!({ "jsonrpc": "2.0", "id": id, "result": {
                    "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": { "name": "s", "version": "1" }
                } }),
            });
            if !is_greeting {
                continue;
            }
            for reply in waiting.drain(..) {
                writer.write_all(format!("{reply}\n").as_bytes()).await.expect("a reader");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_takes_long_to_start_is_greeted_all_the_same() {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(slow(theirs));
        let (reader, writer) = split(ours);
        let transport = Late::dropped(AsyncRwTransport::new_client(reader, writer));
        let lifecycle = ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
        };
        let service = ().serve_with_lifecycle(transport, lifecycle).await.expect("a greeting");
        assert_eq!(service.peer_info().expect("a version").protocol_version, ProtocolVersion::V_2025_11_25);
    }
}
