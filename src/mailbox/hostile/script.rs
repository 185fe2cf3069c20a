//! Bytes as choices. Where they are over, everything is chosen as a good server would.

/// What is left to choose by, the next one last.
pub(super) struct Script(Vec<u8>);

impl Script {
    pub(super) fn new(data: &[u8]) -> Script {
        Script(data.iter().rev().copied().collect())
    }

    /// One of so many; 0 is the good one.
    pub(super) fn choose(&mut self, of: u8) -> u8 {
        let byte = self.0.pop().unwrap_or_default();
        byte.checked_rem(of).unwrap_or_default()
    }

    /// Up to so many bytes, as they are.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        let kept = self.0.len().saturating_sub(count);
        let mut taken = self.0.split_off(kept);
        taken.reverse();
        taken
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}
