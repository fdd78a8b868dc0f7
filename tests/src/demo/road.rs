//! A road from a phone to the server that can end half-way.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use super::{Fault, Outcome};

/// Nothing stays open for longer.
const IDLE_MAX: Duration = Duration::from_secs(15);
/// How long the place of the cut may be looked at before the road closes.
const HOLD_MAX: Duration = Duration::from_secs(10);

/// Where the road ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cut {
    /// After so many bytes from the phone.
    Up(u64),
    /// After so many bytes from the server.
    Down(u64),
}

/// A road for one connection.
#[derive(Debug)]
pub(super) struct Road {
    /// Where it begins.
    pub(super) address: SocketAddr,
    reached: Receiver<()>,
    release: Option<Sender<()>>,
}

impl Road {
    /// A road to `server`. At the cut it stands still until [`Road::close`].
    pub(super) fn open(server: SocketAddr, cut: Cut) -> Outcome<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let (tell, reached) = channel();
        let (release, released) = channel();
        // It ends with its connection; when nobody comes, with the process.
        thread::spawn(move || {
            let Ok((phone, _)) = listener.accept() else {
                return;
            };
            let Ok(server) = TcpStream::connect(server) else {
                return;
            };
            carry_both(&phone, &server, cut, &tell, &released);
        });
        Ok(Self {
            address,
            reached,
            release: Some(release),
        })
    }

    /// Waits until the first byte stands at the cut.
    pub(super) fn reached(&self) -> Outcome<()> {
        self.reached
            .recv_timeout(HOLD_MAX)
            .map_err(|_silent| Fault::new("the visit ended before the cut"))
    }

    /// Cuts the link.
    pub(super) fn close(&mut self) {
        drop(self.release.take());
    }
}

fn carry_both(
    phone: &TcpStream,
    server: &TcpStream,
    cut: Cut,
    tell: &Sender<()>,
    released: &Receiver<()>,
) {
    let (up_max, down_max) = match cut {
        Cut::Up(bytes) => (bytes, u64::MAX),
        Cut::Down(bytes) => (u64::MAX, bytes),
    };
    let (send, ended) = channel();
    thread::scope(|scope| {
        let also = send.clone();
        scope.spawn(move || also.send(carry(phone, server, up_max)));
        scope.spawn(move || send.send(carry(server, phone, down_max)));
        if ended.recv() == Ok(true) {
            let _nobody_waits = tell.send(());
            let _released_or_late = released.recv_timeout(HOLD_MAX);
        }
        for end in [phone, server] {
            // It may be closed already.
            drop(end.shutdown(Shutdown::Both));
        }
    });
}

/// Carries bytes until one end closes, or the next would be one too many: then `true`.
fn carry(mut from: &TcpStream, mut to: &TcpStream, bytes_max: u64) -> bool {
    drop(from.set_read_timeout(Some(IDLE_MAX)));
    let (mut carried, mut buffer) = (0, [0; 1_024]);
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) | Err(_) => return false,
            Ok(count) => count,
        };
        let fits = usize::try_from(bytes_max - carried).unwrap_or(usize::MAX);
        let some = buffer.get(..count.min(fits)).unwrap_or_default();
        if to.write_all(some).is_err() {
            return false;
        }
        carried += some.len() as u64;
        if some.len() < count {
            return true;
        }
    }
}

/// An address where nobody listens: there is no network.
pub(super) fn nowhere() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
