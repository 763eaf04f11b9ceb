//! The API: what programs read and change, who is let in, and what hostile requests get.

mod client;
mod document;
mod lists;
mod requests;
mod tokens;
