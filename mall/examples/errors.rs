//! Prints the table of errors as `docs/errors.md` holds it.

fn main() {
    print!("{}", mall::error::markdown());
}
