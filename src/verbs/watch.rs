//! `mallctl watch`: the console on a running stack or collector, or one picture of it.

use std::io::IsTerminal;

use tui::{ColorChoice, Format, Launch, Options, Screen, TuiError};

use crate::cli::{self, Picture};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;

/// Runs the verb.
pub async fn run(args: cli::Watch) -> Outcome {
    let source = cli::Source { stack: args.stack.clone(), addr: args.addr.clone() };
    let client = super::collector(&source).await?;
    let screen = match &args.screen {
        Some(name) => Some(name.parse::<Screen>().map_err(|error| Failure::usage(error.to_string()))?),
        None => None,
    };
    let options = Options { screen, token: client.token.clone(), ..Options::new(client.address.clone()) };
    if args.once {
        return picture(&args, options, screen).await;
    }
    // Held while the console is open: a stack whose parent is lost stays for it. A foreign collector has no supervisor.
    let _attached = if client.token.is_some() { Some(client.attach("console").await?) } else { None };
    if std::io::stdout().is_terminal() {
        tui::run(options).await.map_err(|error| failure(&error))?;
    } else {
        let until = async {
            // Without a way to hear Ctrl-C the signal ends the process itself.
            let _ = tokio::signal::ctrl_c().await;
        };
        tui::lines(options, std::io::stdout(), until).await.map_err(|error| failure(&error))?;
    }
    Ok(Exit::Ok)
}

async fn picture(args: &cli::Watch, options: Options, screen: Option<Screen>) -> Outcome {
    let (format, color) = match args.format {
        Picture::Text => (Format::Text, ColorChoice::Never),
        Picture::Ansi => (Format::Ansi, ColorChoice::Always),
        Picture::Svg => (Format::Svg, ColorChoice::Always),
    };
    let options = Options { color, launch: Launch::Watch, ..options };
    let picture = tui::capture(options, args.size, screen.unwrap_or(Screen::Overview), format)
        .await
        .map_err(|error| failure(&error))?;
    output::line(picture.trim_end_matches('\n'));
    Ok(Exit::Ok)
}

/// A console's error as the failure of a verb.
pub fn failure(error: &TuiError) -> Failure {
    let exit = match error {
        TuiError::Unreachable { .. } => Exit::NotRunning,
        TuiError::UnknownScreen { .. } | TuiError::Address { .. } | TuiError::NotATerminal => Exit::Usage,
        _ => Exit::Failure,
    };
    Failure::new(exit, error.to_string())
}
