//! Whom to talk to, and whom to trust.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

/// Certificates that may vouch for a venue: those compiled in, and those of one more file.
///
/// TLS 1.3 or 1.2 with the `ring` provider; the name is always checked, and no switch turns that off.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// The public roots, and the certificates of a PEM file beside them.
    ///
    /// # Errors
    /// A text for people: the file cannot be read, or holds no certificate that can vouch for others.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        if let Some(path) = ca_file {
            let failed = |found: &dyn fmt::Display| {
                format!("{}: {found}; expected certificates in PEM form", path.display())
            };
            let rows = CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))?;
            let before = roots.len();
            for row in rows {
                let row = row.map_err(|error| failed(&error))?;
                roots.add(row).map_err(|error| failed(&error))?;
            }
            if roots.len() == before {
                return Err(failed(&"no certificate in it"));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| format!("TLS: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // For the record layer of our own, which takes the keys over once the handshake is done.
        config.enable_secret_extraction = true;
        Ok(Self { config: Arc::new(config) })
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }
}

/// What a URL says: `https://host:port`, `wss://host:port/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Encrypted.
    pub tls: bool,
    /// Path, beginning with a slash; `/` when the URL has none.
    pub path: String,
}

impl Target {
    /// Reads a URL. Without encryption only this machine may be named: keys and orders would be open
    /// to everyone on the way.
    ///
    /// # Errors
    /// A text for people.
    pub fn parse(url: &str) -> Result<Self, String> {
        let failed = |expected: &str| format!("`{url}`: expected {expected}");
        let (scheme, rest) = url.split_once("://").ok_or_else(|| failed("https://… or wss://…"))?;
        let tls = match scheme {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return Err(failed("https, wss, or on this machine http, ws")),
        };
        let (place, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => {
                let port = port.parse().map_err(|_| failed("a port from 1 to 65535"))?;
                (host, port)
            }
            Some(_) | None => (place, if tls { 443 } else { 80 }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
        if host.is_empty() || !host.bytes().all(plain) || port == 0 {
            return Err(failed("a host name, and a port from 1 to 65535"));
        }
        if path.bytes().any(|byte| !byte.is_ascii_graphic() || b"?#".contains(&byte)) {
            return Err(failed("a path without ? and #"));
        }
        let local = host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if !tls && !local {
            return Err(failed("https or wss: without encryption only this machine may be named"));
        }
        Ok(Self { host: host.to_owned(), port, tls, path: path.to_owned() })
    }
}

/// A host and its addresses. Shared: links take addresses in turn, a cold thread looks the name up anew.
#[derive(Debug)]
pub struct Peer {
    target: Target,
    trust: Trust,
    name: ServerName<'static>,
    addresses: Mutex<Vec<SocketAddr>>,
}

impl Peer {
    /// Looks the name up, which waits: not on a hot thread.
    ///
    /// # Errors
    /// A text for people: the name has no address.
    pub fn new(target: Target, trust: Trust) -> Result<Self, String> {
        let name = ServerName::try_from(target.host.clone())
            .map_err(|_| format!("`{}`: expected a host name or an address", target.host))?;
        let peer = Self { target, trust, name, addresses: Mutex::new(Vec::new()) };
        peer.look_up()?;
        Ok(peer)
    }

    /// Looks the name up again; what was known stays when that fails. Waits: not on a hot thread.
    ///
    /// # Errors
    /// A text for people.
    pub fn look_up(&self) -> Result<(), String> {
        let Target { host, port, .. } = &self.target;
        let failed = |found: String| {
            format!(
                "{host}: {found}; expected a name with an address: check the name and the network"
            )
        };
        let found: Vec<SocketAddr> = (host.as_str(), *port)
            .to_socket_addrs()
            .map_err(|error| failed(error.to_string()))?
            .collect();
        if found.is_empty() {
            return Err(failed("no address".to_owned()));
        }
        *self.addresses.lock().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(())
    }

    /// The address for an attempt; attempts take them in turn. `None` in the moment in which the list is
    /// being replaced: a hot thread does not wait for it.
    pub(super) fn address(&self, attempt: usize) -> Option<SocketAddr> {
        let addresses = self.addresses.try_lock().ok()?;
        addresses.get(attempt.checked_rem(addresses.len())?).copied()
    }

    /// Forgets addresses of version 6.
    #[cfg(test)]
    pub(super) fn only_v4(&self) {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.retain(SocketAddr::is_ipv4);
    }

    /// Where it is.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    pub(super) const fn trust(&self) -> &Trust {
        &self.trust
    }

    pub(super) fn name(&self) -> ServerName<'static> {
        self.name.clone()
    }

    /// As the `Host` header wants it.
    #[must_use]
    pub fn host_header(&self) -> String {
        let Target { host, port, tls, .. } = &self.target;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let usual = if *tls { 443 } else { 80 };
        if *port == usual { host } else { format!("{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_open_lines_stay_on_this_machine() {
        let target = Target::parse("wss://vst-open-api-ws.bingx.com/swap-market").expect("whole");
        assert_eq!((target.port, target.tls, target.path.as_str()), (443, true, "/swap-market"));
        let target = Target::parse("http://127.0.0.1:8080").expect("this machine");
        assert_eq!((target.port, target.tls, target.path.as_str()), (8080, false, "/"));
        assert_eq!(Target::parse("ws://[::1]:9/x").expect("this machine").host, "::1");
        for bad in [
            "open-api.bingx.com",
            "http://open-api.bingx.com",
            "ws://10.0.0.1:80/x",
            "ftp://localhost/",
            "https://host:0",
            "https://host:70000",
            "https://",
            "https://host/a?b=c",
            "https://user@host/",
            "https://host/a b",
        ] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("ca.pem");
        std::fs::write(&file, "nothing").expect("written");
        let fault = Trust::new(Some(&file)).expect_err("no certificate");
        assert!(fault.contains("ca.pem") && fault.contains("PEM"), "{fault}");
        assert!(Trust::new(Some(&dir.path().join("none"))).is_err());
        assert!(Trust::new(None).is_ok());
    }
}
