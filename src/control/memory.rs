//! Control state in this process.
