//! Files of the original: what runs unchanged, and what is told or refused because mailtap does otherwise.

use super::super::from_bytes;
use super::{CANARY, arguments, home, load, refused, with, with_options};

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

#[test]
fn other_adapters_beside_imap_are_left_alone_and_told() {
    let text = format!(
        "syslog: {{port: 514, password: canary-hunter2}}\n{}sqs-files: [x]\ns3: ~\ncloud: {{oid: o, conf_guid: ''}}\n",
        with(&[])
    );
    let loaded = load(&text).unwrap();
    let told = ["1:1: syslog", "7:1: sqs-files", "9:1: cloud"];
    let told = told.map(|key| format!("c.yaml:{key}: has no effect; mailtap is only the imap adapter"));
    assert_eq!(loaded.notices, told);
    assert_eq!(loaded.adapters, load(&with(&[])).unwrap().adapters);
    // Arguments are all about the mailbox.
    assert_eq!(arguments(&["syslog.port=514"]).unwrap_err(), "syslog: unknown key");
}

#[test]
fn a_configuration_that_the_cloud_keeps_is_pointed_to_its_command() {
    let cloud = "cloud: {oid: o, conf_guid: canary-hunter2, show_config: true}\n";
    let reason = "cloud: names a configuration that LimaCharlie keeps, which runs instead of a file's: use `mailtap cloud \
                  conf_guid=… oid=…`";
    assert_eq!(refused(cloud), format!("c.yaml:1:1: {reason}"));
    assert_eq!(refused("cloud: {oid: o}\n"), format!("c.yaml:1:1: {reason}"));
    assert_eq!(
        refused(&format!("{}{cloud}", with(&[]))),
        format!("c.yaml:6:1: {reason}")
    );
}

#[test]
fn a_proxy_of_the_environment_has_no_effect_and_is_named_without_its_value() {
    let notices = |name: &'static str, value: &str, options: &str| {
        let environment = |asked: &str| match asked {
            asked if asked == name => Some(value.to_owned()),
            asked => home(asked),
        };
        from_bytes("c.yaml", with_options(options).as_bytes(), &environment)
            .unwrap()
            .notices
    };
    let proxy = format!("http://u:{CANARY}@proxy.example:3128");
    let (webhook, limacharlie) = (
        "dest_url: 'https://x/', identity: {oid: o}",
        "platform: email, identity: {oid: o, installation_key: k}",
    );
    for name in ["HTTPS_PROXY", "https_proxy"] {
        for options in [webhook, limacharlie] {
            assert_eq!(
                notices(name, &proxy, options),
                [format!(
                    "c.yaml:5:19: imap.client_options.proxy.url: is not set, and {name} has no effect here: set \
                     client_options.proxy.url"
                )]
            );
        }
    }
    let with_proxy = format!("{webhook}, proxy: {{url: 'http://proxy.example:3128'}}");
    for (name, value, options) in [
        ("HTTPS_PROXY", "", webhook),
        ("HTTPS_PROXY", proxy.as_str(), with_proxy.as_str()),
        ("HTTPS_PROXY", proxy.as_str(), "dest_url: 'stdout:'"),
        ("HTTP_PROXY", proxy.as_str(), webhook),
    ] {
        assert_eq!(notices(name, value, options), [""; 0], "{name} {options}");
    }
}

#[test]
fn the_case_of_keys_is_no_matter_in_json_and_arguments() {
    let options =
        "dest_url: 'https://x/', identity: {oid: o}, headers: {X-A: a, x-B: b}, mappings: [{event_type_path: e}]";
    let expected = load(&with_options(options)).unwrap().adapters;
    let json = r#"{"IMAP": {"Server": "imap.example.com", "UserName": "journal", "PASSWORD": "canary-hunter2", "Client_Options":
        {"Dest_URL": "https://x/", "IDENTITY": {"OID": "o"}, "Headers": {"X-A": "a", "x-B": "b"}, "mappings":
        [{"Event_Type_Path": "e"}]}}, "Syslog": {}, "CLOUD": {"OID": "o", "Show_Config": true}}"#;
    let loaded = load(json).unwrap();
    assert_eq!(loaded.adapters, expected);
    assert_eq!(loaded.notices.len(), 2, "{:?}", loaded.notices);
    assert!(loaded.notices[0].ends_with("cloud: has no effect; mailtap is only the imap adapter"));
    let loaded = arguments(&[
        "SERVER=imap.example.com",
        "UserName=journal",
        "password=canary-hunter2",
        "Client_Options.Dest_URL=https://x/",
        "client_options.IDENTITY.oid=o",
        "client_options.Headers.X-A=a",
        "client_options.headers.x-B=b",
        "client_options.Mappings[0].Event_Type_Path=e",
    ]);
    assert_eq!(loaded.unwrap().adapters, expected);
    assert_eq!(
        refused("{\"imap\": {\"server\": \"a\",\n\"Server\": \"canary-hunter2\"}}"),
        "c.yaml:2:1: `server` is set twice"
    );
    assert_eq!(
        arguments(&["server=a", "SERVER=canary-hunter2"]).unwrap_err(),
        "SERVER: is set twice"
    );
    assert!(refused("{\"Imap\": {\"Severs\": 1}}").ends_with("imap.Severs: unknown key; did you mean `imap.server`?"));
}
