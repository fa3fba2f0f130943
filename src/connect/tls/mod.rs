//! TLS by rustls with libpq's meaning of every sslmode, and the certificate hash that SCRAM binds to.

mod names;
mod verify;

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::options::{ClientCertificate, Host, Place, RootCertificates, SslMode, TlsOptions};
use super::stream::Socket;
use crate::failure::{Classify, Exit, Failure};
use verify::{Trust, Verifier};

/// Why there is no TLS, or not with a server that we trust.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered the SSLRequest with no.
    #[error("the server does not support TLS, and sslmode={0} requires it")]
    NotOffered(&'static str),
    /// The certificate is for other names.
    #[error("the server's certificate is for {presented}, not for host \"{host}\"")]
    WrongHost {
        /// The host that was asked for.
        host: String,
        /// What the certificate is for.
        presented: String,
    },
    /// The certificate's chain ends at nobody we trust.
    #[error("the server's certificate is not signed by a trusted authority ({roots})")]
    UnknownIssuer {
        /// Where the trusted ones were taken from.
        roots: String,
    },
    /// Its time is over.
    #[error("the server's certificate has expired")]
    Expired,
    /// Its time has not come.
    #[error("the server's certificate is not valid yet")]
    NotValidYet,
    /// A certificate or key file of ours.
    #[error("could not use {what} file \"{}\": {reason}", path.display())]
    File {
        /// Which.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why, without its content.
        reason: String,
    },
    /// verify-ca or verify-full without authorities.
    #[error("sslmode={mode} needs a root certificate file, and \"{}\" does not exist", path.display())]
    NoRoots {
        /// libpq's word.
        mode: &'static str,
        /// The default file.
        path: PathBuf,
    },
    /// The operating system's store.
    #[error("the operating system has no certificate store that could be read")]
    NoSystemRoots,
    /// The server chose no ALPN protocol: not a PostgreSQL that speaks direct TLS.
    #[error("the server does not support sslnegotiation=direct")]
    NoDirect,
    /// The handshake.
    #[error("TLS handshake failed: {0}")]
    Handshake(String),
}

impl Classify for Error {
    fn classify(&self) -> Failure {
        let failure = Failure::operator("tls_failed", Exit::Failed);
        match self {
            Self::NotOffered(_) => failure.hint("turn TLS on at the server, or choose another sslmode if the way to it is safe"),
            Self::WrongHost { .. } => failure.hint("connect by a name in the certificate, or use sslmode=verify-ca if any server of this authority will do"),
            Self::UnknownIssuer { .. } => failure.hint("give the server's authority as sslrootcert=FILE, or sslrootcert=system for a public one"),
            Self::Expired | Self::NotValidYet => failure.hint("renew the server's certificate, or check this machine's clock"),
            Self::NoRoots { .. } => failure.hint("give the server's authority as sslrootcert=FILE, or sslrootcert=system for a public one"),
            Self::NoDirect => failure.hint("leave sslnegotiation out: direct TLS needs server 17 or newer"),
            _ => failure,
        }
    }
}

/// libpq's word for a mode.
pub(super) fn word(mode: SslMode) -> &'static str {
    match mode {
        SslMode::Disable => "disable",
        SslMode::Allow => "allow",
        SslMode::Prefer => "prefer",
        SslMode::Require => "require",
        SslMode::VerifyCa => "verify-ca",
        SslMode::VerifyFull => "verify-full",
    }
}

/// The handshake on a fresh socket (after the server said yes, or at once if direct).
pub(super) async fn handshake(
    socket: Socket,
    host: &Host,
    options: &TlsOptions,
) -> Result<TlsStream<Socket>, Error> {
    let (config, trust) = config(host, options).await?;
    let name = server_name(host);
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
        .map_err(|error| failed(error, &trust, host))?;
    if options.direct && stream.get_mut().1.alpn_protocol() != Some(ALPN) {
        return Err(Error::NoDirect);
    }
    Ok(stream)
}

/// The registered protocol name (manual, "SSL Session Encryption").
const ALPN: &[u8] = b"postgresql";

/// The name for the handshake. Names that TLS cannot carry are not sent; the verifier has its own copy of the host.
fn server_name(host: &Host) -> ServerName<'static> {
    let nothing = || ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into());
    match &host.place {
        Place::Socket(_) => nothing(),
        Place::Name { .. } => ServerName::try_from(host.name()).unwrap_or_else(|_| nothing()),
    }
}

async fn config(host: &Host, options: &TlsOptions) -> Result<(ClientConfig, Trust), Error> {
    let trust = trust(options).await?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] = match (options.only_1_2, options.only_1_3) {
        (true, _) => &[&rustls::version::TLS12],
        (_, true) => &[&rustls::version::TLS13],
        _ => &[&rustls::version::TLS13, &rustls::version::TLS12],
    };
    let name = (options.mode == SslMode::VerifyFull).then(|| host.name());
    let verifier = Verifier::new(provider.clone(), trust.clone(), name);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| Error::Handshake(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &options.client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let (chain, key) = client_certificate(client).await?;
            let wrong = |error: rustls::Error| file_error("key", &client.key, error);
            builder.with_client_auth_cert(chain, key).map_err(wrong)?
        }
    };
    config.enable_sni = options.sni;
    if options.direct {
        config.alpn_protocols = vec![ALPN.to_vec()];
    }
    Ok((config, trust))
}

/// Whom to trust under this mode: `require` checks the authority only where a root file is there, as libpq does for
/// old times' sake; weaker modes never check.
async fn trust(options: &TlsOptions) -> Result<Trust, Error> {
    match (&options.roots, options.mode) {
        (_, SslMode::Disable | SslMode::Allow | SslMode::Prefer) => Ok(Trust::Anyone),
        (RootCertificates::Missing(_), SslMode::Require) => Ok(Trust::Anyone),
        (RootCertificates::Missing(path), mode) => {
            Err(Error::NoRoots { mode: word(mode), path: path.clone() })
        }
        (RootCertificates::System, _) => {
            let found = rustls_native_certs::load_native_certs().certs;
            let (store, given) = store(found);
            if store.is_empty() {
                Err(Error::NoSystemRoots)
            } else {
                Ok(Trust::new(store, given, "the system's store".to_owned()))
            }
        }
        (RootCertificates::File(path), _) => {
            let certificates = certificates("root certificate", path).await?;
            let (store, given) = store(certificates);
            Ok(Trust::new(store, given, path.display().to_string()))
        }
    }
}

/// The trust anchors and the certificates themselves: a server may show one of those as its own.
fn store(certificates: Vec<CertificateDer<'static>>) -> (RootCertStore, Vec<CertificateDer<'static>>) {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates.iter().cloned());
    (store, certificates)
}

fn file_error(what: &'static str, path: &Path, reason: impl ToString) -> Error {
    Error::File { what, path: path.to_owned(), reason: reason.to_string() }
}

async fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = tokio::fs::read(path).await.map_err(|error| file_error(what, path, error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| file_error(what, path, error))?;
    if found.is_empty() {
        Err(file_error(what, path, "it holds no certificate in PEM form"))
    } else {
        Ok(found)
    }
}

async fn client_certificate(
    client: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let chain = certificates("certificate", &client.certificate).await?;
    let wrong = |reason: String| file_error("key", &client.key, reason);
    let metadata = tokio::fs::metadata(&client.key).await.map_err(|error| wrong(error.to_string()))?;
    // libpq's rule: at most 0600, or 0640 where root owns the file.
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.permissions().mode() & forbidden != 0 {
        return Err(wrong("it has group or world access; permissions should be 0600 or less".to_owned()));
    }
    let text = tokio::fs::read(&client.key).await.map_err(|error| wrong(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| wrong("it holds no unencrypted private key in PEM form".to_owned()))?;
    Ok((chain, key))
}

/// What went wrong, in words about the certificate where it is that.
fn failed(error: io::Error, trust: &Trust, host: &Host) -> Error {
    use rustls::CertificateError as Certificate;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(problem)) => match problem {
            Certificate::Expired | Certificate::ExpiredContext { .. } => Error::Expired,
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => Error::NotValidYet,
            Certificate::UnknownIssuer | Certificate::BadSignature => {
                Error::UnknownIssuer { roots: trust.described() }
            }
            Certificate::NotValidForNameContext { presented, .. } => {
                Error::WrongHost { host: host.name(), presented: presented.join(", ") }
            }
            problem => Error::Handshake(problem.to_string()),
        },
        Some(other) => Error::Handshake(other.to_string()),
        None => Error::Handshake(error.to_string()),
    }
}

/// The hash of the server's certificate for `tls-server-end-point` (RFC 5929): the signature's own hash, but SHA-256
/// for MD5 and SHA-1. `None` where the algorithm has no hash of its own (Ed25519).
pub(super) fn end_point_hash(stream: &TlsStream<Socket>) -> Option<Vec<u8>> {
    let (_, connection) = stream.get_ref();
    let certificate = connection.peer_certificates()?.first()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    // rsaEncryption family 1.2.840.113549.1.1.*, ECDSA 1.2.840.10045.4.*
    match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Some(Sha256::digest(certificate).to_vec()),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(Sha384::digest(certificate).to_vec()),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}
