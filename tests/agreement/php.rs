//! The mailparse extension of PHP: a dump of every part's type, names and places.

use std::collections::BTreeMap;
use std::fs;

use crate::expected::Expected;
use crate::set::Set;
use crate::shared::shared;

/// The dump, and the mail. One is compressed there; the same mail stands, plain, among flanker's.
const MAILS: [(&str, &str); 6] = [
    ("mime", "php+pecl-mail-mailparse/tests/testdata/mime.txt"),
    ("multimedia-demo", "mailgun+flanker/tests/fixtures/messages/torture.eml"),
    ("phpcvs1", "php+pecl-mail-mailparse/tests/testdata/phpcvs1.txt"),
    ("qp", "php+pecl-mail-mailparse/tests/testdata/qp.txt"),
    ("rfc2231", "php+pecl-mail-mailparse/tests/testdata/rfc2231.txt"),
    ("uue", "php+pecl-mail-mailparse/tests/testdata/uue.txt"),
];

#[test]
fn the_parts_that_mailparse_expects() {
    let Some(corpus) = shared("corpus") else { return };
    let mut set = Set::new("php");
    for (name, mail) in MAILS {
        let dump = corpus.join("php+pecl-mail-mailparse/tests/testdata").join(name);
        let dump = fs::read_to_string(dump.with_extension("exp")).unwrap();
        let mail = fs::read(corpus.join(mail)).unwrap();
        let mut parts = parts(&dump);
        let root = parts.remove("1").unwrap();
        tree("1", &root, &parts).compare(&mut set, name, &mail);
    }
    set.finish();
}

type Properties<'d> = BTreeMap<&'d str, &'d str>;

/// Number → property → value.
fn parts(dump: &str) -> BTreeMap<&str, Properties<'_>> {
    let mut parts: BTreeMap<&str, Properties<'_>> = BTreeMap::new();
    let mut number = "";
    for line in dump.lines().map(str::trim) {
        if let Some(next) = line.strip_prefix("Part ") {
            number = next;
            parts.insert(number, Properties::new());
        } else if let Some((key, value)) = line.split_once(" => ") {
            // `int(27)` or `string(8) "us-ascii"`
            let value = value.split_once(' ').map_or(value, |(_, text)| text);
            let value = value.trim_start_matches("int(").trim_matches(['"', ')']);
            parts.get_mut(number).unwrap().insert(key, value);
        }
    }
    parts
}

fn tree(number: &str, part: &Properties<'_>, parts: &BTreeMap<&str, Properties<'_>>) -> Expected {
    let place = |key: &str| part[key].parse::<usize>().unwrap();
    let inner = (1..).map_while(|next| {
        let number = format!("{number}.{next}");
        parts.get(number.as_str()).map(|part| tree(&number, part, parts))
    });
    let name = part.get("disposition-filename").or_else(|| part.get("content-name"));
    Expected {
        media_type: part["content-type"].to_ascii_lowercase(),
        place: Some((
            u64::try_from(place("starting-pos")).unwrap(),
            place("starting-pos-body")..place("ending-pos"),
        )),
        file_name: name.map(|name| (*name).to_owned()),
        children: inner.collect(),
    }
}
