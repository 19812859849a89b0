//! Numbers for Prometheus, at `/metrics`. Counters are of this process since it began; gauges are looked up when they are asked for, so
//! that nothing has to be kept true beside the files. docs/metrics.md names them all, and a test compares.

mod census;

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use pipelinex_common::{free_space::Disk, queue::QueueHealth, state::JobState};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::ConstGauge, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};
use tokio::sync::Mutex;

use self::census::Census;
use crate::{app::App, error::ApiError};

/// Seconds until an answer begins.
const ANSWER_SECONDS: [f64; 9] = [0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: String,
}

/// The code of a refusal, on its answer.
#[derive(Clone, Copy, Debug)]
pub struct Refused(pub &'static str);

/// What this process has counted.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<Answered, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    refusals: Family<Code, Counter>,
    census: Arc<Mutex<Census>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(ANSWER_SECONDS)),
            refusals: Family::default(),
            census: Arc::default(),
        }
    }
}

/// Counts a request, whatever becomes of it. Of a stream it is the time until it begins.
pub async fn count(State(app): State<App>, path: MatchedPath, request: Request, next: Next) -> Response {
    let (method, began) = (request.method().as_str().to_owned(), Instant::now());
    let response = next.run(request).await;
    let (route, status) = (path.as_str().to_owned(), response.status().as_u16());
    app.metrics.requests.get_or_create(&Answered { method, route: route.clone(), status }).inc();
    app.metrics.seconds.get_or_create(&Route { route }).observe(began.elapsed().as_secs_f64());
    if let Some(Refused(code)) = response.extensions().get() {
        app.metrics.refusals.get_or_create(&Code { code: (*code).to_owned() }).inc();
    }
    response
}

/// All numbers, as OpenMetrics text.
///
/// # Errors
/// Where the workspaces folder cannot be read.
pub async fn text(app: &App) -> Result<String, ApiError> {
    let metrics = &app.metrics;
    let mut census = Arc::clone(&metrics.census).lock_owned().await;
    let (counted, disk, census) = app
        .read(move |store| {
            let counted = census.count(store)?;
            let disk = Disk::of(store.layout().root()).map_err(ApiError::internal)?;
            Ok((counted, disk, census))
        })
        .await?;
    let mut registry = Registry::with_prefix("pipelinex");
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The program", build);
    registry.register("requests", "Requests answered", metrics.requests.clone());
    registry.register("request_seconds", "Until an answer began", metrics.seconds.clone());
    registry.register("refusals", "Requests refused, by the code of the refusal", metrics.refusals.clone());
    census.register(&mut registry);
    let jobs = Family::<InState, Gauge>::default();
    for (state, count) in JobState::ALL.into_iter().zip(counted.by_state) {
        jobs.get_or_create(&InState { state: state.as_str().to_owned() }).set(count);
    }
    registry.register("jobs", "Jobs that are there", jobs);
    let mut gauge = |name: &str, help: &str, value: i64| registry.register(name, help, ConstGauge::new(value));
    gauge("jobs_not_counted", "Jobs that were not looked at yet; the next scrape goes on", counted.left);
    gauge("jobs_unreadable", "Jobs whose files cannot be read", counted.unreadable);
    gauge("queue_oldest_seconds", "How long the oldest job waits that no worker has taken", counted.oldest_waits);
    gauge(
        "queue_up",
        "Whether the queue is reachable",
        i64::from(matches!(*app.doorbell.health().borrow(), QueueHealth::Up)),
    );
    gauge("open_streams", "Streams of logs and events that somebody reads", whole(app.watching.readers()));
    gauge("disk_free_bytes", "Free on the disk of the workspaces", whole(disk.free.bytes));
    gauge("disk_free_files", "Files that can still be made there", whole(disk.free.files));
    let places = Family::<Kind, Gauge>::default();
    let slots = &app.slots;
    for (kind, shares) in [("uploads", &slots.uploads), ("clones", &slots.clones), ("downloads", &slots.downloads)] {
        places.get_or_create(&Kind { kind: kind.to_owned() }).set(whole(shares.taken()));
    }
    registry.register("places_taken", "Places that clients hold", places);
    let mut text = String::new();
    encode(&mut text, &registry).map_err(ApiError::internal)?;
    Ok(text)
}

fn whole(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
