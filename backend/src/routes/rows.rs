//! A router that takes no address without a row in the table of rights: a server with one does not start.

use axum::{
    Router,
    handler::Handler,
    routing::{MethodRouter, get, post},
};

use crate::{access::table::TABLE, app::App};

/// Addresses that table and router do not both have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("these addresses are not in both the router and the table of rights (backend/src/access/table.rs): {}", .0.join(", "))]
pub struct Unruled(Vec<String>);

/// The addresses so far.
#[derive(Default)]
pub struct Routes {
    router: Router<App>,
    known: Vec<(&'static str, &'static str)>,
}

impl Routes {
    /// Answers GET there.
    pub fn get<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add("GET", path, get(handler))
    }

    /// Answers POST there.
    pub fn post<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add("POST", path, post(handler))
    }

    fn add(mut self, method: &'static str, path: &'static str, handler: MethodRouter<App>) -> Self {
        self.known.push((method, path));
        Self { router: self.router.route(path, handler), known: self.known }
    }

    /// The router.
    ///
    /// # Errors
    /// [`Unruled`].
    pub fn finish(self) -> Result<Router<App>, Unruled> {
        let ruled = |(method, path): &(&str, &str)| TABLE.iter().any(|row| row.method == *method && row.path == *path);
        let without =
            self.known.iter().filter(|address| !ruled(address)).map(|(method, path)| format!("{method} {path}"));
        let routed = |method, path| self.known.contains(&(method, path));
        let unknown = TABLE.iter().filter(|row| !routed(row.method, row.path));
        let unruled: Vec<_> = without.chain(unknown.map(|row| format!("{} {}", row.method, row.path))).collect();
        if unruled.is_empty() { Ok(self.router) } else { Err(Unruled(unruled)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_row_and_a_row_without_an_address_are_told() {
        let nothing = Routes::default().finish().unwrap_err().to_string();
        assert!(nothing.contains("GET /api/jobs/{id}/status"), "{nothing}");
        let stray = Routes::default().get("/stray", async || "").post("/health", async || "").finish().unwrap_err();
        assert!(
            ["GET /stray", "POST /health", "GET /health"]
                .iter()
                .all(|address| stray.0.contains(&(*address).to_owned())),
            "{stray}"
        );
    }
}
