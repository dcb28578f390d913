use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Args, Command};

use super::{
    AuditArgs, BackfillArgs, CaptureArgs, DoctorArgs, GuardArgs, InitArgs, InspectArgs, LoaderArgs, LogArgs,
    OptimizeArgs, ProducerArgs, PruneArgs, ReplayArgs, StatusArgs, TableArgs, UpArgs,
};

/// Every program with its own flags.
pub(super) fn programs() -> Vec<Command> {
    vec![
        of::<ProducerArgs>("producer"),
        of::<CaptureArgs>("capture"),
        of::<LoaderArgs>("loader"),
        of::<UpArgs>("deltawave up"),
        of::<InitArgs>("deltawave init"),
        of::<GuardArgs>("deltawave guard"),
        of::<BackfillArgs>("deltawave backfill"),
        of::<TableArgs>("deltawave table"),
        of::<InspectArgs>("deltawave inspect"),
        of::<DoctorArgs>("deltawave doctor"),
        of::<StatusArgs>("deltawave status"),
        of::<AuditArgs>("deltawave verify"),
        of::<ReplayArgs>("deltawave replay"),
        of::<PruneArgs>("deltawave prune"),
        of::<OptimizeArgs>("deltawave optimize"),
        of::<LogArgs>("every program"),
    ]
}

fn of<A: Args>(name: &'static str) -> Command {
    A::augment_args(Command::new(name))
}

/// `docs/settings.md`: every flag and variable of every program, as the programs themselves declare them.
pub fn settings_page() -> String {
    let mut page = String::from(INTRODUCTION);
    for program in programs() {
        let _ =
            write!(page, "\n## {}\n\n| flag and variable | default | meaning |\n|---|---|---|\n", program.get_name());
        for argument in program.get_arguments().filter(|argument| !argument.is_hide_set()) {
            row(argument, &mut page);
        }
    }
    let _ = write!(page, "\n## Which program reads which variable\n\n| variable | programs |\n|---|---|\n");
    let mut readers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for program in programs() {
        for variable in program.get_arguments().filter_map(|argument| argument.get_env()?.to_str()) {
            readers.entry(variable.to_owned()).or_default().push(program.get_name().to_owned());
        }
    }
    for (variable, programs) in readers {
        let _ = writeln!(page, "| `{variable}` | {} |", programs.join(", "));
    }
    page
}

const INTRODUCTION: &str = "\
# Settings

Generated from the programs' own flags; a test keeps it true.

Nearly every flag has a variable. A flag given on the command line goes before its variable. A program checks all its \
settings before it does anything, tells every fault at once, and exits 2. A variable that begins with `DELTAWAVE_` and \
is no setting is warned of, with the nearest name. What takes a SECRET: [azure.md](azure.md#secrets).
";

fn row(argument: &Arg, page: &mut String) {
    let Some(long) = argument.get_long() else { return };
    let takes_value = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    let value = match (takes_value, argument.get_value_names()) {
        (true, Some([name, ..])) => format!(" {name}"),
        _ => String::new(),
    };
    let variable = argument.get_env().and_then(|name| name.to_str());
    let variable = variable.map(|name| format!(" <br> `{name}`")).unwrap_or_default();
    let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let default = match (takes_value, defaults.is_empty()) {
        (true, false) => format!("`{}`", defaults.join(",")),
        _ => String::new(),
    };
    let mut meaning = argument.get_help().map(StyledStr::to_string).unwrap_or_default().replace('\n', " ");
    let choices: Vec<_> =
        argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if takes_value && !choices.is_empty() {
        let _ = write!(meaning, ": {}", choices.join(", "));
    }
    let cell = |text: &str| text.replace('|', "\\|").replace('<', "&lt;");
    let _ = writeln!(
        page,
        "| `--{long}{}`{variable} | {} | {} |",
        value.replace('|', "\\|"),
        cell(&default),
        cell(&meaning)
    );
}
