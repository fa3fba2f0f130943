//! Whether to trust the certificate that a server shows. rustls asks; the chain is webpki's work, the names ours.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::time::ASN1Time;

use super::names;

/// Whom a connection trusts.
#[derive(Clone, Debug)]
pub(super) enum Trust {
    /// Any certificate: encryption without proof of who answers.
    Anyone,
    /// These authorities.
    Authorities(Arc<Authorities>),
}

#[derive(Debug)]
pub(super) struct Authorities {
    store: RootCertStore,
    given: Vec<CertificateDer<'static>>,
    described: String,
}

impl Trust {
    pub(super) fn new(store: RootCertStore, given: Vec<CertificateDer<'static>>, described: String) -> Self {
        Self::Authorities(Arc::new(Authorities { store, given, described }))
    }

    /// Where the authorities were taken from.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Anyone => "none needed".to_owned(),
            Self::Authorities(authorities) => authorities.described.clone(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Verifier {
    provider: Arc<CryptoProvider>,
    trust: Trust,
    host: Option<String>,
}

impl Verifier {
    /// With a host, the certificate must be for it (verify-full).
    pub(super) fn new(provider: Arc<CryptoProvider>, trust: Trust, host: Option<String>) -> Self {
        Self { provider, trust, host }
    }

    fn check_chain(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let Trust::Authorities(authorities) = &self.trust else { return Ok(()) };
        // A self-signed certificate that stands in the root file is trusted for itself; webpki would refuse it as an
        // authority's certificate in a server's place.
        if authorities.given.iter().any(|given| given == certificate) {
            return check_time(&parse(certificate)?, now);
        }
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(certificate)?,
            &authorities.store,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    match x509_parser::parse_x509_certificate(certificate) {
        Ok((_, parsed)) => Ok(parsed),
        Err(_) => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
    }
}

fn check_time(certificate: &X509Certificate<'_>, now: UnixTime) -> Result<(), Error> {
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let now =
        ASN1Time::from_timestamp(seconds).map_err(|_| Error::General("clock out of range".to_owned()))?;
    let validity = certificate.validity();
    if now > validity.not_after {
        return Err(Error::InvalidCertificate(CertificateError::Expired));
    }
    if now < validity.not_before {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    Ok(())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check_chain(certificate, intermediates, now)?;
        if let Some(host) = &self.host {
            names::check(&parse(certificate)?, host).map_err(|presented| {
                let expected = server_name.to_owned();
                Error::InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented })
            })?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
