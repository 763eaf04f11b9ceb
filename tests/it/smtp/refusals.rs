//! What a relay's refusals do, end to end; the whole table is tested beside the code.

use rattlewatch::channels::Channel;

use super::{assert_later, assert_never, assert_sent, email, message, send_once, short};
use crate::support::smtp_server::{Act, Phase, Rule, Script, SmtpServer};

#[tokio::test]
async fn a_451_is_tried_again_and_does_not_blame_the_relay() {
    for phase in [Phase::Rcpt, Phase::Data, Phase::Dot] {
        let (server, outcome) = send_once(Script::at(phase, Act::say("451 4.7.1 try again later"))).await;
        assert_later(&outcome, false, "451 4.7.1 try again later");
        assert_eq!(server.message_count(), 0);
    }
}

#[tokio::test]
async fn a_greylisted_mail_is_taken_at_the_next_try() {
    for phase in [Phase::Rcpt, Phase::Data, Phase::Dot] {
        let grey = Rule::at(phase, Act::say("450 4.7.1 greylisted, come back in 300 seconds")).times(1);
        let server = SmtpServer::start_with(Script::default().rule(grey)).await;
        let email = email(&server, short());
        let mail = message("one", "ada@example.test");
        assert_later(&email.send(&mail).await, false, "greylisted");
        assert_sent(&email.send(&mail).await);
        assert_eq!((server.message_count(), server.connections()), (1, 1), "{phase:?}: on the same connection");
    }
}

#[tokio::test]
async fn a_full_mailbox_and_a_mail_that_is_too_big_are_told_apart() {
    let (_server, outcome) = send_once(Script::at(Phase::Rcpt, Act::say("552 5.2.2 mailbox full"))).await;
    assert_never(&outcome, "the recipient's server refuses this mail");
    for phase in [Phase::Mail, Phase::Rcpt, Phase::Dot] {
        let (_server, outcome) = send_once(Script::at(phase, Act::say("552 5.3.4 message too big"))).await;
        assert_never(&outcome, "larger than the relay or the mailbox takes");
    }
}

#[tokio::test]
async fn a_550_for_the_recipient_or_the_mail_is_final() {
    for phase in [Phase::Rcpt, Phase::Dot] {
        let (server, outcome) = send_once(Script::at(phase, Act::say("550 5.1.1 no such user"))).await;
        assert_never(&outcome, "550 5.1.1 no such user");
        assert_eq!(server.message_count(), 0);
    }
}

#[tokio::test]
async fn a_refusal_of_us_stops_the_relay_and_not_the_mail() {
    for (phase, reply) in [
        (Phase::Greeting, "554 5.7.1 go away"),
        (Phase::Ehlo, "550 5.7.1 go away"),
        (Phase::Mail, "550 5.7.1 sender not allowed"),
        (Phase::Mail, "530 5.7.0 sign in first"),
        (Phase::Rcpt, "554 5.7.1 <ada@example.test>: Relay access denied"),
        (Phase::Dot, "550 5.7.26 not authenticated by SPF or DKIM"),
    ] {
        let (_server, outcome) = send_once(Script::at(phase, Act::say(reply))).await;
        assert_later(&outcome, true, reply);
    }
}

#[tokio::test]
async fn a_421_closes_and_is_tried_again() {
    for phase in [Phase::Greeting, Phase::Mail, Phase::Rcpt, Phase::Data, Phase::Dot] {
        let script = Script::default().rule(Rule::at(phase, Act::say_and_close("421 4.3.2 closing")).times(1));
        let server = SmtpServer::start_with(script).await;
        let email = email(&server, short());
        let mail = message("one", "ada@example.test");
        assert_later(&email.send(&mail).await, matches!(phase, Phase::Greeting | Phase::Mail), "421 4.3.2");
        assert_sent(&email.send(&mail).await);
        assert_eq!((server.connections(), server.message_count()), (2, 1), "{phase:?}");
    }
}

#[tokio::test]
async fn a_refused_recipient_costs_the_next_one_nothing() {
    let script = Script::default()
        .rule(Rule::at(Phase::Rcpt, Act::say("550 5.1.1 no such user")).recipient("gone@example.test"))
        .rule(Rule::at(Phase::Data, Act::say("451 4.3.0 later")).recipient("busy@example.test"));
    let server = SmtpServer::start_with(script).await;
    let email = email(&server, short());
    assert_never(&email.send(&message("one", "gone@example.test")).await, "no such user");
    assert_later(&email.send(&message("two", "busy@example.test")).await, false, "451");
    assert_sent(&email.send(&message("three", "ada@example.test")).await);
    assert_eq!((server.connections(), server.count("RSET"), server.message_count()), (1, 2, 1));
}

#[tokio::test]
async fn a_mail_larger_than_the_relay_takes_is_final() {
    let script = Script { extensions: vec!["SIZE 1000".to_owned()], ..Script::default() };
    let (server, outcome) = send_once(script).await;
    assert_never(&outcome, "at most 1000");
    assert_eq!(server.count("MAIL"), 0);
    let (_server, outcome) = send_once(Script::at(Phase::Mail, Act::say("552 5.3.4 too big"))).await;
    assert_never(&outcome, "larger");
}

#[tokio::test]
async fn an_international_address_needs_smtputf8() {
    let server = SmtpServer::start().await;
    let outcome = email(&server, short()).send(&message("one", "jürgen@example.test")).await;
    assert_never(&outcome, "SMTPUTF8");
    assert_eq!(server.count("MAIL"), 0);

    let extensions = ["8BITMIME", "SMTPUTF8"].map(str::to_owned).to_vec();
    let server = SmtpServer::start_with(Script { extensions, ..Script::default() }).await;
    assert_sent(&email(&server, short()).send(&message("one", "jürgen@bücher.test")).await);
    assert_eq!(server.messages()[0].to, ["jürgen@xn--bcher-kva.test"]);
    assert!(server.messages()[0].text().contains("\r\nTo: jürgen@xn--bcher-kva.test\r\n"));
    assert!(server.commands()[1].ends_with("BODY=8BITMIME SMTPUTF8"));
}

#[tokio::test]
async fn what_is_no_address_is_never_sent() {
    let server = SmtpServer::start().await;
    for bad in ["", "ada", "a@[127.0.0.1]", "a@b.test>\r\nRCPT TO:<c@d.test", "@a.test:b@c.test"] {
        assert_never(&email(&server, short()).send(&message("one", bad)).await, "is not a mail address");
    }
    assert_eq!(server.connections(), 0);
}
