//! Requests whose client did not wait for the answer.
//!
//! The server drops the future of such a request wherever it stands. Who must know how a request ended hears [`GONE`] then.

use http::StatusCode;

/// The status of go-zero and nginx for it: written down, never sent.
pub(super) const GONE: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => StatusCode::BAD_REQUEST,
};

/// Tells somebody once how a request ended: what [`tell`](Self::tell) says, or [`GONE`] when it is dropped before.
pub(super) struct Verdict<F: FnOnce(StatusCode)> {
    hear: Option<F>,
}

impl<F: FnOnce(StatusCode)> Verdict<F> {
    /// A request has begun, and `hear` waits for its end.
    pub(super) fn awaited(hear: F) -> Self {
        Self { hear: Some(hear) }
    }

    /// The request was answered with this status.
    pub(super) fn tell(mut self, status: StatusCode) {
        self.end(status);
    }

    fn end(&mut self, status: StatusCode) {
        if let Some(hear) = self.hear.take() {
            hear(status);
        }
    }
}

impl<F: FnOnce(StatusCode)> Drop for Verdict<F> {
    fn drop(&mut self) {
        self.end(GONE);
    }
}
