//! Free ports where the bench listens.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::Mutex;

use super::place;

/// Below the ports that the kernel gives to outgoing connections: a port asked of the
/// kernel and released again is soon the source port of somebody's connection.
const RANGE: std::ops::Range<u16> = 15_000..30_000;

/// A port that nobody listens on and that this run has not given to anybody.
pub fn free() -> u16 {
    static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut taken = TAKEN.lock().unwrap_or_else(|broken| broken.into_inner());
    let taken = taken.get_or_insert_default();

    // Two runs on one machine start their search in different places.
    let width = RANGE.end - RANGE.start;
    let first = (std::process::id().wrapping_mul(61) % u32::from(width)) as u16;
    for step in 0..width {
        let port = RANGE.start + (first + step) % width;
        if !taken.contains(&port) && TcpListener::bind((place::address(), port)).is_ok() {
            taken.insert(port);
            return port;
        }
    }
    panic!("no free port in {RANGE:?}");
}
