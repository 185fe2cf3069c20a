//! Waits of the process that took too long, by the phase that errors name.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Phase;

/// One number a phase.
#[derive(Debug, Default)]
pub struct Timeouts([AtomicU64; Phase::ALL.len()]);

impl Timeouts {
    /// One more.
    pub fn count(&self, phase: Phase) {
        if let Some(value) = self.0.get(phase as usize) {
            value.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All but those of phases whose waits end in this way when all is well.
    pub fn all(&self) -> Vec<(Phase, u64)> {
        let told = |phase: &Phase| !matches!(phase, Phase::Idle | Phase::Message | Phase::Request);
        let values = self.0.iter().map(|value| value.load(Ordering::Relaxed));
        Phase::ALL
            .into_iter()
            .zip(values)
            .filter(|(phase, _)| told(phase))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Timeouts;
    use crate::clock::Phase;

    #[test]
    fn each_phase_has_its_number() {
        let timeouts = Timeouts::default();
        for (times, phase) in Phase::ALL.into_iter().enumerate() {
            for _ in 0..times {
                timeouts.count(phase);
            }
        }
        let counted: Vec<u64> = timeouts.all().into_iter().map(|(_, times)| times).collect();
        assert_eq!(counted, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11]);
    }
}
