//! A directory into which files are dropped.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

async fn read(folder: &std::path::Path, wanted: &Wanted) -> Result<Mail, MailError> {
    in_time(read_all(&Client::default(), &MailPlace::Directory(folder.to_owned()), wanted)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_once_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("one.eml"), mail("1", "One", "text")).unwrap();
    fs::write(path("note.txt"), mail("2", "A text", "text")).unwrap();
    fs::write(path("stranger.eml"), from("Eve <eve@evil.example>", "3", "Buy", "text")).unwrap();
    fs::create_dir(path("folder.eml")).unwrap();
    symlink(path("note.txt"), path("link.eml")).unwrap();
    fs::File::create(path("big.eml")).unwrap().set_len(50 << 20).unwrap();
    fs::write(path("empty.eml"), "").unwrap();
    let first = read(folder.path(), &Wanted::default()).await.unwrap();
    assert_eq!((subjects(&first), first.strangers), (vec!["One".to_owned()], 1));
    let mut left_out = first.left_out.clone();
    left_out.sort();
    assert_eq!(
        left_out,
        [
            "big.eml has 51200 KiB and was not read; messages of up to 2 MiB are",
            "empty.eml is empty",
            "folder.eml is not a regular file and was not read",
            "link.eml is not a regular file and was not read",
        ]
    );
    let second = read(folder.path(), &after(&first)).await.unwrap();
    assert!(second.messages.is_empty() && second.left_out.is_empty(), "{second:?}");
    assert_eq!(second.cursor, first.cursor);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 7, "nothing is moved or deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_an_old_date_that_is_moved_in_later_is_not_missed() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let old = elsewhere.path().join("old.eml");
    fs::write(&old, mail("0", "Old", "text")).unwrap();
    let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    fs::write(folder.path().join("new.eml"), mail("1", "New", "text")).unwrap();
    let first = read(folder.path(), &Wanted::default()).await.unwrap();
    assert_eq!(subjects(&first), ["New"]);
    tokio::time::sleep(Duration::from_millis(20)).await;
    fs::rename(&old, folder.path().join("old.eml")).unwrap();
    let second = read(folder.path(), &after(&first)).await.unwrap();
    assert_eq!(subjects(&second), ["Old"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_come_in_batches_and_at_first_only_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    // Given one time to come, as files on a coarse clock have.
    let time = std::time::SystemTime::now() + Duration::from_secs(60);
    for n in 0..230 {
        let path = folder.path().join(format!("{n}.eml"));
        fs::write(&path, mail(&n.to_string(), &format!("N{n}"), "text")).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }
    let first = read(folder.path(), &Wanted::default()).await.unwrap();
    assert_eq!((first.messages.len(), first.progress), (200, (200, 200)));
    assert!(read(folder.path(), &after(&first)).await.unwrap().messages.is_empty());
    let since = Some(rattlewatch::model::clock::Timestamp(0));
    assert_eq!(read(folder.path(), &Wanted { cursor: None, since }).await.unwrap().messages.len(), 230);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_not_there_is_named() {
    let error = read(std::path::Path::new("/no/such/directory"), &Wanted::default()).await.unwrap_err();
    assert!(error.to_string().contains("the directory /no/such/directory cannot be read"), "{error}");
}
