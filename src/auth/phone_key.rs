//! The phone's side of `DPoP`: a key pair and the proofs that it signs. For our own Rust phone, in the demo, in
//! replays and in tests.

use jsonwebtoken::jwk::{AlgorithmParameters, CommonParameters, EllipticCurveKeyParameters, Jwk};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

use super::Random;
use super::dpop::token_hash;
use super::keys::KeyError;
use super::p256::{Point, generate_pkcs8, open_pkcs8};

/// A phone's P-256 key pair.
pub struct PhoneKey {
    key: EncodingKey,
    point: Point,
}

impl std::fmt::Debug for PhoneKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PhoneKey").field(&self.thumbprint()).finish()
    }
}

/// RFC 9449, section 4.2, in its order.
#[derive(Serialize)]
struct Claims<'a> {
    jti: &'a str,
    htm: &'a str,
    htu: &'a str,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

impl PhoneKey {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError::Failed`] if the randomness is broken.
    pub fn generate(random: Random<'_>) -> Result<Self, KeyError> {
        let pkcs8 = generate_pkcs8(random).ok_or(KeyError::Failed)?;
        Self::from_pkcs8(&pkcs8)
    }

    /// A key that was kept.
    ///
    /// # Errors
    /// [`KeyError::Failed`] if it is not a P-256 key in PKCS #8.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let (key, point) = open_pkcs8(pkcs8).ok_or(KeyError::Failed)?;
        Ok(Self { key, point })
    }

    /// The private key, to be kept.
    #[must_use]
    pub fn to_pkcs8(&self) -> &[u8] {
        self.key.as_bytes()
    }

    /// The public key as canonical JSON.
    #[must_use]
    pub fn jwk(&self) -> String {
        self.point.jwk()
    }

    /// Its thumbprint (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        self.point.thumbprint()
    }

    /// A proof for one request. `nonce` is the server's last `DPoP-Nonce`, `iat_s` the phone's clock in
    /// seconds since 1970, right or wrong, `jti` any text that no other proof has.
    ///
    /// # Errors
    /// [`KeyError::Failed`].
    pub fn proof(
        &self,
        method: &str,
        url: &str,
        nonce: Option<&str>,
        access_token: Option<&str>,
        iat_s: i64,
        jti: &str,
    ) -> Result<String, KeyError> {
        let htu = url.split(['?', '#']).next().unwrap_or(url);
        let ath = access_token.map(token_hash);
        let claims = Claims { jti, htm: method, htu, iat: iat_s, ath, nonce };
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("dpop+jwt".to_owned());
        header.jwk = Some(Jwk {
            common: CommonParameters::default(),
            algorithm: AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                x: self.point.x(),
                y: self.point.y(),
                ..Default::default()
            }),
        });
        encode(&header, &claims, &self.key).map_err(|_| KeyError::Failed)
    }
}
