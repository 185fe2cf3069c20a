//! What a start would fetch of one mailbox, and how long that would take.

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::imap::mailbox_name::MailboxName;
use crate::imap::pace::Pace;
use crate::imap::resume::{Memory, Resume, resume};
use crate::imap::session::{Arrival, Listed, Session, SessionError};
use crate::limits;
use crate::quantity;

/// One mailbox as it is.
pub(super) struct Survey {
    mails: u64,
    /// Where the server can say it.
    bytes: Option<u64>,
    uid_validity: u32,
    uid_next: u32,
    resume: Resume,
    backlog: Backlog,
    seconds: Option<u64>,
}

/// What is not delivered yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Backlog {
    mails: u64,
    /// `None`: nobody knows without listing everything.
    bytes: Option<u64>,
    /// Counted; otherwise there are so many at the most.
    exact: bool,
}

/// What the server gave, and in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sample {
    mails: u64,
    bytes: u64,
    milliseconds: u64,
}

impl Survey {
    /// Asks, and reads a few mails where there are many to come.
    pub fn of(
        session: &mut Session,
        name: &MailboxName,
        memory: Option<&Memory>,
        from_zero: bool,
        clock: &dyn Clock,
    ) -> Result<Survey, SessionError> {
        let counted = session.count(name)?;
        let selected = session.examine(name)?;
        let known = memory.filter(|memory| memory.position.uid_validity == selected.uid_validity);
        // An empty mailbox tells nothing of the UIDs that were given.
        let given = known.map_or(1, |memory| u32::try_from(memory.top()).unwrap_or(u32::MAX));
        let uid_next = session.uid_next(name, &selected)?.unwrap_or(given);
        let mut given_again = None;
        if let Some(memory) = known {
            let end = session.mailbox_end(uid_next.into(), given.into())?;
            let end = (end < given.into()).then_some(end);
            given_again = session.given_again(&memory.recent, end, &mut 0, Pace::default())?;
        }
        let position = memory.map(|memory| memory.position);
        let resume = resume(
            position,
            selected.uid_validity,
            given_again,
            u64::from(uid_next),
            from_zero,
        );
        let whole = Backlog {
            mails: u64::from(selected.exists),
            bytes: counted.size,
            exact: true,
        };
        let backlog = backlog(session, resume, memory, whole, uid_next)?;
        let sample = sample(session, backlog, uid_next, clock)?;
        let seconds = sample.map(|sample| sample.seconds_for(backlog, session.is_gmail()));
        Ok(Survey {
            mails: whole.mails,
            bytes: counted.size,
            uid_validity: selected.uid_validity,
            uid_next,
            resume,
            backlog,
            seconds,
        })
    }

    pub fn text(&self) -> String {
        let size = |bytes: Option<u64>| bytes.map_or_else(String::new, |bytes| format!(", {}", quantity::bytes(bytes)));
        let plan = match self.resume {
            Resume::GoOn(next_uid) => format!("goes on at UID {next_uid}"),
            Resume::GoBack(next_uid) => {
                format!("UIDs are given again (a restored server?), goes back to UID {next_uid}")
            }
            Resume::FromNow(_) => "first start, from now on (from_zero delivers what is there)".to_owned(),
            Resume::FromZero => "first start, from zero".to_owned(),
            Resume::Renumbered { before } => {
                format!("UIDVALIDITY was {before}: what is known to be delivered is left out")
            }
        };
        let most = if self.backlog.exact { "" } else { "at most " };
        let fetch = match self.backlog.mails {
            0 => "nothing to fetch".to_owned(),
            mails => format!(
                "{most}{} mails{} to fetch",
                quantity::count(mails),
                size(self.backlog.bytes)
            ),
        };
        let time = self.seconds.map_or_else(String::new, |seconds| {
            format!(", about {} if the receiver keeps up", quantity::seconds(seconds))
        });
        format!(
            "{} mails{}; {plan}: {fetch}{time}",
            quantity::count(self.mails),
            size(self.bytes)
        )
    }

    pub fn facts(&self, name: &MailboxName) -> [(&'static str, Value); 9] {
        let (plan, next_uid) = match self.resume {
            Resume::GoOn(next_uid) => ("go_on", next_uid),
            Resume::GoBack(next_uid) => ("go_back", next_uid),
            Resume::FromNow(next_uid) => ("from_now", next_uid),
            Resume::FromZero => ("from_zero", 1),
            Resume::Renumbered { .. } => ("renumbered", 1),
        };
        [
            ("mailbox", json!(name.as_str())),
            ("mails", json!(self.mails)),
            ("bytes", json!(self.bytes)),
            ("uidvalidity", json!(self.uid_validity)),
            ("uidnext", json!(self.uid_next)),
            ("start", json!({"how": plan, "next_uid": next_uid})),
            ("to_fetch", json!(self.backlog.mails)),
            ("to_fetch_bytes", json!(self.backlog.bytes)),
            ("seconds", json!(self.seconds)),
        ]
    }
}

fn backlog(
    session: &mut Session,
    resume: Resume,
    memory: Option<&Memory>,
    whole: Backlog,
    uid_next: u32,
) -> Result<Backlog, SessionError> {
    let first = match resume {
        Resume::FromNow(_) => {
            return Ok(Backlog {
                bytes: Some(0),
                exact: true,
                ..Backlog::default()
            });
        }
        Resume::FromZero | Resume::Renumbered { .. } => 1,
        Resume::GoOn(next_uid) | Resume::GoBack(next_uid) => next_uid,
    };
    let span = u64::from(uid_next).saturating_sub(first);
    let is_known = matches!(resume, Resume::Renumbered { .. } | Resume::GoBack(_));
    if first <= 1 && whole.bytes.is_some() || whole.mails == 0 {
        return Ok(Backlog {
            exact: !is_known,
            ..whole
        });
    }
    // A listing of everything would be as long as a wait for it.
    if span.min(whole.mails) > limits::LISTED_UIDS {
        let mails = span.min(whole.mails);
        let bytes = whole.bytes.and_then(|bytes| share(bytes, mails, whole.mails));
        return Ok(Backlog {
            mails,
            bytes,
            exact: false,
        });
    }
    let Ok(first) = u32::try_from(first) else {
        return Ok(Backlog::default());
    };
    let listed = session.list(first, u32::MAX)?;
    let done = memory
        .filter(|_| !is_known)
        .map_or(&[][..], |memory| memory.done.as_slice());
    let open = |listed: &&Listed| !done.iter().any(|range| range.contains(&u64::from(listed.uid)));
    let open: Vec<&Listed> = listed.iter().filter(open).collect();
    let bytes = open.iter().map(|listed| listed.size).fold(0, u64::saturating_add);
    Ok(Backlog {
        mails: u64::try_from(open.len()).unwrap_or(u64::MAX),
        bytes: Some(bytes),
        exact: !is_known,
    })
}

/// `part` of `whole` mails, if all had the same size.
fn share(bytes: u64, part: u64, whole: u64) -> Option<u64> {
    let bytes = u128::from(bytes).saturating_mul(u128::from(part));
    u64::try_from(bytes.checked_div(u128::from(whole))?).ok()
}

/// The newest mails, read to nowhere; none where the backlog is not larger than a sample.
fn sample(
    session: &mut Session,
    backlog: Backlog,
    uid_next: u32,
    clock: &dyn Clock,
) -> Result<Option<Sample>, SessionError> {
    let is_long = usize::try_from(backlog.mails).is_ok_and(|mails| mails > limits::SAMPLE_MAILS)
        || backlog.bytes.is_some_and(|bytes| bytes > limits::SAMPLE_BYTES);
    if !is_long {
        return Ok(None);
    }
    let width = u32::try_from(limits::SAMPLE_MAILS).unwrap_or(u32::MAX);
    let listed = session.list(uid_next.saturating_sub(width).max(1), u32::MAX)?;
    let mut left = limits::SAMPLE_BYTES;
    let mut chosen: Vec<Listed> = Vec::new();
    for mail in listed.into_iter().rev() {
        // One at least, whatever its size.
        let Some(rest) = left.checked_sub(mail.size).or(chosen.is_empty().then_some(0)) else {
            break;
        };
        left = rest;
        chosen.push(mail);
    }
    chosen.reverse();
    let began = clock.now();
    let (mut mails, mut bytes) = (0_u64, 0_u64);
    let mut fetch = session.fetch(&chosen, Pace::default());
    while let Some(arrival) = fetch.next()? {
        if let Arrival::Message(mut body) = arrival {
            let length = body.length();
            while body.chunk()?.is_some() {}
            if body.finish()?.is_some() {
                mails = mails.saturating_add(1);
                bytes = bytes.saturating_add(length);
            }
        }
    }
    drop(fetch.end());
    let took = clock.now().saturating_duration_since(began).as_millis();
    Ok((mails > 0).then(|| Sample {
        mails,
        bytes,
        milliseconds: u64::try_from(took).unwrap_or(u64::MAX).max(1),
    }))
}

impl Sample {
    /// By mails or by bytes, whichever takes longer; rounded up.
    fn seconds_for(self, backlog: Backlog, is_gmail: bool) -> u64 {
        let by = |amount: u64, sampled: u64| {
            let milliseconds = u128::from(amount).saturating_mul(u128::from(self.milliseconds));
            let seconds = milliseconds.div_ceil(u128::from(sampled.max(1)).saturating_mul(1000));
            u64::try_from(seconds).unwrap_or(u64::MAX)
        };
        let bytes = backlog
            .bytes
            .or_else(|| share(self.bytes, backlog.mails, self.mails))
            .unwrap_or_default();
        let days = if is_gmail {
            bytes.div_euclid(limits::GMAIL_DAY)
        } else {
            0
        };
        by(backlog.mails, self.mails)
            .max(by(bytes, self.bytes))
            .max(days.saturating_mul(24 * 60 * 60))
    }
}

#[cfg(test)]
mod tests {
    use super::{Backlog, Sample, share};
    use crate::limits;

    const SAMPLE: Sample = Sample {
        mails: 100,
        bytes: 1_000_000,
        milliseconds: 500,
    };

    fn seconds(mails: u64, bytes: Option<u64>, is_gmail: bool) -> u64 {
        let exact = true;
        SAMPLE.seconds_for(Backlog { mails, bytes, exact }, is_gmail)
    }

    #[test]
    fn the_slower_of_mails_and_bytes_tells_how_long_it_takes() {
        assert_eq!(seconds(1000, Some(1_000_000), false), 5);
        assert_eq!(seconds(100, Some(20_000_000), false), 10);
        assert_eq!(seconds(100_000, None, false), 500, "sizes are taken from the sample");
        assert_eq!(seconds(1, Some(1), false), 1, "rounded up");
        assert_eq!(seconds(u64::MAX, Some(u64::MAX), false), u64::MAX / 200 + 1);
    }

    #[test]
    fn gmail_has_its_own_day() {
        let bytes = limits::GMAIL_DAY * 3;
        assert_eq!(seconds(1, Some(bytes), true), 3 * 86_400);
        assert_eq!(seconds(1, Some(bytes), false), 3750);
    }

    #[test]
    fn a_part_has_its_share_of_the_bytes() {
        assert_eq!(share(1000, 1, 4), Some(250));
        assert_eq!(share(u64::MAX, 2, 2), Some(u64::MAX));
        assert_eq!(share(1, 0, 0), None);
    }
}
