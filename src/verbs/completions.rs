//! `mallctl completions`: a script for a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::output;

/// Prints the script.
pub fn run(shell: Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mallctl", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end());
}
