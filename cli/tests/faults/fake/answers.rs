//! What is answered to each request that the worker makes. Anything else is 501: then this file has to learn it.

use std::sync::Arc;

use hyper::{Response, StatusCode, header, upgrade::OnUpgrade};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Body,
    asked::Asked,
    stream,
    things::{Phase, Refusal, Thing, Things, absent},
    whole,
};

/// The version of the API: no volumes in folders, so that all mounts are binds.
const API: &str = "1.41";
/// The time of a thing that has none.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// An error in the API's shape.
pub fn error(status: u16, message: &str) -> Response<Body> {
    answer(status, &json!({ "message": message }))
}

fn answer(status: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(if status == 204 { whole("") } else { whole(body.to_string()) });
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn done<T>(result: Result<T, Refusal>, ok: impl FnOnce(T) -> Response<Body>) -> Response<Body> {
    result.map_or_else(|(status, message)| error(status, &message), ok)
}

/// Does what is asked, and answers; a stream ends after so many bytes.
pub async fn to(asked: &Asked, things: &Arc<Things>, upgrade: OnUpgrade, budget: usize) -> Response<Body> {
    let parts: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    match (asked.method.as_str(), parts.as_slice()) {
        (_, ["_ping"]) => answer(200, &json!("OK")),
        ("GET", ["version"]) => answer(200, &json!({"ApiVersion": API, "MinAPIVersion": "1.24", "Version": "none"})),
        ("GET", ["info"]) => answer(200, &json!({"ID": "none"})),
        ("GET", ["images", .., "json"]) => answer(200, &json!({"Id": format!("sha256:{:064x}", 1)})),
        (_, ["containers", ..]) => containers(asked, &parts[1..], things, upgrade, budget).await,
        (method, ["networks", rest @ ..]) => networks(method, rest, asked, things),
        (method, ["volumes", rest @ ..]) => volumes(method, rest, asked, things),
        _ => unknown(asked),
    }
}

fn unknown(asked: &Asked) -> Response<Body> {
    error(501, &format!("this engine does not know {} {:?}", asked.method, asked.path))
}

async fn containers(
    asked: &Asked,
    parts: &[&str],
    things: &Arc<Things>,
    upgrade: OnUpgrade,
    budget: usize,
) -> Response<Body> {
    let which = parts[0];
    match (asked.method.as_str(), parts) {
        ("GET", ["json"]) => list(asked, things),
        ("POST", ["create"]) => done(things.create(asked.query("name"), asked.body.clone()), |id| {
            answer(201, &json!({"Id": id, "Warnings": []}))
        }),
        ("POST", [_, "start"]) => {
            done(things.start(which), |began| answer(if began { 204 } else { 304 }, &Value::Null))
        }
        ("POST", [_, "stop"]) => {
            things.end(which, 143);
            answer(204, &Value::Null)
        }
        ("DELETE", [_]) => done(things.remove(which, asked.query("force") == "true"), |()| answer(204, &Value::Null)),
        ("GET", [_, "json"]) => {
            done(things.find(which).ok_or_else(|| absent(which)), |thing| answer(200, &told(&thing)))
        }
        ("GET", [_, "stats"]) => answer(200, &json!({"memory_stats": {"usage": 4096}, "pids_stats": {"current": 1}})),
        // Its head comes at once, as an engine's does, and the code when there is one.
        ("POST", [_, "wait"]) => done(things.find(which).ok_or_else(|| absent(which)), |thing| {
            let things = things.clone();
            let code = futures::stream::once(async move {
                let code = stream::ended(&things, &thing.id).await.unwrap_or(137);
                json!({ "StatusCode": code }).to_string().into_bytes()
            });
            Response::new(stream::body(code, budget))
        }),
        ("GET", [_, "logs"]) => done(things.find(which).ok_or_else(|| absent(which)), |thing| {
            let follow = asked.query("follow") == "true";
            let mut response = Response::new(stream::body(stream::printed(things, &thing.id, 0, follow), budget));
            let kind = header::HeaderValue::from_static("application/vnd.docker.raw-stream");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }),
        ("POST", [_, "attach"]) => done(things.find(which).ok_or_else(|| absent(which)), |thing| {
            stream::pour(stream::printed(things, &thing.id, thing.printed.len(), true), upgrade, budget);
            let mut response = answer(101, &Value::Null);
            *response.body_mut() = whole("");
            response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("Upgrade"));
            response.headers_mut().insert(header::UPGRADE, header::HeaderValue::from_static("tcp"));
            response
        }),
        _ => unknown(asked),
    }
}

fn told(thing: &Thing) -> Value {
    let (status, code) = match thing.phase {
        Phase::Created => ("created", 0),
        Phase::Running => ("running", 0),
        Phase::Ended(code) => ("exited", code),
    };
    let time = |at: Option<Timestamp>| at.map_or_else(|| NEVER.to_owned(), |at| at.to_string());
    let state = json!({
        "Status": status,
        "Running": status == "running",
        "ExitCode": code,
        "OOMKilled": false,
        "Error": "",
        "StartedAt": time(thing.started_at),
        "FinishedAt": time(thing.finished_at),
    });
    json!({"Id": thing.id, "Name": format!("/{}", thing.name), "Image": thing.wanted["Image"], "State": state})
}

fn list(asked: &Asked, things: &Things) -> Response<Body> {
    let (labels, _) = asked.filter();
    let found: Vec<Value> = things.with(|inside| {
        let fitting = inside.containers.iter().filter(|thing| fits(&thing.wanted, &labels));
        let row = |thing: &Thing| {
            json!({"Id": thing.id, "Names": [format!("/{}", thing.name)], "Labels": thing.wanted["Labels"]})
        };
        fitting.map(row).collect()
    });
    answer(200, &json!(found))
}

/// Whether something carries all of these labels.
fn fits(thing: &Value, labels: &[String]) -> bool {
    labels.iter().all(|label| {
        let (name, value) = label.split_once('=').unwrap_or((label, ""));
        thing["Labels"][name] == value
    })
}

fn networks(method: &str, parts: &[&str], asked: &Asked, things: &Things) -> Response<Body> {
    let (labels, name) = asked.filter();
    things.with(|inside| match (method, parts) {
        // It is as old as the engine.
        ("GET", ["bridge"]) => {
            answer(200, &json!({"Name": "bridge", "Id": "bridge", "Created": "2026-01-01T00:00:00Z"}))
        }
        ("GET", []) => {
            let named = |network: &Value| name.as_ref().is_none_or(|name| network["Name"] == name.as_str());
            let found = inside.networks.values().filter(|network| named(network) && fits(network, &labels));
            answer(200, &json!(found.collect::<Vec<_>>()))
        }
        ("POST", ["create"]) => {
            let id = format!("network-{}", asked.body["Name"].as_str().unwrap_or_default());
            let mut network = asked.body.clone();
            network["Id"] = id.clone().into();
            inside.networks.insert(id.clone(), network);
            answer(201, &json!({"Id": id, "Warning": ""}))
        }
        ("DELETE", [which]) => match inside.networks.remove(*which) {
            Some(_) => answer(204, &Value::Null),
            None => error(404, "no such network"),
        },
        _ => unknown(asked),
    })
}

fn volumes(method: &str, parts: &[&str], asked: &Asked, things: &Things) -> Response<Body> {
    let (labels, _) = asked.filter();
    things.with(|inside| match (method, parts) {
        ("GET", []) => {
            let found: Vec<&Value> = inside.volumes.values().filter(|volume| fits(volume, &labels)).collect();
            answer(200, &json!({"Volumes": found, "Warnings": []}))
        }
        ("POST", ["create"]) => {
            let name = asked.body["Name"].as_str().unwrap_or_default().to_owned();
            let volume = json!({
                "Name": name, "Driver": "local", "Mountpoint": "", "Scope": "local",
                "Labels": asked.body["Labels"], "Options": asked.body["DriverOpts"],
            });
            answer(201, inside.volumes.entry(name).or_insert(volume))
        }
        ("DELETE", [which]) => {
            let holds = |thing: &Thing| {
                thing.wanted["HostConfig"]["Mounts"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|m| m["Source"] == *which))
            };
            if inside.containers.iter().any(holds) {
                return error(409, "volume is in use");
            }
            match inside.volumes.remove(*which) {
                Some(_) => answer(204, &Value::Null),
                None => error(404, "no such volume"),
            }
        }
        _ => unknown(asked),
    })
}
