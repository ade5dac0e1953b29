//! Bodies that were sent compressed.
//!
//! A route reads the first bytes and refuses what is no gzip, as go-zero does; whether the rest is decoded is up to the
//! handler, so that a request without a token costs no decoding. What comes out is bounded like a body that was sent plain.

use std::io::Read as _;

use axum::body::Body;
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use flate2::bufread::MultiGzDecoder;
use futures::{StreamExt as _, stream};
use http::header::CONTENT_ENCODING;
use http_body_util::BodyExt as _;

use super::extract::too_large;
use crate::error::{AppError, AppResult};

/// What every gzip member begins with: two bytes of magic and the only method there is.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// Length of a member's fixed header.
const HEADER: usize = 10;

/// In a request's extensions: its body is gzip and begins rightly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gzipped;

/// Looks at the first bytes of a body that says to be gzip, and marks the request.
pub(super) async fn open(request: Request) -> AppResult<Request> {
    let encoding = request.headers().get(CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase());
    if !encoding.is_some_and(|encoding| encoding.windows(4).any(|word| word == b"gzip")) {
        return Ok(request);
    }
    let (mut parts, mut body) = request.into_parts();
    let mut read = BytesMut::new();
    while read.len() < HEADER {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|_| AppError::invalid("the body ended before it was complete"))?;
        read.extend_from_slice(frame.data_ref().map_or(&[], Bytes::as_ref));
    }
    if read.len() < HEADER || !read.starts_with(&MAGIC) {
        return Err(AppError::invalid(
            "the body is not the gzip that Content-Encoding promises: send it plain, or compressed",
        ));
    }
    parts.extensions.insert(Gzipped);
    let whole = stream::once(std::future::ready(Ok(read.freeze()))).chain(body.into_data_stream());
    Ok(Request::from_parts(parts, Body::from_stream(whole)))
}

/// Decodes a body of at most `most` bytes, in no more memory than that.
pub(super) fn decode(body: &[u8], most: usize) -> AppResult<Bytes> {
    let mut plain = Vec::new();
    // One byte more than allowed tells that there is more.
    let bounded = (most as u64).saturating_add(1);
    MultiGzDecoder::new(body)
        .take(bounded)
        .read_to_end(&mut plain)
        .map_err(|error| AppError::invalid(format!("the body cannot be decompressed: {error}")))?;
    if plain.len() > most { Err(too_large(most)) } else { Ok(plain.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("writes");
        encoder.finish().expect("ends")
    }

    #[test]
    fn what_comes_out_is_bounded() {
        let bomb = gzip(&vec![0; 16 << 20]);
        assert!(bomb.len() < 1 << 17, "{} bytes", bomb.len());
        assert_eq!(decode(&bomb, 1 << 20).expect_err("too large").code, ErrorCode::TooLarge);
        assert_eq!(decode(&gzip(&[7; 1_024]), 1_024).expect("fits").len(), 1_024);
        assert_eq!(decode(&gzip(&[7; 1_025]), 1_024).expect_err("one more").code, ErrorCode::TooLarge);
    }

    #[test]
    fn members_that_follow_each_other_are_one_body() {
        let body = [gzip(b"ab"), gzip(b"c")].concat();
        assert_eq!(&decode(&body, 16).expect("fits")[..], b"abc");
    }

    #[test]
    fn what_is_broken_is_refused() {
        let whole = gzip(b"something");
        let cut = &whole[..whole.len() - 4];
        assert_eq!(decode(cut, 1_024).expect_err("cut").code, ErrorCode::Invalid);
    }

    #[tokio::test]
    async fn only_a_right_beginning_passes() {
        let ask = |encoding: &str, body: Vec<u8>| {
            open(Request::builder().header("content-encoding", encoding).body(Body::from(body)).expect("legal"))
        };
        assert!(ask("x-GZIP", gzip(b"a")).await.expect("gzip").extensions().get::<Gzipped>().is_some());
        assert!(ask("identity", b"{}".to_vec()).await.expect("plain").extensions().get::<Gzipped>().is_none());
        for broken in [b"{}".to_vec(), Vec::new(), vec![0x1f, 0x8b, 8], vec![0x1f, 0x8b, 7, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(ask("gzip", broken).await.expect_err("no gzip").code, ErrorCode::Invalid);
        }
    }
}
