//! Parameters from all their sources to [`Options`]: names, defaults, values, and what excludes what.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::parameters::{Origin, Parameters, accept_only, gather, one_of, seconds};
use super::{
    ChannelBinding, ClientCertificate, Environment, Error, Host, Keepalive, Method, Options, Passfile,
    Password, PasswordOrigin, Place, RequireAuth, RootCertificates, SslMode, TargetSession, TlsOptions,
};
use crate::secret::Secret;

/// Long enough for a slow VPN and a sleeping database, short enough that a person waits for the answer. libpq's own
/// default is to wait as long as TCP does, about two minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Debian's and most packages' socket directory, then upstream's.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

const APPLICATION_NAME: &str = "multiboard-sync";

/// Whether a socket directory is the default one, which the password file calls `localhost`.
pub(super) fn is_default_socket(path: &Path) -> bool {
    SOCKET_DIRECTORIES.first().is_some_and(|default| Path::new(default) == path)
}

/// See [`Options::parse_with`].
pub(super) fn options(
    text: &str,
    beside: &[(String, String)],
    environment: &Environment,
) -> Result<Options, Error> {
    let parameters = gather(text, beside, environment)?;
    let user = match parameters.get("user") {
        Some(user) => user.to_owned(),
        None => environment.user().ok_or(Error::NoUser)?.to_owned(),
    };
    let hosts = hosts(&parameters)?;
    let loopback = hosts.iter().all(Host::is_loopback);
    let mut warnings = Vec::new();
    let tls = tls(&parameters, environment, loopback, &mut warnings)?;
    let channel_binding = one_of(
        &parameters,
        "channel_binding",
        ChannelBinding::Prefer,
        &[
            ("disable", ChannelBinding::Disable),
            ("prefer", ChannelBinding::Prefer),
            ("require", ChannelBinding::Require),
        ],
    )?;
    accept_only(&parameters, "gssencmode", &["disable", "prefer"])?;
    if parameters.get("client_encoding").is_some_and(|encoding| {
        !["auto", "utf8", "utf-8", "unicode"].contains(&encoding.to_ascii_lowercase().as_str())
    }) {
        warnings
            .push("client_encoding is not used: sessions are UTF8, copies use the database's own".to_owned());
    }
    let passfile = parameters
        .get("passfile")
        .map(PathBuf::from)
        .or_else(|| environment.home().map(|home| home.join(".pgpass")));
    let password = password(&parameters);
    let passfile = match passfile {
        // libpq does not look at the file either when a password is given.
        Some(path) if password.is_none() => {
            let (passfile, warning) = Passfile::read(&path);
            warnings.extend(warning);
            passfile
        }
        _ => Passfile::default(),
    };
    let inline = |name: &&'static str| {
        parameters
            .with_origin(name)
            .is_some_and(|(value, origin)| *origin == Origin::String && !value.is_empty())
    };
    let dbname = parameters.get("dbname").unwrap_or(&user).to_owned();
    Ok(Options {
        given_dbname: dbname.clone(),
        dbname,
        user,
        hosts,
        inline_secrets: ["password"].iter().copied().filter(|name| inline(name)).collect(),
        password,
        passfile,
        tls,
        channel_binding,
        require_auth: require_auth(&parameters)?,
        connect_timeout: connect_timeout(&parameters)?,
        application_name: parameters
            .get("application_name")
            .or_else(|| parameters.get("fallback_application_name"))
            .unwrap_or(APPLICATION_NAME)
            .to_owned(),
        startup_options: parameters.get("options").map(str::to_owned),
        target_session: one_of(
            &parameters,
            "target_session_attrs",
            TargetSession::Any,
            &[
                ("any", TargetSession::Any),
                ("read-write", TargetSession::ReadWrite),
                ("read-only", TargetSession::ReadOnly),
                ("primary", TargetSession::Primary),
                ("standby", TargetSession::Standby),
                ("prefer-standby", TargetSession::PreferStandby),
            ],
        )?,
        shuffle_hosts: one_of(
            &parameters,
            "load_balance_hosts",
            false,
            &[("disable", false), ("random", true)],
        )?,
        keepalive: keepalive(&parameters)?,
        tcp_user_timeout: seconds(&parameters, "tcp_user_timeout")?
            .filter(|value| *value > 0)
            .map(|value| Duration::from_millis(value.unsigned_abs())),
        warnings,
    })
}

fn password(parameters: &Parameters) -> Option<Password> {
    let (value, origin) = parameters.with_origin("password").filter(|(value, _)| !value.is_empty())?;
    let origin = match origin {
        Origin::String => PasswordOrigin::ConnectionString,
        Origin::Beside => PasswordOrigin::Setting,
        Origin::Service(name) => PasswordOrigin::Service(name.clone()),
        Origin::Environment => PasswordOrigin::Environment,
    };
    Some(Password { secret: Secret::new(value.to_owned()), origin })
}

fn hosts(parameters: &Parameters) -> Result<Vec<Host>, Error> {
    let list = |name: &str| -> Vec<String> {
        parameters.get(name).map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default()
    };
    let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = names.len().max(addresses.len()).max(1);
    if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
        return Err(Error::Conflict("host and hostaddr name different numbers of servers".to_owned()));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(Error::Conflict("host and port name different numbers of servers".to_owned()));
    }
    let mut hosts = Vec::new();
    for index in 0..count {
        let text = |list: &[String]| list.get(index).filter(|text| !text.is_empty()).cloned();
        let port = match if ports.len() == 1 {
            ports.first().filter(|port| !port.is_empty()).cloned()
        } else {
            text(&ports)
        } {
            None => 5432,
            Some(port) => {
                port.trim().parse::<u16>().ok().filter(|port| *port > 0).ok_or(Error::Value {
                    parameter: "port",
                    expected: "a number from 1 to 65535".to_owned(),
                })?
            }
        };
        let address = match text(&addresses) {
            None => None,
            Some(address) => Some(address.parse::<IpAddr>().map_err(|_| Error::Value {
                parameter: "hostaddr",
                expected: "a numeric IPv4 or IPv6 address".to_owned(),
            })?),
        };
        let place = match (text(&names), address) {
            (name, Some(address)) => Place::Name { name: name.unwrap_or_default(), address: Some(address) },
            (Some(name), None) if name.starts_with('/') || name.starts_with('@') => {
                Place::Socket(name.into())
            }
            (Some(name), None) => {
                if name.contains('@') || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
                    return Err(Error::Malformed("a host name holds a space or an \"@\""));
                }
                Place::Name { name, address: None }
            }
            (None, None) => default_place(port),
        };
        hosts.push(Host { place, port });
    }
    Ok(hosts)
}

/// Without a host: the socket directory that has this port's socket, else localhost over TCP.
fn default_place(port: u16) -> Place {
    let has_socket = |folder: &&&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    match SOCKET_DIRECTORIES.iter().find(has_socket) {
        Some(folder) => Place::Socket(PathBuf::from(folder)),
        None => Place::Name { name: "localhost".to_owned(), address: None },
    }
}

fn tls(
    parameters: &Parameters,
    environment: &Environment,
    loopback: bool,
    warnings: &mut Vec<String>,
) -> Result<TlsOptions, Error> {
    let folder = environment.home().map(|home| home.join(".postgresql"));
    let default_file = |name: &str| folder.as_ref().map(|folder| folder.join(name));
    let roots = match parameters.get("sslrootcert") {
        Some("system") => RootCertificates::System,
        Some(path) => RootCertificates::File(path.into()),
        None => match default_file("root.crt") {
            Some(path) if path.exists() => RootCertificates::File(path),
            path => RootCertificates::Missing(path.unwrap_or_else(|| "~/.postgresql/root.crt".into())),
        },
    };
    let system = roots == RootCertificates::System;
    let default = match (system, loopback) {
        (true, _) => SslMode::VerifyFull,
        (false, true) => SslMode::Prefer,
        (false, false) => SslMode::Require,
    };
    let mode = one_of(
        parameters,
        "sslmode",
        default,
        &[
            ("disable", SslMode::Disable),
            ("allow", SslMode::Allow),
            ("prefer", SslMode::Prefer),
            ("require", SslMode::Require),
            ("verify-ca", SslMode::VerifyCa),
            ("verify-full", SslMode::VerifyFull),
        ],
    )?;
    if system && mode != SslMode::VerifyFull {
        return Err(Error::Conflict("sslrootcert=system needs sslmode=verify-full".to_owned()));
    }
    let direct = one_of(parameters, "sslnegotiation", false, &[("postgres", false), ("direct", true)])?;
    if direct && mode < SslMode::Require {
        return Err(Error::Conflict("sslnegotiation=direct needs sslmode=require or stronger".to_owned()));
    }
    if !loopback && mode < SslMode::VerifyFull {
        let what = if mode < SslMode::Require {
            "may be readable on the network"
        } else {
            "does not prove which server answers"
        };
        warnings.push(format!("the connection {what}; sslmode=verify-full (with sslrootcert) does"));
    }
    accept_only(parameters, "sslcompression", &["0", "1"])?;
    let certificates = one_of(parameters, "sslcertmode", true, &[("disable", false), ("allow", true)])?;
    let certificate = parameters.get("sslcert").map(PathBuf::from);
    let certificate = certificate.or_else(|| default_file("postgresql.crt").filter(|path| path.exists()));
    let key = parameters.get("sslkey").map(PathBuf::from).or_else(|| default_file("postgresql.key"));
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) if certificates => Some(ClientCertificate { certificate, key }),
        (Some(_), None) if certificates => {
            return Err(Error::Conflict("sslcert is given but no sslkey".to_owned()));
        }
        _ => None,
    };
    let versions = [("TLSv1", 10), ("TLSv1.1", 11), ("TLSv1.2", 12), ("TLSv1.3", 13)];
    let least = one_of(parameters, "ssl_min_protocol_version", 12, &versions)?;
    let most = one_of(parameters, "ssl_max_protocol_version", 13, &versions)?;
    if most < 12 || least > most {
        return Err(Error::Conflict("the TLS versions asked for leave neither 1.2 nor 1.3".to_owned()));
    }
    Ok(TlsOptions {
        mode,
        roots,
        client,
        direct,
        sni: one_of(parameters, "sslsni", true, &[("0", false), ("1", true)])?,
        only_1_3: least == 13,
        only_1_2: most == 12,
    })
}

fn require_auth(parameters: &Parameters) -> Result<RequireAuth, Error> {
    let Some(text) = parameters.get("require_auth") else { return Ok(RequireAuth::Any) };
    let wrong = |expected: &str| Error::Value { parameter: "require_auth", expected: expected.to_owned() };
    let (mut methods, mut negated) = (Vec::new(), Vec::new());
    for word in text.split(',') {
        let (not, word) = match word.strip_prefix('!') {
            Some(word) => (true, word),
            None => (false, word),
        };
        negated.push(not);
        match word {
            "password" => methods.push(Method::Password),
            "md5" => methods.push(Method::Md5),
            "scram-sha-256" => methods.push(Method::Scram),
            "none" => methods.push(Method::None),
            // Never spoken here, so forbidding them changes nothing and asking for one leaves no method.
            "gss" | "sspi" | "oauth" => {}
            _ => return Err(wrong("password, md5, scram-sha-256 or none, or each with a \"!\"")),
        }
    }
    match (negated.contains(&true), negated.contains(&false)) {
        (true, true) => Err(wrong("methods with and without \"!\" cannot be mixed")),
        (true, false) => Ok(RequireAuth::NoneOf(methods)),
        (false, _) => Ok(RequireAuth::OneOf(methods)),
    }
}

fn connect_timeout(parameters: &Parameters) -> Result<Option<Duration>, Error> {
    Ok(match seconds(parameters, "connect_timeout")? {
        None => Some(CONNECT_TIMEOUT),
        Some(value) if value <= 0 => None,
        // A second is too short for anything but loopback; libpq rounds it up too.
        Some(value) => Some(Duration::from_secs(value.unsigned_abs().max(2))),
    })
}

/// Without settings, a dead peer is noticed within two minutes: a copy may wait for one longer than a firewall
/// remembers the connection.
fn keepalive(parameters: &Parameters) -> Result<Keepalive, Error> {
    let duration = |name, default: u64| -> Result<Option<Duration>, Error> {
        Ok(match seconds(parameters, name)? {
            None => Some(Duration::from_secs(default)),
            Some(value) => u64::try_from(value).ok().filter(|value| *value > 0).map(Duration::from_secs),
        })
    };
    Ok(Keepalive {
        on: seconds(parameters, "keepalives")? != Some(0),
        idle: duration("keepalives_idle", 60)?,
        interval: duration("keepalives_interval", 10)?,
        count: match seconds(parameters, "keepalives_count")? {
            None => Some(6),
            Some(value) => u32::try_from(value).ok().filter(|value| *value > 0),
        },
    })
}
