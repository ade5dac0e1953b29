//! Access tokens (JWT, HS256) and signatures of provider callbacks.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, crypto, decode, encode};
use serde::{Deserialize, Serialize};

use crate::config::Auth;
use crate::error::{AppError, AppResult};

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub uid: i64,
    /// When it ends, seconds since the epoch.
    pub exp: u64,
    /// When it was issued, seconds since the epoch.
    pub iat: u64,
}

/// Issues and checks tokens with one secret.
#[derive(Clone)]
pub struct Tokens {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    life_s: u64,
}

impl Tokens {
    /// With the configured secret. Without one, a secret is drawn: tokens then end with the process.
    pub fn new(auth: &Auth) -> Self {
        let drawn = format!("{}{}", uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
        let secret = if auth.access_secret.is_empty() {
            tracing::warn!("no access secret is configured: tokens end with this process; set Auth.AccessSecret");
            drawn.as_bytes()
        } else {
            auth.access_secret.expose().as_bytes()
        };
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        Self {
            signing: EncodingKey::from_secret(secret),
            checking: DecodingKey::from_secret(secret),
            validation,
            life_s: auth.access_expire,
        }
    }

    /// A token for a user, and when it ends.
    pub fn issue(&self, uid: i64) -> AppResult<(String, u64)> {
        self.issue_at(uid, now_s())
    }

    fn issue_at(&self, uid: i64, iat: u64) -> AppResult<(String, u64)> {
        let exp = iat.saturating_add(self.life_s);
        let token = encode(&Header::new(Algorithm::HS256), &Claims { uid, exp, iat }, &self.signing);
        let token = token.map_err(|error| {
            tracing::error!(%error, "a token could not be signed");
            AppError::internal()
        })?;
        Ok((token, exp))
    }

    /// What a token says, when it was signed here and has not ended.
    pub fn check(&self, token: &str) -> AppResult<Claims> {
        let decoded = decode::<Claims>(token, &self.checking, &self.validation);
        decoded.map(|token| token.claims).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => AppError::unauthenticated("the token has expired: log in again"),
            _ => AppError::unauthenticated("the token is not valid: log in again"),
        })
    }

    /// Base64url of HMAC-SHA256 over a callback's body, as its sender must compute it.
    pub fn sign_callback(&self, body: &[u8]) -> AppResult<String> {
        let signed = crypto::sign(&callback_message(body), &self.signing, Algorithm::HS256);
        signed.map_err(|_| AppError::internal())
    }

    /// Whether a callback's signature is right.
    pub fn check_callback(&self, body: &[u8], signature: &str) -> AppResult<()> {
        match crypto::verify(signature, &callback_message(body), &self.checking, Algorithm::HS256) {
            Ok(true) => Ok(()),
            _ => Err(AppError::unauthenticated("the callback's signature is not valid")),
        }
    }
}

/// The prefix keeps a signed token from passing as a signed callback.
fn callback_message(body: &[u8]) -> Vec<u8> {
    [b"pay-callback\n".as_slice(), body].concat()
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn tokens(secret: &str) -> Tokens {
        Tokens::new(&Auth { access_secret: Secret::new(secret), access_expire: 60, ..Auth::default() })
    }

    #[test]
    fn a_token_names_its_user_until_it_ends() {
        let tokens = tokens("secret");
        let (token, exp) = tokens.issue(7).expect("issues");
        let claims = tokens.check(&token).expect("valid");
        assert_eq!((claims.uid, claims.exp, claims.exp - claims.iat), (7, exp, 60));
        let (old, _) = tokens.issue_at(7, now_s() - 61).expect("issues");
        assert!(tokens.check(&old).expect_err("ended").message.contains("expired"));
    }

    #[test]
    fn tokens_of_others_are_refused() {
        let (token, _) = tokens("theirs").issue(7).expect("issues");
        assert!(tokens("ours").check(&token).is_err());
        assert!(tokens("ours").check("not.a.token").is_err());
        // An unsigned token: {"alg":"none"} and the claims of user 7.
        let unsigned = "eyJhbGciOiJub25lIn0.eyJ1aWQiOjcsImV4cCI6OTk5OTk5OTk5OSwiaWF0IjoxfQ.";
        assert!(tokens("ours").check(unsigned).is_err());
    }

    #[test]
    fn a_callback_is_signed_over_its_whole_body() {
        let tokens = tokens("secret");
        let signature = tokens.sign_callback(b"{\"amount\":1}").expect("signs");
        assert!(tokens.check_callback(b"{\"amount\":1}", &signature).is_ok());
        assert!(tokens.check_callback(b"{\"amount\":2}", &signature).is_err());
        assert!(tokens.check_callback(b"{\"amount\":1}", "").is_err());
    }
}
