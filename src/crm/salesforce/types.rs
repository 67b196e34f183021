//! The built-in types of salesforce.
