//! TLS toward the relay: certificates are always verified, against Mozilla's roots, the machine's and the
//! operator's own authority.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// A verified way to one host.
pub(super) struct Tls {
    pub connector: TlsConnector,
    pub name: ServerName<'static>,
}

impl Tls {
    /// Prepares TLS to `host`, which must be the name (or address) in the relay's certificate.
    pub(super) fn new(host: &str, extra_ca_pem: Option<&[u8]>) -> Result<Self, String> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("relay host '{host}' is not a name that a certificate can bear"))?;
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        // A machine without a certificate store (a bare container) is no fault: Mozilla's roots are built in.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(pem) = extra_ca_pem {
            add(&mut roots, pem)?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("the relay's CA file is not PEM: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("the relay's CA file holds an unusable certificate: {error}"))?;
        count += 1;
    }
    if count == 0 {
        return Err("the relay's CA file holds no certificate; it must be PEM".to_owned());
    }
    Ok(())
}
