use super::{Declared, Nature, Place};
use crate::limits;
use crate::mime::header::Outline;
use crate::mime::transfer::Encoding;

fn read(block: &str) -> (Declared, Vec<&'static str>) {
    let block = block.as_bytes();
    let outline = Outline::new(block, &mut None);
    let declared = Declared::read(outline.fields(block), Place::Ordinary, None);
    let repeated = declared.repeated.iter().map(|repeated| &repeated.flag);
    let mut flags: Vec<_> = declared
        .flags
        .iter()
        .map(|(flag, _)| flag)
        .chain(repeated)
        .map(|flag| flag.name())
        .collect();
    flags.sort_unstable();
    flags.dedup();
    (declared, flags)
}

#[test]
fn ordinary_headers_raise_nothing() {
    for block in [
        "",
        "Content-Type: text/plain; charset=\"utf-8\"; format=flowed\n",
        "Content-Type: multipart/mixed;\r\n\tboundary=\"----=_NextPart_000_01\"\r\n",
        "Content-Type: application/pdf; name=\"=?utf-8?Q?a?=\"\nContent-Disposition: attachment;\n filename=\"=?utf-8?Q?a?=\"\nContent-Transfer-Encoding: BASE64\n",
        "Content-Type: multipart/mixed; boundary=\"Boundary_(ID_KtnWPrc+/)\"\n",
        "From: a@b\nTo: x\nSubject: y\nReceived: a\nReceived: b\n",
        "Content-Type: application/octet-stream; name=a.eml\nContent-Transfer-Encoding: base64\n",
        "Content-Type: application/x-mail; name=a.eml\n",
        "Content-Type: multipart/mixed; boundary=a=b\n",
        "Content-Type: multipart/alternative; boundary=\"=_alternative 006246DF86258443_=\"\n",
        "Content-Type: a/b; name=x\nContent-Disposition: attachment; filename=x; name=x\nContent-Name: y\n",
        "Content-Disposition: attachment; name=x\nContent-Description: y\nContent-Name:\n",
        "Content-Type: a/b; name=\"=?iso-2022-jp?B?GyRCN1cbKEIuaHRtbA==?=\"\n",
        "Content-Type: application/x-unknown-content-type; name=a.eml\nContent-Transfer-Encoding: base64\n",
    ] {
        assert_eq!(read(block).1, Vec::<&str>::new(), "{block}");
    }
}

#[test]
fn what_can_be_read_two_ways_is_flagged() {
    for (block, expected) in [
        (
            "Content-Type: text/plain\nContent-Type: text/html\n",
            "conflict_header:content-type",
        ),
        ("Subject: a\nSubject: b\n", "conflict_header:subject"),
        (
            "Content-Type: multipart/mixed; boundary=a; boundary=b\n",
            "conflict_param:boundary",
        ),
        ("Content-Type: multipart/mixed\n", "multipart_no_boundary"),
        ("Content-Type: text\n", "ct_malformed"),
        ("Content-Type: text/plain; boundary=b\n", "boundary_elsewhere"),
        ("Content-Type: multi(c)part/mixed; boundary=b\n", "value_comment"),
        ("Content-Type: multipart/mixed; boundary=\"a;b\"\n", "boundary_odd"),
        (
            "Content-Type: multipart/mixed; boundary==?utf-8?Q?b?=\n",
            "param_rfc2047",
        ),
        (
            "Content-Type: a/b; name=x\nContent-Disposition: attachment; filename=y\n",
            "conflict_param:filename",
        ),
        ("Content-Type: multipart/mixed; boundary*=''b\n", "param_rfc2231"),
        ("Content-Type: multipart/mixed; boundary==b\n", "boundary_odd"),
        (
            "Content-Type: multipart/mixed; boundary=b; name=a.exe\n",
            "multipart_named",
        ),
        (
            "Content-Type: multipart/appledouble; boundary=b\nContent-Disposition: attachment; filename=a.exe\n",
            "multipart_named",
        ),
        (
            "Content-Type: application/octet-stream; name=\"a.EML \"\n",
            "message_other",
        ),
        (
            "Content-Disposition: inline; filename==?utf-8?Q?a.eml?=\n",
            "message_other",
        ),
        (
            "Content-Type: application/x-unknown-content-type; name=a.eml\n",
            "message_other",
        ),
        (
            "Content-Type: application/octet-stream; name=a.eml\nContent-Transfer-Encoding: quoted-printable\n",
            "message_other",
        ),
        (
            "Content-Disposition: attachment; filename=a.pdf; name=a.exe\n",
            "conflict_param:filename",
        ),
        (
            "Content-Type: a/b; name=a.pdf\nContent-Disposition: attachment; name=a.exe\n",
            "conflict_param:filename",
        ),
        (
            "Content-Type: application/octet-stream\nContent-Name: a.eml\n",
            "conflict_param:filename",
        ),
        (
            "Content-Type: a/b\nX-Sun-Data-Name: a.html\n",
            "conflict_param:filename",
        ),
        (
            "Content-Type: a/b\nX-Mozilla-External-Attachment-URL: https://h.example/a.exe\n",
            "external_body",
        ),
        (
            "Content-Type: multipart/mixed; boundary=\"=_mixed z_=\"\n",
            "boundary_odd",
        ),
        ("Content-Transfer-Encoding: x-base64\n", "cte_unknown"),
        ("Content-Transfer-Encoding: bas\r\n e64\n", "cte_split"),
        ("Content-Transfer-Encoding: x-uuencode\n", "embedded_encoding"),
        ("Content-Transfer-Encoding: x-yenc\n", "embedded_encoding"),
        ("Content-Transfer-Encoding: mac-BinHex40\n", "embedded_encoding"),
        ("Content-Type: application/mac-binhex40\n", "embedded_encoding"),
        ("Content-Transfer-Encoding: bas(x)e64\n", "value_comment"),
        ("Content-Type: multipart/mixed; boundary=\"b--\"\n", "boundary_odd"),
        ("Content-Type: multipart/mixed; boundary=\"b,c\"\n", "boundary_odd"),
        ("Content-Type: multipart/mixed; boundary=\"b(c\"\n", "boundary_odd"),
        ("Content-Type: multipart/mixed; boundary=\" b\"\n", "boundary_odd"),
        (
            "Content-Type: multipart/mixed; boundary=\"----- =_aaaaaaaaaa0\"\n",
            "boundary_odd",
        ),
        ("Content-Disposition: attachment; filename='a.txt'\n", "param_quote"),
        (
            "Content-Disposition: attachment; filename*1=b; filename*0=a\n",
            "param_rfc2231",
        ),
        ("Content-Type: message/partial; id=1\n", "message_partial"),
        ("Content-Type: message/external-body; access-type=x\n", "external_body"),
    ] {
        assert!(read(block).1.contains(&expected), "{block}: {:?}", read(block).1);
    }
}

#[test]
fn a_field_that_may_be_there_once_is_flagged_each_time_it_comes_again() {
    let block = "Cc: a\nFrom: a@b\nCC: b\nFrom: a@b\nX: 1\ncc: c\nFrom: c@d\n";
    let (declared, _) = read(block);
    let repeated = declared.repeated.iter();
    let repeated: Vec<_> = repeated
        .map(|again| (again.flag.name(), again.at, again.count))
        .collect();
    assert_eq!(repeated, [("dup_header", 16, 3), ("conflict_header:from", 43, 1)]);
    for name in [
        "Date",
        "Sender",
        "Reply-To",
        "Bcc",
        "In-Reply-To",
        "References",
        "Subject",
    ] {
        assert_eq!(read(&format!("{name}: a\n{name}:  a\n")).1, ["dup_header"], "{name}");
    }
}

#[test]
fn names_in_two_forms_are_compared_in_their_charset() {
    let koi8 = |disposition: &[u8], charset: Option<&[u8]>| {
        let name = b"Content-Type: a/b; name=\"=?koi8-r?B?xsHKzA==?=\"\nContent-Disposition: attachment; ";
        let block = [&name[..], disposition, b"\n"].concat();
        let outline = Outline::new(&block, &mut None);
        let declared = Declared::read(outline.fields(&block), Place::Ordinary, charset);
        declared
            .flags
            .iter()
            .any(|(flag, _)| flag.name() == "conflict_param:filename")
    };
    assert!(!koi8(b"filename=\xc6\xc1\xca\xcc", Some(b"koi8-r")));
    assert!(koi8(b"filename=\xc6\xc1\xca\xcd", Some(b"koi8-r")));
    assert!(koi8(b"filename=\xc6\xc1\xca\xcc", None));
    assert!(!koi8(
        b"filename=\xc6\xc1\xca\xcc; filename*=koi8-r''%C6%C1%CA%CC",
        None
    ));
}

#[test]
fn a_misspelt_multipart_is_still_read_as_one() {
    for value in [
        "ultipart/mixed",
        "x-multipart/mixed",
        "boundary=b; x/y",
        ": multipart/mixed",
        "multi\\part/mixed",
    ] {
        let (declared, _) = read(&format!("Content-Type: {value}; boundary=b\n"));
        assert_eq!(declared.nature, Nature::Multipart(Some(b"b".to_vec())), "{value}");
    }
    assert_eq!(read("Content-Type: text/plain; boundary=b\n").0.nature, Nature::Leaf);
}

#[test]
fn the_first_transfer_encoding_that_is_one_counts() {
    for (block, expected) in [
        (
            "Content-Transfer-Encoding: \nContent-Transfer-Encoding: base64\n",
            Encoding::Base64,
        ),
        (
            "Content-Transfer-Encoding: quoted-printable\nContent-Transfer-Encoding: base64\n",
            Encoding::QuotedPrintable,
        ),
        (
            "Content-Transfer-Encoding: junk\nContent-Transfer-Encoding: base64\n",
            Encoding::Base64,
        ),
        ("Content-Transfer-Encoding: \"base64\"\n", Encoding::Base64),
        ("Content-Transfer-Encoding: base64 (comment)\n", Encoding::Base64),
        ("Content-Transfer-Encoding: bas\n e64\n", Encoding::Base64),
        ("Content-Transfer-Encoding: =?utf-8?B?YmFzZTY0?=\n", Encoding::Base64),
        ("Content-Transfer-Encoding: x-qp\n", Encoding::QuotedPrintable),
        ("Content-Transfer-Encoding: quoted\n", Encoding::QuotedPrintable),
        ("Content-Transfer-Encoding: 8-bit\n", Encoding::Identity),
    ] {
        assert_eq!(read(block).0.encoding, expected, "{block}");
    }
}

#[test]
fn more_parameters_than_are_read_are_flagged() {
    for (count, flagged) in [(limits::PARAMETERS, false), (limits::PARAMETERS + 1, true)] {
        let parameters: Vec<_> = (0..count).map(|number| format!("; p{number}=v")).collect();
        let (_, flags) = read(&format!("Content-Type: text/plain{}\n", parameters.concat()));
        assert_eq!(flags.contains(&"limit_header"), flagged, "{count}");
    }
}
