//! SCA: a bill of materials by syft, looked up by osv-scanner in the operator's database of advisories, offline.
//!
//! What has no version that can be read is not looked up, and nobody says so: of a Maven project's source that is most of
//! it, since versions come from parents and dependencies bring others. So what the bill covers is counted, and a scan that
//! saw only a part ends as an error, with what it found.

mod canary;
mod coverage;
mod database;
mod inputs;
mod manifests;

use std::{collections::BTreeMap, path::Path, thread};

use pipelinex_findings::{Finding, cyclonedx, osv};
use serde_json::{Value, json};

use crate::{
    project, report, sarif,
    stage::{Failure, Stage, say},
    tool::Tool,
};
use canary::Canary;
use coverage::Coverage;
use database::Database;
use inputs::Input;

pub(crate) fn run(stage: &mut Stage) -> Result<String, Failure> {
    project::tell_of_suppressions(stage, &["osv-scanner.toml", ".syft.yaml", ".syft.yml"], &[]);
    let database = Database::open(Path::new(stage.required("ADVISORIES_DIR")?))?;
    let input = inputs::choose(stage);
    say(&format!("bill of materials of {}", input.told()));
    stage.detail("input", input.told());
    let mut canary = Canary::new()?;
    let bill = bills(stage, &input, &mut canary)?;
    let coverage = Coverage::of(stage, &input, &bill, &database)?;
    coverage.tell(stage);
    stage.detail("components", coverage.looked_up);
    stage.detail("advisories", database.details(&coverage.ecosystems));
    if coverage.looked_up == 0 {
        return Err(coverage.nothing());
    }
    let findings = look_up(stage, bill, &coverage, &canary)?;
    findings.iter().for_each(|finding| say(&report::line(finding)));
    let age = database.age(stage, &coverage.ecosystems);
    let nothing = format!("no known vulnerabilities in {} components", coverage.looked_up);
    let message = format!("{}; {age}", report::summary(&findings, &nothing));
    coverage.judge(message)
}

/// The bill of what is scanned and, made at the same time, that of a project with a component of ours.
fn bills(stage: &Stage, input: &Input, canary: &mut Canary) -> Result<Value, Failure> {
    let planted = canary.project(stage)?;
    let (bill, seen) = thread::scope(|scope| {
        let trial = scope.spawn(|| syft(stage, &planted, "planted.json"));
        let bill = syft(stage, input.folder(), "syft.json");
        (bill, trial.join())
    });
    let bill = bill?;
    let text = format!("{bill:#}\n").replace(&format!("{}/", input.folder().display()), "");
    sarif::write(&stage.reports.join("bom.json"), text.as_bytes())?;
    canary.seen(&seen.map_err(|_| Failure::tool("the trial of syft broke"))??)?;
    Ok(bill)
}

fn syft(stage: &Stage, folder: &Path, name: &str) -> Result<Value, Failure> {
    let path = stage.scratch(name);
    let tool = Tool::new(stage, "syft").arg("scan").arg(format!("dir:{}", folder.display()));
    let tool = tool.env("SYFT_CHECK_FOR_APP_UPDATE", "false").args(["--quiet", "--output"]);
    let ended = tool.arg(format!("cyclonedx-json={}", path.display())).run(|line| Some(line.to_owned()))?;
    let code = ended.code()?;
    if code != 0 {
        return Err(ended.failed(&format!("failed with exit code {code}")));
    }
    report::json("syft", &path)
}

/// osv-scanner on the components that can be looked up. The file's name must look like a bill's.
fn look_up(stage: &Stage, mut bill: Value, coverage: &Coverage, canary: &Canary) -> Result<Vec<Finding>, Failure> {
    let operators = Path::new(stage.required("ADVISORIES_DIR")?);
    let (database, planted) = canary.database(stage, operators, &coverage.ecosystems)?;
    let mut places: BTreeMap<(String, String), String> = BTreeMap::new();
    if let Some(Value::Array(components)) = bill.get_mut("components") {
        components.retain(|entry| cyclonedx::is_package(entry) && coverage.covers(&cyclonedx::component(entry)));
        for entry in components.iter() {
            let component = cyclonedx::component(entry);
            let name = entry["name"].as_str().unwrap_or_default().to_owned();
            if let (Some(version), Some(place)) = (component.version, component.location) {
                places.insert((name, version), inputs::place(&place));
            }
        }
        components.push(planted);
    }
    let (asked, answered) = (stage.scratch("bom.json"), stage.scratch("osv.json"));
    sarif::write(&asked, bill.to_string().as_bytes())?;
    sarif::write(&stage.scratch("osv-scanner.toml"), b"")?;
    let tool =
        Tool::new(stage, "osv-scanner").args(["scan", "source", "--offline", "--all-packages", "--format", "json"]);
    let tool = tool.arg("--config").arg(stage.scratch("osv-scanner.toml")).arg("--output-file").arg(&answered);
    let tool = tool.env("OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY", database);
    let noise = ["Starting filesystem", "End status", "Scanned ", "Loaded "];
    let ended = tool.arg("--lockfile").arg(&asked);
    let ended = ended.run(|line| (!noise.iter().any(|start| line.starts_with(start))).then(|| line.to_owned()))?;
    match ended.code()? {
        // It has found what was planted, at least.
        1 => {}
        0 => return Err(ended.failed("did not find the advisory that was planted to try it")),
        128 => return Err(ended.failed("found nothing to scan")),
        code => return Err(ended.failed(&format!("failed with exit code {code}"))),
    }
    let mut told = report::json("osv-scanner", &answered)?;
    if !canary.take_out(&mut told) {
        return Err(ended.failed("did not find the advisory that was planted to try it"));
    }
    add_places(&mut told, &places);
    let text = format!("{told:#}\n");
    let failed = |error: pipelinex_findings::BadReport| Failure::tool(error.to_string());
    let findings = osv::parse(text.as_bytes()).map_err(failed)?;
    if osv::packages(text.as_bytes()).map_err(failed)? == 0 {
        return Err(ended.failed("looked nothing up"));
    }
    sarif::write(&stage.reports.join("osv.json"), text.as_bytes())?;
    Ok(findings)
}

/// Adds where each package is: osv-scanner knows only the bill.
fn add_places(told: &mut Value, places: &BTreeMap<(String, String), String>) {
    for result in report::items(told, "results") {
        if let Some(Value::Object(source)) = result.get_mut("source") {
            source.insert("path".to_owned(), json!("bom.json"));
        }
        for package in report::items(result, "packages") {
            let text = |key: &str| package["package"][key].as_str().unwrap_or_default().to_owned();
            let place = places.get(&(text("name"), text("version")));
            if let (Some(place), Some(package)) = (place, package.as_object_mut()) {
                package.insert("pipelinex".to_owned(), json!({"location": place}));
            }
        }
    }
}
