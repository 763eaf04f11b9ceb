//! TLS for outgoing requests: ring, TLS 1.2 or newer, the machine's own roots.
//!
//! Roots come from the machine (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honored); where it has none, as in an empty
//! container, the built-in Mozilla set is used. Certificate checks cannot be switched off.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The extra authorities are not PEM.
    #[error("the extra certificate authorities are not readable as PEM: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// The extra authorities hold no certificate.
    #[error("the extra certificate authorities hold no certificate")]
    NoCertificate,
    /// A certificate in it cannot serve as an authority, or the versions are not supported.
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

/// A client configuration that trusts the machine's roots and, beside them, the certificates of `extra_ca_pem`.
///
/// # Errors
/// Where `extra_ca_pem` is given and holds no usable certificate.
pub fn client_config(extra_ca_pem: Option<&[u8]>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = native_roots();
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(pem) = extra_ca_pem {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate?)?;
        }
        if roots.len() == before {
            return Err(TlsError::NoCertificate);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The machine's roots, as far as they can be read; what cannot be read is logged.
fn native_roots() -> RootCertStore {
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "Some root certificates of this machine cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(native.certs);
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_offers_http_2_and_1_1_and_has_roots_everywhere() {
        let config = client_config(None).expect("roots of the machine or built in");
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn an_extra_authority_that_is_none_is_an_error() {
        assert!(matches!(client_config(Some(b"not a certificate")), Err(TlsError::NoCertificate)));
        let broken = b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        assert!(matches!(client_config(Some(broken)), Err(TlsError::Pem(_))));
        let empty = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(client_config(Some(empty)), Err(TlsError::Rustls(_))));
    }
}
