//! Bodies: received within limits of bytes and time, inflated within limits of bytes.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use flate2::bufread::MultiGzDecoder;
use http::HeaderMap;
use http::header::EXPECT;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::Limits;
use super::refusal::{Refusal, quoted};

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
}

impl Compression {
    /// Of a `content-encoding` or `grpc-encoding` header.
    pub fn of(header: Option<&http::HeaderValue>) -> Result<Self, Refusal> {
        let text = header.map_or("", |value| value.to_str().unwrap_or("?")).trim();
        if text.is_empty() || text.eq_ignore_ascii_case("identity") {
            Ok(Self::None)
        } else if text.eq_ignore_ascii_case("gzip") {
            Ok(Self::Gzip)
        } else {
            Err(Refusal::UnknownCompression(quoted(text)))
        }
    }
}

/// Bytes of all bodies that are being received or handled.
#[derive(Debug)]
pub(super) struct InFlight {
    used: AtomicUsize,
    limit: usize,
}

impl InFlight {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit })
    }

    /// A reservation of nothing yet.
    pub fn reserve(self: &Arc<Self>) -> Reservation {
        Reservation { of: Arc::clone(self), bytes: 0 }
    }
}

/// A part of [`InFlight`], given back when dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    of: Arc<InFlight>,
    bytes: usize,
}

impl Reservation {
    /// Takes more, or says that there is no more.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let used = self.of.used.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if used + bytes > self.of.limit { Err(Refusal::Overloaded) } else { Ok(()) }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.of.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Receives a body of at most `limit` bytes.
///
/// The rest of a body that is refused is read and thrown away, up to another `limit`, so that a sender that writes
/// before it reads gets the answer and not a broken pipe. One that asked with `Expect: 100-continue` waits for it anyway.
pub(super) async fn receive(
    mut body: Incoming,
    headers: &HeaderMap,
    limit: usize,
    limits: &Limits,
    reservation: &mut Reservation,
) -> Result<Bytes, Refusal> {
    let receiving = async {
        match gather(&mut body, limit, limits.max_body_bytes, reservation).await {
            Err(refusal @ (Refusal::TooLarge { .. } | Refusal::Overloaded)) => {
                if !headers.contains_key(EXPECT) {
                    drain(&mut body, limit).await;
                }
                Err(refusal)
            }
            done => done,
        }
    };
    let timeout = limits.body_timeout;
    tokio::time::timeout(timeout, receiving).await.unwrap_or_else(|_| Err(Refusal::SlowBody(timeout.as_secs())))
}

/// Bytes to make room for because a sender says that they will come.
const MAX_AHEAD: usize = 1 << 20;

async fn gather(
    body: &mut Incoming,
    limit: usize,
    named: usize,
    reservation: &mut Reservation,
) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::TooLarge { limit: named };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::BrokenBody(quoted(&error.to_string())))?;
        let Ok(chunk) = frame.into_data() else { continue };
        if first.len() + rest.len() + chunk.len() > limit {
            return Err(too_large());
        }
        reservation.grow(chunk.len())?;
        if first.is_empty() && rest.is_empty() {
            first = chunk;
        } else {
            if rest.is_empty() {
                rest.reserve((body.size_hint().lower() as usize).min(MAX_AHEAD) + first.len() + chunk.len());
            }
            rest.extend_from_slice(&std::mem::take(&mut first));
            rest.extend_from_slice(&chunk);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

async fn drain(body: &mut Incoming, limit: usize) {
    let mut drained = 0;
    while let Some(Ok(frame)) = body.frame().await {
        drained += frame.data_ref().map_or(0, Bytes::len);
        if drained > limit {
            break;
        }
    }
}

/// Inflates a gzip body to at most `limit` bytes. Several members are one body; anything else behind the last is an error.
pub(super) fn inflate(body: &[u8], limit: usize, reservation: &mut Reservation) -> Result<Bytes, Refusal> {
    const STEP: usize = 64 << 10;
    let mut decoder = MultiGzDecoder::new(body);
    let mut inflated = Vec::with_capacity((body.len() * 4).min(1 << 20));
    loop {
        let before = inflated.len();
        let step = (limit + 1 - before).min(STEP.max(before / 2));
        let read = decoder
            .by_ref()
            .take(step as u64)
            .read_to_end(&mut inflated)
            .map_err(|error| Refusal::BadGzip(quoted(&error.to_string())))?;
        if inflated.len() > limit {
            return Err(Refusal::TooLarge { limit });
        }
        reservation.grow(inflated.len() - before)?;
        if read < step {
            return Ok(Bytes::from(inflated));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression as Level;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
        encoder.write_all(content).expect("writing to memory");
        encoder.finish().expect("writing to memory")
    }

    fn reservation() -> Reservation {
        InFlight::new(1 << 30).reserve()
    }

    #[test]
    fn the_limit_is_exact() {
        let body = gzip(&vec![7; 300_000]);
        assert_eq!(inflate(&body, 300_000, &mut reservation()).map(|bytes| bytes.len()), Ok(300_000));
        assert_eq!(inflate(&body, 299_999, &mut reservation()), Err(Refusal::TooLarge { limit: 299_999 }));
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        let bomb = gzip(&vec![0; 32 << 20]);
        let in_flight = InFlight::new(1 << 30);
        let mut reservation = in_flight.reserve();
        assert_eq!(inflate(&bomb, 1 << 20, &mut reservation), Err(Refusal::TooLarge { limit: 1 << 20 }));
        assert!(reservation.bytes <= 1 << 20);
        drop(reservation);
        assert_eq!(in_flight.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn members_join_and_garbage_is_an_error() {
        let mut two = gzip(b"one ");
        two.extend(gzip(b"two"));
        assert_eq!(inflate(&two, 100, &mut reservation()), Ok(Bytes::from_static(b"one two")));
        two.extend(b"garbage behind the last member");
        assert!(matches!(inflate(&two, 100, &mut reservation()), Err(Refusal::BadGzip(_))));
        let cut = gzip(&[1; 1000]);
        assert!(matches!(
            inflate(cut.get(..20).unwrap_or_default(), 2000, &mut reservation()),
            Err(Refusal::BadGzip(_))
        ));
        assert!(matches!(inflate(b"", 2000, &mut reservation()), Err(Refusal::BadGzip(_))));
    }

    #[test]
    fn inflating_stops_when_all_bodies_together_are_too_many() {
        let body = gzip(&vec![1; 500_000]);
        let mut reservation = InFlight::new(100_000).reserve();
        assert_eq!(inflate(&body, 1 << 20, &mut reservation), Err(Refusal::Overloaded));
    }
}
