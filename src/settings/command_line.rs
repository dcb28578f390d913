use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Parser};

use super::Faults;

/// The program's flags and variables, and what is wrong with single values of them: those are left out, so that the
/// rest can be checked as well and all faults be told at once. Whatever else is wrong with the command line, such as an
/// unknown flag, is told by clap, which also ends the program; so do `--help` and `--version`.
pub fn command_line<P: Parser>() -> (P, Faults) {
    let (parsed, faults) = parse(P::command(), std::env::args_os().collect());
    match parsed {
        Ok(program) => (program, faults),
        Err(error) => {
            if !faults.is_empty() {
                eprintln!("{faults}");
            }
            error.exit()
        }
    }
}

fn parse<P: Parser>(mut command: Command, mut words: Vec<OsString>) -> (Result<P, clap::Error>, Faults) {
    let mut faults = Faults::default();
    loop {
        let error = match command.clone().try_get_matches_from(&words).and_then(|matches| P::from_arg_matches(&matches))
        {
            Ok(program) => return (Ok(program), faults),
            Err(error) => error,
        };
        match wrong_value(&error) {
            Some((flag, reason)) if leave_out(&flag, &mut command, &mut words) => faults.add(&flag, reason),
            _ => return (Err(error), faults),
        }
    }
}

/// The flag whose value clap refuses, and why.
fn wrong_value(error: &clap::Error) -> Option<(String, String)> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let flag = text(ContextKind::InvalidArg)?.split_whitespace().next()?.to_owned();
    let value = text(ContextKind::InvalidValue)?;
    let reason = match (error.kind(), error.get(ContextKind::ValidValue)) {
        (ErrorKind::InvalidValue, Some(ContextValue::Strings(valid))) => {
            format!("`{value}` is none of {}", valid.join(", "))
        }
        (ErrorKind::ValueValidation, _) => format!("`{value}`: {}", error.source()?),
        _ => return None,
    };
    Some((flag, reason))
}

/// Takes a flag's values out of the command line, and lets its variable go unread. False if there was nothing to take.
fn leave_out(flag: &str, command: &mut Command, words: &mut Vec<OsString>) -> bool {
    let mut found = false;
    let mut kept = Vec::with_capacity(words.len());
    let mut rest = std::mem::take(words).into_iter();
    while let Some(word) = rest.next() {
        let text = word.to_string_lossy();
        if text == flag {
            found = true;
            rest.next();
        } else if text.strip_prefix(flag).is_some_and(|rest| rest.starts_with('=')) {
            found = true;
        } else {
            kept.push(word);
        }
    }
    *words = kept;
    *command = unread(std::mem::take(command), flag.trim_start_matches('-'), &mut found);
    found
}

fn unread(command: Command, long: &str, found: &mut bool) -> Command {
    let command = command.mut_args(|argument| {
        let is_set = argument.get_env().is_some_and(|name| std::env::var_os(name).is_some());
        if argument.get_long() == Some(long) && is_set {
            *found = true;
            return argument.env(None);
        }
        argument
    });
    command.mut_subcommands(|subcommand| unread(subcommand, long, found))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[arg(long, default_value_t = 1)]
        memory: u32,
        #[arg(long, value_parser = ["null", "deflate"], default_value = "null")]
        codec: String,
        // Every test process has it, and never as a number.
        #[arg(long, env = "PATH")]
        path: Option<u32>,
    }

    fn read(words: &[&str]) -> (Result<Cli, clap::Error>, Faults) {
        parse(Cli::command(), ["program"].iter().chain(words).map(OsString::from).collect())
    }

    #[test]
    fn every_wrong_value_is_told_wherever_it_stands() {
        let (cli, faults) = read(&["--memory", "lots", "--codec=zip"]);
        let cli = cli.unwrap();
        assert_eq!((cli.memory, cli.codec.as_str(), cli.path), (1, "null", None));
        let text = faults.to_string();
        assert!(text.contains("--memory: `lots`: invalid digit"), "{text}");
        assert!(text.contains("--codec: `zip` is none of null, deflate"), "{text}");
        assert!(text.contains("--path: "), "{text}");
    }

    #[test]
    fn an_unknown_flag_ends_it_and_keeps_what_was_found() {
        let (cli, faults) = read(&["--memory", "lots", "--path", "3", "--unheard-of"]);
        assert_eq!(cli.unwrap_err().kind(), ErrorKind::UnknownArgument);
        assert!(faults.to_string().is_empty() || faults.to_string().contains("--memory"));
    }
}
