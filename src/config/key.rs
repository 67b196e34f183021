//! A private key that signs assertions (JWT bearer), read once and never printed.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

/// An RSA key.
#[derive(Clone)]
pub struct SigningKey(Option<Arc<RsaKeyPair>>);

impl SigningKey {
    /// Stands for a key that was not looked for.
    pub(super) fn unread() -> Self {
        Self(None)
    }

    /// The key in a PEM text (PKCS #8 or PKCS #1).
    ///
    /// # Errors
    /// What is wrong with it; nothing of the key is in the text.
    pub fn from_pem(text: &[u8]) -> Result<Self, &'static str> {
        let pem = PrivateKeyDer::from_pem_slice(text);
        let pem = pem.map_err(|_error| "holds no private key in PEM form")?;
        let pair = match &pem {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err("holds no RSA key"),
        };
        let pair = pair.map_err(|_rejected| "holds no RSA key of 2048 bits or more")?;
        Ok(Self(Some(Arc::new(pair))))
    }

    /// Signs with RS256 (RFC 7518 3.3); `None` where that is not possible.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let pair = self.0.as_ref()?;
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = SystemRandom::new();
        pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
            .ok()?;
        Some(signature)
    }

    fn public(&self) -> &[u8] {
        self.0
            .as_ref()
            .map_or(&[], |pair| pair.public_key().as_ref())
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.public() == other.public()
    }
}

impl Eq for SigningKey {}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<key>")
    }
}
