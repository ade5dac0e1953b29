//! The token of a stack in the metadata of a call.

use mall::config::Secret;
use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::{Request, Status};

const HEADER: &str = "authorization";
const SCHEME: &str = "Bearer ";

/// Adds the token to a request.
pub fn attach<T>(request: &mut Request<T>, token: &str) {
    // A token is letters and digits, so it always fits a header.
    if let Ok(value) = format!("{SCHEME}{token}").parse() {
        request.metadata_mut().insert(HEADER, value);
    }
}

/// Refuses a call without the token.
pub fn check(metadata: &MetadataMap, token: &Secret) -> Result<(), Status> {
    let given = metadata.get(HEADER).and_then(|value| value.to_str().ok()).and_then(|text| text.strip_prefix(SCHEME));
    if given.is_some_and(|given| token.matches(given)) {
        Ok(())
    } else {
        Err(Status::unauthenticated("this call needs the stack's token, which its owner reads from stack.json"))
    }
}

/// Adds the token, when there is one, to every call of a client.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// The token.
    pub token: Option<String>,
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.token {
            attach(&mut request, token);
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_token_passes() {
        let token = Secret::new("abc123");
        let mut request = Request::new(());
        assert!(check(request.metadata(), &token).is_err());
        attach(&mut request, "abc124");
        assert!(check(request.metadata(), &token).is_err());
        attach(&mut request, "abc123");
        assert!(check(request.metadata(), &token).is_ok());
    }
}
