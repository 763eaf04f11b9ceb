//! Where stages and storage meet.
