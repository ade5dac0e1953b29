//! Prints the table of keys as Markdown, for documents.

fn main() {
    print!("{}", tui::keys_markdown());
}
