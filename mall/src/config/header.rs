//! What travels in a header: metadata of gRPC, or a header of HTTP.

/// Whether a header can have this name; the error says what is wrong and what would be right.
pub(super) fn name(text: &str) -> Result<(), String> {
    // gRPC takes the values of such names for bytes.
    let is_binary = text.to_ascii_lowercase().ends_with("-bin");
    if is_binary || http::HeaderName::from_bytes(text.as_bytes()).is_err() {
        return Err(
            "cannot be the name of a header; use letters, digits and dashes, and no `-bin` at the end".to_owned()
        );
    }
    Ok(())
}

/// Whether a header can hold this text; the error repeats nothing of it.
pub(super) fn value(text: &str) -> Result<(), String> {
    match http::HeaderValue::from_str(text) {
        Ok(_) if text.is_ascii() => Ok(()),
        _ => Err("holds characters that a header cannot; use letters, digits and punctuation".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_of_plain_text() {
        assert!(name("x-tenant").is_ok() && name("Authorization").is_ok());
        assert!(name("x tenant").is_err() && name("key-bin").is_err() && name("").is_err());
        assert!(value("Basic a=; b").is_ok());
        assert!(value("line\nbreak").is_err() && value("ключ").is_err());
    }
}
