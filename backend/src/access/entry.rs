//! The entrance: who sent a request, and whether the table lets them by. It comes before any handler, and before a body is read.

use std::{net::IpAddr, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use pipelinex_common::store::{TokenRecord, read_token};
use secrecy::{ExposeSecret, SecretString};

use super::{
    Auth, Principal,
    audit::{self, Wish},
    book::Known,
    open, session, table,
    table::Need,
    wrong::Verdict,
};
use crate::{app::App, client::Caller, error::ApiError, pages};

/// Compared with where there is no token of that name, so that this costs the same.
const NOBODYS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Lets a request in, as whoever it is from.
pub async fn enter(State(app): State<App>, path: MatchedPath, mut request: Request, next: Next) -> Response {
    let (method, headers, uri) = (request.method().clone(), request.headers().clone(), request.uri().clone());
    let caller = match Caller::of(request.extensions()) {
        Ok(caller) => caller,
        Err(ours) => return ours.into_response(),
    };
    let wish = Wish::of(&method, path.as_str(), &uri);
    match find(&app, path.as_str(), &method, &headers, caller).await {
        Ok(who) => {
            if let Some(who) = &who {
                request.extensions_mut().insert(who.clone());
            }
            let response = pages::shown_to(who.clone(), next.run(request)).await;
            audit::write(&app, wish.line(who.as_ref(), caller, &response)).await;
            match &who {
                Some(who) => open::held(response, &app, who),
                None => response,
            }
        }
        Err(Refusal::Unknown) if pages::may_sign_in(&method, &uri, &headers) => pages::to_login(&uri),
        Err(Refusal::Unknown) => {
            let detail = "this server wants a token: send `Authorization: Bearer TOKEN`".to_owned();
            pages::refusal(&uri, &headers, ApiError::Unauthorized { detail })
        }
        Err(Refusal::Known(who, error)) => {
            let response = pages::refusal(&uri, &headers, error);
            audit::write(&app, wish.line(who.as_ref(), caller, &response)).await;
            response
        }
    }
}

/// Why a request is not let in.
enum Refusal {
    /// It shows nothing.
    Unknown,
    /// What it shows, or who it is from, will not do.
    Known(Option<Principal>, ApiError),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Known(None, error)
    }
}

/// Who asks; `None` where nobody needs to be anybody.
async fn find(
    app: &App,
    path: &str,
    method: &Method,
    headers: &HeaderMap,
    caller: Caller,
) -> Result<Option<Principal>, Refusal> {
    let row = table::row(method, path);
    let need = row.ok_or_else(|| ApiError::internal(format!("{path} has no row in the table of rights")))?.need;
    if need == Need::Nothing {
        return Ok(None);
    }
    let who = match (app.config.auth, bearer(headers)?) {
        (Auth::None, _) => Principal::anonymous(),
        (Auth::Token, Some(sent)) => {
            let token = known(app, &sent, caller).await?;
            Principal::with_token(&token, app.tokens.tokens(app).await?.member(&token.name))
        }
        (Auth::Token, None) => in_session(app, method, headers, caller.https).await?.ok_or(Refusal::Unknown)?,
    };
    need.check(&who).map_err(|error| Refusal::Known(Some(who.clone()), error))?;
    Ok(Some(who))
}

/// Whose session a browser shows.
async fn in_session(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    https: bool,
) -> Result<Option<Principal>, ApiError> {
    let Some(secret) = session::cookie(headers, https) else { return Ok(None) };
    let Some(open) = app.read(move |store| Ok(store.session(secret.expose_secret())?)).await? else { return Ok(None) };
    let tokens = app.tokens.tokens(app).await?;
    let Some(token) = tokens.token(&open.token_id).filter(|token| !token.has_expired(Timestamp::now())) else {
        return Ok(None);
    };
    session::check_site(method, headers)?;
    Ok(Some(Principal::with_token(token, tokens.member(&token.name))))
}

/// The account of a token.
///
/// # Errors
/// 401; 429 after too many wrong ones.
pub async fn known(app: &App, sent: &SecretString, caller: Caller) -> Result<TokenRecord, ApiError> {
    let mut tokens = app.tokens.tokens(app).await?;
    if check(sent, &tokens).is_none() && !app.wrong_tokens.are_too_many(caller.client, Instant::now()) {
        tokens = app.tokens.tokens_now(app).await?;
    }
    match check(sent, &tokens) {
        Some(token) if token.has_expired(Timestamp::now()) => {
            Err(ApiError::Unauthorized { detail: "your token has expired; ask the operator for a new one".to_owned() })
        }
        Some(token) => Ok(token.clone()),
        None => Err(wrong(app, caller)),
    }
}

/// The token that was sent, if it is one of those that are known.
fn check<'a>(sent: &SecretString, tokens: &'a Known) -> Option<&'a TokenRecord> {
    use subtle::ConstantTimeEq;
    let (id, digest) = read_token(sent.expose_secret())?;
    match tokens.token(id) {
        Some(token) => token.is(&digest).then_some(token),
        None => {
            let _: bool = NOBODYS.as_bytes().ct_eq(digest.as_bytes()).into();
            None
        }
    }
}

fn wrong(app: &App, caller: Caller) -> ApiError {
    match app.wrong_tokens.count(caller.client, Instant::now()) {
        Verdict::TooMany => ApiError::TooManyWrong,
        verdict => {
            let address: IpAddr = caller.client.into();
            if verdict == Verdict::LastWrong {
                tracing::warn!(%address, "many wrong tokens from one address: for a minute it is told to wait");
            }
            let detail = "the token is not one of this server's, or was revoked; `pipelinex token create` makes one";
            ApiError::Unauthorized { detail: detail.to_owned() }
        }
    }
}

/// The token in the header, if there is one.
fn bearer(headers: &HeaderMap) -> Result<Option<SecretString>, ApiError> {
    let malformed = || ApiError::Malformed {
        code: "authorization",
        detail: "the Authorization header is sent once, as `Bearer TOKEN`".to_owned(),
    };
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let Some(first) = sent.next() else { return Ok(None) };
    let text = first.to_str().map_err(|_| malformed())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") || sent.next().is_some() {
        return Err(malformed());
    }
    Ok(Some(SecretString::from(token.trim())))
}
