//! The start of a session on an open stream: the startup message, authentication, what the server says of itself.
//!
//! One implementation for SQL and raw connections (manual, "Message Flow: Start-up").

use std::collections::BTreeMap;

use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{self, ScramSha256};
use postgres_protocol::message::frontend;

use super::error::Error;
use super::options::{ChannelBinding, Host, Method, Options, Password};
use super::stream::Stream;
use super::tls;
use super::wire::{self, Frame, Wire};

/// Longer messages than these are not part of any start-up: libpq has 30,000 for the longest, an error.
const LONGEST: usize = 32 * 1024;

const SCRAM: &str = "SCRAM-SHA-256";
const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// A session that is ready for its first query.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) wire: Wire,
    /// What ParameterStatus messages said.
    pub(super) parameters: BTreeMap<String, String>,
    /// BackendKeyData; zeros where the server sent none.
    pub(super) pid: i32,
    pub(super) key: i32,
}

/// Starts the session. `extra` goes into the startup message (`replication=database`).
pub(super) async fn start(
    wire: Wire,
    host: &Host,
    options: &Options,
    extra: &[(&str, &str)],
) -> Result<Started, Error> {
    let mut started = Started { wire, parameters: BTreeMap::new(), pid: 0, key: 0 };
    let mut parameters = vec![
        ("user", options.user.as_str()),
        ("database", options.dbname.as_str()),
        ("client_encoding", "UTF8"),
        ("application_name", options.application_name.as_str()),
    ];
    if let Some(text) = &options.startup_options {
        parameters.push(("options", text));
    }
    parameters.extend_from_slice(extra);
    let wrong = |_| Error::Protocol {
        endpoint: options.endpoint(),
        problem: "a start-up parameter holds a NUL byte".to_owned(),
    };
    frontend::startup_message(parameters, &mut started.wire.outgoing).map_err(wrong)?;
    started.wire.flush().await?;

    let mut talk =
        Talk { password: options.password_for(host), options, used: None, bound: false, scram: Scram::Not };
    loop {
        let frame = started.wire.read_up_to(LONGEST).await?;
        match frame.tag {
            b'R' => {
                if talk.answer(&mut started.wire, &frame)? {
                    break;
                }
                started.wire.flush().await?;
            }
            _ => talk.other(&mut started, &frame)?,
        }
    }
    loop {
        let frame = started.wire.read_up_to(LONGEST).await?;
        match frame.tag {
            b'Z' => return Ok(started),
            _ => talk.other(&mut started, &frame)?,
        }
    }
}

enum Scram {
    Not,
    Running(Box<ScramSha256>),
    Finished,
}

/// Where an authentication stands.
struct Talk<'a> {
    options: &'a Options,
    password: Option<Password>,
    used: Option<Method>,
    bound: bool,
    scram: Scram,
}

impl Talk<'_> {
    /// Answers an authentication request; true when the server is content and so are we.
    fn answer(&mut self, wire: &mut Wire, frame: &Frame) -> Result<bool, Error> {
        let Some((code, body)) = frame.body.split_first_chunk::<4>() else {
            return Err(wire.violated("an authentication request without a code"));
        };
        match u32::from_be_bytes(*code) {
            0 => self.accepted().map(|()| true),
            3 => self.cleartext(wire).map(|()| false),
            5 => self.md5(wire, body).map(|()| false),
            10 => self.scram_begin(wire, body).map(|()| false),
            11 => self.scram_continue(wire, body).map(|()| false),
            12 => self.scram_finish(wire, body).map(|()| false),
            7..=9 => {
                Err(self.refuse("the server asks for GSSAPI or SSPI, which multiboard-sync does not speak"))
            }
            _ => Err(self
                .refuse("the server asks for an authentication method that multiboard-sync does not speak")),
        }
    }

    fn accepted(&self) -> Result<(), Error> {
        if matches!(self.scram, Scram::Running(_)) {
            return Err(self.refuse("the server ended SCRAM without proving that it knows the password"));
        }
        if self.used.is_none() && !self.options.require_auth.allows(Method::None) {
            return Err(
                self.refuse("the server asked for no authentication, which require_auth does not allow")
            );
        }
        if self.options.channel_binding == ChannelBinding::Require && !self.bound {
            return Err(
                self.refuse("channel binding is required, and the server did not authenticate with it")
            );
        }
        Ok(())
    }

    fn begin(&mut self, method: Method, name: &str) -> Result<Password, Error> {
        if !self.options.require_auth.allows(method) {
            return Err(
                self.refuse(&format!("the server asks for {name}, which require_auth does not allow"))
            );
        }
        if self.options.channel_binding == ChannelBinding::Require && method != Method::Scram {
            return Err(self.refuse(&format!("channel binding is required, and the server asks for {name}")));
        }
        self.used = Some(method);
        match &self.password {
            Some(password) => Ok(password.clone()),
            None => Err(self.refuse("the server asks for a password, and none was given")),
        }
    }

    fn cleartext(&mut self, wire: &mut Wire) -> Result<(), Error> {
        let password = self.begin(Method::Password, "a cleartext password")?;
        if !wire.stream.is_private() {
            return Err(
                self.refuse("the server asks for the password in clear text over an unencrypted connection")
            );
        }
        self.send_password(wire, password.secret.expose().as_bytes())
    }

    fn md5(&mut self, wire: &mut Wire, salt: &[u8]) -> Result<(), Error> {
        let password = self.begin(Method::Md5, "an MD5 password")?;
        let Ok(salt) = <[u8; 4]>::try_from(salt) else {
            return Err(wire.violated("an MD5 request without its salt"));
        };
        let hash = md5_hash(self.options.user.as_bytes(), password.secret.expose().as_bytes(), salt);
        self.send_password(wire, hash.as_bytes())
    }

    fn send_password(&self, wire: &mut Wire, password: &[u8]) -> Result<(), Error> {
        let written = frontend::password_message(password, &mut wire.outgoing);
        written.map_err(|_| self.refuse("the password holds a NUL byte"))
    }

    fn scram_begin(&mut self, wire: &mut Wire, mut body: &[u8]) -> Result<(), Error> {
        let mut offered = Vec::new();
        while let Some((name, rest)) = wire::text(body).filter(|(name, _)| !name.is_empty()) {
            offered.push(name);
            body = rest;
        }
        let offers = |name: &str| offered.iter().any(|offer| offer == name);
        if !offers(SCRAM) && !offers(SCRAM_PLUS) {
            return Err(self.refuse("the server offers no SASL mechanism that multiboard-sync speaks"));
        }
        let password = self.begin(Method::Scram, "SCRAM")?;
        let hash = match &wire.stream {
            Stream::Tls(stream) => tls::end_point_hash(stream),
            Stream::Plain(_) => None,
        };
        let wanted = self.options.channel_binding;
        let hash = hash.filter(|_| wanted != ChannelBinding::Disable);
        let (mechanism, binding) = match hash {
            Some(hash) if offers(SCRAM_PLUS) => {
                (SCRAM_PLUS, sasl::ChannelBinding::tls_server_end_point(hash))
            }
            // We could have bound and the server says it cannot: if somebody in between took the offer out, the
            // server notices by this.
            Some(_) => (SCRAM, sasl::ChannelBinding::unrequested()),
            None => (SCRAM, sasl::ChannelBinding::unsupported()),
        };
        self.bound = mechanism == SCRAM_PLUS;
        if wanted == ChannelBinding::Require && !self.bound {
            return Err(self.refuse("channel binding is required, and this connection or server has none"));
        }
        if !offers(mechanism) {
            return Err(self.refuse("the server offers SCRAM with channel binding only"));
        }
        let scram = ScramSha256::new(password.secret.expose().as_bytes(), binding);
        let written = frontend::sasl_initial_response(mechanism, scram.message(), &mut wire.outgoing);
        self.scram = Scram::Running(Box::new(scram));
        written.map_err(|error| wire.violated(error.to_string()))
    }

    fn scram_continue(&mut self, wire: &mut Wire, body: &[u8]) -> Result<(), Error> {
        let Scram::Running(scram) = &mut self.scram else {
            return Err(wire.violated("a SCRAM message that nothing led to"));
        };
        scram.update(body).map_err(|error| wire.violated(format!("SCRAM: {error}")))?;
        let written = frontend::sasl_response(scram.message(), &mut wire.outgoing);
        written.map_err(|error| wire.violated(error.to_string()))
    }

    fn scram_finish(&mut self, wire: &mut Wire, body: &[u8]) -> Result<(), Error> {
        let Scram::Running(scram) = &mut self.scram else {
            return Err(wire.violated("a SCRAM message that nothing led to"));
        };
        if scram.finish(body).is_err() {
            return Err(self.refuse("the server could not prove that it knows the password"));
        }
        self.scram = Scram::Finished;
        Ok(())
    }

    /// Messages that may come at any time of a start-up.
    fn other(&self, started: &mut Started, frame: &Frame) -> Result<(), Error> {
        let wire = &mut started.wire;
        match frame.tag {
            b'E' => {
                wire.broken = true;
                let origin = self.password.as_ref().filter(|_| self.used.is_some()).map(|p| p.origin.clone());
                Err(Error::refused(&wire.endpoint, wire::server_error(&frame.body), origin))
            }
            b'N' => {
                wire::log_notice(&wire.endpoint, &wire::server_error(&frame.body));
                Ok(())
            }
            b'S' => {
                if let Some((name, value)) = parameter(&frame.body) {
                    started.parameters.insert(name, value);
                }
                Ok(())
            }
            b'K' => {
                let Some((pid, key)) = frame.body.split_first_chunk::<4>() else {
                    return Err(wire.violated("BackendKeyData without a process"));
                };
                let Ok(key) = <[u8; 4]>::try_from(key) else {
                    return Err(wire.violated("BackendKeyData with a key of another length than 3.0 has"));
                };
                (started.pid, started.key) = (i32::from_be_bytes(*pid), i32::from_be_bytes(key));
                Ok(())
            }
            tag => Err(wire.unexpected(tag, "during start-up")),
        }
    }

    fn refuse(&self, reason: &str) -> Error {
        Error::Authentication {
            endpoint: self.options.endpoint(),
            reason: reason.to_owned(),
            password: self.password.as_ref().map(|password| password.origin.clone()),
            server: None,
        }
    }
}

/// Name and value of a ParameterStatus.
pub(super) fn parameter(body: &[u8]) -> Option<(String, String)> {
    let (name, rest) = wire::text(body)?;
    let (value, _) = wire::text(rest)?;
    Some((name, value))
}

/// The messages by which another client on this stream learns what this start-up learned.
pub(super) fn replay(started: &Started) -> BytesMut {
    let mut messages = BytesMut::new();
    let mut put = |tag: u8, parts: &[&[u8]]| {
        let length: usize = 4 + parts.iter().map(|part| part.len()).sum::<usize>();
        messages.extend_from_slice(&[tag]);
        messages.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        parts.iter().for_each(|part| messages.extend_from_slice(part));
    };
    put(b'R', &[&0_u32.to_be_bytes()]);
    for (name, value) in &started.parameters {
        put(b'S', &[name.as_bytes(), b"\0", value.as_bytes(), b"\0"]);
    }
    put(b'K', &[&started.pid.to_be_bytes(), &started.key.to_be_bytes()]);
    put(b'Z', &[b"I"]);
    messages
}
