//! Silence, stalls and broken connections, at each step of the dialog.

use rattlewatch::channels::Channel;

use super::{assert_ambiguous, assert_later, assert_sent, email, message, relay, send_once, sender, short};
use crate::support::smtp_server::{Act, Phase, Rule, Script, SmtpServer};

#[tokio::test]
async fn a_relay_that_never_greets_is_given_up_in_time() {
    let (_server, outcome) = send_once(Script::at(Phase::Greeting, Act::Stall)).await;
    assert_later(&outcome, true, "did not answer the greeting within 250ms");
}

/// The same relay, once taking commands one by one and once together.
fn with_and_without_pipelining(script: &Script) -> [Script; 2] {
    let mut one_by_one = script.clone();
    one_by_one.extensions.retain(|extension| extension != "PIPELINING");
    assert_ne!(one_by_one.extensions, script.extensions);
    [one_by_one, script.clone()]
}

#[tokio::test]
async fn a_stall_at_each_step_before_the_dot_means_later() {
    for (phase, down, words) in [
        (Phase::Ehlo, true, "EHLO"),
        (Phase::Mail, true, "MAIL"),
        (Phase::Rcpt, false, "RCPT"),
        (Phase::Data, false, "DATA"),
    ] {
        for script in with_and_without_pipelining(&Script::at(phase, Act::Stall)) {
            let (server, outcome) = send_once(script).await;
            assert_later(&outcome, down, &format!("did not answer {words} within"));
            assert_eq!(server.message_count(), 0);
        }
    }
}

#[tokio::test]
async fn a_relay_that_wants_the_text_of_a_refused_mail_gets_none() {
    for (phase, refusal) in [(Phase::Rcpt, "550 5.1.1 no such user"), (Phase::Mail, "550 5.1.8 no such domain")] {
        let script = Script::default()
            .rule(Rule::at(phase, Act::say(refusal)).times(1))
            .rule(Rule::at(Phase::Rcpt, Act::say("250 2.1.5 whatever")).times(usize::from(phase == Phase::Mail)))
            .rule(Rule::at(Phase::Data, Act::say("354 go on")).times(1));
        let server = SmtpServer::start_with(script).await;
        let email = email(&server, short());
        let refused = email.send(&message("one", "ada@example.test")).await;
        assert!(format!("{refused:?}").contains(&refusal[4..]), "{refused:?}");
        assert_eq!(server.message_count(), 0, "no text was sent");
        assert_sent(&email.send(&message("two", "ada@example.test")).await);
        assert_eq!((server.message_count(), server.connections()), (1, 2), "on a new connection");
    }
}

#[tokio::test]
async fn a_relay_that_closes_at_mail_is_believed_with_and_without_pipelining() {
    let closing = Rule::at(Phase::Mail, Act::say_and_close("421 4.3.2 closing"));
    for script in with_and_without_pipelining(&Script::default().rule(closing)) {
        let (server, outcome) = send_once(script).await;
        assert_later(&outcome, true, "4.3.2 closing");
        assert_eq!(server.message_count(), 0);
    }
}

#[tokio::test]
async fn a_stall_after_the_dot_is_ambiguous() {
    let (_server, outcome) = send_once(Script::at(Phase::Dot, Act::Stall)).await;
    assert_ambiguous(&outcome);
}

#[tokio::test]
async fn a_connection_lost_at_each_step_before_the_dot_means_later() {
    for (phase, down) in [
        (Phase::Connect, true),
        (Phase::Greeting, true),
        (Phase::Ehlo, true),
        (Phase::Mail, true),
        (Phase::Rcpt, false),
        (Phase::Data, false),
    ] {
        for script in with_and_without_pipelining(&Script::at(phase, Act::Drop)) {
            let (server, outcome) = send_once(script).await;
            assert_later(&outcome, down, "");
            assert_eq!(server.message_count(), 0, "{phase:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_lost_after_the_dot_is_ambiguous_whether_or_not_the_mail_was_taken() {
    let (server, outcome) = send_once(Script::at(Phase::Dot, Act::Drop)).await;
    assert_ambiguous(&outcome);
    assert_eq!(server.message_count(), 0);

    let (server, outcome) = send_once(Script::at(Phase::Dot, Act::DropAccepted)).await;
    assert_ambiguous(&outcome);
    assert_eq!(server.message_count(), 1);
}

#[tokio::test]
async fn a_repeat_after_an_ambiguous_end_has_the_same_bytes() {
    let script = Script::default().rule(Rule::at(Phase::Dot, Act::DropAccepted).times(1));
    let server = SmtpServer::start_with(script).await;
    let email = email(&server, short());
    let mail = message("one", "ada@example.test");
    assert_ambiguous(&email.send(&mail).await);
    assert_sent(&email.send(&mail).await);
    let mails = server.messages();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].data, mails[1].data);
}

#[tokio::test]
async fn a_connection_lost_inside_a_long_text_means_later() {
    let server = SmtpServer::start_with(Script::at(Phase::Body, Act::Drop)).await;
    let email = email(&server, short());
    let mut mail = message("one", "ada@example.test");
    // More than both sockets' buffers hold, so that the loss is seen before the dot.
    mail.text = "All work and no play makes a long mail.\n".repeat(400_000);
    let mut script = Script::at(Phase::Body, Act::Drop);
    script.extensions.clear();
    server.script(script);
    assert_later(&email.send(&mail).await, false, "the mail's text");
    assert_eq!(server.message_count(), 0);
}

#[tokio::test]
async fn a_relay_that_stops_reading_is_given_up_block_by_block() {
    let mut script = Script::at(Phase::Body, Act::Wait(std::time::Duration::from_secs(20)));
    script.extensions.clear();
    let server = SmtpServer::start_with(script).await;
    let mut mail = message("one", "ada@example.test");
    mail.text = "All work and no play makes a long mail.\n".repeat(400_000);
    let outcome = email(&server, short()).send(&mail).await;
    assert_later(&outcome, false, "the mail's text within 250ms");
}

#[tokio::test]
async fn a_port_where_nobody_listens_means_the_relay_is_down() {
    let server = SmtpServer::start().await;
    let mut nobody = relay(&server);
    nobody.port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let email = rattlewatch::channels::email::Email::new(nobody, sender(), short(), 1).unwrap();
    assert_later(&email.send(&message("one", "ada@example.test")).await, true, "cannot be reached");
}

#[tokio::test]
async fn a_reply_that_is_no_smtp_is_survived() {
    for nonsense in ["HTTP/1.1 400 Bad Request", "", "99 what", "2\u{e9}0 ok", "999 no such class"] {
        let (_server, outcome) = send_once(Script::at(Phase::Greeting, Act::say(nonsense))).await;
        assert_later(&outcome, true, "");
        let (_server, outcome) = send_once(Script::at(Phase::Dot, Act::say(nonsense))).await;
        assert_ambiguous(&outcome);
    }
}

#[tokio::test]
async fn a_reply_without_end_is_bounded() {
    let endless = format!("220{}", "-x\r\n220".repeat(20_000));
    let (_server, outcome) = send_once(Script::at(Phase::Greeting, Act::say(endless))).await;
    assert_later(&outcome, true, "a reply without end");
    let (_server, outcome) =
        send_once(Script::at(Phase::Greeting, Act::say(format!("220 {}", "x".repeat(100_000))))).await;
    assert_later(&outcome, true, "a reply without end");
}

#[tokio::test]
async fn a_long_reply_or_one_in_latin_1_still_counts() {
    let (server, outcome) = send_once(Script::at(Phase::Dot, Act::say(b"250 \xfcbernommen"))).await;
    assert_sent(&outcome);
    assert_eq!(server.message_count(), 1);
    let (_server, outcome) = send_once(Script::at(Phase::Dot, Act::say(format!("250 {}", "x".repeat(5_000))))).await;
    assert_sent(&outcome);
    let (_server, outcome) = send_once(Script::at(Phase::Rcpt, Act::say(b"550 5.1.1 gibt's nicht: \xfc"))).await;
    super::assert_never(&outcome, "gibt's nicht: ?");
}

#[tokio::test]
async fn an_answer_before_the_dot_is_not_taken_for_one_to_it() {
    let (server, outcome) = send_once(Script::at(Phase::Data, Act::say("354 go on\r\n250 2.0.0 queued"))).await;
    assert_later(&outcome, false, "before the mail's end");
    assert_eq!(server.message_count(), 0);
}
