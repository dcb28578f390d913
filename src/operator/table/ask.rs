use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::error::TableError;

/// Whether a person wants the statements run.
///
/// # Errors
/// When nobody is there to ask, or the answer is no.
pub(super) fn agree(store: &str) -> Result<(), TableError> {
    if !std::io::stdin().is_terminal() {
        return Err(TableError::NotAgreed("--apply asks first; without a terminal say --yes as well"));
    }
    print!("Run these statements in {store}? Type yes to go on: ");
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && answer.trim() == "yes" { Ok(()) } else { Err(TableError::NotAgreed("the answer was not yes")) }
}
