//! SIGTERM and SIGINT ask to stop, the second one ends the process; SIGHUP asks to look again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::clock::Stop;
use crate::log;

/// SIGHUP came, and nobody looked yet.
#[derive(Debug, Clone, Default)]
pub struct Hangup(Arc<AtomicBool>);

impl Hangup {
    /// Whether one came since the last call.
    pub fn came(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    /// As if one came.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks `stop` at SIGTERM and SIGINT. Without `hangup` SIGHUP does what it always does: it ends the process.
pub(crate) fn listen(stop: &Arc<Stop>, hangup: Option<Hangup>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    if hangup.is_some() {
        signals.add_signal(SIGHUP)?;
    }
    let stop = Arc::clone(stop);
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGHUP {
                hangup.iter().for_each(Hangup::note);
                continue;
            }
            if stop.asked() {
                // What is not acknowledged is not checkpointed, so this loses nothing.
                std::process::exit(signal.saturating_add(128));
            }
            log::info("stopping: waiting for acknowledgements", &[]);
            stop.ask();
        }
    })?;
    Ok(())
}
