//! Access tokens (JWT, HMAC) and signatures of provider callbacks.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use governance::MonotonicClock;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation, crypto, decode, encode};
use serde::{Deserialize, Serialize};

use super::rotation::{Key, Rotation};
use crate::config::{Auth, Role};
use crate::error::{AppError, AppResult};

/// Shortest secret, as in go-zero.
const SHORTEST: usize = 8;

/// A secret with which tokens would not be safe, or not be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// It can be guessed.
    #[error("{0} has fewer than {SHORTEST} characters: choose a longer one, such as `openssl rand -hex 16` prints")]
    Short(&'static str),
    /// The other APIs would refuse the tokens that this one issues.
    #[error("Auth.AccessSecret is missing: give user-api, order-api and pay-api the same one")]
    Missing,
}

/// Whether `role` can issue and check tokens with these secrets.
pub fn check_secrets(role: Role, auth: &Auth) -> Result<(), BadSecret> {
    if !role.is_http() {
        return Ok(());
    }
    if auth.access_secret.is_empty() && role != Role::Gateway {
        return Err(BadSecret::Missing);
    }
    for (name, secret) in [("Auth.AccessSecret", &auth.access_secret), ("Auth.PrevSecret", &auth.prev_secret)] {
        if !secret.is_empty() && secret.expose().chars().count() < SHORTEST {
            return Err(BadSecret::Short(name));
        }
    }
    Ok(())
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub uid: i64,
    /// When it ends, seconds since the epoch. A token without an end is refused, unlike in go-zero.
    pub exp: u64,
    /// When it was issued, seconds since the epoch.
    #[serde(default)]
    pub iat: u64,
}

/// Issues and checks tokens. While secrets are rotated, the previous one still checks.
#[derive(Clone)]
pub struct Tokens {
    signing: EncodingKey,
    current: DecodingKey,
    previous: Option<Previous>,
    validation: Validation,
    life_s: u64,
}

#[derive(Clone)]
struct Previous {
    checking: DecodingKey,
    rotation: Arc<Rotation>,
}

/// Why a token is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Expired,
    Invalid,
}

impl Tokens {
    /// With the configured secrets. Without one, a secret is drawn: tokens then end with the process.
    pub fn new(auth: &Auth) -> Self {
        let drawn = format!("{}{}", uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
        let secret = if auth.access_secret.is_empty() {
            tracing::warn!("no access secret is configured: tokens end with this process; set Auth.AccessSecret");
            drawn.as_bytes()
        } else {
            auth.access_secret.expose().as_bytes()
        };
        let previous = (!auth.prev_secret.is_empty()).then(|| Previous {
            checking: DecodingKey::from_secret(auth.prev_secret.expose().as_bytes()),
            rotation: Arc::new(Rotation::new(Arc::new(MonotonicClock::new()))),
        });
        // Any HMAC, as in go-zero: the secret is symmetric, so the algorithm cannot be confused with a public key's.
        let mut validation = Validation::new_for_family(AlgorithmFamily::Hmac);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.validate_aud = false;
        Self {
            signing: EncodingKey::from_secret(secret),
            current: DecodingKey::from_secret(secret),
            previous,
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

    /// Who sends a request: the user of the token in `Authorization`, with or without `Bearer` before it.
    pub(super) fn session(&self, headers: &HeaderMap) -> AppResult<Session> {
        let missing = || AppError::unauthenticated("no access token: log in and send `Authorization: Bearer <token>`");
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
        let scheme = header.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer "));
        let token = scheme.and_then(|_| header.get(7..)).unwrap_or(header).trim();
        if token.is_empty() {
            return Err(missing());
        }
        Ok(Session { user_id: self.check(token)?.uid })
    }

    /// What a token says, when it was signed here and has not ended.
    pub fn check(&self, token: &str) -> AppResult<Claims> {
        let read = match &self.previous {
            None => self.read(token, &self.current),
            Some(previous) => self.read_with_both(token, previous),
        };
        read.map_err(|refusal| match refusal {
            Refusal::Expired => AppError::unauthenticated("the token has expired: log in again"),
            Refusal::Invalid => AppError::unauthenticated("the token is not valid: log in again"),
        })
    }

    fn read_with_both(&self, token: &str, previous: &Previous) -> Result<Claims, Refusal> {
        let mut refused = Refusal::Invalid;
        for key in previous.rotation.order() {
            let checking = if key == Key::Current { &self.current } else { &previous.checking };
            match self.read(token, checking) {
                Ok(claims) => {
                    previous.rotation.succeeded(key);
                    return Ok(claims);
                }
                // The secret that signed it knows more than the other one.
                Err(Refusal::Expired) => refused = Refusal::Expired,
                Err(Refusal::Invalid) => {}
            }
        }
        Err(refused)
    }

    fn read(&self, token: &str, key: &DecodingKey) -> Result<Claims, Refusal> {
        let decoded = decode::<Claims>(token, key, &self.validation).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => Refusal::Expired,
            _ => Refusal::Invalid,
        })?;
        let (claims, now) = (decoded.claims, now_s());
        if claims.exp <= now {
            return Err(Refusal::Expired);
        }
        if claims.iat > now { Err(Refusal::Invalid) } else { Ok(claims) }
    }

    /// Base64url of HMAC-SHA256 over a callback's body, as its sender must compute it.
    pub fn sign_callback(&self, body: &[u8]) -> AppResult<String> {
        let signed = crypto::sign(&callback_message(body), &self.signing, Algorithm::HS256);
        signed.map_err(|_| AppError::internal())
    }

    /// Whether a callback's signature is right.
    pub fn check_callback(&self, body: &[u8], signature: &str) -> AppResult<()> {
        let message = callback_message(body);
        let mut keys = std::iter::once(&self.current).chain(self.previous.iter().map(|previous| &previous.checking));
        if keys.any(|key| crypto::verify(signature, &message, key, Algorithm::HS256).unwrap_or(false)) {
            return Ok(());
        }
        Err(AppError::unauthenticated("the callback's signature is not valid"))
    }
}

/// The user of a valid access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) user_id: i64,
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
    use serde_json::json;

    const OURS: &str = "a secret of ours";
    const OLD: &str = "a secret of old";

    fn auth(secret: &str, previous: &str) -> Auth {
        Auth { access_secret: Secret::new(secret), access_expire: 60, prev_secret: Secret::new(previous) }
    }

    fn tokens(secret: &str, previous: &str) -> Tokens {
        Tokens::new(&auth(secret, previous))
    }

    fn signed(algorithm: Algorithm, claims: &serde_json::Value) -> String {
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(OURS.as_bytes())).expect("signs")
    }

    #[test]
    fn a_token_names_its_user_until_it_ends() {
        let tokens = tokens(OURS, "");
        let (token, exp) = tokens.issue(7).expect("issues");
        let claims = tokens.check(&token).expect("valid");
        assert_eq!((claims.uid, claims.exp, claims.exp - claims.iat), (7, exp, 60));
        for age in [60, 61] {
            let (old, _) = tokens.issue_at(7, now_s() - age).expect("issues");
            assert!(tokens.check(&old).expect_err("ended").message.contains("expired"), "no leeway");
        }
    }

    #[test]
    fn tokens_of_others_are_refused() {
        let ours = tokens(OURS, "");
        let (token, _) = tokens("a secret of theirs", "").issue(7).expect("issues");
        assert!(ours.check(&token).is_err());
        assert!(ours.check("not.a.token").is_err());
        // An unsigned token: {"alg":"none"} and the claims of user 7.
        let unsigned = "eyJhbGciOiJub25lIn0.eyJ1aWQiOjcsImV4cCI6OTk5OTk5OTk5OSwiaWF0IjoxfQ.";
        assert!(ours.check(unsigned).is_err());
    }

    #[test]
    fn every_hmac_is_read_and_every_time_is_checked() {
        let (ours, now) = (tokens(OURS, ""), now_s());
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let token = signed(algorithm, &json!({ "uid": 7, "exp": now + 60, "aud": "shop", "role": "x" }));
            assert_eq!(ours.check(&token).expect("valid").uid, 7, "{algorithm:?}");
        }
        for broken in [
            json!({ "uid": 7 }),
            json!({ "exp": now + 60 }),
            json!({ "uid": 7, "exp": now + 60, "nbf": now + 30 }),
            json!({ "uid": 7, "exp": now + 60, "iat": now + 30 }),
        ] {
            assert!(ours.check(&signed(Algorithm::HS256, &broken)).is_err(), "{broken}");
        }
    }

    #[test]
    fn the_previous_secret_checks_and_never_signs() {
        let (before, during, after) = (tokens(OLD, ""), tokens(OURS, OLD), tokens(OURS, ""));
        let (old, _) = before.issue(1).expect("issues");
        let (new, _) = during.issue(2).expect("issues");
        assert_eq!(during.check(&old).expect("signed before").uid, 1);
        assert_eq!(during.check(&new).expect("signed now").uid, 2);
        assert_eq!(after.check(&new).expect("signed with the secret that stays").uid, 2);
        assert!(after.check(&old).is_err() && before.check(&new).is_err());
        let (expired, _) = before.issue_at(1, now_s() - 61).expect("issues");
        assert!(during.check(&expired).expect_err("ended").message.contains("expired"));
    }

    #[test]
    fn the_header_may_leave_the_scheme_out() {
        let tokens = tokens(OURS, "");
        let (token, _) = tokens.issue(7).expect("issues");
        let ask = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().expect("a header"));
            tokens.session(&headers)
        };
        for value in [token.clone(), format!("Bearer {token}"), format!("bEARER  {token}")] {
            assert_eq!(ask(&value), Ok(Session { user_id: 7 }));
        }
        for value in ["", "Bearer ", "Bearer x", "Basic dTpw"] {
            assert!(ask(value).is_err(), "{value}");
        }
        assert!(tokens.session(&HeaderMap::new()).is_err());
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused() {
        let check = |role, secret, previous| check_secrets(role, &auth(secret, previous));
        assert_eq!(check(Role::Gateway, "1234567", ""), Err(BadSecret::Short("Auth.AccessSecret")));
        assert_eq!(check(Role::UserApi, OURS, "1234567"), Err(BadSecret::Short("Auth.PrevSecret")));
        assert_eq!(check(Role::OrderApi, "", ""), Err(BadSecret::Missing));
        for (role, secret) in [(Role::Gateway, ""), (Role::Gateway, "12345678"), (Role::UserRpc, "1")] {
            assert_eq!(check(role, secret, ""), Ok(()));
        }
    }

    #[test]
    fn a_callback_is_signed_over_its_whole_body() {
        let (before, during) = (tokens(OLD, ""), tokens(OURS, OLD));
        for tokens in [&before, &during] {
            let signature = tokens.sign_callback(b"{\"amount\":1}").expect("signs");
            assert!(during.check_callback(b"{\"amount\":1}", &signature).is_ok());
            assert!(during.check_callback(b"{\"amount\":2}", &signature).is_err());
        }
        assert!(during.check_callback(b"{\"amount\":1}", "").is_err());
    }
}
