//! Who may change something.

use tonic::{Request, Status};

/// Whether the request carries the stack's token, or comes from this machine where the stack has none.
pub fn may_command<T>(request: &Request<T>, token: Option<&str>) -> Result<(), Status> {
    match token {
        Some(token) if carries(request, token) => Ok(()),
        Some(_) => Err(Status::unauthenticated(
            "changing a run needs the stack's token: use mallctl on the stack's own machine",
        )),
        None if is_local(request) => Ok(()),
        None => Err(Status::permission_denied("a collector without a token takes changes from its own machine only")),
    }
}

/// Whether the request may open a run: with the token, or from this machine.
pub fn may_drive<T>(request: &Request<T>, token: Option<&str>) -> Result<(), Status> {
    if is_local(request) { Ok(()) } else { may_command(request, token) }
}

fn is_local<T>(request: &Request<T>) -> bool {
    request.remote_addr().is_some_and(|address| address.ip().to_canonical().is_loopback())
}

fn carries<T>(request: &Request<T>, token: &str) -> bool {
    let given = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    let Some(given) = given.and_then(|value| value.strip_prefix("Bearer ")) else { return false };
    // Every byte is compared, so that the time taken tells nothing about the token.
    let differing = given.bytes().zip(token.bytes()).fold(0, |differing, (a, b)| differing | (a ^ b));
    given.len() == token.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(authorization: &str) -> Request<()> {
        let mut request = Request::new(());
        request.metadata_mut().insert("authorization", authorization.parse().expect("ascii"));
        request
    }

    #[test]
    fn only_the_exact_token_commands() {
        assert!(may_command(&with("Bearer secret"), Some("secret")).is_ok());
        for wrong in ["Bearer secre", "Bearer secrets", "Bearer Secret", "secret", "Basic secret"] {
            assert!(may_command(&with(wrong), Some("secret")).is_err(), "{wrong}");
        }
        assert!(may_command(&Request::new(()), Some("secret")).is_err());
    }

    #[test]
    fn strangers_without_an_address_change_nothing() {
        assert!(may_command(&Request::new(()), None).is_err());
        assert!(may_drive(&Request::new(()), None).is_err());
    }
}
