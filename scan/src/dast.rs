//! DAST: wapiti against the running application.
//!
//! wapiti ends with code 0 whatever it found, also where no page ever answered. So the application is asked before and
//! after, and the report must show pages.

mod planted;

use std::{cell::Cell, rc::Rc, thread, time::Duration};

use pipelinex_findings::wapiti;

use crate::{
    http::Target,
    report, sarif,
    stage::{Failure, Stage, say},
    tool::{Ended, Tool},
};
use planted::Planted;

/// The attacks that need nothing but the application. Left out: ssrf, xxe and log4shell ask a service on the internet
/// whether they worked; nikto, wapp, htp and cms fetch databases; the others try names by the thousand.
const MODULES: &str =
    "cookieflags,crlf,csp,csrf,exec,file,http_headers,ldap,permanentxss,redirect,spring4shell,sql,upload,xss";

/// How its log begins a line about a request of the crawler, and about one of an attack (its verbosity 2).
const PAGE: &str = "[+] ";
const ATTACK: &str = "[¨] ";
/// And the line after it, with what a form was filled with.
const FORM_DATA: &str = "\tdata: ";

/// What it is told when it is interrupted and asks what to do: write the report.
const WRITE_REPORT: &str = "r\n";

/// The attack that the planted page is open to, and the longest time for it, in seconds.
const PLANTED_MODULE: &str = "xss";
const PLANTED_SECONDS: u64 = 60;

pub(crate) fn run(stage: &mut Stage) -> Result<String, Failure> {
    let target = Target::of(stage)?;
    let seconds = stage.number("DAST_MAX_SECONDS", 120, 1..=3600)?;
    let requests = stage.number("DAST_MAX_REQUESTS", 20_000, 1..=10_000_000)?;
    say(&format!("waiting for {}", target.url));
    say(&target.wait(stage)?);
    let path = stage.scratch("wapiti.json");
    let mut seen = Seen { most: requests, ..Seen::default() };
    let shared: &Stage = stage;
    // The trial takes seconds beside the attack.
    let (ended, trial) = thread::scope(|scope| {
        let trial = scope.spawn(|| try_planted(shared));
        let tool = wapiti(shared, &target.url, seconds, MODULES, "application")?.arg("--output").arg(&path);
        let tool = tool.interrupt_after(Duration::from_secs(seconds), WRITE_REPORT);
        let ended = tool.interrupt_when(seen.enough.clone()).run(|line| seen.line(line))?;
        Ok::<_, Failure>((ended, trial.join()))
    })?;
    let code = ended.code()?;
    if code != 0 {
        return Err(ended.failed(&format!("failed with exit code {code}")));
    }
    trial.map_err(|_| Failure::tool("the trial of wapiti broke"))??;
    let text = report::read("wapiti", &path)?;
    sarif::write(&stage.reports.join("wapiti.json"), &text)?;
    let failed = |error: pipelinex_findings::BadReport| Failure::tool(error.to_string());
    let (findings, pages) = (wapiti::parse(&text).map_err(failed)?, wapiti::pages(&text).map_err(failed)?);
    stage.detail("scanned_pages", pages);
    stage.detail("requests", seen.requests);
    // An application that died leaves a scan of what was there before.
    if let Err(error) = target.get("/") {
        return Err(ended.failed(&format!("was left alone, the application does not answer any more ({error})")));
    }
    seen.warn(stage, &ended, pages, seconds);
    findings.iter().for_each(|finding| say(&report::line(finding)));
    Ok(format!("{}; {pages} pages", report::summary(&findings, "no findings")))
}

/// Attacks a page of ours that has a hole.
///
/// # Errors
/// wapiti did not find it.
fn try_planted(stage: &Stage) -> Result<(), Failure> {
    let page = Planted::up()?;
    let path = stage.scratch("planted.json");
    let tool = wapiti(stage, &page.url(), PLANTED_SECONDS, PLANTED_MODULE, "planted")?.arg("--output").arg(&path);
    let ended = tool.interrupt_after(Duration::from_secs(PLANTED_SECONDS), WRITE_REPORT).run(|_| None)?;
    let found = ended.code()? == 0 && page.is_in(&report::json("wapiti", &path)?);
    if found { Ok(()) } else { Err(ended.failed("did not find the hole in the page that was planted to try it")) }
}

/// `name` is that of its files.
fn wapiti(stage: &Stage, url: &str, seconds: u64, modules: &str, name: &str) -> Result<Tool, Failure> {
    let links = stage.number("DAST_MAX_LINKS_PER_PAGE", 100, 1..=10_000)?;
    let files = stage.number("DAST_MAX_PAGES_PER_FOLDER", 50, 1..=10_000)?;
    let depth = stage.number("DAST_MAX_DEPTH", 10, 1..=100)?;
    // Crawling gets a quarter of the time and no attack more than half of it, so that none eats up the others'.
    let tool = Tool::new(stage, "wapiti").args(["--url", &format!("{url}/"), "--scope", "folder"]);
    let tool = tool.args(["--module", modules, "--format", "json", "--no-bugreport", "--flush-session"]);
    // It looks up a host of its makers at each start, also for attacks that are not wanted, and waits for the answer.
    let tool = tool.args(["--dns-endpoint", "localhost"]);
    let tool = tool.args(["--max-scan-time", &(seconds / 4).max(1).to_string()]);
    let tool = tool.args(["--max-attack-time", &(seconds / 2).max(1).to_string()]);
    let tool = tool.args(["--max-links-per-page", &links.to_string(), "--max-files-per-dir", &files.to_string()]);
    let tool = tool.args(["--depth", &depth.to_string(), "--timeout", "5", "--verbose", "2"]);
    Ok(tool
        .arg("--store-session")
        .arg(stage.scratch(&format!("session-{name}")))
        .arg("--store-config")
        .arg(stage.scratch(&format!("config-{name}"))))
}

/// What wapiti logs and does not report.
#[derive(Default)]
struct Seen {
    cut_short: Vec<String>,
    skipped: u64,
    crashes: u64,
    /// Requests so far, as its log has them: pages that it looks at, and attacks.
    requests: u64,
    /// As many as there may be.
    most: u64,
    /// Set once there were so many.
    enough: Rc<Cell<bool>>,
}

impl Seen {
    fn line(&mut self, line: &str) -> Option<String> {
        let attack = line.starts_with(ATTACK);
        if attack || line.starts_with(PAGE) {
            self.requests += 1;
            self.enough.set(self.requests >= self.most);
        }
        if attack || line.starts_with(FORM_DATA) {
            // Thousands of them would hide all else.
            return None;
        }
        if line.starts_with("Max ") {
            self.cut_short.push(line.to_owned());
        }
        if line.contains("requests were skipped due to network issues") {
            let number = line.split_whitespace().find_map(|word| word.parse::<u64>().ok());
            self.skipped += number.unwrap_or(1);
        }
        self.crashes += u64::from(line.starts_with("Traceback"));
        Some(line.to_owned())
    }

    fn warn(&self, stage: &mut Stage, ended: &Ended, pages: u64, seconds: u64) {
        if self.enough.get() {
            let most = self.most;
            stage.warn(format!("stopped after {most} requests (DAST_MAX_REQUESTS): what was left was not attacked"));
        } else if ended.interrupted {
            stage.warn(format!("stopped after {seconds} s (DAST_MAX_SECONDS): what was left was not attacked"));
        }
        for line in &self.cut_short {
            stage.warn(line);
        }
        if self.skipped > 0 {
            stage.warn(format!("{} requests were not answered", self.skipped));
        }
        if self.crashes > 0 {
            stage.warn(format!("an attack of wapiti broke {} times, see the log", self.crashes));
        }
        if pages == 1 {
            stage.warn("only one page was found: nothing at / links to others, so few attacks had a place to try");
        }
    }
}
