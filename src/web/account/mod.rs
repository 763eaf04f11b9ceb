//! Accounts: signing in and out, the sessions of a person, and the first start.

pub(super) mod me;
pub(super) mod set_up;
pub(super) mod sign_in;
