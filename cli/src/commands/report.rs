//! `report`: what became of a job in one piece, for people, for programs, or as a page to mail and print.

use std::path::Path;

use jiff::Timestamp;
use pipelinex_common::id::JobId;
use serde_json::json;

use super::{findings, job, reports, tests_of};
use crate::{args::ReportFormat, client::Client, exit::Exit, failure::Failure, output::Output};

/// Tells what became of a job, also while it goes on. The verdict is no exit code here: that is what `status --watch` gives.
pub async fn report(
    client: &Client,
    out: &Output,
    id: JobId,
    format: ReportFormat,
    output: Option<&Path>,
) -> Result<Exit, Failure> {
    if let Some(path) = output.filter(|_| format != ReportFormat::Html || out.json()) {
        let redirect =
            format!("--output is for --format html; text and JSON go to standard output: > {}", path.display());
        return Err(Failure::usage(redirect));
    }
    match format {
        _ if out.json() => whole(client, out, id).await,
        ReportFormat::Json => whole(client, out, id).await,
        ReportFormat::Text => text(client, out, id).await,
        ReportFormat::Html => page(client, out, id, output).await,
    }
}

/// One document of what the API tells in three.
async fn whole(client: &Client, out: &Output, id: JobId) -> Result<Exit, Failure> {
    let status = client.status(id).await?.document;
    let tests = tests_of::gather(client, id, &tests_of::Wanted::default()).await?;
    let findings = client.findings(id, false, None).await?;
    out.document(&json!({"written_at": Timestamp::now(), "status": status, "tests": tests, "findings": findings}))?;
    Ok(Exit::Passed)
}

/// How it stands, the tests that failed, and what was found.
async fn text(client: &Client, out: &Output, id: JobId) -> Result<Exit, Failure> {
    job::status(client, out, id, false).await?;
    out.data("")?;
    let tests =
        tests_of::tests(client, out, id, &tests_of::Wanted { failed: true, ..tests_of::Wanted::default() }).await;
    out.data("")?;
    // What cannot be read of one part keeps nobody from the other.
    let found = findings::findings(client, out, id, &findings::Wanted::default()).await;
    tests.and(found)
}

async fn page(client: &Client, out: &Output, id: JobId, output: Option<&Path>) -> Result<Exit, Failure> {
    let mut body = client.report_page(id).await?;
    if let Some(path) = output.filter(|path| *path != Path::new("-")) {
        reports::save(body, path).await?;
        out.data(path.display().to_string())?;
        return Ok(Exit::Passed);
    }
    while let Some(piece) = body.next().await? {
        out.bytes(&piece)?;
    }
    Ok(Exit::Passed)
}
