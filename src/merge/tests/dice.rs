//! Dice: from a seed (`SplitMix64`), or as a fuzzer throws them. Also used by `fuzz/` and `tests/it`.

/// The same seed, or the same bytes, give the same throws.
pub struct Dice {
    state: u64,
    thrown: std::collections::VecDeque<u8>,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self::from_bytes(&[], seed)
    }

    /// Two bytes a throw; when they have run out, as from the seed.
    pub fn from_bytes(thrown: &[u8], seed: u64) -> Self {
        Self { state: seed, thrown: thrown.iter().copied().collect() }
    }

    pub fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        let thrown = self.thrown.pop_front().zip(self.thrown.pop_front());
        let thrown = thrown.map_or_else(|| self.roll(), |(a, b)| u64::from(u16::from_be_bytes([a, b])));
        (thrown % bound.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}
