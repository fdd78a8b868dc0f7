//! How often one device may ask.
//!
//! The limit goes by device key, not by address: a whole clinic shares one address, and addresses
//! are kept nowhere. It is asked after the device's signature was verified, so a stranger can
//! neither spend a device's allowance nor fill the table with invented keys.
//!
//! A burst is normal (a phone that was offline for a week comes back and syncs), a steady stream is
//! a fault in a phone or a key in wrong hands. Time is an argument; nothing here waits.

use std::collections::{BTreeMap, HashMap};

/// First eight bytes of a device's public key hash.
pub type DeviceKeyId = [u8; 8];

/// Requests a device may make a minute in the long run.
pub const REQUESTS_PER_MINUTE: u32 = 30;

/// Requests a device may make at once after it was quiet.
pub const REQUESTS_BURST: u32 = 60;

/// Devices remembered. At some 100 bytes each the table stays near 6 MB; the least recently seen
/// device is forgotten first, which gives it a full allowance when it returns.
pub const DEVICES_MAX: usize = 65_536;

const MICROS_PER_MINUTE: u64 = 60_000_000;
const MICROS_PER_MILLI: u64 = 1_000;
const MICROS_PER_SECOND: u64 = 1_000_000;

/// What a device may ask for, and how many devices are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceLimits {
    /// Requests a minute in the long run; 0 counts as 1.
    pub requests_per_minute: u32,
    /// Requests at once after quiet; 0 counts as 1.
    pub requests_burst: u32,
    /// Devices remembered; 0 counts as 1.
    pub devices_max: usize,
}

impl Default for DeviceLimits {
    fn default() -> Self {
        Self {
            requests_per_minute: REQUESTS_PER_MINUTE,
            requests_burst: REQUESTS_BURST,
            devices_max: DEVICES_MAX,
        }
    }
}

/// The request is refused; the same device may ask again after this many seconds (at least 1), to
/// be sent as `retry-after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryAfterSeconds(pub u64);

/// One token bucket for each device.
///
/// A bucket is kept as the moment at which it will be full again: one number instead of a count
/// and a time, and no rounding between them.
#[derive(Debug)]
pub struct DeviceLimiter {
    token_us: u64,
    bucket_us: u64,
    devices_max: usize,
    buckets: HashMap<DeviceKeyId, Bucket>,
    by_last_seen: BTreeMap<u64, DeviceKeyId>,
    checks_count: u64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    full_at_us: u64,
    seen: u64,
}

impl Default for DeviceLimiter {
    fn default() -> Self {
        Self::new(DeviceLimits::default())
    }
}

impl DeviceLimiter {
    /// A limiter that has seen no device.
    pub fn new(limits: DeviceLimits) -> Self {
        let token_us = MICROS_PER_MINUTE / u64::from(limits.requests_per_minute.max(1));
        Self {
            token_us,
            bucket_us: token_us.saturating_mul(u64::from(limits.requests_burst.max(1))),
            devices_max: limits.devices_max.max(1),
            buckets: HashMap::new(),
            by_last_seen: BTreeMap::new(),
            checks_count: 0,
        }
    }

    /// Devices remembered at the moment.
    pub fn devices_count(&self) -> usize {
        self.buckets.len()
    }

    /// Takes one request from the device's bucket, or says when to come back.
    ///
    /// `now_ms` comes from a clock that runs forward, such as the time since the server started. A
    /// refused request costs nothing: a phone that keeps asking is not pushed further away.
    pub fn check(&mut self, device: DeviceKeyId, now_ms: u64) -> Result<(), RetryAfterSeconds> {
        let now_us = now_ms.saturating_mul(MICROS_PER_MILLI);
        let full_at_us = self.see(device, now_us);
        let next_full_at_us = full_at_us.saturating_add(self.token_us);
        let over_us = next_full_at_us.saturating_sub(now_us.saturating_add(self.bucket_us));
        if over_us > 0 {
            return Err(RetryAfterSeconds(over_us.div_ceil(MICROS_PER_SECOND)));
        }
        if let Some(bucket) = self.buckets.get_mut(&device) {
            bucket.full_at_us = next_full_at_us;
        }
        Ok(())
    }

    /// Marks the device as the one seen last and returns when its bucket will be full, within what
    /// is possible at `now_us`.
    fn see(&mut self, device: DeviceKeyId, now_us: u64) -> u64 {
        if !self.buckets.contains_key(&device) && self.buckets.len() >= self.devices_max {
            self.forget_least_recent();
        }
        self.checks_count += 1;
        let seen = self.checks_count;
        let bucket = self.buckets.entry(device).or_insert(Bucket {
            full_at_us: now_us,
            seen,
        });
        self.by_last_seen.remove(&bucket.seen);
        self.by_last_seen.insert(seen, device);
        bucket.seen = seen;
        // The upper bound matters if a clock went back after all: without it a device would be
        // refused for as long as the step was.
        bucket.full_at_us = bucket
            .full_at_us
            .clamp(now_us, now_us.saturating_add(self.bucket_us));
        bucket.full_at_us
    }

    fn forget_least_recent(&mut self) {
        if let Some((_, device)) = self.by_last_seen.pop_first() {
            self.buckets.remove(&device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: DeviceKeyId = *b"ana_____";
    const BO: DeviceKeyId = *b"bo______";
    const CHI: DeviceKeyId = *b"chi_____";

    fn limiter(requests_burst: u32, devices_max: usize) -> DeviceLimiter {
        DeviceLimiter::new(DeviceLimits {
            requests_per_minute: 30,
            requests_burst,
            devices_max,
        })
    }

    fn allowed(limiter: &mut DeviceLimiter, device: DeviceKeyId, now_ms: u64) -> usize {
        (0..1_000)
            .take_while(|_| limiter.check(device, now_ms).is_ok())
            .count()
    }

    #[test]
    fn a_burst_then_a_steady_rate() {
        let mut limiter = DeviceLimiter::default();
        assert_eq!(allowed(&mut limiter, ANA, 5_000), 60);
        assert_eq!(limiter.check(ANA, 5_000), Err(RetryAfterSeconds(2)));
        assert_eq!(limiter.check(ANA, 6_999), Err(RetryAfterSeconds(1)));
        assert_eq!(limiter.check(ANA, 7_000), Ok(()));
        assert_eq!(limiter.check(ANA, 7_000), Err(RetryAfterSeconds(2)));
        assert_eq!(allowed(&mut limiter, ANA, 67_000), 30, "a minute later");
        assert_eq!(
            allowed(&mut limiter, ANA, 10_000_000),
            60,
            "never more than the burst"
        );
    }

    #[test]
    fn waiting_as_told_is_enough() {
        let mut limiter = DeviceLimiter::new(DeviceLimits {
            requests_per_minute: 7, // does not divide a minute
            requests_burst: 3,
            devices_max: 2,
        });
        let mut now_ms = 1;
        for _ in 0..1_000 {
            if let Err(RetryAfterSeconds(seconds)) = limiter.check(ANA, now_ms) {
                assert!((1..=9).contains(&seconds), "{seconds}");
                now_ms += seconds * 1_000;
                assert_eq!(limiter.check(ANA, now_ms), Ok(()));
            }
        }
    }

    #[test]
    fn devices_do_not_spend_for_each_other() {
        let mut limiter = limiter(5, 10);
        assert_eq!(allowed(&mut limiter, ANA, 0), 5);
        assert_eq!(allowed(&mut limiter, BO, 0), 5);
    }

    #[test]
    fn the_table_forgets_who_was_seen_longest_ago() {
        let mut limiter = limiter(5, 2);
        assert_eq!(allowed(&mut limiter, ANA, 0), 5);
        assert_eq!(allowed(&mut limiter, BO, 0), 5);
        assert!(
            limiter.check(ANA, 1).is_err(),
            "seen again, so BO is the oldest"
        );
        assert_eq!(limiter.check(CHI, 2), Ok(()));
        assert_eq!(limiter.devices_count(), 2);
        assert!(limiter.check(ANA, 3).is_err(), "still remembered");
        assert_eq!(limiter.check(BO, 4), Ok(()), "forgotten, starts full");
        assert_eq!(limiter.by_last_seen.len(), 2);
    }

    #[test]
    fn a_hundred_thousand_devices_stay_within_the_bound() {
        let mut limiter = DeviceLimiter::default();
        for device in 0..100_000_u64 {
            assert_eq!(limiter.check(device.to_be_bytes(), device), Ok(()));
        }
        assert_eq!(limiter.devices_count(), DEVICES_MAX);
        assert_eq!(limiter.by_last_seen.len(), DEVICES_MAX);
    }

    #[test]
    fn a_clock_that_went_back_locks_nobody_out() {
        let mut limiter = limiter(5, 2);
        assert_eq!(allowed(&mut limiter, ANA, u64::MAX / 2_000), 5);
        assert_eq!(limiter.check(ANA, 0), Err(RetryAfterSeconds(2)));
        assert_eq!(limiter.check(ANA, 2_000), Ok(()));
        assert_eq!(
            limiter.check(ANA, u64::MAX),
            Ok(()),
            "the end of time does not overflow"
        );
    }

    #[test]
    fn zeros_count_as_one() {
        let mut limiter = DeviceLimiter::new(DeviceLimits {
            requests_per_minute: 0,
            requests_burst: 0,
            devices_max: 0,
        });
        assert_eq!(limiter.check(ANA, 0), Ok(()));
        assert_eq!(limiter.check(ANA, 0), Err(RetryAfterSeconds(60)));
        assert_eq!(limiter.check(BO, 0), Ok(()));
    }
}
