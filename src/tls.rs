//! TLS on both sides: listeners (optionally with client certificates), upstreams (the system's roots
//! and a company's own), and the certificates of `writegate demo`. One crypto provider, aws-lc-rs.

mod live;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::Verifier;

pub use self::live::Live;
use crate::config;

/// What is offered and taken by ALPN: no client of either CRM was seen to take HTTP/2.
const ALPN: &[u8] = b"http/1.1";

/// TLS material that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read.
    #[error("cannot read {path}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A certificate, or a key, that is not there or not PEM.
    #[error("no {what} in PEM form in {of}")]
    Pem {
        /// `certificate` or `private key`.
        what: &'static str,
        /// Where it was looked for.
        of: String,
        /// What is wrong, where there is something.
        #[source]
        source: Option<rustls_pki_types::pem::Error>,
    },
    /// A certificate that does not fit its key, or that cannot be trusted.
    #[error("cannot use the certificates in {of}")]
    Use {
        /// Where they come from.
        of: String,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TlsError {
    fn used(of: &str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Use {
            of: of.to_owned(),
            source: Box::new(source),
        }
    }
}

/// PEM text and where it comes from, for errors.
#[derive(Clone, Copy, Debug)]
pub struct Pem<'a> {
    /// The text.
    pub text: &'a [u8],
    /// A file name or the like.
    pub of: &'a str,
}

impl Pem<'_> {
    fn certificates(self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let missing = |source| TlsError::Pem {
            what: "certificate",
            of: self.of.to_owned(),
            source,
        };
        let chain = CertificateDer::pem_slice_iter(self.text)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| missing(Some(error)))?;
        if chain.is_empty() {
            return Err(missing(None));
        }
        Ok(chain)
    }

    fn key(self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(self.text).map_err(|error| TlsError::Pem {
            what: "private key",
            of: self.of.to_owned(),
            source: Some(error),
        })
    }

    fn roots(self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots
                .add(certificate)
                .map_err(|error| TlsError::used(self.of, error))?;
        }
        Ok(roots)
    }
}

/// Makes aws-lc-rs the provider of this process, for libraries that ask for the default. Once is
/// enough; more does nothing.
pub fn install_provider() {
    // An error means that a provider is installed already.
    drop(aws_lc_rs::default_provider().install_default());
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The TLS of a listener, from the files that a route names.
///
/// # Errors
/// [`TlsError`] names the file.
pub fn listener(files: &config::Tls) -> Result<Arc<ServerConfig>, TlsError> {
    let (cert, key) = (read(&files.cert)?, read(&files.key)?);
    let client_ca = files
        .client_ca
        .as_deref()
        .map(|path| Ok((path, read(path)?)))
        .transpose()?;
    let named = |path: &Path| path.display().to_string();
    let (cert_name, key_name) = (named(&files.cert), named(&files.key));
    let ca_name = files.client_ca.as_deref().map(named).unwrap_or_default();
    server(
        Pem {
            text: &cert,
            of: &cert_name,
        },
        Pem {
            text: &key,
            of: &key_name,
        },
        client_ca
            .as_ref()
            .map(|(_path, text)| Pem { text, of: &ca_name }),
    )
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

/// The TLS of a listener: 1.2 and 1.3, HTTP/1.1. With a client CA every client must show a
/// certificate of it: an identity that is checked only where it is offered protects nobody. Then no session
/// is resumed either: a resumption takes the certificate of before for granted.
///
/// # Errors
/// [`TlsError`] when something is not PEM, or key and certificate do not belong together.
pub fn server(
    cert: Pem<'_>,
    key: Pem<'_>,
    client_ca: Option<Pem<'_>>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::used(cert.of, error))?;
    let certified = client_ca.is_some();
    let builder = match client_ca {
        Some(ca) => {
            let roots = Arc::new(ca.roots()?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                .build()
                .map_err(|error| TlsError::used(ca.of, error))?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(cert.certificates()?, key.key()?)
        .map_err(|error| TlsError::used(cert.of, error))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    if certified {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

/// The TLS towards an upstream: the system's roots and, where given, one more CA.
///
/// # Errors
/// [`TlsError`] when the extra CA is not PEM, or the system's roots cannot be used.
pub fn client(extra_ca: Option<Pem<'_>>) -> Result<Arc<ClientConfig>, TlsError> {
    let (extra, of) = match extra_ca {
        Some(ca) => (ca.certificates()?, ca.of),
        None => (Vec::new(), "the system's store"),
    };
    let verifier = Verifier::new_with_extra_roots(extra, provider())
        .map_err(|error| TlsError::used(of, error))?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::used(of, error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// The DNS and URI names in a client's certificate, as rustls verified it; none without one.
#[must_use]
pub fn client_names(chain: Option<&[CertificateDer<'_>]>) -> Vec<String> {
    let Some(leaf) = chain.and_then(<[_]>::first) else {
        return Vec::new();
    };
    let Ok(certificate) = webpki::EndEntityCert::try_from(leaf) else {
        return Vec::new();
    };
    let names = certificate
        .valid_dns_names()
        .chain(certificate.valid_uri_names());
    names.map(str::to_owned).collect()
}

/// A CA for development and a certificate of it, PEM. The CA's key is not kept: it signs once.
#[derive(Clone, Debug)]
pub struct DevCerts {
    /// What clients must trust.
    pub ca: String,
    /// The certificate chain of the listener.
    pub cert: String,
    /// Its private key.
    pub key: String,
}

/// Makes a CA and a certificate for `localhost`, `127.0.0.1` and `::1`, good for a year from `now`.
/// The two have different subject names, without which OpenSSL takes the leaf for its own issuer.
///
/// # Errors
/// When keys cannot be made.
pub fn dev_ca(now: Timestamp) -> Result<DevCerts, TlsError> {
    let failed = |error: rcgen::Error| TlsError::used("the development CA", error);
    let ca_key = KeyPair::generate().map_err(failed)?;
    let ca = CertifiedIssuer::self_signed(ca_params(now), ca_key).map_err(failed)?;
    let key = KeyPair::generate().map_err(failed)?;
    let leaf = leaf_params(now).signed_by(&key, &ca).map_err(failed)?;
    Ok(DevCerts {
        ca: ca.pem(),
        cert: leaf.pem(),
        key: key.serialize_pem(),
    })
}

fn ca_params(now: Timestamp) -> CertificateParams {
    let mut params = dated(now);
    params
        .distinguished_name
        .push(DnType::CommonName, "Writegate development CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(now: Timestamp) -> CertificateParams {
    let mut params = dated(now);
    params
        .distinguished_name
        .push(DnType::CommonName, "Writegate development listener");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.subject_alt_names = vec![
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    if let Ok(name) = "localhost".try_into() {
        params.subject_alt_names.push(SanType::DnsName(name));
    }
    params
}

/// From the day before `now`, for clocks that are behind, to a year after it.
fn dated(now: Timestamp) -> CertificateParams {
    let today = now.to_zoned(TimeZone::UTC).date();
    let day = |date: jiff::civil::Date| {
        let part = |number: i8| number.unsigned_abs();
        date_time_ymd(date.year().into(), part(date.month()), part(date.day()))
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = day(today.saturating_sub(1.day()));
    params.not_after = day(today.saturating_add(1.year()));
    params
}

#[cfg(test)]
mod tests;
