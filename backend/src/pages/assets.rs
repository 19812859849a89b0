//! The style, the icons and the scripts of the pages, inside the program. Their address carries their digest, so a browser may keep
//! them for ever and never shows a new page with an old style.

use std::sync::LazyLock;

use axum::{
    extract::{Path, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use super::PageError;
use crate::error::ApiError;

const STYLE: &str = include_str!("../../assets/style.css");
const SCRIPT: &str = include_str!("../../assets/page.js");
const FORM: &str = include_str!("../../assets/form.js");
const JOB: &str = include_str!("../../assets/job.js");
const ICONS: &str = include_str!("../../assets/icons.svg");
const ICON: &str = include_str!("../../assets/icon.svg");

static ASSETS: LazyLock<[(String, &'static str, &'static str); 6]> = LazyLock::new(|| {
    [
        (named("style", "css", STYLE), "text/css; charset=utf-8", STYLE),
        (named("page", "js", SCRIPT), "text/javascript; charset=utf-8", SCRIPT),
        (named("icon", "svg", ICON), "image/svg+xml", ICON),
        (named("form", "js", FORM), "text/javascript; charset=utf-8", FORM),
        (named("job", "js", JOB), "text/javascript; charset=utf-8", JOB),
        (named("icons", "svg", ICONS), "image/svg+xml", ICONS),
    ]
});

fn named(stem: &str, ending: &str, content: &str) -> String {
    let digest = hex::encode(&Sha256::digest(content)[..6]);
    format!("{stem}-{digest}.{ending}")
}

fn address(index: usize) -> String {
    format!("/assets/{}", ASSETS[index].0)
}

/// Address of the style.
pub fn style() -> String {
    address(0)
}

/// Address of the script.
pub fn script() -> String {
    address(1)
}

/// Address of the icon.
pub fn icon() -> String {
    address(2)
}

/// Address of the script of the form.
pub fn form_script() -> String {
    address(3)
}

/// Address of the script of a job's page.
pub fn job_script() -> String {
    address(4)
}

/// Address of the file of all icons.
pub fn icons() -> String {
    address(5)
}

/// One of them.
pub async fn asset(name: Result<Path<String>, PathRejection>) -> Result<Response, PageError> {
    let known = name.ok().and_then(|Path(name)| ASSETS.iter().find(|(known, ..)| *known == name));
    let Some((_, kind, content)) = known else {
        return Err(ApiError::no_such_page().into());
    };
    let mut response = (StatusCode::OK, *content).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(response)
}
