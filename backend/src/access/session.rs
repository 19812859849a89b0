//! The session of a person on the page: what their browser keeps is a cookie that scripts cannot read, that goes to no other site,
//! and that a request which changes something shows only together with where it comes from.

use axum::http::{HeaderMap, HeaderValue, Method, header};
use pipelinex_common::store::LONGEST;
use secrecy::{ExposeSecret, SecretString};

use crate::error::ApiError;

/// The cookie over plain HTTP, which there is on the loopback.
const PLAIN: &str = "pipelinex_session";
/// The cookie over TLS: browsers take one of this name from this host alone, and show it over TLS alone.
const SECURE: &str = "__Host-pipelinex_session";

fn name(https: bool) -> &'static str {
    if https { SECURE } else { PLAIN }
}

/// What a browser has kept.
pub fn cookie(headers: &HeaderMap, https: bool) -> Option<SecretString> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name(https)).map(|(_, value)| SecretString::from(value))
}

/// The header by which a browser keeps a session.
pub fn keep(secret: &SecretString, https: bool) -> HeaderValue {
    let longest = LONGEST.as_secs();
    header_of(&format!("{}={}; Max-Age={longest}", name(https), secret.expose_secret()), https)
}

/// The header by which it forgets it.
pub fn forget(https: bool) -> HeaderValue {
    header_of(&format!("{}=; Max-Age=0", name(https)), https)
}

fn header_of(cookie: &str, https: bool) -> HeaderValue {
    let secure = if https { "; Secure" } else { "" };
    let text = format!("{cookie}; Path=/; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// Lets a request by that shows a cookie. The guard has refused those that come from another site and say so; every browser that
/// is alive says so, and what says nothing is no page of ours.
///
/// # Errors
/// 403.
pub fn check_site(method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    if method.is_safe() || headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        return Ok(());
    }
    let detail = "a session is for pages of this server; a program shows its token in the Authorization header";
    Err(ApiError::Forbidden { code: "cross-site", detail: detail.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_kept_from_scripts_and_other_sites_and_found_again() {
        let secret = SecretString::from("abc");
        let plain = keep(&secret, false);
        assert_eq!(plain, "pipelinex_session=abc; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax");
        assert!(keep(&secret, true).to_str().unwrap().starts_with("__Host-pipelinex_session=abc"));
        assert!(keep(&secret, true).to_str().unwrap().ends_with("; Secure"));
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("other=1; pipelinex_session=abc"));
        assert_eq!(cookie(&headers, false).unwrap().expose_secret(), "abc");
        assert!(cookie(&headers, true).is_none(), "over TLS only what came over TLS");
    }

    #[test]
    fn what_changes_something_says_where_it_comes_from() {
        let mut headers = HeaderMap::new();
        assert!(check_site(&Method::GET, &headers).is_ok() && check_site(&Method::POST, &headers).is_err());
        headers.insert(header::ORIGIN, HeaderValue::from_static("http://localhost:8000"));
        assert!(check_site(&Method::POST, &headers).is_ok());
    }
}
