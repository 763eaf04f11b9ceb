//! The platform catalog and the matcher.
