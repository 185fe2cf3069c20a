//! Row 13: a checkpoint that is corrupt, truncated, empty or from a newer version; two processes on one folder.

use std::fs;

use super::{ends_well, nothing_comes_again, with_lines};

#[test]
fn matrix_13_a_checkpoint_that_cannot_be_read_stops_its_mailbox_and_is_never_a_first_start() {
    with_lines(|mut line| {
        line.deliver(5);
        assert!(line.once().status().unwrap().success());
        let file = line.file("json");
        let right = fs::read(&file).unwrap();
        let text = String::from_utf8(right.clone()).unwrap();
        let newer = text.replacen("\"version\":2", "\"version\":3", 1);
        assert_ne!(newer, text);
        line.deliver(2);
        for (damaged, told) in [
            (&right[..right.len() / 2], "damaged"),
            (&right[..1], "damaged"),
            (b"", "damaged"),
            (&[0; 200], "damaged"),
            (newer.as_bytes(), "newer"),
        ] {
            fs::write(&file, damaged).unwrap();
            let output = line.once().stderr(std::process::Stdio::piped()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains(file.to_str().unwrap()) && said.contains(told), "{said}");
            assert_eq!(line.destination.events().len(), 5, "{told}");
            assert_eq!(fs::read(&file).unwrap(), damaged, "it is left to the operator");
        }
        fs::write(&file, right).unwrap();
        nothing_comes_again(&line);
    });
}

#[test]
fn matrix_13_a_second_process_on_the_folder_says_so_and_stops() {
    with_lines(|mut line| {
        line.deliver(3);
        let first = line.start();
        line.destination.wait_for_events(3);
        let output = line.once().stderr(std::process::Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("state_dir") && said.contains("another mailtap"), "{said}");
        line.deliver(1);
        line.destination.wait_for_events(4);
        ends_well(first);
        // Killed, it leaves no lock behind.
        line.deliver(1);
        line.start().kill();
        nothing_comes_again(&line);
    });
}
