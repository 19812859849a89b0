//! `GET /api/jobs/{id}/tests`: the test cases of all stages so far, those that failed first.
//!
//! They are read from the JUnit reports that the worker published, by the parser that counted them. A report that cannot be read
//! is named: nothing here makes a list look shorter than it is.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use pipelinex_common::{
    findings::{TestCase, TestState, export, junit},
    foreign::{Beneath, ForeignError, shown},
    id::JobId,
    limits::MIB,
    slug::Slug,
    state::JobState,
    store::Job,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::JobPath;
use crate::{access::Principal, app::App, error::ApiError};

/// The largest report that is read, in bytes; the worker counts none that is larger.
const REPORT_BYTES: u64 = 64 * MIB;
/// The most reports of a step that are looked for.
const REPORTS_MAX: usize = 20_000;
/// The most test cases that are held of a job. Those that did not pass come first.
const CASES_MAX: usize = 20_000;
/// The same for a file that has all of them.
const EXPORTED_MAX: usize = 200_000;
/// Test cases on a page when nothing is said.
const PAGE: usize = 100;
/// The most test cases on a page.
const PAGE_MAX: usize = 1000;
/// The folder of the reports, as the worker names it.
const FOLDER: &str = "junit";

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TestsPage {
    job_id: JobId,
    state: JobState,
    /// Whether no more will come.
    pub complete: bool,
    /// How many there are of those that were asked for, by how they ended.
    pub counts: CaseCounts,
    /// Those of this page, the failed ones first.
    pub tests: Vec<CaseRow>,
    /// The `cursor` of the next page; absent on the last.
    pub next: Option<usize>,
    /// Reports that cannot be read.
    pub unreadable: Vec<Unreadable>,
}

/// Test cases by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CaseCounts {
    pub tests: u64,
    pub failed: u64,
    pub error: u64,
    pub flaky: u64,
    pub skipped: u64,
    pub passed: u64,
}

/// One test case, with where it comes from.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CaseRow {
    /// The stage.
    pub stage: String,
    /// The step.
    pub step: Slug,
    /// The test.
    #[serde(flatten)]
    pub case: TestCase,
}

/// A report that cannot be read, and why.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Unreadable {
    /// The stage.
    pub stage: String,
    step: Slug,
    /// Why not, with the file.
    pub reason: String,
}

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// A list with commas of how tests ended.
    pub state: Option<String>,
    /// A part of a name, class, file or message, in any letter case.
    pub q: Option<String>,
    /// Tests on a page.
    pub limit: Option<usize>,
    /// The `next` of a page.
    pub cursor: Option<usize>,
    /// Json, or all of them as a file of another format.
    pub format: Option<String>,
}

/// Which test cases are wanted.
#[derive(Debug)]
pub struct Filter {
    states: Option<Vec<TestState>>,
    text: Option<String>,
    limit: usize,
    from: usize,
    /// How many are held.
    most: usize,
}

impl Wish {
    /// Whether all tests are asked for as JUnit XML.
    fn is_junit(&self) -> Result<bool, ApiError> {
        match (self.format.as_deref(), self.limit.or(self.cursor)) {
            (None | Some("json"), _) => Ok(false),
            (Some("junit"), None) => Ok(true),
            (Some("junit"), Some(_)) => Err(malformed("a file has no pages: it takes no `limit` and no `cursor`")),
            (Some(_), _) => Err(malformed("`format` is json or junit")),
        }
    }

    /// What is asked for, checked.
    ///
    /// # Errors
    /// 400 for a state that there is not, and for a page that is too large.
    pub fn check(&self) -> Result<Filter, ApiError> {
        let state = |text: &str| {
            let known = TestState::ALL.into_iter().find(|state| state.as_str().eq_ignore_ascii_case(text.trim()));
            let all = TestState::ALL.map(TestState::as_str).join(",");
            known.ok_or_else(|| malformed(format!("`state` is one or several of {all}")))
        };
        let states = self.state.as_ref().map(|states| states.split(',').map(state).collect()).transpose()?;
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(malformed(format!("`limit` is a number from 1 to {PAGE_MAX}")));
        }
        let text = self.q.as_ref().map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty());
        Ok(Filter { states, text, limit, from: self.cursor.unwrap_or(0), most: CASES_MAX })
    }
}

fn malformed(detail: impl Into<String>) -> ApiError {
    ApiError::Malformed { code: "query", detail: detail.into() }
}

impl Filter {
    fn wants(&self, case: &TestCase) -> bool {
        let texts = || [&case.class, &case.name, &case.suite, &case.message, &case.cause];
        let file = || case.file.as_ref().into_iter();
        self.states.as_ref().is_none_or(|states| states.contains(&case.state))
            && self.text.as_ref().is_none_or(|text| {
                texts().into_iter().chain(file()).any(|field| field.to_lowercase().contains(text))
                    || case.title().to_lowercase().contains(text)
            })
    }
}

impl Unreadable {
    fn case(&self) -> TestCase {
        TestCase {
            class: self.stage.clone(),
            name: "a report that cannot be read".to_owned(),
            suite: String::new(),
            state: TestState::Error,
            duration_ms: None,
            file: None,
            line: None,
            message: self.reason.clone(),
            cause: String::new(),
            trace: String::new(),
            output: String::new(),
            reruns: 0,
        }
    }
}

impl CaseCounts {
    fn add(&mut self, state: TestState) {
        self.tests += 1;
        *match state {
            TestState::Failed => &mut self.failed,
            TestState::Error => &mut self.error,
            TestState::Flaky => &mut self.flaky,
            TestState::Skipped => &mut self.skipped,
            TestState::Passed => &mut self.passed,
        } += 1;
    }
}

/// The tests so far.
pub async fn tests(
    State(app): State<App>,
    who: Principal,
    JobPath(id): JobPath,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(wish) =
        wish.map_err(|_| malformed("the query takes state, q, format, limit and cursor; both last are numbers"))?;
    let filter = wish.check()?;
    if wish.is_junit()? {
        let filter = Filter { limit: EXPORTED_MAX, most: EXPORTED_MAX, ..filter };
        return app.read_job(&who, id, move |job| exported(job, &filter)).await;
    }
    Ok(Json(app.read_job(&who, id, move |job| gather(job, &filter)).await?).into_response())
}

/// All test cases as one JUnit file. A report that cannot be read is a test that broke in it: a file without it would look whole.
fn exported(job: &Job, filter: &Filter) -> Result<Response, ApiError> {
    let page = gather(job, filter)?;
    let metadata = job.metadata().map_err(ApiError::broken)?;
    let lost: Vec<(&str, TestCase)> = page.unreadable.iter().map(|lost| (lost.stage.as_str(), lost.case())).collect();
    let cases = page.tests.iter().map(|row| (row.stage.as_str(), &row.case));
    let all = lost.iter().map(|(stage, case)| (*stage, case)).chain(cases);
    let left_out = page.counts.tests.saturating_sub(page.tests.len() as u64);
    let text = export::junit(&format!("{} #{}", metadata.project, metadata.run_number), all, left_out);
    let name = format!("attachment; filename=\"tests-{}.xml\"", job.id());
    let headers = [(header::CONTENT_TYPE, "application/xml".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, text).into_response())
}

/// The test cases of a job so far, those that failed first.
///
/// # Errors
/// Those of reading the job.
pub fn gather(job: &Job, filter: &Filter) -> Result<TestsPage, ApiError> {
    let execution = job.view().map_err(ApiError::broken)?.execution;
    let mut sheet =
        Sheet { filter, counts: CaseCounts::default(), rows: Vec::new(), passed: 0, unreadable: Vec::new() };
    let reports = crate::report_zip::open_or_nothing(Beneath::open(&job.paths().reports()))?;
    for (stage, record) in &execution.stages {
        for (step, _) in record.steps.iter().filter(|(_, step)| step.tests.is_some()) {
            match &reports {
                Some(reports) => sheet.read_step(reports, stage, step),
                None => sheet.lose(stage, step, "there are no reports".to_owned()),
            }
        }
    }
    let Sheet { counts, mut rows, unreadable, .. } = sheet;
    // The order of stages, and within one that of the files, stays among those that ended alike.
    rows.sort_by_key(|row| row.case.state);
    let all = rows.len();
    let tests: Vec<CaseRow> = rows.into_iter().skip(filter.from).take(filter.limit).collect();
    let next = Some(filter.from.saturating_add(tests.len())).filter(|next| *next < all && !tests.is_empty());
    let (state, complete) = (execution.state, execution.state.is_final());
    Ok(TestsPage { job_id: job.id(), state, complete, counts, tests, next, unreadable })
}

/// What is read so far.
struct Sheet<'a> {
    filter: &'a Filter,
    counts: CaseCounts,
    rows: Vec<CaseRow>,
    /// How many of the rows passed: they make room for those that did not.
    passed: usize,
    unreadable: Vec<Unreadable>,
}

impl Sheet<'_> {
    fn lose(&mut self, stage: &str, step: &Slug, reason: String) {
        self.unreadable.push(Unreadable { stage: stage.to_owned(), step: step.clone(), reason });
    }

    /// A stage of several steps has a folder for each.
    fn read_step(&mut self, reports: &Beneath, stage: &str, step: &Slug) {
        let of_stage = Slug::of(stage);
        let alone = format!("{of_stage}/{FOLDER}");
        let folder = if reports.is_folder(&alone) { alone } else { format!("{of_stage}/{step}/{FOLDER}") };
        let prefix = format!("{folder}/");
        match reports.walk_for(REPORTS_MAX, &|path| path.strip_prefix(&prefix).is_some_and(is_copy)) {
            Ok(walk) => {
                let mut files: Vec<_> = walk.files.iter().map(|found| found.path.as_str()).collect();
                files.sort_by_key(|path| number_of(path));
                files.iter().for_each(|path| self.read_file(reports, path, stage, step));
            }
            Err(ForeignError::Missing(_)) => {}
            Err(error) => self.lose(stage, step, error.to_string()),
        }
    }

    fn read_file(&mut self, reports: &Beneath, path: &str, stage: &str, step: &Slug) {
        let text = match reports.read(path, REPORT_BYTES) {
            Ok(text) => text,
            Err(error) => return self.lose(stage, step, error.to_string()),
        };
        let read = junit::read(&text, &mut |case| self.take(case, stage, step));
        if let Err(error) = read {
            self.lose(stage, step, format!("{}: {error}", shown(path)));
        }
    }

    fn take(&mut self, case: TestCase, stage: &str, step: &Slug) {
        if !self.filter.wants(&case) {
            return;
        }
        self.counts.add(case.state);
        let passed = case.state == TestState::Passed;
        if self.rows.len() >= self.filter.most {
            if passed || self.passed == 0 {
                return;
            }
            // The last that passed goes.
            if let Some(at) = self.rows.iter().rposition(|row| row.case.state == TestState::Passed) {
                self.rows.remove(at);
                self.passed -= 1;
            }
        }
        self.passed += usize::from(passed);
        self.rows.push(CaseRow { stage: stage.to_owned(), step: step.clone(), case });
    }
}

/// Whether a name is one that the worker gives its copies of reports; others are a step's own.
fn is_copy(name: &str) -> bool {
    !name.contains('/') && name.split_once('-').is_some_and(|(number, _)| number.parse::<usize>().is_ok())
}

fn number_of(path: &str) -> usize {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split('-').next().and_then(|number| number.parse().ok()).unwrap_or(usize::MAX)
}
