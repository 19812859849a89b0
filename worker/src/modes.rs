//! In which mode a scanner runs: what the request chose for secrets and for static analysis. The choice is input, so it is
//! looked at again here.

use std::collections::BTreeMap;

use pipelinex_common::{
    pipeline::model::{FindingsFormat, FindingsReport, Network, Step, StepKind},
    request::{CustomTool, SastMode, SecretScanMode, Switches},
    stage::Switch,
};

/// The longest command of a custom tool, in bytes: the kernel takes 128 KiB in one variable.
const COMMAND_MAX: usize = 32 * 1024;
/// The report that our wrapper makes of what a custom tool says.
const CUSTOM_REPORT: &str = "custom.sarif";

/// How a scanner is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanMode {
    /// Our own tool, in the mode of this name.
    Ours(&'static str),
    /// A tool that the request brings along.
    Custom(CustomTool),
}

impl ScanMode {
    /// Whether code of the request runs in the scanner's container: then nothing that this container says is believed more
    /// than what a project's own step says.
    pub fn is_custom(&self) -> bool {
        matches!(self, Self::Custom(_))
    }

    /// The variables that tell the program in the image.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        let mut set = |name: &str, value: &str| _ = env.insert(name.to_owned(), value.to_owned());
        match self {
            Self::Ours(word) => set("SCAN_MODE", word),
            Self::Custom(tool) => {
                set("SCAN_MODE", "custom");
                set("CUSTOM_INSTALL_CMD", &tool.install_cmd);
                set("CUSTOM_TOOL_CMD", &tool.tool_cmd);
                set("CUSTOM_LOG_EXT", &tool.log_ext);
            }
        }
        env
    }
}

/// The mode of a step; `None` for one that has no modes.
///
/// # Errors
/// What is wrong with the custom tool, as a sentence.
pub fn of(step: &Step, switches: &Switches) -> Result<Option<ScanMode>, String> {
    let custom = |tool: &Option<CustomTool>| checked(tool).map(|tool| Some(ScanMode::Custom(tool)));
    let is = |switch: Switch| step.kind == StepKind::Scan && step.switch == Some(switch);
    if is(Switch::SECRETS) {
        return match switches.secret_scan_mode {
            SecretScanMode::Dir => Ok(Some(ScanMode::Ours("dir"))),
            SecretScanMode::Git => Ok(Some(ScanMode::Ours("git"))),
            SecretScanMode::Custom => custom(&switches.secret_custom),
        };
    }
    if is(Switch::SAST) {
        return match switches.sast_mode {
            SastMode::Default => Ok(Some(ScanMode::Ours("default"))),
            SastMode::Custom => custom(&switches.sast_custom),
        };
    }
    Ok(None)
}

/// What a mode changes of a step.
pub fn apply(step: &mut Step, mode: &ScanMode) {
    if mode.is_custom() {
        // A custom tool is the request's own code and is installed when it runs, so it has what BUILD has: a way out, alone on
        // its network. The source stays read-only, and our own tools never get a way out.
        step.network = Network::Egress;
        step.findings = vec![FindingsReport { format: FindingsFormat::Sarif, path: CUSTOM_REPORT.to_owned() }];
    }
}

fn checked(tool: &Option<CustomTool>) -> Result<CustomTool, String> {
    let tool = tool.as_ref().ok_or("the request asks for a custom tool and names none")?;
    for (name, command) in [("install_cmd", &tool.install_cmd), ("tool_cmd", &tool.tool_cmd)] {
        if command.len() > COMMAND_MAX || command.contains('\0') {
            return Err(format!("{name} of the custom tool is longer than {COMMAND_MAX} bytes, or has a NUL in it"));
        }
    }
    if tool.tool_cmd.trim().is_empty() {
        return Err("tool_cmd of the custom tool is empty".to_owned());
    }
    let ending = &tool.log_ext;
    if !(1..=16).contains(&ending.len()) || !ending.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("log_ext of the custom tool is no ending: 1 to 16 letters and digits".to_owned());
    }
    Ok(tool.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(ours: &str) -> Step {
        let text = format!(
            "default: {{image: scan}}\ns: {{script: x}}\n.pipelinex: {{jobs: {{s: {{{ours}, findings: [{{format: sarif, path: a.sarif}}]}}}}}}\n"
        );
        pipelinex_common::pipeline::read("p.yml", &text).unwrap().steps.remove(0)
    }

    fn tool(install: &str, tool: &str, ending: &str) -> CustomTool {
        CustomTool { install_cmd: install.into(), tool_cmd: tool.into(), log_ext: ending.into() }
    }

    #[test]
    fn a_mode_belongs_to_the_scan_of_its_switch_and_to_no_other_step() {
        let switches = Switches {
            secret_scan_mode: SecretScanMode::Git,
            sast_mode: SastMode::Custom,
            sast_custom: Some(tool("pip install x", "x .", "txt")),
            ..Switches::default()
        };
        let words = |ours: &str| {
            let mode = of(&step(ours), &switches).unwrap();
            mode.map(|mode| mode.environment().into_values().collect::<Vec<_>>().join("|"))
        };
        assert_eq!(words("kind: scan, switch: run_secret_scan").as_deref(), Some("git"));
        assert_eq!(words("kind: scan, switch: run_sast").as_deref(), Some("pip install x|txt|x .|custom"));
        assert_eq!(words("kind: scan, switch: run_sca"), None);
        assert_eq!(words("kind: normal, switch: run_sast"), None, "project code is told nothing");
    }

    #[test]
    fn only_a_custom_tool_gets_a_way_out_and_only_its_own_report_is_read() {
        let mut step = step("kind: scan, switch: run_sast");
        apply(&mut step, &ScanMode::Ours("default"));
        assert_eq!((step.network, step.findings[0].path.as_str()), (Network::None, "a.sarif"));
        apply(&mut step, &ScanMode::Custom(tool("", "x", "json")));
        assert_eq!((step.network, step.findings[0].path.as_str()), (Network::Egress, "custom.sarif"));
        assert_eq!(step.kind, StepKind::Scan, "the source stays read-only");
    }

    #[test]
    fn a_custom_tool_that_admission_would_not_let_in_is_refused_here_too() {
        let long = "x".repeat(COMMAND_MAX + 1);
        for (bad, word) in [
            (None, "names none"),
            (Some(tool("", " ", "json")), "empty"),
            (Some(tool("", "x\0y", "json")), "NUL"),
            (Some(tool(&long, "x", "json")), "longer"),
            (Some(tool("", "x", "../x")), "ending"),
            (Some(tool("", "x", "")), "ending"),
        ] {
            let switches = Switches { sast_mode: SastMode::Custom, sast_custom: bad, ..Switches::default() };
            let error = of(&step("kind: scan, switch: run_sast"), &switches).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
