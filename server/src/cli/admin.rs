//! Handing a command to the server that holds the log.
//!
//! The server listens on a socket in the directory of its data, which only its user can open. The
//! caller writes the command as JSON and closes its side; the server runs it and writes the outcome.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, thread};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream as AsyncStream};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::{Command, NO_DATA, NOT_DONE, Outcome};
use crate::log::{self, Event};
use crate::office::Office;
use crate::store::LOCK_NAME;

/// Name of the socket in the directory of the server's data.
const SOCKET_NAME: &str = "admin.sock";
/// Largest command: a list of hamlets of a province has some hundred kilobytes.
const COMMAND_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Largest outcome: lists of a province.
const OUTCOME_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Commands that run at once.
const COMMANDS_MAX: usize = 4;
/// A server that starts holds the log a moment before it listens.
const STARTING_TRIES: u32 = 20;
const STARTING_PAUSE: Duration = Duration::from_millis(100);
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

fn socket_path(data: &Path) -> PathBuf {
    data.join(SOCKET_NAME)
}

/// Gives a command to the server that holds the log; `None` when none does.
pub(super) fn hand_over(data: &Path, command: &Command) -> Result<Option<Outcome>, String> {
    let path = socket_path(data);
    for _try in 0..STARTING_TRIES {
        match UnixStream::connect(&path) {
            Ok(stream) => {
                let outcome = exchange(stream, command);
                return outcome.map(Some).map_err(|cause| {
                    format!("the running server did not answer ({cause}): look at its messages")
                });
            }
            Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
                return Err(format!(
                    "{}: {cause}; run this as the user of the server",
                    path.display()
                ));
            }
            // No socket, or one that a server left behind when it was killed.
            Err(_nobody) if !is_held(data) => return Ok(None),
            Err(_not_yet) => thread::sleep(STARTING_PAUSE),
        }
    }
    Ok(None)
}

/// Whether some process holds the log.
fn is_held(data: &Path) -> bool {
    let lock = fs::File::open(data.join(LOCK_NAME));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}

fn exchange(mut stream: UnixStream, command: &Command) -> io::Result<Outcome> {
    stream.write_all(&serde_json::to_vec(command)?)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.take(OUTCOME_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(serde_json::from_slice(&answer)?)
}

/// Opens the socket. Whoever calls this holds the log, so a socket that is there is a leftover.
pub(super) fn listen(data: &Path) -> io::Result<UnixListener> {
    let path = socket_path(data);
    match fs::remove_file(&path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&path)?;
    // The directory is closed to others, so the moment before this shows nothing to them.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Runs commands as they come, for ever.
#[expect(clippy::infinite_loop, reason = "it is dropped when the server stops")]
pub(super) async fn run_all(listener: UnixListener, office: Arc<Office>) {
    let room = Arc::new(Semaphore::new(COMMANDS_MAX));
    loop {
        let Ok((stream, _address)) = listener.accept().await else {
            sleep(STARTING_PAUSE).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            continue;
        };
        let office = Arc::clone(&office);
        drop(tokio::spawn(async move {
            // A caller that went away has nobody to be told.
            drop(run_one(stream, office).await);
            drop(permit);
        }));
    }
}

/// Removes the socket.
pub(super) fn close(data: &Path) {
    // It is removed at the next start in any case.
    drop(fs::remove_file(socket_path(data)));
}

async fn run_one(stream: AsyncStream, office: Arc<Office>) -> io::Result<()> {
    let (from, mut to) = stream.into_split();
    let mut command = Vec::new();
    timeout(
        COMMAND_TIMEOUT,
        from.take(COMMAND_BYTES_MAX).read_to_end(&mut command),
    )
    .await??;
    let ran = spawn_blocking(move || match serde_json::from_slice(&command) {
        Ok(command) => super::run(&office, &command),
        Err(_unknown) => Outcome::failed(
            NO_DATA,
            "the running server is of another release: use its own program",
        ),
    });
    let outcome = ran
        .await
        .unwrap_or_else(|_panicked| Outcome::failed(NOT_DONE, "the command ended by a fault"));
    log::tell(Event::CommandRan { code: outcome.code });
    to.write_all(&serde_json::to_vec(&outcome)?).await?;
    to.shutdown().await
}
