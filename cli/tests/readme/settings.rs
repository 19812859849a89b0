//! The table of settings against the program: neither knows a flag that the other does not, and the defaults are the same.

use std::{collections::BTreeMap, process::Command};

use crate::page::{book, root};

/// Flags of every command, which are no settings.
const OF_EVERY_COMMAND: [&str; 3] = ["--help", "--json", "--quiet"];
/// Variables that no flag stands for, and those that steps have.
const NO_FLAGS: [&str; 5] = ["LOG", "TOKEN", "JOB_ID", "STEP_SLUG", "TRY"];
const COMMANDS: [&str; 25] = [
    "run",
    "check",
    "plan",
    "serve",
    "backend",
    "worker",
    "submit",
    "precheck",
    "detect",
    "status",
    "logs",
    "list",
    "report",
    "reports",
    "findings",
    "accept",
    "tests",
    "artifacts",
    "doctor",
    "cancel",
    "gc",
    "health",
    "login",
    "logout",
    "whoami",
];

/// The flags of a command, each with its default if it has one.
fn flags(command: &[&str]) -> BTreeMap<String, Option<String>> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_pipelinex")).args(command).arg("--help").env_clear().output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let mut flags = BTreeMap::new();
    let mut current = None;
    for line in help.lines().map(str::trim) {
        let named =
            line.strip_prefix("--").or_else(|| Some(line.split_once(", --").filter(|(short, _)| short.len() == 2)?.1));
        if let Some(named) = named {
            let flag = format!("--{}", named.split([' ', '=', '[']).next().unwrap());
            flags.insert(flag.clone(), String::new());
            current = Some(flag);
        } else if let Some(text) = current.as_ref().and_then(|flag| flags.get_mut(flag)) {
            text.push_str(line);
            text.push(' ');
        }
    }
    let default = |text: &String| Some(text.split_once("[default: ")?.1.split_once(']')?.0.to_owned());
    flags.iter().map(|(flag, text)| (flag.clone(), default(text))).collect()
}

/// The flags of the table with the default that stands beside each.
fn table() -> Vec<(String, String)> {
    let page = book();
    let rows = page.lines().skip_while(|line| !line.starts_with("| flag | default |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let plain = |cell: &str| cell.split(", ").map(|item| item.trim().replace('`', "")).collect::<Vec<_>>();
    rows.flat_map(|row| {
        let cells: Vec<_> = row.split('|').collect();
        let (flags, defaults) = (plain(cells[1]), plain(cells[2]));
        // The only default with a comma in it stands alone.
        let defaults = if flags.len() == 1 { vec![defaults.join(", ")] } else { defaults };
        assert_eq!(flags.len(), defaults.len(), "a default for each flag: {row}");
        flags.into_iter().zip(defaults).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn the_table_has_every_setting_of_the_server_once_with_its_default_and_no_other() {
    let mut program = flags(&["serve"]);
    program.retain(|flag, _| !OF_EVERY_COMMAND.contains(&flag.as_str()));
    assert!(program.len() > 35, "the help was read: {program:?}");
    for (flag, shown) in table() {
        let default = program.remove(&flag).unwrap_or_else(|| panic!("{flag} is no flag of serve, or stands twice"));
        match default {
            // What is a sentence is told in the table's own words.
            Some(default) if default.contains(' ') => assert_ne!(shown, "none", "{flag}: {default}"),
            Some(default) => assert_eq!(shown, default, "{flag}"),
            None => assert_eq!(shown, "none", "{flag} has no default"),
        }
    }
    assert!(program.is_empty(), "not in the table of docs/operating.md: {:?}", program.keys());
}

#[test]
fn no_flag_and_no_variable_of_the_page_is_invented() {
    let mut known: Vec<String> = COMMANDS.iter().flat_map(|command| flags(&[command]).into_keys()).collect();
    known.extend(["import", "update", "info"].iter().flat_map(|command| flags(&["db", command]).into_keys()));
    known.extend(["create", "list", "revoke"].iter().flat_map(|command| flags(&["token", command]).into_keys()));
    known.extend(["create", "list", "set"].iter().flat_map(|command| flags(&["project", command]).into_keys()));
    known.extend(["key", "set", "list", "rm"].iter().flat_map(|command| flags(&["secret", command]).into_keys()));
    let hook =
        ["add", "list", "rm", "test"].iter().flat_map(|command| flags(&["project", "hook", command]).into_keys());
    known.extend(hook);
    known.extend(flags(&["project", "trigger", "add"]).into_keys());
    known.extend(flags(&["project", "schedule", "add"]).into_keys());
    known.extend(flags(&["audit", "tail"]).into_keys());
    // Those of other programs.
    known.extend(["--release", "--package", "--detach", "--build", "--test", "--nocapture"].map(str::to_owned));
    // What other programs print and take stands in some pages.
    let page = book().lines().filter(|line| !line.starts_with("| `")).collect::<Vec<_>>().join("\n");
    let word = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    for text in page.split(|c| !word(c)) {
        if text.starts_with("--") && text.len() > 3 && text.chars().any(char::is_alphabetic) {
            assert!(known.iter().any(|flag| flag == text), "{text} is a flag of nothing");
        }
        if let Some(name) = text.strip_prefix("PIPELINEX_").filter(|name| !NO_FLAGS.contains(name)) {
            let flag = format!("--{}", name.to_lowercase().replace('_', "-"));
            assert!(known.contains(&flag), "{text} is a variable of nothing");
        }
    }
}

#[test]
fn every_setting_can_be_given_to_docker_compose_unless_it_is_a_path_or_set_there() {
    // Paths need a mount as well, and an engine another file.
    let others = [
        "--workspaces",
        "--pipelines",
        "--ca-certs",
        "--git-tokens",
        "--secrets-key",
        "--docker-host",
        "--engine-workspaces",
        "--tls-cert",
        "--tls-key",
    ];
    let set = ["--listen", "--redis-url", "--health-file", "--open-to-network"];
    let compose = std::fs::read_to_string(root().join("docker-compose.yml")).unwrap();
    let given: Vec<&str> = compose.lines().filter_map(|line| line.trim().strip_suffix(':')).collect();
    for flag in ["backend", "worker"].iter().flat_map(|command| flags(&[command]).into_keys()) {
        if others.iter().chain(&set).chain(&OF_EVERY_COMMAND).all(|other| *other != flag) {
            let name = format!("PIPELINEX_{}", flag[2..].to_uppercase().replace('-', "_"));
            assert!(given.contains(&name.as_str()), "{name} is not in docker-compose.yml");
        }
    }
}

#[test]
fn every_service_of_docker_compose_has_a_limit_of_memory_and_of_processes() {
    let compose = std::fs::read_to_string(root().join("docker-compose.yml")).unwrap();
    let shared = compose.split_once("x-pipelinex:").unwrap().1.split_once("x-settings:").unwrap().0;
    let services = compose.split_once("\nservices:\n").unwrap().1.split_once("\nnetworks:").unwrap().0;
    let begins = |line: &str| line.strip_prefix("  ").is_some_and(|name| name.starts_with(char::is_alphabetic));
    let mut blocks: Vec<String> = Vec::new();
    for line in services.lines() {
        if begins(line) {
            blocks.push(String::new());
        }
        blocks.last_mut().unwrap().push_str(&format!("{line}\n"));
    }
    assert_eq!(blocks.len(), 3, "{blocks:?}");
    for block in blocks {
        let block = if block.contains("<<: *pipelinex") { format!("{block}{shared}") } else { block };
        for limit in ["mem_limit: ", "memswap_limit: ", "pids_limit: "] {
            assert!(block.lines().any(|line| line.trim_start().starts_with(limit)), "{limit}{block}");
        }
    }
}
