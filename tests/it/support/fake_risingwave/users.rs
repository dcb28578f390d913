//! The users of the played RisingWave, and its log, into which statements that fail go whole.

use std::collections::BTreeMap;

use super::Answer;

/// Made by itself, superusers, and let in without a password until they have one.
const BUILT_IN: [&str; 3] = ["root", "postgres", "rwadmin"];

pub(super) struct Users {
    /// All there are, with their passwords.
    passwords: BTreeMap<String, Option<String>>,
    log: Vec<String>,
    /// Whether everything is refused.
    closed: bool,
}

impl Default for Users {
    fn default() -> Self {
        let passwords = BUILT_IN.map(|user| (user.to_owned(), None)).into();
        Users { passwords, log: Vec::new(), closed: false }
    }
}

impl Users {
    /// Of those that have one.
    pub(super) fn passwords(&self) -> BTreeMap<String, String> {
        self.passwords.iter().filter_map(|(user, password)| Some((user.clone(), password.clone()?))).collect()
    }

    pub(super) fn password(&self, user: &str) -> Option<String> {
        self.passwords.get(user).cloned().flatten()
    }

    pub(super) fn is_there(&self, user: &str) -> bool {
        self.passwords.contains_key(user)
    }

    /// Before 2.6.
    pub(super) fn without_admin(&mut self) {
        self.passwords.remove("rwadmin");
    }

    pub(super) fn change_password(&mut self, user: &str, password: &str) {
        self.passwords.insert(user.to_owned(), Some(password.to_owned()));
    }

    /// Refuses to change anything from now on.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.log.clone()
    }

    pub(super) fn query(&self, sql: &str) -> Option<Answer> {
        (sql == "SELECT rolname, rolsuper FROM pg_catalog.pg_roles").then(|| {
            let row = |user: &String| {
                vec![user.clone(), if BUILT_IN.contains(&user.as_str()) { "t" } else { "f" }.to_owned()]
            };
            Answer::text(&["rolname", "rolsuper"], self.passwords.keys().map(row).collect())
        })
    }

    /// `None` for what concerns no user.
    pub(super) fn change(&mut self, by: &str, sql: &str) -> Option<Result<(), String>> {
        if !sql.contains(" USER ") {
            return None;
        }
        let done = self.set_password(by, sql);
        if done.is_err() {
            self.log.push(sql.to_owned());
        }
        Some(done)
    }

    fn set_password(&mut self, by: &str, sql: &str) -> Result<(), String> {
        let (verb, rest) = sql.split_once(" USER \"").unwrap();
        let (user, rest) = rest.split_once("\" WITH PASSWORD '").unwrap();
        match (verb, self.is_there(user)) {
            ("CREATE" | "ALTER", _) if self.closed => return Err(format!("Internal error: read-only: {sql}")),
            ("ALTER", true) if user == "rwadmin" && by != "rwadmin" => {
                return Err("Permission denied: rwadmin cannot be altered with admin option".to_owned());
            }
            ("CREATE", false) | ("ALTER", true) => {}
            ("CREATE", true) => return Err(format!("Catalog error: user with name {user} exists")),
            ("ALTER", false) => return Err(format!("Catalog error: user not found: {user}")),
            _ => return Err(format!("Unhandled statement: {sql}")),
        }
        self.change_password(user, rest.trim_end_matches('\''));
        Ok(())
    }
}
