//! The hash chain over rows.
