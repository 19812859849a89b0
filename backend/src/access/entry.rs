//! The entrance: who sent a request, and whether the table lets them by. It comes before any handler, and before a body is read.

use std::{net::IpAddr, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::Response,
};
use jiff::Timestamp;
use pipelinex_common::store::{TokenRecord, read_token};
use secrecy::SecretString;

use super::{Auth, Principal, book::ById, table, table::Need, wrong::Verdict};
use crate::{app::App, client::Caller, error::ApiError, web};

/// Compared with where there is no token of that name, so that this costs the same.
const NOBODYS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Lets a request in, as whoever it is from.
pub async fn enter(State(app): State<App>, path: MatchedPath, mut request: Request, next: Next) -> Response {
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let caller = Caller::of(request.extensions());
    let found = match caller {
        Ok(caller) => find(&app, path.as_str(), &method, &headers, caller).await,
        Err(ours) => Err(ours),
    };
    match found {
        Ok(who) => {
            if let Some(who) = who {
                request.extensions_mut().insert(who);
            }
            next.run(request).await
        }
        Err(refused) => web::refusal(request.uri(), request.headers(), refused),
    }
}

/// Who asks; `None` where nobody needs to be anybody.
async fn find(
    app: &App,
    path: &str,
    method: &Method,
    headers: &HeaderMap,
    caller: Caller,
) -> Result<Option<Principal>, ApiError> {
    let row = table::row(method, path);
    let need = row.ok_or_else(|| ApiError::internal(format!("{path} has no row in the table of rights")))?.need;
    if need == Need::Nothing {
        return Ok(None);
    }
    let who = match app.config.auth {
        Auth::None => Principal::anonymous(),
        Auth::Token => with_token(app, headers, caller).await?,
    };
    need.check(&who)?;
    Ok(Some(who))
}

async fn with_token(app: &App, headers: &HeaderMap, caller: Caller) -> Result<Principal, ApiError> {
    let Some(sent) = bearer(headers)? else {
        return Err(ApiError::Unauthorized {
            detail: "this server wants a token: send `Authorization: Bearer TOKEN`".to_owned(),
        });
    };
    let mut tokens = app.tokens.tokens(app).await?;
    if check(&sent, &tokens).is_none() && !app.wrong_tokens.are_too_many(caller.client, Instant::now()) {
        tokens = app.tokens.tokens_now(app).await?;
    }
    match check(&sent, &tokens) {
        Some(token) if token.has_expired(Timestamp::now()) => {
            Err(ApiError::Unauthorized { detail: "your token has expired; ask the operator for a new one".to_owned() })
        }
        Some(token) => Ok(Principal::with_token(token)),
        None => Err(wrong(app, caller)),
    }
}

/// The token that was sent, if it is one of those that are known.
fn check<'a>(sent: &SecretString, tokens: &'a ById) -> Option<&'a TokenRecord> {
    use secrecy::ExposeSecret;
    use subtle::ConstantTimeEq;
    let (id, digest) = read_token(sent.expose_secret())?;
    match tokens.get(id) {
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
