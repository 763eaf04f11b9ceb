//! `rattlewatch serve`: scheduler, outbox, digests and pages, until told to stop.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::info;

use super::{Failure, Global, Outcome, start};
use crate::jobs::{Context, accounts, runner};
use crate::web;

/// How long open requests may take after the word to stop.
const WEB_GRACE: Duration = Duration::from_secs(3);

/// What `serve` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Listen here instead of where the settings say
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<SocketAddr>,
}

pub(super) fn main(global: &Global, arguments: &Arguments) -> Outcome {
    let mut global = global.clone();
    if let Some(listen) = arguments.listen {
        global.set.push(format!("listen={listen}"));
    }
    start::block_on(async move {
        let settings = start::settings(&global)?;
        let context = start::context(&global, start::Logging::Configured).await?;
        let outbox = settings.smtp.is_none().then(|| settings.data_dir.join("outbox"));
        if let Some(outbox) = &outbox {
            info!("No mail relay is set: letters are written to {}", outbox.display());
        }
        let listener = TcpListener::bind(settings.listen).await.map_err(|error| {
            Failure::Failed(anyhow::anyhow!(
                "cannot listen on {}: {error}; is another server running there?",
                settings.listen
            ))
        })?;
        info!("Listening on http://{}", listener.local_addr()?);
        let token = context.store.write(accounts::set_up_token).await?;
        if let Some(token) = token {
            info!("There is no operator yet. Who opens {}/set-up/{token} becomes it", context.public_url);
        }
        let (tell, stop) = watch::channel(false);
        tokio::spawn(until_signal(tell));
        serve(context, listener, outbox, stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Works and answers until `stop` turns true; then everything ends in order.
pub(super) async fn serve(
    context: Context,
    listener: TcpListener,
    outbox: Option<std::path::PathBuf>,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let pages = web::State::new(context.clone(), outbox, stop.clone());
    let server = tokio::spawn(web::serve(listener, pages, stop.clone()));
    runner::serve(context.clone(), stop).await;
    // A reader that never ends its request must not keep us from stopping.
    let _ = tokio::time::timeout(WEB_GRACE, server).await;
    context.store.clone().close().await;
    info!("Stopped");
    Ok(())
}

/// SIGTERM and SIGINT ask for an orderly stop; a second one ends the program at once.
pub(super) async fn until_signal(tell: watch::Sender<bool>) {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return;
    };
    for round in 0..2 {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        if round == 1 {
            std::process::exit(130);
        }
        let _ = tell.send(true);
    }
}
