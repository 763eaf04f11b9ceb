//! Post: a mailbox as a walk reads it, opened at the first step and kept open for the others.

use crate::config::sources::Source;
use crate::formats::mailbox as reader;
use crate::formats::walk::{Answer, Start, Step, Walk, begin};
use crate::mailbox::{Client, MailError, Mailbox};
use crate::model::item::Parsed;
use crate::model::mail::Wanted;

use super::walk::Stopped;

/// The mailbox of one walk.
#[derive(Default)]
pub(super) struct Post(Option<Mailbox>);

impl Post {
    /// The answer to [`Step::Messages`].
    pub(super) async fn next(
        &mut self,
        client: &Client,
        source: &Source,
        password: Option<&str>,
        wanted: &Wanted,
    ) -> Result<Answer, MailError> {
        let Some(rules) = &source.mailbox else {
            return Ok(Answer::Failed("the source has no [source.mailbox]".to_owned()));
        };
        let mailbox = match &mut self.0 {
            Some(mailbox) => mailbox,
            closed => closed.insert(client.open(&rules.place, password, wanted).await?),
        };
        let mail = mailbox.next(&|header| reader::takes(header, rules)).await?;
        Ok(Answer::Messages(Box::new(mail)))
    }
}

/// What a first reading of a mailbox would take. Nothing is stored.
///
/// # Errors
/// Says what stopped it.
pub async fn trial(client: &Client, start: &Start<'_>) -> Result<Parsed, Stopped> {
    let mut walk: Box<dyn Walk> = begin(start).map_err(Stopped::Parse)?;
    let mut post = Post::default();
    let mut all = Parsed::default();
    let mut answer = Answer::Begin;
    loop {
        answer = match walk.next(answer).map_err(Stopped::Parse)? {
            Step::Messages(wanted) => {
                post.next(client, start.source, start.key, &wanted).await.map_err(Stopped::Mail)?
            }
            Step::Store(batch) => {
                all.items.extend(batch.parsed.items);
                all.dropped += batch.parsed.dropped;
                all.repairs.extend(batch.parsed.repairs);
                Answer::Stored
            }
            Step::Done => return Ok(all),
            Step::Fetch(_) | Step::Try(_) | Step::Download(..) | Step::Pause(_) => {
                Answer::Failed("a mailbox is not fetched by HTTP".to_owned())
            }
        };
    }
}
