use std::collections::BTreeSet;

use clap::Command;

/// What all variables of this project begin with.
const PREFIX: &str = "DELTAWAVE_";
/// Read by the tests, which share an environment with the programs they run.
const OTHERS: [&str; 1] = ["DELTAWAVE_TEST_STORE_URL"];

/// Warnings about variables that look like settings and are none: most often a misspelt name, whose value would be
/// missing without a word. Settings of other programs of this project are fine: one environment often serves several.
pub fn unknown_variables() -> Vec<String> {
    let known: BTreeSet<_> = super::reference::programs().iter().flat_map(variables).collect();
    warnings(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()), &known)
}

fn warnings(names: impl Iterator<Item = String>, known: &BTreeSet<String>) -> Vec<String> {
    let unknown = names
        .filter(|name| name.starts_with(PREFIX) && !known.contains(name) && !OTHERS.contains(&name.as_str()))
        .collect::<BTreeSet<_>>();
    unknown
        .into_iter()
        .map(|name| {
            // Compared without what all have in common, which would make anything look similar.
            let nearness = |other: &&String| strsim::jaro_winkler(&name[PREFIX.len()..], &other[PREFIX.len()..]);
            match known.iter().max_by(|a, b| nearness(a).total_cmp(&nearness(b))).filter(|best| nearness(best) > 0.8) {
                Some(best) => format!("{name} is no setting and was not read; did you mean {best}?"),
                None => format!("{name} is no setting and was not read; docs/settings.md lists them"),
            }
        })
        .collect()
}

fn variables(command: &Command) -> Vec<String> {
    command.get_arguments().filter_map(|argument| argument.get_env()?.to_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_told_with_the_nearest_one() {
        let known: BTreeSet<_> = super::super::reference::programs().iter().flat_map(variables).collect();
        let names = ["DELTAWAVE_STORE_ULR", "DELTAWAVE_XYZZY", "DELTAWAVE_BLOB", "DELTAWAVE_TEST_STORE_URL", "HOME"];
        let told = warnings(names.into_iter().map(str::to_owned), &known);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("did you mean DELTAWAVE_STORE_URL?"), "{told:?}");
        assert!(
            told[1].starts_with("DELTAWAVE_XYZZY is no setting") && told[1].contains("docs/settings.md"),
            "{told:?}"
        );
    }
}
