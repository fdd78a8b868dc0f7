//! What the service manager of the system is told: that the server serves, that it stops, and that
//! it is alive. Nothing happens where there is none.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::interval;

/// How a server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Now {
    /// It answers.
    Serving,
    /// It was asked to stop.
    Stopping,
}

/// Tells how the server stands.
pub(super) fn tell(now: Now) {
    // A manager that does not listen is no reason to stop serving.
    drop(sd_notify::notify(
        false,
        &[match now {
            Now::Serving => NotifyState::Ready,
            Now::Stopping => NotifyState::Stopping,
        }],
    ));
}

/// Tells that the server is alive, twice in the time after which it would be taken for stuck. It
/// comes from where connections are served: a slow disk is no reason to be ended.
#[expect(clippy::infinite_loop, reason = "it is dropped when the server stops")]
pub(super) async fn keep_telling() {
    let mut limit_us = 0;
    if !sd_notify::watchdog_enabled(false, &mut limit_us) || limit_us == 0 {
        return;
    }
    let mut beats = interval(Duration::from_micros(limit_us / 2).max(Duration::from_millis(1)));
    loop {
        beats.tick().await;
        drop(sd_notify::notify(false, &[NotifyState::Watchdog]));
    }
}
