//! The built-in types of hubspot.
