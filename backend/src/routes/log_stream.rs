//! `GET /api/jobs/{id}/{stage}/logs/stream`: a log from its first byte, or from where a reader was, and then as it grows.
//!
//! What a reader holds is one piece; what it has is an offset in the stored text. Offsets outlive connections, the server and
//! workers: a successor cuts a log back to its last whole row and writes the same again, so a reader waits until the text has
//! grown over the place where it was. Where containers were lost and the step begins anew, its text does, too: `reset` says so.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::{Response, sse::Event},
};
use futures::{Stream, stream};
use pipelinex_common::{headline, slug::Slug, state::StepState, store::Job};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    logs::{self, Source},
    path::StagePath,
    sse::{self, Live},
};
use crate::{access::Principal, app::App, error::ApiError, pages::log_text::Drawing};

/// The most that one event tells, in bytes.
const PIECE: usize = 64 * 1024;
/// The longest beginning of a line that is sent before its end is there, in bytes.
const LINE: usize = 16 * 1024;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Where to begin, in bytes, for those who come without `Last-Event-ID`.
    #[serde(default)]
    offset: u64,
    /// One step of a stage that has several.
    step: Option<String>,
    /// Whether lines come as HTML with their numbers, as pages show them.
    #[serde(default)]
    drawn: bool,
}

/// `event: log` with whole lines; its id is the offset of the first byte that was not sent yet. `event: eof` when the step has
/// ended, with the verdict.
pub async fn stream(
    State(app): State<App>,
    who: Principal,
    StagePath(id, stage): StagePath,
    headers: HeaderMap,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(wish) = wish.map_err(|_| logs::malformed("the query takes `offset`, in bytes, and `step`"))?;
    let mut at = At { attempt: None, offset: wish.offset };
    if let Some(last) = headers.get("last-event-id") {
        let last = last.to_str().ok().and_then(At::read);
        at = last.ok_or_else(|| logs::malformed("`Last-Event-ID` is the id of an event of this stream"))?;
    }
    let step = wish.step;
    let live = Live::begin(&app, &who, id).await?;
    let source = app.read_job(&who, id, move |job| logs::one_source(job, &stage, step.as_deref())).await?;
    let at = At { attempt: at.attempt.or((wish.offset > 0).then_some(source.attempt)), ..at };
    let drawn = wish.drawn.then(Drawn::default);
    Ok(sse::answer(follow(Reader { live, source, at, state: Going::On, drawn })))
}

/// Where a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At {
    /// Which attempt's text; the first where nothing is said.
    attempt: Option<u32>,
    offset: u64,
}

impl At {
    /// Reads an id: an offset, with the attempt before it from the second on.
    fn read(text: &str) -> Option<Self> {
        let (attempt, offset) = text.split_once(':').map_or((None, text), |(attempt, offset)| (Some(attempt), offset));
        let attempt = attempt.map_or(Some(1), |attempt| attempt.parse().ok())?;
        Some(Self { attempt: Some(attempt), offset: offset.parse().ok()? })
    }

    fn id(attempt: u32, offset: u64) -> String {
        if attempt <= 1 { offset.to_string() } else { format!("{attempt}:{offset}") }
    }
}

enum Going {
    On,
    /// The step has ended: what is there now is all.
    LastRead,
    Over,
}

struct Reader {
    live: Live,
    source: Source,
    at: At,
    state: Going,
    drawn: Option<Drawn>,
}

/// How lines are drawn for a page.
#[derive(Default)]
struct Drawn {
    drawing: Drawing,
    /// The number of the next line; it is counted once, when the first piece comes.
    line: Option<u64>,
}

fn follow(reader: Reader) -> impl Stream<Item = Event> + Send + 'static {
    stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((event, reader))
    })
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if matches!(self.state, Going::Over) {
                return None;
            }
            let (source, at) = (self.source.clone(), self.at);
            let (now, piece) = self.live.read(move |job| look(job, source, at)).await?;
            if self.at.attempt.is_some_and(|attempt| attempt != now.attempt) {
                self.at = At { attempt: Some(now.attempt), offset: 0 };
                self.drawn = self.drawn.as_ref().map(|_| Drawn { line: Some(1), ..Drawn::default() });
                self.source = now;
                let id = At::id(self.source.attempt, 0);
                return Some(Event::default().event("reset").id(id).data("the step began anew"));
            }
            self.at.attempt = Some(now.attempt);
            self.source = now;
            self.state = if self.source.ended { Going::LastRead } else { Going::On };
            if let Some(Piece { text, bytes, partial, lossy }) = piece {
                let begin = self.at.offset;
                self.at.offset += bytes;
                let mut data = match self.drawn.take() {
                    Some(drawn) => self.draw(drawn, &text, begin).await?,
                    None => json!({"text": text}),
                };
                for (name, said) in [("partial", partial), ("lossy", lossy)] {
                    if said {
                        data[name] = true.into();
                    }
                }
                let id = At::id(self.source.attempt, self.at.offset);
                return Some(Event::default().event("log").id(id).data(data.to_string()));
            }
            if matches!(self.state, Going::LastRead) {
                self.state = Going::Over;
                let view = self.live.look().await?;
                let stage = view.execution.stages.get(&self.source.stage);
                let status = stage.map_or(StepState::Pending, |stage| stage.status);
                let data = json!({
                    "stage": self.source.stage,
                    "status": status,
                    "reason": stage.and_then(|stage| stage.reason),
                    "message": stage.map(|stage| stage.message.as_str()),
                    "job": headline::of(&view.execution),
                });
                return Some(Event::default().event("eof").data(data.to_string()));
            }
            self.live.news().await?;
        }
    }
}

impl Reader {
    /// The text as a page shows it.
    async fn draw(&mut self, mut drawn: Drawn, text: &str, begin: u64) -> Option<Value> {
        let line = match drawn.line {
            Some(line) => line,
            None => {
                let source = self.source.clone();
                self.live.read(move |job| source.lines_before(job, begin)).await? + 1
            }
        };
        let slug = Slug::of(&self.source.stage);
        let html = drawn.drawing.lines(text, line, slug.as_str());
        let lines = text.matches('\n').count() as u64;
        drawn.line = Some(line + lines);
        self.drawn = Some(drawn);
        Some(json!({"html": html, "line": line}))
    }
}

/// A part of a log.
struct Piece {
    text: String,
    /// How much of the stored text it is.
    bytes: u64,
    /// The end of its last line comes later.
    partial: bool,
    /// It has bytes that are no text: they are marks in `text`, and what they are a plain read tells.
    lossy: bool,
}

/// How the step stands, and then what comes next of its log: what a step that has ended printed is all there by then.
fn look(job: &Job, source: Source, at: At) -> Result<(Source, Option<Piece>), ApiError> {
    let now = source.again(job)?;
    let same = at.attempt.is_none_or(|attempt| attempt == now.attempt);
    let piece = if same { piece(job, &now, at.offset)? } else { None };
    Ok((now, piece))
}

/// The next piece: as many whole lines as fit, or the beginning of one that is too long to wait for its end.
fn piece(job: &Job, source: &Source, offset: u64) -> Result<Option<Piece>, ApiError> {
    let mut bytes = source.read(job, offset, PIECE)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
    let (length, partial) = match whole {
        Some(whole) => (whole, false),
        None if bytes.len() >= LINE => (LINE - split_character(&bytes[..LINE]), true),
        // The end of a text that has no line end.
        None if source.ended => (bytes.len(), false),
        None => return Ok(None),
    };
    bytes.truncate(length);
    let lossy = std::str::from_utf8(&bytes).is_err();
    Ok(Some(Piece { text: String::from_utf8_lossy(&bytes).into_owned(), bytes: length as u64, partial, lossy }))
}

/// How many bytes at the end are the beginning of a character whose rest comes later.
fn split_character(bytes: &[u8]) -> usize {
    let back = bytes.iter().rev().take(3).take_while(|byte| (0x80..0xc0).contains(*byte)).count();
    match bytes.len().checked_sub(back + 1).map(|at| bytes[at]) {
        Some(0xc0..=0xdf) if back < 1 => back + 1,
        Some(0xe0..=0xef) if back < 2 => back + 1,
        Some(0xf0..=0xf7) if back < 3 => back + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_an_offset_and_from_the_second_attempt_on_says_whose() {
        assert_eq!(At::read("17"), Some(At { attempt: Some(1), offset: 17 }));
        assert_eq!(At::read(&At::id(3, 17)), Some(At { attempt: Some(3), offset: 17 }));
        assert_eq!((At::read("x"), At::read("1:"), At::read("-1")), (None, None, None));
    }

    #[test]
    fn a_character_is_not_split() {
        let text = "aü日🦀".as_bytes();
        let held: Vec<_> = (1..=text.len()).map(|end| split_character(&text[..end])).collect();
        assert_eq!(held, [0, 1, 0, 1, 2, 0, 1, 2, 3, 0]);
    }
}
