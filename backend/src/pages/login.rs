//! Signing in and out: a token is shown once, and a session stands for it from then on.

use askama::Template;
use axum::{
    body::Body,
    extract::{Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use pipelinex_common::foreign::shown;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::{PageError, page};
use crate::{
    access::{Auth, Principal, entry, session},
    app::App,
    client::Caller,
    error::{ApiError, Told},
    submission::body_git,
};

/// More than the form ever sends, in bytes.
const FORM_MAX: u64 = 8 * 1024;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    to: String,
    wrong: Option<String>,
}

/// What `GET /login` takes.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    to: Option<String>,
}

tokio::task_local! {
    static WHO: Option<Principal>;
}

/// Answers a request with who asks at hand for the head of a page.
pub async fn shown_to<T>(who: Option<Principal>, answer: impl Future<Output = T>) -> T {
    WHO.scope(who, answer).await
}

/// The account that a page is drawn for: its name and role; `None` where there are no accounts.
pub fn account() -> Option<String> {
    WHO.try_with(|who| {
        let who = who.as_ref()?;
        Some(format!("{}, {}", who.owner().as_str(), who.grant()?.role))
    })
    .ok()
    .flatten()
}

/// To the page where a person signs in, and from there back.
pub fn to_login(uri: &Uri) -> Response {
    let mut address = reqwest::Url::parse("http://x/login").ok();
    if let Some(address) = &mut address {
        address.query_pairs_mut().append_pair("to", uri.path());
    }
    let address =
        address.map_or_else(|| "/login".to_owned(), |url| format!("/login?{}", url.query().unwrap_or_default()));
    (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response()
}

/// `GET /login`.
pub async fn form(State(app): State<App>, wanted: Result<Query<Wanted>, QueryRejection>) -> Response {
    if app.config.auth == Auth::None {
        return (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response();
    }
    let to = wanted.ok().and_then(|Query(wanted)| wanted.to);
    page(StatusCode::OK, &LoginPage { to: own_address(to.as_deref()), wrong: None })
}

/// `POST /login`.
pub async fn sign_in(State(app): State<App>, caller: Caller, request: Request) -> Result<Response, PageError> {
    let (token, to) = read(&app, request).await?;
    if token.is_empty() {
        let wrong = Some("there is no token in the field".to_owned());
        return Ok(page(StatusCode::BAD_REQUEST, &LoginPage { to, wrong }));
    }
    let opened = match entry::known(&app, &token.into(), caller).await {
        Ok(known) => app.read(move |store| Ok(store.open_session(&known.id)?)).await?,
        Err(error @ (ApiError::Unauthorized { .. } | ApiError::TooManyWrong)) => {
            let Told { status, detail, .. } = error.tell();
            return Ok(page(status, &LoginPage { to, wrong: Some(detail) }));
        }
        Err(other) => return Err(other.into()),
    };
    let kept = session::keep(&opened, caller.https);
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
    response.headers_mut().insert(header::SET_COOKIE, kept);
    Ok(response)
}

/// `POST /logout`: the session is over, also for whoever has a copy of the cookie.
pub async fn sign_out(State(app): State<App>, caller: Caller, headers: HeaderMap) -> Result<Response, PageError> {
    if let Some(secret) = session::cookie(&headers, caller.https) {
        app.read(move |store| Ok(store.close_session(secret.expose_secret())?)).await?;
    }
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, "/login")]).into_response();
    response.headers_mut().insert(header::SET_COOKIE, session::forget(caller.https));
    Ok(response)
}

/// The token, and where to go from here.
async fn read(app: &App, request: Request<Body>) -> Result<(String, String), ApiError> {
    let text = body_git::read(app, request.into_body(), FORM_MAX).await?;
    let mut form = reqwest::Url::parse("http://x/").map_err(ApiError::internal)?;
    form.set_query(Some(&String::from_utf8_lossy(&text)));
    let field = |wanted: &str| form.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
    Ok((field("token").unwrap_or_default().trim().to_owned(), own_address(field("to").as_deref())))
}

/// An address of ours, so that nobody is led elsewhere.
fn own_address(to: Option<&str>) -> String {
    let own = |to: &&str| to.starts_with('/') && !to.starts_with("//") && !to.contains('\\') && to.is_ascii();
    to.filter(own).filter(|to| shown(to) == **to).unwrap_or("/").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_site() {
        for (to, address) in [
            (Some("/jobs/x"), "/jobs/x"),
            (None, "/"),
            (Some("https://evil.test"), "/"),
            (Some("//evil.test"), "/"),
            (Some("/\\evil.test"), "/"),
            (Some("/a\r\nSet-Cookie: x"), "/"),
            (Some(""), "/"),
        ] {
            assert_eq!(own_address(to), address, "{to:?}");
        }
    }
}
