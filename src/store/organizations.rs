//! Organizations, their clients and members, and what they run.

use super::{Row, StoreError, Tx, counters};
use crate::model::audience::{Client, Member, Organization, Owner};
use crate::model::clock::Timestamp;
use crate::model::platform::PlatformId;
use crate::model::text;

const STACK: &str = "SELECT platform FROM stacks WHERE owner = $1 ORDER BY platform";

const MEMBERS: &str =
    "SELECT id, organization, email, name, role, created_at FROM members WHERE organization = $1 ORDER BY email_key";

/// Adds an organization; `None` where one of that name is there.
///
/// # Errors
/// Fails where the database does.
pub fn add(tx: &mut Tx<'_>, name: &str, now: Timestamp) -> Result<Option<Organization>, StoreError> {
    let id = format!("org-{}", counters::next(tx, counters::Counter::Organization)?);
    let sql = "INSERT INTO organizations (id, name, name_key, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name_key) DO NOTHING";
    let added = tx.execute(sql, &[id.as_str().into(), name.into(), text::fold(name).into(), now.into()])?;
    Ok((added == 1).then(|| Organization { id, name: name.to_owned(), stack: Vec::new(), created_at: now }))
}

/// The organization with this id or name.
///
/// # Errors
/// Fails where the database does.
pub fn find(tx: &mut Tx<'_>, id_or_name: &str) -> Result<Option<Organization>, StoreError> {
    let sql = "SELECT id, name, created_at FROM organizations WHERE id = $1 OR name_key = $2";
    let row = tx.query_one(sql, &[id_or_name.into(), text::fold(id_or_name).into()])?;
    row.map(|row| organization(tx, &row)).transpose()
}

/// Every organization, by name.
///
/// # Errors
/// Fails where the database does.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Organization>, StoreError> {
    let rows = tx.query("SELECT id, name, created_at FROM organizations ORDER BY name_key", &[])?;
    rows.iter().map(|row| organization(tx, row)).collect()
}

fn organization(tx: &mut Tx<'_>, row: &Row) -> Result<Organization, StoreError> {
    let id = row.text(0)?;
    Ok(Organization { stack: stack(tx, &Owner(id.clone()))?, id, name: row.text(1)?, created_at: row.time(2)? })
}

/// Adds a client; `None` where the organization has one of that name.
///
/// # Errors
/// Fails where the database does.
pub fn add_client(
    tx: &mut Tx<'_>,
    organization: &str,
    name: &str,
    now: Timestamp,
) -> Result<Option<Client>, StoreError> {
    let id = format!("client-{}", counters::next(tx, counters::Counter::Client)?);
    let sql = "INSERT INTO clients (id, organization, name, name_key, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (organization, name_key) DO NOTHING";
    let args = [id.as_str().into(), organization.into(), name.into(), text::fold(name).into(), now.into()];
    let (organization, name) = (organization.to_owned(), name.to_owned());
    Ok((tx.execute(sql, &args)? == 1).then(|| Client { id, organization, name, stack: Vec::new(), created_at: now }))
}

/// The client of `organization` with this id or name.
///
/// # Errors
/// Fails where the database does.
pub fn find_client(tx: &mut Tx<'_>, organization: &str, id_or_name: &str) -> Result<Option<Client>, StoreError> {
    let sql = "SELECT id, organization, name, created_at FROM clients
         WHERE organization = $1 AND (id = $2 OR name_key = $3)";
    let row = tx.query_one(sql, &[organization.into(), id_or_name.into(), text::fold(id_or_name).into()])?;
    row.map(|row| client(tx, &row)).transpose()
}

/// Every client of an organization, by name.
///
/// # Errors
/// Fails where the database does.
pub fn clients(tx: &mut Tx<'_>, organization: &str) -> Result<Vec<Client>, StoreError> {
    let sql = "SELECT id, organization, name, created_at FROM clients WHERE organization = $1 ORDER BY name_key";
    let rows = tx.query(sql, &[organization.into()])?;
    rows.iter().map(|row| client(tx, row)).collect()
}

/// At most `most` clients of an organization beyond the one added at an instant under an id, in that order.
///
/// # Errors
/// Fails where the database does.
pub fn clients_page(
    tx: &mut Tx<'_>,
    organization: &str,
    (at, id): (Timestamp, &str),
    most: i64,
) -> Result<Vec<Client>, StoreError> {
    let sql = "SELECT id, organization, name, created_at FROM clients
         WHERE organization = $1 AND (created_at > $2 OR (created_at = $2 AND id > $3))
         ORDER BY created_at, id LIMIT CAST($4 AS BIGINT)";
    let rows = tx.query(sql, &[organization.into(), at.into(), id.into(), most.into()])?;
    rows.iter().map(|row| client(tx, row)).collect()
}

fn client(tx: &mut Tx<'_>, row: &Row) -> Result<Client, StoreError> {
    let id = row.text(0)?;
    Ok(Client {
        stack: stack(tx, &Owner(id.clone()))?,
        id,
        organization: row.text(1)?,
        name: row.text(2)?,
        created_at: row.time(3)?,
    })
}

/// Gives a client another name; false where another client of the organization has it.
///
/// # Errors
/// Fails where the database does.
pub fn rename_client(tx: &mut Tx<'_>, client: &Client, name: &str) -> Result<bool, StoreError> {
    let sql = "UPDATE clients SET name = $2, name_key = $3 WHERE id = $1
         AND NOT EXISTS (SELECT 1 FROM clients c WHERE c.organization = $4 AND c.name_key = $3 AND c.id <> $1)";
    let args = [client.id.as_str().into(), name.into(), text::fold(name).into(), client.organization.as_str().into()];
    Ok(tx.execute(sql, &args)? == 1)
}

/// Removes a client and its stack.
///
/// # Errors
/// Fails where the database does.
pub fn remove_client(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM stacks WHERE owner = $1", &[id.into()])?;
    tx.execute("DELETE FROM clients WHERE id = $1", &[id.into()]).map(drop)
}

/// Removes an organization with its clients, stacks and members. Its subscriptions must have been ended.
///
/// # Errors
/// Fails where the database does.
pub fn remove(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM stacks WHERE owner = $1 OR owner IN (SELECT id FROM clients WHERE organization = $1)",
        "DELETE FROM clients WHERE organization = $1",
        "DELETE FROM members WHERE organization = $1",
        "DELETE FROM api_tokens WHERE organization = $1",
        "DELETE FROM organizations WHERE id = $1",
    ] {
        tx.execute(sql, &[id.into()])?;
    }
    Ok(())
}

/// What `owner` itself runs.
///
/// # Errors
/// Fails where the database does.
pub fn stack(tx: &mut Tx<'_>, owner: &Owner) -> Result<Vec<PlatformId>, StoreError> {
    tx.query(STACK, &[owner.0.as_str().into()])?.iter().map(|row| row.text(0).map(PlatformId)).collect()
}

/// Makes `platforms` what `owner` itself runs. Whoever follows the stack must be written anew.
///
/// # Errors
/// Fails where the database does.
pub fn set_stack<'p>(
    tx: &mut Tx<'_>,
    owner: &Owner,
    platforms: impl IntoIterator<Item = &'p PlatformId>,
) -> Result<(), StoreError> {
    tx.execute("DELETE FROM stacks WHERE owner = $1", &[owner.0.as_str().into()])?;
    let sql = "INSERT INTO stacks (owner, platform) VALUES ($1, $2) ON CONFLICT (owner, platform) DO NOTHING";
    for platform in platforms {
        tx.execute(sql, &[owner.0.as_str().into(), platform.0.as_str().into()])?;
    }
    Ok(())
}

/// Adds a member, or gives a known one another name and role.
///
/// # Errors
/// Fails where the database does.
pub fn set_member(
    tx: &mut Tx<'_>,
    organization: &str,
    (email, email_key): (&str, &str),
    (name, role): (&str, crate::model::audience::Role),
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = format!("member-{}", counters::next(tx, counters::Counter::Member)?);
    let sql = "INSERT INTO members (id, organization, email, email_key, name, role, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (organization, email_key) DO UPDATE SET name = excluded.name, role = excluded.role";
    let args =
        [id.into(), organization.into(), email.into(), email_key.into(), name.into(), role.as_str().into(), now.into()];
    tx.execute(sql, &args).map(drop)
}

/// The members of an organization, by address.
///
/// # Errors
/// Fails where the database does.
pub fn members(tx: &mut Tx<'_>, organization: &str) -> Result<Vec<Member>, StoreError> {
    let member = |row: &Row| {
        Ok(Member {
            id: row.text(0)?,
            organization: row.text(1)?,
            email: row.text(2)?,
            name: row.text(3)?,
            role: row.text(4)?.parse().map_err(StoreError::custom)?,
            created_at: row.time(5)?,
        })
    };
    tx.query(MEMBERS, &[organization.into()])?.iter().map(member).collect()
}

/// Removes a member; false where there is none of that address. The member's subscription is another matter.
///
/// # Errors
/// Fails where the database does.
pub fn remove_member(tx: &mut Tx<'_>, organization: &str, email_key: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM members WHERE organization = $1 AND email_key = $2";
    Ok(tx.execute(sql, &[organization.into(), email_key.into()])? == 1)
}

/// An owner as people write it: the organization's name, or `organization/client`.
///
/// # Errors
/// Fails where the database does.
pub fn written(tx: &mut Tx<'_>, owner: &Owner) -> Result<String, StoreError> {
    let sql = "SELECT name FROM organizations WHERE id = $1
         UNION ALL SELECT o.name || '/' || c.name FROM clients c JOIN organizations o ON o.id = c.organization WHERE c.id = $1";
    tx.query_one(sql, &[owner.0.as_str().into()])?.map_or_else(|| Ok(owner.to_string()), |row| row.text(0))
}

/// The organization whose client `owner` is; none where it is an organization itself.
///
/// # Errors
/// Fails where the database does.
pub fn organization_of(tx: &mut Tx<'_>, owner: &Owner) -> Result<Option<Owner>, StoreError> {
    let sql = "SELECT organization FROM clients WHERE id = $1";
    tx.query_one(sql, &[owner.0.as_str().into()])?.map(|row| row.text(0).map(Owner)).transpose()
}
