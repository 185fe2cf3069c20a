//! Files beside mails: `MimeKit`, `GMime` and zbateson keep what encoded content and fragments come out as.

use std::fs;

use crate::reading::read;
use crate::set::Set;
use crate::shared::{files_below, shared};

const GMIME: &str = "jstedfast+gmime/tests/data";
const MIMEKIT: &str = "jstedfast+MimeKit/UnitTests/TestData";

/// A file that is content in a transfer encoding, and the file that it decodes to.
const ENCODED: [(&str, &str, &str, &str); 6] = [
    (GMIME, "encodings/photo.b64", "base64", "encodings/photo.jpg"),
    (GMIME, "encodings/photo.uu", "x-uuencode", "encodings/photo.jpg"),
    (
        GMIME,
        "encodings/wikipedia.qp",
        "quoted-printable",
        "encodings/wikipedia.txt",
    ),
    (MIMEKIT, "encoders/photo.b64", "base64", "encoders/photo.jpg"),
    (MIMEKIT, "encoders/photo.uu", "x-uuencode", "encoders/photo.jpg"),
    (
        MIMEKIT,
        "encoders/wikipedia.qp",
        "quoted-printable",
        "encoders/wikipedia.txt",
    ),
];

/// Text in a charset, and the same in UTF-8.
const CHARSETS: [(&str, &str, &str); 6] = [
    ("chinese.big5.txt", "big5", "chinese.utf-8.txt"),
    ("cyrillic.cp1251.txt", "cp1251", "cyrillic.utf-8.txt"),
    ("cyrillic.iso-8859-5.txt", "iso-8859-5", "cyrillic.utf-8.txt"),
    ("cyrillic.koi8-r.txt", "koi8-r", "cyrillic.utf-8.txt"),
    ("japanese.iso-2022-jp.txt", "iso-2022-jp", "japanese.utf-8.txt"),
    ("japanese.shift-jis.txt", "shift_jis", "japanese.utf-8.txt"),
];

#[test]
fn what_is_encoded_there_decodes_to_what_it_was() {
    let Some(corpus) = shared("corpus") else { return };
    let mut set = Set::new("pairs");
    for (folder, encoded, encoding, decoded) in ENCODED {
        let content = |file: &str| fs::read(corpus.join(folder).join(file)).unwrap();
        let header = format!("Content-Type: image/jpeg\nContent-Transfer-Encoding: {encoding}\n\n");
        let ours = read(&[header.as_bytes(), &content(encoded)].concat()).root.content;
        let file = format!("{folder}/{encoded}");
        set.ask(&file, "decoded", &content(decoded), &ours);
    }
    for (file, charset, unicode) in CHARSETS {
        let content = |file: &str| fs::read(corpus.join(GMIME).join("filters").join(file)).unwrap();
        let header = format!("Content-Type: text/plain; charset={charset}\n\n");
        let ours = read(&[header.as_bytes(), &content(file)].concat()).root.text;
        let theirs = String::from_utf8(content(unicode)).unwrap();
        set.ask(file, "text", &Some(theirs), &ours);
    }
    // One part with its header, as GMime writes it.
    for file in ["raptors.b64.txt", "raptors.uu.txt"] {
        let folder = corpus.join(GMIME).join("mime-part");
        let ours = read(&fs::read(folder.join(file)).unwrap()).root;
        set.ask(
            file,
            "decoded",
            &fs::read(folder.join("raptors.png")).unwrap(),
            &ours.content,
        );
        set.ask(file, "name", &Some("raptors.png".to_owned()), &ours.file_name);
    }
    set.finish();
}

/// A mail in three fragments (RFC 2046, 5.2.2): each is flagged, and their contents, joined, are the mail.
#[test]
fn fragments_joined_are_the_mail_that_was_cut() {
    let Some(corpus) = shared("corpus") else { return };
    let mut set = Set::new("fragments");
    for (folder, whole) in [
        (
            format!("{GMIME}/partial/input/photo-discuss"),
            format!("{GMIME}/partial/output/photo-discuss"),
        ),
        (
            format!("{MIMEKIT}/partial"),
            format!("{MIMEKIT}/partial/message-partial.eml"),
        ),
    ] {
        let mut joined = Vec::new();
        for number in 0..3 {
            let fragment = corpus.join(&folder).join(format!("message-partial.{number}.eml"));
            let fragment = read(&fs::read(fragment).unwrap());
            let flag = "high message_partial".to_owned();
            set.ask(
                &folder,
                &format!("fragment {number}"),
                &true,
                &fragment.flags.contains(&flag),
            );
            joined.extend(fragment.root.content);
        }
        let theirs = read(&fs::read(corpus.join(&whole)).unwrap()).root;
        let ours = read(&joined).root;
        set.ask(&folder, "structure", &theirs.shape(), &ours.shape());
        for (theirs, ours) in theirs.all().into_iter().zip(ours.all()) {
            set.ask(
                &folder,
                &format!("{} content", ours.path),
                &theirs.content,
                &ours.content,
            );
        }
    }
    set.finish();
}

/// zbateson/mail-mime-parser keeps what its mails contain beside them: for every mail, the parts that are one of those
/// files, line ends aside.
#[test]
fn the_files_that_zbateson_expects() {
    let Some(folder) = shared("corpus/zbateson+mail-mime-parser/tests/_data/emails") else {
        return;
    };
    let mut set = Set::new("zbateson");
    let mut files = Vec::new();
    for file in files_below(&folder.join("files")) {
        let file = fs::read(&file).unwrap();
        files.push(bare(&file));
        // Their texts are in ISO 8859-1, which numbers characters as Unicode does.
        let text: String = file.iter().copied().map(char::from).collect();
        files.push(bare(text.as_bytes()));
    }
    let mut found = 0;
    for mail in files_below(&folder) {
        if mail.parent() != Some(&folder) || mail.extension().is_none_or(|end| end != "txt") {
            continue;
        }
        let ours = read(&fs::read(&mail).unwrap()).root;
        let mut contents = Vec::new();
        for node in ours.all() {
            contents.extend(node.text.as_ref().map(|text| bare(text.as_bytes())));
            contents.push(bare(&node.content));
            contents.extend(node.enclosed.iter().map(|file| bare(file)));
        }
        contents.sort();
        contents.dedup(); // text and content of one part
        let there = contents.iter().filter(|content| files.contains(content)).count();
        found += there;
        let name = mail.file_name().unwrap().to_str().unwrap();
        set.ask(name, "has a file", &true, &(there > 0));
    }
    println!("zbateson: {found} contents are the files beside the mails");
    set.finish();
}

/// Without line ends and white space: mails wrap their texts.
fn bare(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.retain(|byte| !byte.is_ascii_whitespace());
    bytes
}
