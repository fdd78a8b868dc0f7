//! `serve`: puts the server together and runs it.

mod files;
mod ready;

use std::io::{self, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::Redirect;
use axum::routing::get;
use sync_core::hub::Refusal;
use sync_core::invitation::is_server_url;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::{DONE, NO_DATA, NOT_DONE, NOT_UNDERSTOOD, Outcome, ServeArgs, admin};
use crate::http::accept::{self, AcceptLimits};
use crate::http::desk::OfficeDesk;
use crate::http::limit::DeviceLimits;
use crate::http::{console, device, watch};
use crate::log::{self, Doing, Event};
use crate::now_s;
use crate::office::{Begin, Office, TLS_NAME};
use crate::recovery::RecoveryError;
use crate::recovery::standby::{self, Keeper};
use crate::settings::{LISTEN_DEFAULT, Settings};
use crate::tls::Identity;
use crate::writer::WriteError;

/// A place for the figures, as in the help.
const METRICS_EXAMPLE: &str = "127.0.0.1:9464";
/// How often what has run out is dropped.
const UPKEEP_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// Serves until it is asked to stop.
pub(super) fn serve(data: &Path, args: &ServeArgs) -> Outcome {
    if let Some(url) = args.public_url.as_deref().filter(|url| !is_server_url(url)) {
        return Outcome::failed(
            NOT_UNDERSTOOD,
            format!("--public-url {url}: write https://HOST or https://HOST:PORT, without a path"),
        );
    }
    // before anything is founded
    if let Some(Err(outcome)) = args.listen.as_deref().map(address_of) {
        return outcome;
    }
    let (metrics, files) = match metrics_of(args).and_then(|it| Ok((it, files::room()?))) {
        Ok(sound) => sound,
        Err(outcome) => return outcome,
    };
    log::start(args.log, args.log_level);
    files.tell();
    let (office, running) = match Office::open(data, Begin::Allowed) {
        Ok(open) => open,
        Err(why) => return Outcome::failed(NO_DATA, why.to_string()),
    };
    let office = Arc::new(office);
    let around = Around {
        metrics,
        connections_max: files.connections_max,
    };
    let outcome = run(&office, args, around).unwrap_or_else(|outcome| outcome);
    drop(office);
    running.stop();
    outcome
}

/// What the machine gives, and whom it lets look.
#[derive(Debug, Clone, Copy)]
struct Around {
    metrics: Option<SocketAddr>,
    connections_max: usize,
}

fn run(office: &Arc<Office>, args: &ServeArgs, around: Around) -> Result<Outcome, Outcome> {
    let mut settings = office.settings();
    merge(&mut settings, args);
    let asked = settings.listen.as_deref().unwrap_or(LISTEN_DEFAULT);
    let address = address_of(asked)?;
    let identity = identity_of(office.directory(), &settings, args, address)?;
    let runtime = Runtime::new().map_err(|cause| {
        Outcome::failed(NOT_DONE, format!("the system gives no threads: {cause}"))
    })?;
    let served = runtime.block_on(async {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|cause| not_bound("--listen", address, &cause))?;
        let bound = listener
            .local_addr()
            .map_err(|cause| not_bound("--listen", address, &cause))?;
        settings.bound = Some(bound.to_string());
        settings.foreign_certificate = args.cert.is_some();
        let kept = office.change_settings(settings);
        kept.map_err(|why| Outcome::failed(NO_DATA, why.to_string()))?;
        let commands = take_commands(office)?;
        // Asked for before anybody is told that the server is there.
        let stop = Stop::listen().map_err(|cause| Outcome::failed(NOT_DONE, cause.to_string()))?;
        let with_copy = Arc::clone(office);
        let standby = tokio::task::spawn_blocking(move || start_standby(&with_copy)).await;
        let standby = standby
            .map_err(|ended| Outcome::failed(NOT_DONE, format!("no copy is kept: {ended}")))??;
        let commands = tokio::spawn(admin::run_all(commands, Arc::clone(office)));
        let mut beside = JoinSet::new();
        beside.spawn(keep_up(Arc::clone(office)));
        let figures = match around.metrics {
            Some(address) => Some(show_figures(office, address, &mut beside).await?),
            None => None,
        };
        beside.spawn(ready::keep_telling());
        tell_started(office, around.connections_max);
        say_where(bound, figures);
        ready::tell(ready::Now::Serving);
        let limits = AcceptLimits {
            connections_max: around.connections_max,
            ..AcceptLimits::default()
        };
        let served = accept::serve(
            listener,
            identity.server_config(),
            app(office),
            limits,
            Arc::clone(office.metrics()),
            stop.asked(),
        )
        .await;
        ready::tell(ready::Now::Stopping);
        commands.abort();
        beside.abort_all();
        admin::close(office.directory());
        if let Some(standby) = standby {
            // in the end everything that was said is on both disks
            let stopped = tokio::task::spawn_blocking(|| standby.stop());
            drop(stopped.await);
        }
        served.map_err(|cause| {
            Outcome::failed(
                NOT_DONE,
                format!("the server can no longer listen: {cause}"),
            )
        })
    });
    served.map(|report| {
        log::tell(Event::Stopped {
            accepted: report.accepted_count,
            cut: report.timed_out_count + report.gave_way_count + report.cut_at_shutdown_count,
        });
        Outcome {
            code: DONE,
            ..Outcome::done("")
        }
    })
}

/// Begins to keep the copy, or says that there is none: then nothing counts as safe.
fn start_standby(office: &Arc<Office>) -> Result<Option<standby::Running>, Outcome> {
    let failed = |why: RecoveryError| Outcome::failed(NO_DATA, why.to_string());
    let Some(path) = office.settings().standby else {
        let forgotten = office.writer().act(|hub, ledger| {
            if hub.state(ledger)?.safe_size > 0 {
                hub.note_safe(ledger, 0, now_s())?;
            }
            Ok(())
        });
        return match forgotten {
            Ok(()) => Ok(None),
            Err(why) => Err(Outcome::failed(NOT_DONE, format!("{why:?}"))),
        };
    };
    let keeper = Keeper::begin(Arc::clone(office), path).map_err(failed)?;
    keeper
        .start()
        .map(Some)
        .map_err(|cause| Outcome::failed(NOT_DONE, format!("the system gives no thread: {cause}")))
}

/// All that stands behind the one port.
fn app(office: &Arc<Office>) -> Router {
    let desk = Arc::new(OfficeDesk::new(Arc::clone(office)));
    device::router(Arc::clone(office), DeviceLimits::default())
        .merge(console::router(desk, now_s))
        .route("/", get(to_console).fallback(to_console))
        .layer(from_fn_with_state(
            Arc::clone(office.metrics()),
            watch::count,
        ))
}

/// Whatever the method: who sends something here is lost, and the console says where to go.
async fn to_console() -> Redirect {
    Redirect::to("/console")
}

/// What is said now counts from now on; what is not said stays.
fn merge(settings: &mut Settings, args: &ServeArgs) {
    if args.listen.is_some() {
        settings.listen.clone_from(&args.listen);
    }
    if args.public_url.is_some() {
        settings.public_url.clone_from(&args.public_url);
    }
    if let Some(path) = &args.standby {
        let path = Some(std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        settings.standby_used &= settings.standby == path;
        settings.standby = path;
        settings.standby_same_disk = args.standby_same_disk;
    }
    if args.no_standby {
        settings.standby = None;
        settings.standby_used = false;
    }
    for name in &args.name {
        if !settings.names.contains(name) {
            settings.names.push(name.clone());
        }
    }
}

/// Where the figures are shown, if anywhere: nobody but this machine may reach them.
fn metrics_of(args: &ServeArgs) -> Result<Option<SocketAddr>, Outcome> {
    let Some(asked) = &args.metrics else {
        return Ok(None);
    };
    let sound = asked
        .parse()
        .ok()
        .filter(|address: &SocketAddr| address.ip().is_loopback());
    sound.map(Some).ok_or_else(|| {
        Outcome::failed(
            NOT_UNDERSTOOD,
            format!(
                "--metrics {asked}: figures are shown to this machine alone, so write \
                 {METRICS_EXAMPLE} or [::1]:9464; let what gathers them run here, or come through \
                 a tunnel"
            ),
        )
    })
}

fn tell_started(office: &Office, connections_max: usize) {
    match office.read(|snapshot| office.hub().state(snapshot)) {
        Ok(state) => log::tell(Event::Started {
            entries: state.size,
            generation: state.generation,
            connections_max,
        }),
        Err(fault) => log::failed(Doing::Upkeep, &fault),
    }
}

fn address_of(asked: &str) -> Result<SocketAddr, Outcome> {
    let resolved = asked.to_socket_addrs().map(|mut found| found.next());
    if let Ok(Some(address)) = resolved {
        return Ok(address);
    }
    Err(Outcome::failed(
        NOT_UNDERSTOOD,
        format!("--listen {asked}: write ADDRESS:PORT, as in {LISTEN_DEFAULT} or [::]:8443"),
    ))
}

fn identity_of(
    data: &Path,
    settings: &Settings,
    args: &ServeArgs,
    address: SocketAddr,
) -> Result<Identity, Outcome> {
    let identity = match (&args.cert, &args.key) {
        (Some(certificate), Some(key)) => Identity::from_files(certificate, key),
        (Some(_) | None, Some(_) | None) => {
            let mut names = settings.names.clone();
            if !address.ip().is_unspecified() {
                names.push(address.ip().to_string());
            }
            names.extend(settings.public_url.as_deref().and_then(host_of));
            Identity::load_or_create(&data.join(TLS_NAME), &names)
        }
    };
    identity.map_err(|why| Outcome::failed(NO_DATA, with_causes(&why)))
}

/// The host of an address that was checked before.
fn host_of(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://")?;
    let host = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        Some(_) | None => rest,
    };
    Some(host.trim_matches(['[', ']']).to_owned())
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

fn not_bound(option: &str, address: SocketAddr, cause: &io::Error) -> Outcome {
    let port = address.port();
    let (ip, kind) = (address.ip(), cause.kind());
    let why = if kind == io::ErrorKind::AddrInUse {
        format!(
            "port {port} is in use on {ip}: end the program that has it, or choose another with \
             {option} {ip}:PORT (port 0 takes a free one)"
        )
    } else if kind == io::ErrorKind::PermissionDenied {
        format!(
            "port {port} needs the rights of the system's administrator: choose one above 1023 \
             with {option}"
        )
    } else if kind == io::ErrorKind::AddrNotAvailable {
        format!("{ip} is no address of this machine: choose one that it has, or 0.0.0.0 for all")
    } else {
        format!("{address}: {cause}")
    };
    Outcome::failed(NOT_DONE, why)
}

/// The socket for commands.
fn take_commands(office: &Office) -> Result<UnixListener, Outcome> {
    admin::listen(office.directory()).map_err(|cause| {
        let why = format!(
            "no socket for commands can be made in {} ({cause}): use a shorter path on a local disk",
            office.directory().display()
        );
        Outcome::failed(NO_DATA, why)
    })
}

/// Begins to show figures, and says where.
async fn show_figures(
    office: &Arc<Office>,
    address: SocketAddr,
    beside: &mut JoinSet<()>,
) -> Result<SocketAddr, Outcome> {
    let not_bound = |cause| not_bound("--metrics", address, &cause);
    let listener = TcpListener::bind(address).await.map_err(not_bound)?;
    let bound = listener.local_addr().map_err(not_bound)?;
    beside.spawn(watch::serve(listener, Arc::clone(office)));
    Ok(bound)
}

/// What a start says, in one line each.
fn say_where(bound: SocketAddr, figures: Option<SocketAddr>) {
    // Nobody to tell is no reason not to serve.
    drop(writeln!(
        io::stdout(),
        "listening on https://{bound} (console: https://{bound}/console)"
    ));
    if let Some(address) = figures {
        drop(writeln!(
            io::stdout(),
            "figures for this machine at http://{address}/metrics"
        ));
    }
}

/// Drops what has run out, at once and then once a day.
#[expect(clippy::infinite_loop, reason = "it is dropped when the server stops")]
async fn keep_up(office: Arc<Office>) {
    let mut days = interval(UPKEEP_EVERY);
    days.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        days.tick().await;
        let dropped = office.writer().act_soon(|hub, ledger| {
            hub.drop_refused(ledger, now_s())?;
            ledger.prune_sessions(now_s())?;
            Ok(())
        });
        if let Err(WriteError::Refused(Refusal::Store(fault))) = dropped.await {
            log::failed(Doing::Upkeep, &fault);
        }
    }
}

/// The signals that end a server.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn asked(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
