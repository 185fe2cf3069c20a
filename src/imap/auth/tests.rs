use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{Credential, Exchange, Fault, Mechanism, Surroundings, choose, scram::Binding, scram::Scram};
use crate::imap::response::{Capabilities, Parsed, Response, read};
use crate::limits;
use crate::secret::Secret;

/// RFC 7677 section 3.
const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn password(password: &str) -> Credential {
    Credential::Password(Secret::new(password.to_owned()))
}

fn token(token: &str) -> Credential {
    Credential::Token(Secret::new(token.to_owned()))
}

const SURROUNDINGS: Surroundings<'_> = Surroundings {
    host: "server.example.com",
    port: 143,
    channel_binding: None,
    offers_binding: false,
    nonce: NONCE,
};

fn exchange(mechanism: Mechanism, username: &str, credential: &Credential) -> Exchange {
    Exchange::new(mechanism, username, credential, &SURROUNDINGS).unwrap()
}

fn decoded(line: &Secret<String>) -> String {
    String::from_utf8(BASE64_STANDARD.decode(line.expose()).unwrap()).unwrap()
}

/// `message` as a challenge; the answer decoded.
fn answer(exchange: &mut Exchange, message: &str) -> Result<String, Fault> {
    let challenge = BASE64_STANDARD.encode(message);
    exchange.answer(challenge.as_bytes()).map(|line| decoded(&line))
}

fn scram() -> Exchange {
    let mut scram = exchange(Mechanism::ScramSha256, "user", &password("pencil"));
    scram.begin();
    scram
}

#[test]
fn the_best_offer_is_taken_and_a_forbidden_login_never_is() {
    use Mechanism::{Login, OAuthBearer, Plain, ScramSha256, ScramSha256Plus, XOAuth2};
    let everything = "IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 AUTH=SCRAM-SHA-256 AUTH=OAUTHBEARER AUTH=SCRAM-SHA-256-PLUS";
    let (password, token) = (password("p"), token("t"));
    for (offer, wanted, credential, bindable, expected) in [
        (everything, None, &password, true, Ok(ScramSha256Plus)),
        (everything, None, &password, false, Ok(ScramSha256)),
        ("SASL-IR AUTH=PLAIN", None, &password, true, Ok(Plain)),
        ("auth=plain LOGINDISABLED", None, &password, false, Ok(Plain)),
        ("AUTH=XOAUTH2", None, &password, false, Ok(Login)),
        ("AUTH=PLAIN-CLIENTTOKEN", None, &password, false, Ok(Login)),
        ("", None, &password, false, Ok(Login)),
        (everything, None, &token, true, Ok(OAuthBearer)),
        ("AUTH=XOAUTH2 AUTH=PLAIN", None, &token, true, Ok(XOAuth2)),
        (everything, Some(Plain), &password, true, Ok(Plain)),
        (everything, Some(Login), &password, true, Ok(Login)),
        (everything, Some(ScramSha256), &password, true, Ok(ScramSha256)),
        (everything, Some(XOAuth2), &token, true, Ok(XOAuth2)),
        (
            "LOGINDISABLED AUTH=GSSAPI AUTH=XOAUTH2",
            None,
            &password,
            false,
            Err("the server offers only GSSAPI, XOAUTH2 on this connection; if \
                 `is_insecure` is set, remove it or set `starttls` instead"),
        ),
        (
            "LOGINDISABLED",
            Some(Login),
            &password,
            false,
            Err("the server offers no way to log in on this connection; `auth` wants LOGIN"),
        ),
        (
            "AUTH=PLAIN",
            None,
            &token,
            false,
            Err(
                "the server offers only PLAIN, the LOGIN command on this connection; `oauth` needs OAUTHBEARER or \
                 XOAUTH2; set `password` instead",
            ),
        ),
        (
            "AUTH=PLAIN",
            Some(ScramSha256),
            &password,
            true,
            Err("the server offers only PLAIN, the LOGIN command on this connection; `auth` wants SCRAM-SHA-256"),
        ),
        (
            everything,
            Some(ScramSha256Plus),
            &password,
            false,
            Err("`auth` wants SCRAM-SHA-256-PLUS, which needs TLS 1.3; this connection has not"),
        ),
    ] {
        let chosen = choose(&capabilities(offer), wanted, credential, bindable);
        assert_eq!(
            chosen.as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|text| *text),
            "{offer} {wanted:?}"
        );
    }
}

fn capabilities(offer: &str) -> Capabilities {
    match read(format!("* CAPABILITY {offer}").as_bytes()) {
        Ok(Parsed::Complete(Response::Capability(capabilities))) => capabilities,
        other => panic!("{offer}: {other:?}"),
    }
}

#[test]
fn every_mechanism_is_found_by_its_name() {
    for mechanism in Mechanism::ALL {
        assert_eq!(Mechanism::named(&mechanism.name().to_lowercase()), Some(mechanism));
    }
    assert_eq!(Mechanism::named("SCRAM-SHA-1"), None);
}

#[test]
fn the_messages_are_those_of_the_rfcs() {
    // RFC 4616 section 4, its second example without the authorization identity.
    let mut plain = exchange(Mechanism::Plain, "Kurt", &password("xipj3plmq"));
    assert_eq!(plain.begin().expose(), "AEt1cnQAeGlwajNwbG1x");
    // RFC 7628 section 4.1.
    let bearer = token("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
    let mut oauthbearer = exchange(Mechanism::OAuthBearer, "user@example.com", &bearer);
    assert_eq!(
        oauthbearer.begin().expose(),
        "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI\
         HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    );
    // Google's documentation of XOAUTH2.
    let bearer = token("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
    let mut xoauth2 = exchange(Mechanism::XOAuth2, "someuser@example.com", &bearer);
    assert_eq!(
        xoauth2.begin().expose(),
        "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
    );
}

#[test]
fn the_conversation_of_rfc_7677_ends_well() {
    let mut scram = exchange(Mechanism::ScramSha256, "user", &password("pencil"));
    // What stands in the request for the first message is for nobody.
    let first = scram.answer(b"not base64 at all").unwrap();
    assert_eq!(decoded(&first), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    assert_eq!(answer(&mut scram, SERVER_FIRST).unwrap(), CLIENT_FINAL);
    assert_eq!(
        scram.conclude(true),
        Err(Fault::Impostor),
        "OK before the server's proof"
    );
    assert_eq!(answer(&mut scram, SERVER_FINAL).unwrap(), "");
    assert_eq!(scram.conclude(true), Ok(()));
    // A question too many changes nothing any more.
    assert_eq!(answer(&mut scram, SERVER_FINAL), Err(Fault::Refused(String::new())));
}

#[test]
fn a_server_that_does_not_know_the_password_is_not_believed() {
    for signature in [
        "v=rmF9pqV8S7suAoZWja4dJRkFsKQrmF9pqV8S7suAoZW=",
        "v=",
        "v=6rri",
        // All bits but the last.
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G8=",
    ] {
        let mut scram = scram();
        answer(&mut scram, SERVER_FIRST).unwrap();
        let fault = answer(&mut scram, signature).unwrap_err();
        assert!(
            matches!(fault, Fault::Impostor | Fault::Malformed(_)),
            "{signature}: {fault:?}"
        );
        assert_eq!(scram.conclude(true), Err(Fault::Impostor), "{signature}");
    }
    let mut scram = scram();
    assert_eq!(scram.conclude(true), Err(Fault::Impostor), "OK without a question");
    answer(&mut scram, SERVER_FIRST).unwrap();
    assert!(answer(&mut scram, SERVER_FIRST).is_err(), "server-first again");
    assert_eq!(scram.conclude(true), Err(Fault::Impostor));
}

#[test]
fn a_message_cut_anywhere_is_no_message() {
    for cut in 0..SERVER_FIRST.len() {
        let mut scram = scram();
        let answered = answer(&mut scram, &SERVER_FIRST[..cut]);
        assert!(
            matches!(answered, Err(Fault::Malformed(_))),
            "{:?}",
            &SERVER_FIRST[..cut]
        );
    }
    for cut in 0..SERVER_FINAL.len() {
        let mut scram = scram();
        answer(&mut scram, SERVER_FIRST).unwrap();
        assert!(answer(&mut scram, &SERVER_FINAL[..cut]).is_err(), "{cut}");
        assert_eq!(scram.conclude(true), Err(Fault::Impostor), "{cut}");
    }
}

#[test]
fn server_first_is_read_strictly() {
    for (message, reason) in [
        (
            "m=ext,r=rOprNGfwEbeRWgbNEkqOx,s=QQ==,i=4096",
            "SCRAM: an attribute is missing or at another place",
        ),
        (
            "s=QQ==,r=rOprNGfwEbeRWgbNEkqOx,i=4096",
            "SCRAM: an attribute is missing or at another place",
        ),
        (
            "r=rOprNGfwEbeRWgbNEkqO,s=QQ==,i=4096",
            "SCRAM: its nonce does not begin with ours and go on",
        ),
        (
            "r=x,s=QQ==,i=4096",
            "SCRAM: its nonce does not begin with ours and go on",
        ),
        (
            "r=rOprNGfwEbeRWgbNEkqO x,s=QQ==,i=4096",
            "SCRAM: its nonce does not begin with ours and go on",
        ),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", "SCRAM: its salt is not base64"),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=!,i=4096", "SCRAM: its salt is not base64"),
        (
            "r=rOprNGfwEbeRWgbNEkqOx,s=QQ==,i=+4096",
            "SCRAM: its iteration count is not a number",
        ),
        (
            "r=rOprNGfwEbeRWgbNEkqOx,s=QQ==,i=0",
            "SCRAM: its iteration count is not a number",
        ),
        (
            "r=rOprNGfwEbeRWgbNEkqOx,s=QQ==,i=99999999999",
            "SCRAM: its iteration count is not a number",
        ),
    ] {
        let fault = answer(&mut scram(), message).unwrap_err();
        assert_eq!(fault, Fault::Malformed(reason.to_owned()), "{message}");
    }
    // Extensions behind what is known may be ignored (RFC 5802 section 5.1).
    assert!(answer(&mut scram(), "r=rOprNGfwEbeRWgbNEkqOx,s=QQ==,i=4096,x=y").is_ok());
}

#[test]
fn iterations_are_bounded_on_both_sides() {
    let bounds = 4096..=5000;
    for (iterations, accepted) in [(4095, false), (4096, true), (5000, true), (5001, false)] {
        let password = Secret::new("pencil".to_owned());
        let scram = Scram::new("user", &password, NONCE, Binding::NotPossible);
        let mut scram = scram.with_iterations(bounds.clone());
        scram.begin();
        let message = format!("r={NONCE}x,s=QQ==,i={iterations}");
        let answered = scram.answer(message.as_bytes());
        assert_eq!(answered.is_ok(), accepted, "{iterations}");
    }
    let fault = answer(&mut scram(), &format!("r={NONCE}x,s=QQ==,i=1")).unwrap_err();
    assert_eq!(
        fault,
        Fault::Malformed("SCRAM: 1 iterations; it must be 4096 to 5000000".to_owned())
    );
    assert_eq!(*limits::SCRAM_ITERATIONS.end(), 5_000_000);
}

#[test]
fn a_challenge_is_bounded() {
    for (length, expected) in [
        (limits::SASL_CHALLENGE, "a challenge that is not base64"),
        (limits::SASL_CHALLENGE + 1, "a challenge of more than 8192 bytes"),
    ] {
        let fault = scram().answer(&vec![b'!'; length]).unwrap_err();
        assert_eq!(fault, Fault::Malformed(expected.to_owned()));
    }
    // The largest there is, of the best kind.
    let whole = BASE64_STANDARD.encode(vec![b' '; limits::SASL_CHALLENGE / 4 * 3]);
    assert_eq!(whole.len(), limits::SASL_CHALLENGE);
    assert!(
        exchange(Mechanism::XOAuth2, "u", &token("t"))
            .answer(whole.as_bytes())
            .is_ok()
    );
}

#[test]
fn a_token_too_long_for_a_command_waits_to_be_asked() {
    // `user=u^Aauth=Bearer T^A^A` in base64.
    for (length, at_once) in [(5_901, true), (5_904, true), (5_905, false)] {
        let mut exchange = exchange(Mechanism::XOAuth2, "u", &token(&"t".repeat(length)));
        let whole = (length + 21).div_ceil(3) * 4;
        assert_eq!(whole <= limits::SASL_INITIAL, at_once);
        let first = exchange.begin_at_once();
        assert_eq!(first.is_some(), at_once, "{whole}");
        let message = first.unwrap_or_else(|| exchange.answer(b"").unwrap());
        assert_eq!(message.expose().len(), whole);
    }
}

#[test]
fn a_name_cannot_become_another_attribute() {
    let mut scram = exchange(Mechanism::ScramSha256, "a,r=b=2C", &password("p"));
    assert_eq!(decoded(&scram.begin()), format!("n,,n=a=2Cr=3Db=3D2C,r={NONCE}"));
    let mut bearer = exchange(Mechanism::OAuthBearer, "a,b=c", &token("t"));
    assert!(decoded(&bearer.begin()).starts_with("n,a=a=2Cb=3Dc,\x01"));
}

#[test]
fn a_downgrade_cannot_stay_unnoticed() {
    let header = |mechanism, channel_binding, offers_binding| {
        let surroundings = Surroundings {
            channel_binding,
            offers_binding,
            ..SURROUNDINGS
        };
        let mut exchange = Exchange::new(mechanism, "user", &password("pencil"), &surroundings).unwrap();
        let first = decoded(&exchange.begin());
        first.split_once(",,").unwrap().0.to_owned()
    };
    let exported = Some([b'A'; 32]);
    // The offer was struck out, or the server has none: `y` makes one that has refuse.
    assert_eq!(header(Mechanism::ScramSha256, exported, false), "y");
    // The offer is there, and `auth` wants it otherwise.
    assert_eq!(header(Mechanism::ScramSha256, exported, true), "n");
    assert_eq!(header(Mechanism::ScramSha256, None, true), "n");
    assert_eq!(header(Mechanism::ScramSha256Plus, exported, true), "p=tls-exporter");
}

#[test]
fn the_proof_covers_what_it_is_bound_to() {
    let surroundings = Surroundings {
        channel_binding: Some([b'A'; 32]),
        offers_binding: true,
        ..SURROUNDINGS
    };
    let mut plus = Exchange::new(Mechanism::ScramSha256Plus, "user", &password("pencil"), &surroundings).unwrap();
    plus.begin();
    // Refused before a proof: it is not the password.
    assert_eq!(plus.conclude(false), Err(Fault::Unbound));
    let last = answer(&mut plus, SERVER_FIRST).unwrap();
    // By an implementation of its own (Python's hashlib and hmac).
    assert_eq!(
        last,
        "c=cD10bHMtZXhwb3J0ZXIsLEFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=z87m4A1tExk8X6v78wFRCy/J1qGHgNXLy8xIyDreJzY="
    );
    assert_eq!(plus.conclude(false), Err(Fault::Refused(String::new())));
    assert_eq!(
        answer(&mut plus, "v=E9l7lO+mKWZEgGOdzZOkgt3Af/EHCgWOrCqKBdo0324=").unwrap(),
        ""
    );
    assert_eq!(plus.conclude(true), Ok(()));
}

#[test]
fn what_a_server_says_instead_of_its_proof_is_told() {
    for (error, fault) in [
        ("e=invalid-proof", Fault::Refused("invalid-proof".to_owned())),
        ("e=other-error,x=y", Fault::Refused("other-error".to_owned())),
        ("e=unsupported-channel-binding-type", Fault::Unbound),
        (
            "e=server-does-support-channel-binding",
            Fault::Tampered(
                "server-does-support-channel-binding: someone stands between the server and this machine".to_owned(),
            ),
        ),
    ] {
        assert_eq!(
            answer(&mut scram(), error),
            Err(fault.clone()),
            "instead of server-first"
        );
        let mut scram = scram();
        answer(&mut scram, SERVER_FIRST).unwrap();
        assert_eq!(answer(&mut scram, error), Err(fault), "instead of server-final");
        assert_eq!(scram.conclude(true), Err(Fault::Impostor));
    }
}

#[test]
fn what_a_server_has_against_a_token_is_decoded_and_answered() {
    // RFC 7628 section 4.3, and Google's documentation.
    let rfc = r#"{"status":"invalid_token","scope":"example_scope","openid-configuration":"https://example.com/"}"#;
    let google = r#"{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}"#;
    for (mechanism, challenge, expected_answer, complaint) in [
        (
            Mechanism::OAuthBearer,
            rfc,
            "AQ==",
            "status invalid_token, scope example_scope",
        ),
        (
            Mechanism::XOAuth2,
            google,
            "",
            "status 400, schemes Bearer, scope https://mail.google.com/",
        ),
        (Mechanism::XOAuth2, "no\njson", "", "nojson"),
        (Mechanism::XOAuth2, "{\"status\":401,\"scope\":[]}", "", "status 401"),
        (Mechanism::OAuthBearer, "", "AQ==", ""),
    ] {
        let mut exchange = exchange(mechanism, "u", &token("t"));
        exchange.begin();
        let answer = exchange.answer(BASE64_STANDARD.encode(challenge).as_bytes()).unwrap();
        assert_eq!(answer.expose(), expected_answer);
        assert_eq!(exchange.conclude(false), Err(Fault::Refused(complaint.to_owned())));
        // Asked again, there is nothing to add.
        assert_eq!(exchange.answer(b""), Err(Fault::Refused(complaint.to_owned())));
    }
}

#[test]
fn a_challenge_that_is_not_base64_is_still_a_refusal_where_there_is_nothing_to_compute() {
    let mut bearer = exchange(Mechanism::XOAuth2, "u", &token("t"));
    bearer.begin();
    assert_eq!(bearer.answer(b"token expired!").unwrap().expose(), "");
    assert_eq!(bearer.conclude(false), Err(Fault::Refused("token expired!".to_owned())));
    let mut plain = exchange(Mechanism::Plain, "u", &password("p"));
    plain.begin();
    assert_eq!(plain.answer(b"again?"), Err(Fault::Refused(String::new())));
}

#[test]
fn a_long_complaint_is_cut_on_a_character() {
    let mut exchange = exchange(Mechanism::XOAuth2, "u", &token("t"));
    exchange.begin();
    exchange
        .answer(BASE64_STANDARD.encode("é".repeat(1000)).as_bytes())
        .unwrap();
    let Err(Fault::Refused(complaint)) = exchange.conclude(false) else {
        panic!()
    };
    assert_eq!(complaint, "é".repeat(limits::IMAP_TEXT / 2));
}
