//! Everything that is tested from outside, in one binary.

#[cfg(test)]
mod sandbox;
