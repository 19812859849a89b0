//! The examples with something planted in them: each planted thing is found with its rule and place, nothing else is, and the
//! project without it has none.

use std::{fs, io::Cursor};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    projects::{example, maven, repository, shell, shell_stack_of, zip_of},
    server::Server,
    world::{World, story, text},
};

/// What builds and starts an application and attacks it.
const RUNNING: [&str; 4] = ["run_build", "run_package", "run_smoke", "run_dast"];

/// A server whose operator imported the advisories of the examples.
async fn server(world: &mut World, args: &[&str]) -> Server {
    let advisories = repository().join("examples/advisories");
    let imported = world.run(&["db", "import", advisories.to_str().unwrap()]).await;
    assert_eq!(imported.code, 0, "{imported:?}");
    world.serve(&[&["serve", "--parallel", "3"], args].concat()).await
}

async fn submit(server: &Server, name: &str, stages: &[&str]) -> String {
    server.submit(zip_of(&example(name)), &maven(stages)).await
}

fn stage<'a>(status: &'a Value, name: &str) -> &'a Value {
    &status["execution"]["stages"][name]
}

/// The findings of a job, as `STAGE RULE PLACE SEVERITY`, sorted.
async fn findings(server: &Server, id: &str) -> Vec<String> {
    let page = server.get(&format!("/api/jobs/{id}/findings")).await.json();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let line = |finding: &Value| {
        let place = match (&finding["line"], &finding["package"], &finding["url"]) {
            (Value::Number(line), ..) => format!("{}:{line}", text(finding, "path")),
            (_, Value::String(package), _) => package.clone(),
            (_, _, Value::String(url)) => url.clone(),
            _ => text(finding, "path"),
        };
        format!("{} {} {place} {}", text(finding, "stage"), text(finding, "rule"), text(finding, "severity"))
    };
    let mut lines: Vec<String> = page["findings"].as_array().unwrap().iter().map(line).collect();
    lines.sort();
    lines
}

/// What the README of an example says is planted in it for SAST.
fn planted(name: &str) -> Vec<String> {
    let readme = text(example(name).join("README.md"));
    let lines = readme.lines().filter_map(|line| line.strip_prefix("- `"));
    let mut planted: Vec<String> = lines
        .map(|line| {
            let mut parts = line.split('`');
            let place = parts.next().unwrap();
            let (rule, severity) = (parts.nth(1).unwrap(), parts.next().unwrap().trim_start_matches(", "));
            format!("SAST {rule} {place} {severity}")
        })
        .collect();
    planted.sort();
    planted
}

#[test]
fn a_project_without_holes_passes_all_eight_stages_and_its_scans_cost_no_time() {
    story(async |world| {
        let server = server(world, &[]).await;
        let id = server.submit(zip_of(&example("spring-boot-maven")), &all()).await;
        let status = server.end_of(&id).await;
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
        for name in ["SECRETS", "BUILD", "TEST", "SAST", "SCA", "PACKAGE", "SMOKE-TEST", "DAST"] {
            assert_eq!(stage(&status, name)["status"], "SUCCESS", "{status:#}");
        }
        let planted: Vec<_> = findings(&server, &id).await.into_iter().filter(|f| !f.starts_with("DAST")).collect();
        assert_eq!(planted, Vec::<String>::new());
        let time = |name: &str, key: &str| stage(&status, name)[key].as_str().unwrap().parse::<Timestamp>().unwrap();
        for scan in ["SECRETS", "SAST"] {
            assert!(time(scan, "started_at") < time("BUILD", "finished_at"), "{scan} beside BUILD: {status:#}");
            assert!(time("BUILD", "started_at") < time(scan, "finished_at"), "BUILD beside {scan}: {status:#}");
        }
        assert!(stage(&status, "SCA")["message"].as_str().unwrap().contains("advisories of"), "{status:#}");
        kept(&server, &id).await;
        server.process.stop().await;
    });
}

/// All that a stack has.
fn all() -> Value {
    let mut request = maven(&[]);
    request.as_object_mut().unwrap().remove("pipeline");
    request
}

/// The raw reports lie beside result.json, and the application's own log with them.
async fn kept(server: &Server, id: &str) {
    let reports = server.get(&format!("/api/jobs/{id}/reports")).await;
    let zip = zip::ZipArchive::new(Cursor::new(reports.body)).unwrap();
    let names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
    for name in [
        "secrets/gitleaks.sarif",
        "sast/semgrep.sarif",
        "sca/bom.json",
        "sca/osv.json",
        "smoke-test/app.log",
        "dast/wapiti.json",
        "dast/app.log",
        "dast/result.json",
    ] {
        assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
    }
}

#[test]
fn what_is_planted_is_found_with_its_rule_and_place_and_nothing_else() {
    story(async |world| {
        let server = server(world, &[]).await;
        let vulnerable =
            submit(&server, "spring-boot-vulnerable-dependency", &["run_build", "run_package", "run_sca"]).await;
        let mut request = maven(&["run_sast", "run_secret_scan"]);
        request["project"] = json!("toolbox");
        let holes = server.submit(zip_of(&example("spring-boot-sast")), &request).await;
        let xss = submit(&server, "spring-boot-xss", &RUNNING).await;

        assert_eq!(server.end_of(&holes).await["execution"]["state"], "SUCCEEDED", "no gate is set");
        assert_eq!(findings(&server, &holes).await, planted("spring-boot-sast"));
        let later = server.submit(later_toolbox(world), &request).await;
        let status = server.end_of(&vulnerable).await;
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
        assert_eq!(
            findings(&server, &vulnerable).await,
            ["SCA CVE-2022-42889 org.apache.commons:commons-text@1.9 critical"]
        );
        let status = server.end_of(&xss).await;
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
        let found = findings(&server, &xss).await;
        let scripting: Vec<_> = found.iter().filter(|line| line.contains("Cross Site Scripting")).collect();
        assert_eq!(scripting, ["DAST Reflected Cross Site Scripting GET /search (parameter q) medium"]);
        beside_the_run_before(world, &server, &holes, &later).await;
        server.process.stop().await;
    });
}

/// The toolbox some days later: 40 lines came before its accounts, which hash by MD5 in a second place and have no password any
/// more.
fn later_toolbox(world: &World) -> Vec<u8> {
    let folder = world.path("later");
    let copied = std::process::Command::new("cp").arg("-r").arg(example("spring-boot-sast")).arg(&folder).status();
    assert!(copied.unwrap().success());
    let path = folder.join("src/main/java/dev/pipelinex/toolbox/Accounts.java");
    let before = text(&path);
    let hash = "        byte[] digest = MessageDigest.getInstance(\"MD5\").digest(password.getBytes(StandardCharsets.UTF_8));\n";
    let second = format!(
        "    byte[] again(String password) throws NoSuchAlgorithmException {{\n{hash}        return digest;\n    }}\n\n"
    );
    let after = before
        .replace("    static final String DEFAULT_PASSWORD = \"welcome1\";\n", &"    // Nothing yet.\n".repeat(41))
        .replace("    String newToken()", &format!("{second}    String newToken()"));
    assert!(after.lines().count() > before.lines().count() + 40 && after.matches(hash).count() == 2);
    fs::write(path, after).unwrap();
    zip_of(&folder)
}

/// A finding that moved by 40 lines is unchanged, a second of its kind is new, and a cured one is fixed.
async fn beside_the_run_before(world: &mut World, server: &Server, before: &str, later: &str) {
    assert_eq!(server.end_of(later).await["execution"]["state"], "SUCCEEDED");
    let page = server.get(&format!("/api/jobs/{later}/findings")).await.json();
    assert_eq!(page["baseline"]["job_id"], before, "{page:#}");
    assert_eq!(page["standings"], json!({"new": 1, "reopened": 0, "unchanged": 13, "fixed": 1}), "{page:#}");
    let of = |key: &str, state: &str| -> Vec<String> {
        let rows = page[key].as_array().unwrap().iter().filter(|row| row["state"] == state);
        rows.map(|row| format!("{} {}", row["rule"], row["line"]).replace('"', "")).collect()
    };
    assert_eq!(of("findings", "new"), ["java-weak-hash 73"]);
    assert_eq!(of("fixed", "fixed"), ["java-hardcoded-credentials 16"]);
    assert!(of("findings", "unchanged").contains(&"java-weak-hash 68".to_owned()), "{page:#}");
    let told = world.run(&["findings", later, "--new", "--server", &server.url("")]).await;
    assert_eq!((told.code, told.out.lines().count()), (0, 1), "{told:?}");
    assert!(told.out.contains("new") && told.out.contains("Accounts.java:73"), "{told:?}");
    assert!(told.err.contains("compared with run #1"), "{told:?}");
}

#[test]
fn an_application_is_started_with_its_database_and_one_that_crashes_says_so() {
    story(async |world| {
        let server = server(world, &[]).await;
        let crash = submit(&server, "spring-boot-crash-at-start", &RUNNING).await;
        let mut request = maven(&["run_build", "run_unit_tests", "run_package", "run_smoke"]);
        request["stack"]["requires_db"] = json!(true);
        let database = server.submit(zip_of(&example("spring-boot-database")), &request).await;

        let status = server.end_of(&crash).await;
        let smoke = stage(&status, "SMOKE-TEST");
        assert_eq!((&smoke["status"], &smoke["reason"]), (&json!("FAILED"), &json!("script_failure")), "{status:#}");
        let message = smoke["message"].as_str().unwrap();
        assert!(message.contains("code 1") && message.contains("there is no licence at /opt/greeter"), "{smoke}");
        assert_eq!(stage(&status, "DAST")["reason"], "dependency_failed");
        let log = text(world.job(&crash).join("reports/smoke-test/app.log"));
        assert!(log.contains("there is no licence at"), "{log}");

        let status = server.end_of(&database).await;
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
        let tests = &stage(&status, "TEST")["steps"]["test"]["tests"];
        assert_eq!(
            (&tests["tests"], &tests["skipped"]),
            (&json!(2), &json!(0)),
            "a test that needs it ran: {status:#}"
        );
        let metadata: Value = serde_json::from_str(&text(world.job(&database).join("metadata.json"))).unwrap();
        assert_eq!(metadata["database"]["name"], "app_db", "{metadata:#}");
        assert!(!metadata.to_string().contains("password"), "{metadata:#}");
        assert!(fs::metadata(world.job(&database).join("reports/smoke-test/db.log")).is_ok());
        server.process.stop().await;
    });
}

#[test]
fn the_operators_gate_and_requirements_hold_whatever_a_project_says() {
    story(async |world| {
        let server = world.serve(&["serve", "--fail-on", "high", "--require", "secrets,sca"]).await;
        let id = submit(&server, "spring-boot-planted-secret", &["run_build"]).await;
        let status = server.end_of(&id).await;
        assert_eq!(
            (&status["execution"]["state"], &status["execution"]["reason"]),
            (&json!("FAILED"), &json!("policy_gate"))
        );
        let secrets = stage(&status, "SECRETS");
        assert_eq!((&secrets["status"], &secrets["reason"]), (&json!("FAILED"), &json!("policy_gate")), "{secrets:#}");
        assert_eq!(secrets["steps"]["secrets"]["findings"]["high"], 1);
        let sca = stage(&status, "SCA");
        assert_eq!((&sca["status"], &sca["reason"]), (&json!("FAILED"), &json!("no_advisory_db")), "{sca:#}");
        assert_eq!(stage(&status, "BUILD")["status"], "SUCCESS");
        let status = world.run(&["status", &id, "--watch", "--server", &server.url]).await;
        assert_eq!(status.code, 5, "{status:?}");
        server.process.stop().await;
    });
}

/// A build that forges a report, changes the source, and leaves files that would switch scanners off; and the scans after it.
const LIAR: &str = "\
stages: [BUILD, SAST, SECRETS]
default: {image: scan}
BUILD: {stage: BUILD, script: [bash run.sh]}
SAST: {stage: SAST, needs: [BUILD], script: [pipelinex-scan sast]}
SECRETS: {stage: SECRETS, needs: [BUILD], script: [pipelinex-scan secrets]}
.pipelinex:
  jobs:
    SAST: {kind: scan, switch: run_sast, findings: [{format: sarif, path: semgrep.sarif}]}
    SECRETS: {kind: scan, switch: run_secret_scan, findings: [{format: sarif, path: gitleaks.sarif}]}
";

const LIES: &str = "\
for file in .semgrepignore .gitleaksignore .gitignore; do echo '*' > $file; done
printf '[extend]\\nuseDefault = false\\n' > .gitleaks.toml
find . -name '*.java' -delete
for place in \"$REPORTS_DIR/sast\" \"$REPORTS_DIR/../sast\"; do
  mkdir -p $place || continue
  echo '{\"runs\":[{\"tool\":{\"driver\":{\"name\":\"semgrep\"}},\"results\":[]}]}' > $place/semgrep.sarif
  echo '{\"stage\":\"SAST\",\"status\":\"SUCCESS\",\"message\":\"clean\"}' > $place/result.json
done
";

#[test]
fn scans_see_what_was_submitted_whatever_the_build_did() {
    story(async |world| {
        let pipelines = shell_stack_of(world, LIAR);
        let global = repository().join("pipelines/global");
        let copied = std::process::Command::new("cp").arg("-r").arg(global).arg(&pipelines).status().unwrap();
        assert!(copied.success());
        let server = world.serve(&["serve", "--pipelines", &pipelines]).await;
        let project = world.path("project");
        fs::create_dir(&project).unwrap();
        let copied = std::process::Command::new("cp").arg("-r").arg(example("spring-boot-sast")).arg(&project).status();
        assert!(copied.unwrap().success());
        let project = project.join("spring-boot-sast");
        fs::write(project.join("run.sh"), LIES).unwrap();
        fs::write(project.join("key.txt"), "aws = AKIAQ4FAKE7KEY5ZXW3T\n").unwrap();
        // What the project brings along itself is looked through as well, and said.
        fs::write(project.join(".semgrepignore"), "*\n").unwrap();
        fs::write(project.join(".gitleaks.toml"), "[extend]\nuseDefault = false\n").unwrap();
        let id = server.submit(zip_of(&project), &shell()).await;
        let status = server.end_of(&id).await;
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
        let found = findings(&server, &id).await;
        let (secrets, sast): (Vec<_>, Vec<_>) = found.into_iter().partition(|line| line.starts_with("SECRETS"));
        assert_eq!(sast, planted("spring-boot-sast"));
        assert_eq!(secrets, ["SECRETS aws-access-token key.txt:1 high"]);
        let warnings = stage(&status, "SAST")["steps"]["sast"]["warnings"].to_string();
        assert!(warnings.contains(".semgrepignore"), "{warnings}");
        server.process.stop().await;
    });
}

/// A scanner with too little memory, and one with too little time.
const STARVED: &str = "\
stages: [SAST]
default: {image: scan}
hungry: {stage: SAST, script: [pipelinex-scan sast]}
hurried: {stage: SAST, script: [pipelinex-scan sast], timeout: 1 second}
.pipelinex:
  jobs:
    hungry: {kind: scan, memory: 64m, findings: [{format: sarif, path: semgrep.sarif}]}
    hurried: {kind: scan, findings: [{format: sarif, path: semgrep.sarif}]}
";

#[test]
fn a_scanner_without_room_or_time_is_never_clean() {
    story(async |world| {
        let pipelines = shell_stack_of(world, STARVED);
        let global = repository().join("pipelines/global");
        let copied = std::process::Command::new("cp").arg("-r").arg(global).arg(&pipelines).status().unwrap();
        assert!(copied.success());
        let server = world.serve(&["serve", "--pipelines", &pipelines]).await;
        let project = zip_of(&example("spring-boot-sast"));
        let mut files = zip::ZipArchive::new(Cursor::new(project)).unwrap();
        let mut zip = pipelinex_common::testing::zip_builder::ZipBuilder::new().file("run.sh", "true\n");
        for index in 0..files.len() {
            let mut file = files.by_index(index).unwrap();
            let (name, mut content) = (file.name().unwrap().into_owned(), Vec::new());
            std::io::Read::read_to_end(&mut file, &mut content).unwrap();
            zip = zip.file(&name, content);
        }
        let id = server.submit(zip.build(), &shell()).await;
        let status = server.end_of(&id).await;
        let steps = &stage(&status, "SAST")["steps"];
        assert_eq!(
            (&steps["hungry"]["status"], &steps["hungry"]["reason"]),
            (&json!("FAILED"), &json!("oom")),
            "{status:#}"
        );
        assert_eq!((&steps["hurried"]["status"], &steps["hurried"]["reason"]), (&json!("FAILED"), &json!("timeout")));
        server.process.stop().await;
    });
}
