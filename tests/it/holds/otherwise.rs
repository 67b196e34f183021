//! otherwise
