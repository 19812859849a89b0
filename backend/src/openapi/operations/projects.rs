//! Projects, and what starts jobs of theirs from outside.

use super::{Answer, Body, Operation, READ, of};
use crate::routes::{
    incoming::Heard,
    projects::{ProjectPage, ProjectsPage},
};

/// In the order in which they are shown.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        id: "hearPush",
        method: "POST",
        path: "/api/hooks/{id}",
        tag: "submit",
        summary: "Tell of a push, as GitHub, GitLab, Gitea and Forgejo do, signed with the secret that the trigger has",
        body: Body::Push,
        answer: Answer::Json(202, of::<Heard>),
        answered: "Whether a job is made, or why not.",
        refusals: &[400, 401, 404, 408, 413, 429],
        ..READ
    },
    Operation {
        id: "listProjects",
        path: "/api/projects",
        tag: "projects",
        summary: "List the projects that somebody made and that you may see",
        answer: Answer::Json(200, of::<ProjectsPage>),
        answered: "The projects, with members and settings.",
        refusals: &[401, 403],
        ..READ
    },
    Operation {
        id: "createProject",
        method: "POST",
        path: "/api/projects",
        tag: "projects",
        summary: "Make a project, which then has an owner, members and settings",
        body: Body::NewProject,
        answer: Answer::Json(201, of::<ProjectPage>),
        answered: "The project; `Location` says where it is.",
        refusals: &[400, 401, 403],
        ..READ
    },
    Operation {
        id: "getProject",
        path: "/api/projects/{name}",
        tag: "projects",
        summary: "See a project: its owner, its members, its settings",
        answer: Answer::Json(200, of::<ProjectPage>),
        answered: "The project.",
        refusals: &[401, 403, 404],
        ..READ
    },
    Operation {
        id: "changeProject",
        method: "POST",
        path: "/api/projects/{name}",
        tag: "projects",
        summary: "Change owner, members or settings of a project that you own",
        body: Body::ProjectChange,
        answer: Answer::Json(200, of::<ProjectPage>),
        answered: "The project as it is now; jobs that were admitted before keep the settings of then.",
        ..READ
    },
    Operation {
        id: "removeProject",
        method: "POST",
        path: "/api/projects/{name}/remove",
        tag: "projects",
        summary: "Forget members and settings of a project; its jobs stay",
        answer: Answer::Json(200, of::<ProjectPage>),
        answered: "The project as it was.",
        refusals: &[401, 403, 404],
        ..READ
    },
    Operation {
        id: "getBadge",
        path: "/api/projects/{name}/badge.svg",
        summary: "See what became of the last run of a project, as a small picture",
        answer: Answer::Bytes("image/svg+xml"),
        answered: "The picture.",
        ..READ
    },
    Operation {
        id: "getFeed",
        path: "/api/projects/{name}/feed.atom",
        summary: "Follow the runs of a project that have ended, as an Atom feed",
        answer: Answer::Bytes("application/atom+xml"),
        answered: "The feed; its last 50 runs are looked at.",
        ..READ
    },
];
