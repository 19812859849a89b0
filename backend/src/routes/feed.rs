//! `GET /api/projects/{name}/feed.atom`: the last runs of a project that have ended, for whatever reads feeds (RFC 4287).

use std::io;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pipelinex_common::{foreign::shown_up_to, headline, store::JobView};
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::{
    path::ProjectPath,
    project_runs::{self, Wish},
};
use crate::{access::Principal, app::App, error::ApiError};

/// The most characters of a name or a sentence.
const TEXT_MAX: usize = 500;

/// Those of the jobs that whoever asks may see.
pub async fn feed(
    State(app): State<App>,
    who: Principal,
    ProjectPath(name): ProjectPath,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Response, ApiError> {
    let (Wish { branch }, mut runs) = project_runs::latest(&app, who, name.clone(), wish).await?;
    runs.retain(|run| run.execution.state.is_final());
    let feed = Feed { instance: app.store.instance().as_str(), base: app.config.hooks.public_url.as_deref(), runs };
    let drawn = feed.draw(&name, branch.as_deref()).map_err(ApiError::internal)?;
    let headers =
        [(header::CONTENT_TYPE, "application/atom+xml; charset=utf-8"), (header::CACHE_CONTROL, "private, no-cache")];
    Ok((headers, drawn).into_response())
}

type Xml = Writer<Vec<u8>>;

/// What is in it.
struct Feed<'a> {
    /// The installation: two of them have two feeds.
    instance: &'a str,
    /// Scheme and host of the links; `None`: they are relative to where the feed was read.
    base: Option<&'a str>,
    runs: Vec<JobView>,
}

impl Feed<'_> {
    fn draw(&self, project: &str, branch: Option<&str>) -> io::Result<Vec<u8>> {
        let address = utf8_percent_encode(project, NON_ALPHANUMERIC).to_string();
        let query = branch.map(|branch| format!("?branch={}", utf8_percent_encode(branch, NON_ALPHANUMERIC)));
        let query = query.unwrap_or_default();
        let updated = self.runs.iter().filter_map(|run| run.execution.finished_at).max();
        let mut xml = Writer::new(Vec::new());
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
        let feed = xml.create_element("feed").with_attribute(("xmlns", "http://www.w3.org/2005/Atom"));
        feed.write_inner_content(|xml| {
            text(xml, "id", &format!("urn:pipelinex:{}:{address}{query}", self.instance))?;
            text(xml, "title", &format!("Pipelinex: {}", shown_up_to(project, TEXT_MAX)))?;
            text(xml, "updated", &updated.unwrap_or(Timestamp::UNIX_EPOCH).to_string())?;
            self.link(xml, "self", &format!("/api/projects/{address}/feed.atom{query}"))?;
            self.link(xml, "alternate", &format!("/projects/{address}"))?;
            xml.create_element("author").write_inner_content(|xml| text(xml, "name", "Pipelinex"))?;
            self.runs.iter().try_for_each(|run| self.entry(xml, run))
        })?;
        Ok(xml.into_inner())
    }

    fn entry(&self, xml: &mut Xml, run: &JobView) -> io::Result<()> {
        let (told, metadata) = (headline::of(&run.execution), &run.metadata);
        let branch = metadata.branch.as_deref().map(|branch| format!(" on {}", shown_up_to(branch, TEXT_MAX)));
        let title = format!("#{}{}: {}", metadata.run_number, branch.unwrap_or_default(), told.outcome.words());
        let updated = run.execution.finished_at.unwrap_or(metadata.created_at);
        xml.create_element("entry").write_inner_content(|xml| {
            text(xml, "id", &format!("urn:uuid:{}", metadata.job_id))?;
            text(xml, "title", &title)?;
            text(xml, "published", &metadata.created_at.to_string())?;
            text(xml, "updated", &updated.to_string())?;
            self.link(xml, "alternate", &format!("/jobs/{}", metadata.job_id))?;
            text(xml, "summary", &shown_up_to(&told.sentence(), TEXT_MAX))
        })?;
        Ok(())
    }

    fn link(&self, xml: &mut Xml, rel: &str, path: &str) -> io::Result<()> {
        let href = format!("{}{path}", self.base.unwrap_or_default());
        xml.create_element("link").with_attributes([("rel", rel), ("href", &*href)]).write_empty()?;
        Ok(())
    }
}

/// Names and sentences of strangers are escaped here, once. `shown_up_to` has left two characters in them that XML cannot have.
fn text(xml: &mut Xml, name: &str, content: &str) -> io::Result<()> {
    let content = content.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}");
    xml.create_element(name).write_text_content(BytesText::new(&content))?;
    Ok(())
}
