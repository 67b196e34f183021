//! What many points came to, and numbers that look random.

use tokio::time::Instant;

use super::judge::Found;
use super::scene::World;

/// Sums over many points.
#[derive(Debug, Default)]
pub(super) struct Figures {
    points: usize,
    kills: usize,
    found: Found,
    faults: Vec<String>,
}

impl Figures {
    pub(super) fn add(&mut self, point: &str, world: &World, killed: bool, found: Found) {
        self.points += 1;
        self.kills += usize::from(killed);
        self.found.open += found.open;
        self.found.doubts += found.doubts;
        let faults = world.notes.lock().faults.clone();
        for fault in &faults {
            println!("{point}: {fault}");
        }
        self.faults
            .extend(faults.iter().map(|fault| format!("{point}: {fault}")));
    }

    /// Says what was seen; fails where anything was that must not be.
    pub(super) fn tell(&self, what: &str, began: Instant) {
        let count = |word: &str| {
            self.faults
                .iter()
                .filter(|fault| fault.contains(word))
                .count()
        };
        println!(
            "{what}: {} points, {} kills, in doubt found {} of {}, sent twice {}, lost {}, violations {}, {:.1} s",
            self.points,
            self.kills,
            self.found.doubts,
            self.found.open,
            count("sent twice"),
            count("lost"),
            self.faults.len(),
            began.elapsed().as_secs_f64(),
        );
        assert!(self.faults.is_empty(), "{:#?}", self.faults);
    }
}

/// Numbers that look random and are the same each time (splitmix64).
pub(super) fn mixed(seed: usize) -> usize {
    let mut mixed = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap()
}
