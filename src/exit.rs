//! How a verb ends: the exit codes as one table, and the error that people read.

use std::fmt::{self, Write as _};

/// An exit code that scripts may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok,
    /// Something failed while running.
    Failure,
    /// The command line, a scenario file or a rule file is wrong.
    Usage,
    /// The stack that was asked for does not run.
    NotRunning,
    /// What was waited for did not come in time.
    NotReady,
    /// `verify` found an invariant violated.
    VerifyViolated,
    /// A gate of the run failed.
    GateFailed,
    /// A port or a state folder is taken.
    Conflict,
    /// The load generator fell short of its own schedule.
    GeneratorLimited,
    /// A signal ended it.
    Interrupted,
    /// A command that `collect` ran ended so; it has no meaning of ours.
    Command(u8),
}

/// Every code with its meaning, in the order of the numbers; help and `docs/cli.md` are generated from it.
pub const CODES: &[(Exit, &str)] = &[
    (Exit::Ok, "ok"),
    (Exit::Failure, "runtime failure, or a verdict that cannot be given"),
    (Exit::Usage, "usage: command line, scenario file or rule file"),
    (Exit::NotRunning, "the stack is not running"),
    (Exit::NotReady, "not ready in time"),
    (Exit::VerifyViolated, "verify found an invariant violated"),
    (Exit::GateFailed, "a gate failed"),
    (Exit::Conflict, "a port or the state folder is taken"),
    (Exit::GeneratorLimited, "the load generator was limited"),
    (Exit::Interrupted, "interrupted"),
];

/// When several hold, the first of these wins.
const PRECEDENCE: &[Exit] =
    &[Exit::Interrupted, Exit::Failure, Exit::GeneratorLimited, Exit::VerifyViolated, Exit::GateFailed];

impl Exit {
    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::NotRunning => 3,
            Self::NotReady => 4,
            Self::VerifyViolated => 5,
            Self::GateFailed => 6,
            Self::Conflict => 7,
            Self::GeneratorLimited => 8,
            Self::Interrupted => 130,
            Self::Command(code) => code,
        }
    }

    /// The code of a number that a child process of ours ended with.
    pub fn from_code(code: i32) -> Self {
        CODES.iter().map(|(exit, _)| *exit).find(|exit| i32::from(exit.code()) == code).unwrap_or(Self::Failure)
    }

    /// One code for several that hold at once.
    pub fn most_severe(held: &[Self]) -> Self {
        PRECEDENCE
            .iter()
            .copied()
            .find(|exit| held.contains(exit))
            .or_else(|| held.iter().copied().find(|exit| *exit != Self::Ok))
            .unwrap_or(Self::Ok)
    }
}

/// The table as help text.
pub fn help() -> String {
    let mut text = String::from("Exit codes:\n");
    for (exit, meaning) in CODES {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  {:>3}  {meaning}", exit.code());
    }
    text
}

/// Why a verb could not do its work: what happened, why, and the command that mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The code that the process ends with.
    pub exit: Exit,
    /// What happened.
    pub what: String,
    /// Why, when that says more.
    pub why: String,
    /// What to type or change.
    pub mend: String,
}

/// What a verb answers.
pub type Outcome = Result<Exit, Failure>;

impl Failure {
    /// A failure with a code and what happened.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), why: String::new(), mend: String::new() }
    }

    /// A runtime failure.
    pub fn runtime(what: impl Into<String>) -> Self {
        Self::new(Exit::Failure, what)
    }

    /// A usage error.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// Adds why.
    pub fn because(mut self, why: impl fmt::Display) -> Self {
        self.why = why.to_string();
        self
    }

    /// Adds what mends it.
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = mend.into();
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.what)?;
        if !self.why.is_empty() {
            write!(formatter, ": {}", self.why)?;
        }
        if !self.mend.is_empty() {
            write!(formatter, "\n  {}", self.mend)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_outranks_every_other_end() {
        assert_eq!(Exit::most_severe(&[Exit::GateFailed, Exit::Interrupted, Exit::Failure]), Exit::Interrupted);
        assert_eq!(Exit::most_severe(&[Exit::GateFailed, Exit::VerifyViolated]), Exit::VerifyViolated);
        assert_eq!(Exit::most_severe(&[Exit::GateFailed, Exit::GeneratorLimited]), Exit::GeneratorLimited);
        assert_eq!(Exit::most_severe(&[Exit::Ok, Exit::Ok]), Exit::Ok);
    }

    #[test]
    fn every_number_finds_its_code_and_strangers_are_failures() {
        for (exit, _) in CODES {
            assert_eq!(Exit::from_code(i32::from(exit.code())), *exit);
        }
        assert_eq!(Exit::from_code(101), Exit::Failure);
    }

    #[test]
    fn a_failure_reads_what_why_and_the_mend() {
        let failure = Failure::new(Exit::Conflict, "port 8888 is taken").because("pid 7 has it").mend("use --isolated");
        assert_eq!(failure.to_string(), "port 8888 is taken: pid 7 has it\n  use --isolated");
    }
}
