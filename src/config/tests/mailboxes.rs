//! `inbox_names` and `max_connections`.

use super::{adapter, arguments, load, refused, with};
use crate::imap::action::Action;
use crate::imap::mailbox_name::MailboxName;
use crate::imap::wanted::Wanted;

fn name(name: &str) -> Wanted {
    Wanted::Name(MailboxName::new(name))
}

#[test]
fn names_patterns_and_uses_are_told_apart_and_a_repeat_is_one() {
    let expected = vec![
        name("INBOX"),
        Wanted::Pattern(MailboxName::new("Journal/*")),
        Wanted::Use("\\All"),
    ];
    let text = with(&["inbox_names: [inbox, 'Journal/*', '\\all', INBOX, '']"]);
    assert_eq!(adapter(&text).mailboxes, expected);
    let loaded = arguments(&[
        "server=imap.example.com",
        "username=journal",
        "password=canary-hunter2",
        "inbox_names[0]=INBOX",
        "inbox_names[1]=Journal/*",
        "inbox_names[2]=\\All",
        "client_options.dest_url=stdout:",
    ]);
    assert_eq!(loaded.unwrap().adapters[0].mailboxes, expected);
}

#[test]
fn inbox_name_is_a_name_whatever_it_holds() {
    for verbatim in ["a*b", "%", "\\All"] {
        assert_eq!(
            adapter(&with(&[&format!("inbox_name: '{verbatim}'")])).mailboxes,
            [name(verbatim)]
        );
    }
}

#[test]
fn a_list_that_names_no_mailbox_says_as_much_as_its_absence() {
    for none in [
        "inbox_names:",
        "inbox_names: []",
        "inbox_names: ['']",
        "inbox_names: [\"\\n\"]",
    ] {
        assert_eq!(adapter(&with(&[none])).mailboxes, [name("INBOX")], "{none}");
        assert_eq!(
            adapter(&with(&["inbox_name: A", none])).mailboxes,
            [name("A")],
            "{none}"
        );
    }
}

#[test]
fn both_keys_or_an_unknown_use_are_refused() {
    let both = refused(&with(&["inbox_name: A", "inbox_names: [B]"]));
    assert!(both.contains("imap.inbox_names: inbox_name is set as well"), "{both}");
    let unknown = refused(&with(&["inbox_names: ['\\Inbox']"]));
    assert!(
        unknown.contains("imap.inbox_names") && unknown.contains("\\Junk"),
        "{unknown}"
    );
    let text = refused(&with(&["inbox_names: INBOX"]));
    assert!(text.contains("expected a list"), "{text}");
    let again = format!("{}---\n{}", with(&["inbox_names: [A, B]"]), with(&["inbox_name: B"]));
    assert!(load(&again).unwrap_err().contains("an earlier document"));
}

#[test]
fn one_name_keeps_the_host_name_and_several_have_their_own() {
    let host_name = |line: &str| {
        let text = with(&[line, "client_options: {dest_url: 'stdout:', hostname: collector}"]);
        adapter(&text).host_name(&MailboxName::new("Journal/été"))
    };
    for (line, expected) in [
        ("inbox_name: Journal/été", "collector"),
        ("inbox_names: [Journal/été]", "collector"),
        ("inbox_names: [Journal/été, INBOX]", "Journal/été"),
        ("inbox_names: ['Journal/*']", "Journal/été"),
        ("inbox_names: ['\\Archive']", "Journal/été"),
    ] {
        assert_eq!(host_name(line), expected, "{line}");
    }
}

#[test]
fn there_is_at_least_one_connection() {
    assert_eq!(adapter(&with(&["max_connections: 1"])).max_connections, 1);
    assert!(refused(&with(&["max_connections: 0"])).contains("imap.max_connections: at least 1"));
}

#[test]
fn mails_are_not_moved_into_a_mailbox_that_is_watched() {
    let destination = |lines: &[&str]| adapter(&with(lines)).after_delivery;
    let done = Some(Action::Move(MailboxName::new("Done")));
    assert_eq!(destination(&["after_delivery: 'move:Done'"]), done);
    // A pattern leaves it out.
    assert_eq!(
        destination(&["after_delivery: 'move:Done'", "inbox_names: ['*']"]),
        done
    );
    for lines in [
        &["after_delivery: 'move:inbox'"][..],
        &["after_delivery: 'move:Done'", "inbox_names: [INBOX, Done]"],
        &["after_delivery: purge"],
        &["after_delivery: 'flag:\\Deleted'"],
    ] {
        let error = refused(&with(lines));
        assert!(error.contains("imap.after_delivery: "), "{error}");
    }
    assert_eq!(destination(&["after_delivery: keep"]), None);
    assert_eq!(destination(&["after_delivery: ''"]), None);
}
