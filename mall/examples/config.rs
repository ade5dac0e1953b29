//! Prints `docs/config.md`.

fn main() {
    print!("{}", mall::config::document());
}
