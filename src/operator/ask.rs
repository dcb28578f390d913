use std::io::{BufRead as _, IsTerminal as _, Write as _};

/// Whether a person types yes to that question.
///
/// # Errors
/// Why not; without a terminal there is nobody to ask, and `unattended` says what to do then.
pub(super) fn agree(question: &str, unattended: &'static str) -> Result<(), &'static str> {
    if !std::io::stdin().is_terminal() {
        return Err(unattended);
    }
    print!("{question} Type yes to go on: ");
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && answer.trim() == "yes" { Ok(()) } else { Err("the answer was not yes") }
}
