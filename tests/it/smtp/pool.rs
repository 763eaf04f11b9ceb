//! Kept connections: reused, bounded, closed in time, and never a reason to lose or blame a mail.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rattlewatch::channels::Channel;
use rattlewatch::channels::email::{Email, Phases};

use super::{assert_later, assert_sent, email, message, relay, sender, short};
use crate::support::smtp_server::{Act, Phase, Rule, Script, SmtpServer};

#[tokio::test]
async fn mails_one_after_another_share_a_connection_up_to_a_hundred() {
    let server = SmtpServer::start().await;
    let email = email(&server, Phases::default());
    for number in 0..101 {
        assert_sent(&email.send(&message(&number.to_string(), "ada@example.test")).await);
    }
    assert_eq!((server.connections(), server.count("QUIT")), (2, 1));
    let connections: Vec<usize> = server.messages().iter().map(|mail| mail.connection).collect();
    assert_eq!((connections[99], connections[100]), (1, 2));
}

#[tokio::test]
async fn a_kept_connection_that_the_relay_closed_is_replaced_at_once() {
    let stale = [Act::Drop, Act::say_and_close("421 4.4.2 idle too long"), Act::say("421 4.4.2 idle too long")];
    for act in stale {
        let script = Script::default().rule(Rule::at(Phase::Mail, act.clone()).mail_of_connection(2));
        let server = SmtpServer::start_with(script).await;
        let email = email(&server, short());
        assert_sent(&email.send(&message("one", "ada@example.test")).await);
        assert_sent(&email.send(&message("two", "ada@example.test")).await);
        assert_eq!((server.connections(), server.message_count()), (2, 2), "{act:?}");
    }
}

#[tokio::test]
async fn a_421_on_a_kept_connection_costs_the_mail_nothing_at_any_step_before_its_text() {
    for phase in [Phase::Mail, Phase::Rcpt, Phase::Data] {
        for extensions in [vec!["PIPELINING".to_owned()], Vec::new()] {
            let closing = Rule::at(phase, Act::say_and_close("421 4.7.0 enough for now")).mail_of_connection(2);
            let server = SmtpServer::start_with(Script { extensions, ..Script::default() }.rule(closing)).await;
            let email = email(&server, short());
            for key in ["one", "two", "three"] {
                assert_sent(&email.send(&message(key, "ada@example.test")).await);
            }
            assert_eq!((server.connections(), server.message_count()), (3, 3), "{phase:?}");
        }
    }
}

#[tokio::test]
async fn an_idle_relay_that_has_gone_away_costs_the_mail_nothing() {
    for phases in [short(), Phases::default()] {
        let server = SmtpServer::start_with(Script { close_after: Some(1), ..Script::default() }).await;
        let email = email(&server, phases);
        for number in 0..10 {
            assert_sent(&email.send(&message(&number.to_string(), "ada@example.test")).await);
        }
        assert_eq!((server.message_count(), server.connections()), (10, 10));
    }
    assert_eq!(Phases::default().idle, Duration::from_secs(30));
}

#[tokio::test]
async fn a_new_connection_that_fails_is_not_tried_without_end() {
    let server = SmtpServer::start_with(Script::at(Phase::Mail, Act::say_and_close("421 4.3.2 closing"))).await;
    let email = email(&server, short());
    assert_later(&email.send(&message("one", "ada@example.test")).await, true, "421");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_relay_that_closes_after_seven_mails_loses_none() {
    let server = SmtpServer::start_with(Script { close_after: Some(7), ..Script::default() }).await;
    let email = email(&server, short());
    for number in 0..50 {
        assert_sent(&email.send(&message(&number.to_string(), "ada@example.test")).await);
    }
    assert_eq!((server.message_count(), server.connections()), (50, 8));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_connections_are_open_than_allowed() {
    let script = Script::at(Phase::Rcpt, Act::Wait(Duration::from_millis(3)));
    let server = SmtpServer::start_with(script).await;
    let email = Arc::new(Email::new(relay(&server), sender(), Phases::default(), 3).unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..60 {
        let email = Arc::clone(&email);
        tasks.spawn(async move { email.send(&message(&number.to_string(), "ada@example.test")).await });
    }
    while let Some(outcome) = tasks.join_next().await {
        assert_sent(&outcome.unwrap());
    }
    assert_eq!((server.message_count(), server.most_open(), server.connections()), (60, 3, 3));
}

#[tokio::test]
async fn an_idle_connection_is_closed_with_quit_when_its_time_is_up() {
    let server = SmtpServer::start().await;
    let idle = Duration::from_millis(50);
    let email = email(&server, Phases { idle, ..Phases::default() });
    assert_sent(&email.send(&message("one", "ada@example.test")).await);
    let end = Instant::now() + Duration::from_secs(5);
    while server.count("QUIT") == 0 {
        assert!(Instant::now() < end, "the connection is still kept");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_sent(&email.send(&message("two", "ada@example.test")).await);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn closing_says_quit_and_leaves_the_channel_usable() {
    let server = SmtpServer::start().await;
    let email = email(&server, short());
    assert_sent(&email.send(&message("one", "ada@example.test")).await);
    email.close().await;
    assert_eq!(server.count("QUIT"), 1);
    assert_sent(&email.send(&message("two", "ada@example.test")).await);
    assert_eq!(email.name(), "email");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fourteen_hundred_mails_go_out_fast() {
    let server = SmtpServer::start().await;
    let email = Arc::new(Email::new(relay(&server), sender(), Phases::default(), 4).unwrap());
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..1_400 {
        let email = Arc::clone(&email);
        tasks.spawn(async move { email.send(&message(&number.to_string(), "ada@example.test")).await });
    }
    while let Some(outcome) = tasks.join_next().await {
        assert_sent(&outcome.unwrap());
    }
    eprintln!("1,400 mails in {:?}", start.elapsed());
    assert_eq!(server.message_count(), 1_400);
    assert!(start.elapsed() < Duration::from_secs(30));
}
