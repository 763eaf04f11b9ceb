//! Connections: how many may be open, to all and to one client, and how long one may keep us waiting for a request.
//!
//! axum's own server has no such limits: a client that opens thousands of connections and says nothing would take every
//! file descriptor, and with it the sources' and the relay's. Requests have their own limits, see the parent module.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower_service::Service as _;

use super::{State, guard, router};

/// Most connections at one time, where the system lets a program have so many files.
const MOST: usize = 8_192;
/// Files for everything else: databases, sources, relays, channels.
const OTHER_FILES: usize = 512;
/// Most connections of one client at one time. A browser opens six.
const OF_ONE: usize = 256;
/// How long the head of a request may take, or its coming.
const HEAD: Duration = Duration::from_secs(20);
/// How long to wait where the system gives no connection.
const BREATH: Duration = Duration::from_millis(200);

/// Answers on `listener` until `stop` turns true, then until what is under way has its answer.
pub async fn serve(listener: TcpListener, state: State, stop: watch::Receiver<bool>) {
    let (doors, open, mut stop) = (Arc::new(Semaphore::new(room())), Open::default(), stop);
    let (routes, under_way) = (router(state.clone()), GracefulShutdown::new());
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &doors) => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer, door) = match accepted {
            Ok(accepted) => accepted,
            // One that is over before it began.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => continue,
            Err(error) => {
                tracing::warn!("No connection can be taken just now: {error}");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        // Behind a proxy of ours, all have its address.
        let trusted = &state.0.context.web.trusted_proxies;
        let is_proxy = trusted.iter().any(|network| network.contains(&peer.ip().to_canonical()));
        let client = guard::client(peer.ip(), &HeaderMap::new(), &[]);
        // Who has too many is not answered: that would cost more than it.
        let Some(place) = (if is_proxy { Some(Place::default()) } else { open.place(client) }) else { continue };
        let connection = under_way.watch(connection(stream, peer, routes.clone()));
        tokio::spawn(async move {
            // What goes wrong with a connection is the client's to see.
            let _ = connection.await;
            drop((door, place));
        });
    }
    drop(listener);
    under_way.shutdown().await;
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    doors: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let door = doors.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Without it answers only come later.
    let _ = stream.set_nodelay(true);
    Ok((stream, peer, door))
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
) -> impl GracefulConnection<Error = hyper::Error> + Send {
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.clone().call(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), answer)
}

/// How many connections there may be: as many files as the system lets us have, less those for everything else.
fn room() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = (MOST + OTHER_FILES) as u64;
    let most = limit.maximum.map_or(wanted, |most| most.min(wanted));
    let mut files = limit.current.unwrap_or(wanted);
    if files < most && setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit }).is_ok() {
        files = most;
    }
    of_files(files)
}

/// How many of so many files may be connections: where there are few, a quarter.
fn of_files(files: u64) -> usize {
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    files.saturating_sub(OTHER_FILES).max(files / 4).clamp(1, MOST)
}

/// How many connections each client has open.
#[derive(Clone, Default)]
struct Open(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection of a client, counted until it is dropped.
#[derive(Default)]
struct Place(Option<(Open, IpAddr)>);

impl Open {
    /// One more connection of a client; nothing where it has too many.
    fn place(&self, client: IpAddr) -> Option<Place> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(client).or_default();
        if *count >= OF_ONE {
            return None;
        }
        *count += 1;
        Some(Place(Some((self.clone(), client))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((open, client)) = self.0.take() else { return };
        let mut all = open.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                all.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_places_and_gives_them_back() {
        let (open, one, other) = (Open::default(), IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut places: Vec<Place> = (0..OF_ONE).filter_map(|_| open.place(one)).collect();
        assert!(places.len() == OF_ONE && open.place(one).is_none() && open.place(other).is_some());
        places.pop();
        assert!(open.place(one).is_some());
        drop(places);
        assert!(open.0.lock().expect("a map").is_empty());
    }

    #[test]
    fn there_is_room_for_some_whatever_the_limit_is() {
        assert!((1..=MOST).contains(&room()));
        for (files, room) in [(0, 1), (64, 16), (1_024, 512), (8_704, MOST), (1_048_576, MOST), (u64::MAX, MOST)] {
            assert_eq!(of_files(files), room, "{files}");
        }
    }
}
