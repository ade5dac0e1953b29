//! What handlers take from a request, with errors in the shop's form.

use std::fmt;

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http_body_util::BodyExt as _;
use serde::de::{DeserializeOwned, Deserializer, Visitor};

use super::Gateway;
use super::gunzip::{self, Gzipped};
use super::token::Session;
use crate::error::{AppError, AppResult, ErrorCode};
use crate::order::MAX_KEY;

impl FromRequestParts<Gateway> for Session {
    type Rejection = AppError;

    /// Who the route found the token to be of; a route that is not for users has found nobody.
    async fn from_request_parts(parts: &mut Parts, _gateway: &Gateway) -> AppResult<Self> {
        let nobody = || AppError::unauthenticated("this route checks no access token");
        parts.extensions.get().copied().ok_or_else(nobody)
    }
}

/// The `Idempotency-Key` header; one is drawn when the client sent none.
#[derive(Debug, Clone)]
pub(super) struct IdempotencyKey(pub(super) String);

impl FromRequestParts<Gateway> for IdempotencyKey {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, _gateway: &Gateway) -> AppResult<Self> {
        let Some(value) = parts.headers.get("idempotency-key") else {
            return Ok(Self(uuid::Uuid::new_v4().to_string()));
        };
        let legal = value
            .to_str()
            .ok()
            .filter(|key| (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()));
        let wrong = || AppError::invalid(format!("Idempotency-Key must have 1 to {MAX_KEY} visible ASCII characters"));
        legal.map(|key| Self(key.to_owned())).ok_or_else(wrong)
    }
}

/// The body's bytes, decoded, at most as many as are allowed.
#[derive(Debug)]
pub(super) struct Raw(pub(super) Bytes);

impl FromRequest<Gateway> for Raw {
    type Rejection = AppError;

    async fn from_request(request: Request, gateway: &Gateway) -> AppResult<Self> {
        let most = gateway.max_bytes();
        let is_gzip = request.extensions().get::<Gzipped>().is_some();
        let mut body = request.into_body();
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| AppError::invalid("the body ended before it was complete"))?;
            let Some(piece) = frame.data_ref() else { continue };
            if piece.len() > most - bytes.len() {
                return Err(too_large(most));
            }
            bytes.extend_from_slice(piece);
        }
        if is_gzip { gunzip::decode(&bytes, most).map(Self) } else { Ok(Self(bytes.freeze())) }
    }
}

/// What a body beyond the limit is answered with.
pub(super) fn too_large(most: usize) -> AppError {
    AppError::new(ErrorCode::TooLarge, format!("the body is larger than {most} bytes"))
}

/// The body as JSON, whatever its content type says.
#[derive(Debug)]
pub(super) struct Payload<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Gateway> for Payload<T> {
    type Rejection = AppError;

    async fn from_request(request: Request, gateway: &Gateway) -> AppResult<Self> {
        let Raw(body) = Raw::from_request(request, gateway).await?;
        parse(&body).map(Self)
    }
}

/// Reads JSON, naming the place that is wrong.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> AppResult<T> {
    serde_json::from_slice(body)
        .map_err(|error| AppError::invalid(format!("the body is not the JSON that is expected: {error}")))
}

/// The query string.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Gateway> for Params<T> {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, _gateway: &Gateway) -> AppResult<Self> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query
            .map(|Query(params)| Self(params))
            .map_err(|error| AppError::invalid(format!("the query is wrong: {}", error.body_text())))
    }
}

/// Reads an integer that may have been written as text, as templates do: `12` and `"12"` are the same.
pub(super) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    struct Integer;

    impl Visitor<'_> for Integer {
        type Value = i64;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an integer, as a number or as text")
        }

        fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<i64, E> {
            Ok(value)
        }

        fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<i64, E> {
            i64::try_from(value).map_err(|_| E::invalid_value(serde::de::Unexpected::Unsigned(value), &self))
        }

        fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<i64, E> {
            value.parse().map_err(|_| E::invalid_value(serde::de::Unexpected::Str(value), &self))
        }
    }

    deserializer.deserialize_any(Integer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Item {
        #[serde(deserialize_with = "integer")]
        id: i64,
    }

    #[test]
    fn numbers_may_be_text() {
        for text in [r#"{"id":12}"#, r#"{"id":"12"}"#] {
            assert_eq!(parse::<Item>(text.as_bytes()).expect("legal").id, 12);
        }
    }

    #[test]
    fn what_is_no_number_is_named_with_its_place() {
        for text in [r#"{"id":"x"}"#, r#"{"id":1.5}"#, r#"{"id":null}"#, r#"{"id":18446744073709551615}"#, "{", ""] {
            let error = parse::<Item>(text.as_bytes()).expect_err(text);
            assert_eq!(error.code, ErrorCode::Invalid);
            assert!(error.message.contains("line"), "{error}");
        }
    }
}
