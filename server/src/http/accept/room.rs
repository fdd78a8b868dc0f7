//! Who sits, and who gives way when all room is taken.
//!
//! A connection is a stranger's until a visit on it was verified, or an officer's session was
//! found: anybody can open thousands that do as much as the limits of time allow. So when somebody
//! comes and all seats are taken, a stranger gives way: the one that sits longest among those who
//! came from where most strangers sit. A whole village, and the office too, can share the address
//! of one carrier; so an address has no share of its own, and nobody is cut while there is room.
//! Where there is no stranger, the known connection that is idle longest gives way; one with a
//! request never does, and then the newcomer waits.
//!
//! The address of a peer is kept here for as long as its connection, in memory, and told nobody.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::clock::Clock;
use crate::log::{self, Event};

/// How soon a newcomer looks again whether some known connection has become idle.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Bits of an IPv6 address that one subscriber has for itself.
const SUBSCRIBER_BITS: u32 = 64;

/// Where a connection came from: an address, or the network of one subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct From(IpAddr);

impl From {
    pub(super) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(own) => {
                let network = u128::from(own) >> SUBSCRIBER_BITS << SUBSCRIBER_BITS;
                IpAddr::V6(Ipv6Addr::from(network))
            }
            four @ IpAddr::V4(_) => four,
        })
    }
}

/// What is known of one connection.
struct Sitting {
    from: From,
    stranger: bool,
    leaving: bool,
    give_way: Arc<Notify>,
    clock: Clock,
}

#[derive(Default)]
struct Held {
    next: u64,
    sitting: BTreeMap<u64, Sitting>,
    /// Strangers that were not asked to leave, the earliest first.
    strangers: HashMap<From, BTreeSet<u64>>,
    leaving_count: usize,
    /// Connections cut since all room was taken; `None` while there is room.
    cut_count: Option<u64>,
}

/// All seats.
pub(super) struct Room {
    seats_max: usize,
    held: Mutex<Held>,
    freed: Notify,
}

/// A seat; dropped, it is free.
pub(super) struct Seat {
    room: Arc<Room>,
    id: u64,
    give_way: Arc<Notify>,
}

/// Who asks, in the extensions of each request.
#[derive(Clone)]
pub(crate) struct Peer {
    room: Arc<Room>,
    id: u64,
}

impl Room {
    pub(super) fn new(seats_max: usize) -> Arc<Self> {
        Arc::new(Self {
            seats_max: seats_max.max(1),
            held: Mutex::default(),
            freed: Notify::new(),
        })
    }

    pub(super) fn seats_max(&self) -> usize {
        self.seats_max
    }

    /// Nothing can panic while the lock is held.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat, as soon as there is one. Asking again after this was dropped sends nobody twice.
    pub(super) async fn enter(self: &Arc<Self>, from: From, clock: &Clock) -> Seat {
        loop {
            if let Some(seat) = self.try_enter(from, clock) {
                return seat;
            }
            // Whether one was freed or time has passed, the next look tells.
            drop(timeout(LOOK_AGAIN, self.freed.notified()).await);
        }
    }

    fn try_enter(self: &Arc<Self>, from: From, clock: &Clock) -> Option<Seat> {
        let mut held = self.held();
        if held.sitting.len() < self.seats_max {
            let (id, give_way) = (held.next, Arc::new(Notify::new()));
            held.next += 1;
            held.strangers.entry(from).or_default().insert(id);
            let sitting = Sitting {
                from,
                stranger: true,
                leaving: false,
                give_way: Arc::clone(&give_way),
                clock: clock.clone(),
            };
            held.sitting.insert(id, sitting);
            let room = Arc::clone(self);
            return Some(Seat { room, id, give_way });
        }
        if held.leaving_count == 0 {
            held.send_one_away(self.seats_max);
        }
        None
    }
}

impl Held {
    fn send_one_away(&mut self, seats_max: usize) {
        let Some(id) = self.who_gives_way() else {
            return;
        };
        self.no_stranger(id);
        let Some(sitting) = self.sitting.get_mut(&id) else {
            return;
        };
        sitting.leaving = true;
        sitting.give_way.notify_one();
        self.leaving_count += 1;
        if self.cut_count.is_none() {
            let connections_max = seats_max;
            log::tell(Event::Room(log::Room::Full { connections_max }));
        }
        *self.cut_count.get_or_insert(0) += 1;
    }

    fn who_gives_way(&self) -> Option<u64> {
        let crowd = self.strangers.values().max_by_key(|ids| ids.len());
        if let Some(id) = crowd.and_then(BTreeSet::first) {
            return Some(*id);
        }
        let idle = self
            .sitting
            .iter()
            .filter(|(_, it)| !it.leaving)
            .filter_map(|(id, it)| Some((it.clock.idle_since()?, *id)));
        idle.min().map(|(_since, id): (Instant, u64)| id)
    }

    fn no_stranger(&mut self, id: u64) {
        let Some(sitting) = self.sitting.get_mut(&id).filter(|it| it.stranger) else {
            return;
        };
        sitting.stranger = false;
        let from = sitting.from;
        if let Some(ids) = self.strangers.get_mut(&from) {
            ids.remove(&id);
            if ids.is_empty() {
                self.strangers.remove(&from);
            }
        }
    }
}

impl Seat {
    /// Ready when this connection has to give way.
    pub(super) async fn asked_to_leave(&self) {
        self.give_way.notified().await;
    }

    pub(super) fn peer(&self) -> Peer {
        Peer {
            room: Arc::clone(&self.room),
            id: self.id,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut held = self.room.held();
        held.no_stranger(self.id);
        if held.sitting.remove(&self.id).is_some_and(|it| it.leaving) {
            held.leaving_count -= 1;
        }
        if held.sitting.len() <= self.room.seats_max / 2
            && let Some(cut) = held.cut_count.take()
        {
            log::tell(Event::Room(log::Room::Free { cut }));
        }
        drop(held);
        self.room.freed.notify_one();
    }
}

impl Peer {
    /// Whoever asks is known: a visit was verified, or a session found.
    pub(crate) fn is_known(&self) {
        self.room.held().no_stranger(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::super::AcceptLimits;
    use super::super::clock::Phase;
    use super::*;

    fn from(last: u8) -> From {
        From::of(IpAddr::from([10, 0, 0, last]))
    }

    fn clock() -> Clock {
        Clock::new(AcceptLimits::default())
    }

    fn seated(room: &Arc<Room>, last: u8) -> Seat {
        room.try_enter(from(last), &clock()).unwrap()
    }

    async fn leaves(seat: &Seat) -> bool {
        timeout(Duration::from_millis(20), seat.asked_to_leave())
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn the_oldest_of_the_largest_crowd_gives_way_and_only_once() {
        let room = Room::new(4);
        let alone = seated(&room, 1);
        let crowd = [seated(&room, 2), seated(&room, 2), seated(&room, 2)];
        crowd[0].peer().is_known();
        assert!(room.try_enter(from(3), &clock()).is_none());
        assert!(room.try_enter(from(3), &clock()).is_none(), "asked again");
        let mut asked = Vec::new();
        for seat in [&alone].into_iter().chain(&crowd) {
            asked.push(leaves(seat).await);
        }
        assert_eq!(asked, [false, false, true, false]);
        drop(crowd);
        drop(room.enter(from(3), &clock()).await);
    }

    #[tokio::test]
    async fn a_known_one_gives_way_only_while_it_is_idle() {
        let room = Room::new(1);
        let clock = clock();
        let seat = room.enter(from(1), &clock).await;
        seat.peer().is_known();
        clock.enter(Phase::Handling);
        assert!(room.try_enter(from(2), &clock).is_none());
        assert!(!leaves(&seat).await);
        clock.enter(Phase::Idle);
        assert!(room.try_enter(from(2), &clock).is_none());
        assert!(leaves(&seat).await);
    }

    #[test]
    fn one_subscriber_has_one_network() {
        let of = |text: &str| From::of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }
}
