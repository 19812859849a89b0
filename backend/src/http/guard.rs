//! Who may call: by which names this server answers, and which pages may send to it.
//!
//! The API has no passwords on a laptop, so a page that a browser shows must not be able to use it: neither under a name
//! that was rebound to this address, nor by a form or a script of another site.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    app::App,
    client::Caller,
    config::Config,
    error::ApiError,
    http::shares::{Place, hold},
};

/// Names of this machine that a foreign page cannot take.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
/// What probes ask, who call a server by its address.
const PROBES: [&str; 2] = ["/health", "/readyz"];

/// Refuses who may not call, and puts the security headers on every answer.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = match pass(&app, &request) {
        Ok(None) => next.run(request).await,
        Ok(Some(place)) => hold(next.run(request).await, place),
        Err(refused) => refused.into_response(),
    };
    secure(response.headers_mut());
    response
}

/// Lets a request in. One that came by a trusted proxy takes a place of its client's share: the proxy's connections have none.
fn pass(app: &App, request: &Request) -> Result<Option<Place>, ApiError> {
    let caller = Caller::of(request.extensions())?;
    check(&app.config, caller.https, request)?;
    let place = caller.forwarded.then(|| app.slots.forwarded.take(caller.client)).transpose();
    place.map_err(|why| ApiError::too_many("requests", why))
}

fn check(config: &Config, https: bool, request: &Request) -> Result<(), ApiError> {
    let headers = request.headers();
    if headers.get_all(header::HOST).iter().count() > 1 {
        // Two readers of one request must not take it for two servers'.
        let detail = "the request has several Host headers".to_owned();
        return Err(ApiError::Malformed { code: "host", detail });
    }
    if PROBES.contains(&request.uri().path()) && request.method().is_safe() {
        return Ok(());
    }
    let host = check_host(config, headers, request.uri())?;
    let origin = header_text(headers, &header::ORIGIN);
    let preflight = request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method().is_safe() && !preflight {
        return Ok(());
    }
    let allowed = |origin: &str| config.allowed_origins.iter().any(|known| known == origin);
    let own = |origin: &str| is_own(origin, https, host);
    let welcome = match origin {
        Some(origin) => allowed(origin) || (own(origin) && !preflight),
        // No browser sends a request of one site to another without saying so in one of the two headers.
        None => matches!(header_text(headers, "sec-fetch-site"), None | Some("same-origin" | "none")),
    };
    if welcome {
        return Ok(());
    }
    let detail = "a page of another site may not send to this server; its operator can allow the origin, and where a proxy \
                  speaks TLS for the server, name that proxy with --trusted-proxies";
    Err(ApiError::Forbidden { code: "cross-site", detail: detail.to_owned() })
}

/// Whether an origin is that of our own pages: the same host and port, and the scheme by which this server is called.
fn is_own(origin: &str, https: bool, host: &str) -> bool {
    let (scheme, usual_port) = if https { ("https", ":443") } else { ("http", ":80") };
    let without = |authority: &'_ str| authority.strip_suffix(usual_port).unwrap_or(authority).to_ascii_lowercase();
    origin.split_once("://").is_some_and(|(known, authority)| known == scheme && without(authority) == without(host))
}

/// The name by which the server was called, when it is one of its own.
fn check_host<'a>(config: &Config, headers: &'a HeaderMap, uri: &'a Uri) -> Result<&'a str, ApiError> {
    let refused = |detail: &str| Err(ApiError::Forbidden { code: "host-not-allowed", detail: detail.to_owned() });
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return refused("the request names no host");
    };
    // `GET http://other/ HTTP/1.1` overrides the header, so both must be ours.
    for authority in std::iter::once(host).chain(uri.authority().map(|authority| authority.as_str())) {
        let name = host_name(authority);
        let known = LOOPBACK.iter().copied().chain(config.allowed_hosts.iter().map(String::as_str));
        if !known.into_iter().any(|known| known == "*" || known.eq_ignore_ascii_case(name)) {
            return refused("this server is not called by that name; its operator can allow it");
        }
    }
    Ok(host)
}

/// The name without the port.
fn host_name(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => authority,
    }
}

fn header_text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    // Unreadable headers count as foreign.
    headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"))
}

/// Nothing that this server sends is a page of its own, whatever its bytes look like.
pub fn secure(headers: &mut HeaderMap) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(method: Method, uri: &str, headers: &[(&str, &str)]) -> &'static str {
        verdict_over(false, method, uri, headers)
    }

    fn verdict_over(https: bool, method: Method, uri: &str, headers: &[(&str, &str)]) -> &'static str {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        match check(&Config::for_testing(), https, &request) {
            Ok(()) => "ok",
            Err(ApiError::Forbidden { code, .. } | ApiError::Malformed { code, .. }) => code,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn m31_only_names_of_this_server_are_answered() {
        let get = |host: &str| verdict(Method::GET, "/api/jobs", &[("host", host)]);
        for own in ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]", "[::1]:80", "pipelinex.test"] {
            assert_eq!(get(own), "ok", "{own}");
        }
        for strange in
            ["evil.test", "localhost.evil.test", "127.0.0.1.evil.test", "localhost:x", "", "::1", "a@localhost:1"]
        {
            assert_eq!(get(strange), "host-not-allowed", "{strange}");
        }
        assert_eq!(verdict(Method::GET, "/api/jobs", &[]), "host-not-allowed");
        for path in ["/api/jobs", "/health"] {
            for hosts in [["localhost", "evil"], ["localhost", "localhost"]] {
                assert_eq!(verdict(Method::GET, path, &hosts.map(|host| ("host", host))), "host", "{path}");
            }
        }
        assert_eq!(verdict(Method::GET, "http://evil.test/api/jobs", &[("host", "localhost")]), "host-not-allowed");
        assert_eq!(verdict(Method::GET, "/health", &[("host", "10.0.0.7:8000")]), "ok", "a probe");
    }

    #[test]
    fn m31_a_page_of_another_site_cannot_post() {
        let post = |headers: &[(&str, &str)]| {
            verdict(Method::POST, "/api/jobs/upload", &[&[("host", "localhost:8000")], headers].concat())
        };
        assert_eq!(post(&[]), "ok", "no browser");
        assert_eq!(post(&[("origin", "http://localhost:8000")]), "ok", "our own page");
        assert_eq!(post(&[("origin", "http://localhost:4200"), ("sec-fetch-site", "same-site")]), "ok", "allowed");
        assert_eq!(post(&[("sec-fetch-site", "same-origin")]), "ok");
        for origin in ["http://evil.test", "null", "http://localhost:4201", "http://localhost:8000.evil.test", ""] {
            assert_eq!(post(&[("origin", origin)]), "cross-site", "{origin}");
        }
        for (https, host, origin, welcome) in [
            (false, "pipelinex.test", "https://pipelinex.test", false),
            (true, "pipelinex.test", "https://pipelinex.test", true),
            (true, "pipelinex.test", "http://pipelinex.test", false),
            (true, "pipelinex.test:443", "https://pipelinex.test", true),
            (false, "pipelinex.test", "http://pipelinex.test:80", true),
            (false, "pipelinex.test", "http://pipelinex.test:443", false),
        ] {
            let headers = [("host", host), ("origin", origin)];
            let verdict = verdict_over(https, Method::POST, "/api/jobs/upload", &headers);
            assert_eq!(verdict == "ok", welcome, "{origin} at {host}, https {https}");
        }
        assert_eq!(post(&[("sec-fetch-site", "cross-site")]), "cross-site");
        assert_eq!(post(&[("sec-fetch-site", "same-site")]), "cross-site", "another port of this machine");
    }

    #[test]
    fn m31_a_preflight_is_answered_for_allowed_origins_only() {
        let preflight = |origin: &str| {
            let asked = [("host", "localhost"), ("origin", origin), ("access-control-request-method", "POST")];
            verdict(Method::OPTIONS, "/api/jobs/upload", &asked)
        };
        assert_eq!(preflight("http://localhost:4200"), "ok");
        assert_eq!(preflight("http://evil.test"), "cross-site");
    }
}
