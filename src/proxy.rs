//! The data path: what happens to a request between the agent and the CRM.

pub mod decode;
