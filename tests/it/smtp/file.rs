//! The channel that writes files.

use rattlewatch::channels::Channel;
use rattlewatch::channels::email::render;
use rattlewatch::channels::file::Outbox;

use super::{assert_later, assert_never, assert_sent, message, sender};

#[tokio::test]
async fn a_mail_is_one_file_with_the_same_bytes_and_a_repeat_replaces_it() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("data").join("outbox");
    let outbox = Outbox::new(&directory, sender());
    let mail = message("d-17", "ada@example.test");
    assert_sent(&outbox.send(&mail).await);
    assert_sent(&outbox.send(&mail).await);
    let files: Vec<String> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(files, ["20261123T073000-d-17.eml"]);
    assert_eq!(std::fs::read(outbox.path(&mail)).unwrap(), render(&mail, &sender()).unwrap());
    assert_eq!(outbox.name(), "file");
}

#[tokio::test]
async fn a_hostile_key_stays_in_the_directory_and_apart_from_others() {
    let home = tempfile::tempdir().unwrap();
    let outbox = Outbox::new(home.path(), sender());
    let keys = ["../../etc/passwd", "..//etc/passwd", "", ".", "a\0b", "ab", &"x".repeat(5_000)];
    for key in keys {
        let mut mail = message("one", "ada@example.test");
        mail.key = key.to_owned();
        assert_sent(&outbox.send(&mail).await);
        assert_eq!(outbox.path(&mail).parent(), Some(home.path()));
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), keys.len());
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_reported_as_ours() {
    let home = tempfile::tempdir().unwrap();
    let in_the_way = home.path().join("outbox");
    std::fs::write(&in_the_way, "a file").unwrap();
    let outbox = Outbox::new(&in_the_way, sender());
    assert_later(&outbox.send(&message("one", "ada@example.test")).await, true, "cannot be written");
    assert_never(&outbox.send(&message("one", "nobody")).await, "is not a mail address");
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_a_mail() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let outbox = Outbox::new(home.path().join("outbox"), sender());
    let mail = message("one", "ada@example.test");
    assert_sent(&outbox.send(&mail).await);
    let mode = std::fs::metadata(outbox.path(&mail)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
