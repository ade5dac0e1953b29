//! `docs/cli.md`, written from the command line itself.

use std::fmt::Write as _;
use std::path::Path;

use clap::CommandFactory;

use super::Cli;
use crate::exit;

/// The whole command line as a document.
fn document() -> String {
    fn describe(command: &mut clap::Command, path: &str, text: &mut String) {
        if command.is_hide_set() || command.get_name() == "help" {
            return;
        }
        let help = command.clone().bin_name(path).after_help("").render_help().to_string();
        // Writing into a String cannot fail.
        let _ = write!(text, "\n## `{path}`\n\n```text\n{}\n```\n", help.trim_end());
        for inner in command.get_subcommands_mut() {
            let path = format!("{path} {}", inner.get_name());
            describe(inner, &path, text);
        }
    }

    let mut text = String::from(
        "# The command line\n\nGenerated from the program: `MALLCTL_WRITE_DOCS=1 cargo test -p mallctl the_document`.\n\n",
    );
    text.push_str("| exit code | meaning |\n|---|---|\n");
    for (exit, meaning) in exit::CODES {
        let _ = writeln!(text, "| {} | {meaning} |", exit.code());
    }
    text.push_str(
        "\nWhen several hold, the first of 130, 1, 8, 5, 6 wins. `collect -- COMMAND` ends as the command ends.\n",
    );
    let mut command = Cli::command();
    command.build();
    describe(&mut command, "mallctl", &mut text);
    text
}

#[test]
fn the_document_says_what_the_program_accepts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let text = document();
    if std::env::var_os("MALLCTL_WRITE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("docs can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "docs/cli.md is old: MALLCTL_WRITE_DOCS=1 cargo test -p mallctl the_document");
}
