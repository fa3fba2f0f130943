//! A real CancelRequest: a second connection to the same address that interrupts what a session is doing.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::dial;
use super::endpoint::Endpoint;
use super::error::Error;
use super::establish;
use super::options::{Host, Options};
use super::stream::Stream;
use crate::safety::Address;

/// A cancel that is not through by then will not help anybody who waits for it.
const LIMIT: Duration = Duration::from_secs(10);

/// Interrupts one session's running statement; cheap to clone, usable from any task.
#[derive(Clone, Debug)]
pub struct CancelHandle {
    pub(super) options: Arc<Options>,
    pub(super) host: Host,
    pub(super) address: Address,
    pub(super) endpoint: Endpoint,
    pub(super) encrypted: bool,
    pub(super) pid: i32,
    pub(super) key: i32,
}

impl CancelHandle {
    /// Sends the request to the address the session was opened at, with TLS if the session has it, and waits until
    /// the server has taken it. The session then answers with `query_canceled`, or not, if it was just done: a cancel
    /// that meets an idle session does nothing.
    pub async fn cancel(&self) -> Result<(), Error> {
        match tokio::time::timeout(LIMIT, self.request()).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout {
                endpoint: self.endpoint.clone(),
                address: self.address.to_string(),
                after: LIMIT,
            }),
        }
    }

    async fn request(&self) -> Result<(), Error> {
        let failed = |source| Error::Connect {
            endpoint: self.endpoint.clone(),
            address: self.address.clone(),
            source,
        };
        let socket = dial::open(&self.address, self.host.port, &self.options).await.map_err(failed)?;
        let mut stream = if self.encrypted {
            establish::encrypt(socket, &self.host, &self.options.tls, true)
                .await
                .map_err(|source| Error::Tls { endpoint: self.endpoint.clone(), source: Box::new(source) })?
        } else {
            Stream::Plain(socket)
        };
        let mut request = BytesMut::new();
        frontend::cancel_request(self.pid, self.key, &mut request);
        stream.write_all(&request).await.map_err(failed)?;
        stream.flush().await.map_err(failed)?;
        // The server answers nothing and closes, after it sent the signal. TLS may complain of how it closes.
        let _closed = stream.read(&mut [0; 1]).await;
        Ok(())
    }
}
