//! A certificate for the simulator, under an authority of its own, both made at the start.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::SimFault;

/// Makes authority and certificate, and writes the authority's certificate for clients to trust. The
/// authority's key is thrown away.
pub(super) fn config(listen: IpAddr, ca_file: &Path) -> Result<Arc<ServerConfig>, SimFault> {
    let made = make(listen).map_err(|error| SimFault::Tls(error.to_string()))?;
    std::fs::write(ca_file, made.authority_pem)
        .map_err(|error| SimFault::Io(ca_file.display().to_string(), error))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.key));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| SimFault::Tls(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(vec![made.certificate.into()], key)
        .map_err(|error| SimFault::Tls(error.to_string()))?;
    Ok(Arc::new(config))
}

struct Made {
    authority_pem: String,
    /// DER.
    certificate: Vec<u8>,
    /// PKCS#8.
    key: Vec<u8>,
}

fn make(listen: IpAddr) -> Result<Made, rcgen::Error> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::<String>::new())?;
    authority.distinguished_name.push(DnType::CommonName, "pinion venue-sim authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_pem = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);

    let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let mut names = names.to_vec();
    let listen = listen.to_string();
    if !names.contains(&listen) {
        names.push(listen);
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "pinion venue-sim");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?.der().to_vec();
    Ok(Made { authority_pem, certificate, key: key.serialize_der() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

    fn shake(
        authority: &Path,
        server: &Arc<ServerConfig>,
        name: &str,
    ) -> Result<(), rustls::Error> {
        let mut roots = RootCertStore::empty();
        let pem = CertificateDer::from_pem_file(authority).expect("a certificate");
        roots.add(pem).expect("an authority");
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let mut client = ClientConnection::new(Arc::new(config), name)?;
        let mut server = ServerConnection::new(Arc::clone(server))?;
        while client.is_handshaking() || server.is_handshaking() {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).expect("memory");
            server.read_tls(&mut &bytes[..]).expect("memory");
            server.process_new_packets()?;
            bytes.clear();
            server.write_tls(&mut bytes).expect("memory");
            client.read_tls(&mut &bytes[..]).expect("memory");
            client.process_new_packets()?;
        }
        Ok(())
    }

    #[test]
    fn a_client_that_trusts_the_authority_gets_in_and_no_other() {
        let folder = tempfile::tempdir().expect("temporary directory");
        let (file, other) = (folder.path().join("ca.pem"), folder.path().join("other.pem"));
        let listen = IpAddr::from([127, 0, 0, 1]);
        let server = config(listen, &file).expect("made");
        config(listen, &other).expect("made");
        for name in ["localhost", "127.0.0.1", "::1"] {
            assert_eq!(shake(&file, &server, name), Ok(()), "{name}");
        }
        assert!(shake(&other, &server, "localhost").is_err());
        assert!(shake(&file, &server, "elsewhere.example").is_err());
    }
}
