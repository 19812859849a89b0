//! `POST /jobs/{id}/accept`: a decision about a finding, made on the job's page, which is then shown again at that finding.

use axum::{
    body::Body,
    extract::State,
    http::{Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::{civil::Date, tz::TimeZone};
use pipelinex_common::store::Verdict;

use super::PageError;
use crate::{
    access::Principal,
    app::App,
    error::ApiError,
    routes::{
        JobPath,
        triage::{self, Wish},
    },
    submission::body_git,
};

/// The largest form, in bytes.
const FORM_MAX: u64 = 16 * 1024;

/// Decides, and goes back.
pub async fn accept(
    State(app): State<App>,
    who: Principal,
    path: Result<JobPath, ApiError>,
    request: Request<Body>,
) -> Result<Response, PageError> {
    let JobPath(id) = path?;
    triage::check(&app, &who, id).await?;
    let text = body_git::read(&app, request.into_body(), FORM_MAX).await?;
    let wish = wish(&String::from_utf8_lossy(&text))?;
    let decision = triage::decide(&app, &who, id, wish).await?;
    let address = format!("/jobs/{id}#finding-{}", decision.fingerprint);
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response())
}

fn wish(text: &str) -> Result<Wish, ApiError> {
    let mut form = reqwest::Url::parse("http://x/").map_err(ApiError::internal)?;
    form.set_query(Some(text));
    let field = |wanted: &str| form.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
    let verdict = match field("verdict").as_deref() {
        Some("accepted") => Some(Verdict::Accepted),
        Some("false_positive") => Some(Verdict::FalsePositive),
        Some("none") => None,
        _ => return Err(malformed("`verdict` is accepted, false_positive or none")),
    };
    let day = field("until").filter(|day| !day.is_empty()).map(|day| {
        let day: Date = day.parse().map_err(|_| malformed("`until` is a day such as 2027-02-28"))?;
        // The whole of that day.
        let after = day.tomorrow().and_then(|day| day.to_zoned(TimeZone::UTC));
        after.map(|time| time.timestamp()).map_err(|_| malformed("`until` lies too far in the future"))
    });
    Ok(Wish {
        fingerprint: field("fingerprint").unwrap_or_default(),
        verdict,
        reason: field("reason").unwrap_or_default(),
        until: day.transpose()?,
    })
}

fn malformed(detail: &str) -> ApiError {
    ApiError::Malformed { code: "form", detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_counts_to_its_end_and_what_is_no_decision_is_none() {
        let read = wish("fingerprint=ab&verdict=false_positive&reason=a+test&until=2027-02-28").unwrap();
        assert_eq!((read.fingerprint.as_str(), read.verdict), ("ab", Some(Verdict::FalsePositive)));
        assert_eq!(read.until.unwrap().to_string(), "2027-03-01T00:00:00Z");
        assert_eq!(wish("fingerprint=ab&verdict=none&until=").unwrap().until, None);
        assert!(wish("verdict=x").is_err() && wish("verdict=none&until=tomorrow").is_err());
    }
}
