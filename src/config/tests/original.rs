//! Files of the original: what runs unchanged, and what is told or refused because mailtap does otherwise.

use super::{arguments, load, refused, with};

#[test]
fn a_filter_is_refused_and_none_is_no_matter() {
    let reason =
        "every mail is delivered here, none is filtered out: filter by rules in LimaCharlie, and remove `filters`";
    for filters in [
        "[{type: regex, pattern: canary-hunter2}]",
        "[{type: gjson, path: a.b, pattern: canary-hunter2}, {}]",
    ] {
        for mode in ["", "filter_mode: include"] {
            let error = refused(&with(&[&format!("filters: {filters}"), mode]));
            assert_eq!(error, format!("c.yaml:5:12: imap.filters: {reason}"));
        }
    }
    let given = [
        "server=a",
        "username=u",
        "password=p",
        "client_options.dest_url=stdout:",
    ];
    let filtered = [&given[..], &["filters[0].type=regex", "filters[0].pattern=x"]].concat();
    assert_eq!(arguments(&filtered).unwrap_err(), format!("filters: {reason}"));
    for filters in ["filters: []", "filters:", "filter_mode: ''"] {
        assert_eq!(load(&with(&[filters])), load(&with(&[])), "{filters}");
    }
    let loaded = load(&with(&["filters: []", "filter_mode: exclude"])).unwrap();
    assert_eq!(
        loaded.notices,
        ["c.yaml:6:16: imap.filter_mode: has no effect: mails are not filtered"]
    );
    assert_eq!(loaded.adapters, load(&with(&[])).unwrap().adapters);
}
