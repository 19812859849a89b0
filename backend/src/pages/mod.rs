//! The pages for people. The server draws all of them, whole: without JavaScript they can be read and used, with it logs
//! grow by themselves. They are answers of the same calls that programs use, and know nothing that those do not say.

mod api_page;
mod assets;
mod book;
mod form;
mod home;
mod icons;
mod job;
mod labels;
mod lines;
pub(crate) mod log_text;
mod login;
mod new;
mod project;
pub(crate) mod report;
mod submit;
mod test_page;
mod triage;

pub use form::is_field;
pub use login::{account, shown_to, to_login};

use askama::Template;
use axum::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use crate::{
    error::{ApiError, Problem, Told},
    routes::rows::Routes,
};

/// What a page may load and where it may send: from here, and nothing inline. Whatever a project smuggles onto a page as
/// text stays text.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The pages.
pub fn routes(routes: Routes) -> Routes {
    routes
        .get("/", home::home)
        .get("/new", new::form_page)
        .get("/jobs/changes", home::changes)
        .get("/jobs", home::list)
        .post("/jobs", submit::submit)
        .post("/jobs/check", submit::check)
        .get("/jobs/lines", lines::lines)
        .get("/jobs/{id}", job::page)
        .get("/projects/{name}", project::page)
        .get("/jobs/{id}/tests", test_page::page)
        .post("/jobs/{id}/again", submit::again)
        .post("/jobs/{id}/again/failed", submit::failed_again)
        .post("/jobs/{id}/cancel", submit::cancel)
        .post("/jobs/{id}/steps/{step}/play", submit::play)
        .get("/docs", book::contents)
        .get("/docs/{page}", book::page)
        .get("/docs/api", api_page::page)
        .post("/jobs/{id}/accept", triage::accept)
        .get("/login", login::form)
        .post("/login", login::sign_in)
        .post("/logout", login::sign_out)
        .get("/assets/{name}", assets::asset)
}

/// Whether an address takes what is typed into the form.
pub fn takes_form(path: &str) -> bool {
    matches!(path, "/" | "/new" | "/jobs/lines")
}

/// An address at which nothing is.
pub async fn nothing_here(uri: Uri, headers: HeaderMap) -> Response {
    refusal(&uri, &headers, ApiError::no_such_page())
}

/// An address that takes other methods.
pub async fn other_method(uri: Uri, headers: HeaderMap) -> Response {
    refusal(&uri, &headers, ApiError::MethodNotAllowed)
}

/// Whether whoever asks is a person on a page, who can sign in and then come back.
pub fn may_sign_in(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    method.is_safe() && !uri.path().starts_with("/api/") && wants_page(headers)
}

/// An error, told to a person as a page and to a program as all errors are. Below `/api/` everybody is a program.
pub fn refusal(uri: &Uri, headers: &HeaderMap, error: ApiError) -> Response {
    let api = uri.path().starts_with("/api/");
    if !api && wants_page(headers) { PageError(error).into_response() } else { error.into_response() }
}

/// Whether a page is asked for by name, as browsers do, and not ranked below JSON.
fn wants_page(headers: &HeaderMap) -> bool {
    let lines = || headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let rank = |kind: &str| {
        let named = lines().flat_map(|line| line.split(',')).filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(kind));
            let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok());
            quality.filter(|_| named)
        });
        named.fold(0.0, f32::max)
    };
    let page = rank("text/html").max(rank("application/xhtml+xml"));
    page > 0.0 && page >= rank("application/json").max(rank("application/problem+json"))
}

/// A page as an answer.
fn page(status: StatusCode, template: &impl Template) -> Response {
    let text = match template.render() {
        Ok(text) => text,
        Err(error) => return ApiError::internal(error).into_response(),
    };
    let mut response = (status, text).into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// An error as a page.
#[derive(Debug)]
pub struct PageError(ApiError);

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    title: &'static str,
    detail: String,
    instance: Option<String>,
    problems: Vec<Problem>,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let Told { status, detail, instance, problems, .. } = self.0.tell();
        let title = status.canonical_reason().unwrap_or("Error");
        page(status, &ErrorPage { title, detail, instance, problems })
    }
}
