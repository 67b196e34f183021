//! The certificates of the listeners, read again: all of them can be used, or none is put in place.

use std::error::Error;
use std::sync::Arc;

use rustls::ServerConfig;

use crate::app::App;
use crate::rules::Unfit;
use crate::tls::{self, Live, TlsError};

/// Certificates that can be put in place, and the route of each.
#[derive(Debug, Default)]
pub(super) struct Fresh(Vec<(String, Live, Arc<ServerConfig>)>);

impl Fresh {
    /// Puts them in place; the names of the routes.
    pub(super) fn put(self) -> Vec<String> {
        let mut routes = Vec::new();
        for (route, live, config) in self.0 {
            live.put(config);
            routes.push(route);
        }
        routes
    }
}

/// Reads the files of all routes, away from the runtime that answers operators.
pub(super) async fn read(app: &Arc<App>) -> Result<Fresh, Unfit> {
    let app = Arc::clone(app);
    let reading = tokio::task::spawn_blocking(move || all(&app));
    match reading.await {
        Ok(fresh) => fresh,
        Err(error) => Err(Unfit(vec![format!("certificates cannot be read: {error}")])),
    }
}

fn all(app: &App) -> Result<Fresh, Unfit> {
    let (mut fresh, mut mistakes) = (Fresh::default(), Vec::new());
    let lives = app.certificates();
    for (state, live) in app.routes.iter().zip(lives) {
        let route = &state.route;
        let (Some(files), Some(live)) = (&route.tls, live) else {
            continue;
        };
        match tls::listener(files) {
            Ok(config) => fresh.0.push((route.name.clone(), live, config)),
            Err(error) => mistakes.push(format!("route {}: {}", route.name, told(&error))),
        }
    }
    if mistakes.is_empty() {
        Ok(fresh)
    } else {
        Err(Unfit(mistakes))
    }
}

/// An error with what is underneath.
fn told(error: &TlsError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
