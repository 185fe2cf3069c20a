//! Where to go on: what the checkpoint remembers, compared with what the mailbox says now. Pure.

/// How far a mailbox has been delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The UIDVALIDITY that gives `next_uid` its meaning.
    pub uid_validity: u32,
    /// Everything below this UID has been acknowledged, or was reported as a gap. One more than the highest UID is
    /// possible: UIDs have 32 bits, this has more.
    pub next_uid: u64,
}

/// What to do with a mailbox that was just opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Go on at this UID.
    GoOn(u64),
    /// First run: deliver what comes from now on, which will have this UID or a higher one.
    FromNow(u64),
    /// First run: deliver everything.
    FromZero,
    /// The mailbox ends at this UID, below what was delivered (a server restored from a backup, say): the UIDs from
    /// here on are given again, against RFC 3501, and what comes under them is new.
    GoBack(u64),
    /// UIDVALIDITY is another (RFC 3501, 2.3.1.1): remembered UIDs mean nothing. Everything is delivered again, because
    /// nothing tells which of these mails were: repeats, never loss.
    Renumbered {
        /// UIDVALIDITY as remembered.
        before: u32,
    },
}

impl Resume {
    /// The lowest UID that is not yet delivered.
    pub fn next_uid(self) -> u64 {
        match self {
            Resume::GoOn(uid) | Resume::FromNow(uid) | Resume::GoBack(uid) => uid,
            Resume::FromZero | Resume::Renumbered { .. } => 1,
        }
    }
}

/// Compares `remembered` with the mailbox's `uid_validity` and `uid_next` of now. No mail may have `uid_next` or a higher
/// UID: going back to it then repeats nothing.
pub fn resume(remembered: Option<Position>, uid_validity: u32, uid_next: u64, from_zero: bool) -> Resume {
    match remembered {
        Some(position) if position.uid_validity == uid_validity && uid_next < position.next_uid => {
            Resume::GoBack(uid_next.max(1))
        }
        Some(position) if position.uid_validity == uid_validity => Resume::GoOn(position.next_uid),
        Some(position) => Resume::Renumbered {
            before: position.uid_validity,
        },
        None if from_zero => Resume::FromZero,
        None => Resume::FromNow(uid_next.max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Position, Resume, resume};

    const REMEMBERED: Option<Position> = Some(Position {
        uid_validity: 7,
        next_uid: 54,
    });

    #[test]
    fn the_first_start_is_from_now_or_from_zero() {
        assert_eq!(resume(None, 7, 54, false), Resume::FromNow(54));
        assert_eq!(resume(None, 7, 54, true), Resume::FromZero);
        assert_eq!(resume(None, 7, 0, false).next_uid(), 1, "UIDNEXT 0, as Courier says it");
    }

    #[test]
    fn a_restart_goes_on_where_it_was_whatever_from_zero_says() {
        assert_eq!(resume(REMEMBERED, 7, 60, false), Resume::GoOn(54));
        assert_eq!(resume(REMEMBERED, 7, 60, true), Resume::GoOn(54));
        assert_eq!(resume(REMEMBERED, 7, 54, false), Resume::GoOn(54));
    }

    #[test]
    fn uidnext_goes_down() {
        assert_eq!(resume(REMEMBERED, 7, 53, false), Resume::GoBack(53));
        assert_eq!(resume(REMEMBERED, 7, 0, true).next_uid(), 1);
    }

    #[test]
    fn uidvalidity_changes() {
        let changed = resume(REMEMBERED, 8, 3, false);
        assert_eq!(changed, Resume::Renumbered { before: 7 });
        assert_eq!(changed.next_uid(), 1);
    }
}
