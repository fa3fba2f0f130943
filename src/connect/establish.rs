//! From options to a started session: which host, which address, with or without TLS, and when to try the next.
//!
//! The order of attempts is libpq's: hosts, their addresses, and for `allow` and `prefer` both ways of encryption.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::cancel::CancelHandle;
use super::dial;
use super::endpoint::Endpoint;
use super::error::Error;
use super::options::{Host, Options, SslMode, TargetSession, TlsOptions};
use super::startup::{self, Started};
use super::stream::{Socket, Stream};
use super::tls;
use super::wire::Wire;
use crate::pg::sqlstate;
use crate::safety::Address;

/// A started session, where it is, and how to interrupt it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) started: Started,
    pub(super) address: Address,
    pub(super) cancel: CancelHandle,
}

/// Opens a session at the first server that fits; with `only`, at that address and no other.
pub(super) async fn session(
    options: &Options,
    extra: &[(&str, &str)],
    only: Option<&Address>,
) -> Result<Session, Error> {
    let mut last = None;
    for pass in passes(options.target_session) {
        for host in order(&options.hosts, options.shuffle_hosts) {
            let addresses = match only {
                Some(address) => vec![address.clone()],
                None => match dial::resolve(&host, &options.endpoint()).await {
                    Ok(addresses) => order(&addresses, options.shuffle_hosts),
                    Err(error) => {
                        last = Some(error);
                        continue;
                    }
                },
            };
            for address in addresses {
                match attempt(options, &host, &address, extra).await {
                    Ok(session) if fits(&session.started, *pass) => return Ok(session),
                    Ok(_) => {
                        last = Some(Error::WrongTarget {
                            endpoint: options.endpoint(),
                            wanted: target_word(*pass),
                        });
                    }
                    Err(error) if tries_next(&error) => last = Some(error),
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Err(last.unwrap_or_else(|| Error::Protocol {
        endpoint: options.endpoint(),
        problem: "no host to try".to_owned(),
    }))
}

fn passes(target: TargetSession) -> &'static [TargetSession] {
    match target {
        TargetSession::Any => &[TargetSession::Any],
        TargetSession::ReadWrite => &[TargetSession::ReadWrite],
        TargetSession::ReadOnly => &[TargetSession::ReadOnly],
        TargetSession::Primary => &[TargetSession::Primary],
        TargetSession::Standby => &[TargetSession::Standby],
        TargetSession::PreferStandby => &[TargetSession::Standby, TargetSession::Any],
    }
}

/// Shuffled where asked for. The randomness of a hash table's seed is enough to spread load.
fn order<T: Clone>(items: &[T], shuffle: bool) -> Vec<T> {
    let mut items: Vec<_> = items.iter().cloned().enumerate().collect();
    if shuffle {
        let random = RandomState::new();
        items.sort_by_cached_key(|(index, _)| random.hash_one(index));
    }
    items.into_iter().map(|(_, item)| item).collect()
}

/// Whether another server may do better: this one is not there, or not ready. A wrong password is the same anywhere.
fn tries_next(error: &Error) -> bool {
    match error {
        Error::Rejected { server, .. } => sqlstate::is_transient(&server.code),
        Error::Authentication { .. } => false,
        _ => true,
    }
}

/// Servers from 14 on report both settings by themselves (manual, "Asynchronous Operations").
fn fits(started: &Started, target: TargetSession) -> bool {
    let on = |name: &str| started.parameters.get(name).is_some_and(|value| value == "on");
    let (standby, read_only) = (on("in_hot_standby"), on("default_transaction_read_only"));
    match target {
        TargetSession::Any | TargetSession::PreferStandby => true,
        TargetSession::ReadWrite => !standby && !read_only,
        TargetSession::ReadOnly => standby || read_only,
        TargetSession::Primary => !standby,
        TargetSession::Standby => standby,
    }
}

fn target_word(target: TargetSession) -> &'static str {
    match target {
        TargetSession::Any => "any",
        TargetSession::ReadWrite => "read-write",
        TargetSession::ReadOnly => "read-only",
        TargetSession::Primary => "primary",
        TargetSession::Standby => "standby",
        TargetSession::PreferStandby => "prefer-standby",
    }
}

/// One address, within `connect_timeout`.
async fn attempt(
    options: &Options,
    host: &Host,
    address: &Address,
    extra: &[(&str, &str)],
) -> Result<Session, Error> {
    let attempt = Attempt { options, host, address, extra, endpoint: endpoint(options, host) };
    let Some(after) = options.connect_timeout else { return attempt.run().await };
    match tokio::time::timeout(after, attempt.run()).await {
        Ok(session) => session,
        Err(_) => Err(Error::Timeout { endpoint: attempt.endpoint, address: address.to_string(), after }),
    }
}

/// The endpoint of the one host that is being tried.
fn endpoint(options: &Options, host: &Host) -> Endpoint {
    Endpoint::new(&options.user, std::slice::from_ref(host), &options.dbname)
}

/// How one attempt encrypts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encryption {
    Never,
    IfOffered,
    Always,
}

struct Attempt<'a> {
    options: &'a Options,
    host: &'a Host,
    address: &'a Address,
    extra: &'a [(&'a str, &'a str)],
    endpoint: Endpoint,
}

impl Attempt<'_> {
    async fn run(&self) -> Result<Session, Error> {
        // sslmode says nothing about unix sockets (manual, "SSL Mode Descriptions").
        let (first, second) = match (self.address, self.options.tls.mode) {
            (Address::Unix(_), _) | (_, SslMode::Disable) => (Encryption::Never, None),
            (_, SslMode::Allow) => (Encryption::Never, Some(Encryption::Always)),
            (_, SslMode::Prefer) => (Encryption::IfOffered, Some(Encryption::Never)),
            _ => (Encryption::Always, None),
        };
        let error = match (self.once(first).await, second) {
            (Err(error), Some(_)) if other_way_may_do(&error) => error,
            (result, _) => return result,
        };
        let Some(second) = second else { return Err(error) };
        tracing::debug!(endpoint = %self.endpoint, %error, "trying the other way of encryption");
        match self.once(second).await {
            Ok(session) => Ok(session),
            // Both failed: a refused login over TLS tells more than "no encryption" from pg_hba.conf.
            Err(_) if second == Encryption::Never && !matches!(error, Error::Tls { .. }) => Err(error),
            Err(Error::Tls { .. }) => Err(error),
            Err(second) => Err(second),
        }
    }

    async fn once(&self, encryption: Encryption) -> Result<Session, Error> {
        let failed = |source| Error::Connect {
            endpoint: self.endpoint.clone(),
            address: self.address.clone(),
            source,
        };
        let socket = dial::open(self.address, self.host.port, self.options).await.map_err(failed)?;
        let stream = match encryption {
            Encryption::Never => Stream::Plain(socket),
            _ => encrypt(socket, self.host, &self.options.tls, encryption == Encryption::Always)
                .await
                .map_err(|source| Error::Tls { endpoint: self.endpoint.clone(), source: Box::new(source) })?,
        };
        let encrypted = stream.is_tls();
        let wire = Wire::new(stream, self.endpoint.clone());
        let started = startup::start(wire, self.host, self.options, self.extra).await?;
        let cancel = CancelHandle {
            options: Arc::new(self.options.clone()),
            host: self.host.clone(),
            address: self.address.clone(),
            endpoint: self.endpoint.clone(),
            encrypted,
            pid: started.pid,
            key: started.key,
        };
        Ok(Session { started, address: self.address.clone(), cancel })
    }
}

/// Whether the same server may accept us with or without TLS, when it did not the other way.
fn other_way_may_do(error: &Error) -> bool {
    match error {
        Error::Tls { .. } => true,
        Error::Authentication { server, .. } => server.is_some(),
        Error::Lost { .. } => true,
        _ => false,
    }
}

/// Asks for TLS and does the handshake. The one byte of the answer is read alone: whatever comes after it goes to the
/// TLS layer, so nothing can be slipped in before the encryption (CVE-2021-23222).
pub(super) async fn encrypt(
    mut socket: Socket,
    host: &Host,
    options: &TlsOptions,
    required: bool,
) -> Result<Stream, tls::Error> {
    if !options.direct {
        let broken = |error: std::io::Error| tls::Error::Handshake(error.to_string());
        let mut request = bytes::BytesMut::new();
        frontend::ssl_request(&mut request);
        socket.write_all(&request).await.map_err(broken)?;
        match socket.read_u8().await.map_err(broken)? {
            b'S' => {}
            b'N' if required => return Err(tls::Error::NotOffered(tls::word(options.mode))),
            b'N' => return Ok(Stream::Plain(socket)),
            _ => {
                return Err(tls::Error::Handshake(
                    "the server did not understand the request for TLS".to_owned(),
                ));
            }
        }
    }
    Ok(Stream::Tls(Box::new(tls::handshake(socket, host, options).await?)))
}
