//! Which certificates of https targets are trusted.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, OtherError,
    RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};

/// The certificates that are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Certificates issued under the platform's roots.
    #[default]
    System,
    /// Certificates issued under those in this PEM file, and those in it themselves, if they are for the
    /// target's name and in their time; no others.
    CaFile(PathBuf),
    /// Any certificate: the bytes are encrypted, but nobody knows for whom.
    Insecure,
}

/// The configuration of all connections to https targets; made once and shared by the shards.
///
/// # Errors
///
/// If the platform has no roots, or the file cannot be read or holds no certificate.
pub fn client_config(trust: &Trust) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .context("no usable TLS version")?;
    let accepts = match trust {
        Trust::System => None,
        Trust::CaFile(path) => {
            let file = FromFile::new(path, &provider)
                .with_context(|| format!("cannot use the CA file {}", path.display()))?;
            Some(Accepts::FromFile(file))
        }
        Trust::Insecure => Some(Accepts::Any),
    };
    let mut config = match accepts {
        None => builder.with_root_certificates(system_roots()?),
        Some(accepts) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier { accepts, provider })),
    }
    .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What connections in HTTP/2 ask for (RFC 9113 section 3.2).
pub(super) const HTTP2: &[u8] = b"h2";

/// The same for connections in HTTP/2.
pub(crate) fn for_http2(config: &ClientConfig) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Arc::new(config)
}

/// Whether the target refused because it speaks nothing that we asked for (RFC 7301 section 3.2).
pub(super) fn has_no_protocol(error: &io::Error) -> bool {
    let why = error.get_ref().and_then(|why| why.downcast_ref());
    matches!(
        why,
        Some(
            rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)
                | rustls::Error::NoApplicationProtocol
        )
    )
}

fn system_roots() -> Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        log::warn!("some of the platform's certificate roots were not read: {error}");
    }
    let mut roots = RootCertStore::empty();
    let (added, _unusable) = roots.add_parsable_certificates(found.certs);
    ensure!(
        added > 0,
        "the platform has no certificate roots; name a CA file"
    );
    Ok(roots)
}

/// Which certificates are accepted; that the peer has the key is checked in any case.
#[derive(Debug)]
struct Verifier {
    accepts: Accepts,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Accepts {
    FromFile(FromFile),
    Any,
}

/// Accepts what the certificates of a file vouch for.
///
/// Somebody's own certificate, made by `openssl req -x509`, is often marked as a CA's and presented by the
/// server itself. RFC 5280 wants no CA there, so webpki refuses it; but whoever names it says that it is to be
/// trusted (OpenSSL and so curl do). Then its time and its name count, and nothing else.
#[derive(Debug)]
struct FromFile {
    issued: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl FromFile {
    fn new(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        let mut named = Vec::new();
        for certificate in CertificateDer::pem_file_iter(path)? {
            let certificate = certificate?;
            roots.add(certificate.clone())?;
            named.push(certificate);
        }
        ensure!(!roots.is_empty(), "it holds no certificate");
        let issued = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
        let issued = issued.build()?;
        Ok(Self { issued, named })
    }
}

/// Whether a certificate was refused for being a CA's. That is looked at after its time
/// (`check_issuer_independent_properties` of webpki), which holds then.
fn is_of_ca(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why))) = error else {
        return false;
    };
    why.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        presented: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Accepts::FromFile(FromFile { issued, named }) = &self.accepts else {
            return Ok(ServerCertVerified::assertion());
        };
        match issued.verify_server_cert(presented, intermediates, name, ocsp, now) {
            Err(error) if is_of_ca(&error) && named.contains(presented) => {
                verify_server_name(&ParsedCertificate::try_from(presented)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
