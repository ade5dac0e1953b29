//! Prints `docs/vocabulary.md`: `cargo run -p collector-api --example vocabulary > docs/vocabulary.md`.

fn main() {
    print!("{}", collector_api::vocabulary::markdown());
}
