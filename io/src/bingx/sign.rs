//! Signatures: HMAC-SHA256 over the un-encoded text of all parameters, as lower-case hexadecimal.

use core::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Characters of a signature.
pub const SIGNATURE_LEN: usize = 64;

/// A signing key, its schedule computed once. The secret itself is not kept; only signatures leave, and
/// nothing of it can be printed.
#[derive(Clone)]
pub struct Signer {
    prepared: Hmac<Sha256>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(secret)")
    }
}

impl Signer {
    /// From a secret; `None` for an empty one. The caller wipes its bytes.
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Self> {
        // Any length is a key; an empty one is a mistake.
        if secret.is_empty() {
            return None;
        }
        Hmac::new_from_slice(secret).ok().map(|prepared| Self { prepared })
    }

    /// Signs a text. Nothing is allocated.
    #[must_use]
    pub fn sign(&self, text: &[u8]) -> [u8; SIGNATURE_LEN] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut mac = self.prepared.clone();
        mac.update(text);
        let mut hex = [0; SIGNATURE_LEN];
        for (pair, byte) in hex.as_chunks_mut::<2>().0.iter_mut().zip(mac.finalize().into_bytes()) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        hex
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(secret: &str, text: &str) -> String {
        let signer = Signer::new(secret.as_bytes()).expect("a key");
        String::from_utf8(signer.sign(text.as_bytes()).to_vec()).expect("text")
    }

    #[test]
    fn known_vectors_come_out() {
        // RFC 4231, case 2.
        assert_eq!(
            hex("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        // The example that the venue's documentation prints with its secret.
        assert_eq!(
            hex(
                "mheO6dR8ovSsxZQCOYEFCtelpuxcWGTfHw7te326y6jOwq5WpvFQ9JNljoTwBXZGv5It07m9RXSPpDQEK2w",
                "symbol=BTC-USDT&timestamp=1667872120843&side=LONG&leverage=6"
            ),
            "4f581ecdb1fa09b9d6e57886b6f70cffed17f82b93399722939e49a38edec2bf"
        );
    }

    #[test]
    fn nothing_of_the_secret_is_printed() {
        let signer = Signer::new(b"canary-secret").expect("a key");
        assert_eq!(format!("{signer:?}"), "Signer(secret)");
        assert!(Signer::new(b"").is_none(), "no key is no key");
    }
}
