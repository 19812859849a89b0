//! A project, tools that are scripts, and a stage to run.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use pipelinex_scan::{Stage, Word};
use serde_json::Value;
use tempfile::TempDir;

/// A project, a folder of fake tools, and the variables of a stage.
pub struct World {
    pub dir: TempDir,
    variables: BTreeMap<String, String>,
}

/// Finds the file that a tool is told to write.
const OUTPUT: &str = r#"for arg in "$@"; do
    case "$previous" in --report-path | --output-file) out=$arg ;; --output) out=${arg#cyclonedx-json=} ;; esac
    case "$arg" in --sarif-output=*) sarif=${arg#*=} ;; esac
    previous=$arg
done
"#;

/// Stands for gitleaks: it reads every file that it is given and finds AWS keys. `$MORE` may spoil that.
const GITLEAKS: &str = r#"tree=$2; code=10; if [ "$1" = git ]; then tree=$2/../planted; fi
bytes=$(find "$tree" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
result='{"ruleId": "aws-access-token", "message": {"text": "m"}, "locations": [{"physicalLocation": {"artifactLocation":'
result="$result"' {"uri": "\1"}, "region": {"startLine": \2, "startColumn": 2, "endLine": \2, "snippet": {"text": "hunter2"}}}}]}'
found=$(cd "$tree"; LC_ALL=C grep -raonE 'AKIA[A-Z2-7]{16}' . | sed -E "s|^./([^:]*):([0-9]+):.*|$result|" | paste -sd, -)
report="{\"runs\": [{\"tool\": {\"driver\": {\"name\": \"gitleaks\"}}, \"results\": [$found]}]}"
MORE
echo "INF scanned ~$bytes bytes"
printf '%s' "$report" >"$out"
exit $code
"#;

/// A key that gitleaks finds, in two pieces so that a scan of this repository does not.
pub fn key() -> String {
    format!("AKIA{}", "QYLPMN5HHHFPZAM2")
}

/// A gitleaks that does what the real one does, but for these commands.
pub fn gitleaks(more: &str) -> String {
    GITLEAKS.replace("MORE", more)
}

impl World {
    pub fn new(stage: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["app", "pipelines", "reports", "bin", "inputs", "advisories/osv-scalibr/Maven"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        fs::write(dir.path().join("app/a.txt"), "text").unwrap();
        fs::write(dir.path().join("advisories/osv-scalibr/Maven/all.zip"), "zip").unwrap();
        fs::create_dir(dir.path().join("pipelines/global")).unwrap();
        for rules in ["gitleaks.toml", "secrets-unread.json"] {
            let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/global").join(rules);
            fs::copy(ours, dir.path().join("pipelines/global").join(rules)).unwrap();
        }
        fs::create_dir(dir.path().join("pipelines/global/semgrep")).unwrap();
        let rules = "rules:\n  - id: r\n    languages: [java, javascript, typescript]\n";
        fs::write(dir.path().join("pipelines/global/semgrep/rules.yaml"), rules).unwrap();
        let at = |folder: &str| dir.path().join(folder).display().to_string();
        let variables = [
            ("STAGE", stage.to_owned()),
            ("APP_DIR", at("app")),
            ("PIPELINES_DIR", at("pipelines")),
            ("REPORTS_DIR", at("reports")),
            ("INPUTS_DIR", at("inputs")),
            ("ADVISORIES_DIR", at("advisories")),
            ("PATH", format!("{}:/usr/bin:/bin", at("bin"))),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        let world = Self { dir, variables };
        world.database("2026-11-20T00:00:00Z");
        world
    }

    pub fn database(&self, newest: &str) {
        let ecosystem = format!(r#"{{"advisories": 5, "newest": "{newest}", "sha256": "5ha", "bytes": 3}}"#);
        let info = format!(r#"{{"schema": 1, "imported_at": "{newest}", "ecosystems": {{"Maven": {ecosystem}}}}}"#);
        fs::write(self.dir.path().join("advisories/info.json"), info).unwrap();
    }

    /// Puts a script in the place of a tool.
    pub fn tool(&self, name: &str, script: &str) -> &Self {
        let path = self.dir.path().join("bin").join(name);
        // What runs in the background of a script ignores interrupts, and its children cannot change that: here they can.
        let shell = "/usr/bin/env -S --default-signal=INT bash";
        fs::write(&path, format!("#!{shell}\n{OUTPUT}{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// Puts a file into the project.
    pub fn file(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.dir.path().join("app").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The exit code, and the result as it was written.
    pub fn run(&self, word: Word) -> (u8, Value) {
        let code = Stage::new(self.variables.clone()).unwrap().run(word);
        let result = fs::read(self.reports().join("result.json")).unwrap();
        (code, serde_json::from_slice(&result).unwrap())
    }

    pub fn reports(&self) -> PathBuf {
        self.dir.path().join("reports").join(self.variables["STAGE"].to_lowercase())
    }

    pub fn report(&self, name: &str) -> String {
        fs::read_to_string(self.reports().join(name)).unwrap_or_default()
    }

    /// The message of a run that must be an error of the tool.
    pub fn tool_error(&self, word: Word) -> String {
        let (code, result) = self.run(word);
        assert_eq!((code, &result["status"]), (2, &Value::from("FAILED")), "{result}");
        result["message"].as_str().unwrap().to_owned()
    }
}
