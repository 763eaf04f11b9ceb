//! A folder on a server that behaves.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_read_oldest_first_then_only_what_is_new_and_never_changed() {
    let server = ImapServer::start().await;
    for uid in 1..=45 {
        server.deliver(uid * 10, &mail(&uid.to_string(), &format!("Notice {uid}"), "text"));
    }
    let (client, place) = (client(&server), place(&server, MailTls::Implicit));
    let first = read_all(&client, &place, &Wanted::default()).await.unwrap();
    assert_eq!(first.messages.len(), 45);
    assert_eq!(subjects(&first)[..2], ["Notice 1", "Notice 2"]);
    assert_eq!((first.messages[0].name.as_str(), first.progress), ("message 10", (45, 45)));

    let asked = server.bodies_asked();
    let second = read_all(&client, &place, &after(&first)).await.unwrap();
    assert!(second.messages.is_empty());
    assert_eq!(server.bodies_asked(), asked);
    assert_eq!(second.cursor, first.cursor);

    server.deliver(451, &mail("46", "Notice 46", "text"));
    let third = read_all(&client, &place, &after(&second)).await.unwrap();
    assert_eq!(subjects(&third), ["Notice 46"]);

    let allowed = ["CAPABILITY", "AUTHENTICATE", "EXAMINE", "UID SEARCH", "UID FETCH", "LOGOUT"];
    for command in server.commands() {
        assert!(allowed.iter().any(|allowed| command.starts_with(allowed)), "{command}");
        assert!(!command.contains("BODY["), "{command} would mark it as read");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_reading_takes_the_newest_and_an_import_takes_all() {
    let server = ImapServer::start().await;
    for uid in 1..=230 {
        server.deliver(uid, &mail(&uid.to_string(), &format!("Notice {uid}"), "text"));
    }
    let (client, place) = (client(&server), place(&server, MailTls::Implicit));
    let first = read_all(&client, &place, &Wanted::default()).await.unwrap();
    assert_eq!((first.messages.len(), subjects(&first)[0].as_str()), (200, "Notice 31"));
    let since = Some(rattlewatch::model::clock::Timestamp(0));
    let all = read_all(&client, &place, &Wanted { cursor: None, since }).await.unwrap();
    assert_eq!(all.messages.len(), 230);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_uidvalidity_begins_anew() {
    let server = ImapServer::start().await;
    server.deliver(900, &mail("1", "Old", "text"));
    let (client, place) = (client(&server), place(&server, MailTls::Implicit));
    let first = read_all(&client, &place, &Wanted::default()).await.unwrap();
    server.set(|state| {
        state.validity = 8;
        state.messages = vec![(1, mail("1", "Old", "text")), (2, mail("2", "New", "text"))];
    });
    let second = read_all(&client, &place, &after(&first)).await.unwrap();
    assert_eq!(subjects(&second), ["Old", "New"]);
    let third = read_all(&client, &place, &after(&second)).await.unwrap();
    assert!(third.messages.is_empty());
    let other = Wanted { cursor: Some("{\"at\":1,\"names\":[]}\u{0}".to_owned()), since: None };
    assert_eq!(read_all(&client, &place, &other).await.unwrap().messages.len(), 2, "a foreign cursor counts as none");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_of_strangers_and_mail_that_is_too_long_stays_on_the_server() {
    let server = ImapServer::start().await;
    server.deliver(1, &from("Eve <eve@evil.example>", "e", "Buy", &"x".repeat(3 << 20)));
    server.deliver(2, &mail("big", "Big", &"x".repeat(3 << 20)));
    server.deliver(3, &mail("1", "Notice", "text"));
    let (client, place) = (client(&server), place(&server, MailTls::Implicit));
    let mail = read_all(&client, &place, &Wanted::default()).await.unwrap();
    assert_eq!((subjects(&mail), mail.strangers), (vec!["Notice".to_owned()], 1));
    assert_eq!(mail.left_out, ["message 2 has 3073 KiB and was not read; messages of up to 2 MiB are"]);
    assert_eq!(server.bodies_asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_sign_in_is_taken_where_it_is_offered() {
    for offers in ["IMAP4rev1 AUTH=PLAIN SASL-IR", "IMAP4rev1 AUTH=PLAIN", "IMAP4rev1"] {
        let server = ImapServer::start().await;
        server.deliver(1, &mail("1", "Notice", "text"));
        server.set(|state| state.capabilities = offers.to_owned());
        let mail = read_all(&client(&server), &place(&server, MailTls::Implicit), &Wanted::default()).await;
        assert_eq!(mail.map(|mail| mail.messages.len()), Ok(1), "{offers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_secures_the_connection_before_anything_is_said() {
    let server = ImapServer::start_plain().await;
    server.deliver(1, &mail("1", "Notice", "text"));
    let mail = read_all(&client(&server), &place(&server, MailTls::StartTls), &Wanted::default()).await.unwrap();
    assert_eq!(mail.messages.len(), 1);
    let commands = server.commands();
    assert_eq!(commands[..3], ["CAPABILITY", "STARTTLS", "CAPABILITY"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_folder_is_no_fault() {
    let server = ImapServer::start().await;
    let (client, place) = (client(&server), place(&server, MailTls::Implicit));
    let first = read_all(&client, &place, &Wanted::default()).await.unwrap();
    assert!(first.messages.is_empty());
    server.deliver(1, &mail("1", "Notice", "text"));
    let second = read_all(&client, &place, &after(&first)).await.unwrap();
    assert_eq!(second.messages.len(), 1);
}
